/* SPDX-License-Identifier: Apache-2.0 */
/* 802.1x on the wire: IPS_IEEE8021xSettings (8.0 and later), AMT_8021XProfile; see wifi.h. */
#include "bench/sim/classes/class.h"
#include "bench/sim/classes/wifi.h"

#include <stdio.h>
#include <string.h>

#define PXE_TIMEOUT_MAX 86400
#define NO_DOT1X                                                                                   \
	{                                                                                          \
		.protocol = UINT_UNSET, .comparison = UINT_UNSET, .client_cert = -1, .ca_cert = -1 \
	}

const struct wired wired_factory = {
	.settings = {.enabled = 3, .pxe_timeout = 120, .x = NO_DOT1X},
	.profile = {.in_s0 = true, .x = NO_DOT1X},
};

static const struct wired *wired_of(const struct device *d)
{
	return part_read(d, PART_WIRED);
}

bool wired_uses_cert(const struct device *d, int handle)
{
	const struct wired *w = wired_of(d);
	return w->settings.x.client_cert == handle || w->settings.x.ca_cert == handle ||
	       w->profile.x.client_cert == handle || w->profile.x.ca_cert == handle;
}

/* ---- IPS_IEEE8021xSettings ------------------------------------------------------------------- */

#define S(field)  offsetof(struct wired_settings, field)
#define SX(field) (S(x) + offsetof(struct dot1x, field))
#define TEXT(name_, flags_, off_)                                                          \
	{                                                                                  \
		(name_), PT_STR, PF_STORE | (flags_), .off = (off_), .max = DOT1X_TEXT_MAX \
	}
static const struct prop settings_props[] = {
	{"AuthenticationProtocol", PT_UINT, PF_STORE | PF_HIDE_EMPTY, .off = SX(protocol),
		.max = 10},
	{"AvailableInS0", PT_BOOL, PF_STORE, .off = S(in_s0)},
	TEXT("Domain", PF_HIDE_EMPTY, SX(domain)),
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT: 8021X Settings"},
	{"Enabled", PT_UINT, PF_STORE | PF_REQ, .off = S(enabled), .max = 3},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT: 8021X Settings"},
	TEXT("PACPassword", PF_SECRET, SX(pac_password)),
	TEXT("PSK", PF_SECRET, SX(psk)),
	TEXT("Password", PF_SECRET, SX(password)),
	{"ProtectedAccessCredential", PT_B64, PF_SECRET},
	{"PxeTimeout", PT_UINT, PF_STORE, .off = S(pxe_timeout), .max = PXE_TIMEOUT_MAX},
	TEXT("RoamingIdentity", PF_HIDE_EMPTY, SX(roaming)),
	TEXT("ServerCertificateName", PF_HIDE_EMPTY, SX(server)),
	{"ServerCertificateNameComparison", PT_UINT, PF_STORE | PF_HIDE_EMPTY,
		.off = SX(comparison), .max = 3},
	TEXT("Username", PF_HIDE_EMPTY, SX(username)),
	{NULL},
};

static enum wfault settings_put(struct call *c)
{
	const char *enabled = xml_child(c->body, "Enabled")->text;
	return strcmp(enabled, "2") == 0 || strcmp(enabled, "3") == 0 ? WF_NONE : WF_SCHEMA;
}

static enum wfault set_certificates(struct call *c)
{
	int32_t ca = c->args[0] ? arg_cert(c, 0) : -1, client = c->args[1] ? arg_cert(c, 1) : -1;
	if ((c->args[0] && ca < 0) || (c->args[1] && client < 0)) {
		c->rv = RV_INVALID_PARAMETER;
		return WF_NONE;
	}
	struct wired *w = part_write(c->d, PART_WIRED);
	if (!w)
		return WF_INTERNAL;
	w->settings.x.ca_cert = ca;
	w->settings.x.client_cert = client;
	snprintf(c->note, sizeof c->note, "issuer %d client %d", ca, client);
	return WF_NONE;
}

const struct class_def class_wired_settings = {
	.name = "IPS_IEEE8021xSettings",
	.ns = NS_IPS,
	.props = settings_props,
	.methods = (const struct method[]){{"SetCertificates",
						   (const struct prop[]){
							   {"ServerCertificateIssuer", PT_REF},
							   {"ClientCertificate", PT_REF}, {NULL}},
						   .mutates = true, .fn = set_certificates},
		{NULL}},
	.part = PART_WIRED,
	.base = offsetof(struct wired, settings),
	.can_put = true,
	.put = settings_put,
};

/* ---- AMT_8021XProfile ------------------------------------------------------------------------ */

static void write_cert(struct writer *w, const char *name, int handle)
{
	char id[64];
	snprintf(id, sizeof id, CERT_PREFIX "%d", handle);
	if (handle >= 0)
		w_ref(w, name, NS_AMT, "AMT_PublicKeyCertificate", "InstanceID", id);
}

static void client_cert(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	write_cert(w, p->name, wired_of(d)->profile.x.client_cert);
}

static void ca_cert(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	write_cert(w, p->name, wired_of(d)->profile.x.ca_cert);
}

#define F(field)  offsetof(struct wired_profile, field)
#define FX(field) (F(x) + offsetof(struct dot1x, field))
enum { P_CLIENT = 2, P_CA = 12 };
static const struct prop profile_props[] = {
	{"ActiveInS0", PT_BOOL, PF_STORE, .off = F(in_s0)},
	{"AuthenticationProtocol", PT_UINT, PF_STORE | PF_HIDE_EMPTY, .off = FX(protocol),
		.max = 6},
	[P_CLIENT] = {"ClientCertificate", PT_REF, 0, .value = client_cert},
	TEXT("Domain", PF_HIDE_EMPTY, FX(domain)),
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT 802.1x Profile"},
	{"Enabled", PT_BOOL, PF_STORE | PF_REQ, .off = F(enabled)},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT 802.1x Profile 0"},
	TEXT("PACPassword", PF_SECRET, FX(pac_password)),
	TEXT("Password", PF_SECRET, FX(password)),
	{"ProtectedAccessCredential", PT_B64, PF_SECRET},
	{"PxeTimeout", PT_UINT, PF_STORE, .off = F(pxe_timeout), .max = PXE_TIMEOUT_MAX},
	TEXT("RoamingIdentity", PF_HIDE_EMPTY, FX(roaming)),
	[P_CA] = {"ServerCertificateIssuer", PT_REF, 0, .value = ca_cert},
	TEXT("ServerCertificateName", PF_HIDE_EMPTY, FX(server)),
	{"ServerCertificateNameComparison", PT_UINT, PF_STORE | PF_HIDE_EMPTY,
		.off = FX(comparison), .max = 3},
	TEXT("Username", PF_HIDE_EMPTY, FX(username)),
	{NULL},
};

static enum wfault profile_put(struct call *c)
{
	int client = c->args[P_CLIENT] ? arg_cert(c, P_CLIENT) : -1;
	int ca = c->args[P_CA] ? arg_cert(c, P_CA) : -1;
	if ((c->args[P_CLIENT] && client < 0) || (c->args[P_CA] && ca < 0))
		return WF_INVALID_SELECTORS;
	struct wired *w = part_write(c->d, PART_WIRED);
	if (!w)
		return WF_INTERNAL;
	w->profile.x.client_cert = client;
	w->profile.x.ca_cert = ca;
	return WF_NONE;
}

const struct class_def class_wired_profile = {
	.name = "AMT_8021XProfile",
	.ns = NS_AMT,
	.props = profile_props,
	.part = PART_WIRED,
	.base = offsetof(struct wired, profile),
	.can_put = true,
	/* A builder that is used on real devices appends the references. */
	.any_order = true,
	.put = profile_put,
};

/* ---- AMT_8021xCredentialContext -------------------------------------------------------------- */

static int context_count(const struct device *d)
{
	(void)d;
	return 2;
}

static bool context_exists(const struct device *d, int i)
{
	const struct dot1x *x = &wired_of(d)->profile.x;
	return (i ? x->ca_cert : x->client_cert) >= 0;
}

static void context_cert(struct writer *w, struct device *d, int i, const struct prop *p)
{
	const struct dot1x *x = &wired_of(d)->profile.x;
	write_cert(w, p->name, i ? x->ca_cert : x->client_cert);
}

const struct class_def class_wired_context = {
	.name = "AMT_8021xCredentialContext",
	.ns = NS_AMT,
	.props = (const struct prop[]){{"ElementInContext", PT_REF, PF_RO, .value = context_cert},
		{"ElementProvidingContext", PT_REF, PF_RO,
			.text = "AMT_8021XProfile;InstanceID=Intel(r) AMT 802.1x Profile 0"},
		{NULL}},
	.count = context_count,
	.exists = context_exists,
	.no_get = true,
};
