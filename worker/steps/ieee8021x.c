/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WIRED 802.1x: who the device says it is to the switch. AMT 8.0 and later have
 * IPS_IEEE8021xSettings, older ones AMT_8021XProfile. How it is read, compared and written:
 * setting.c. SPEC: provisioning.md 4 WIRED 802.1x
 */
#include "worker/steps/ieee8021x.h"

#include "worker/passwords.h"
#include "worker/steps/roots.h"
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
	/* What a Put leaves out stays: a text that is not wanted any more is written empty. */
	wish_text(w, "RoamingIdentity", x->roaming_identity ? IEEE8021X_ANONYMOUS : "");
	wish_text(w, "ServerCertificateName", x->server_name);
	if (x->server_match != PROFILE_MATCH_NONE)
		wish_uint(w, "ServerCertificateNameComparison", ieee8021x_match(x));
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

static bool by_certificate(const struct profile_8021x *x)
{
	return x->protocol == PROFILE_EAP_TLS || x->protocol == PROFILE_EAP_FAST_TLS;
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
	/* This class has its certificates inside; the newer one takes them by SetCertificates. */
	if (by_certificate(x))
		wish_certificate(w, "ClientCertificate", w->s->o.context_cert);
	wish_certificate(w, "ServerCertificateIssuer", root_handle(w->s, x->root_file));
}

/* ---- its certificates --------------------------------------------------------------------------
 */

#define MARK_CERTIFICATES "8021x.certificates"

/* What SetCertificates binds: no Get shows it. @return 0 or -ENOMEM */
static int bound(const struct session *s, struct secret *out)
{
	const struct profile_8021x *x = &s->profile->wired.ieee8021x;
	char text[2 * CHECKPOINT_HANDLE_MAX + 2];
	const char *root = root_handle(s, x->root_file);
	int n = snprintf(text, sizeof text, "%s|%s", root ? root : "",
		by_certificate(x) ? s->o.context_cert : "");
	return secret_set(out, text, (size_t)n);
}

enum build wired_certificates_build(struct session *s, struct wsman_request *rq)
{
	const struct profile_8021x *x = &s->profile->wired.ieee8021x;
	const struct setting_seen *seen = &s->o.settings[SETTING_WIRED];
	struct secret value = {0};
	if (!seen->read || seen->lacking || s->profile->wired.state != PROFILE_ON)
		return BUILD_SKIP;
	if (bound(s, &value) < 0)
		return build_nomem(s);
	bool same = marks_has(s, MARK_CERTIFICATES, &value);
	secret_free(&value);
	if (same)
		return BUILD_SKIP;
	struct wsman_param *p = arena_alloc(&s->keep, 2 * sizeof *p);
	const struct wsman_epr *root = certificate_epr(s, root_handle(s, x->root_file));
	const struct wsman_epr *own =
		by_certificate(x) ? certificate_epr(s, s->o.context_cert) : NULL;
	if (!p || !root || (by_certificate(x) && !own))
		return build_nomem(s);
	p[0] = WSMAN_EPR("ServerCertificateIssuer", root);
	p[1] = WSMAN_EPR("ClientCertificate", own);
	rq->op = WSMAN_INVOKE;
	rq->method = "SetCertificates";
	rq->params = p;
	rq->n_params = own ? 2 : 1;
	return BUILD_SEND;
}

struct verdict wired_certificates_read(struct session *s, const struct wsman_message *m)
{
	struct secret value = {0};
	(void)m;
	if (bound(s, &value) == 0)
		marks_set(s, MARK_CERTIFICATES, &value);
	secret_free(&value);
	return v_next();
}
