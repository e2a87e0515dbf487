/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wsman/status.h"

#include <stdlib.h>
#include <string.h>

/* Both lists ascend: wsman_status_find() searches by halves. SPEC: wsman.md 6 */
static const struct wsman_status amt_list[] = {
	{0, "SUCCESS", WSMAN_RETRY_NEVER},
	{1, "INTERNAL_ERROR", WSMAN_RETRY_NEVER},
	{2, "NOT_READY", WSMAN_RETRY_SOON},
	{3, "INVALID_PT_MODE", WSMAN_RETRY_NEVER},
	{9, "INVALID_REGISTRATION_DATA", WSMAN_RETRY_NEVER},
	{12, "INVALID_NAME", WSMAN_RETRY_NEVER},
	{16, "NOT_PERMITTED", WSMAN_RETRY_NEVER},
	{23, "MAX_LIMIT_REACHED", WSMAN_RETRY_NEVER},
	{24, "INVALID_AUTH_TYPE", WSMAN_RETRY_NEVER},
	{26, "INVALID_DHCP_MODE", WSMAN_RETRY_NEVER},
	{27, "INVALID_IP_ADDRESS", WSMAN_RETRY_NEVER},
	{28, "INVALID_DOMAIN_NAME", WSMAN_RETRY_NEVER},
	{30, "REQUEST_UNEXPECTED", WSMAN_RETRY_NEVER},
	{32, "INVALID_PROVISIONING_STATE", WSMAN_RETRY_NEVER},
	{34, "INVALID_TIME", WSMAN_RETRY_NEVER},
	{35, "INVALID_INDEX", WSMAN_RETRY_NEVER},
	{36, "INVALID_PARAMETER", WSMAN_RETRY_NEVER},
	{37, "INVALID_NETMASK", WSMAN_RETRY_NEVER},
	{38, "FLASH_WRITE_LIMIT_EXCEEDED", WSMAN_RETRY_LATE},
	{42, "INVALID_PID_FORMAT", WSMAN_RETRY_NEVER},
	{43, "INVALID_PPS_FORMAT", WSMAN_RETRY_NEVER},
	{47, "RNG_GENERATION_IN_PROGRESS", WSMAN_RETRY_SOON},
	{48, "RNG_NOT_READY", WSMAN_RETRY_SOON},
	{49, "CERTIFICATE_NOT_READY", WSMAN_RETRY_NEVER},
	{512, "REMOTE_ACCESS_NOT_GRANTED", WSMAN_RETRY_NEVER},
	{513, "VPN_DISABLED", WSMAN_RETRY_NEVER},
	{1024, "DISABLED_BY_POLICY", WSMAN_RETRY_NEVER},
	{2053, "INVALID_HANDLE", WSMAN_RETRY_NEVER},
	{2054, "INVALID_PASSWORD", WSMAN_RETRY_NEVER},
	{2055, "INVALID_REALM", WSMAN_RETRY_NEVER},
	{2056, "STORAGE_ACL_ENTRY_IN_USE", WSMAN_RETRY_NEVER},
	{2057, "DATA_MISSING", WSMAN_RETRY_NEVER},
	{2058, "DUPLICATE", WSMAN_RETRY_NEVER},
	{2060, "PKI_MISSING_KEYS", WSMAN_RETRY_NEVER},
	{2061, "PKI_GENERATING_KEYS", WSMAN_RETRY_SOON},
	{2062, "INVALID_KEY", WSMAN_RETRY_NEVER},
	{2063, "INVALID_CERT", WSMAN_RETRY_NEVER},
	{2064, "CERT_KEY_NOT_MATCH", WSMAN_RETRY_NEVER},
	{2065, "MAX_KERB_DOMAIN_REACHED", WSMAN_RETRY_NEVER},
	{2066, "UNSUPPORTED", WSMAN_RETRY_NEVER},
	{2067, "INVALID_PRIORITY", WSMAN_RETRY_NEVER},
	{2068, "NOT_FOUND", WSMAN_RETRY_NEVER},
	{2069, "INVALID_CREDENTIALS", WSMAN_RETRY_NEVER},
	{2070, "INVALID_PASSPHRASE", WSMAN_RETRY_NEVER},
	{2072, "NO_ASSOCIATION", WSMAN_RETRY_NEVER},
	{2075, "AUDIT_FAIL", WSMAN_RETRY_NEVER},
	{2076, "BLOCKING_COMPONENT", WSMAN_RETRY_NEVER},
	{2081, "USER_CONSENT_REQUIRED", WSMAN_RETRY_NEVER},
	{2082, "OPERATION_IN_PROGRESS", WSMAN_RETRY_SOON},
	/* Some AMT_ classes answer the CIM way although their method is not in its list. */
	{4099, "BUSY", WSMAN_RETRY_SOON},
};

static const struct wsman_status cim_list[] = {
	{0, "DONE", WSMAN_RETRY_NEVER},
	{1, "NOT_SUPPORTED", WSMAN_RETRY_NEVER},
	{2, "FAILED", WSMAN_RETRY_NEVER},
	{3, "INVALID_PARAMETER_OR_TIMEOUT", WSMAN_RETRY_NEVER},
	{4, "FAILED_OR_INVALID_REFERENCE", WSMAN_RETRY_NEVER},
	{5, "INVALID_PARAMETER", WSMAN_RETRY_NEVER},
	{6, "IN_USE", WSMAN_RETRY_NEVER},
	/* The flash is one: no source says that these methods tell of it otherwise. */
	{38, "FLASH_WRITE_LIMIT_EXCEEDED", WSMAN_RETRY_LATE},
	{4096, "JOB_STARTED", WSMAN_RETRY_NEVER},
	{4097, "INVALID_STATE_TRANSITION", WSMAN_RETRY_NEVER},
	{4098, "TIMEOUT_PARAMETER_NOT_SUPPORTED", WSMAN_RETRY_NEVER},
	{4099, "BUSY", WSMAN_RETRY_SOON},
};

static const struct wsman_fault_row faults[] = {
	{"DestinationUnreachable", WSMAN_REACT_ABSENT},
	{"ActionNotSupported", WSMAN_REACT_ABSENT},
	{"InvalidSelectors", WSMAN_REACT_SELECT},
	{"SchemaValidationError", WSMAN_REACT_SCHEMA},
	{"AlreadyExists", WSMAN_REACT_EXISTS},
	{"AccessDenied", WSMAN_REACT_DENIED},
	{"InternalError", WSMAN_REACT_BUSY},
	{"TimedOut", WSMAN_REACT_BUSY},
	{"Concurrency", WSMAN_REACT_BUSY},
	{"InvalidEnumerationContext", WSMAN_REACT_CONTEXT},
	{"EncodingLimit", WSMAN_REACT_SMALLER},
};

enum wsman_status_list wsman_status_list_of(const char *class_name, const char *method)
{
	const char *class = class_name ? class_name : "";
	const char *name = method ? method : "";

	if (strncmp(class, "CIM_", 4) == 0 || strcmp(name, "RequestStateChange") == 0 ||
		strcmp(class, "AMT_WiFiPortConfigurationService") == 0)
		return WSMAN_STATUS_CIM;
	return WSMAN_STATUS_AMT;
}

static int status_cmp(const void *key, const void *row)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct wsman_status *)row)->code;

	return (a > b) - (a < b);
}

const struct wsman_status *wsman_status_find(enum wsman_status_list list, uint32_t code)
{
	static const struct wsman_status unknown = {0, "UNKNOWN", WSMAN_RETRY_NEVER};
	const struct wsman_status *row;

	if (list == WSMAN_STATUS_CIM)
		row = bsearch(&code, cim_list, sizeof cim_list / sizeof cim_list[0],
			sizeof cim_list[0], status_cmp);
	else
		row = bsearch(&code, amt_list, sizeof amt_list / sizeof amt_list[0],
			sizeof amt_list[0], status_cmp);
	return row ? row : &unknown;
}

enum wsman_reaction wsman_fault_reaction(const char *subcode)
{
	const char *colon = strrchr(subcode, ':');
	const char *local = colon ? colon + 1 : subcode;

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		if (strcmp(faults[i].subcode, local) == 0)
			return faults[i].reaction;
	return WSMAN_REACT_FAIL;
}

const char *wsman_reaction_name(enum wsman_reaction reaction)
{
	static const char *const names[] = {
		[WSMAN_REACT_FAIL] = "fail",
		[WSMAN_REACT_ABSENT] = "absent",
		[WSMAN_REACT_SELECT] = "select",
		[WSMAN_REACT_SCHEMA] = "schema",
		[WSMAN_REACT_EXISTS] = "exists",
		[WSMAN_REACT_DENIED] = "denied",
		[WSMAN_REACT_BUSY] = "busy",
		[WSMAN_REACT_CONTEXT] = "context",
		[WSMAN_REACT_SMALLER] = "smaller",
	};
	return (size_t)reaction < sizeof names / sizeof names[0] ? names[reaction] : "fail";
}
