/* SPDX-License-Identifier: Apache-2.0 */
/* Filters, DNs, SIDs and names, against the examples of directory.md 5 and 6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/base/uuid.h"
#include "common/directory/text.h"

static void test_no_byte_of_a_value_has_a_meaning(void **state)
{
	(void)state;
	static const char hostile[] = "*)(uid=\\\0a";
	struct buf out;
	buf_init(&out, 40);
	assert_int_equal(directory_add_value(&out, hostile, sizeof hostile - 1), 0);
	assert_string_equal(buf_cstr(&out), "\\2a\\29\\28\\75\\69\\64\\3d\\5c\\00\\61");
	assert_int_equal(directory_add_value(&out, hostile, sizeof hostile - 1), E_LIMIT);
	buf_free(&out);
}

static void test_uuid_in_both_orders(void **state)
{
	(void)state;
	struct uuid uuid;
	struct buf out;
	buf_init(&out, 512);
	assert_int_equal(uuid_parse(&uuid, "4c4c4544-0038-5310-804b-c4c04f31344a"), 0);
	assert_int_equal(directory_add_uuid(&out, &uuid), 0);
	assert_string_equal(buf_cstr(&out),
		"(|(netbootGUID=\\44\\45\\4c\\4c\\38\\00\\10\\53\\80\\4b\\c4\\c0\\4f\\31\\34\\4a)"
		"(netbootGUID=\\4c\\4c\\45\\44\\00\\38\\53\\10\\80\\4b\\c4\\c0\\4f\\31\\34\\4a))");
	buf_free(&out);
}

static void test_parent(void **state)
{
	(void)state;
	static const struct {
		const char *dn, *parent;
	} rows[] = {
		{"CN=PC1,OU=AMT,DC=corp,DC=example", "OU=AMT,DC=corp,DC=example"},
		{"CN=a\\,b,OU=AMT", "OU=AMT"},
		{"CN=a\\\\,OU=AMT", "OU=AMT"},
		{"CN=a\\2Cb,OU=AMT", "OU=AMT"},
		{"DC=example", ""},
		{"CN=a\\", ""},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(directory_parent(rows[i].dn), rows[i].parent);
}

static void test_sid(void **state)
{
	(void)state;
	struct buf raw;
	char text[DIRECTORY_SID_TEXT_MAX];
	static const char guide[] = "AQUAAAAAAAUVAAAAVcoTQfagZTk1F8IXVgQAAA==";
	buf_init(&raw, 64);
	assert_int_equal(base64_decode(&raw, guide, strlen(guide)), 0);
	assert_int_equal(directory_sid_text(text, raw.data, raw.len), 0);
	assert_string_equal(text, "S-1-5-21-1091816021-962961654-398595893-1110");
	assert_int_equal(directory_sid_text(text, raw.data, raw.len - 1), E_PARSE);
	assert_int_equal(directory_sid_text(text, raw.data, 0), E_PARSE);
	raw.data[0] = 2;
	assert_int_equal(directory_sid_text(text, raw.data, raw.len), E_PARSE);
	buf_free(&raw);
	uint8_t longest[8 + 4 * 15];
	memset(longest, 0xff, sizeof longest);
	longest[0] = 1;
	longest[1] = 15;
	assert_int_equal(directory_sid_text(text, longest, sizeof longest), 0);
	assert_in_range(strlen(text), 100, DIRECTORY_SID_TEXT_MAX - 1);
	longest[1] = 16;
	assert_int_equal(directory_sid_text(text, longest, sizeof longest), E_PARSE);
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *text, *account, *netbios, *domain;
		bool dn;
	} good[] = {
		{"AMT-Admins", "AMT-Admins", "", NULL, false},
		{"CORP\\AMT-Admins", "AMT-Admins", "CORP", NULL, false},
		{"AMT-Admins@corp.example", "AMT-Admins", "", "corp.example", false},
		{"CN=a\\,b@c,OU=x", "CN=a\\,b@c,OU=x", "", NULL, true},
	};
	static const char *const bad[] = {"", "CORP\\", "\\x", "@corp.example", "x@"};
	struct directory_name n;
	struct error err = {0};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(directory_name_parse(&n, good[i].text, &err), 0);
		assert_int_equal(n.account_len, strlen(good[i].account));
		assert_memory_equal(n.account, good[i].account, n.account_len);
		assert_int_equal(n.netbios_len, strlen(good[i].netbios));
		assert_memory_equal(n.netbios ? n.netbios : "", good[i].netbios, n.netbios_len);
		assert_string_equal(n.domain ? n.domain : "", good[i].domain ? good[i].domain : "");
		assert_int_equal(n.dn, good[i].dn);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(directory_name_parse(&n, bad[i], &err), E_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_byte_of_a_value_has_a_meaning),
		cmocka_unit_test(test_uuid_in_both_orders),
		cmocka_unit_test(test_parent),
		cmocka_unit_test(test_sid),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
