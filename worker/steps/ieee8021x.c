/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WIRED 802.1x: who the device says it is to the switch. AMT 8.0 and later have
 * IPS_IEEE8021xSettings, older ones AMT_8021XProfile. How it is read, compared and written:
 * setting.c. SPEC: provisioning.md 4 WIRED 802.1x
 */
#include "worker/steps/ieee8021x.h"

#include "worker/passwords.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define IPS_SINCE    8 /* AMT release */
#define STATE_ON     2u
#define STATE_OFF    3u
#define FAST_TLS_OLD 6u /* AMT_8021XProfile counts on, CIM and IPS say 10 */
#define FAST_TLS     10u

uint32_t ieee8021x_protocol(const struct profile_8021x *x)
{
	return x->protocol == PROFILE_EAP_FAST_TLS ? FAST_TLS : (uint32_t)x->protocol;
}

const char *ieee8021x_username(const struct session *s, const struct profile_8021x *x)
{
	return x->username[0] ? x->username : s->ck.fqdn;
}

uint32_t ieee8021x_match(const struct profile_8021x *x)
{
	return x->server_match == PROFILE_MATCH_SUFFIX ? 3 : 2;
}

static bool modern(const struct session *s)
{
	unsigned major = 0;
	return sscanf(s->ck.amt, "%u", &major) != 1 || major >= IPS_SINCE;
}

bool wired_asked(const struct session *s)
{
	return s->profile->wired.state != PROFILE_KEEP && modern(s);
}

bool wired_old_asked(const struct session *s)
{
	return s->profile->wired.state != PROFILE_KEEP && !modern(s);
}

/* What both classes call by the same names. */
static void identity_wish(struct wishes *w, uint32_t protocol)
{
	const struct profile_wired *p = &w->s->profile->wired;
	const struct profile_8021x *x = &p->ieee8021x;
	wish_uint(w, "AuthenticationProtocol", protocol);
	wish_text(w, "Username", ieee8021x_username(w->s, x));
	if (x->roaming_identity)
		wish_text(w, "RoamingIdentity", IEEE8021X_ANONYMOUS);
	if (x->server_match != PROFILE_MATCH_NONE) {
		wish_text(w, "ServerCertificateName", x->server_name);
		wish_uint(w, "ServerCertificateNameComparison", ieee8021x_match(x));
	}
	if (x->password_file[0])
		wish_secret(w, "Password", SECRET_WIRED, passwords_get(w->s, SECRET_WIRED));
	wish_optional(w, "PxeTimeout", p->pxe_timeout_s);
}

void wired_wish(struct wishes *w)
{
	const struct profile_wired *p = &w->s->profile->wired;
	wish_uint(w, "Enabled", p->state == PROFILE_ON ? STATE_ON : STATE_OFF);
	if (p->state != PROFILE_ON)
		return;
	wish_bool(w, "AvailableInS0", p->in_s0);
	identity_wish(w, ieee8021x_protocol(&p->ieee8021x));
}

void wired_old_wish(struct wishes *w)
{
	const struct profile_wired *p = &w->s->profile->wired;
	const struct profile_8021x *x = &p->ieee8021x;
	wish_bool(w, "Enabled", p->state == PROFILE_ON);
	if (p->state != PROFILE_ON)
		return;
	wish_bool(w, "ActiveInS0", p->in_s0);
	identity_wish(
		w, x->protocol == PROFILE_EAP_FAST_TLS ? FAST_TLS_OLD : (uint32_t)x->protocol);
}
