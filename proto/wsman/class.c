/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wsman/class.h"

#include <stdlib.h>
#include <string.h>

#define AMT(name)                       \
	{                               \
		name, WSMAN_NS_AMT name \
	}
#define CIM(name)                       \
	{                               \
		name, WSMAN_NS_CIM name \
	}
#define IPS(name)                       \
	{                               \
		name, WSMAN_NS_IPS name \
	}

/* Sorted by strcmp(): wsman_class_find() searches by halves. SPEC: provisioning.md 3, 4 */
static const struct wsman_class classes[] = {
	AMT("AMT_8021XProfile"),
	AMT("AMT_AuditLog"),
	AMT("AMT_AuthorizationService"),
	AMT("AMT_BootCapabilities"),
	AMT("AMT_EnvironmentDetectionSettingData"),
	AMT("AMT_EthernetPortSettings"),
	AMT("AMT_GeneralSettings"),
	AMT("AMT_KerberosSettingData"),
	AMT("AMT_ManagementPresenceRemoteSAP"),
	AMT("AMT_ProvisioningCertificateHash"),
	AMT("AMT_PublicKeyCertificate"),
	AMT("AMT_PublicKeyManagementCapabilities"),
	AMT("AMT_PublicKeyManagementService"),
	AMT("AMT_PublicPrivateKeyPair"),
	AMT("AMT_RedirectionService"),
	AMT("AMT_RemoteAccessCapabilities"),
	AMT("AMT_RemoteAccessPolicyAppliesToMPS"),
	AMT("AMT_RemoteAccessPolicyRule"),
	AMT("AMT_RemoteAccessService"),
	AMT("AMT_SetupAndConfigurationService"),
	AMT("AMT_SystemPowerScheme"),
	AMT("AMT_TLSCredentialContext"),
	AMT("AMT_TLSProtocolEndpointCollection"),
	AMT("AMT_TLSSettingData"),
	AMT("AMT_TimeSynchronizationService"),
	AMT("AMT_UserInitiatedConnectionService"),
	AMT("AMT_WebUIService"),
	AMT("AMT_WiFiPortConfigurationService"),
	CIM("CIM_AssociatedPowerManagementService"),
	CIM("CIM_BIOSElement"),
	CIM("CIM_Chassis"),
	CIM("CIM_ComputerSystemPackage"),
	CIM("CIM_ElementSettingData"),
	CIM("CIM_IEEE8021xSettings"),
	CIM("CIM_KVMRedirectionSAP"),
	CIM("CIM_SoftwareIdentity"),
	CIM("CIM_WiFiEndpoint"),
	CIM("CIM_WiFiEndpointSettings"),
	CIM("CIM_WiFiPort"),
	IPS("IPS_HostBasedSetupService"),
	IPS("IPS_IEEE8021xSettings"),
	IPS("IPS_IPv6PortSettings"),
	IPS("IPS_KVMRedirectionSettingData"),
	IPS("IPS_OptInService"),
	IPS("IPS_ProvisioningRecordLog"),
	IPS("IPS_TLSProvisioningRecord"),
};

#define N_CLASSES (sizeof classes / sizeof classes[0])

static const char *const actions[] = {
	[WSMAN_GET] = WSMAN_NS_TRANSFER "/Get",
	[WSMAN_PUT] = WSMAN_NS_TRANSFER "/Put",
	[WSMAN_CREATE] = WSMAN_NS_TRANSFER "/Create",
	[WSMAN_DELETE] = WSMAN_NS_TRANSFER "/Delete",
	[WSMAN_ENUMERATE] = WSMAN_NS_ENUM "/Enumerate",
	[WSMAN_PULL] = WSMAN_NS_ENUM "/Pull",
	[WSMAN_INVOKE] = NULL,
	[WSMAN_IDENTIFY] = NULL,
};

#define N_ACTIONS (sizeof actions / sizeof actions[0])

static int class_cmp(const void *key, const void *row)
{
	return strcmp(key, ((const struct wsman_class *)row)->name);
}

const struct wsman_class *wsman_class_find(const char *name)
{
	if (!name)
		return NULL;
	return bsearch(name, classes, N_CLASSES, sizeof classes[0], class_cmp);
}

const struct wsman_class *wsman_class_table(size_t *n)
{
	*n = N_CLASSES;
	return classes;
}

const char *wsman_class_base(const char *name)
{
	static const struct {
		const char *prefix, *base;
	} rows[] = {{"AMT_", WSMAN_NS_AMT}, {"CIM_", WSMAN_NS_CIM}, {"IPS_", WSMAN_NS_IPS}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strncmp(name, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return rows[i].base;
	return NULL;
}

const char *wsman_class_of_uri(const char *uri)
{
	const char *slash = strrchr(uri, '/');
	return slash ? slash + 1 : uri;
}

const char *wsman_action(enum wsman_op op)
{
	return (size_t)op < N_ACTIONS ? actions[op] : NULL;
}

enum wsman_op wsman_op_of_action(const char *action)
{
	if (action[0] == '\0')
		return WSMAN_IDENTIFY;
	for (size_t i = 0; i < N_ACTIONS; i++)
		if (actions[i] && strcmp(actions[i], action) == 0)
			return (enum wsman_op)i;
	return WSMAN_INVOKE;
}
