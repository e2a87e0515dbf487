/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACL: digest users and users and groups of the directory. The list is read page by page and entry
 * by entry, matched with the profile by name or SID, and only what differs is removed, updated,
 * added, enabled; one entry per turn of a row. System users ("$$uns") are left alone. A password
 * cannot be read back: its mark says whether the device has it. SPEC: provisioning.md 4 ACL
 */
#include <stdlib.h>

#include "common/base/codec.h"
#include "proto/digest.h"
#include "worker/passwords.h"
#include "worker/steps/steps.h"

#define SYSTEM_PREFIX "$$"
#define ACL_MAX       64 /* entries that a device can have: 2 of the system, 7 digest, 32 Kerberos */
#define SID_SUBS_MAX  5  /* SPEC: wsman.md 7 */
#define SID_BYTES_MAX (8 + 4 * SID_SUBS_MAX)
#define SID_TEXT_MAX  (4 * ((SID_BYTES_MAX + 2) / 3)) /* base64 */
#define CLASS         "AMT_AuthorizationService"

/* An entry that the device lists. In the keep arena. */
struct acl_entry {
	uint32_t handle;
	bool read, state_read;
	bool enabled;
	uint32_t access, realms; /* bit n = realm n */
	const char *user, *sid;  /* one of them; the SID in base64 */
	const struct profile_user *want;
	struct acl_entry *next;
};

/* ---- what is wanted ----------------------------------------------------------------------------
 */

/* Realms that came later than AMT 3.0. SPEC: wsman.md 7 */
static const struct {
	unsigned realm, major, minor;
} later_realms[] = {{20, 4, 0}, {21, 4, 0}, {23, 5, 1}};

static uint32_t realms_known(const struct session *s)
{
	unsigned major = UINT32_MAX, minor = 0;
	uint32_t known = UINT32_MAX;
	sscanf(s->ck.amt, "%u.%u", &major, &minor);
	for (size_t i = 0; i < sizeof later_realms / sizeof later_realms[0]; i++)
		if (major < later_realms[i].major ||
			(major == later_realms[i].major && minor < later_realms[i].minor))
			known &= ~(1u << later_realms[i].realm);
	return known;
}

static uint32_t realms_wanted(const struct session *s, const struct profile_user *u)
{
	return profile_user_realms(u) & realms_known(s);
}

/* "S-1-5-21-..." to base64 of its bytes; the profile has been checked. SPEC: wsman.md 7 */
static const char *sid_base64(struct session *s, const char *text)
{
	uint8_t raw[SID_BYTES_MAX] = {1, 0};
	size_t len = 8;
	char *end = (char *)(uintptr_t)text + sizeof "S-1" - 1;
	uint64_t authority = strtoull(end + 1, &end, 10);
	for (int i = 0; i < 6; i++)
		raw[2 + i] = (uint8_t)(authority >> (40 - 8 * i));
	for (; *end == '-' && len < sizeof raw; raw[1]++) {
		uint32_t sub = (uint32_t)strtoul(end + 1, &end, 10);
		for (int i = 0; i < 4; i++)
			raw[len++] = (uint8_t)(sub >> (8 * i));
	}
	const char *base64 = request_base64(s, raw, len);
	return base64 ? arena_strdup(&s->keep, base64) : NULL;
}

static bool is_user(struct session *s, const struct profile_user *u, const struct acl_entry *e)
{
	if (u->name[0])
		return e->user && strcmp(e->user, u->name) == 0;
	const char *sid = e->sid ? sid_base64(s, u->sid) : NULL;
	return sid && strcmp(sid, e->sid) == 0;
}

static const struct secret *password_of(const struct session *s, const struct profile_user *u,
	char mark[static SECRET_NAME_MAX + 1])
{
	passwords_user(mark, u->name);
	return passwords_get(s, mark);
}

static bool is_system(const struct acl_entry *e)
{
	return e->user && strncmp(e->user, SYSTEM_PREFIX, sizeof SYSTEM_PREFIX - 1) == 0;
}

static bool unwanted(const struct session *s, const struct acl_entry *e)
{
	return !e->want && !is_system(e) && s->profile->acl.others == PROFILE_OTHERS_REMOVE;
}

static bool differs(const struct session *s, const struct acl_entry *e)
{
	char mark[SECRET_NAME_MAX + 1];
	if (!e->want)
		return false;
	if (e->access != e->want->access || e->realms != realms_wanted(s, e->want))
		return true;
	const struct secret *password = e->want->name[0] ? password_of(s, e->want, mark) : NULL;
	return password && !marks_has(s, mark, password);
}

static bool switched(const struct acl_entry *e)
{
	return e->want && e->state_read && e->enabled != e->want->enabled;
}

/* Without realms nobody can be told; what came later than this release is reported. */
static bool possible(const struct session *s, const struct profile_user *u)
{
	return realms_wanted(s, u) != 0;
}

static const struct profile_user *missing(const struct session *s)
{
	for (uint32_t i = 0; i < s->profile->acl.n_users; i++) {
		const struct acl_entry *e = s->o.acl;
		if (!possible(s, &s->profile->acl.users[i]))
			continue;
		while (e && e->want != &s->profile->acl.users[i])
			e = e->next;
		if (!e)
			return &s->profile->acl.users[i];
	}
	return NULL;
}

/* ---- the list ----------------------------------------------------------------------------------
 */

/* A device that comes from setup has no users of anybody. */
static bool asked(const struct session *s)
{
	const struct profile_acl *a = &s->profile->acl;
	return a->n_users > 0 || (a->others == PROFILE_OTHERS_REMOVE && s->kind != JOB_SETUP);
}

static enum build one_number(struct session *s, struct wsman_request *rq, const char *method,
	const char *name, uint32_t n)
{
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	char *text = arena_printf(&s->keep, "%u", n);
	if (!p || !text)
		return build_nomem(s);
	*p = WSMAN_TEXT(name, text);
	rq->op = WSMAN_INVOKE;
	rq->method = method;
	rq->params = p;
	rq->n_params = 1;
	return BUILD_SEND;
}

enum build acl_list_build(struct session *s, struct wsman_request *rq)
{
	if (!asked(s))
		return BUILD_SKIP;
	if (!s->o.acl_paging) {
		s->o.acl = NULL;
		s->o.acl_n = 0;
	}
	return one_number(s, rq, "EnumerateUserAclEntries", "StartIndex", s->o.acl_n + 1);
}

static struct acl_entry *entry_new(struct session *s, uint32_t handle)
{
	struct acl_entry *e = arena_alloc(&s->keep, sizeof *e);
	if (!e)
		return NULL;
	*e = (struct acl_entry){.handle = handle, .next = s->o.acl};
	s->o.acl = e;
	return e;
}

struct verdict acl_list_read(struct session *s, const struct wsman_message *m)
{
	uint64_t total = 0;
	uint32_t before = s->o.acl_n;
	wsman_node_uint(m->payload, "TotalCount", &total);
	const struct wsman_node *h = wsman_node_child(m->payload, "Handles");
	for (; h && s->o.acl_n < ACL_MAX; h = wsman_node_again(h), s->o.acl_n++)
		if (!entry_new(s, (uint32_t)strtoul(h->text, NULL, 10)))
			return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	s->o.acl_paging = s->o.acl_n < total && s->o.acl_n > before && s->o.acl_n < ACL_MAX;
	return s->o.acl_paging ? v_again(0) : v_next();
}

/* An empty list, or one that became shorter while it was read. SPEC: provisioning.md 4 ACL 1 */
struct verdict acl_list_refused(struct session *s, uint32_t rv)
{
	s->o.acl_paging = false;
	return rv == WSMAN_RV_INVALID_INDEX ? v_next() : (struct verdict){.kind = VERDICT_FAIL};
}

static struct acl_entry *unread(const struct session *s)
{
	struct acl_entry *e = s->o.acl;
	while (e && e->read)
		e = e->next;
	return e;
}

enum build acl_get_build(struct session *s, struct wsman_request *rq)
{
	const struct acl_entry *e = unread(s);
	return e ? one_number(s, rq, "GetUserAclEntryEx", "Handle", e->handle) : BUILD_SKIP;
}

static char *text_of(struct session *s, const struct wsman_message *m, const char *name)
{
	const char *text = wsman_node_text(m->payload, name);
	return text && text[0] ? arena_strdup(&s->keep, text) : NULL;
}

struct verdict acl_get_read(struct session *s, const struct wsman_message *m)
{
	struct acl_entry *e = unread(s);
	uint64_t access = UINT32_MAX;
	wsman_node_uint(m->payload, "AccessPermission", &access);
	const struct wsman_node *r = wsman_node_child(m->payload, "Realms");
	for (; r; r = wsman_node_again(r)) {
		unsigned long realm = strtoul(r->text, NULL, 10);
		e->realms |= realm < 32 ? 1u << realm : 0;
	}
	e->user = text_of(s, m, "DigestUsername");
	e->sid = text_of(s, m, "KerberosUserSid");
	e->access = (uint32_t)access;
	e->read = true;
	for (uint32_t i = 0; i < s->profile->acl.n_users && !e->want; i++)
		if (possible(s, &s->profile->acl.users[i]) &&
			is_user(s, &s->profile->acl.users[i], e))
			e->want = &s->profile->acl.users[i];
	return v_again(0);
}

static void forget(struct session *s, const struct acl_entry *gone)
{
	struct acl_entry **at = &s->o.acl;
	while (*at && *at != gone)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
}

/* Somebody has removed it since it was listed. */
static struct verdict gone(struct session *s, uint32_t rv, const struct acl_entry *e)
{
	if (rv != WSMAN_RV_INVALID_HANDLE || !e)
		return (struct verdict){.kind = VERDICT_FAIL};
	forget(s, e);
	return v_again(0);
}

struct verdict acl_get_refused(struct session *s, uint32_t rv)
{
	return gone(s, rv, unread(s));
}

static struct acl_entry *stateless(const struct session *s)
{
	struct acl_entry *e = s->o.acl;
	while (e && (!e->want || e->state_read))
		e = e->next;
	return e;
}

enum build acl_state_build(struct session *s, struct wsman_request *rq)
{
	const struct acl_entry *e = stateless(s);
	return e ? one_number(s, rq, "GetAclEnabledState", "Handle", e->handle) : BUILD_SKIP;
}

struct verdict acl_state_read(struct session *s, const struct wsman_message *m)
{
	struct acl_entry *e = stateless(s);
	e->enabled = true;
	wsman_node_bool(m->payload, "Enabled", &e->enabled);
	e->state_read = true;
	return v_again(0);
}

struct verdict acl_state_refused(struct session *s, uint32_t rv)
{
	return gone(s, rv, stateless(s));
}

/* ---- what differs ------------------------------------------------------------------------------
 */

static void report_realms(struct session *s, const struct profile_user *u)
{
	char what[64], why[64];
	for (unsigned i = 0; i < sizeof later_realms / sizeof later_realms[0]; i++) {
		uint32_t bit = 1u << later_realms[i].realm;
		if (!(profile_user_realms(u) & bit & ~realms_known(s)))
			continue;
		snprintf(what, sizeof what, "Realms %u of %.40s", later_realms[i].realm,
			u->name[0] ? u->name : u->sid);
		snprintf(why, sizeof why, "from AMT %u.%u on", later_realms[i].major,
			later_realms[i].minor);
		setting_not_here(s, CLASS, what, why);
	}
}

static const char *name_of(const struct acl_entry *e)
{
	return e->want   ? (e->want->name[0] ? e->want->name : e->want->sid)
	       : e->user ? e->user
	       : e->sid  ? e->sid
			 : "";
}

static void describe(const struct session *s, const struct profile_user *u, char out[static 64])
{
	snprintf(out, 64, "access %d realms %#x%s", (int)u->access, realms_wanted(s, u),
		u->enabled ? "" : " disabled");
}

static void report_entry(struct session *s, const struct acl_entry *e)
{
	char have[64], want[64] = "";
	snprintf(have, sizeof have, "access %u realms %#x%s", e->access, e->realms,
		e->want && e->state_read && !e->enabled ? " disabled" : "");
	if (e->want)
		describe(s, e->want, want);
	setting_report(
		s, CLASS, name_of(e), have, strcmp(have, want) == 0 ? "(another secret)" : want);
}

static int report_missing(struct session *s)
{
	char want[64];
	for (uint32_t i = 0; i < s->profile->acl.n_users; i++) {
		const struct profile_user *u = &s->profile->acl.users[i];
		const struct acl_entry *e = s->o.acl;
		report_realms(s, u);
		while (e && e->want != u)
			e = e->next;
		if (e || !possible(s, u))
			continue;
		describe(s, u, want);
		setting_report(s, CLASS, u->name[0] ? u->name : u->sid, "", want);
	}
	return 0;
}

/* Say what the rows that follow write. */
enum build acl_decide_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	char mark[SECRET_NAME_MAX + 1];
	for (const struct acl_entry *e = s->o.acl; e; e = e->next) {
		if (unwanted(s, e) || differs(s, e) || switched(e))
			report_entry(s, e);
		if (!unwanted(s, e) || !e->user)
			continue;
		if (strlen(e->user) <= PROFILE_USER_TEXT_MAX) {
			passwords_user(mark, e->user);
			if (passwords_forget(s, mark) < 0)
				return build_nomem(s);
		}
	}
	report_missing(s);
	return BUILD_SKIP;
}

/* ---- writes ------------------------------------------------------------------------------------
 */

static struct acl_entry *first(
	const struct session *s, bool (*fits)(const struct session *, const struct acl_entry *))
{
	struct acl_entry *e = s->o.acl;
	while (e && !fits(s, e))
		e = e->next;
	return e;
}

enum build acl_remove_build(struct session *s, struct wsman_request *rq)
{
	const struct acl_entry *e = first(s, unwanted);
	return e ? one_number(s, rq, "RemoveUserAclEntry", "Handle", e->handle) : BUILD_SKIP;
}

/* The device forgets its logins with every change of the list: the next request may be challenged
 * and is answered with the same password. */
struct verdict acl_remove_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	const struct acl_entry *e = first(s, unwanted);
	char mark[SECRET_NAME_MAX + 1];
	if (e->user && strlen(e->user) <= PROFILE_USER_TEXT_MAX) {
		passwords_user(mark, e->user);
		marks_clear(s, mark);
	}
	forget(s, e);
	s->o.acl_written = true;
	return v_again(0);
}

struct verdict acl_remove_refused(struct session *s, uint32_t rv)
{
	return gone(s, rv, first(s, unwanted));
}

/* Parameters of Update and, without a handle, of Add. */
static enum build entry_request(struct session *s, struct wsman_request *rq, const char *method,
	const char *handle, const struct profile_user *u)
{
	struct {
		struct wsman_param params[6];
		const char *realms[PROFILE_REALM_LAST + 1];
	} *b = arena_alloc(&s->keep, sizeof *b);
	char ha1[DIGEST_PASSWORD_LEN + 1], mark[SECRET_NAME_MAX + 1];
	size_t n = 0, n_realms = 0;
	uint32_t realms = realms_wanted(s, u);
	if (!b)
		return build_nomem(s);
	for (unsigned i = 0; i <= PROFILE_REALM_LAST; i++)
		if ((realms >> i) & 1u)
			b->realms[n_realms++] = arena_printf(&s->keep, "%u", i);
	b->params[n++] = WSMAN_TEXT("Handle", handle);
	if (u->name[0]) {
		const struct secret *password = password_of(s, u, mark);
		int rc = password
				 ? digest_password(u->name, s->ck.realm, secret_text(password), ha1)
				 : -1;
		if (rc == 0)
			rc = secret_set(&s->param, ha1, DIGEST_PASSWORD_LEN);
		explicit_bzero(ha1, sizeof ha1);
		if (rc < 0)
			return build_nomem(s);
		b->params[n++] = WSMAN_TEXT("DigestUsername", u->name);
		b->params[n++] = WSMAN_TEXT("DigestPassword", secret_text(&s->param));
	} else {
		b->params[n++] = WSMAN_TEXT("KerberosUserSid", sid_base64(s, u->sid));
	}
	b->params[n++] =
		WSMAN_TEXT("AccessPermission", arena_printf(&s->keep, "%d", (int)u->access));
	b->params[n++] = WSMAN_REPEATED("Realms", b->realms, n_realms);
	rq->op = WSMAN_INVOKE;
	rq->method = method;
	rq->params = b->params;
	rq->n_params = n;
	return BUILD_SEND;
}

static void written(struct session *s, struct acl_entry *e)
{
	char mark[SECRET_NAME_MAX + 1];
	const struct secret *password = e->want->name[0] ? password_of(s, e->want, mark) : NULL;
	if (password)
		marks_set(s, mark, password);
	e->access = e->want->access;
	e->realms = realms_wanted(s, e->want);
	s->o.acl_written = true;
}

enum build acl_update_build(struct session *s, struct wsman_request *rq)
{
	const struct acl_entry *e = first(s, differs);
	if (!e)
		return BUILD_SKIP;
	return entry_request(
		s, rq, "UpdateUserAclEntryEx", arena_printf(&s->keep, "%u", e->handle), e->want);
}

struct verdict acl_update_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	written(s, first(s, differs));
	return v_again(0);
}

struct verdict acl_update_refused(struct session *s, uint32_t rv)
{
	return rv == WSMAN_RV_INVALID_HANDLE ? gone(s, rv, first(s, differs))
					     : password_refused(s, rv);
}

enum build acl_add_build(struct session *s, struct wsman_request *rq)
{
	const struct profile_user *u = asked(s) ? missing(s) : NULL;
	return u ? entry_request(s, rq, "AddUserAclEntryEx", NULL, u) : BUILD_SKIP;
}

struct verdict acl_add_read(struct session *s, const struct wsman_message *m)
{
	const struct profile_user *u = missing(s);
	uint64_t handle = 0;
	wsman_node_uint(m->payload, "Handle", &handle);
	struct acl_entry *e = entry_new(s, (uint32_t)handle);
	if (!e)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	e->want = u;
	e->read = e->state_read = e->enabled = true;
	written(s, e);
	return v_again(0);
}

/* An answer that was lost, after all, or somebody else's work: look again. */
struct verdict acl_add_refused(struct session *s, uint32_t rv)
{
	if (look_again(s, rv))
		return v_goto(STEP_ACL_LIST);
	return password_refused(s, rv);
}

static bool to_switch(const struct session *s, const struct acl_entry *e)
{
	(void)s;
	return switched(e);
}

enum build acl_switch_build(struct session *s, struct wsman_request *rq)
{
	const struct acl_entry *e = first(s, to_switch);
	struct wsman_param *p = e ? arena_alloc(&s->keep, 2 * sizeof *p) : NULL;
	char *handle = e ? arena_printf(&s->keep, "%u", e->handle) : NULL;
	if (!e)
		return BUILD_SKIP;
	if (!p || !handle)
		return build_nomem(s);
	p[0] = WSMAN_TEXT("Handle", handle);
	p[1] = WSMAN_TEXT("Enabled", e->want->enabled ? "true" : "false");
	rq->op = WSMAN_INVOKE;
	rq->method = "SetAclEnabledState";
	rq->params = p;
	rq->n_params = 2;
	return BUILD_SEND;
}

struct verdict acl_switch_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	struct acl_entry *e = first(s, to_switch);
	e->enabled = e->want->enabled;
	s->o.acl_written = true;
	return v_again(0);
}

/* ---- VERIFY_B ----------------------------------------------------------------------------------
 */

enum build acl_check_list_build(struct session *s, struct wsman_request *rq)
{
	return s->o.acl_written ? acl_list_build(s, rq) : BUILD_SKIP;
}

struct verdict acl_check_list_read(struct session *s, const struct wsman_message *m)
{
	return acl_list_read(s, m);
}

enum build acl_check_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->o.acl_written)
		return BUILD_SKIP;
	const struct profile_user *lost = missing(s);
	struct acl_entry *e = first(s, unwanted);
	if (!e)
		e = first(s, differs);
	if (!e)
		e = first(s, to_switch);
	if (!e && !lost)
		return BUILD_SKIP;
	return build_fail(s, FAIL_RETRY, "not_taken",
		"the access list was written and accepted, but the device shows %.80s otherwise",
		e               ? name_of(e)
		: lost->name[0] ? lost->name
				: lost->sid);
}
