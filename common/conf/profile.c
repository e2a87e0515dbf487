/* SPDX-License-Identifier: Apache-2.0 */
/* Files of profiles, what they extend, and the set of a directory. */
#include "common/conf/profile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/profile_walk.h"
#include "common/crypto/seal.h"

#define PROFILE_SUFFIX ".yaml"

/* ---- realms ----------------------------------------------------------------------------- */

uint32_t profile_user_realms(const struct profile_user *user)
{
#define REALM(name) (1u << PROFILE_REALM_##name)
	/* What each role needs and no more; the audit log belongs to auditors alone. */
	static const uint32_t roles[] = {
		[PROFILE_ROLE_NONE] = 0,
		[PROFILE_ROLE_ADMINISTRATOR] = REALM(ADMINISTRATION),
		[PROFILE_ROLE_HELP_DESK] = REALM(REDIRECTION) | REALM(HARDWARE_ASSET) |
					   REALM(REMOTE_CONTROL) | REALM(GENERAL_INFO) |
					   REALM(EVENT_LOG_READER),
		[PROFILE_ROLE_REMOTE_POWER] = REALM(REMOTE_CONTROL) | REALM(GENERAL_INFO),
		[PROFILE_ROLE_INVENTORY] =
			REALM(HARDWARE_ASSET) | REALM(GENERAL_INFO) | REALM(EVENT_LOG_READER),
		[PROFILE_ROLE_AUDITOR] = REALM(AUDIT_LOG) | REALM(GENERAL_INFO),
	};
#undef REALM
	uint32_t set = roles[user->role];
	for (uint32_t i = 0; i < user->n_realms; i++)
		set |= 1u << user->realms[i];
	return set;
}

static bool by_certificate(const struct profile_8021x *x)
{
	return x->protocol == PROFILE_EAP_TLS || x->protocol == PROFILE_EAP_FAST_TLS;
}

bool profile_wants_client_auth(const struct profile *p)
{
	bool wanted = p->wired.state == PROFILE_ON && by_certificate(&p->wired.ieee8021x);
	for (uint32_t i = 0; i < p->wireless.n_profiles; i++) {
		const struct profile_wifi *e = &p->wireless.profiles[i];
		bool ieee8021x = e->security == PROFILE_WIFI_WPA_8021X ||
				 e->security == PROFILE_WIFI_WPA2_8021X;
		wanted |= ieee8021x && by_certificate(&e->ieee8021x);
	}
	for (uint32_t i = 0; i < p->remote_access.n_servers; i++)
		wanted |= p->remote_access.servers[i].auth == PROFILE_MPS_CERTIFICATE;
	return wanted;
}

/* ---- sharing ---------------------------------------------------------------------------- */

const struct profile *profile_hold(const struct profile *p)
{
	if (p->refs)
		((struct profile *)(uintptr_t)p)->refs++;
	return p;
}

void profile_drop(const struct profile *p)
{
	struct profile *mine = (struct profile *)(uintptr_t)p;
	if (mine && mine->refs && --mine->refs == 0)
		free(mine);
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

/* A profile while it is read, with those that it extends. */
struct reading {
	const char *dir; /* with its slash, or "" */
	struct yaml_marks *marks;
	struct error *err;
};

static int overlay_chain(struct reading *r, const char *name, unsigned depth, struct profile *p);

/* Lays the profile that this one extends under it. */
static int overlay_base(struct reading *r, const char *name, const struct profile *alone,
	unsigned depth, struct profile *p)
{
	const char *base = alone->extends;
	struct error why = {0};
	if (depth == PROFILE_EXTENDS_MAX)
		return yaml_error_at(r->marks, "extends", r->err,
			"more than %d profiles that extend each other, or a loop; take one out",
			PROFILE_EXTENDS_MAX);
	if (!key_id_ok(base) || strcmp(base, name) == 0)
		return yaml_error_at(r->marks, "extends", r->err,
			"\"%.64s\" must be the name of another profile of the directory", base);
	struct error *outer = r->err;
	r->err = &why;
	int rc = overlay_chain(r, base, depth + 1, p);
	r->err = outer;
	if (rc == -ENOENT)
		return yaml_error_at(r->marks, "extends", r->err,
			"there is no profile \"%.64s\" (%s)", base, why.text);
	return rc < 0 ? error_set(r->err, rc, "%s", why.text) : 0;
}

static int overlay_chain(struct reading *r, const char *name, unsigned depth, struct profile *p)
{
	char path[CONF_PATH_MAX + CONF_TEXT_MAX];
	snprintf(path, sizeof path, "%s%s%s", r->dir, name, PROFILE_SUFFIX);
	struct profile *alone = malloc(sizeof *alone);
	ENSURE(alone, r->err, -ENOMEM, "%s: out of memory", path);
	profile_defaults(alone, name);
	int rc = yaml_overlay_file(&profile_schema, path, r->marks, alone, r->err);
	if (rc == 0 && alone->extends[0])
		rc = overlay_base(r, name, alone, depth, p);
	/* Once more, over what it extends: so that its keys and their places are the last. */
	snprintf(p->name, sizeof p->name, "%s", name);
	p->extends[0] = '\0';
	if (rc == 0)
		rc = yaml_overlay_file(&profile_schema, path, r->marks, p, r->err);
	free(alone);
	return rc;
}

int profile_load_file(
	struct profile *out, const char *path, const char *masters_dir, struct error *err)
{
	struct yaml_marks marks;
	yaml_marks_init(&marks);
	int rc = profile_load_marks(out, path, masters_dir, &marks, err);
	yaml_marks_free(&marks);
	return rc;
}

int profile_load_marks(struct profile *out, const char *path, const char *masters_dir,
	struct yaml_marks *marks, struct error *err)
{
	char name[CONF_TEXT_MAX], dir[CONF_PATH_MAX];
	const char *slash = strrchr(path, '/');
	TRY(name_of_path(name, sizeof name, path, err));
	int len = snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
	ENSURE((size_t)len < sizeof dir, err, E_CONFIG, "%.64s...: the path is too long", path);
	struct profile *p = malloc(sizeof *p);
	ENSURE(p, err, -ENOMEM, "%s: out of memory", path);
	struct reading r = {.dir = dir, .marks = marks, .err = err};
	profile_defaults(p, name);
	int rc = overlay_chain(&r, name, 1, p);
	if (rc == 0)
		rc = profile_check(p, marks, name, masters_dir, err);
	if (rc == 0)
		*out = *p;
	free(p);
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
	set->items = n ? calloc(n, sizeof(void *)) : NULL;
	ENSURE(set->items || n == 0, err, -ENOMEM, "%s: out of memory", dir);
	for (; set->n < n; set->n++) {
		char path[CONF_PATH_MAX + 256];
		snprintf(path, sizeof path, "%s/%s", dir, names[set->n]->d_name);
		struct profile *p = malloc(sizeof *p);
		ENSURE(p, err, -ENOMEM, "%s: out of memory", dir);
		int rc = profile_load_file(p, path, masters_dir, err);
		p->refs = 1;
		if (rc < 0) {
			free(p);
			return rc;
		}
		set->items[set->n] = p;
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
		if (strcmp(set->items[i]->name, name) == 0)
			return set->items[i];
	}
	return NULL;
}

void profile_set_free(struct profile_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		profile_drop(set->items[i]);
	free(set->items);
	*set = (struct profile_set){0};
}

int profile_print(const struct profile *p, struct buf *out, struct error *err)
{
	return yaml_print(&profile_schema, p, out, err);
}
