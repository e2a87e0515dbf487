/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/passwords.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/crypto/password.h"
#include "worker/session.h"

#define FILE_SECRET_MAX 64 /* bytes; a wireless key has 63 */
#define RFB_LEN         8  /* exactly. SPEC: provisioning.md 4 FEATURES */

void passwords_user(char out[static SECRET_NAME_MAX + 1], const char *user)
{
	snprintf(out, SECRET_NAME_MAX + 1, SECRET_USER "%s", user);
}

const struct secret *passwords_get(const struct session *s, const char *name)
{
	return secret_set_get(s->secrets.pend.n ? &s->secrets.pend : &s->secrets.cur, name);
}

/* One secret of the set that is wanted. A random one stays as it is unless fresh ones are asked
 * for; the others are what the profile says now. @return whether the set changed, or an error */
static int want(struct session *s, struct secret_set *set, const struct profile_password *p,
	const char *name, size_t len, bool fresh, struct error *err)
{
	const struct secret *have = secret_set_get(set, name);
	struct secret value = {0};
	if (p->source == PROFILE_PASSWORD_NONE ||
		(have && !fresh && p->source == PROFILE_PASSWORD_RANDOM))
		return 0;
	int rc = session_password(s, p, name, len, &value, err);
	bool same = rc == 0 && have && secret_equal(have, &value);
	if (rc == 0 && !same)
		rc = secret_set_put(set, name, value.data, value.len, clock_wall_ms());
	secret_free(&value);
	return rc < 0 ? error_prefix(err, "%s", name) : !same;
}

/* One of a file of the profile, which has been checked. */
static int want_file(struct secret_set *set, const char *file, const char *name, struct error *err)
{
	const struct secret *have = secret_set_get(set, name);
	struct secret value = {0};
	if (!file[0])
		return 0;
	int rc = secret_read_file(&value, file, FILE_SECRET_MAX, err);
	bool same = rc == 0 && have && secret_equal(have, &value);
	if (rc == 0 && !same)
		rc = secret_set_put(set, name, value.data, value.len, clock_wall_ms());
	secret_free(&value);
	return rc < 0 ? error_prefix(err, "%s", name) : !same;
}

static int want_files(struct session *s, struct secret_set *set, struct error *err)
{
	const struct profile *p = s->profile;
	char name[SECRET_NAME_MAX + 1];
	int rc = want_file(set, p->wired.ieee8021x.password_file, SECRET_WIRED, err);
	int changed = rc;
	for (uint32_t i = 0; rc >= 0 && i < p->wireless.n_profiles; i++) {
		const struct profile_wifi *e = &p->wireless.profiles[i];
		const char *file = e->psk_file[0] ? e->psk_file : e->ieee8021x.password_file;
		snprintf(name, sizeof name, SECRET_WIFI "%u", e->priority);
		changed |= rc = want_file(set, file, name, err);
	}
	for (uint32_t i = 0; rc >= 0 && i < p->remote_access.n_servers; i++) {
		snprintf(name, sizeof name, SECRET_MPS "%u", i);
		changed |= rc =
			want_file(set, p->remote_access.servers[i].password_file, name, err);
	}
	return rc < 0 ? rc : changed;
}

static int want_all(struct session *s, struct secret_set *set, bool fresh, struct error *err)
{
	static const struct profile_password random = {.source = PROFILE_PASSWORD_RANDOM};
	const struct profile *p = s->profile;
	char name[SECRET_NAME_MAX + 1];
	int rc = want(s, set, &p->kvm.rfb_password, SECRET_RFB, RFB_LEN, fresh, err), changed = rc;
	/* Never fresh: the account in the directory has the same one and must change with it. */
	if (rc >= 0 && p->kerberos.state == PROFILE_ON)
		changed |= rc = want(s, set, &random, SECRET_KERBEROS, PASSWORD_LEN, false, err);
	for (uint32_t i = 0; rc >= 0 && i < p->acl.n_users; i++) {
		const struct profile_user *u = &p->acl.users[i];
		if (!u->name[0])
			continue;
		passwords_user(name, u->name);
		changed |= rc = want(s, set, &u->password, name, PASSWORD_LEN, fresh, err);
	}
	if (rc >= 0)
		changed |= rc = want_files(s, set, err);
	return rc < 0 ? rc : changed;
}

int passwords_make(struct session *s, struct error *err)
{
	struct secret_set set = {0};
	int rc = secret_set_copy(&set, s->secrets.pend.n ? &s->secrets.pend : &s->secrets.cur);
	if (rc == 0)
		rc = want_all(s, &set, false, err);
	if (rc > 0) {
		secret_set_free(&s->secrets.pend);
		s->secrets.pend = set;
		s->pending_dirty = true;
		return 0;
	}
	secret_set_free(&set);
	return rc < 0 && !err->code ? error_set(err, rc, "no memory for passwords") : rc;
}

int passwords_rotate(struct session *s, struct error *err)
{
	return want_all(s, &s->secrets.pend, true, err);
}

int passwords_forget(struct session *s, const char *name)
{
	struct secret_set *pend = &s->secrets.pend;
	if (!passwords_get(s, name))
		return 0;
	if (pend->n == 0)
		TRY(secret_set_copy(pend, &s->secrets.cur));
	secret_set_remove(pend, name);
	s->pending_dirty = true;
	return 0;
}

bool passwords_same(const struct session *s, const char *name)
{
	const struct secret *a = secret_set_get(&s->secrets.pend, name);
	const struct secret *b = secret_set_get(&s->secrets.cur, name);
	return (!a && !b) || (a && b && secret_equal(a, b));
}

enum store_secret_act passwords_promotion(const struct session *s)
{
	bool same = passwords_same(s, "admin") && passwords_same(s, "mebx");
	return same ? STORE_SECRET_SETTLE : STORE_SECRET_PROMOTE;
}
