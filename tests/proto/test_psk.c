/* SPDX-License-Identifier: Apache-2.0 */
/* Check characters against vectors/psk. SPEC: psk.md 1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/psk.h"
#include "tests/proto/vectors.h"

static void test_check_characters(void **state)
{
	(void)state;
	json_t *doc = vectors_json("tests/data/psk", "pid-pps.json");
	const json_t *rows = json_object_get(doc, "check_character");
	assert_true(json_array_size(rows) > 0);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *input = vectors_text(row, "input");
		assert_int_equal(
			psk_check_char(input, strlen(input)), vectors_text(row, "check")[0]);
	}
	json_decref(doc);
}

static void test_valid_pairs(void **state)
{
	(void)state;
	json_t *doc = vectors_json("tests/data/psk", "pid-pps.json");
	const json_t *rows = json_object_get(doc, "valid");
	assert_true(json_array_size(rows) > 0);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *pid = vectors_text(row, "pid"), *pps = vectors_text(row, "pps");
		assert_true(psk_pid_ok(pid, strlen(pid)));
		for (size_t group = 0; group < 32; group += 4)
			assert_int_equal(psk_check_char(pps + group, 3), pps[group + 3]);
	}
	json_decref(doc);
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const pids[] = {
		"0000037N", "0000037", "0000037MM", "0000-37M", "", "000003\0M", "0000037m"};
	for (size_t i = 0; i < sizeof pids / sizeof pids[0]; i++)
		assert_false(psk_pid_ok(pids[i], i == 5 ? 8 : strlen(pids[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_characters),
		cmocka_unit_test(test_valid_pairs),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
