/* SPDX-License-Identifier: Apache-2.0 */
/* AMT_AuthorizationService: the admin entry and the access list; see acl.h. */
#include "bench/sim/classes/acl.h"

#include "bench/sim/classes/class.h"
#include "bench/sim/classes/kerberos.h"

#include <stdio.h>
#include <string.h>

/* No source gives the page of EnumerateUserAclEntries; less than a full list, so that callers must
 * turn pages. */
#define PAGE_MAX 20
/* Domains (SIDs without their last part) of Kerberos entries: no source gives the number. */
#define DOMAINS_MAX 4
#define DOMAIN_LEN  24
#define REALM_LAST  24
/* 0, 1 and 22 are reserved. SPEC: wsman.md 7 */
#define REALMS_VALID ((2u * (1u << REALM_LAST) - 1) & ~(1u << 0 | 1u << 1 | 1u << 22))

const struct acl acl_factory = {
	.entries =
		{
			{.kind = ACL_SYSTEM_USER,
				.enabled = true,
				.access = 0,
				.handle = 1,
				.realms = 1u << 16,
				.user = "$$uns"},
			{.kind = ACL_SYSTEM_USER,
				.enabled = true,
				.access = 0,
				.handle = 2,
				.realms = 1u << 24,
				.user = "$$OsAdmin"},
		},
	.next_handle = 3,
};

static const struct acl *acl_of(const struct device *d)
{
	return part_read(d, PART_ACL);
}

const struct acl_entry *acl_by_user(const struct device *d, const char *user)
{
	const struct acl *acl = acl_of(d);
	for (size_t i = 0; i < ACL_N; i++) {
		const struct acl_entry *e = &acl->entries[i];
		if (e->kind == ACL_DIGEST && e->enabled && strcmp(e->user, user) == 0)
			return e;
	}
	return NULL;
}

const struct acl_entry *acl_by_sid(const struct device *d, const uint8_t *sid, size_t len)
{
	const struct acl *acl = acl_of(d);
	for (size_t i = 0; i < ACL_N; i++) {
		const struct acl_entry *e = &acl->entries[i];
		if (e->kind == ACL_KERBEROS && e->enabled && e->sid_len == len &&
			memcmp(e->sid, sid, len) == 0)
			return e;
	}
	return NULL;
}

bool acl_has_auditor(const struct device *d)
{
	const struct acl *acl = acl_of(d);
	for (size_t i = 0; i < ACL_N; i++)
		if (acl->entries[i].kind >= ACL_DIGEST &&
			((acl->entries[i].realms >> ACL_REALM_AUDIT) & 1u))
			return true;
	return false;
}

/* ---- one entry ------------------------------------------------------------------------------ */

/* Index of a handle, or ACL_N. */
static size_t find(const struct acl *acl, uint64_t handle)
{
	size_t i = 0;
	while (i < ACL_N && (acl->entries[i].kind == ACL_FREE || acl->entries[i].handle != handle))
		i++;
	return i;
}

/* 1 to 16 printable ASCII characters, not $$... SPEC: wsman.md 7 */
static bool user_ok(const char *user)
{
	size_t len = strlen(user);
	if (len < 1 || len > ACL_USER_MAX || strncmp(user, "$$", 2) == 0)
		return false;
	for (const char *s = user; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == ':' || *s == '"' || *s == ',')
			return false;
	return true;
}

/* Revision 1, count, 6 bytes of authority, count * 4 bytes. SPEC: wsman.md 7 */
static bool sid_ok(const uint8_t *sid, size_t len)
{
	return len >= 8 && len <= ACL_SID_MAX && sid[0] == 1 && len == 8 + 4u * sid[1];
}

/* Arguments of Add and Update behind the handle. */
enum { A_USER, A_PASSWORD, A_SID, A_ACCESS, A_REALMS };

static uint32_t read_sid(const struct call *c, size_t i, struct acl_entry *e)
{
	struct buf raw;
	uint32_t rv = RV_INVALID_NAME;
	buf_init(&raw, 64);
	if (arg_b64(c, i, &raw) && sid_ok(raw.data, raw.len)) {
		memcpy(e->sid, raw.data, raw.len);
		e->sid_len = (uint8_t)raw.len;
		e->kind = ACL_KERBEROS;
		rv = RV_OK;
	}
	buf_free(&raw);
	return rv;
}

static uint32_t read_realms(const struct call *c, size_t i, struct acl_entry *e)
{
	uint32_t realms[2 * REALM_LAST];
	size_t n = arg_uints(c, i, realms, 2 * REALM_LAST);
	if (n > 2 * REALM_LAST)
		return RV_INVALID_REALM;
	for (size_t k = 0; k < n; k++) {
		if (realms[k] > REALM_LAST || !((REALMS_VALID >> realms[k]) & 1u))
			return RV_INVALID_REALM;
		e->realms |= 1u << realms[k];
	}
	return RV_OK;
}

/* The arguments from place `at` on to an entry. */
static uint32_t read_entry(const struct call *c, size_t at, struct acl_entry *e)
{
	bool digest = c->args[at + A_USER] != NULL;
	bool kerberos = c->args[at + A_SID] != NULL;
	uint64_t access = arg_uint(c, at + A_ACCESS, 0);
	*e = (struct acl_entry){.enabled = true, .access = (uint8_t)access};
	if (digest == kerberos)
		return RV_INVALID_AUTH_TYPE;
	if (kerberos) {
		uint32_t rv = read_sid(c, at + A_SID, e);
		if (rv != RV_OK)
			return rv;
	} else {
		const char *user = arg_text(c, at + A_USER);
		if (!user_ok(user))
			return RV_INVALID_NAME;
		memcpy(e->user, user, strlen(user) + 1);
		e->kind = ACL_DIGEST;
		if (!arg_bytes(c, at + A_PASSWORD, e->ha1, sizeof e->ha1))
			return RV_INVALID_PASSWORD;
	}
	if (access > 2)
		return RV_INVALID_PARAMETER;
	return read_realms(c, at + A_REALMS, e);
}

/* What the list as a whole forbids: self is the index of the entry that is replaced, or ACL_N. */
static uint32_t check_list(const struct call *c, const struct acl_entry *e, size_t self)
{
	const struct acl *acl = acl_of(c->d);
	const uint8_t *domains[DOMAINS_MAX + 1] = {NULL};
	size_t same_kind = 0, n_domains = 0;
	for (size_t i = 0; i < ACL_N; i++) {
		const struct acl_entry *o = &acl->entries[i];
		if (i == self || o->kind == ACL_FREE)
			continue;
		same_kind += o->kind == e->kind;
		if (o->kind == ACL_KERBEROS && e->kind == ACL_KERBEROS &&
			o->sid_len == e->sid_len && memcmp(o->sid, e->sid, e->sid_len) == 0)
			return RV_DUPLICATE;
		if (e->kind == ACL_DIGEST && strcmp(o->user, e->user) == 0)
			return RV_DUPLICATE;
		size_t k = 0;
		while (k < n_domains && memcmp(domains[k], o->sid, DOMAIN_LEN) != 0)
			k++;
		if (o->sid_len == ACL_SID_MAX && k == n_domains && n_domains < DOMAINS_MAX)
			domains[n_domains++] = o->sid;
	}
	if (e->kind == ACL_DIGEST)
		return strcmp(e->user, "admin") == 0 ? RV_DUPLICATE
		       : same_kind >= ACL_DIGEST_MAX ? RV_MAX_LIMIT
						     : RV_OK;
	if (!((const struct kerberos *)part_read(c->d, PART_KERBEROS))->enabled)
		return RV_NOT_PERMITTED;
	if (same_kind >= ACL_KERBEROS_MAX)
		return RV_MAX_LIMIT;
	size_t k = 0;
	while (k < n_domains && memcmp(domains[k], e->sid, DOMAIN_LEN) != 0)
		k++;
	bool new_domain = e->sid_len == ACL_SID_MAX && k == n_domains;
	return new_domain && n_domains >= DOMAINS_MAX ? RV_KERB_DOMAINS : RV_OK;
}

/* Put the entry to a place of the list; every change drops the login caches. */
static enum wfault store(struct call *c, size_t at, const struct acl_entry *e)
{
	struct acl *acl = part_write(c->d, PART_ACL);
	if (!acl)
		return WF_INTERNAL;
	acl->entries[at] = *e;
	c->acl_changed = true;
	snprintf(c->note, sizeof c->note, "handle %u %s", e->handle,
		e->kind == ACL_KERBEROS ? "kerberos" : e->user);
	return WF_NONE;
}

/* ---- methods -------------------------------------------------------------------------------- */

static enum wfault set_admin(struct call *c)
{
	uint8_t ha1[16];
	if (strcmp(arg_text(c, 0), "admin") != 0)
		c->rv = RV_INVALID_NAME;
	else if (!arg_bytes(c, 1, ha1, sizeof ha1))
		c->rv = RV_INVALID_PASSWORD;
	if (c->rv == RV_OK) {
		memcpy(c->d->ha1, ha1, sizeof ha1);
		c->d->admin_default = false;
		c->acl_changed = true;
	}
	return WF_NONE;
}

static enum wfault get_admin(struct call *c)
{
	w_text(&c->w, "Username", "admin");
	return WF_NONE;
}

static enum wfault admin_status(struct call *c)
{
	w_bool(&c->w, "IsDefault", c->d->admin_default);
	return WF_NONE;
}

static enum wfault enumerate(struct call *c)
{
	const struct acl *acl = acl_of(c->d);
	uint64_t start = arg_uint(c, 0, 0);
	uint32_t handles[ACL_N];
	size_t n = 0;
	for (size_t i = 0; i < ACL_N; i++)
		if (acl->entries[i].kind != ACL_FREE)
			handles[n++] = acl->entries[i].handle;
	if (start < 1 || start > n) {
		c->rv = RV_INVALID_INDEX;
		return WF_NONE;
	}
	size_t shown = n - (start - 1) < PAGE_MAX ? n - (start - 1) : PAGE_MAX;
	w_uint(&c->w, "TotalCount", n);
	w_uint(&c->w, "HandlesCount", shown);
	for (size_t i = 0; i < shown; i++)
		w_uint(&c->w, "Handles", handles[start - 1 + i]);
	return WF_NONE;
}

/* The entry that argument 0 names; NULL and c->rv set when there is none. */
static const struct acl_entry *named(struct call *c, size_t *at)
{
	const struct acl *acl = acl_of(c->d);
	size_t i = find(acl, arg_uint(c, 0, 0));
	if (at)
		*at = i;
	if (i < ACL_N)
		return &acl->entries[i];
	c->rv = RV_INVALID_HANDLE;
	return NULL;
}

static enum wfault get_user(struct call *c)
{
	const struct acl_entry *e = named(c, NULL);
	if (!e)
		return WF_NONE;
	if (e->kind == ACL_KERBEROS)
		w_b64(&c->w, "KerberosUserSid", e->sid, e->sid_len);
	else
		w_text(&c->w, "DigestUsername", e->user);
	w_uint(&c->w, "AccessPermission", e->access);
	for (unsigned r = 0; r <= REALM_LAST; r++)
		if ((e->realms >> r) & 1u)
			w_uint(&c->w, "Realms", r);
	return WF_NONE;
}

static enum wfault add_user(struct call *c)
{
	struct acl_entry e;
	const struct acl *acl = acl_of(c->d);
	c->rv = read_entry(c, 0, &e);
	if (c->rv == RV_OK)
		c->rv = check_list(c, &e, ACL_N);
	size_t at = 0;
	while (at < ACL_N && acl->entries[at].kind != ACL_FREE)
		at++;
	if (c->rv == RV_OK && at == ACL_N)
		c->rv = RV_MAX_LIMIT;
	if (c->rv != RV_OK)
		return WF_NONE;
	struct acl *mine = part_write(c->d, PART_ACL);
	if (!mine)
		return WF_INTERNAL;
	e.handle = mine->next_handle++;
	w_uint(&c->w, "Handle", e.handle);
	return store(c, at, &e);
}

static enum wfault update_user(struct call *c)
{
	struct acl_entry e;
	size_t at;
	const struct acl_entry *old = named(c, &at);
	if (!old)
		return WF_NONE;
	if (old->kind == ACL_SYSTEM_USER)
		c->rv = RV_NOT_PERMITTED;
	else
		c->rv = read_entry(c, 1, &e);
	if (c->rv == RV_OK)
		c->rv = check_list(c, &e, at);
	if (c->rv != RV_OK)
		return WF_NONE;
	e.handle = old->handle;
	e.enabled = old->enabled;
	return store(c, at, &e);
}

static enum wfault remove_user(struct call *c)
{
	size_t at;
	const struct acl_entry *old = named(c, &at);
	if (!old)
		return WF_NONE;
	if (old->kind == ACL_SYSTEM_USER) {
		c->rv = RV_NOT_PERMITTED;
		return WF_NONE;
	}
	uint32_t handle = old->handle;
	enum wfault f = store(c, at, &(struct acl_entry){.kind = ACL_FREE});
	snprintf(c->note, sizeof c->note, "handle %u", handle);
	return f;
}

static enum wfault set_enabled(struct call *c)
{
	size_t at;
	const struct acl_entry *old = named(c, &at);
	if (!old)
		return WF_NONE;
	struct acl_entry e = *old;
	e.enabled = arg_bool(c, 1, true);
	return store(c, at, &e);
}

static enum wfault get_enabled(struct call *c)
{
	const struct acl_entry *e = named(c, NULL);
	if (e)
		w_bool(&c->w, "Enabled", e->enabled);
	return WF_NONE;
}

/* ---- AMT_AuthorizationService --------------------------------------------------------------- */

static void qop_only(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	(void)instance;
	if (d->as->http.auth_int)
		w_uint(w, p->name, 1);
}

static const struct prop authorization_props[] = {
	{"AllowHttpQopAuthOnly", PT_UINT, PF_RO, .value = qop_only},
	PROPS_SERVICE("AMT_AuthorizationService", "Intel(r) AMT Authorization Service"),
	{"EnabledState", PT_UINT, PF_RO, .text = "5"},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Authorization Service"},
	{"RequestedState", PT_UINT, PF_RO, .text = "12"},
	PROPS_SYSTEM,
	{NULL},
};

#define ENTRY_ARGS                                                                           \
	{"DigestUsername", PT_STR}, {"DigestPassword", PT_B64}, {"KerberosUserSid", PT_B64}, \
		{"AccessPermission", PT_UINT, PF_REQ}, {"Realms", PT_UINT, PF_ARRAY},        \
	{                                                                                    \
		NULL                                                                         \
	}
static const struct prop handle_in[] = {{"Handle", PT_UINT, PF_REQ}, {NULL}};
static const struct prop add_in[] = {ENTRY_ARGS};
static const struct prop update_in[] = {{"Handle", PT_UINT, PF_REQ}, ENTRY_ARGS};
static const struct prop enabled_in[] = {
	{"Handle", PT_UINT, PF_REQ}, {"Enabled", PT_BOOL, PF_REQ}, {NULL}};
static const struct prop admin_in[] = {{"Username", PT_STR, PF_REQ, .max = ACL_USER_MAX},
	{"DigestPassword", PT_B64, PF_REQ}, {NULL}};
static const struct prop start_in[] = {{"StartIndex", PT_UINT, PF_REQ}, {NULL}};

static const struct method authorization_methods[] = {
	{"SetAdminAclEntryEx", admin_in, .mutates = true, .fn = set_admin},
	{"GetAdminAclEntry", NULL, .fn = get_admin},
	{"GetAdminAclEntryStatus", NULL, .fn = admin_status},
	{"GetAdminNetAclEntryStatus", NULL, .fn = admin_status},
	{"EnumerateUserAclEntries", start_in, .fn = enumerate},
	{"GetUserAclEntryEx", handle_in, .fn = get_user},
	{"AddUserAclEntryEx", add_in, .mutates = true, .fn = add_user},
	{"UpdateUserAclEntryEx", update_in, .mutates = true, .fn = update_user},
	{"RemoveUserAclEntry", handle_in, .mutates = true, .fn = remove_user},
	{"SetAclEnabledState", enabled_in, .mutates = true, .fn = set_enabled},
	{"GetAclEnabledState", handle_in, .fn = get_enabled},
	{NULL},
};

const struct class_def class_authorization = {
	.name = "AMT_AuthorizationService",
	.ns = NS_AMT,
	.props = authorization_props,
	.methods = authorization_methods,
};
