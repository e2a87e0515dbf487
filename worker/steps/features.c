/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FEATURES: redirection, KVM, user consent, web interface, ping. Each: read, compare, write only
 * what differs, and read again at the end what was written (check_*). A class that the firmware
 * lacks is skipped and recorded. SPEC: provisioning.md 4 FEATURES, VERIFY_B
 */
#include <stdlib.h>

#include "worker/steps/steps.h"

#define REDIRECTION_NONE 32768u
#define REDIRECTION_IDER 1u /* added to NONE */
#define REDIRECTION_SOL  2u
#define STATE_ON         2u
#define STATE_OFF        3u
#define STATE_ON_OFFLINE 6u /* "enabled but offline": KVM without a session */
#define CONSENT_ALL      "4294967295"

static bool written(const struct session *s, enum step_id check)
{
	return s->o.written & (1u << (check - STEP_CHECK_GENERAL));
}

static void mark(struct session *s, enum step_id check)
{
	s->o.written |= 1u << (check - STEP_CHECK_GENERAL);
}

static enum build get(struct wsman_request *rq)
{
	rq->op = WSMAN_GET;
	return BUILD_SEND;
}

static enum build check(struct session *s, struct wsman_request *rq, enum step_id id)
{
	return written(s, id) ? get(rq) : BUILD_SKIP;
}

static struct verdict judge(struct session *s, bool same)
{
	if (same)
		return v_next();
	return v_fail(s, FAIL_RETRY, "not_taken",
		"%s was written and accepted, but the device does not show the new value",
		s->row->class_name);
}

/* RequestStateChange of a service. */
static enum build request_state(struct session *s, struct wsman_request *rq, uint32_t state)
{
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	char *text = arena_printf(&s->keep, "%u", state);
	if (!p || !text)
		return build_nomem(s);
	*p = WSMAN_TEXT("RequestedState", text);
	rq->op = WSMAN_INVOKE;
	rq->method = "RequestStateChange";
	rq->params = p;
	rq->n_params = 1;
	return BUILD_SEND;
}

/* ---- ping ---------------------------------------------------------------------------------- */

static bool is(const struct wsman_node *o, const char *name, bool want)
{
	bool have;
	return wsman_node_bool(o, name, &have) == 0 && have == want;
}

static bool ping_same(const struct session *s, const struct wsman_node *o)
{
	bool want = s->profile.features.ping;
	return is(o, "PingResponseEnabled", want) &&
	       (!wsman_node_child(o, "RmcpPingResponseEnabled") ||
		       is(o, "RmcpPingResponseEnabled", want));
}

enum build ping_put_build(struct session *s, struct wsman_request *rq)
{
	if (ping_same(s, s->o.general.root))
		return BUILD_SKIP;
	if (name_apply(s, &s->o.general) < 0)
		return build_nomem(s);
	return build_object(rq, &s->o.general);
}

struct verdict ping_put_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	mark(s, STEP_CHECK_GENERAL);
	return v_next();
}

enum build check_general_build(struct session *s, struct wsman_request *rq)
{
	return check(s, rq, STEP_CHECK_GENERAL);
}

struct verdict check_general_read(struct session *s, const struct wsman_message *m)
{
	return judge(s, ping_same(s, m->payload));
}

/* ---- redirection ----------------------------------------------------------------------------- */

static uint32_t redirection_want(const struct session *s)
{
	const struct profile_features *f = &s->profile.features;
	return REDIRECTION_NONE + (f->ider ? REDIRECTION_IDER : 0) + (f->sol ? REDIRECTION_SOL : 0);
}

/* The listener serves SOL, IDER and KVM. */
static bool listener_want(const struct session *s)
{
	const struct profile_features *f = &s->profile.features;
	return f->sol || f->ider || f->kvm;
}

static bool redirection_same(const struct session *s, const struct wsman_node *o)
{
	uint64_t state;
	return wsman_node_uint(o, "EnabledState", &state) == 0 && state == redirection_want(s) &&
	       is(o, "ListenerEnabled", listener_want(s));
}

enum build redirection_get_build(struct session *s, struct wsman_request *rq)
{
	s->o.redirection.root = NULL;
	return get(rq);
}

struct verdict redirection_get_read(struct session *s, const struct wsman_message *m)
{
	if (redirection_same(s, m->payload))
		return v_next();
	if (keep_object(s, &s->o.redirection, m) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "AMT_RedirectionService is too large");
	s->o.redirection_state = 0;
	wsman_node_uint(m->payload, "EnabledState", &s->o.redirection_state);
	return v_next();
}

enum build redirection_set_build(struct session *s, struct wsman_request *rq)
{
	if (!s->o.redirection.root || s->o.redirection_state == redirection_want(s))
		return BUILD_SKIP;
	return request_state(s, rq, redirection_want(s));
}

struct verdict redirection_set_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	mark(s, STEP_CHECK_REDIRECTION);
	return v_next();
}

enum build redirection_put_build(struct session *s, struct wsman_request *rq)
{
	struct wsman_object *o = &s->o.redirection;
	if (!o->root)
		return BUILD_SKIP;
	char *state = arena_printf(&s->keep, "%u", redirection_want(s));
	wsman_object_remove(o, "AccessLog");
	if (!state || wsman_object_set(o, "EnabledState", state) < 0 ||
		wsman_object_set(o, "ListenerEnabled", listener_want(s) ? "true" : "false") < 0)
		return build_nomem(s);
	return build_object(rq, o);
}

struct verdict redirection_put_read(struct session *s, const struct wsman_message *m)
{
	return redirection_set_read(s, m);
}

enum build check_redirection_build(struct session *s, struct wsman_request *rq)
{
	return check(s, rq, STEP_CHECK_REDIRECTION);
}

struct verdict check_redirection_read(struct session *s, const struct wsman_message *m)
{
	return judge(s, redirection_same(s, m->payload));
}

/* ---- KVM ---------------------------------------------------------------------------------------
 */

static bool is_on(uint64_t state)
{
	return state == STATE_ON || state == STATE_ON_OFFLINE;
}

enum build kvm_get_build(struct session *s, struct wsman_request *rq)
{
	s->o.kvm_state = 0;
	return get(rq);
}

struct verdict kvm_get_read(struct session *s, const struct wsman_message *m)
{
	if (wsman_node_uint(m->payload, "EnabledState", &s->o.kvm_state) < 0)
		return v_fail(
			s, FAIL_RETRY, "no_state", "CIM_KVMRedirectionSAP has no EnabledState");
	return v_next();
}

enum build kvm_set_build(struct session *s, struct wsman_request *rq)
{
	bool want = s->profile.features.kvm;
	if (s->o.kvm_state == 0 || is_on(s->o.kvm_state) == want)
		return BUILD_SKIP;
	return request_state(s, rq, want ? STATE_ON : STATE_OFF);
}

struct verdict kvm_set_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	mark(s, STEP_CHECK_KVM);
	return v_next();
}

enum build check_kvm_build(struct session *s, struct wsman_request *rq)
{
	return check(s, rq, STEP_CHECK_KVM);
}

struct verdict check_kvm_read(struct session *s, const struct wsman_message *m)
{
	uint64_t state = 0;
	wsman_node_uint(m->payload, "EnabledState", &state);
	return judge(s, is_on(state) == s->profile.features.kvm);
}

/* ---- user consent
 * -------------------------------------------------------------------------------- */

static const char *consent_want(const struct session *s)
{
	static const char *const values[] = {[PROFILE_CONSENT_NONE] = "0",
		[PROFILE_CONSENT_KVM] = "1",
		[PROFILE_CONSENT_ALL] = CONSENT_ALL};
	return values[s->profile.user_consent];
}

static bool consent_same(const struct session *s, const struct wsman_node *o)
{
	uint64_t have;
	return wsman_node_uint(o, "OptInRequired", &have) == 0 &&
	       have == strtoull(consent_want(s), NULL, 10);
}

enum build consent_get_build(struct session *s, struct wsman_request *rq)
{
	s->o.consent.root = NULL;
	return get(rq);
}

struct verdict consent_get_read(struct session *s, const struct wsman_message *m)
{
	uint64_t may = 1;
	if (consent_same(s, m->payload))
		return v_next();
	wsman_node_uint(m->payload, "CanModifyOptInPolicy", &may);
	if (may != 1) {
		checkpoint_skip(&s->ck, s->row->name);
		return v_next();
	}
	if (keep_object(s, &s->o.consent, m) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "IPS_OptInService is too large");
	return v_next();
}

/* 6.x: the policy is in the KVM settings. */
struct verdict consent_get_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_ABSENT)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->o.no_consent_service = true;
	return v_next();
}

enum build consent_put_build(struct session *s, struct wsman_request *rq)
{
	if (!s->o.consent.root)
		return BUILD_SKIP;
	if (wsman_object_set(&s->o.consent, "OptInRequired", consent_want(s)) < 0)
		return build_nomem(s);
	return build_object(rq, &s->o.consent);
}

struct verdict consent_put_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	mark(s, STEP_CHECK_CONSENT);
	return v_next();
}

enum build check_consent_build(struct session *s, struct wsman_request *rq)
{
	return check(s, rq, STEP_CHECK_CONSENT);
}

struct verdict check_consent_read(struct session *s, const struct wsman_message *m)
{
	return judge(s, consent_same(s, m->payload));
}

static bool kvm_consent_want(const struct session *s)
{
	return s->profile.user_consent != PROFILE_CONSENT_NONE;
}

enum build kvm_settings_get_build(struct session *s, struct wsman_request *rq)
{
	s->o.kvm_settings.root = NULL;
	/* KVM that stays off needs nothing; consent by its own service is set already. */
	return s->o.kvm_state && (s->profile.features.kvm || s->o.no_consent_service) ? get(rq)
										      : BUILD_SKIP;
}

struct verdict kvm_settings_get_read(struct session *s, const struct wsman_message *m)
{
	bool by_mebx = true;
	wsman_node_bool(m->payload, "EnabledByMEBx", &by_mebx);
	if (s->profile.features.kvm && !by_mebx) {
		/* switched off in the MEBx: kvm.set would be refused. SPEC: P 4 FEATURES */
		checkpoint_skip(&s->ck, step_table[STEP_KVM_SET].name);
		s->o.kvm_state = 0;
	}
	if (!s->o.no_consent_service || is(m->payload, "OptInPolicy", kvm_consent_want(s)))
		return v_next();
	if (keep_object(s, &s->o.kvm_settings, m) < 0)
		return v_fail(
			s, FAIL_RETRY, "no_memory", "IPS_KVMRedirectionSettingData is too large");
	return v_next();
}

enum build kvm_settings_put_build(struct session *s, struct wsman_request *rq)
{
	if (!s->o.kvm_settings.root)
		return BUILD_SKIP;
	wsman_object_remove(&s->o.kvm_settings, "RFBPassword"); /* left out = kept */
	if (wsman_object_set(
		    &s->o.kvm_settings, "OptInPolicy", kvm_consent_want(s) ? "true" : "false") < 0)
		return build_nomem(s);
	return build_object(rq, &s->o.kvm_settings);
}

struct verdict kvm_settings_put_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	mark(s, STEP_CHECK_KVM_SETTINGS);
	return v_next();
}

enum build check_kvm_settings_build(struct session *s, struct wsman_request *rq)
{
	return check(s, rq, STEP_CHECK_KVM_SETTINGS);
}

struct verdict check_kvm_settings_read(struct session *s, const struct wsman_message *m)
{
	return judge(s, is(m->payload, "OptInPolicy", kvm_consent_want(s)));
}

/* ---- web interface
 * --------------------------------------------------------------------------------- */

enum build webui_get_build(struct session *s, struct wsman_request *rq)
{
	s->o.webui_state = 0;
	return get(rq);
}

struct verdict webui_get_read(struct session *s, const struct wsman_message *m)
{
	if (wsman_node_uint(m->payload, "EnabledState", &s->o.webui_state) < 0)
		return v_fail(s, FAIL_RETRY, "no_state", "AMT_WebUIService has no EnabledState");
	return v_next();
}

enum build webui_set_build(struct session *s, struct wsman_request *rq)
{
	bool want = s->profile.features.web_ui;
	if (s->o.webui_state == 0 || is_on(s->o.webui_state) == want)
		return BUILD_SKIP;
	return request_state(s, rq, want ? STATE_ON : STATE_OFF);
}

struct verdict webui_set_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	mark(s, STEP_CHECK_WEBUI);
	return v_next();
}

enum build check_webui_build(struct session *s, struct wsman_request *rq)
{
	return check(s, rq, STEP_CHECK_WEBUI);
}

struct verdict check_webui_read(struct session *s, const struct wsman_message *m)
{
	uint64_t state = 0;
	wsman_node_uint(m->payload, "EnabledState", &state);
	return judge(s, is_on(state) == s->profile.features.web_ui);
}
