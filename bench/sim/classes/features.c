/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What phase B sets: redirection, KVM, consent, web page, power scheme, network; and what it reads.
 * SPEC: provisioning.md 4
 */
#include "bench/sim/classes/class.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Set *state to the requested one if it is in the list (ended by 0). */
static enum wfault change_state(struct call *c, uint32_t *state, const uint32_t *allowed)
{
	uint32_t wanted;
	if (arg_state(c, allowed, &wanted))
		*state = wanted;
	return WF_NONE;
}

/* ---- AMT_RedirectionService ---------------------------------------------------------------- */

static const struct prop redirection_props[] = {
	PROPS_SERVICE("AMT_RedirectionService", "Intel(r) AMT Redirection Service"),
	{"EnabledState", PT_UINT, PF_STORE | PF_REQ, .off = SET(redir_state), .max = 32771},
	{"ListenerEnabled", PT_BOOL, PF_STORE | PF_REQ, .off = SET(redir_listener)},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Redirection Service"},
	PROPS_SYSTEM,
	{NULL},
};

static enum wfault redirection_state(struct call *c)
{
	return change_state(
		c, &c->d->set.redir_state, (const uint32_t[]){32768, 32769, 32770, 32771, 0});
}

static enum wfault redirection_put(struct call *c)
{
	unsigned long state = strtoul(xml_child(c->body, "EnabledState")->text, NULL, 10);
	return state >= 32768 ? WF_NONE : WF_SCHEMA;
}

const struct class_def class_redirection = {
	.name = "AMT_RedirectionService",
	.ns = NS_AMT,
	.props = redirection_props,
	.methods = (const struct method[]){{"RequestStateChange", state_change_in, .mutates = true,
						   .fn = redirection_state},
		{NULL}},
	.can_put = true,
	.put = redirection_put,
};

/* ---- CIM_KVMRedirectionSAP ----------------------------------------------------------------- */

static const struct prop kvm_props[] = {
	PROPS_SERVICE("CIM_KVMRedirectionSAP", "KVM Redirection Service Access Point"),
	{"EnabledState", PT_UINT, PF_RO, .off = SET(kvm_state)},
	{"KVMProtocol", PT_UINT, PF_RO, .text = "4"},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "KVM Redirection Service Access Point"},
	{"RequestedState", PT_UINT, PF_RO, .text = "5"},
	{"SystemCreationClassName", PT_STR, PF_RO, .text = "CIM_ComputerSystem"},
	{"SystemName", PT_STR, PF_RO, .text = "ManagedSystem"},
	{NULL},
};

static enum wfault kvm_state(struct call *c)
{
	return change_state(c, &c->d->set.kvm_state, (const uint32_t[]){2, 3, 0});
}

const struct class_def class_kvm_sap = {
	.name = "CIM_KVMRedirectionSAP",
	.ns = NS_CIM,
	.props = kvm_props,
	.methods = (const struct method[]){{"RequestStateChange", state_change_in, .mutates = true,
						   .fn = kvm_state},
		{NULL}},
};

/* ---- IPS_KVMRedirectionSettingData --------------------------------------------------------- */

static const struct prop kvm_setting_props[] = {
	{"BackToBackFbMode", PT_BOOL, PF_STORE, .off = SET(kvm_back_to_back)},
	{"DefaultScreen", PT_UINT, PF_STORE, .off = SET(kvm_default_screen), .max = 2},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) KVM Redirection Settings"},
	{"EnabledByMEBx", PT_BOOL, PF_RO, .text = "true"},
	{"InstanceID", PT_STR, PF_RO | PF_ID | PF_REQ, .text = "Intel(r) KVM Redirection Settings"},
	{"Is5900PortEnabled", PT_BOOL, PF_STORE, .off = SET(kvm_5900)},
	{"OptInPolicy", PT_BOOL, PF_STORE, .off = SET(kvm_optin)},
	{"OptInPolicyTimeout", PT_UINT, PF_STORE, .off = SET(kvm_optin_timeout)},
	{"RFBPassword", PT_STR, PF_RO | PF_SECRET, .text = "", .max = 8},
	{"SessionTimeout", PT_UINT, PF_STORE, .off = SET(kvm_session_timeout)},
	{NULL},
};

static enum wfault kvm_setting_put(struct call *c)
{
	const struct xml_node *rfb = xml_child(c->body, "RFBPassword");
	size_t len = rfb ? strlen(rfb->text) : 0;
	return len == 0 || len == 8 ? WF_NONE : WF_SCHEMA;
}

const struct class_def class_kvm_setting = {
	.name = "IPS_KVMRedirectionSettingData",
	.ns = NS_IPS,
	.props = kvm_setting_props,
	.can_put = true,
	.put = kvm_setting_put,
};

/* ---- IPS_OptInService ---------------------------------------------------------------------- */

static const struct prop opt_in_props[] = {
	{"CanModifyOptInPolicy", PT_UINT, PF_RO, .text = "1"},
	PROPS_SERVICE("IPS_OptInService", "Intel(r) AMT OptIn Service"),
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT OptIn Service"},
	{"OptInCodeTimeout", PT_UINT, PF_STORE, .off = SET(optin_code_timeout)},
	{"OptInDisplayTimeout", PT_UINT, PF_STORE, .off = SET(optin_display_timeout)},
	{"OptInRequired", PT_UINT, PF_STORE | PF_REQ, .off = SET(optin_required)},
	{"OptInState", PT_UINT, PF_RO, .text = "0"},
	PROPS_SYSTEM,
	{NULL},
};

static enum wfault opt_in_put(struct call *c)
{
	const char *v = xml_child(c->body, "OptInRequired")->text;
	bool known = strcmp(v, "0") == 0 || strcmp(v, "1") == 0 || strcmp(v, "4294967295") == 0;
	return known ? WF_NONE : WF_SCHEMA;
}

const struct class_def class_opt_in = {
	.name = "IPS_OptInService",
	.ns = NS_IPS,
	.props = opt_in_props,
	.can_put = true,
	.put = opt_in_put,
};

/* ---- AMT_WebUIService ---------------------------------------------------------------------- */

static const struct prop web_props[] = {
	PROPS_SERVICE("AMT_WebUIService", "Intel(r) AMT Web UI Service"),
	{"EnabledState", PT_UINT, PF_RO, .off = SET(webui_state)},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Web UI Service"},
	{"RequestedState", PT_UINT, PF_RO, .text = "12"},
	PROPS_SYSTEM,
	{NULL},
};

static enum wfault web_state(struct call *c)
{
	return change_state(c, &c->d->set.webui_state, (const uint32_t[]){2, 3, 0});
}

const struct class_def class_web_ui = {
	.name = "AMT_WebUIService",
	.ns = NS_AMT,
	.props = web_props,
	.methods = (const struct method[]){{"RequestStateChange", state_change_in, .mutates = true,
						   .fn = web_state},
		{NULL}},
};

/* ---- AMT_SystemPowerScheme, CIM_ElementSettingData ------------------------------------------ */

#define N_SCHEMES 2

static int scheme_count(const struct device *d)
{
	(void)d;
	return N_SCHEMES;
}

static void scheme_text(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[80];
	snprintf(text, sizeof text, "%s: ON in S0%s", device_mobile(d) ? "Mobile" : "Desktop",
		i ? ", ME Wake in S3, S4-5" : "");
	w_text(w, p->name, text);
}

static void scheme_id(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[16];
	(void)d;
	snprintf(text, sizeof text, "SCHEME %d", i);
	w_text(w, p->name, text);
}

static void scheme_guid(struct writer *w, struct device *d, int i, const struct prop *p)
{
	uint8_t guid[16] = {0x4D, 0x55, 0x53, 0x54};
	guid[8] = device_mobile(d);
	guid[15] = (uint8_t)i;
	w_b64(w, p->name, guid, sizeof guid);
}

static const struct prop scheme_props[] = {
	{"Description", PT_STR, PF_RO, .value = scheme_text},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Power Scheme"},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .value = scheme_id},
	{"SchemeGUID", PT_B64, PF_RO | PF_ID, .value = scheme_guid},
	{NULL},
};

static enum wfault set_scheme(struct call *c)
{
	c->d->set.power_scheme = (uint32_t)c->instance;
	snprintf(c->note, sizeof c->note, "scheme %d", c->instance);
	return WF_NONE;
}

const struct class_def class_power_scheme = {
	.name = "AMT_SystemPowerScheme",
	.ns = NS_AMT,
	.props = scheme_props,
	.methods =
		(const struct method[]){
			{"SetPowerScheme", NULL, .mutates = true, .fn = set_scheme}, {NULL}},
	.count = scheme_count,
};

static void is_current(struct writer *w, struct device *d, int i, const struct prop *p)
{
	w_uint(w, p->name, d->set.power_scheme == (uint32_t)i ? 1 : 2);
}

static void managed(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d, (void)i;
	w_ref(w, p->name, NS_CIM, "CIM_ComputerSystem", "Name", "Intel(r) AMT");
}

static void setting_data(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[16];
	(void)d;
	snprintf(text, sizeof text, "SCHEME %d", i);
	w_ref(w, p->name, NS_AMT, "AMT_SystemPowerScheme", "InstanceID", text);
}

static const struct prop element_props[] = {
	{"IsCurrent", PT_UINT, PF_RO, .value = is_current},
	{"IsDefault", PT_UINT, PF_RO, .text = "0"},
	{"ManagedElement", PT_REF, PF_RO, .value = managed},
	{"SettingData", PT_REF, PF_RO, .value = setting_data},
	{NULL},
};

const struct class_def class_element_setting = {
	.name = "CIM_ElementSettingData",
	.ns = NS_CIM,
	.props = element_props,
	.count = scheme_count,
	.no_get = true,
};

/* ---- AMT_EthernetPortSettings --------------------------------------------------------------- */

static int port_count(const struct device *d)
{
	(void)d;
	return 1;
}

static void mac(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[24];
	(void)i;
	snprintf(text, sizeof text, "02-00-%02x-%02x-%02x-%02x", (unsigned)(d->addr >> 24) & 255,
		(unsigned)(d->addr >> 16) & 255, (unsigned)(d->addr >> 8) & 255,
		(unsigned)d->addr & 255);
	w_text(w, p->name, text);
}

static void link_policy(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	for (uint32_t k = 0; k < d->set.n_link_policy; k++)
		w_uint(w, p->name, d->set.link_policy[k]);
}

static const struct prop port_props[] = {
	{"DHCPEnabled", PT_BOOL, PF_STORE | PF_REQ, .off = SET(dhcp)},
	{"DefaultGateway", PT_STR, PF_STORE | PF_HIDE_EMPTY, .off = SET(gateway), .max = 15},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Ethernet Port Settings"},
	{"IPAddress", PT_STR, PF_STORE | PF_HIDE_EMPTY, .off = SET(ip), .max = 15},
	{"InstanceID", PT_STR, PF_RO | PF_ID | PF_REQ,
		.text = "Intel(r) AMT Ethernet Port Settings 0"},
	{"IpSyncEnabled", PT_BOOL, PF_STORE, .off = SET(ip_sync)},
	{"LinkIsUp", PT_BOOL, PF_RO, .text = "true"},
	{"LinkPolicy", PT_UINT, PF_ARRAY, .value = link_policy, .max = 255},
	{"MACAddress", PT_STR, PF_RO, .value = mac},
	{"PhysicalConnectionType", PT_UINT, PF_RO, .text = "0"},
	{"PrimaryDNS", PT_STR, PF_STORE | PF_HIDE_EMPTY, .off = SET(dns1), .max = 15},
	{"SecondaryDNS", PT_STR, PF_STORE | PF_HIDE_EMPTY, .off = SET(dns2), .max = 15},
	{"SharedDynamicIP", PT_BOOL, PF_RO, .text = "true"},
	{"SharedMAC", PT_BOOL, PF_RO, .text = "true"},
	{"SharedStaticIp", PT_BOOL, PF_STORE, .off = SET(shared_static)},
	{"SubnetMask", PT_STR, PF_STORE | PF_HIDE_EMPTY, .off = SET(mask), .max = 15},
	{"VLANTag", PT_UINT, PF_STORE, .off = SET(vlan), .max = 4094},
	{NULL},
};

/* SPEC: provisioning.md 4 NETWORK, the table of modes */
static enum wfault port_put(struct call *c)
{
	struct settings *s = &c->d->set;
	bool dhcp = strcmp(xml_child(c->body, "DHCPEnabled")->text, "true") == 0;
	const struct xml_node *sync = xml_child(c->body, "IpSyncEnabled");
	bool synced = sync ? strcmp(sync->text, "true") == 0 : s->ip_sync;
	bool addressed = xml_child(c->body, "IPAddress") && xml_child(c->body, "SubnetMask");
	if (!dhcp && !synced && !addressed)
		return WF_SCHEMA;
	if (dhcp && xml_child(c->body, "IPAddress"))
		return WF_SCHEMA;
	uint32_t n = 0;
	for (const struct xml_node *x = xml_child(c->body, "LinkPolicy"); x; x = x->next)
		if (strcmp(x->name, "LinkPolicy") == 0 && n < 4)
			s->link_policy[n++] = (uint32_t)strtoul(x->text, NULL, 10);
	if (n > 0)
		s->n_link_policy = n;
	return WF_NONE;
}

const struct class_def class_ethernet_port = {
	.name = "AMT_EthernetPortSettings",
	.ns = NS_AMT,
	.props = port_props,
	.count = port_count,
	.can_put = true,
	.put = port_put,
};

/* ---- IPS_HostBasedSetupService -------------------------------------------------------------- */

static void modes(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d, (void)i;
	w_uint(w, p->name, 2);
	w_uint(w, p->name, 1);
}

static void nonce(struct writer *w, struct device *d, int i, const struct prop *p)
{
	uint8_t raw[20];
	(void)i;
	rng_bytes(&d->rng, raw, sizeof raw);
	w_b64(w, p->name, raw, sizeof raw);
}

static void current_mode(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	w_uint(w, p->name, d->state == DEV_POST ? 2 : 0);
}

static const struct prop host_setup_props[] = {
	{"AllowedControlModes", PT_UINT, PF_RO | PF_ARRAY, .value = modes},
	{"CertChainStatus", PT_UINT, PF_RO, .text = "0"},
	{"ConfigurationNonce", PT_B64, PF_RO, .value = nonce},
	{"CreationClassName", PT_STR, PF_RO, .text = "IPS_HostBasedSetupService"},
	{"CurrentControlMode", PT_UINT, PF_RO, .value = current_mode},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Host Based Setup Service"},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Host Based Setup Service"},
	PROPS_SYSTEM,
	{NULL},
};

const struct class_def class_host_based_setup = {
	.name = "IPS_HostBasedSetupService",
	.ns = NS_IPS,
	.props = host_setup_props,
};
