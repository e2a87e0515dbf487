/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of remote access and of environment detection; see remote.h. */
#include "bench/sim/classes/remote.h"

#include "bench/sim/classes/class.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MPS_PREFIX   "Intel(r) AMT:Management Presence Server "
#define LOGIN_PREFIX "Intel(r) AMT:MPS Username Password "
#define RULE_KEYS                                                         \
	"CreationClassName=AMT_RemoteAccessPolicyRule;PolicyRuleName=%s;" \
	"SystemCreationClassName=CIM_ComputerSystem;SystemName=Intel(r) AMT"

enum { BY_CERTIFICATE = 1, BY_PASSWORD = 2 };
enum { FORMAT_IPV4 = 3, FORMAT_IPV6 = 4, FORMAT_FQDN = 201 };

static const char *const rule_names[REMOTE_RULES_MAX] = {"User Initiated", "Alert", "Periodic"};

const struct remote remote_factory = {.user_state = 32768};

static const struct remote *remote_of(const struct device *d)
{
	return part_read(d, PART_REMOTE);
}

bool remote_uses_cert(const struct device *d, int handle)
{
	const struct remote *r = remote_of(d);
	for (size_t i = 0; i < REMOTE_MPS_MAX; i++)
		if (r->mps[i].used && r->mps[i].cert == handle)
			return true;
	return false;
}

/* ---- AMT_ManagementPresenceRemoteSAP --------------------------------------------------------- */

static int mps_count(const struct device *d)
{
	(void)d;
	return REMOTE_MPS_MAX;
}

static bool mps_exists(const struct device *d, int i)
{
	return remote_of(d)->mps[i].used;
}

static void mps_name(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[80];
	snprintf(text, sizeof text, MPS_PREFIX "%u", remote_of(d)->mps[i].number);
	w_text(w, p->name, text);
}

#define M(field) offsetof(struct remote_mps, field)
static const struct prop mps_props[] = {
	{"AccessInfo", PT_STR, PF_RO, .off = M(access)},
	{"CN", PT_STR, PF_RO | PF_HIDE_EMPTY, .off = M(cn)},
	{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "AMT_ManagementPresenceRemoteSAP"},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT:Management Presence Server"},
	{"InfoFormat", PT_UINT, PF_RO, .off = M(format)},
	{"Name", PT_STR, PF_RO | PF_ID, .value = mps_name},
	{"Port", PT_UINT, PF_RO, .off = M(port)},
	PROPS_SYSTEM,
	{NULL},
};

static bool mps_in_use(const struct remote *r, uint32_t number)
{
	for (size_t i = 0; i < REMOTE_RULES_MAX; i++)
		for (uint32_t k = 0; r->rules[i].used && k < r->rules[i].n_mps; k++)
			if (r->rules[i].mps[k].number == number)
				return true;
	return false;
}

static enum wfault mps_delete(struct call *c)
{
	if (mps_in_use(remote_of(c->d), remote_of(c->d)->mps[c->instance].number))
		return WF_ACCESS_DENIED;
	struct remote *r = part_write(c->d, PART_REMOTE);
	if (!r)
		return WF_INTERNAL;
	r->mps[c->instance] = (struct remote_mps){.used = false};
	return WF_NONE;
}

const struct class_def class_mps = {
	.name = "AMT_ManagementPresenceRemoteSAP",
	.ns = NS_AMT,
	.props = mps_props,
	.count = mps_count,
	.exists = mps_exists,
	.part = PART_REMOTE,
	.base = offsetof(struct remote, mps),
	.stride = sizeof(struct remote_mps),
	.del = mps_delete,
};

/* ---- AMT_MPSUsernamePassword ----------------------------------------------------------------- */

static bool login_exists(const struct device *d, int i)
{
	const struct remote_mps *m = &remote_of(d)->mps[i];
	return m->used && m->method == BY_PASSWORD;
}

static void login_id(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[64];
	snprintf(text, sizeof text, LOGIN_PREFIX "%u", remote_of(d)->mps[i].number);
	w_text(w, p->name, text);
}

const struct class_def class_mps_login = {
	.name = "AMT_MPSUsernamePassword",
	.ns = NS_AMT,
	.props = (const struct prop[]){{"InstanceID", PT_STR, PF_RO | PF_ID, .value = login_id},
		{"RemoteID", PT_STR, PF_STORE | PF_REQ, .off = M(user), .max = REMOTE_USER_MAX},
		{"Secret", PT_STR, PF_STORE | PF_SECRET, .off = M(password),
			.max = REMOTE_USER_MAX},
		{NULL}},
	.count = mps_count,
	.exists = login_exists,
	.part = PART_REMOTE,
	.base = offsetof(struct remote, mps),
	.stride = sizeof(struct remote_mps),
	.can_put = true,
};

/* ---- AMT_RemoteAccessPolicyRule -------------------------------------------------------------- */

static int rule_count(const struct device *d)
{
	(void)d;
	return REMOTE_RULES_MAX;
}

static bool rule_exists(const struct device *d, int i)
{
	return remote_of(d)->rules[i].used;
}

static void rule_name(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d;
	w_text(w, p->name, rule_names[i]);
}

static void rule_data(struct writer *w, struct device *d, int i, const struct prop *p)
{
	const struct remote_rule *r = &remote_of(d)->rules[i];
	if (r->data_len)
		w_b64(w, p->name, r->data, r->data_len);
}

static void rule_trigger(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d;
	w_uint(w, p->name, (uint64_t)i);
}

static const struct prop rule_props[] = {
	{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "AMT_RemoteAccessPolicyRule"},
	/* The firmware's own spelling. */
	{"ElementName", PT_STR, PF_RO, .text = "Inte(r) AMT:Remote Access Policy"},
	{"ExtendedData", PT_B64, PF_RO, .value = rule_data},
	{"PolicyRuleName", PT_STR, PF_RO | PF_ID, .value = rule_name},
	PROPS_SYSTEM,
	{"Trigger", PT_UINT, PF_RO, .value = rule_trigger},
	{"TunnelLifeTime", PT_UINT, PF_STORE, .off = offsetof(struct remote_rule, lifetime)},
	{NULL},
};

static enum wfault rule_delete(struct call *c)
{
	struct remote *r = part_write(c->d, PART_REMOTE);
	if (!r)
		return WF_INTERNAL;
	r->rules[c->instance] = (struct remote_rule){.used = false};
	return WF_NONE;
}

const struct class_def class_remote_rule = {
	.name = "AMT_RemoteAccessPolicyRule",
	.ns = NS_AMT,
	.props = rule_props,
	.count = rule_count,
	.exists = rule_exists,
	.part = PART_REMOTE,
	.base = offsetof(struct remote, rules),
	.stride = sizeof(struct remote_rule),
	.can_put = true,
	.del = rule_delete,
};

/* ---- AMT_RemoteAccessPolicyAppliesToMPS ------------------------------------------------------ */

static int applies_count(const struct device *d)
{
	(void)d;
	return REMOTE_RULES_MAX * REMOTE_PER_RULE_MAX;
}

static bool applies_exists(const struct device *d, int i)
{
	const struct remote_rule *r = &remote_of(d)->rules[i / REMOTE_PER_RULE_MAX];
	return r->used && (uint32_t)(i % REMOTE_PER_RULE_MAX) < r->n_mps;
}

static void applies_mps(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[300];
	const struct remote_rule *r = &remote_of(d)->rules[i / REMOTE_PER_RULE_MAX];
	snprintf(text, sizeof text,
		"AMT_ManagementPresenceRemoteSAP;"
		"CreationClassName=AMT_ManagementPresenceRemoteSAP;Name=" MPS_PREFIX
		"%u;SystemCreationClassName=CIM_ComputerSystem;SystemName=Intel(r) AMT",
		r->mps[i % REMOTE_PER_RULE_MAX].number);
	w_refs(w, p->name, text);
}

static void applies_order(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d;
	w_uint(w, p->name, (uint64_t)(i % REMOTE_PER_RULE_MAX));
}

static void applies_rule(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[300];
	(void)d;
	snprintf(text, sizeof text, "AMT_RemoteAccessPolicyRule;" RULE_KEYS,
		rule_names[i / REMOTE_PER_RULE_MAX]);
	w_refs(w, p->name, text);
}

static void applies_type(struct writer *w, struct device *d, int i, const struct prop *p)
{
	const struct remote_rule *r = &remote_of(d)->rules[i / REMOTE_PER_RULE_MAX];
	w_uint(w, p->name, r->mps[i % REMOTE_PER_RULE_MAX].type);
}

/* Both keys are in the body: the instance is found by them when there is no selector. */
static enum wfault applies_put(struct call *c)
{
	struct remote *r = part_write(c->d, PART_REMOTE);
	if (!r)
		return WF_INTERNAL;
	int i = c->instance;
	r->rules[i / REMOTE_PER_RULE_MAX].mps[i % REMOTE_PER_RULE_MAX].type =
		(uint32_t)arg_uint(c, 1, 2);
	return WF_NONE;
}

const struct class_def class_remote_applies = {
	.name = "AMT_RemoteAccessPolicyAppliesToMPS",
	.ns = NS_AMT,
	.props = (const struct prop[]){{"ManagedElement", PT_REF, PF_RO, .value = applies_mps},
		{"MpsType", PT_UINT, PF_REQ, .max = 2, .value = applies_type},
		{"OrderOfAccess", PT_UINT, PF_RO, .value = applies_order},
		{"PolicySet", PT_REF, PF_RO, .value = applies_rule}, {NULL}},
	.count = applies_count,
	.exists = applies_exists,
	.can_put = true,
	.put = applies_put,
};

/* ---- AMT_RemoteAccessService ----------------------------------------------------------------- */

enum { M_ACCESS, M_FORMAT, M_PORT, M_METHOD, M_CERT, M_USER, M_PASSWORD, M_CN };

static bool address_ok(const char *text, uint64_t format)
{
	uint8_t raw[16];
	if (format == FORMAT_FQDN)
		return *text != '\0' && strchr(text, ' ') == NULL;
	return inet_pton(format == FORMAT_IPV4 ? AF_INET : AF_INET6, text, raw) == 1;
}

static uint32_t read_mps(const struct call *c, struct remote_mps *m)
{
	uint64_t format = arg_uint(c, M_FORMAT, 0), method = arg_uint(c, M_METHOD, 0);
	*m = (struct remote_mps){.used = true,
		.format = (uint32_t)format,
		.port = (uint32_t)arg_uint(c, M_PORT, 0),
		.method = (uint32_t)method,
		.cert = c->args[M_CERT] ? arg_cert(c, M_CERT) : -1};
	bool known = format == FORMAT_IPV4 || format == FORMAT_IPV6 || format == FORMAT_FQDN;
	bool login = method == BY_CERTIFICATE ? m->cert >= 0
					      : method == BY_PASSWORD && *arg_text(c, M_USER) &&
							*arg_text(c, M_PASSWORD);
	/* An address has no name to compare the certificate with. */
	bool named = format == FORMAT_FQDN || *arg_text(c, M_CN);
	if (!known || !login || !named || m->port == 0 ||
		!address_ok(arg_text(c, M_ACCESS), format))
		return RV_INVALID_PARAMETER;
	snprintf(m->access, sizeof m->access, "%s", arg_text(c, M_ACCESS));
	snprintf(m->cn, sizeof m->cn, "%s", arg_text(c, M_CN));
	snprintf(m->user, sizeof m->user, "%s", arg_text(c, M_USER));
	snprintf(m->password, sizeof m->password, "%s", arg_text(c, M_PASSWORD));
	return RV_OK;
}

static enum wfault add_mps(struct call *c)
{
	const struct remote *now = remote_of(c->d);
	struct remote_mps m;
	size_t at = REMOTE_MPS_MAX;
	c->rv = read_mps(c, &m);
	for (size_t i = REMOTE_MPS_MAX; i-- > 0;) {
		if (!now->mps[i].used)
			at = i;
		else if (c->rv == RV_OK && strcmp(now->mps[i].access, m.access) == 0)
			c->rv = RV_DUPLICATE;
	}
	if (c->rv == RV_OK && at == REMOTE_MPS_MAX)
		c->rv = RV_MAX_LIMIT;
	if (c->rv != RV_OK)
		return WF_NONE;
	struct remote *r = part_write(c->d, PART_REMOTE);
	if (!r)
		return WF_INTERNAL;
	m.number = r->next_number++;
	r->mps[at] = m;
	char text[300];
	snprintf(text, sizeof text,
		"AMT_ManagementPresenceRemoteSAP;"
		"CreationClassName=AMT_ManagementPresenceRemoteSAP;Name=" MPS_PREFIX
		"%u;SystemCreationClassName=CIM_ComputerSystem;SystemName=Intel(r) AMT",
		m.number);
	w_refs(&c->w, "MpServer", text);
	snprintf(c->note, sizeof c->note, "server %u", m.number);
	return WF_NONE;
}

enum { R_TRIGGER, R_LIFETIME, R_DATA, R_MPS, R_INTERNAL };

/* Numbers of the servers that a repeated reference names. */
static bool read_servers(const struct call *c, size_t arg, uint32_t type, struct remote_rule *rule)
{
	const struct remote *r = remote_of(c->d);
	struct call one = *c;
	for (const struct xml_node *x = c->args[arg]; x; x = x->next) {
		if (strcmp(x->name, c->args[arg]->name) != 0)
			continue;
		one.args[arg] = x;
		int number = device_handle(
			arg_ref(&one, arg, "AMT_ManagementPresenceRemoteSAP", "Name"), MPS_PREFIX);
		size_t i = 0;
		while (i < REMOTE_MPS_MAX && !(r->mps[i].used && (int)r->mps[i].number == number))
			i++;
		if (i == REMOTE_MPS_MAX || rule->n_mps == REMOTE_PER_RULE_MAX)
			return false;
		rule->mps[rule->n_mps].number = (uint32_t)number;
		rule->mps[rule->n_mps++].type = type;
	}
	return true;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Interval: 0 and seconds; daily: 1, hour, minute. SPEC: provisioning.md 4 CIRA 4 */
static bool data_ok(const struct remote_rule *rule)
{
	if (rule->data_len == 8)
		return be32(rule->data) == 0 && be32(rule->data + 4) > 0;
	return rule->data_len == 12 && be32(rule->data) == 1 && be32(rule->data + 4) < 24 &&
	       be32(rule->data + 8) < 60;
}

static uint32_t read_rule(const struct call *c, struct remote_rule *rule)
{
	struct buf raw;
	*rule = (struct remote_rule){
		.used = true, .lifetime = (uint32_t)arg_uint(c, R_LIFETIME, 0)};
	buf_init(&raw, 64);
	bool good = !c->args[R_DATA] || (arg_b64(c, R_DATA, &raw) && raw.len <= REMOTE_DATA_MAX);
	if (good && raw.len) {
		memcpy(rule->data, raw.data, raw.len);
		rule->data_len = (uint8_t)raw.len;
	}
	buf_free(&raw);
	good = good && read_servers(c, R_MPS, 0, rule) && read_servers(c, R_INTERNAL, 1, rule);
	if (!good || rule->n_mps == 0 || (arg_uint(c, R_TRIGGER, 0) == 2 && !data_ok(rule)))
		return RV_INVALID_PARAMETER;
	return RV_OK;
}

/* Without MpsType in the list of who is called there is no second kind of server. SPEC: P 4, 6 */
static bool has_internal(const struct device *d)
{
	enum { MPS_TYPE = 1 }; /* its place in class_remote_applies.props */
	return !(absent_props(d->as->absent, CLASS_remote_applies) & 1u << MPS_TYPE);
}

static enum wfault add_rule(struct call *c)
{
	struct remote_rule rule;
	uint64_t trigger = arg_uint(c, R_TRIGGER, REMOTE_RULES_MAX);
	if (c->args[R_INTERNAL] && !has_internal(c->d))
		return WF_SCHEMA;
	if (trigger >= REMOTE_RULES_MAX)
		c->rv = RV_INVALID_PARAMETER;
	else if (remote_of(c->d)->rules[trigger].used)
		c->rv = RV_DUPLICATE;
	else
		c->rv = read_rule(c, &rule);
	if (c->rv != RV_OK)
		return WF_NONE;
	struct remote *r = part_write(c->d, PART_REMOTE);
	if (!r)
		return WF_INTERNAL;
	r->rules[trigger] = rule;
	char text[300];
	snprintf(text, sizeof text, "AMT_RemoteAccessPolicyRule;" RULE_KEYS, rule_names[trigger]);
	w_refs(&c->w, "PolicyRule", text);
	snprintf(c->note, sizeof c->note, "rule %s", rule_names[trigger]);
	return WF_NONE;
}

static const struct prop mps_in[] = {
	[M_ACCESS] = {"AccessInfo", PT_STR, PF_REQ, .max = REMOTE_TEXT_MAX},
	[M_FORMAT] = {"InfoFormat", PT_UINT, PF_REQ},
	[M_PORT] = {"Port", PT_UINT, PF_REQ, .max = 65535},
	[M_METHOD] = {"AuthMethod", PT_UINT, PF_REQ},
	[M_CERT] = {"Certificate", PT_REF},
	[M_USER] = {"Username", PT_STR, 0, .max = REMOTE_USER_MAX},
	[M_PASSWORD] = {"Password", PT_STR, PF_SECRET, .max = REMOTE_USER_MAX},
	[M_CN] = {"CN", PT_STR, 0, .max = REMOTE_TEXT_MAX},
	{NULL},
};
static const struct prop rule_in[] = {
	[R_TRIGGER] = {"Trigger", PT_UINT, PF_REQ},
	[R_LIFETIME] = {"TunnelLifeTime", PT_UINT, PF_REQ},
	[R_DATA] = {"ExtendedData", PT_B64},
	[R_MPS] = {"MpServer", PT_REF, PF_ARRAY, .cap = REMOTE_PER_RULE_MAX},
	[R_INTERNAL] = {"InternalMpServer", PT_REF, PF_ARRAY, .cap = REMOTE_PER_RULE_MAX},
	{NULL},
};

const struct class_def class_remote_service = {
	.name = "AMT_RemoteAccessService",
	.ns = NS_AMT,
	.props = (const struct prop[]){PROPS_SERVICE("AMT_RemoteAccessService",
					       "Intel(r) AMT Remote Access Service"),
		{"IsRemoteTunnelConnected", PT_BOOL, PF_RO, .text = "false"},
		{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Remote Access Service"},
		{"RemoteTunnelKeepAliveTimeout", PT_UINT, PF_RO, .text = "4294967295"},
		PROPS_SYSTEM, {NULL}},
	.methods = (const struct method[]){{"AddMpServer", mps_in, .mutates = true, .fn = add_mps},
		{"AddRemoteAccessPolicyRule", rule_in, .mutates = true, .fn = add_rule}, {NULL}},
};

#define NUMBER_(n) #n
#define NUMBER(n)  NUMBER_(n)
const struct class_def class_remote_capabilities = {
	.name = "AMT_RemoteAccessCapabilities",
	.ns = NS_AMT,
	.props = (const struct prop[]){{"ElementName", PT_STR, PF_RO,
					       .text = "Intel(r) AMT:Remote Access Capabilities"},
		{"InstanceID", PT_STR, PF_RO | PF_ID,
			.text = "Intel(r) AMT:Remote Access Capabilities"},
		{"MaxMpsPerPolicy", PT_UINT, PF_RO, .text = NUMBER(REMOTE_PER_RULE_MAX)},
		{"MaxTotalMpServers", PT_UINT, PF_RO, .text = NUMBER(REMOTE_MPS_MAX)},
		{"MaxTotalPolicies", PT_UINT, PF_RO, .text = NUMBER(REMOTE_RULES_MAX)},
		{"MaxTotalProxyEntryPoints", PT_UINT, PF_RO, .text = "15"}, {NULL}},
};

/* ---- AMT_UserInitiatedConnectionService ------------------------------------------------------ */

static enum wfault user_state(struct call *c)
{
	uint32_t wanted;
	if (!arg_state(c, (const uint32_t[]){32768, 32769, 32770, 32771, 0}, &wanted))
		return WF_NONE;
	struct remote *r = part_write(c->d, PART_REMOTE);
	if (!r)
		return WF_INTERNAL;
	r->user_state = wanted;
	return WF_NONE;
}

const struct class_def class_user_connection = {
	.name = "AMT_UserInitiatedConnectionService",
	.ns = NS_AMT,
	.props = (const struct prop[]){PROPS_SERVICE("AMT_UserInitiatedConnectionService",
					       "Intel(r) AMT User Initiated Connection Service"),
		{"EnabledState", PT_UINT, PF_RO, .off = offsetof(struct remote, user_state)},
		{"LastConnectionReason", PT_STR, PF_RO, .text = ""},
		{"Name", PT_STR, PF_RO | PF_ID,
			.text = "Intel(r) AMT User Initiated Connection Service"},
		PROPS_SYSTEM, {NULL}},
	.methods = (const struct method[]){{"RequestStateChange", state_change_in, .mutates = true,
						   .fn = user_state},
		{NULL}},
	.part = PART_REMOTE,
};

/* ---- AMT_EnvironmentDetectionSettingData ----------------------------------------------------- */

#define R(field) offsetof(struct remote, field)
const struct class_def class_environment = {
	.name = "AMT_EnvironmentDetectionSettingData",
	.ns = NS_AMT,
	.props = (const struct prop[]){{"DetectionAlgorithm", PT_UINT, PF_STORE | PF_REQ,
					       .off = R(detection_algorithm), .max = 1},
		{"DetectionIPv6LocalPrefixes", PT_STR, PF_STORE | PF_ARRAY, .off = R(prefixes),
			.max = REMOTE_SUFFIX_MAX, .cap = REMOTE_SUFFIXES},
		{"DetectionStrings", PT_STR, PF_STORE | PF_ARRAY, .off = R(suffixes),
			.max = REMOTE_SUFFIX_MAX, .cap = REMOTE_SUFFIXES},
		{"ElementName", PT_STR, PF_RO,
			.text = "Intel(r) AMT Environment Detection Settings"},
		{"InstanceID", PT_STR, PF_RO | PF_ID,
			.text = "Intel(r) AMT Environment Detection Settings"},
		{NULL}},
	.part = PART_REMOTE,
	.can_put = true,
};
