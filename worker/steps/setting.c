/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings, and the row functions that all of them share. See setting.h. */
#include "worker/steps/setting.h"

#include "common/base/err.h"
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
		.dropped = {"RFBPassword"}}, /* left out = kept */
	[SETTING_WEBUI] = {.wish = webui_wish, .state = "EnabledState"},
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

static void report_lack(
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
		report_lack(s, s->row->class_name, "", reason);
}

void setting_leave(struct session *s, enum setting_id id, const char *class_name, const char *why)
{
	struct setting_seen *seen = &s->o.settings[id];
	seen->state_differs = seen->put_differs = false;
	report_lack(s, class_name, "", why);
}

/* ---- wishes ------------------------------------------------------------------------------------
 */

static void wish(struct wishes *w, const char *property, enum wish_kind kind, uint64_t want)
{
	if (w->n == WISHES_MAX)
		w->overfull = true;
	else
		w->items[w->n++] = (struct wish){.property = property, .kind = kind, .want = want};
}

void wish_bool(struct wishes *w, const char *property, bool want)
{
	wish(w, property, WISH_BOOL, want);
}

void wish_uint(struct wishes *w, const char *property, uint64_t want)
{
	wish(w, property, WISH_UINT, want);
}

void wish_optional(struct wishes *w, const char *property, uint64_t want)
{
	size_t at = w->n;
	if (want == 0)
		return;
	wish(w, property, WISH_UINT, want);
	if (w->n > at)
		w->items[at].optional = true;
}

static bool beyond(const struct wish *w, const struct wsman_node *have)
{
	return w->optional && !wsman_node_child(have, w->property);
}

static bool fulfilled(const struct wish *w, const struct wsman_node *have)
{
	bool on;
	uint64_t number;
	if (beyond(w, have))
		return true;
	if (w->kind == WISH_BOOL)
		return wsman_node_bool(have, w->property, &on) == 0 && on == (w->want != 0);
	return wsman_node_uint(have, w->property, &number) == 0 && number == w->want;
}

static const char *wish_text(const struct wish *w, char out[static VALUE_MAX])
{
	if (w->kind == WISH_BOOL)
		return w->want ? "true" : "false";
	snprintf(out, VALUE_MAX, "%llu", (unsigned long long)w->want);
	return out;
}

static struct wishes wishes_of(const struct session *s, const struct wsman_node *have)
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
	struct wishes w = wishes_of(s, have);
	const char *fixed = set->fixed ? set->fixed(have) : NULL;
	char text[VALUE_MAX];
	seen->read = true;
	if (set->note)
		set->note(s, have);
	for (size_t i = 0; i < w.n; i++) {
		const struct wish *x = &w.items[i];
		if (beyond(x, have))
			report_lack(s, s->row->class_name, x->property, NOT_THERE);
		if (fulfilled(x, have))
			continue;
		if (fixed) {
			setting_lacks(s, fixed);
			return 0;
		}
		setting_report(s, s->row->class_name, x->property,
			wsman_node_text(have, x->property), wish_text(x, text));
		if (set->state && strcmp(set->state, x->property) == 0) {
			seen->state_differs = true;
			seen->state = (uint32_t)x->want;
		} else {
			seen->put_differs = true;
		}
	}
	return w.overfull ? E_LIMIT : 0;
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
	return BUILD_SEND;
}

struct verdict setting_get_read(struct session *s, const struct wsman_message *m)
{
	compare(s, m->payload);
	if (seen_of(s)->put_differs && keep_object(s, &seen_of(s)->object, m) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "%s is too large", s->row->class_name);
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

enum build setting_put_build(struct session *s, struct wsman_request *rq)
{
	struct setting_seen *seen = seen_of(s);
	struct wsman_object *o = &seen->object;
	if (!seen->put_differs)
		return BUILD_SKIP;
	struct wishes w = wishes_of(s, o->root);
	char text[VALUE_MAX];
	for (size_t i = 0; i < w.n; i++)
		if (!fulfilled(&w.items[i], o->root) &&
			wsman_object_set(o, w.items[i].property, wish_text(&w.items[i], text)) < 0)
			return build_nomem(s);
	for (size_t i = 0; i < DROPPED_MAX && s->row->setting->dropped[i]; i++)
		wsman_object_remove(o, s->row->setting->dropped[i]);
	return build_object(rq, o);
}

struct verdict setting_write_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	seen_of(s)->written = true;
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
	return seen_of(s)->written ? BUILD_SEND : BUILD_SKIP;
}

struct verdict setting_check_read(struct session *s, const struct wsman_message *m)
{
	struct wishes w = wishes_of(s, m->payload);
	for (size_t i = 0; i < w.n; i++)
		if (!fulfilled(&w.items[i], m->payload))
			return v_fail(s, FAIL_RETRY, "not_taken",
				"%s.%s was written and accepted, but the device does not show the "
				"new value",
				s->row->class_name, w.items[i].property);
	return v_next();
}
