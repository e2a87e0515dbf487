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

static enum psk_kind kind_of(const char *field)
{
	return strcmp(field, "pid") == 0 ? PSK_PID : PSK_PPS;
}

/* What people type. SPEC: psk.md 1, input rules */
static void test_reading(void **state)
{
	(void)state;
	char out[PSK_PPS_LEN + 1];
	unsigned group;
	json_t *doc = vectors_json("tests/data/psk", "pid-pps.json");
	const json_t *rows = json_object_get(doc, "normalise");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *in = vectors_text(json_array_get(rows, i), "input");
		const char *want = vectors_text(json_array_get(rows, i), "result");
		enum psk_kind kind = strlen(want) == PSK_PID_LEN ? PSK_PID : PSK_PPS;
		assert_int_equal(psk_read(kind, in, strlen(in), out, &group), PSK_OK);
		assert_string_equal(out, want);
	}
	rows = json_object_get(doc, "invalid");
	assert_true(json_array_size(rows) > 0);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *in = vectors_text(row, "input");
		enum psk_fault fault =
			psk_read(kind_of(vectors_text(row, "field")), in, strlen(in), out, &group);
		assert_string_equal(psk_fault_name(fault), vectors_text(row, "reason"));
		assert_string_equal(out, "");
	}
	rows = json_object_get(doc, "valid");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *shown = vectors_text(json_array_get(rows, i), "pps_display");
		char dashed[PSK_DASHED_MAX + 1];
		assert_int_equal(psk_read(PSK_PPS, shown, strlen(shown), out, &group), PSK_OK);
		assert_string_equal(out, vectors_text(json_array_get(rows, i), "pps"));
		psk_with_dashes(out, PSK_PPS_LEN, dashed);
		assert_string_equal(dashed, shown);
	}
	json_decref(doc);
	static const char third[] = "NKLD-G5DC-RRNX-E9YZ-ZIJL-7LFL-VJED-69XJ";
	assert_int_equal(psk_read(PSK_PPS, third, strlen(third), out, &group), PSK_CHECK);
	assert_int_equal(group, 3); /* the group that is wrong is named */
}

static void test_making(void **state)
{
	(void)state;
	uint8_t random[PSK_RANDOM_ENOUGH];
	char pid[PSK_PID_LEN + 1], pps[PSK_PPS_LEN + 1], out[PSK_PPS_LEN + 1];
	unsigned group;
	for (size_t i = 0; i < sizeof random; i++)
		random[i] = (uint8_t)(i % 3 == 0 ? 252 + i % 4 : i * 37);
	size_t used = psk_make(PSK_PID, random, sizeof random, pid);
	assert_true(used >= 7);
	assert_true(psk_pid_ok(pid, strlen(pid)));
	assert_true(psk_make(PSK_PPS, random + used, sizeof random - used, pps) >= 24);
	assert_int_equal(psk_read(PSK_PPS, pps, PSK_PPS_LEN, out, &group), PSK_OK);
	memset(random, 255, sizeof random);
	assert_int_equal(psk_make(PSK_PPS, random, sizeof random, pps), 0);
	memset(random, 35, sizeof random); /* the index, not the byte, is the character */
	assert_int_equal(psk_make(PSK_PID, random, 7, pid), 7);
	assert_memory_equal(pid, "ZZZZZZZ", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_characters),
		cmocka_unit_test(test_valid_pairs),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_making),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
