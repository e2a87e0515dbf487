/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: what words mean, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/selector.h"

#define UUID "939b524b-13d4-1d18-e487-1c697a6b7a2b"

static const struct store_device device = {.uuid = UUID,
	.state = "done",
	.addr = "10.1.130.7",
	.tags = "lab pilot",
	.profile = "office",
	.amt = "16.1.25",
	.err = "",
	.wave = ""};

static bool fits(const char *text)
{
	char copy[200], *words[12];
	size_t n = 0, used = 0;
	struct selector s;
	struct error err = {0};
	snprintf(copy, sizeof copy, "%s", text);
	for (char *save = NULL, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	if (selector_parse(&s, words, n, &used, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return selector_fits(&s, &device);
}

static void test_fits(void **state)
{
	(void)state;
	static const char *const yes[] = {"all", UUID, "state=done", "tag=lab", "tag=pilot",
		"subnet=10.1.130.7", "subnet=10.1.128.0/22", "subnet=0.0.0.0/0", "amt=16",
		"amt=16.1", "amt=16.1.25", "error=", "state=done tag=lab profile=office amt=16"};
	static const char *const no[] = {"state=dead", "tag=la", "tag=labs", "subnet=10.1.126.0/22",
		"subnet=fe80::/10", "amt=1", "amt=16.10", "error=unreachable",
		"state=done tag=roof", "00000000-1111-2222-3333-444444444444"};
	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
		if (!fits(yes[i]))
			fail_msg("should fit: %s", yes[i]);
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
		if (fits(no[i]))
			fail_msg("should not fit: %s", no[i]);
}

static void test_words(void **state)
{
	(void)state;
	char *const with[] = {"tag=lab", "with", "profile=p2"}, *const one[] = {UUID, "profile=p2"};
	struct selector s;
	struct error err = {0};
	size_t used = 0;
	assert_int_equal(selector_parse(&s, with, 3, &used, &err), 0);
	assert_int_equal(used, 2);
	assert_int_equal(s.n_terms, 1);
	assert_int_equal(selector_parse(&s, one, 2, &used, &err), 0);
	assert_int_equal(used, 1);
	assert_true(s.one);
	static const char *const bad[] = {"colour=red", "lab", "subnet=10.0.0.0/33",
		"subnet=10.0.0.0/", "subnet=host", "state"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char word[64], *words[] = {word};
		snprintf(word, sizeof word, "%s", bad[i]);
		assert_true(selector_parse(&s, words, 1, &used, &err) < 0);
	}
	assert_true(selector_parse(&s, with, 0, &used, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits), cmocka_unit_test(test_words)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
