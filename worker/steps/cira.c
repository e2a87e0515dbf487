/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIRA: management presence servers and the policies that say when a device calls them. Both are
 * listed and matched: servers by address, policies by trigger. The firmware cannot change one in
 * place and deletes no server that a policy names, so: policies that differ go first, then servers
 * that differ; then servers are added, then policies. SPEC: provisioning.md 4 CIRA 2 to 5
 */
#include <arpa/inet.h>

#include "common/base/buf.h"
#include "worker/passwords.h"
#include "worker/steps/roots.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define SINCE          4 /* AMT release */
#define MPS            "AMT_ManagementPresenceRemoteSAP"
#define POLICY         "AMT_RemoteAccessPolicyRule"
#define FORMAT_IPV4    3u
#define FORMAT_IPV6    4u
#define FORMAT_FQDN    201u
#define BY_CERTIFICATE "1"
#define BY_PASSWORD    "2"
#define INSIDE         1u /* MpsType */
#define PLACES_MAJOR   11 /* AMT 11.6 */
#define PLACES_MINOR   6
#define APPLIES        "AMT_RemoteAccessPolicyAppliesToMPS"
#define USERNAME_MAX   16 /* what old firmware takes */
#define PERIOD_BYTES   12 /* of ExtendedData */
#define HIDDEN_MAX     (4 * CONF_TEXT_MAX + CONF_PATH_MAX)

/* Names and numbers of the triggers are the firmware's. */
static const char *const policy_names[] = {
	[PROFILE_TRIGGER_USER] = "User Initiated",
	[PROFILE_TRIGGER_ALERT] = "Alert",
	[PROFILE_TRIGGER_PERIODIC] = "Periodic",
};

/* A server that the device lists. In the keep arena, as the policies. */
struct mps_entry {
	const char *name, *address, *cn;
	uint64_t port;
	const struct profile_mps *want;
	bool good; /* as wanted */
	struct mps_entry *next;
};

struct policy_entry {
	const char *name;
	uint64_t lifetime;
	const char *data; /* base64, "" = none */
	struct {
		const char *mps; /* name of the server */
		uint64_t type, order;
	} calls[PROFILE_POLICY_MPS];
	size_t n_calls;
	const struct profile_policy *want;
	struct policy_entry *next;
};

/* ---- what is wanted ----------------------------------------------------------------------------
 */

/* A device that is about to be unconfigured must not call home any more. SPEC: maintenance.md 6 */
static bool on(const struct session *s)
{
	return s->profile->remote_access.state == PROFILE_ON && s->plan != PLAN_UNCONFIGURE;
}

static bool asked(const struct session *s)
{
	enum profile_switch state = s->profile->remote_access.state;
	return state == PROFILE_ON || (state == PROFILE_OFF && s->plan != PLAN_UNCONFIGURE);
}

static size_t place_of(const struct session *s, const struct profile_mps *m)
{
	return (size_t)(m - s->profile->remote_access.servers);
}

static const char *username(struct session *s, const struct profile_mps *m)
{
	char digits[UUID_TEXT_LEN + 1];
	size_t n = 0;
	if (m->username[0])
		return m->username;
	for (const char *p = s->uuid_text; *p && n < USERNAME_MAX; p++)
		if (*p != '-')
			digits[n++] = *p;
	digits[n] = '\0';
	return arena_strdup(&s->keep, digits);
}

static void mark_name(
	const struct session *s, const struct profile_mps *m, char out[static SECRET_NAME_MAX + 1])
{
	snprintf(out, SECRET_NAME_MAX + 1, SECRET_MPS "%zu", place_of(s, m));
}

/* Everything that no Get shows, for the mark. @return 0 or -ENOMEM */
static int hidden(struct session *s, const struct profile_mps *m, struct secret *out)
{
	char name[SECRET_NAME_MAX + 1];
	struct buf text;
	mark_name(s, m, name);
	const struct secret *password = passwords_get(s, name);
	buf_init(&text, HIDDEN_MAX);
	int rc = buf_addf(&text, "%s|%d|%s|%s|%s", m->address, m->auth,
		m->auth == PROFILE_MPS_PASSWORD ? username(s, m) : s->o.context_cert, m->root_file,
		password ? secret_text(password) : "");
	if (rc == 0)
		rc = secret_set(out, text.data, text.len);
	buf_wipe(&text);
	buf_free(&text);
	return rc;
}

static bool server_good(struct session *s, const struct mps_entry *e)
{
	struct secret value = {0};
	char name[SECRET_NAME_MAX + 1];
	if (!e->want || !on(s) || e->port != e->want->port || strcmp(e->cn, e->want->cn) != 0)
		return false;
	mark_name(s, e->want, name);
	bool same = hidden(s, e->want, &value) == 0 && marks_has(s, name, &value);
	secret_free(&value);
	return same;
}

/* ExtendedData of a periodic policy: 0 and seconds, or 1, hour and minute, big-endian. */
static const char *period(struct session *s, const struct profile_policy *p)
{
	uint8_t raw[PERIOD_BYTES] = {0};
	unsigned numbers[3] = {0, p->interval_s, 0};
	size_t n = 2;
	if (p->trigger != PROFILE_TRIGGER_PERIODIC)
		return "";
	if (p->daily_at[0]) {
		numbers[0] = 1;
		sscanf(p->daily_at, "%2u:%2u", &numbers[1], &numbers[2]);
		n = 3;
	}
	for (size_t i = 0; i < 4 * n; i++)
		raw[i] = (uint8_t)(numbers[i / 4] >> (24 - 8 * (i % 4)));
	const char *text = request_base64(s, raw, 4 * n);
	return text ? arena_strdup(&s->keep, text) : NULL;
}

static struct mps_entry *server_of(const struct session *s, const char *address)
{
	struct mps_entry *e = s->o.mps;
	while (e && !(e->good && strcmp(e->address, address) == 0))
		e = e->next;
	return e;
}

/* Inside of the home domains: older firmware has no MpsType and no InternalMpServer.
 * SPEC: provisioning.md 4 CIRA 5, 6 */
static bool has_places(const struct session *s)
{
	unsigned major = PLACES_MAJOR, minor = PLACES_MINOR;
	sscanf(s->ck.amt, "%u.%u", &major, &minor);
	return major > PLACES_MAJOR || (major == PLACES_MAJOR && minor >= PLACES_MINOR);
}

static const struct profile_mps *wanted_server(const struct session *s, const char *address)
{
	const struct profile_remote_access *r = &s->profile->remote_access;
	for (uint32_t i = 0; i < r->n_servers; i++)
		if (strcmp(r->servers[i].address, address) == 0)
			return &r->servers[i];
	return NULL;
}

static uint64_t place_type(const struct session *s, const char *address)
{
	const struct profile_mps *m = wanted_server(s, address);
	return m && m->place == PROFILE_MPS_INSIDE && has_places(s) ? INSIDE : 0;
}

/* @return place among its calls, n_calls = it calls no such server */
static size_t call_of(const struct policy_entry *e, const struct mps_entry *m, uint64_t type)
{
	size_t i = 0;
	while (m && i < e->n_calls &&
		(strcmp(m->name, e->calls[i].mps) != 0 || e->calls[i].type != type))
		i++;
	return m ? i : e->n_calls;
}

/* Its servers are there, none of them is about to be replaced, and those of one place are called in
 * the order of the profile. Firmware without OrderOfAccess shows all as the first. */
static bool calls_good(const struct session *s, const struct policy_entry *e)
{
	const struct profile_policy *p = e->want;
	uint64_t last[INSIDE + 1] = {0};
	for (uint32_t i = 0; i < p->n_servers; i++) {
		uint64_t type = place_type(s, p->servers[i]);
		size_t at = call_of(e, server_of(s, p->servers[i]), type);
		if (at == e->n_calls || e->calls[at].order < last[type])
			return false;
		last[type] = e->calls[at].order;
	}
	return e->n_calls == p->n_servers;
}

static bool policy_good(struct session *s, const struct policy_entry *e)
{
	const char *data = e->want && on(s) ? period(s, e->want) : NULL;
	return data && e->lifetime == e->want->tunnel_lifetime_s && strcmp(e->data, data) == 0 &&
	       calls_good(s, e);
}

static struct policy_entry *bad_policy(struct session *s)
{
	struct policy_entry *e = s->o.policies;
	while (e && policy_good(s, e))
		e = e->next;
	return e;
}

static struct mps_entry *bad_server(const struct session *s)
{
	struct mps_entry *e = s->o.mps;
	while (e && e->good)
		e = e->next;
	return e;
}

static const struct profile_mps *missing_server(const struct session *s)
{
	const struct profile_remote_access *r = &s->profile->remote_access;
	for (uint32_t i = 0; s->o.cira_listed && on(s) && i < r->n_servers; i++)
		if (!server_of(s, r->servers[i].address))
			return &r->servers[i];
	return NULL;
}

static const struct profile_policy *missing_policy(const struct session *s)
{
	const struct profile_remote_access *r = &s->profile->remote_access;
	for (uint32_t i = 0; s->o.cira_listed && on(s) && i < r->n_policies; i++) {
		const struct policy_entry *e = s->o.policies;
		while (e && e->want != &r->policies[i])
			e = e->next;
		if (!e)
			return &r->policies[i];
	}
	return NULL;
}

/* ---- lists -------------------------------------------------------------------------------------
 */

bool cira_lacking(const struct session *s)
{
	unsigned major;
	return sscanf(s->ck.amt, "%u", &major) == 1 && major < SINCE;
}

static bool too_old(struct session *s)
{
	bool old = cira_lacking(s);
	if (old)
		setting_lacks(s, "from AMT 4.0 on");
	return old;
}

enum build mps_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.mps = NULL;
	s->o.policies = NULL;
	s->o.cira_listed = false;
	if (!asked(s) || too_old(s))
		return BUILD_SKIP;
	return BUILD_SEND;
}

static const char *kept_text(struct session *s, const struct wsman_node *i, const char *name)
{
	const char *text = wsman_node_text(i, name);
	return arena_strdup(&s->keep, text ? text : "");
}

struct verdict mps_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		struct mps_entry *e = arena_alloc(&s->keep, sizeof *e);
		if (!e || !(e->name = kept_text(s, i, "Name")) ||
			!(e->address = kept_text(s, i, "AccessInfo")) ||
			!(e->cn = kept_text(s, i, "CN")))
			return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
		wsman_node_uint(i, "Port", &e->port);
		e->want = wanted_server(s, e->address);
		e->good = server_good(s, e);
		e->next = s->o.mps;
		s->o.mps = e;
	}
	return v_next();
}

struct verdict mps_list_end(struct session *s)
{
	s->o.cira_listed = true;
	return v_next();
}

enum build policy_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.policies = NULL;
	if (!s->o.cira_listed && s->profile->remote_access.state != PROFILE_KEEP)
		(void)too_old(s);
	return s->o.cira_listed ? BUILD_SEND : BUILD_SKIP;
}

static const struct profile_policy *wanted_policy(const struct session *s, const char *name)
{
	const struct profile_remote_access *r = &s->profile->remote_access;
	for (uint32_t i = 0; i < r->n_policies; i++)
		if (strcmp(policy_names[r->policies[i].trigger], name) == 0)
			return &r->policies[i];
	return NULL;
}

struct verdict policy_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		struct policy_entry *e = arena_alloc(&s->keep, sizeof *e);
		if (!e || !(e->name = kept_text(s, i, "PolicyRuleName")) ||
			!(e->data = kept_text(s, i, "ExtendedData")))
			return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
		wsman_node_uint(i, "TunnelLifeTime", &e->lifetime);
		e->want = wanted_policy(s, e->name);
		e->next = s->o.policies;
		s->o.policies = e;
	}
	return v_next();
}

enum build applies_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	return s->o.policies ? BUILD_SEND : BUILD_SKIP;
}

struct verdict applies_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		const char *policy =
			wsman_node_selector(wsman_node_child(i, "PolicySet"), "PolicyRuleName");
		const char *server =
			wsman_node_selector(wsman_node_child(i, "ManagedElement"), "Name");
		struct policy_entry *e = s->o.policies;
		while (e && (!policy || strcmp(e->name, policy) != 0))
			e = e->next;
		if (!e || !server || e->n_calls == PROFILE_POLICY_MPS)
			continue;
		e->calls[e->n_calls].mps = arena_strdup(&s->keep, server);
		if (!e->calls[e->n_calls].mps)
			return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
		wsman_node_uint(i, "MpsType", &e->calls[e->n_calls].type);
		wsman_node_uint(i, "OrderOfAccess", &e->calls[e->n_calls].order);
		e->n_calls++;
	}
	return v_next();
}

/* Say what the rows that follow write. */
enum build cira_decide_build(struct session *s, struct wsman_request *rq)
{
	const struct profile_remote_access *r = &s->profile->remote_access;
	(void)rq;
	for (const struct mps_entry *e = s->o.mps; e; e = e->next)
		if (!e->good && (!e->want || !on(s)))
			setting_report(s, MPS, "AccessInfo", e->address, "");
	for (uint32_t i = 0; s->o.cira_listed && on(s) && i < r->n_servers; i++)
		if (!server_of(s, r->servers[i].address))
			setting_report(s, MPS, "AccessInfo", "", r->servers[i].address);
	for (const struct policy_entry *e = s->o.policies; e; e = e->next)
		if (!policy_good(s, e))
			setting_report(s, POLICY, "PolicyRuleName", e->name,
				e->want && on(s) ? "(with other values)" : "");
	for (uint32_t i = 0; s->o.cira_listed && on(s) && i < r->n_policies; i++) {
		const struct policy_entry *e = s->o.policies;
		while (e && e->want != &r->policies[i])
			e = e->next;
		if (!e)
			setting_report(s, POLICY, "PolicyRuleName", "",
				policy_names[r->policies[i].trigger]);
	}
	bool inside = false;
	for (uint32_t i = 0; s->o.cira_listed && on(s) && i < r->n_servers; i++)
		inside |= r->servers[i].place == PROFILE_MPS_INSIDE;
	if (inside && !has_places(s))
		setting_not_here(s, APPLIES, "MpsType", "from AMT 11.6 on");
	return BUILD_SKIP;
}

/* ---- deletions ---------------------------------------------------------------------------------
 */

enum build policy_delete_build(struct session *s, struct wsman_request *rq)
{
	const struct policy_entry *e = bad_policy(s);
	return e ? request_delete(s, rq, "PolicyRuleName", e->name) : BUILD_SKIP;
}

static struct verdict policy_gone(struct session *s)
{
	const struct policy_entry *e = bad_policy(s);
	struct policy_entry **at = &s->o.policies;
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	s->o.cira_written = true;
	return v_again(0);
}

struct verdict policy_delete_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	return policy_gone(s);
}

enum build mps_delete_build(struct session *s, struct wsman_request *rq)
{
	const struct mps_entry *e = bad_server(s);
	return e ? request_delete(s, rq, "Name", e->name) : BUILD_SKIP;
}

static struct verdict server_gone(struct session *s)
{
	const struct mps_entry *e = bad_server(s);
	struct mps_entry **at = &s->o.mps;
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	s->o.cira_written = true;
	return v_again(0);
}

struct verdict mps_delete_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	return server_gone(s);
}

/* Somebody has deleted it since it was listed. */
struct verdict cira_delete_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_SELECT && reaction != WSMAN_REACT_ABSENT)
		return (struct verdict){.kind = VERDICT_FAIL};
	return s->row->build == policy_delete_build ? policy_gone(s) : server_gone(s);
}

/* ---- additions ---------------------------------------------------------------------------------
 */

static unsigned format_of(const char *address)
{
	uint8_t raw[16];
	if (inet_pton(AF_INET, address, raw) == 1)
		return FORMAT_IPV4;
	return inet_pton(AF_INET6, address, raw) == 1 ? FORMAT_IPV6 : FORMAT_FQDN;
}

enum build mps_add_build(struct session *s, struct wsman_request *rq)
{
	const struct profile_mps *m = missing_server(s);
	struct wsman_param *p = m ? arena_alloc(&s->keep, 8 * sizeof *p) : NULL;
	char name[SECRET_NAME_MAX + 1];
	size_t n = 0;
	if (!m)
		return BUILD_SKIP;
	mark_name(s, m, name);
	const struct secret *password = passwords_get(s, name);
	if (!p || (password && secret_set(&s->param, password->data, password->len) < 0))
		return build_nomem(s);
	bool by_password = m->auth == PROFILE_MPS_PASSWORD;
	p[n++] = WSMAN_TEXT("AccessInfo", m->address);
	p[n++] = WSMAN_TEXT("InfoFormat", arena_printf(&s->keep, "%u", format_of(m->address)));
	p[n++] = WSMAN_TEXT("Port", arena_printf(&s->keep, "%u", m->port));
	p[n++] = WSMAN_TEXT("AuthMethod", by_password ? BY_PASSWORD : BY_CERTIFICATE);
	if (by_password) {
		p[n++] = WSMAN_TEXT("Username", username(s, m));
		p[n++] = WSMAN_TEXT("Password", password ? secret_text(&s->param) : NULL);
	} else {
		p[n] = WSMAN_EPR("Certificate", certificate_epr(s, s->o.context_cert));
		if (!p[n++].epr)
			return build_nomem(s);
	}
	p[n++] = WSMAN_TEXT("CN", m->cn[0] ? m->cn : NULL);
	rq->op = WSMAN_INVOKE;
	rq->method = "AddMpServer";
	rq->params = p;
	rq->n_params = n;
	return BUILD_SEND;
}

struct verdict mps_add_read(struct session *s, const struct wsman_message *m)
{
	const struct profile_mps *want = missing_server(s);
	const char *handle = wsman_node_selector(wsman_node_child(m->payload, "MpServer"), "Name");
	struct mps_entry *e = handle ? arena_alloc(&s->keep, sizeof *e) : NULL;
	struct secret value = {0};
	char name[SECRET_NAME_MAX + 1];
	if (!e || !(e->name = arena_strdup(&s->keep, handle)) || hidden(s, want, &value) < 0)
		return v_fail(
			s, FAIL_RETRY, "bad_answer", "AddMpServer does not tell what it made");
	mark_name(s, want, name);
	marks_set(s, name, &value);
	secret_free(&value);
	e->address = want->address;
	e->cn = want->cn;
	e->port = want->port;
	e->want = want;
	e->good = true;
	e->next = s->o.mps;
	s->o.mps = e;
	s->o.cira_written = true;
	return v_again(0);
}

/* Our own answer that was lost, or no room. */
struct verdict mps_add_refused(struct session *s, uint32_t rv)
{
	if (look_again(s, rv))
		return v_goto(STEP_MPS_LIST);
	if (rv == WSMAN_RV_MAX_LIMIT_REACHED)
		return v_fail(s, FAIL_DEAD, "too_many",
			"the device has no room for another management presence server");
	return (struct verdict){.kind = VERDICT_FAIL};
}

static const struct wsman_epr *server_epr(struct session *s, const char *address)
{
	const struct mps_entry *m = server_of(s, address);
	struct {
		struct wsman_epr epr;
		struct wsman_selector by_name;
	} *b = m ? arena_alloc(&s->keep, sizeof *b) : NULL;
	if (!b)
		return NULL;
	b->by_name = (struct wsman_selector){.name = "Name", .text = m->name};
	b->epr = (struct wsman_epr){.class_name = MPS, .selectors = &b->by_name, .n_selectors = 1};
	return &b->epr;
}

enum build policy_add_build(struct session *s, struct wsman_request *rq)
{
	const struct profile_policy *want = missing_policy(s);
	struct wsman_param *p =
		want ? arena_alloc(&s->keep, (3 + PROFILE_POLICY_MPS) * sizeof *p) : NULL;
	size_t n = 0;
	if (!want)
		return BUILD_SKIP;
	const char *data = period(s, want);
	if (!p || !data)
		return build_nomem(s);
	p[n++] = WSMAN_TEXT("Trigger", arena_printf(&s->keep, "%d", (int)want->trigger));
	p[n++] =
		WSMAN_TEXT("TunnelLifeTime", arena_printf(&s->keep, "%u", want->tunnel_lifetime_s));
	p[n++] = WSMAN_TEXT("ExtendedData", data[0] ? data : NULL);
	for (uint64_t type = 0; type <= INSIDE; type++) { /* all of the outside come first */
		for (uint32_t i = 0; i < want->n_servers; i++) {
			if (place_type(s, want->servers[i]) != type)
				continue;
			p[n] = WSMAN_EPR(type == INSIDE ? "InternalMpServer" : "MpServer",
				server_epr(s, want->servers[i]));
			if (!p[n++].epr)
				return build_nomem(s);
		}
	}
	rq->op = WSMAN_INVOKE;
	rq->method = "AddRemoteAccessPolicyRule";
	rq->params = p;
	rq->n_params = n;
	return BUILD_SEND;
}

struct verdict policy_add_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	const struct profile_policy *want = missing_policy(s);
	struct policy_entry *e = arena_alloc(&s->keep, sizeof *e);
	if (!e)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	*e = (struct policy_entry){
		.name = policy_names[want->trigger], .want = want, .next = s->o.policies};
	s->o.policies = e;
	s->o.cira_written = true;
	return v_again(0);
}

struct verdict policy_add_refused(struct session *s, uint32_t rv)
{
	if (look_again(s, rv))
		return v_goto(STEP_MPS_LIST);
	return (struct verdict){.kind = VERDICT_FAIL};
}

/* ---- VERIFY_B ----------------------------------------------------------------------------------
 */

enum build cira_check_mps_build(struct session *s, struct wsman_request *rq)
{
	return s->o.cira_written ? mps_list_build(s, rq) : BUILD_SKIP;
}

enum build cira_check_policy_build(struct session *s, struct wsman_request *rq)
{
	return s->o.cira_written ? policy_list_build(s, rq) : BUILD_SKIP;
}

enum build cira_check_applies_build(struct session *s, struct wsman_request *rq)
{
	return s->o.cira_written ? applies_list_build(s, rq) : BUILD_SKIP;
}

enum build cira_check_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->o.cira_written ||
		(!bad_policy(s) && !bad_server(s) && !missing_server(s) && !missing_policy(s)))
		return BUILD_SKIP;
	return build_fail(s, FAIL_RETRY, "not_taken",
		"servers and policies of remote access were written and accepted, but the device "
		"shows others");
}
