/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware's judgement of provisioning chains, row by row of the shared sets, for three
 * generations. Rows that no source decides are judged but not asserted. SPEC: tls.md 5
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/judge.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct judge_hash roots[4];

static STACK_OF(X509) * load(const char *name)
{
	FILE *f = fopen(rig_vector(name), "re");
	if (!f)
		return NULL;
	STACK_OF(X509) *chain = sk_X509_new_null();
	for (X509 *x; (x = PEM_read_X509(f, NULL, NULL, NULL));)
		sk_X509_push(chain, x);
	fclose(f);
	return chain;
}

static int load_roots(void **state)
{
	static const char *const files[] = {"pki/prov/root.pem", "pki/prov/root3072.pem",
		"pki/bad/sha1-root.pem", "pki/bad/root1024.pem"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		STACK_OF(X509) *c = load(files[i]);
		unsigned len = 0;
		if (!c)
			return 0; /* the test itself says that the data is missing */
		X509_digest(sk_X509_value(c, 0), EVP_sha256(), roots[i].sha256, &len);
		sk_X509_pop_free(c, X509_free);
	}
	return 0;
}

/* Split one line at commas outside quotes. */
static size_t split(char *line, char **fields, size_t max)
{
	size_t n = 0;
	bool quoted = false;
	fields[n++] = line;
	for (char *s = line; *s; s++) {
		if (*s == '"')
			quoted = !quoted;
		if (*s == ',' && !quoted && n < max) {
			*s = '\0';
			fields[n++] = s + 1;
		}
		if (*s == '\n' || *s == '\r')
			*s = '\0';
	}
	return n;
}

static void judge_row(const char *chain_file, const char *expected, bool sha1_chain)
{
	char name[256];
	snprintf(name, sizeof name, "pki/%s", chain_file);
	STACK_OF(X509) *chain = load(name);
	assert_non_null(chain);
	struct judge_rules rules = {.roots = roots,
		.n_roots = 4,
		.suffix = "corp.example.com",
		.sha1_chain = sha1_chain,
		.now_s = time(NULL)};
	enum judge_code code = judge_chain(chain, &rules);
	sk_X509_pop_free(chain, X509_free);
	if (strcmp(expected, "accept") == 0 && code != JUDGE_OK)
		fail_msg("%s: refused as %s", chain_file, judge_name(code));
	if (strncmp(expected, "refuse", 6) == 0 && code == JUDGE_OK)
		fail_msg("%s: accepted", chain_file);
}

static void test_manifest(void **state)
{
	(void)state;
	FILE *f = fopen(rig_vector("pki/manifest.csv"), "re");
	if (!f) {
		print_message("skipped: no vectors/pki/manifest.csv\n");
		skip();
	}
	char line[2048], *field[9];
	unsigned rows = 0;
	while (fgets(line, sizeof line, f)) {
		if (split(line, field, 9) < 7 || strcmp(field[0], "chain") == 0)
			continue;
		judge_row(field[0], field[3], true);
		judge_row(field[0], field[4], true);
		judge_row(field[0], field[5], false);
		rows++;
	}
	fclose(f);
	assert_true(rows > 20);
}

static void test_domain_table(void **state)
{
	(void)state;
	FILE *f = fopen(rig_vector("pki/domain-match.csv"), "re");
	if (!f) {
		print_message("skipped: no vectors/pki/domain-match.csv\n");
		skip();
	}
	char line[1024], *field[4];
	unsigned rows = 0;
	while (fgets(line, sizeof line, f)) {
		if (split(line, field, 4) != 4 || strcmp(field[0], "cn") == 0)
			continue;
		bool match = judge_domain(field[0], field[1]);
		if (match != (strcmp(field[2], "match") == 0))
			fail_msg("%s for %s: %d", field[0], field[1], match);
		rows++;
	}
	fclose(f);
	assert_true(rows > 20);
}

static void test_nothing_shown(void **state)
{
	(void)state;
	STACK_OF(X509) *none = sk_X509_new_null();
	struct judge_rules rules = {.suffix = "x"};
	assert_int_equal(judge_chain(none, &rules), JUDGE_NO_CERTIFICATE);
	sk_X509_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_domain_table),
		cmocka_unit_test(test_nothing_shown),
	};
	return cmocka_run_group_tests(tests, load_roots, NULL);
}
