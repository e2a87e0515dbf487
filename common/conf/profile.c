/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the profile, the checks that they cannot express, and the set of a directory. */
#include "common/conf/profile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/conf/schema.h"
#include "common/crypto/password.h"
#include "common/crypto/seal.h"

#define PROFILE_SUFFIX ".yaml"

/* ---- tables ----------------------------------------------------------------------------- */

static const cyaml_strval_t control_words[] = {{"admin", PROFILE_CONTROL_ADMIN}};
/* The last word is for mebx_password only. */
static const cyaml_strval_t source_words[] = {
	{"random", PROFILE_PASSWORD_RANDOM},
	{"derived", PROFILE_PASSWORD_DERIVED},
	{"fixed", PROFILE_PASSWORD_FIXED},
	{"none", PROFILE_PASSWORD_NONE},
};
static const cyaml_strval_t issue_words[] = {
	{"direct", PROFILE_ISSUE_DIRECT},
	{"pkcs10", PROFILE_ISSUE_PKCS10},
};
static const cyaml_strval_t consent_words[] = {
	{"none", PROFILE_CONSENT_NONE},
	{"kvm", PROFILE_CONSENT_KVM},
	{"all", PROFILE_CONSENT_ALL},
};
static const cyaml_strval_t trust_words[] = {
	{"any", PROFILE_TRUST_ANY},
	{"odca", PROFILE_TRUST_ODCA},
	{"pinned", PROFILE_TRUST_PINNED},
};
static const cyaml_strval_t power_words[] = {
	{"s0", PROFILE_POWER_S0},
	{"always", PROFILE_POWER_ALWAYS},
};
static const cyaml_strval_t rehello_words[] = {
	{"approve", PROFILE_REHELLO_APPROVE},
	{"auto", PROFILE_REHELLO_AUTO},
};

static const cyaml_schema_field_t password_rows[] = {
	ROW_ENUM(struct profile_password, source, source_words),
	ROW_TEXT(struct profile_password, master),
	ROW_TEXT(struct profile_password, fixed_file),
	ROW_BOOL(struct profile_password, allow_fixed),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t tls_rows[] = {
	ROW_BOOL(struct profile_tls, legacy),
	ROW_BOOL(struct profile_tls, tls13),
	ROW_BOOL(struct profile_tls, psk_dashes),
	ROW_ENUM(struct profile_tls, setup_trust, trust_words),
	ROW_ENUM(struct profile_tls, issue, issue_words),
	ROW_UINT(struct profile_tls, validity_days),
	ROW_UINT(struct profile_tls, key_bits),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t feature_rows[] = {
	ROW_BOOL(struct profile_features, sol),
	ROW_BOOL(struct profile_features, ider),
	ROW_BOOL(struct profile_features, kvm),
	ROW_BOOL(struct profile_features, web_ui),
	ROW_BOOL(struct profile_features, ping),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t timeout_rows[] = {
	ROW_UINT(struct profile_timeouts, idle_wake_min),
	ROW_UINT(struct profile_timeouts, kvm_session_min),
	ROW_UINT(struct profile_timeouts, consent_code_s),
	ROW_UINT(struct profile_timeouts, consent_display_s),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t profile_rows[] = {
	ROW_TEXT(struct profile, name),
	ROW_ENUM(struct profile, control_mode, control_words),
	ROW_SECTION(struct profile, admin_password, password_rows),
	ROW_SECTION(struct profile, mebx_password, password_rows),
	ROW_BOOL(struct profile, otp),
	ROW_SECTION(struct profile, tls, tls_rows),
	ROW_SECTION(struct profile, features, feature_rows),
	ROW_ENUM(struct profile, user_consent, consent_words),
	ROW_SECTION(struct profile, timeouts, timeout_rows),
	ROW_ENUM(struct profile, power, power_words),
	ROW_ENUM(struct profile, rehello, rehello_words),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t profile_top = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct profile, profile_rows)};

static const struct yaml_range profile_ranges[] = {
	{"tls.validity_days", 1, 3650},
	{"tls.key_bits", 1024, 3072},
	{"timeouts.idle_wake_min", 0, 65535},
	{"timeouts.kvm_session_min", 0, 255},
	{"timeouts.consent_code_s", 0, 65535},
	{"timeouts.consent_display_s", 0, 65535},
	{0},
};

static const struct yaml_schema profile_schema = {&profile_top, profile_ranges, NULL};

void profile_defaults(struct profile *out, const char *name)
{
	*out = (struct profile){
		.mebx_password = {.source = PROFILE_PASSWORD_RANDOM},
		.tls = {.validity_days = 730, .key_bits = 2048},
		.features = {.sol = true, .ider = true, .kvm = true, .ping = true},
		.user_consent = PROFILE_CONSENT_KVM,
		.power = PROFILE_POWER_ALWAYS,
	};
	snprintf(out->name, sizeof out->name, "%s", name);
}

/* ---- checks ----------------------------------------------------------------------------- */

struct checker {
	const struct yaml_marks *marks;
	const char *masters_dir; /* NULL: do not look at secrets */
	struct error *err;
};

/* Re-tells an error about a file at the place of the key that names the file. */
static int fail_nested(const struct checker *c, const char *path, const struct error *why)
{
	return yaml_error_at(c->marks, path, c->err, "%s", why->text);
}

static int check_derived(
	const struct checker *c, const struct profile_password *p, const char *path)
{
	if (!key_id_ok(p->master))
		return yaml_error_at(c->marks, path, c->err,
			"source derived needs master: VERSION, the name of a file in "
			"keys.masters_dir without .key");
	if (!c->masters_dir)
		return 0;
	struct secret master = {0};
	struct error why = {0};
	int rc = key_file_read(&master, c->masters_dir, p->master, &why);
	secret_free(&master);
	if (rc == -ENOENT)
		return yaml_error_at(c->marks, path, c->err,
			"unknown master version \"%s\": no %s/%s.key", p->master, c->masters_dir,
			p->master);
	return rc < 0 ? fail_nested(c, path, &why) : 0;
}

static int check_fixed(const struct checker *c, const struct profile_password *p, const char *path)
{
	if (!p->allow_fixed)
		return yaml_error_at(c->marks, path, c->err,
			"one password for all devices: whoever learns it has them all; say "
			"allow_fixed: true if this is meant, or use random or derived");
	if (!p->fixed_file[0])
		return yaml_error_at(c->marks, path, c->err, "source fixed needs fixed_file: FILE");
	if (!c->masters_dir)
		return 0;
	struct secret password = {0};
	struct error why = {0};
	int rc = secret_read_file(&password, p->fixed_file, PASSWORD_AMT_MAX, &why);
	if (rc == 0) {
		rc = password_check(&password, &why);
		if (rc < 0)
			error_prefix(&why, "%s", p->fixed_file);
	}
	secret_free(&password);
	return rc < 0 ? fail_nested(c, path, &why) : 0;
}

static int check_password(const struct checker *c, const struct profile_password *p,
	const char *section, bool may_be_none)
{
	char source[64], master[64], fixed[64];
	snprintf(source, sizeof source, "%s.source", section);
	snprintf(master, sizeof master, "%s.master", section);
	snprintf(fixed, sizeof fixed, "%s.fixed_file", section);
	if (p->source == PROFILE_PASSWORD_NONE && !may_be_none)
		return yaml_error_at(c->marks, source, c->err,
			"none is for mebx_password only; use random, derived or fixed");
	if (p->source != PROFILE_PASSWORD_DERIVED && p->master[0])
		return yaml_error_at(
			c->marks, master, c->err, "only with source derived; remove it");
	if (p->source != PROFILE_PASSWORD_FIXED && p->fixed_file[0])
		return yaml_error_at(c->marks, fixed, c->err, "only with source fixed; remove it");
	if (p->source == PROFILE_PASSWORD_DERIVED)
		return check_derived(c, p, p->master[0] ? master : source);
	if (p->source == PROFILE_PASSWORD_FIXED)
		return check_fixed(c, p, p->allow_fixed && p->fixed_file[0] ? fixed : source);
	return 0;
}

static int check_profile(const struct checker *c, const struct profile *p, const char *file_name)
{
	if (strcmp(p->name, file_name) != 0)
		return yaml_error_at(c->marks, "name", c->err,
			"\"%.64s\" must equal the name of the file, \"%.64s\"", p->name, file_name);
	TRY(check_password(c, &p->admin_password, "admin_password", false));
	TRY(check_password(c, &p->mebx_password, "mebx_password", true));
	uint32_t bits = p->tls.key_bits;
	if (bits != 1024 && bits != 2048 && bits != 3072)
		return yaml_error_at(c->marks, "tls.key_bits", c->err,
			"%u is not one of 1024, 2048, 3072", bits);
	return 0;
}

/* ---- files ------------------------------------------------------------------------------ */

/* "dir/name.yaml" to "name"; E_CONFIG when the name cannot be one of a profile. */
static int name_of_path(char *out, size_t out_len, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t len = strlen(base), suffix_len = strlen(PROFILE_SUFFIX);
	bool ok = len > suffix_len && strcmp(base + len - suffix_len, PROFILE_SUFFIX) == 0;
	if (ok) {
		snprintf(out, out_len, "%.*s", (int)(len - suffix_len), base);
		ok = key_id_ok(out);
	}
	ENSURE(ok, err, E_CONFIG,
		"%s: a profile is a file NAME.yaml; NAME has 1 to 64 letters, digits, . _ or -",
		path);
	return 0;
}

int profile_load_file(
	struct profile *out, const char *path, const char *masters_dir, struct error *err)
{
	char name[CONF_TEXT_MAX];
	TRY(name_of_path(name, sizeof name, path, err));
	struct profile p;
	profile_defaults(&p, name);
	struct yaml_marks marks;
	yaml_marks_init(&marks);
	struct checker c = {&marks, masters_dir, err};
	int rc = yaml_overlay_file(&profile_schema, path, &marks, &p, err);
	if (rc == 0)
		rc = check_profile(&c, &p, name);
	yaml_marks_free(&marks);
	if (rc == 0)
		*out = p;
	return rc;
}

int profile_load(struct profile *out, const char *dir, const char *name, const char *masters_dir,
	struct error *err)
{
	ENSURE(key_id_ok(name), err, E_CONFIG, "profile \"%.64s\": not a name of a profile", name);
	char path[CONF_PATH_MAX + CONF_TEXT_MAX];
	snprintf(path, sizeof path, "%s/%s%s", dir, name, PROFILE_SUFFIX);
	return profile_load_file(out, path, masters_dir, err);
}

static int is_profile_file(const struct dirent *e)
{
	size_t len = strlen(e->d_name), suffix_len = strlen(PROFILE_SUFFIX);
	return e->d_name[0] != '.' && len > suffix_len &&
	       strcmp(e->d_name + len - suffix_len, PROFILE_SUFFIX) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_entries(struct profile_set *set, const char *dir, struct dirent **names, size_t n,
	const char *masters_dir, struct error *err)
{
	set->items = n ? calloc(n, sizeof *set->items) : NULL;
	ENSURE(set->items || n == 0, err, -ENOMEM, "%s: out of memory", dir);
	for (; set->n < n; set->n++) {
		char path[CONF_PATH_MAX + 256];
		snprintf(path, sizeof path, "%s/%s", dir, names[set->n]->d_name);
		TRY(profile_load_file(&set->items[set->n], path, masters_dir, err));
	}
	return 0;
}

int profile_set_load(
	struct profile_set *out, const char *dir, const char *masters_dir, struct error *err)
{
	*out = (struct profile_set){0};
	struct dirent **names;
	int n = scandir(dir, &names, is_profile_file, by_name);
	ENSURE(n >= 0, err, -errno, "%s: %s", dir, strerror(errno));
	int rc = load_entries(out, dir, names, (size_t)n, masters_dir, err);
	if (rc < 0)
		profile_set_free(out);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return rc;
}

const struct profile *profile_set_find(const struct profile_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i];
	}
	return NULL;
}

void profile_set_free(struct profile_set *set)
{
	free(set->items);
	*set = (struct profile_set){0};
}

int profile_print(const struct profile *p, struct buf *out, struct error *err)
{
	return yaml_print(&profile_schema, p, out, err);
}
