/* SPDX-License-Identifier: Apache-2.0 */
/* Wireless classes: the port, the profiles and the service that keeps them; see wifi.h. */
#include "bench/sim/classes/wifi.h"

#include "bench/sim/classes/class.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define ENDPOINT     "WiFi Endpoint 0"
#define DOT1X_PREFIX "Intel(r) AMT:IEEE 802.1x Settings "
#define PORT_OFF     3
#define PRIORITY_MAX 255

/* AuthenticationMethod. SPEC: provisioning.md 4 WIFI */
enum { WPA_PSK = 4, WPA_8021X = 5, WPA2_PSK = 6, WPA2_8021X = 7, WPA3_SAE = 32768, OWE = 32769 };

const struct wifi wifi_factory = {.port_state = PORT_OFF};

static const struct wifi *wifi_of(const struct device *d)
{
	return part_read(d, PART_WIFI);
}

bool wifi_present(const struct device *d)
{
	return device_mobile(d);
}

bool wifi_uses_cert(const struct device *d, int handle)
{
	const struct wifi *w = wifi_of(d);
	for (size_t i = 0; i < WIFI_PROFILES_MAX; i++) {
		const struct wifi_profile *p = &w->profiles[i];
		if (p->used && p->with_dot1x &&
			(p->x.client_cert == handle || p->x.ca_cert == handle))
			return true;
	}
	return false;
}

/* ---- CIM_WiFiPort --------------------------------------------------------------------------- */

static const struct prop port_props[] = {
	{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_WiFiPort"},
	{"DeviceID", PT_STR, PF_RO | PF_ID, .text = "WiFi Port 0"},
	{"ElementName", PT_STR, PF_RO, .text = "WiFi Port 0"},
	{"EnabledState", PT_UINT, PF_RO, .off = offsetof(struct wifi, port_state)},
	{"HealthState", PT_UINT, PF_RO, .text = "5"},
	{"LinkTechnology", PT_UINT, PF_RO, .text = "11"},
	{"PermanentAddress", PT_STR, PF_RO, .text = "000000000000"},
	{"PortType", PT_UINT, PF_RO, .text = "0"},
	{"RequestedState", PT_UINT, PF_RO, .off = offsetof(struct wifi, port_state)},
	PROPS_SYSTEM,
	{NULL},
};

static enum wfault port_state(struct call *c)
{
	uint32_t wanted;
	if (!arg_state(c, (const uint32_t[]){PORT_OFF, 32768, 32769, 0}, &wanted))
		return WF_NONE;
	struct wifi *w = part_write(c->d, PART_WIFI);
	if (!w)
		return WF_INTERNAL;
	w->port_state = wanted;
	return WF_NONE;
}

const struct class_def class_wifi_port = {
	.name = "CIM_WiFiPort",
	.ns = NS_CIM,
	.props = port_props,
	.methods = (const struct method[]){{"RequestStateChange", state_change_in, .mutates = true,
						   .fn = port_state},
		{NULL}},
	.present = wifi_present,
	.part = PART_WIFI,
};

/* ---- CIM_WiFiEndpoint, its capabilities ------------------------------------------------------ */

const struct class_def class_wifi_endpoint = {
	.name = "CIM_WiFiEndpoint",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"CreationClassName", PT_STR, PF_RO | PF_ID,
					       .text = "CIM_WiFiEndpoint"},
		{"ElementName", PT_STR, PF_RO, .text = ENDPOINT},
		{"EnabledState", PT_UINT, PF_RO, .text = "2"},
		{"LANType", PT_UINT, PF_RO, .text = "2"},
		{"Name", PT_STR, PF_RO | PF_ID, .text = ENDPOINT}, PROPS_SYSTEM, {NULL}},
	.present = wifi_present,
};

const struct class_def class_wifi_endpoint_capabilities = {
	.name = "CIM_WiFiEndpointCapabilities",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"ElementName", PT_STR, PF_RO,
					       .text = "Intel(r) AMT:WiFi Endpoint Capabilities"},
		{"InstanceID", PT_STR, PF_RO | PF_ID,
			.text = "Intel(r) AMT:WiFi Endpoint Capabilities 0"},
		{"SupportedAuthenticationMethods", PT_UINT, PF_RO | PF_ARRAY,
			.text = "4 5 6 7 32768 32769"},
		{"SupportedEncryptionMethods", PT_UINT, PF_RO | PF_ARRAY, .text = "3 4 32768"},
		{NULL}},
	.present = wifi_present,
};

/* ---- CIM_WiFiEndpointSettings ---------------------------------------------------------------- */

static int profile_count(const struct device *d)
{
	(void)d;
	return WIFI_PROFILES_MAX;
}

static bool profile_exists(const struct device *d, int i)
{
	return wifi_of(d)->profiles[i].used;
}

static bool dot1x_exists(const struct device *d, int i)
{
	return wifi_of(d)->profiles[i].used && wifi_of(d)->profiles[i].with_dot1x;
}

#define P(field) offsetof(struct wifi_profile, field)
static const struct prop profile_props[] = {
	{"AuthenticationMethod", PT_UINT, PF_RO, .off = P(authentication)},
	{"BSSType", PT_UINT, PF_RO, .text = "3"},
	{"ElementName", PT_STR, PF_RO, .off = P(name)},
	{"EncryptionMethod", PT_UINT, PF_RO, .off = P(encryption)},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .off = P(id)},
	{"Priority", PT_UINT, PF_RO, .off = P(priority)},
	{"SSID", PT_STR, PF_RO, .off = P(ssid)},
	{NULL},
};

static enum wfault profile_delete(struct call *c)
{
	struct wifi *w = part_write(c->d, PART_WIFI);
	if (!w)
		return WF_INTERNAL;
	OPENSSL_cleanse(&w->profiles[c->instance], sizeof w->profiles[0]);
	return WF_NONE;
}

const struct class_def class_wifi_profile = {
	.name = "CIM_WiFiEndpointSettings",
	.ns = NS_CIM,
	.props = profile_props,
	.count = profile_count,
	.exists = profile_exists,
	.present = wifi_present,
	.part = PART_WIFI,
	.base = offsetof(struct wifi, profiles),
	.stride = sizeof(struct wifi_profile),
	.del = profile_delete,
};

/* ---- CIM_IEEE8021xSettings, CIM_CredentialContext -------------------------------------------- */

static void dot1x_id(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[sizeof DOT1X_PREFIX + WIFI_NAME_MAX];
	snprintf(text, sizeof text, DOT1X_PREFIX "%s", wifi_of(d)->profiles[i].x.name);
	w_text(w, p->name, text);
}

#define X(field) offsetof(struct dot1x, field)
static const struct prop dot1x_props[] = {
	{"AuthenticationProtocol", PT_UINT, PF_RO | PF_HIDE_EMPTY, .off = X(protocol)},
	{"Domain", PT_STR, PF_RO | PF_HIDE_EMPTY, .off = X(domain)},
	{"ElementName", PT_STR, PF_RO, .off = X(name)},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .value = dot1x_id},
	{"RoamingIdentity", PT_STR, PF_RO | PF_HIDE_EMPTY, .off = X(roaming)},
	{"ServerCertificateName", PT_STR, PF_RO | PF_HIDE_EMPTY, .off = X(server)},
	{"ServerCertificateNameComparison", PT_UINT, PF_RO | PF_HIDE_EMPTY, .off = X(comparison)},
	{"Username", PT_STR, PF_RO | PF_HIDE_EMPTY, .off = X(username)},
	{NULL},
};

const struct class_def class_wifi_dot1x = {
	.name = "CIM_IEEE8021xSettings",
	.ns = NS_CIM,
	.props = dot1x_props,
	.count = profile_count,
	.exists = dot1x_exists,
	.present = wifi_present,
	.part = PART_WIFI,
	.base = offsetof(struct wifi, profiles) + P(x),
	.stride = sizeof(struct wifi_profile),
};

/* Two per profile: client certificate, then the authority's. */
static int context_count(const struct device *d)
{
	(void)d;
	return 2 * WIFI_PROFILES_MAX;
}

static int context_cert(const struct device *d, int i)
{
	const struct wifi_profile *p = &wifi_of(d)->profiles[i / 2];
	return i % 2 ? p->x.ca_cert : p->x.client_cert;
}

static bool context_exists(const struct device *d, int i)
{
	return dot1x_exists(d, i / 2) && context_cert(d, i) >= 0;
}

static void context_element(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char id[64];
	snprintf(id, sizeof id, CERT_PREFIX "%d", context_cert(d, i));
	w_ref(w, p->name, NS_AMT, "AMT_PublicKeyCertificate", "InstanceID", id);
}

static void context_provider(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char id[sizeof DOT1X_PREFIX + WIFI_NAME_MAX];
	snprintf(id, sizeof id, DOT1X_PREFIX "%s", wifi_of(d)->profiles[i / 2].x.name);
	w_ref(w, p->name, NS_CIM, "CIM_IEEE8021xSettings", "InstanceID", id);
}

const struct class_def class_credential_context = {
	.name = "CIM_CredentialContext",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"ElementInContext", PT_REF, PF_RO,
					       .value = context_element},
		{"ElementProvidingContext", PT_REF, PF_RO, .value = context_provider}, {NULL}},
	.count = context_count,
	.exists = context_exists,
	.no_get = true,
};

/* ---- AMT_WiFiPortConfigurationService -------------------------------------------------------- */

/* What Add and Update take; BSSType must not be sent. SPEC: provisioning.md 4 WIFI */
static const struct prop profile_in[] = {
	{"AuthenticationMethod", PT_UINT, PF_STORE | PF_REQ, .off = P(authentication)},
	{"ElementName", PT_STR, PF_STORE | PF_REQ, .off = P(name), .max = WIFI_NAME_MAX},
	{"EncryptionMethod", PT_UINT, PF_STORE | PF_REQ, .off = P(encryption)},
	{"InstanceID", PT_STR, PF_STORE | PF_REQ, .off = P(id), .max = WIFI_ID_MAX},
	{"PSKPassPhrase", PT_STR, PF_STORE | PF_SECRET, .off = P(psk), .max = WIFI_PSK_MAX},
	{"Priority", PT_UINT, PF_STORE | PF_REQ, .off = P(priority), .max = PRIORITY_MAX},
	{"SSID", PT_STR, PF_STORE | PF_REQ, .off = P(ssid), .max = WIFI_SSID_MAX},
	{NULL},
};
static const struct prop dot1x_in[] = {
	{"AuthenticationProtocol", PT_UINT, PF_STORE | PF_REQ, .off = X(protocol), .max = 10},
	{"Domain", PT_STR, PF_STORE, .off = X(domain), .max = DOT1X_TEXT_MAX},
	{"ElementName", PT_STR, PF_STORE | PF_REQ, .off = X(name), .max = WIFI_NAME_MAX},
	{"InstanceID", PT_STR, PF_STORE, .off = X(id), .max = WIFI_ID_MAX},
	{"PACPassword", PT_STR, PF_STORE | PF_SECRET, .off = X(pac_password),
		.max = DOT1X_TEXT_MAX},
	{"PSK", PT_STR, PF_STORE | PF_SECRET, .off = X(psk), .max = DOT1X_TEXT_MAX},
	{"Password", PT_STR, PF_STORE | PF_SECRET, .off = X(password), .max = DOT1X_TEXT_MAX},
	{"ProtectedAccessCredential", PT_B64},
	{"RoamingIdentity", PT_STR, PF_STORE, .off = X(roaming), .max = DOT1X_TEXT_MAX},
	{"ServerCertificateName", PT_STR, PF_STORE, .off = X(server), .max = DOT1X_TEXT_MAX},
	{"ServerCertificateNameComparison", PT_UINT, PF_STORE, .off = X(comparison), .max = 3},
	{"Username", PT_STR, PF_STORE, .off = X(username), .max = DOT1X_TEXT_MAX},
	{NULL},
};

enum { A_TARGET, A_SETTINGS, A_DOT1X, A_CLIENT, A_CA };
#define SETTINGS_ARGS                                                         \
	{"WiFiEndpointSettingsInput", PT_EMBEDDED, PF_REQ, .sub = profile_in, \
		.sub_uri = NS_CIM "CIM_WiFiEndpointSettings"},                \
		{"IEEE8021xSettingsInput", PT_EMBEDDED, 0, .sub = dot1x_in,   \
			.sub_uri = NS_CIM "CIM_IEEE8021xSettings"},           \
		{"ClientCredential", PT_REF}, {"CACredential", PT_REF},       \
	{                                                                     \
		NULL                                                          \
	}
static const struct prop add_in[] = {{"WiFiEndpoint", PT_REF, PF_REQ}, SETTINGS_ARGS};
static const struct prop update_in[] = {{"WiFiEndpointSettings", PT_REF, PF_REQ}, SETTINGS_ARGS};

/* The value belongs together: method, key, 802.1x. */
static bool profile_good(const struct wifi_profile *p)
{
	size_t psk = strlen(p->psk);
	bool keyed = psk >= WIFI_PSK_MIN;
	if (p->priority < 1 || !p->id[0] || !p->ssid[0])
		return false;
	switch (p->authentication) {
	case WPA_PSK:
	case WPA2_PSK: return keyed && (p->encryption == 3 || p->encryption == 4);
	case WPA_8021X:
	case WPA2_8021X:
		return p->with_dot1x && psk == 0 && (p->encryption == 3 || p->encryption == 4);
	case WPA3_SAE: return keyed && (p->encryption == 4 || p->encryption == 32768);
	case OWE: return psk == 0;
	default: return false;
	}
}

/* Certificates of 802.1x, when named. */
static uint32_t read_certs(const struct call *c, struct dot1x *x)
{
	x->client_cert = c->args[A_CLIENT] ? arg_cert(c, A_CLIENT) : -1;
	x->ca_cert = c->args[A_CA] ? arg_cert(c, A_CA) : -1;
	bool missing =
		(c->args[A_CLIENT] && x->client_cert < 0) || (c->args[A_CA] && x->ca_cert < 0);
	return missing ? CIM_INVALID_REFERENCE : RV_OK;
}

/* The arguments as a profile that may stand at place self of the list. */
static uint32_t read_profile(const struct call *c, struct wifi_profile *p, size_t self)
{
	const struct wifi *w = wifi_of(c->d);
	*p = (struct wifi_profile){.used = true, .with_dot1x = c->args[A_DOT1X] != NULL};
	p->x.protocol = p->x.comparison = UINT_UNSET;
	object_store(p, profile_in, c->args[A_SETTINGS]);
	if (p->with_dot1x)
		object_store(&p->x, dot1x_in, c->args[A_DOT1X]);
	uint32_t rv = read_certs(c, &p->x);
	if (rv != RV_OK)
		return rv;
	if (!profile_good(p))
		return CIM_INVALID;
	for (size_t i = 0; i < WIFI_PROFILES_MAX; i++) {
		const struct wifi_profile *o = &w->profiles[i];
		if (i != self && o->used &&
			(strcmp(o->id, p->id) == 0 || o->priority == p->priority))
			return CIM_INVALID;
	}
	return RV_OK;
}

static enum wfault keep(struct call *c, const struct wifi_profile *p, size_t at)
{
	struct wifi *w = part_write(c->d, PART_WIFI);
	if (!w)
		return WF_INTERNAL;
	w->profiles[at] = *p;
	snprintf(c->note, sizeof c->note, "profile %s", p->name);
	return WF_NONE;
}

static enum wfault add_settings(struct call *c)
{
	const struct wifi *w = wifi_of(c->d);
	struct wifi_profile p;
	if (strcmp(arg_ref(c, A_TARGET, "CIM_WiFiEndpoint", "Name"), ENDPOINT) != 0) {
		c->rv = CIM_INVALID_REFERENCE;
		return WF_NONE;
	}
	size_t at = 0;
	while (at < WIFI_PROFILES_MAX && w->profiles[at].used)
		at++;
	c->rv = read_profile(c, &p, WIFI_PROFILES_MAX);
	if (c->rv == RV_OK && at == WIFI_PROFILES_MAX)
		c->rv = CIM_FAILED;
	enum wfault f = c->rv == RV_OK ? keep(c, &p, at) : WF_NONE;
	if (c->rv == RV_OK && f == WF_NONE) {
		w_ref(&c->w, "WiFiEndpointSettings", NS_CIM, "CIM_WiFiEndpointSettings",
			"InstanceID", p.id);
		char id[sizeof DOT1X_PREFIX + WIFI_NAME_MAX];
		snprintf(id, sizeof id, DOT1X_PREFIX "%s", p.x.name);
		if (p.with_dot1x)
			w_ref(&c->w, "IEEE8021xSettings", NS_CIM, "CIM_IEEE8021xSettings",
				"InstanceID", id);
	}
	OPENSSL_cleanse(&p, sizeof p);
	return f;
}

static enum wfault update_settings(struct call *c)
{
	const struct wifi *w = wifi_of(c->d);
	struct wifi_profile p;
	const char *id = arg_ref(c, A_TARGET, "CIM_WiFiEndpointSettings", "InstanceID");
	size_t at = 0;
	while (at < WIFI_PROFILES_MAX &&
		!(w->profiles[at].used && strcmp(w->profiles[at].id, id) == 0))
		at++;
	if (at == WIFI_PROFILES_MAX) {
		c->rv = CIM_INVALID_REFERENCE;
		return WF_NONE;
	}
	c->rv = read_profile(c, &p, at);
	enum wfault f = c->rv == RV_OK ? keep(c, &p, at) : WF_NONE;
	OPENSSL_cleanse(&p, sizeof p);
	return f;
}

static enum wfault delete_profiles(struct call *c)
{
	struct wifi *w = part_write(c->d, PART_WIFI);
	if (!w)
		return WF_INTERNAL;
	OPENSSL_cleanse(w->profiles, sizeof w->profiles);
	return WF_NONE;
}

/* Profiles that the host's user made: there is no host here. */
static enum wfault delete_user_profiles(struct call *c)
{
	(void)c;
	return WF_NONE;
}

#define W(field) offsetof(struct wifi, field)
static const struct prop service_props[] = {
	PROPS_SERVICE(
		"AMT_WiFiPortConfigurationService", "Intel(r) AMT WiFiPort Configuration Service"),
	{"EnabledState", PT_UINT, PF_RO, .text = "5"},
	{"HealthState", PT_UINT, PF_RO, .text = "5"},
	{"LastConnectedSsidUnderMeControl", PT_STR, PF_RO, .text = ""},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT WiFi Port Configuration Service"},
	{"NoHostCsmeSoftwarePolicy", PT_UINT, PF_STORE, .off = W(no_host_policy), .max = 2},
	{"RequestedState", PT_UINT, PF_RO, .text = "12"},
	PROPS_SYSTEM,
	{"UEFIWiFiProfileShareEnabled", PT_BOOL, PF_STORE, .off = W(uefi_share)},
	{"localProfileSynchronizationEnabled", PT_UINT, PF_STORE, .off = W(sync), .max = 3},
	{NULL},
};

const struct class_def class_wifi_service = {
	.name = "AMT_WiFiPortConfigurationService",
	.ns = NS_AMT,
	.props = service_props,
	.methods = (const struct method[]){{"AddWiFiSettings", add_in, .mutates = true,
						   .fn = add_settings},
		{"UpdateWiFiSettings", update_in, .mutates = true, .fn = update_settings},
		{"DeleteAllITProfiles", NULL, .mutates = true, .fn = delete_profiles},
		{"DeleteAllUserProfiles", NULL, .mutates = true, .fn = delete_user_profiles},
		{NULL}},
	.present = wifi_present,
	.part = PART_WIFI,
	.can_put = true,
};
