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

static struct personality_set releases;

static int load_roots(void **state)
{
	struct error err = {0};
	if (personality_load(&releases, NULL, &err) < 0)
		return -1;
	static const char *const files[] = {"pki/prov/root.pem", "pki/prov/root3072.pem",
		"pki/bad/sha1-root.pem", "pki/bad/root1024.pem"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		STACK_OF(X509) *c = load(files[i]);
		if (!c)
			return 0; /* the test itself says that the data is missing */
		assert_true(judge_hash_root(&roots[i], sk_X509_value(c, 0)));
		sk_X509_pop_free(c, X509_free);
	}
	return 0;
}

static int free_releases(void **state)
{
	(void)state;
	personality_free(&releases);
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

static void judge_row(const char *chain_file, const char *expected, const char *release)
{
	char name[256];
	const struct personality *p = personality_find(&releases, release);
	assert_non_null(p);
	snprintf(name, sizeof name, "pki/%s", chain_file);
	STACK_OF(X509) *chain = load(name);
	assert_non_null(chain);
	struct judge_rules rules = {.roots = roots,
		.n_roots = 4,
		.suffix = "corp.example.com",
		.chain = &p->chain,
		.lists = &p->hello,
		.now_s = time(NULL)};
	enum judge_code code = judge_chain(chain, &rules);
	sk_X509_pop_free(chain, X509_free);
	if (strcmp(expected, "accept") == 0 && code != JUDGE_OK)
		fail_msg("%s by %s: refused as %s", chain_file, release, judge_name(code));
	if (strncmp(expected, "refuse", 6) == 0 && code == JUDGE_OK)
		fail_msg("%s by %s: accepted", chain_file, release);
}

/* Which releases each column of the manifest speaks of. */
static const struct {
	size_t column;
	const char *release;
} columns[] = {{3, "amt3"}, {3, "amt5"}, {3, "amt6"}, {3, "amt9"}, {3, "amt10"}, {4, "amt11"},
	{4, "amt12"}, {4, "amt14"}, {5, "amt15"}, {5, "amt16"}, {5, "amt18"}, {5, "amt19"},
	{5, "amt20"}, {5, "amt21"}};

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
		for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
			judge_row(field[0], field[columns[i].column], columns[i].release);
		/* Only one chain of the set is RSA 3072 and SHA-384 throughout. */
		bool strong = strcmp(field[0], "prov/leaf3072-chain.pem") == 0;
		judge_row(field[0], strong ? "accept" : "refuse", "amt22");
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
	return cmocka_run_group_tests(tests, load_roots, free_releases);
}
