/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge finds each kind of wrong: a good run with one thing changed must give exactly the rule
 * that was broken, and the good run itself none. SPEC: architecture.md 3
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/verify.h"
#include "common/base/codec.h"
#include "proto/digest.h"

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UUID  "11111111-2222-4333-8444-555555555555"
#define FQDN  "pc000000.corp.example.com"
#define REALM "Digest:0123456789ABCDEF0123456789ABCDEF"
#define HEAD                                                                   \
	"{\"t\":1,\"ev\":\"run\",\"devices\":1,\"seed\":1,\"wall_ms\":1000}\n" \
	"{\"t\":1,\"ev\":\"device\",\"d\":\"" UUID "\",\"index\":0,\"fqdn\":\"" FQDN "\"}\n"
#define HELLO                                     \
	"{\"t\":9,\"ev\":\"hello\",\"d\":\"" UUID \
	"\",\"retry\":0,\"gen\":1,\"sent\":5000,\"result\":\"accepted\"}\n"
#define CALL(fence)                               \
	"{\"t\":10,\"ev\":\"call\",\"d\":\"" UUID \
	"\",\"call\":\"AMT_GeneralSettings.Put\",\"job\":\"j\",\"fence\":" fence ",\"rv\":0}\n"
#define DENIED                                    \
	"{\"t\":10,\"ev\":\"call\",\"d\":\"" UUID \
	"\",\"call\":\"AMT_GeneralSettings.Put\",\"rv\":0,\"note\":\"denied a.b\"}\n"
#define DONE     "{\"t\":90000,\"ev\":\"state\",\"d\":\"" UUID "\",\"from\":1,\"to\":2,\"gen\":1}\n"
#define END      "{\"t\":99,\"ev\":\"end\"}\n"
#define PASSWORD "P@ssw0rd1!"
#define MEBX     "M3bx#pass"

static char dir[] = "/tmp/muster-verify-XXXXXX";
static char ledger[64], records[64], profile_file[64], ca[64];
static char cert_b64[8192], cert_fp[65], ha1[DIGEST_HEX_MAX + 1], mebx[65];

static void extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void sha_hex(const void *data, size_t len, char hex[static 65])
{
	uint8_t sha[SHA256_DIGEST_LENGTH];
	SHA256(data, len, sha);
	hex_encode(sha, sizeof sha, hex);
}

/* A self-signed certificate is its own authority here. */
static void make_certificate(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 5);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)FQDN, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	extension(x, NID_subject_alt_name, "DNS:" FQDN);
	extension(x, NID_ext_key_usage, "serverAuth");
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	FILE *f = fopen(ca, "we");
	assert_non_null(f);
	PEM_write_X509(f, x);
	fclose(f);
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);
	struct buf b;
	buf_init(&b, sizeof cert_b64 - 1);
	assert_int_equal(base64_encode(&b, der, (size_t)len), 0);
	snprintf(cert_b64, sizeof cert_b64, "%s", buf_cstr(&b));
	sha_hex(der, (size_t)len, cert_fp);
	buf_free(&b);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
}

static int prepare(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(ledger, sizeof ledger, "%s/ledger", dir);
	snprintf(records, sizeof records, "%s/records", dir);
	snprintf(profile_file, sizeof profile_file, "%s/default.yaml", dir);
	snprintf(ca, sizeof ca, "%s/ca.pem", dir);
	make_certificate();
	assert_int_equal(digest_ha1(DIGEST_MD5, "admin", REALM, PASSWORD, ha1), 0);
	sha_hex(UUID ":" MEBX, strlen(UUID ":" MEBX), mebx);
	write_text(profile_file,
		"name: default\nfeatures: {sol: true, ider: false, kvm: true, web_ui: true, "
		"ping: true}\nuser_consent: none\npower: always\n");
	return 0;
}

static int clean(void **state)
{
	(void)state;
	unlink(ledger);
	unlink(records);
	unlink(profile_file);
	unlink(ca);
	return rmdir(dir);
}

/* The good end; replace (if not NULL) names one member that is written as with instead. */
static void good_final(char *out, size_t max, const char *replace, const char *with)
{
	const struct {
		const char *key, *value;
	} members[] = {
		{"t", "98"},
		{"ev", "\"final\""},
		{"d", "\"" UUID "\""},
		{"state", "2"},
		{"realm", "\"" REALM "\""},
		{"ha1", ha1},
		{"admin_default", "false"},
		{"mebx_sha256", mebx},
		{"host", "\"pc000000\""},
		{"domain", "\"corp.example.com\""},
		{"ping", "true"},
		{"tls", "true"},
		{"redir_state", "32770"},
		{"redir_listener", "true"},
		{"kvm_class", "true"},
		{"kvm_state", "2"},
		{"optin_class", "true"},
		{"optin", "0"},
		{"webui_state", "2"},
		{"power_scheme", "1"},
		{"clock_off_s", "0"},
		{"cert_fp", cert_fp},
		{"cert", cert_b64},
		{"stray_keys", "0"},
		{"stray_certs", "0"},
		{"binds", "1"},
	};
	size_t at = 0;
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		const char *v =
			replace && strcmp(members[i].key, replace) == 0 ? with : members[i].value;
		/* Hex and base64 are bare above. */
		bool quote = v == ha1 || v == mebx || v == cert_fp || v == cert_b64;
		at += (size_t)snprintf(out + at, max - at, "%s\"%s\":%s%s%s", i ? "," : "{",
			members[i].key, quote ? "\"" : "", v, quote ? "\"" : "");
	}
	snprintf(out + at, max - at, "}\n");
}

struct wrong {
	const char *rule;           /* NULL = none */
	const char *lines;          /* instead of CALL("7") DONE */
	const char *member, *value; /* of the final line */
	const char *record_member, *record_value;
	const char *record_true;
	bool no_record;
};

static void judge(const struct wrong *w)
{
	static char text[32768], final[16384];
	good_final(final, sizeof final, w->member, w->value);
	snprintf(text, sizeof text, "%s%s%s%s%s", HEAD, HELLO, w->lines ? w->lines : CALL("7") DONE,
		final, END);
	write_text(ledger, text);
	json_t *r = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:i}", "uuid", UUID, "job_state",
		"done", "admin_password", PASSWORD, "mebx_password", MEBX, "realm", REALM,
		"cert_fp", cert_fp, "pending", 0, "done_ms", 1095);
	if (w->record_member)
		json_object_set_new(r, w->record_member, json_string(w->record_value));
	if (w->record_true)
		json_object_set_new(r, w->record_true, json_true());
	char *line = json_dumps(r, JSON_COMPACT);
	write_text(records, w->no_record ? "" : line);
	free(line);
	json_decref(r);
	struct verify_opts o = {.ledgers = {ledger},
		.n_ledgers = 1,
		.records = records,
		.profile = profile_file,
		.ca = {ca},
		.n_ca = 1};
	struct verify v;
	struct error err = {0};
	if (verify_load(&v, &o, &err) < 0)
		fail_msg("%s", err.text);
	verify_judge(&v);
	json_t *report = verify_report(&v);
	json_t *list = json_object_get(report, "violations_list");
	const char *first = v_text(json_array_get(list, 0), "rule");
	if (json_array_size(list) != (w->rule ? 1u : 0u) ||
		strcmp(first, w->rule ? w->rule : "") != 0) {
		char *all = json_dumps(list, 0);
		fail_msg("expected %s, found %s", w->rule ? w->rule : "nothing", all);
	}
	if (!w->rule) {
		assert_int_equal(v_uint(report, "provisioned"), 1);
		assert_int_equal(v_uint(report, "lost"), 0);
		/* Sent 5 ms after the start at 1000, done at 1095. */
		assert_int_equal(v_uint(json_object_get(report, "hello_to_done_ms"), "p50"), 90);
	}
	json_decref(report);
	verify_free(&v);
}

static void test_rules(void **state)
{
	static const struct wrong wrongs[] = {
		{.rule = NULL},
		{"stale_fence", .lines = CALL("7") CALL("8") CALL("7") DONE},
		{"configured_twice", .lines = CALL("7") DONE DONE},
		{"stray_keys", .member = "stray_keys", .value = "1"},
		{"stray_certs", .member = "stray_certs", .value = "1"},
		{"bound_twice", .member = "binds", .value = "2"},
		{"lost", .no_record = true},
		{"not_configured", .lines = CALL("7")},
		{"locked_out", .record_member = "admin_password", .record_value = "0ther#Pass"},
		{"locked_out", .record_member = "admin_password", .record_value = ""},
		{"default_password", .member = "admin_default", .value = "true"},
		{"realm", .record_member = "realm", .record_value = "Digest:0"},
		{"mebx", .record_member = "mebx_password", .record_value = "0ther#Pass"},
		{"certificate", .record_member = "cert_fp", .record_value = "00"},
		{"pending", .record_true = "pending"},
		{"profile", .member = "ping", .value = "false"},
		{"profile", .member = "redir_state", .value = "32771"},
		{"profile", .member = "kvm_state", .value = "3"},
		{"profile", .member = "webui_state", .value = "3"},
		{"profile", .member = "optin", .value = "1"},
		{"profile", .member = "power_scheme", .value = "0"},
		{"profile", .member = "tls", .value = "false"},
		{"profile", .member = "redir_listener", .value = "false"},
		{"names", .member = "host", .value = "\"pc999999\""},
		{"names", .lines = CALL("7") DONE DENIED},
		{"clock", .member = "clock_off_s", .value = "3600"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++)
		judge(&wrongs[i]);
}

/* The name may have moved since the run began: judged by the table of today. */
static void test_names_of_today(void **state)
{
	(void)state;
	static char text[32768], final[16384], names[80];
	static const char *const rules[] = {"certificate", "certificate", "names"};
	good_final(final, sizeof final, NULL, NULL);
	snprintf(text, sizeof text, "%s%s%s%s%s", HEAD, HELLO, CALL("7") DONE, final, END);
	write_text(ledger, text);
	snprintf(names, sizeof names, "%s/names.csv", dir);
	write_text(names, "uuid,fqdn,profile\n" UUID ",moved.corp.example.com,default\n");
	struct verify_opts o = {
		.ledgers = {ledger}, .n_ledgers = 1, .profile = profile_file, .names = names};
	struct verify v;
	struct error err = {0};
	assert_int_equal(verify_load(&v, &o, &err), 0);
	verify_judge(&v);
	assert_int_equal(json_array_size(v.violations), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(v_text(json_array_get(v.violations, i), "rule"), rules[i]);
	verify_free(&v);
	unlink(names);
}

/* A device without KVM cannot have it on. */
static void test_absent_feature_is_no_fault(void **state)
{
	static const struct wrong none = {.member = "kvm_class", .value = "false"};
	(void)state;
	judge(&none);
}

/* One device line and one call of device id with this UUID; id is what the lines are named by. */
#define DEVICE(id, uuid)                                               \
	"{\"t\":1,\"ev\":\"device\",\"d\":\"" id "\",\"uuid\":\"" uuid \
	"\",\"index\":0,\"fqdn\":\"" FQDN "\",\"faults\":\"\"}\n"
#define LINE(ev, id, more) "{\"t\":7,\"ev\":\"" ev "\",\"d\":\"" id "\"," more "}\n"
#define RUN                "{\"t\":1,\"ev\":\"run\",\"wall_ms\":1000}\n"
#define PUT(id, s)         LINE("call", id, "\"call\":\"AMT_GeneralSettings.Put\",\"s\":" s)
#define IN_SETUP(id)       LINE("final", id, "\"state\":1")
#define POST(id)           LINE("state", id, "\"to\":2,\"gen\":1")
#define ZERO               "00000000-0000-0000-0000-000000000000"
#define BOARD              "03000200-0400-0500-0006-000700080009"

/* Judge one or two texts without records; the rules found, in order, as "a b c". */
static void judge_texts(const char *one, const char *two, const char *record, const char *expected)
{
	char second[80], found[256] = "";
	snprintf(second, sizeof second, "%s/second", dir);
	write_text(ledger, one);
	if (two)
		write_text(second, two);
	if (record)
		write_text(records, record);
	struct verify_opts o = {.ledgers = {ledger, second},
		.n_ledgers = two ? 2 : 1,
		.records = record ? records : NULL};
	struct verify v;
	struct error err = {0};
	if (verify_load(&v, &o, &err) < 0)
		fail_msg("%s", err.text);
	verify_judge(&v);
	json_t *line;
	size_t i;
	json_array_foreach(v.violations, i, line)
	{
		size_t at = strlen(found);
		snprintf(
			found + at, sizeof found - at, "%s%s", at ? " " : "", v_text(line, "rule"));
	}
	unlink(second);
	verify_free(&v);
	assert_string_equal(found, expected);
}

static void test_rules_without_records(void **state)
{
	(void)state;
	judge_texts(RUN DEVICE("a", UUID) PUT("a", "1") PUT("a", "2") IN_SETUP("a") END, NULL, NULL,
		"");
	judge_texts(RUN DEVICE("a", UUID) PUT("a", "1") PUT("a", "2") PUT("a", "1") IN_SETUP("a")
			    END,
		NULL, NULL, "two_sessions");
	judge_texts(RUN DEVICE("a", UUID) LINE("login_failed", "a", "\"row\":9") IN_SETUP("a") END,
		NULL, NULL, "");
	judge_texts(RUN DEVICE("a", UUID) LINE("login_failed", "a", "\"row\":10") IN_SETUP("a") END,
		NULL, NULL, "lock_out");
	judge_texts(RUN DEVICE("a", UUID) LINE("hello", "a", "\"result\":\"bytes received\"")
			    IN_SETUP("a") END,
		NULL, NULL, "listener_spoke");
	judge_texts(RUN DEVICE("a", UUID) END, NULL, NULL, "evidence");
	judge_texts(RUN DEVICE("a", ZERO) IN_SETUP("a") END, NULL, NULL, "");
	judge_texts(RUN DEVICE("a", ZERO) PUT("a", "1") IN_SETUP("a") END, NULL, NULL,
		"placeholder_uuid");
	judge_texts(RUN DEVICE("a", BOARD) PUT("a", "1") IN_SETUP("a") END, NULL, NULL,
		"placeholder_uuid");
}

/* Two devices with one UUID, in one ledger or in two: one may be configured, not both. */
static void test_shared_uuid(void **state)
{
	static const char setup_b[] = RUN DEVICE("b", UUID) IN_SETUP("b") END;
	static const char cut_b[] = RUN DEVICE("a", UUID) POST("a");
	(void)state;
	judge_texts(RUN DEVICE("a", UUID) POST("a"), setup_b, NULL, "");
	judge_texts(RUN DEVICE("a", UUID) POST("a"), cut_b, NULL, "shared_uuid shared_uuid");
	judge_texts(RUN DEVICE("a", UUID) DEVICE("b", UUID) POST("a") POST("b"), NULL, NULL,
		"shared_uuid shared_uuid");
	/* The record says done, and one of the two is. */
	judge_texts(RUN DEVICE("a", UUID) DEVICE("b", UUID) POST("a"), NULL,
		"{\"uuid\":\"" UUID "\",\"job_state\":\"done\"}", "");
	judge_texts(RUN DEVICE("a", UUID) DEVICE("b", UUID), NULL,
		"{\"uuid\":\"" UUID "\",\"job_state\":\"done\"}", "not_configured not_configured");
}

static void test_refusals_have_names(void **state)
{
	(void)state;
	judge_texts(RUN DEVICE("a", UUID), NULL,
		"{\"uuid\":\"" UUID "\",\"job_state\":\"dead\",\"reason\":\"refused\"}", "");
	judge_texts(RUN DEVICE("a", UUID), NULL,
		"{\"uuid\":\"" UUID "\",\"job_state\":\"dead\",\"reason\":\"\"}", "unnamed");
}

/* Evidence that cannot be read is no evidence of innocence. */
static void test_bad_evidence(void **state)
{
	struct error err = {0};
	static const struct {
		const char *ledger;
		int rc;
	} cases[] = {{RUN DEVICE("a", UUID) IN_SETUP("a") END, 0},
		{RUN DEVICE("a", UUID) IN_SETUP("a"), 1},
		{RUN DEVICE("a", UUID) IN_SETUP("a") "{\"t\":1\n" END, 1},
		{RUN DEVICE("a", UUID) IN_SETUP("a") PUT("other", "1") END, 1}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		write_text(ledger, cases[i].ledger);
		struct verify_opts o = {.ledgers = {ledger}, .n_ledgers = 1, .json = true};
		assert_int_equal(verify_run(&o, &err), cases[i].rc);
	}
	write_text(ledger, RUN END);
	struct verify_opts o = {.ledgers = {ledger}, .n_ledgers = 1};
	assert_true(verify_run(&o, &err) < 0);
}

/* A server that is not ours, without records and profile: what devices saw, and no promise of
 * names. */
static void judge_ledger(const char *member, const char *value, size_t n_violations)
{
	static char text[32768], final[16384];
	good_final(final, sizeof final, member, value);
	snprintf(text, sizeof text, "%s%s%s%s%s", HEAD, HELLO, CALL("7") DONE, final, END);
	write_text(ledger, text);
	struct verify_opts o = {.ledgers = {ledger}, .n_ledgers = 1};
	struct verify v;
	struct error err = {0};
	assert_int_equal(verify_load(&v, &o, &err), 0);
	verify_judge(&v);
	assert_int_equal(json_array_size(v.violations), n_violations);
	verify_free(&v);
}

static void test_without_records(void **state)
{
	(void)state;
	judge_ledger("stray_keys", "1", 1);
	judge_ledger("admin_default", "true", 1);
	judge_ledger("tls", "false", 1);
	judge_ledger("host", "\"pc999999\"", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_names_of_today),
		cmocka_unit_test(test_absent_feature_is_no_fault),
		cmocka_unit_test(test_without_records),
		cmocka_unit_test(test_rules_without_records),
		cmocka_unit_test(test_shared_uuid),
		cmocka_unit_test(test_refusals_have_names),
		cmocka_unit_test(test_bad_evidence),
	};
	return cmocka_run_group_tests(tests, prepare, clean);
}
