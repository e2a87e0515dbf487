/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FEATURES: what a profile wants of redirection, KVM, user consent, web interface and ping. How it
 * is read, compared and written: setting.c. SPEC: provisioning.md 4 FEATURES
 */
#include "worker/passwords.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define REDIRECTION_NONE 32768u
#define REDIRECTION_IDER 1u /* added to NONE */
#define REDIRECTION_SOL  2u
#define STATE_ON         2u
#define STATE_OFF        3u
#define STATE_ON_OFFLINE 6u /* "enabled but offline": KVM without a session */
#define CONSENT_ALL      4294967295u

void general_wish(struct wishes *w)
{
	wish_bool(w, "PingResponseEnabled", w->s->profile->features.ping);
	wish_bool(w, "RmcpPingResponseEnabled", w->s->profile->features.rmcp_ping);
	wish_if_known(w);
	wish_optional(w, "IdleWakeTimeout", w->s->profile->timeouts.idle_wake_min);
	names_wish(w);
}

/* The listener serves SOL, IDER and KVM. */
void redirection_wish(struct wishes *w)
{
	const struct profile_features *f = &w->s->profile->features;
	wish_uint(w, "EnabledState",
		REDIRECTION_NONE + (f->ider ? REDIRECTION_IDER : 0) +
			(f->sol ? REDIRECTION_SOL : 0));
	wish_bool(w, "ListenerEnabled", f->sol || f->ider || f->kvm);
}

/* A service that is on in either way is on. */
static void wish_on(struct wishes *w, bool want)
{
	uint64_t have = 0;
	wsman_node_uint(w->have, "EnabledState", &have);
	if (!want || have != STATE_ON_OFFLINE)
		wish_uint(w, "EnabledState", want ? STATE_ON : STATE_OFF);
}

void kvm_wish(struct wishes *w)
{
	wish_on(w, w->s->profile->features.kvm);
}

void webui_wish(struct wishes *w)
{
	wish_on(w, w->s->profile->features.web_ui);
}

void consent_wish(struct wishes *w)
{
	static const uint32_t values[] = {[PROFILE_CONSENT_NONE] = 0,
		[PROFILE_CONSENT_KVM] = 1,
		[PROFILE_CONSENT_ALL] = CONSENT_ALL};
	wish_uint(w, "OptInRequired", values[w->s->profile->user_consent]);
	wish_optional(w, "OptInCodeTimeout", w->s->profile->timeouts.consent_code_s);
	wish_optional(w, "OptInDisplayTimeout", w->s->profile->timeouts.consent_display_s);
}

const char *consent_fixed(const struct wsman_node *have)
{
	uint64_t may = 1;
	wsman_node_uint(have, "CanModifyOptInPolicy", &may);
	return may == 1 ? NULL : "CanModifyOptInPolicy is not 1";
}

/* It tells whether KVM may be switched on at all, and in 6.x it holds the policy of consent. KVM
 * that stays as it is needs nothing; consent by its own service is set already. */
bool kvm_policy_asked(const struct session *s)
{
	const struct setting_seen *kvm = &s->o.settings[SETTING_KVM];
	bool to_be_on = kvm->state_differs && s->profile->features.kvm;
	const struct profile_kvm *k = &s->profile->kvm;
	bool own = k->port_5900 != PROFILE_KEEP || k->default_screen ||
		   k->rfb_password.source != PROFILE_PASSWORD_NONE;
	return own || s->profile->timeouts.kvm_session_min ||
	       (kvm->read && (to_be_on || s->o.settings[SETTING_CONSENT].lacking));
}

void kvm_policy_wish(struct wishes *w)
{
	if (w->s->o.settings[SETTING_CONSENT].lacking)
		wish_bool(w, "OptInPolicy", w->s->profile->user_consent != PROFILE_CONSENT_NONE);
	const struct profile_kvm *k = &w->s->profile->kvm;
	wish_switch(w, "Is5900PortEnabled", k->port_5900);
	if (k->port_5900 != PROFILE_KEEP || k->default_screen) {
		wish_uint(w, "DefaultScreen", k->default_screen);
		wish_if_known(w);
	}
	if (k->rfb_password.source != PROFILE_PASSWORD_NONE)
		wish_secret(w, "RFBPassword", SECRET_RFB, passwords_get(w->s, SECRET_RFB));
	wish_optional(w, "SessionTimeout", w->s->profile->timeouts.kvm_session_min);
}

/* Switched off in the MEBx: kvm.set would be refused. */
void kvm_policy_note(struct session *s, const struct wsman_node *have)
{
	bool by_mebx = true;
	wsman_node_bool(have, "EnabledByMEBx", &by_mebx);
	if (s->profile->features.kvm && !by_mebx) {
		checkpoint_skip(&s->ck, step_table[STEP_KVM_SET].name);
		setting_leave(s, SETTING_KVM, step_table[STEP_KVM_SET].class_name,
			"KVM is switched off in the MEBx");
	}
}
