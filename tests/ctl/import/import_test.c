/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of devices: the same three devices in four formats come to the same rows, and mistakes are
 * named with their place, without quoting what may be a password.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/import/check.h"
#include "tests/ctl/import/mistakes.h"

#define FILE_MAX_LEN 16384
#define SECRET       "Pa,ss\"w0rd!"

static struct profile office = {.name = "default"};
static struct profile *const profiles[] = {&office};

static struct import_rules rules(void)
{
	static struct profile_set set;
	set.items = (struct profile **)(uintptr_t)profiles;
	set.n = 1;
	return (struct import_rules){.profiles = &set,
		.profiles_dir = "/profiles",
		.default_profile = "default",
		.profile = "",
		.domain = "corp.example.com"};
}

static int read_list(struct import_list *list, const char *text, size_t len,
	const struct import_rules *r, struct error *err)
{
	*list = (struct import_list){0};
	TRY(import_parse(list, text, len, IMPORT_ANY, err));
	return import_check(list, r, err);
}

/* Of tests/data/import, or by its path. */
static size_t read_sample(const char *name, char *out)
{
	char path[512];
	snprintf(path, sizeof path, "%s%s", strchr(name, '/') ? "" : "tests/data/import/", name);
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("%s cannot be opened", path);
	size_t len = fread(out, 1, FILE_MAX_LEN, f);
	fclose(f);
	assert_true(len > 0 && len < FILE_MAX_LEN);
	return len;
}

static const char *at(const struct import_list *list, size_t row, enum import_field field)
{
	return import_text(&list->rows[row], field);
}

/* ---- four formats, three devices ------------------------------------------------------------- */

static void test_samples(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		enum import_format format;
		size_t n;
		const char *names[3], *tags, *ou, *tls;
	} samples[] = {
		{"devices.csv", IMPORT_CSV, 3,
			{"pc1.corp.example.com", "pc2.corp.example.com", "pc3.corp.example.com"},
			"floor-3 vip", "OU=Desks,DC=corp,DC=example,DC=com", ""},
		{"devices.json", IMPORT_JSON, 3,
			{"pc1.corp.example.com", "pc2.corp.example.com", "pc3.corp.example.com"},
			"floor-3 vip", "OU=Desks,DC=corp,DC=example,DC=com", "no"},
		{"meshcentral.json", IMPORT_MESHCENTRAL, 4,
			{"pc1.corp.example.com", "pc2.corp.example.com", "pc3.corp.example.com"},
			"floor-3", "", "no"},
		{"dmt.json", IMPORT_DMT, 3,
			/* an address is no name, and an adopted device needs none */
			{"pc1.corp.example.com", "pc2.corp.example.com", ""}, "floor-3 vip", "",
			"no"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		char text[FILE_MAX_LEN];
		size_t len = read_sample(samples[i].file, text);
		struct import_list list;
		struct import_rules r = rules();
		struct error err = {0};
		if (read_list(&list, text, len, &r, &err) < 0)
			fail_msg("%s: %s", samples[i].file, err.text);
		assert_int_equal(list.format, samples[i].format);
		assert_int_equal(list.n, samples[i].n);
		for (size_t k = 0; k < 3; k++) {
			char uuid[] = "03aa1b4c-91d2-11e8-8ea9-1c1b0d5f6a00";
			uuid[35] = (char)('1' + k);
			if (list.rows[k].result != (k == 2 ? IMPORT_ADOPT : IMPORT_EXPECT))
				fail_msg("%s row %zu: %s", samples[i].file, k, list.rows[k].why);
			assert_string_equal(list.rows[k].uuid, uuid);
			assert_string_equal(at(&list, k, IMPORT_NAME), samples[i].names[k]);
		}
		assert_string_equal(at(&list, 0, IMPORT_TAGS), samples[i].tags);
		assert_string_equal(at(&list, 0, IMPORT_OU), samples[i].ou);
		assert_string_equal(at(&list, 2, IMPORT_PASSWORD), SECRET);
		assert_string_equal(at(&list, 2, IMPORT_ADDRESS), "10.1.2.3");
		assert_string_equal(at(&list, 2, IMPORT_TLS), samples[i].tls);
		assert_int_equal(import_adoption(&list.rows[2]).plain, samples[i].tls[0] == 'n');
		import_list_free(&list);
	}
}

static void test_remarks(void **state)
{
	(void)state;
	char text[FILE_MAX_LEN];
	struct import_list list;
	struct import_rules r = rules();
	struct error err = {0};
	size_t len = read_sample("meshcentral.json", text);
	assert_int_equal(read_list(&list, text, len, &r, &err), 0);
	assert_string_equal(list.rows[0].why, "");
	assert_non_null(strstr(list.rows[1].why, "keeps its password to itself"));
	assert_int_equal(list.rows[3].result, IMPORT_SKIPPED);
	assert_int_equal(list.rows[3].index, 3);
	import_list_free(&list);
}

/* What is delivered as an example is one. */
static void test_example(void **state)
{
	(void)state;
	char text[FILE_MAX_LEN];
	struct import_list list;
	struct import_rules r = rules();
	struct error err = {0};
	size_t len = read_sample("deploy/devices.example.csv", text);
	assert_int_equal(read_list(&list, text, len, &r, &err), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.rows[0].result, IMPORT_EXPECT);
	assert_int_equal(list.rows[1].result, IMPORT_EXPECT);
	import_list_free(&list);
}

/* Line breaks and quotes inside quotes, CR LF, a byte order mark; where each row stands. */
static void test_quotes(void **state)
{
	(void)state;
	static const char text[] = "\xef\xbb\xbf\"name\",uuid,\"tags\"\r\n"
				   "\r\n"
				   "a.b,03aa1b4c-91d2-11e8-8ea9-1c1b0d5f6a01,\"one, two\"\r\n"
				   "\"a.c\",03aa1b4c-91d2-11e8-8ea9-1c1b0d5f6a02,\"x\r\ny\"\r\n"
				   "a.d,03aa1b4c-91d2-11e8-8ea9-1c1b0d5f6a03,";
	struct import_list list;
	struct import_rules r = rules();
	struct error err = {0};
	assert_int_equal(read_list(&list, text, sizeof text - 1, &r, &err), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(at(&list, 0, IMPORT_TAGS), "one two");
	assert_int_equal(list.rows[0].line, 3);
	assert_int_equal(list.rows[1].line, 4);
	assert_int_equal(list.rows[1].result, IMPORT_REFUSED); /* a line break is no tag */
	assert_int_equal(list.rows[2].line, 6);
	assert_int_equal(list.rows[2].result, IMPORT_EXPECT);
	import_list_free(&list);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static void quiet(const char *text, const char *says)
{
	if (strstr(says, "S3cr"))
		fail_msg("%s\nquotes a password: %s", text, says);
}

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MISTAKES; i++) {
		const struct mistake *m = &mistakes[i];
		struct import_list list;
		struct import_rules r = rules();
		struct error err = {0};
		char says[2 * ERROR_TEXT_MAX] = "nothing";
		r.domain = "";
		r.shared = strncmp(m->text, SHARED, strlen(SHARED)) == 0;
		if (read_list(&list, m->text, strlen(m->text), &r, &err) < 0)
			snprintf(says, sizeof says, "%s", err.text);
		for (size_t k = 0; k < list.n && !err.code; k++) {
			const struct import_row *row = &list.rows[k];
			if (row->result != IMPORT_REFUSED)
				continue;
			assert_true(row->fix[0] != '\0');
			snprintf(says, sizeof says, "%u[%zu] %s: %s", row->line, row->index,
				row->field, row->why);
			break;
		}
		if (strncmp(says, m->says, strlen(m->says)) != 0)
			fail_msg("%s\nsays: %s\nnot:  %s", m->text, says, m->says);
		quiet(m->text, says);
		import_list_free(&list);
	}
}

/* Whatever a file is cut to, it ends in rows or in an error. */
static void test_cut(void **state)
{
	(void)state;
	static const char *const files[] = {
		"devices.csv", "devices.json", "meshcentral.json", "dmt.json"};
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		char text[FILE_MAX_LEN];
		size_t len = read_sample(files[i], text);
		for (size_t cut = 0; cut < len; cut++) {
			struct import_list list;
			struct import_rules r = rules();
			struct error err = {0};
			char *copy = malloc(cut + 1); /* exact, for the sanitizer */
			assert_non_null(copy);
			memcpy(copy, text, cut);
			int rc = read_list(&list, copy, cut, &r, &err);
			assert_true(rc < 0 ? err.text[0] != '\0' : list.n > 0);
			import_list_free(&list);
			free(copy);
		}
	}
}

static void test_told(void **state)
{
	(void)state;
	struct told in = {.fqdn = "pc1.corp.example.com", .ou = "OU=A\\, B", .tags = "a b"}, out;
	char text[TOLD_TEXT_MAX];
	assert_string_equal(told_write(&in, text),
		"by\timport\nfqdn\tpc1.corp.example.com\nou\tOU=A\\, B\ntags\ta b\n");
	assert_int_equal(told_read(&out, text), 0);
	assert_memory_equal(&in, &out, sizeof in);
	memset(&in, 0, sizeof in); /* the longest */
	memset(in.fqdn, 'a', FQDN_MAX);
	memset(in.profile, 'b', TOLD_PROFILE_MAX);
	memset(in.ou, 'c', TOLD_OU_MAX);
	memset(in.tags, 'd', TOLD_TAGS_MAX);
	in.adopt = true;
	assert_int_equal(told_read(&out, told_write(&in, text)), 0);
	assert_memory_equal(&in, &out, sizeof in);
	assert_true(told_read(&out, "fqdn\tpc1") < 0);
	assert_true(told_read(&out, "fqdn\n") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples),
		cmocka_unit_test(test_remarks), cmocka_unit_test(test_example),
		cmocka_unit_test(test_quotes), cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_cut), cmocka_unit_test(test_told)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
