/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: the shipped ones load; every broken one names its place and the way out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/profile_fields.h"
#include "common/conf/profile_schema.h"
#include "common/conf/profile_walk.h"
#include "common/crypto/seal.h"

static char dir[64], file[128], password_file[128];

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static int setup(void **state)
{
	(void)state;
	struct error err;
	snprintf(dir, sizeof dir, "/tmp/muster-profile-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/p.yaml", dir);
	snprintf(password_file, sizeof password_file, "%s/pw", dir);
	assert_int_equal(key_file_make(dir, "2026", &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char key[128];
	snprintf(key, sizeof key, "%s/2026.key", dir);
	unlink(key);
	unlink(file);
	unlink(password_file);
	rmdir(dir);
	return 0;
}

static void test_shipped_profiles(void **state)
{
	(void)state;
	struct error err = {0};
	struct profile_set set;
	if (profile_set_load(&set, "deploy/profiles", dir, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(set.n, 3);
	const struct profile *p = profile_set_find(&set, "default");
	assert_non_null(p);
	struct profile expected;
	profile_defaults(&expected, "default");
	expected.refs = p->refs;
	assert_memory_equal(p, &expected, sizeof expected);
	p = profile_set_find(&set, "kiosk");
	assert_non_null(p);
	assert_int_equal(p->rehello, PROFILE_REHELLO_AUTO);
	assert_int_equal(p->tls.issue, PROFILE_ISSUE_PKCS10);
	assert_false(p->features.kvm);
	assert_null(profile_set_find(&set, "none"));
	profile_set_free(&set);
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text, *place, *says;
	} rows[] = {
		{"name: q\n", ":1:1: name: ", "name of the file"},
		{"power: s9\n", ":1:8: power: ", "s0, always"},
		{"colour: red\n", ":1:1: ", "unknown key"},
		{"tls: {key_bits: 2000}\n", ":1:7: tls.key_bits: ", "1024, 2048, 3072"},
		{"tls: {key_bits: 4096}\n", ":1:17: tls.key_bits: ", "1024 to 3072"},
		{"admin_password: {source: none}\n",
			":1:18: admin_password.source: ", "for mebx_password"},
		{"admin_password: {source: derived}\n",
			":1:18: admin_password.source: ", "needs master"},
		{"admin_password:\n  source: derived\n  master: '1999'\n",
			":3:3: admin_password.master: ", "unknown master version \"1999\""},
		{"admin_password: {master: '2026'}\n",
			":1:18: admin_password.master: ", "only with source derived"},
		{"admin_password: {fixed_file: x}\n", ":1:18: ", "only with source fixed"},
		{"mebx_password: {source: fixed, fixed_file: x}\n",
			":1:17: mebx_password.source: ", "allow_fixed: true"},
		{"admin_password: {source: fixed, allow_fixed: true}\n",
			":1:18: ", "needs fixed_file"},
		{"admin_password: {source: fixed, allow_fixed: true, fixed_file: /absent}\n",
			":1:52: admin_password.fixed_file: ", "/absent"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct error err = {0};
		struct profile p;
		write_text(file, rows[i].text);
		int rc = profile_load_file(&p, file, dir, &err);
		size_t len = strlen(file);
		if (rc != E_CONFIG || strncmp(err.text, file, len) != 0 ||
			strncmp(err.text + len, rows[i].place, strlen(rows[i].place)) != 0 ||
			!strstr(err.text, rows[i].says))
			fail_msg("%s gave %d \"%s\"", rows[i].text, rc, err.text);
	}
}

/* The path of every key of the tables must have its row, in the same order; @return the next. */
static const struct profile_field *walk_fields(
	const cyaml_schema_value_t *v, const char *path, const struct profile_field *at)
{
	char inner[YAML_PATH_MAX];
	if (v->type == CYAML_SEQUENCE && v->sequence.entry->type == CYAML_MAPPING) {
		snprintf(inner, sizeof inner, "%s[]", path);
		return walk_fields(v->sequence.entry, inner, at);
	}
	if (v->type != CYAML_MAPPING) {
		assert_string_equal(at->range.path, path);
		assert_true(at->range.max > 0 || v->type != CYAML_UINT);
		assert_non_null(at->object);
		assert_true(strlen(at->text) > 0);
		return at + 1;
	}
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", f->key);
		at = walk_fields(&f->value, inner, at);
	}
	return at;
}

static void test_every_key_has_its_row(void **state)
{
	(void)state;
	assert_null(walk_fields(profile_schema.top, "", profile_fields)->range.path);
	assert_string_equal(profile_field_find("acl.users[12].sid")->range.path, "acl.users[].sid");
	assert_null(profile_field_find("acl.users"));
}

static void test_extends(void **state)
{
	(void)state;
	struct error err = {0};
	static struct profile p;
	char base[128];
	snprintf(base, sizeof base, "%s/base.yaml", dir);
	write_text(
		base, "name: base\ntls: {tls13: true, key_bits: 3072}\ntags: [a, b]\npower: s0\n");
	write_text(file, "name: p\nextends: base\ntls: {key_bits: 2048}\ntags: [c]\n");
	if (profile_load_file(&p, file, dir, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(p.name, "p");
	assert_string_equal(p.extends, "base");
	assert_true(p.tls.tls13); /* keys are laid over keys ... */
	assert_int_equal(p.tls.key_bits, 2048);
	assert_int_equal(p.power, PROFILE_POWER_S0);
	assert_int_equal(p.n_tags, 1); /* ... a list replaces a list */
	assert_string_equal(p.tags[0], "c");
	/* A mistake of what is extended is told at its own place. */
	write_text(base, "name: base\ntls:\n  clear_ports: true\n");
	write_text(file, "extends: base\ntls: {mutual: true, trusted_roots: [/r.pem]}\n");
	assert_int_equal(profile_load_file(&p, file, NULL, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "/base.yaml:3:3: tls.clear_ports: "));
	write_text(base, "extends: p\n");
	assert_int_equal(profile_load_file(&p, file, NULL, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "loop"));
	unlink(base);
	assert_int_equal(profile_load_file(&p, file, NULL, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "p.yaml:1:1: extends: there is no profile \"base\""));
}

static void test_fixed_and_derived(void **state)
{
	(void)state;
	struct error err = {0};
	struct profile p;
	char text[256];
	snprintf(text, sizeof text,
		"admin_password: {source: fixed, allow_fixed: true, fixed_file: %s}\n"
		"mebx_password: {source: derived, master: '2026'}\n",
		password_file);
	write_text(file, text);
	write_text(password_file, "Str0ng!enough\n");
	if (profile_load_file(&p, file, dir, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(p.name, "p");
	assert_string_equal(p.mebx_password.master, "2026");
	write_text(password_file, "weakpassword\n");
	assert_int_equal(profile_load_file(&p, file, dir, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "an upper-case letter"));
	assert_null(strstr(err.text, "weakpassword"));
	/* Without secrets at hand the form is checked only. */
	assert_int_equal(profile_load_file(&p, file, NULL, &err), 0);
}

static void test_names_stay_inside(void **state)
{
	(void)state;
	struct error err = {0};
	struct profile p;
	assert_int_equal(profile_load(&p, dir, "../p", NULL, &err), E_CONFIG);
	assert_int_equal(profile_load(&p, dir, ".hidden", NULL, &err), E_CONFIG);
	assert_int_equal(profile_load(&p, dir, "absent", NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "absent.yaml"));
}

static void test_print_loads_again(void **state)
{
	(void)state;
	struct error err = {0};
	struct profile p, again;
	struct buf out;
	buf_init(&out, 1 << 16);
	profile_defaults(&p, "p");
	p.otp = true;
	p.tls.key_bits = 3072;
	p.user_consent = PROFILE_CONSENT_ALL;
	assert_int_equal(profile_print(&p, &out, &err), 0);
	write_text(file, buf_cstr(&out));
	if (profile_load_file(&again, file, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(&p, &again, sizeof p);
	buf_free(&out);
}

static void test_releases(void **state)
{
	static const struct {
		const char *text;
		unsigned release;
	} cases[] = {{"11.8", AMT_RELEASE(11, 8)}, {"11.8.92.4222", AMT_RELEASE(11, 8)},
		{"3", AMT_RELEASE(3, 0)}, {"nonsense", 0}, {"11.8x", 0}, {"11.", 0}, {"", 0},
		{"0.9", 0}, {"11.8.1.2.3", 0}, {"-11.8", 0}, {"100.0", 0}, {"11.100", 0}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(amt_release_parse(cases[i].text), cases[i].release);
	assert_int_equal(amt_release_parse(NULL), 0);
}

static void test_notes(void **state)
{
#define SHARE "AMT_WiFiPortConfigurationService.UEFIWiFiProfileShareEnabled"
#define CLEAR "AMT_TLSSettingData.AcceptNonSecureConnections"
	static const struct {
		const char *path;
		unsigned release;
		const char *says; /* NULL = nothing */
	} cases[] = {
		{"wireless.uefi_share", 0,
			"releases before AMT 16.0 have no " SHARE "; it exists from AMT 16.0 on"},
		{"wireless.uefi_share", AMT_RELEASE(11, 8),
			"AMT 11.8 has no " SHARE "; it exists from AMT 16.0 on"},
		{"wireless.uefi_share", AMT_RELEASE(16, 0), NULL},
		{"tls.clear_ports", 0,
			"AMT 16.1 and later have no " CLEAR "; it exists before AMT 16.1"},
		{"tls.clear_ports", AMT_RELEASE(19, 0),
			"AMT 19.0 has no " CLEAR "; it exists before AMT 16.1"},
		{"tls.clear_ports", AMT_RELEASE(16, 0), NULL},
		{"power", 0, NULL},
	};
	char text[256];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *says = profile_field_note(
			profile_field_find(cases[i].path), cases[i].release, text, sizeof text);
		assert_int_equal(says == NULL, cases[i].says == NULL);
		if (says)
			assert_string_equal(says, cases[i].says);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_shipped_profiles),
		TEST(test_errors),
		TEST(test_every_key_has_its_row),
		TEST(test_extends),
		TEST(test_fixed_and_derived),
		TEST(test_names_stay_inside),
		TEST(test_print_loads_again),
		TEST(test_releases),
		TEST(test_notes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
