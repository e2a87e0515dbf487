/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generations as data: every file loads, names real classes and members, and does what it says;
 * wrong files are refused; the on-die chain has the shape of real ones. SPEC: provisioning.md 6,
 * tls.md 6
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/classes/class.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_all_load(void **state)
{
	(void)state;
	static const char *const releases[] = {"amt3", "amt4", "amt5", "amt6", "amt7", "amt8",
		"amt9", "amt10", "amt11early", "amt11", "amt11sha1", "amt12", "amt14", "amt15",
		"amt15ondie", "amt16", "amt16ondie", "amt16std", "amt18", "amt19", "amt20", "amt21",
		"amt22"};
	struct personality_set set;
	struct error err = {0};
	if (personality_load(&set, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(set.n, sizeof releases / sizeof releases[0]);
	for (size_t i = 0; i < set.n; i++)
		assert_non_null(personality_find(&set, releases[i]));
	personality_free(&set);
}

static int load_text(const char *text, struct error *err)
{
	char dir[] = "/tmp/muster-personality-XXXXXX", path[64];
	struct personality_set set;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/one.yaml", dir);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	int rc = personality_load(&set, dir, err);
	personality_free(&set);
	unlink(path);
	rmdir(dir);
	return rc;
}

#define GOOD                                                           \
	"name: x\nversion: 16.1.25\nbuild: \"1\"\nsku: \"2\"\nhttp:\n" \
	"  server: 16.1.25\n"
#define TLS "tls:\n  suites: [AES128-SHA]\n"

static void test_wrong_files(void **state)
{
	(void)state;
	struct error err = {0};
	assert_int_equal(load_text(GOOD TLS, &err), 0);
	assert_int_equal(load_text(GOOD, &err), E_CONFIG); /* no suite */
	assert_int_equal(load_text(GOOD TLS "  min: \"1.4\"\n", &err), E_CONFIG);
	assert_int_equal(load_text(GOOD TLS "  min: \"1.3\"\n", &err), E_CONFIG); /* above max */
	assert_int_equal(load_text(GOOD TLS "  pks: true\n", &err), E_CONFIG);
	assert_non_null(strstr(err.text, "one.yaml:9:3"));
	assert_int_equal(load_text(TLS, &err), E_CONFIG); /* no name */
	/* A misspelt entry would make a release have what it lacks. */
	assert_int_equal(load_text(GOOD TLS "lacks: [AMT_GeneralSetting]\n", &err), E_CONFIG);
	assert_int_equal(load_text(GOOD TLS "lacks: [AMT_GeneralSettings.Foo]\n", &err), E_CONFIG);
	struct personality_set set;
	assert_int_equal(personality_load(&set, "/nonexistent", &err), -2);
}

static void test_mix(void **state)
{
	(void)state;
	struct personality_set set;
	struct error err = {0};
	assert_int_equal(personality_load(&set, NULL, &err), 0);
	assert_int_equal(personality_mix(&set, "amt9=1,amt22=3", &err), 0);
	assert_string_equal(personality_pick(&set, 0.0)->name, "amt22"); /* in order of the files */
	assert_string_equal(personality_pick(&set, 0.9)->name, "amt9");
	assert_int_equal(personality_mix(&set, "amt99", &err), E_CONFIG);
	personality_free(&set);
}

/* What a release lacks answers as the field does, and cannot be put. */
static void test_absence(void **state)
{
	(void)state;
	static struct rig rig;
	rig_open(&rig, "amt5", NULL);
	rig_call(&rig, IPS_URI "IPS_OptInService", "Get", NULL, NULL);
	assert_string_equal(rig.fault, "DestinationUnreachable");
	rig_call(&rig, AMT_URI "AMT_PublicKeyManagementService", "GenerateKeyPair", NULL,
		"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>");
	assert_string_equal(rig.fault, "ActionNotSupported");
	rig_call(&rig, AMT_URI "AMT_GeneralSettings", "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "PingResponseEnabled"), "true");
	assert_null(xml_child(rig_body(&rig), "SharedFQDN"));
	assert_null(xml_child(rig_body(&rig), "WsmanOnlyMode"));
	rig_call(&rig, AMT_URI "AMT_GeneralSettings", "Put", NULL,
		"<r:AMT_GeneralSettings><r:PingResponseEnabled>false</r:PingResponseEnabled>"
		"</r:AMT_GeneralSettings>");
	assert_string_equal(rig.fault, "");
	rig_call(&rig, AMT_URI "AMT_GeneralSettings", "Put", NULL,
		"<r:AMT_GeneralSettings><r:PingResponseEnabled>false</r:PingResponseEnabled>"
		"<r:SharedFQDN>true</r:SharedFQDN></r:AMT_GeneralSettings>");
	assert_string_equal(rig.fault, "SchemaValidationError");
	rig_close(&rig);
}

/* ---- the on-die chain ----------------------------------------------------------------------- */

static void check_chain(struct device *d, size_t expected)
{
	struct shown shown;
	device_shown(d, &shown);
	assert_int_equal(shown.n_chain, expected - 1);
	X509 *below = shown.cert;
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(below), shown.key), 1);
	assert_int_equal(EVP_PKEY_get_bits(shown.key), 384);
	for (size_t i = 0; i < shown.n_chain; i++) {
		assert_int_equal(X509_check_issued(shown.chain[i], below), X509_V_OK);
		assert_int_equal(X509_verify(below, X509_get0_pubkey(shown.chain[i])), 1);
		below = shown.chain[i];
	}
	X509 *root = d->pool->ondie.root;
	bool at_top = X509_check_issued(root, below) == X509_V_OK;
	assert_int_equal(at_top, expected == 6);
	assert_ptr_equal(shown.chain[2], shown.rom);
	shown_free(&shown);
}

static void test_ondie(void **state)
{
	(void)state;
	static struct rig rig;
	rig_open(&rig, "amt19", NULL);
	check_chain(&rig.d, 6);
	rig.d.as = personality_find(&rig.set, "amt20");
	check_chain(&rig.d, 4);
	/* Each machine has its own ROM CA, which stays. */
	struct device other = rig.d;
	other.rom = NULL;
	other.uuid.b[3] ^= 1;
	struct shown a, again, b;
	device_shown(&rig.d, &a);
	device_shown(&rig.d, &again);
	device_shown(&other, &b);
	assert_int_equal(X509_cmp(a.rom, again.rom), 0);
	assert_int_not_equal(X509_cmp(a.rom, b.rom), 0);
	shown_free(&a);
	shown_free(&again);
	shown_free(&b);
	OPENSSL_free(other.rom);
	rig.d.state = DEV_POST; /* after activation the self-signed one again */
	device_shown(&rig.d, &a);
	assert_int_equal(a.n_chain, 0);
	assert_int_equal(EVP_PKEY_get_bits(a.key), 2048);
	shown_free(&a);
	rig_close(&rig);
}

/* The upper part survives in its file: a worker is given the root once. */
static void test_ondie_file(void **state)
{
	(void)state;
	char path[] = "/tmp/muster-ondie-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	struct ondie first, second;
	struct error err = {0};
	assert_int_equal(ondie_open(&first, path, &err), 0);
	assert_int_equal(ondie_open(&second, path, &err), 0);
	assert_int_equal(X509_cmp(first.root, second.root), 0);
	assert_int_equal(X509_cmp(first.issuing, second.issuing), 0);
	ondie_close(&first);
	ondie_close(&second);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_load),
		cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_mix),
		cmocka_unit_test(test_absence),
		cmocka_unit_test(test_ondie),
		cmocka_unit_test(test_ondie_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
