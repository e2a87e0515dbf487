/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digest: recorded values when the vectors are there, forms of the header, and the rule that tells
 * a new nonce from wrong credentials. SPEC: wsman.md 3.2
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/digest.h"
#include "tests/proto/vectors.h"

#define REALM  "Digest:727734D63A1FC0423736E48DA554E462"
#define NONCE  "B9AX94iAAAAAAAAAx6rrSfPHGUrx/3uA"
#define NONCE2 "C9AX94iAAAAAAAAAx6rrSfPHGUrx/3uA"

static int parse(const char *value, struct digest_challenge *ch)
{
	return digest_parse_challenge(ch, value, strlen(value), NULL);
}

/* ---- values
 * ------------------------------------------------------------------------------------------ */

static void check_http_digest(const json_t *row)
{
	char ha1[DIGEST_HEX_MAX + 1], response[DIGEST_HEX_MAX + 1];
	const json_t *ch = json_object_get(row, "challenge");
	const char *body = json_string_value(json_object_get(row, "entity_body"));
	const char *qop = vectors_text(row, "qop");
	unsigned nc;
	assert_int_equal(sscanf(vectors_text(row, "nc"), "%8x", &nc), 1);
	assert_int_equal(digest_ha1(DIGEST_MD5, vectors_text(row, "username"),
				 vectors_text(ch, "realm"), vectors_text(row, "password"), ha1),
		0);
	assert_string_equal(ha1, vectors_text(row, "ha1"));
	struct digest_input in = {
		.alg = DIGEST_MD5,
		.qop = strcmp(qop, "auth-int") == 0 ? DIGEST_QOP_AUTH_INT : DIGEST_QOP_AUTH,
		.ha1 = ha1,
		.nonce = vectors_text(ch, "nonce"),
		.cnonce = vectors_text(row, "cnonce"),
		.nc = nc,
		.method = vectors_text(row, "method"),
		.uri = vectors_text(row, "uri"),
		.body = body,
		.body_len = body ? strlen(body) : 0,
	};
	assert_int_equal(digest_response(&in, response), 0);
	assert_string_equal(response, vectors_text(row, "response"));
}

static void test_http_digest_values(void **state)
{
	(void)state;
	const char *dir = vectors_outside("wsman/values");
	if (!dir)
		skip();
	json_t *doc = vectors_json(dir, "http-digest.json");
	assert_true(json_array_size(doc) >= 3);
	for (size_t i = 0; i < json_array_size(doc); i++)
		check_http_digest(json_array_get(doc, i));
	json_decref(doc);
}

static void test_acl_values(void **state)
{
	(void)state;
	const char *dir = vectors_outside("wsman/values");
	if (!dir)
		skip();
	json_t *doc = vectors_json(dir, "acl-digest-passwords.json");
	assert_true(json_array_size(doc) >= 3);
	for (size_t i = 0; i < json_array_size(doc); i++) {
		const json_t *row = json_array_get(doc, i);
		char ha1[DIGEST_HEX_MAX + 1], b64[DIGEST_PASSWORD_LEN + 1];
		const char *user = vectors_text(row, "username");
		const char *realm = vectors_text(row, "digest_realm");
		const char *password = vectors_text(row, "password");
		assert_int_equal(digest_ha1(DIGEST_MD5, user, realm, password, ha1), 0);
		assert_string_equal(ha1, vectors_text(row, "ha1_hex"));
		assert_int_equal(digest_password(user, realm, password, b64), 0);
		assert_string_equal(b64, vectors_text(row, "digestpassword_base64"));
	}
	json_decref(doc);
}

static void test_rfc7616_sha256(void **state)
{
	(void)state;
	/* RFC 7616 3.9.1 */
	char ha1[DIGEST_HEX_MAX + 1], response[DIGEST_HEX_MAX + 1];
	struct digest_input in = {
		.alg = DIGEST_SHA256,
		.qop = DIGEST_QOP_AUTH,
		.ha1 = ha1,
		.nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
		.cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
		.nc = 1,
		.method = "GET",
		.uri = "/dir/index.html",
	};
	assert_int_equal(
		digest_ha1(DIGEST_SHA256, "Mufasa", "http-auth@example.org", "Circle of Life", ha1),
		0);
	assert_int_equal(digest_response(&in, response), 0);
	assert_string_equal(
		response, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

/* ---- forms of a challenge
 * ------------------------------------------------------------------------------ */

static void test_challenge_forms(void **state)
{
	(void)state;
	static const char *const same[] = {
		"Digest realm=\"" REALM "\", nonce=\"" NONCE "\",stale=\"false\",qop=\"auth\"",
		"DIGEST QOP=auth, nonce=\"" NONCE "\" , Realm=\"" REALM "\"",
		"Negotiate, Digest realm=\"" REALM "\",nonce=" NONCE ",qop=\"auth\"",
		"Negotiate YIIab/+c==, Basic realm=\"b\", Digest qop=\"auth\",realm=\"" REALM
		"\",nonce=\"" NONCE "\"",
		"Digest realm=\"" REALM "\",nonce=\"" NONCE "\",qop=\"auth\",algorithm=MD5, Basic "
		"realm=\"other\"",
		"Digest realm=\"x\",nonce=\"y\",algorithm=SHA-512-256, Digest realm = \"" REALM
		"\" , nonce = \"" NONCE "\",qop=\"auth\",charset=UTF-8",
	};
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
		struct digest_challenge ch;
		assert_int_equal(parse(same[i], &ch), 0);
		assert_string_equal(ch.realm, REALM);
		assert_string_equal(ch.nonce, NONCE);
		assert_int_equal(ch.alg, DIGEST_MD5);
		assert_true(ch.qop_auth);
		assert_false(ch.qop_auth_int);
		assert_false(ch.stale);
	}
}

static void test_challenge_fields(void **state)
{
	(void)state;
	struct digest_challenge ch;
	assert_int_equal(parse("Digest realm=\"a\\\"b\",nonce=n,qop=\"auth-int, auth\",stale=TRUE,"
			       "opaque=\"o\",algorithm=sha-256",
				 &ch),
		0);
	assert_string_equal(ch.realm, "a\"b");
	assert_string_equal(ch.opaque, "o");
	assert_true(ch.qop_auth && ch.qop_auth_int && ch.stale);
	assert_int_equal(ch.alg, DIGEST_SHA256);
}

static void test_challenge_refused(void **state)
{
	(void)state;
	char longer[600] = "Digest realm=r,nonce=";
	static const struct {
		const char *value;
		int rc;
	} rows[] = {
		{"", E_REFUSED},
		{"Basic realm=\"x\"", E_REFUSED},
		{"realm=\"x\",nonce=\"y\"", E_REFUSED},
		{"Digest realm=\"x\"", E_REFUSED},
		{"Digest realm=\"x\",nonce=\"y\",algorithm=MD5-sess", E_REFUSED},
		{"Digest realm=\"x\",nonce=\"y\",qop=\"token\"", E_REFUSED},
		{"Digest realm=\"x", E_PARSE},
		{"Digest realm=\"x\\", E_PARSE},
		{"Digest ,=,", E_PARSE},
		{"Digest realm=a,realm=b,nonce=c", E_PARSE},
		{"Digest realm=\"a\r\nX: y\",nonce=c", E_PARSE},
	};
	struct digest_challenge ch;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(parse(rows[i].value, &ch), rows[i].rc);
	memset(longer + strlen(longer), 'n', DIGEST_NONCE_MAX + 1);
	assert_int_equal(parse(longer, &ch), E_LIMIT);
}

static void test_realm(void **state)
{
	(void)state;
	assert_true(digest_realm_ok(REALM));
	assert_false(digest_realm_ok("Digest:727734D63A1FC0423736E48DA554E46"));
	assert_false(digest_realm_ok("Digest:727734D63A1FC0423736E48DA554E46G"));
	assert_false(digest_realm_ok("digest:727734D63A1FC0423736E48DA554E462"));
	assert_false(digest_realm_ok(""));
}

/* ---- client against server
 * --------------------------------------------------------------------------- */

static const struct digest_request request = {
	.user = "admin",
	.password = "P@ssw0rd",
	.method = "POST",
	.uri = "/wsman",
	.cnonce = "0a4f113b",
	.body = "<x/>",
	.body_len = 4,
};

static int challenged(struct digest_state *st, const char *value, bool answered)
{
	return digest_state_challenged(st, value, strlen(value), answered, NULL);
}

static void test_header_bytes(void **state)
{
	(void)state;
	struct digest_state st = {0};
	struct buf out;
	buf_init(&out, DIGEST_HEADER_MAX);
	assert_int_equal(digest_authorize(&st, &request, &out, NULL), E_STATE);
	assert_int_equal(
		challenged(
			&st, "Digest realm=\"" REALM "\",nonce=\"" NONCE "\",qop=\"auth\"", false),
		DIGEST_RETRY);
	assert_int_equal(digest_authorize(&st, &request, &out, NULL), 0);
	assert_string_equal(buf_cstr(&out),
		"Digest username=\"admin\",realm=\"" REALM "\",nonce=\"" NONCE
		"\",uri=\"/wsman\",qop=auth,response=\"af529a4dad3bc31d05033d7ae873aa4f\","
		"nc=00000001,cnonce=\"0a4f113b\"");
	buf_free(&out);
	assert_int_equal(digest_authorize(&st, &request, &out, NULL), 0);
	assert_non_null(strstr(buf_cstr(&out), "7e3a31fbb038144972160492fa72d9b7"));
	assert_int_equal(st.nc, 2);
	buf_free(&out);
}

/* Answer a challenge, parse the answer as a server and judge it. */
static void check_round(const char *challenge, const struct digest_request *rq, enum digest_qop qop)
{
	struct digest_state st = {0};
	struct digest_authorization a;
	char ha1[DIGEST_HEX_MAX + 1];
	struct buf out;
	buf_init(&out, DIGEST_HEADER_MAX);
	assert_int_equal(challenged(&st, challenge, false), DIGEST_RETRY);
	assert_int_equal(digest_authorize(&st, rq, &out, NULL), 0);
	assert_int_equal(digest_parse_authorization(&a, (const char *)out.data, out.len, NULL), 0);
	assert_string_equal(a.user, rq->user);
	assert_string_equal(a.realm, st.challenge.realm);
	assert_string_equal(a.nonce, st.challenge.nonce);
	assert_int_equal(a.qop, qop);
	assert_int_equal(a.nc, qop == DIGEST_QOP_NONE ? 0 : 1);
	assert_int_equal(digest_ha1(a.alg, rq->user, a.realm, rq->password, ha1), 0);
	assert_true(digest_authorization_ok(&a, ha1, "POST", rq->body, rq->body_len));
	assert_false(digest_authorization_ok(&a, ha1, "PUT", rq->body, rq->body_len));
	bool body_counts = !digest_authorization_ok(&a, ha1, "POST", "<y/>", 4);
	assert_int_equal(body_counts, qop == DIGEST_QOP_AUTH_INT);
	ha1[0] = (char)(ha1[0] == '0' ? '1' : '0');
	assert_false(digest_authorization_ok(&a, ha1, "POST", rq->body, rq->body_len));
	buf_free(&out);
}

static void test_rounds(void **state)
{
	(void)state;
	struct digest_request wanted = request, odd = request;
	wanted.prefer_auth_int = true;
	odd.user = "ad\"m\\in";
	check_round("Digest realm=r,nonce=n,qop=\"auth,auth-int\"", &request, DIGEST_QOP_AUTH);
	check_round("Digest realm=r,nonce=n,qop=\"auth,auth-int\"", &wanted, DIGEST_QOP_AUTH_INT);
	check_round("Digest realm=r,nonce=n,qop=\"auth-int\"", &request, DIGEST_QOP_AUTH_INT);
	check_round("Digest realm=r,nonce=n", &request, DIGEST_QOP_NONE);
	check_round("Digest realm=\"a\\\"b\",nonce=n,opaque=o,algorithm=SHA-256,qop=auth", &odd,
		DIGEST_QOP_AUTH);
}

static void test_authorization_refused(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		int rc;
	} rows[] = {
		{"Basic YTpi", E_REFUSED},
		{"", E_REFUSED},
		{"Digest username=a,realm=r,nonce=n,uri=/", E_PARSE},
		{"Digest username=a,realm=r,nonce=n,uri=/,response=x,qop=auth,nc=1,cnonce=c",
			E_PARSE},
		{"Digest username=a,realm=r,nonce=n,uri=/,response=x,qop=auth,nc=00000001",
			E_PARSE},
		{"Digest username=a,realm=r,nonce=n,uri=/,response=x,qop=other", E_PARSE},
		{"Digest username=a,realm=r,nonce=n,uri=/,response=x, Basic", E_PARSE},
	};
	struct digest_authorization a;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(
			digest_parse_authorization(&a, rows[i].value, strlen(rows[i].value), NULL),
			rows[i].rc);
}

static void test_quoted_nc_and_qop(void **state)
{
	(void)state;
	struct digest_authorization a;
	const char *value =
		"Digest username=\"a\",realm=\"r\",nonce=\"n\",uri=\"/wsman\",qop=\"auth\","
		"nc=\"0000000a\",cnonce=\"c\",response=\"00\"";
	assert_int_equal(digest_parse_authorization(&a, value, strlen(value), NULL), 0);
	assert_int_equal(a.nc, 10);
	assert_int_equal(a.qop, DIGEST_QOP_AUTH);
}

/* ---- retry or wrong password
 * ---------------------------------------------------------------------------- */

#define FIRST  "Digest realm=\"" REALM "\",nonce=\"" NONCE "\",qop=\"auth\""
#define SECOND "Digest realm=\"" REALM "\",nonce=\"" NONCE2 "\",qop=\"auth\""
#define STALE  "Digest realm=\"" REALM "\",nonce=\"" NONCE2 "\",qop=\"auth\",stale=\"true\""

static void test_fresh_nonce_refused_is_bad_credentials(void **state)
{
	(void)state;
	struct digest_state st = {0};
	assert_int_equal(challenged(&st, FIRST, false), DIGEST_RETRY);
	assert_int_equal(challenged(&st, SECOND, true), DIGEST_BAD_CREDENTIALS);
	assert_string_equal(st.challenge.nonce, NONCE2);
}

static void test_changed_nonce_is_retry_once(void **state)
{
	(void)state;
	struct digest_state st = {0};
	struct buf out;
	buf_init(&out, DIGEST_HEADER_MAX);
	assert_int_equal(challenged(&st, FIRST, false), DIGEST_RETRY);
	assert_int_equal(digest_authorize(&st, &request, &out, NULL), 0);
	digest_state_accepted(&st);
	assert_int_equal(challenged(&st, SECOND, true), DIGEST_RETRY);
	assert_int_equal(st.nc, 0);
	assert_int_equal(challenged(&st, FIRST, true), DIGEST_BAD_CREDENTIALS);
	buf_free(&out);
}

static void test_same_nonce_refused_is_bad_credentials(void **state)
{
	(void)state;
	struct digest_state st = {0};
	assert_int_equal(challenged(&st, FIRST, false), DIGEST_RETRY);
	digest_state_accepted(&st);
	assert_int_equal(challenged(&st, FIRST, true), DIGEST_BAD_CREDENTIALS);
}

static void test_stale_is_obeyed_once(void **state)
{
	(void)state;
	struct digest_state st = {0};
	assert_int_equal(challenged(&st, FIRST, false), DIGEST_RETRY);
	assert_int_equal(challenged(&st, STALE, true), DIGEST_RETRY);
	assert_int_equal(challenged(&st, STALE, true), DIGEST_BAD_CREDENTIALS);
	digest_state_reset(&st);
	assert_int_equal(challenged(&st, FIRST, false), DIGEST_RETRY);
	digest_state_accepted(&st);
	assert_int_equal(challenged(&st, STALE, true), DIGEST_RETRY);
}

static void test_unusable_challenge_changes_nothing(void **state)
{
	(void)state;
	struct digest_state st = {0};
	assert_int_equal(challenged(&st, FIRST, false), DIGEST_RETRY);
	digest_state_accepted(&st);
	assert_int_equal(challenged(&st, "Basic realm=x", true), E_REFUSED);
	assert_string_equal(st.challenge.nonce, NONCE);
	assert_true(st.proven);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_digest_values),
		cmocka_unit_test(test_acl_values),
		cmocka_unit_test(test_rfc7616_sha256),
		cmocka_unit_test(test_challenge_forms),
		cmocka_unit_test(test_challenge_fields),
		cmocka_unit_test(test_challenge_refused),
		cmocka_unit_test(test_realm),
		cmocka_unit_test(test_header_bytes),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_authorization_refused),
		cmocka_unit_test(test_quoted_nc_and_qop),
		cmocka_unit_test(test_fresh_nonce_refused_is_bad_credentials),
		cmocka_unit_test(test_changed_nonce_is_retry_once),
		cmocka_unit_test(test_same_nonce_refused_is_bad_credentials),
		cmocka_unit_test(test_stale_is_obeyed_once),
		cmocka_unit_test(test_unusable_challenge_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
