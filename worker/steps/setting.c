/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings, and the row functions that all of them share. See setting.h. */
#include "worker/steps/setting.h"

#include <errno.h>

#include "common/base/err.h"
#include "worker/marks.h"
#include "worker/steps/roots.h"
#include "worker/steps/steps.h"

/* SPEC: provisioning.md 4, 6 */
const struct setting setting_table[N_SETTINGS] = {
	[SETTING_GENERAL] = {.wish = general_wish, .demanded = "WsmanOnlyMode"},
	[SETTING_REDIRECTION] = {.wish = redirection_wish,
		.state = "EnabledState",
		.dropped = {"AccessLog"}},
	[SETTING_KVM] = {.since = 6, .wish = kvm_wish, .state = "EnabledState"},
	[SETTING_CONSENT] = {.since = 7, .wish = consent_wish, .fixed = consent_fixed},
	[SETTING_KVM_POLICY] = {.since = 6,
		.asked = kvm_policy_asked,
		.wish = kvm_policy_wish,
		.note = kvm_policy_note,
		.dropped = {"RFBPassword"},
		.kept = true},
	[SETTING_KERBEROS] = {.asked = kerberos_asked,
		.wish = kerberos_wish,
		.note = kerberos_note,
		.dropped = {"ConfiguredEncryptionAlgorithms", "SupportedEncryptionAlgorithms",
			"MasterKey", "Passphrase"}},
	[SETTING_TLS] = {.asked = tls_asked,
		.wish = tls_wish,
		.note = tls_note,
		.by_id = {.name = "InstanceID", .text = "Intel(r) AMT 802.3 TLS Settings"},
		.dropped = {"NonSecureConnectionsSupported"}},
	[SETTING_WEBUI] = {.wish = webui_wish, .state = "EnabledState"},
	/* Changing the address cuts the session: only what differs. */
	[SETTING_PORT] = {.asked = port_asked,
		.by_id = {.name = "InstanceID", .text = "Intel(r) AMT Ethernet Port Settings 0"},
		.wish = port_wish},
	[SETTING_IPV6] = {.since = 6,
		.asked = ipv6_asked,
		.by_id = {.name = "InstanceID", .text = "Intel(r) IPS IPv6 Settings 0"},
		.wish = ipv6_wish},
	[SETTING_WIFI_PORT] = {.asked = wifi_port_asked,
		.wish = wifi_port_wish,
		.state = "EnabledState"},
	[SETTING_WIFI_SERVICE] = {.asked = wifi_service_asked, .wish = wifi_service_wish},
	[SETTING_WIRED] = {.asked = wired_asked,
		.wish = wired_wish,
		.dropped = {"PSK", "PACPassword", "ProtectedAccessCredential"}},
	[SETTING_WIRED_OLD] = {.asked = wired_old_asked,
		.wish = wired_old_wish,
		.dropped = {"PACPassword", "ProtectedAccessCredential"}},
	[SETTING_USER_INTERFACE] = {.since = 4,
		.asked = user_interface_asked,
		.wish = user_interface_wish,
		.state = "EnabledState"},
	[SETTING_ENVIRONMENT] = {.since = 4, .asked = environment_asked, .wish = environment_wish},
};

static struct setting_seen *seen_of(struct session *s)
{
	return &s->o.settings[s->row->setting - setting_table];
}

/* ---- report ------------------------------------------------------------------------------------
 */

/* A device speaks: nothing of it may end a line or a column. */
static void add_text(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++)
		(void)buf_add(out, (unsigned char)*p < ' ' ? " " : p, 1);
}

static void report(struct session *s, const char *class_name, const char *property,
	const char *have, const char *want)
{
	size_t start = s->report.len;
	(void)buf_addf(&s->report, "%s\t%s\t", class_name, property);
	add_text(&s->report, have ? have : "");
	(void)buf_adds(&s->report, "\t");
	add_text(&s->report, want);
	if (buf_adds(&s->report, "\n") < 0)
		s->report.len = start;
}

void setting_report(struct session *s, const char *class_name, const char *property,
	const char *have, const char *want)
{
	if (s->kind != JOB_SETUP) /* there everything differs */
		report(s, class_name, property, have, want);
}

void setting_not_here(
	struct session *s, const char *class_name, const char *property, const char *why)
{
	char text[128];
	snprintf(text, sizeof text, "not applicable: %s", why);
	report(s, class_name, property, "", text);
}

void setting_lacks(struct session *s, const char *reason)
{
	checkpoint_skip(&s->ck, s->row->name);
	if (s->row->setting)
		seen_of(s)->lacking = true;
	if (s->plan == PLAN_ADMIN)
		setting_not_here(s, s->row->class_name, "", reason);
}

void setting_leave(struct session *s, enum setting_id id, const char *class_name, const char *why)
{
	struct setting_seen *seen = &s->o.settings[id];
	seen->state_differs = seen->put_differs = false;
	setting_not_here(s, class_name, "", why);
}

/* ---- wishes ------------------------------------------------------------------------------------
 */

static void wish(struct wishes *w, struct wish x)
{
	if (w->n == WISHES_MAX)
		w->overfull = true;
	else
		w->items[w->n++] = x;
}

void wish_bool(struct wishes *w, const char *property, bool want)
{
	wish(w, (struct wish){.property = property, .kind = WISH_BOOL, .want = want});
}

void wish_uint(struct wishes *w, const char *property, uint64_t want)
{
	wish(w, (struct wish){.property = property, .kind = WISH_UINT, .want = want});
}

void wish_text(struct wishes *w, const char *property, const char *want)
{
	wish(w, (struct wish){.property = property, .kind = WISH_TEXT, .text = want ? want : ""});
	w->overfull |= !want;
}

void wish_list(struct wishes *w, const char *property, const char *first, size_t stride, size_t n)
{
	if (n > WISH_TEXTS_MAX)
		w->overfull = true;
	else
		wish(w, (struct wish){.property = property,
				.kind = WISH_LIST,
				.text = first,
				.stride = stride,
				.n = n});
}

void wish_secret(
	struct wishes *w, const char *property, const char *mark, const struct secret *want)
{
	if (want)
		wish(w, (struct wish){.property = property,
				.kind = WISH_SECRET,
				.secret = want,
				.mark = mark});
}

void wish_certificate(struct wishes *w, const char *property, const char *handle)
{
	if (handle)
		wish(w, (struct wish){
				.property = property, .kind = WISH_CERTIFICATE, .text = handle});
}

void wish_along(struct wishes *w, const char *property, const char *text)
{
	wish(w, (struct wish){.property = property, .kind = WISH_ALONG, .text = text});
	w->overfull |= !text;
}

void wish_drop(struct wishes *w, const char *property)
{
	wish(w, (struct wish){.property = property, .kind = WISH_DROP});
}

void wish_if_known(struct wishes *w)
{
	if (w->n)
		w->items[w->n - 1].optional = true;
}

void wish_optional(struct wishes *w, const char *property, uint64_t want)
{
	if (want == 0)
		return;
	wish_uint(w, property, want);
	wish_if_known(w);
}

void wish_switch(struct wishes *w, const char *property, enum profile_switch want)
{
	if (want == PROFILE_KEEP)
		return;
	wish_bool(w, property, want == PROFILE_ON);
	wish_if_known(w);
}

static const char *list_text(const struct wish *w, size_t i)
{
	return w->text + i * w->stride;
}

static bool list_has(const struct wish *w, const char *text)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(list_text(w, i), text) == 0)
			return true;
	return false;
}

/* A profile names nothing twice, so as many, and each of them wanted, is the same. */
static bool list_fulfilled(const struct wish *w, const struct wsman_node *have)
{
	size_t n = 0;
	const struct wsman_node *x = wsman_node_child(have, w->property);
	for (; x; x = wsman_node_again(x), n++)
		if (!list_has(w, x->text))
			return false;
	return n == w->n;
}

static bool beyond(const struct wish *w, const struct wsman_node *have)
{
	return w->optional && !wsman_node_child(have, w->property);
}

static bool fulfilled(const struct session *s, const struct wish *w, const struct wsman_node *have)
{
	bool on;
	uint64_t number;
	const char *text = wsman_node_text(have, w->property);
	if (beyond(w, have))
		return true;
	switch (w->kind) {
	case WISH_BOOL: return wsman_node_bool(have, w->property, &on) == 0 && on == (w->want != 0);
	case WISH_UINT:
		return wsman_node_uint(have, w->property, &number) == 0 && number == w->want;
	case WISH_TEXT: return strcmp(text ? text : "", w->text) == 0;
	case WISH_LIST: return list_fulfilled(w, have);
	case WISH_CERTIFICATE:
		text = wsman_node_selector(wsman_node_child(have, w->property), "InstanceID");
		return text && strcmp(text, w->text) == 0;
	case WISH_SECRET: return marks_has(s, w->mark, w->secret);
	case WISH_ALONG:
	case WISH_DROP: break;
	}
	return true;
}

/* For people; numbers and switches also for the device. */
static const char *value_text(const struct wish *w, char out[static VALUE_MAX])
{
	size_t len = 0;
	switch (w->kind) {
	case WISH_BOOL: return w->want ? "true" : "false";
	case WISH_TEXT:
	case WISH_ALONG:
	case WISH_CERTIFICATE: return w->text;
	case WISH_SECRET: return "(another secret)";
	case WISH_LIST:
		out[0] = '\0';
		for (size_t i = 0; i < w->n && len < VALUE_MAX; i++)
			len += (size_t)snprintf(
				out + len, VALUE_MAX - len, "%s%s", i ? "," : "", list_text(w, i));
		return out;
	case WISH_UINT:
	case WISH_DROP: break;
	}
	snprintf(out, VALUE_MAX, "%llu", (unsigned long long)w->want);
	return out;
}

/* The text stays where it is: no copy outlives the request. Without it the object is kept. */
static int put_secret(struct session *s, struct wsman_object *o, const struct wish *w)
{
	TRY(secret_set(&s->param, w->secret->data, w->secret->len));
	TRY(wsman_object_set(o, w->property, ""));
	struct wsman_node *x = o->root->child;
	while (x && strcmp(x->name, w->property) != 0)
		x = x->next;
	if (!x)
		return -ENOMEM;
	x->text = secret_text(&s->param);
	x->text_len = s->param.len;
	return 0;
}

static int put_wish(struct session *s, struct wsman_object *o, const struct wish *w)
{
	char text[VALUE_MAX];
	const char *texts[WISH_TEXTS_MAX];
	const struct wsman_epr *epr;
	switch (w->kind) {
	case WISH_DROP: wsman_object_remove(o, w->property); return 0;
	case WISH_SECRET: return put_secret(s, o, w);
	case WISH_CERTIFICATE:
		epr = certificate_epr(s, w->text);
		return epr ? wsman_object_set_epr(o, w->property, epr) : -ENOMEM;
	case WISH_LIST:
		for (size_t i = 0; i < w->n; i++)
			texts[i] = list_text(w, i);
		return wsman_object_set_list(o, w->property, texts, w->n);
	default: return wsman_object_set(o, w->property, value_text(w, text));
	}
}

static struct wishes wishes_of(struct session *s, const struct wsman_node *have)
{
	struct wishes w = {.s = s, .have = have};
	s->row->setting->wish(&w);
	return w;
}

/* ---- rows --------------------------------------------------------------------------------------
 */

/* Note every difference; whether and how it is written is up to the rows that follow.
 * @return 0 or E_LIMIT */
static int compare(struct session *s, const struct wsman_node *have)
{
	const struct setting *set = s->row->setting;
	struct setting_seen *seen = seen_of(s);
	if (set->note)
		set->note(s, have);
	struct wishes w = wishes_of(s, have);
	const char *fixed = set->fixed ? set->fixed(have) : NULL;
	char text[VALUE_MAX];
	seen->read = true;
	for (size_t i = 0; i < w.n; i++) {
		const struct wish *x = &w.items[i];
		if (beyond(x, have))
			setting_not_here(s, s->row->class_name, x->property, NOT_THERE);
		if (fulfilled(s, x, have))
			continue;
		if (fixed) {
			setting_not_here(s, s->row->class_name, x->property, fixed);
			return 0;
		}
		setting_report(s, s->row->class_name, x->property,
			wsman_node_text(have, x->property), value_text(x, text));
		if (set->state && strcmp(set->state, x->property) == 0) {
			seen->state_differs = true;
			seen->state = (uint32_t)x->want;
		} else {
			seen->put_differs = true;
		}
	}
	return w.overfull ? E_LIMIT : 0;
}

static void one_of_many(const struct session *s, struct wsman_request *rq)
{
	if (!s->row->setting->by_id.name)
		return;
	rq->selectors = &s->row->setting->by_id;
	rq->n_selectors = 1;
}

static struct verdict v_compared(struct session *s, int rc)
{
	if (rc == 0)
		return v_next();
	return v_fail(s, FAIL_DEAD, "table", "%s has more wishes than fit, or is too large",
		s->row->class_name);
}

enum build setting_get_build(struct session *s, struct wsman_request *rq)
{
	const struct setting *set = s->row->setting;
	unsigned major = 0;
	*seen_of(s) = (struct setting_seen){0};
	if (sscanf(s->ck.amt, "%u", &major) == 1 && major < set->since) {
		char why[32];
		snprintf(why, sizeof why, "from AMT %u.0 on", set->since);
		setting_lacks(s, why);
		return BUILD_SKIP;
	}
	if (set->asked && !set->asked(s))
		return BUILD_SKIP;
	rq->op = WSMAN_GET;
	one_of_many(s, rq);
	return BUILD_SEND;
}

struct verdict setting_get_read(struct session *s, const struct wsman_message *m)
{
	struct verdict v = v_compared(s, compare(s, m->payload));
	if (v.kind == VERDICT_NEXT && seen_of(s)->put_differs &&
		keep_object(s, &seen_of(s)->object, m) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "%s is too large", s->row->class_name);
	return v;
}

/* No such instance: as good as no such class. */
struct verdict setting_get_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_SELECT || !s->row->setting->by_id.name)
		return (struct verdict){.kind = VERDICT_FAIL};
	setting_lacks(s, NOT_THERE);
	return v_next();
}

/* An earlier row has read it. */
enum build general_compare_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	*seen_of(s) = (struct setting_seen){.object = s->o.general};
	return build_verdict(s, v_compared(s, compare(s, s->o.general.root)));
}

enum build setting_state_build(struct session *s, struct wsman_request *rq)
{
	struct setting_seen *seen = seen_of(s);
	if (!seen->state_differs)
		return BUILD_SKIP;
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	char *text = arena_printf(&s->keep, "%u", seen->state);
	if (!p || !text)
		return build_nomem(s);
	*p = WSMAN_TEXT("RequestedState", text);
	rq->op = WSMAN_INVOKE;
	rq->method = "RequestStateChange";
	rq->params = p;
	rq->n_params = 1;
	return BUILD_SEND;
}

/* RFBPassword is kept when it is left out, says its source; of other secrets none says so. */
static bool always_put(const struct wish *w, const struct setting *set)
{
	return w->kind == WISH_DROP || w->kind == WISH_ALONG ||
	       (w->kind == WISH_SECRET && !set->kept);
}

/* What the firmware cannot do is no failure of the device. A job that goes on after the answer is
 * as good as done: the row that reads again decides. SPEC: wsman.md 6 */
struct verdict setting_state_refused(struct session *s, uint32_t rv)
{
	if (rv == WSMAN_RV_CIM_JOB_STARTED)
		return setting_write_read(s, NULL);
	if (rv != WSMAN_RV_CIM_NOT_SUPPORTED)
		return (struct verdict){.kind = VERDICT_FAIL};
	seen_of(s)->state_differs = false;
	setting_lacks(s, "the firmware answers that it cannot");
	return v_next();
}

enum build setting_put_build(struct session *s, struct wsman_request *rq)
{
	struct setting_seen *seen = seen_of(s);
	struct wsman_object *o = &seen->object;
	if (!seen->put_differs)
		return BUILD_SKIP;
	for (size_t i = 0; i < DROPPED_MAX && s->row->setting->dropped[i]; i++)
		wsman_object_remove(o, s->row->setting->dropped[i]);
	struct wishes w = wishes_of(s, o->root);
	for (size_t i = 0; i < w.n; i++)
		if ((always_put(&w.items[i], s->row->setting) ||
			    !fulfilled(s, &w.items[i], o->root)) &&
			put_wish(s, o, &w.items[i]) < 0)
			return build_nomem(s);
	one_of_many(s, rq);
	return build_object(rq, o);
}

struct verdict setting_write_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	struct setting_seen *seen = seen_of(s);
	struct wishes w = wishes_of(s, seen->object.root);
	seen->written = true;
	for (size_t i = 0; seen->object.root && i < w.n; i++)
		if (w.items[i].kind == WISH_SECRET)
			marks_set(s, w.items[i].mark, w.items[i].secret);
	return v_next();
}

struct verdict setting_put_fault(struct session *s, enum wsman_reaction reaction)
{
	struct wsman_object *o = &seen_of(s)->object;
	const char *demanded = s->row->setting->demanded;
	if (reaction != WSMAN_REACT_SCHEMA || !demanded || wsman_object_get(o, demanded))
		return (struct verdict){.kind = VERDICT_FAIL};
	if (wsman_object_set(o, demanded, "false") < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	return v_again(0);
}

/* VERIFY_B: what was written, and only the written properties. */
enum build setting_check_build(struct session *s, struct wsman_request *rq)
{
	rq->op = WSMAN_GET;
	one_of_many(s, rq);
	return seen_of(s)->written ? BUILD_SEND : BUILD_SKIP;
}

struct verdict setting_check_read(struct session *s, const struct wsman_message *m)
{
	struct wishes w = wishes_of(s, m->payload);
	for (size_t i = 0; i < w.n; i++)
		if (!fulfilled(s, &w.items[i], m->payload))
			return v_fail(s, FAIL_RETRY, "not_taken",
				"%s.%s was written and accepted, but the device does not show the "
				"new value",
				s->row->class_name, w.items[i].property);
	return v_next();
}
