/* SPDX-License-Identifier: Apache-2.0 */
/*
 * General settings, software identity, clock and the setup service with its commit.
 * SPEC: provisioning.md 3; wsman.md 6, 7
 */
#include "bench/sim/classes/class.h"
#include "bench/sim/classes/record.h"

#include "common/base/clock.h"
#include "common/base/codec.h"

#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* ---- AMT_GeneralSettings ------------------------------------------------------------------- */

static void realm_value(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	(void)instance;
	w_text(w, p->name, d->realm);
}

static const struct prop general_props[] = {
	{"AMTNetworkEnabled", PT_UINT, PF_STORE, .off = SET(network_enabled), .max = 1},
	{"DDNSPeriodicUpdateInterval", PT_UINT, PF_STORE, .off = SET(ddns_interval)},
	{"DDNSTTL", PT_UINT, PF_STORE, .off = SET(ddns_ttl)},
	{"DDNSUpdateByDHCPServerEnabled", PT_BOOL, PF_STORE, .off = SET(ddns_by_dhcp)},
	{"DDNSUpdateEnabled", PT_BOOL, PF_STORE, .off = SET(ddns)},
	{"DHCPSyncRequiresHostname", PT_UINT, PF_RO, .text = "1"},
	{"DHCPv6ConfigurationTimeout", PT_UINT, PF_STORE, .off = SET(dhcpv6_timeout)},
	{"DigestRealm", PT_STR, PF_RO, .value = realm_value},
	{"DomainName", PT_STR, PF_STORE, .off = SET(domain), .max = 191},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT: General Settings"},
	{"HostName", PT_STR, PF_STORE, .off = SET(host), .max = 63},
	{"HostOSFQDN", PT_STR, PF_STORE, .off = SET(os_fqdn), .max = 255},
	{"IdleWakeTimeout", PT_UINT, PF_STORE, .off = SET(idle_wake), .max = 65535},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT: General Settings"},
	{"NetworkInterfaceEnabled", PT_BOOL, PF_RO, .text = "true"},
	{"PingResponseEnabled", PT_BOOL, PF_STORE | PF_REQ, .off = SET(ping)},
	{"PowerSource", PT_UINT, PF_RO, .text = "0"},
	{"PreferredAddressFamily", PT_UINT, PF_STORE, .off = SET(preferred_family), .max = 1},
	{"PresenceNotificationInterval", PT_UINT, PF_STORE, .off = SET(presence_interval)},
	{"PrivacyLevel", PT_UINT, PF_RO, .off = SET(privacy)},
	{"RmcpPingResponseEnabled", PT_BOOL, PF_STORE, .off = SET(rmcp_ping)},
	{"SharedFQDN", PT_BOOL, PF_STORE, .off = SET(shared_fqdn)},
	{"ThunderboltDockEnabled", PT_UINT, PF_STORE, .off = SET(thunderbolt), .max = 1},
	{"WsmanOnlyMode", PT_BOOL, PF_STORE | PF_REQ, .off = SET(wsman_only)},
	{NULL},
};

/* In service a name that the bound certificate denies: a console that connects now is told of a
 * stranger. The firmware does not mind; the judge does. SPEC: maintenance.md 5 */
static void name_denied(struct call *c)
{
	const struct device *d = c->d;
	const struct xml_node *host = xml_child(c->body, "HostName");
	const struct xml_node *domain = xml_child(c->body, "DomainName");
	const struct dev_cert *bound = device_cert(c->d, d->committed.cert);
	char name[DEVICE_FQDN_MAX];
	if (d->state != DEV_POST || !host || !domain || !bound)
		return;
	bool same =
		strcmp(host->text, d->set.host) == 0 && strcmp(domain->text, d->set.domain) == 0;
	snprintf(name, sizeof name, "%s.%s", host->text, domain->text);
	if (!same && X509_check_host(bound->x509, name, 0, 0, NULL) != 1)
		snprintf(c->note, sizeof c->note, "denied %.60s", name);
}

static enum wfault general_put(struct call *c)
{
	const struct xml_node *wake = xml_child(c->body, "IdleWakeTimeout");
	const struct xml_node *net = xml_child(c->body, "AMTNetworkEnabled");
	if ((wake && strcmp(wake->text, "0") == 0) || (net && strcmp(net->text, "1") != 0))
		return WF_SCHEMA;
	const struct xml_node *host = xml_child(c->body, "HostName");
	if (host && strchr(host->text, ' '))
		return WF_SCHEMA;
	name_denied(c);
	return WF_NONE;
}

const struct class_def class_general_settings = {
	.name = "AMT_GeneralSettings",
	.ns = NS_AMT,
	.props = general_props,
	.can_put = true,
	.put = general_put,
};

/* ---- CIM_SoftwareIdentity ------------------------------------------------------------------ */

static const char *const software[] = {"Flash", "Netstack", "AMTApps", "AMT", "Sku", "VendorID",
	"Build Number", "Recovery Version", "Recovery Build Num", "Legacy Mode",
	"AMT FW Core Version"};

static int software_count(const struct device *d)
{
	(void)d;
	return sizeof software / sizeof software[0];
}

static void software_id(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	(void)d;
	w_text(w, p->name, software[instance]);
}

static void software_version(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	const char *id = software[instance];
	const char *text = d->as->version;
	if (strcmp(id, "Sku") == 0)
		text = d->as->sku;
	else if (strcmp(id, "VendorID") == 0)
		text = "8086";
	else if (strstr(id, "Build"))
		text = d->as->build;
	else if (strcmp(id, "Legacy Mode") == 0)
		text = "False";
	w_text(w, p->name, text);
}

static const struct prop software_props[] = {
	{"InstanceID", PT_STR, PF_RO | PF_ID, .value = software_id},
	{"IsEntity", PT_BOOL, PF_RO, .text = "true"},
	{"VersionString", PT_STR, PF_RO, .value = software_version},
	{NULL},
};

const struct class_def class_software_identity = {
	.name = "CIM_SoftwareIdentity",
	.ns = NS_CIM,
	.props = software_props,
	.count = software_count,
};

/* ---- AMT_TimeSynchronizationService -------------------------------------------------------- */

static const struct prop time_props[] = {
	PROPS_SERVICE(
		"AMT_TimeSynchronizationService", "Intel(r) AMT Time Synchronization Service"),
	{"EnabledState", PT_UINT, PF_RO, .text = "5"},
	{"LocalTimeSyncEnabled", PT_UINT, PF_RO, .text = "0"},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Time Synchronization Service"},
	{"RequestedState", PT_UINT, PF_RO, .text = "12"},
	PROPS_SYSTEM,
	{"TimeSource", PT_UINT, PF_RO, .text = "0"},
	{NULL},
};

static enum wfault time_get(struct call *c)
{
	w_uint(&c->w, "Ta0", (uint64_t)device_time(c->d));
	return WF_NONE;
}

static enum wfault time_set(struct call *c)
{
	/* Oldest date that any certificate or log of this firmware may have: 2004. */
	enum { FIRST_DATE = 1072915200, STALE_S = 300 };
	int64_t ta0 = (int64_t)arg_uint(c, 0, 0), tm1 = (int64_t)arg_uint(c, 1, 0);
	int64_t tm2 = (int64_t)arg_uint(c, 2, 0), now = device_time(c->d);
	if (tm2 < FIRST_DATE || tm2 < tm1 || ta0 > now + 1 || now - ta0 > STALE_S) {
		c->rv = RV_INVALID_PARAMETER;
		return WF_NONE;
	}
	/* NTP: offset = ((Tm1 - Ta0) + (Tm2 - now)) / 2 */
	c->d->clock_offset_s += ((tm1 - ta0) + (tm2 - now)) / 2;
	c->d->clock_set = true;
	return WF_NONE;
}

static const struct method time_methods[] = {
	{"GetLowAccuracyTimeSynch", NULL, .fn = time_get},
	{"SetHighAccuracyTimeSynch",
		(const struct prop[]){{"Ta0", PT_UINT, PF_REQ}, {"Tm1", PT_UINT, PF_REQ},
			{"Tm2", PT_UINT, PF_REQ}, {NULL}},
		.mutates = true, .fn = time_set},
	{NULL},
};

const struct class_def class_time_synchronization = {
	.name = "AMT_TimeSynchronizationService",
	.ns = NS_AMT,
	.props = time_props,
	.methods = time_methods,
};

/* ---- AMT_SetupAndConfigurationService ------------------------------------------------------ */

static void otp_value(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	static const uint8_t none[32];
	(void)instance;
	if (d->state == DEV_IN)
		w_b64(w, p->name, none, sizeof none);
}

static void state_value(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	(void)instance;
	w_uint(w, p->name, d->state);
}

static void suffix_value(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	(void)instance;
	w_text(w, p->name, d->suffix);
}

static const struct prop setup_props[] = {
	{"CreationClassName", PT_STR, PF_RO, .text = "AMT_SetupAndConfigurationService"},
	{"DhcpDNSSuffix", PT_STR, PF_RO, .value = suffix_value},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Setup and Configuration Service"},
	{"EnabledState", PT_UINT, PF_RO, .text = "5"},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Setup and Configuration Service"},
	{"PasswordModel", PT_UINT, PF_RO, .text = "1"},
	{"ProvisioningMode", PT_UINT, PF_RO, .text = "1"},
	{"ProvisioningServerOTP", PT_B64, PF_RO, .value = otp_value},
	{"ProvisioningState", PT_UINT, PF_RO, .value = state_value},
	{"RequestedState", PT_UINT, PF_RO, .text = "12"},
	PROPS_SYSTEM,
	{"ZeroTouchConfigurationEnabled", PT_BOOL, PF_RO, .text = "true"},
	{NULL},
};

static enum wfault get_uuid(struct call *c)
{
	uint8_t wire[16];
	uuid_to_wire(&c->d->uuid, wire);
	if (device_has(c->d, FAULT_UUID_MISMATCH))
		wire[15] ^= 0xFF;
	w_b64(&c->w, "UUID", wire, sizeof wire);
	return WF_NONE;
}

/* 8 to 32 of 7-bit ASCII, four classes, without : , " SPEC: wsman.md 7 */
static bool password_strong(const char *p)
{
	bool upper = false, lower = false, digit = false, special = false;
	size_t len = strlen(p);
	for (const char *s = p; *s; s++) {
		unsigned char ch = (unsigned char)*s;
		if (ch < 32 || ch > 126 || strchr(":,\"", ch))
			return false;
		if (ch >= 'A' && ch <= 'Z')
			upper = true;
		else if (ch >= 'a' && ch <= 'z')
			lower = true;
		else if (ch >= '0' && ch <= '9')
			digit = true;
		else if (ch != '_' && ch != ' ')
			special = true;
	}
	return len >= 8 && len <= 32 && upper && lower && digit && special;
}

static enum wfault set_mebx(struct call *c)
{
	const char *password = arg_text(c, 0);
	if (!password_strong(password)) {
		c->rv = RV_INVALID_PASSWORD;
		return WF_NONE;
	}
	if (c->d->state != DEV_IN) { /* policy "during setup" */
		c->rv = RV_NOT_PERMITTED;
		return WF_NONE;
	}
	device_set_mebx(c->d, password);
	return WF_NONE;
}

/* One half of a pair: octets of the alphabet. Check characters are not verified on this way.
 * SPEC: psk.md 1 */
static bool arg_psk(struct call *c, size_t i, char *out, size_t len)
{
	struct buf raw;
	buf_init(&raw, PSK_DASHED_MAX);
	bool good = arg_b64(c, i, &raw) && raw.len == len;
	for (size_t at = 0; good && at < len; at++)
		good = psk_is_char((char)raw.data[at]);
	if (good) {
		memcpy(out, raw.data, len);
		out[len] = '\0';
	}
	buf_wipe(&raw);
	return good;
}

/* The pair of the next setup. The password that goes with it is the one in use then. */
static enum wfault set_psk(struct call *c)
{
	struct dev_psk pair = {.typed = true};
	if (!arg_psk(c, 0, pair.pid, PSK_PID_LEN))
		c->rv = RV_PID_FORMAT;
	else if (!arg_psk(c, 1, pair.pps, PSK_PPS_LEN))
		c->rv = RV_PPS_FORMAT;
	else
		c->d->next_psk = pair;
	OPENSSL_cleanse(&pair, sizeof pair);
	return WF_NONE;
}

#define HOUR_MS (3600ull * 1000)

static enum wfault extend(struct call *c)
{
	uint64_t hours = arg_uint(c, 0, 0);
	if (hours < 1 || hours > 24)
		c->rv = RV_INVALID_PARAMETER;
	else if (c->d->window_until_ms)
		c->d->window_until_ms = clock_boot_ms() + hours * HOUR_MS;
	return WF_NONE;
}

/* What a commit needs; "" when nothing is missing. SPEC: provisioning.md 3 COMMIT_A */
static const char *missing(struct device *d)
{
	const struct tls_setting *remote = &d->staged.setting[TLS_REMOTE];
	if ((d->as->commit.mebx || device_has(d, FAULT_MEBX_NEEDED)) && !d->mebx_digest[0])
		return "mebx password";
	if (d->set.dhcp && !d->set.host[0])
		return "host name";
	if (d->state == DEV_IN && !d->clock_set)
		return "clock";
	if (remote->enabled) {
		struct dev_cert *cert = device_cert(d, d->staged.cert);
		if (!cert || !device_cert_key(d, cert))
			return "key and certificate";
	}
	if (!d->as->clear_ports && !remote->enabled)
		return "tls";
	return "";
}

static enum wfault commit(struct call *c)
{
	struct device *d = c->d;
	d->n_commit_calls++;
	if (device_has(d, FAULT_COMMIT_LOST) && !d->commit_lost) {
		d->commit_lost = true;
		c->cut = true;
		snprintf(c->note, sizeof c->note, "lost");
		return WF_NONE;
	}
	const char *what = missing(d);
	if (*what) {
		snprintf(c->note, sizeof c->note, "missing: %s", what);
		c->rv = RV_DATA_MISSING;
		return WF_NONE;
	}
	device_commit(d);
	record_commit(d);
	c->committed = true;
	c->close = true;
	c->cut = d->as->commit.cut || device_has(d, FAULT_COMMIT_CUT);
	return WF_NONE;
}

static enum wfault unprovision(struct call *c)
{
	if (c->d->state != DEV_POST) {
		c->rv = RV_INVALID_STATE;
		return WF_NONE;
	}
	if (device_has(c->d, FAULT_AUDIT_LOCK)) {
		c->rv = RV_BLOCKING_COMPONENT;
		return WF_NONE;
	}
	bool full = strcmp(c->method->name, "Unprovision") == 0;
	if (full) /* somebody at the machine begins setup again */
		c->deaf_ms = laws_compressed(c->d->laws, c->d->laws->reboot_ms);
	device_enter_setup(c->d, full);
	c->setup_again = c->close = true;
	return WF_NONE;
}

/* SPEC: maintenance.md 6 */
static enum wfault blocking(struct call *c)
{
	const uint32_t audit_log = 1;
	if (device_has(c->d, FAULT_AUDIT_LOCK))
		w_uint(&c->w, "Component", audit_log);
	return WF_NONE;
}

static enum wfault nothing_to_do(struct call *c)
{
	(void)c;
	return WF_NONE;
}

static const struct method setup_methods[] = {
	{"GetUuid", NULL, .fn = get_uuid},
	{"SetMEBxPassword",
		(const struct prop[]){{"Password", PT_STR, PF_REQ | PF_SECRET, .max = 32}, {NULL}},
		.mutates = true, .fn = set_mebx},
	{"ExtendProvisioningPeriod", (const struct prop[]){{"Duration", PT_UINT, PF_REQ}, {NULL}},
		.mutates = true, .fn = extend},
	{"SetTLSPSK",
		(const struct prop[]){{"PID", PT_B64, PF_REQ}, {"PPS", PT_B64, PF_REQ}, {NULL}},
		.mutates = true, .fn = set_psk},
	{"CommitChanges", NULL, .mutates = true, .fn = commit},
	{"Unprovision",
		(const struct prop[]){{"ProvisioningMode", PT_UINT, PF_REQ, .max = 4}, {NULL}},
		.mutates = true, .fn = unprovision},
	{"GetUnprovisionBlockingComponents", NULL, .fn = blocking},
	{"PartialUnprovision", NULL, .mutates = true, .fn = unprovision},
	{"ResetFlashWearOutProtection", NULL, .mutates = true, .fn = nothing_to_do},
	{NULL},
};

const struct class_def class_setup_and_configuration = {
	.name = "AMT_SetupAndConfigurationService",
	.ns = NS_AMT,
	.props = setup_props,
	.methods = setup_methods,
};
