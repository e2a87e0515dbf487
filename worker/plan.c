/* SPDX-License-Identifier: Apache-2.0 */
/* The step table and the plans. See plan.h. */
#include "worker/plan.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define MPS     "AMT_ManagementPresenceRemoteSAP"
#define POLICY  "AMT_RemoteAccessPolicyRule"
#define APPLIES "AMT_RemoteAccessPolicyAppliesToMPS"
#define SCS     "AMT_SetupAndConfigurationService"
#define AUTH    "AMT_AuthorizationService"
#define PKM     "AMT_PublicKeyManagementService"

#define CALL(id_, name_, effect_, class_, action_, fn_, ...) \
	[id_] = {.name = name_,                              \
		.kind = KIND_CALL,                           \
		.effect = effect_,                           \
		.class_name = class_,                        \
		.action = action_,                           \
		.build = fn_##_build,                        \
		.interpret = fn_##_read,                     \
		__VA_ARGS__}
#define LIST(id_, name_, class_, fn_, ...) LIST_AGAIN(id_, name_, class_, fn_, fn_, __VA_ARGS__)
/* What another row has read before, when it was written. */
#define LIST_AGAIN(id_, name_, class_, fn_, read_, ...) \
	[id_] = {.name = name_,                         \
		.kind = KIND_LIST,                      \
		.class_name = class_,                   \
		.action = "Enumerate",                  \
		.build = fn_##_build,                   \
		.interpret = read_##_read,              \
		__VA_ARGS__}
#define MADE(id_, name_, kind_, what_, ...) \
	[id_] = {.name = name_, .kind = kind_, .action = what_, __VA_ARGS__}

/* The rows of a setting: read and compare, write in one of two ways or both, read again. */
#define SET_ROW(id_, name_, effect_, class_, action_, build_, read_, setting_, ...) \
	[id_] = {.name = name_,                                                     \
		.kind = KIND_CALL,                                                  \
		.effect = effect_,                                                  \
		.class_name = class_,                                               \
		.action = action_,                                                  \
		.build = build_,                                                    \
		.interpret = read_,                                                 \
		.setting = &setting_table[setting_],                                \
		__VA_ARGS__}
#define SET_GET(id_, name_, class_, setting_)                                                \
	SET_ROW(id_, name_, EFFECT_READ, class_, "Get", setting_get_build, setting_get_read, \
		setting_, .absent = ABSENT_SKIP, .fault = setting_get_fault)
#define SET_STATE(id_, name_, class_, setting_)                                            \
	SET_ROW(id_, name_, EFFECT_SET, class_, "RequestStateChange", setting_state_build, \
		setting_write_read, setting_, .absent = ABSENT_SKIP,                       \
		.refused = setting_state_refused)
#define SET_PUT(id_, name_, class_, setting_)                                                 \
	SET_ROW(id_, name_, EFFECT_SET, class_, "Put", setting_put_build, setting_write_read, \
		setting_, .fault = setting_put_fault, .secret = true)
#define SET_CHECK(id_, name_, class_, setting_)                                                  \
	SET_ROW(id_, name_, EFFECT_READ, class_, "Get", setting_check_build, setting_check_read, \
		setting_, .absent = ABSENT_FAIL)

/* A class that is only read, where it exists. */
#define READ_ALL(id_, name_, class_) LIST(id_, name_, class_, inventory, .absent = ABSENT_SKIP)

const struct step step_table[N_STEPS] = {
	/* phase A: setup session */
	MADE(STEP_CONNECT_SETUP, "setup.connect", KIND_CONNECT, "TLS with our provisioning chain"),
	CALL(STEP_GENERAL_GET, "identify.general", EFFECT_READ, "AMT_GeneralSettings", "Get",
		general_get),
	LIST(STEP_SOFTWARE_LIST, "identify.software", "CIM_SoftwareIdentity", software_list,
		.absent = ABSENT_SKIP),
	CALL(STEP_STATE_GET, "identify.state", EFFECT_READ, SCS, "Get", state_get),
	CALL(STEP_UUID_GET, "identify.uuid", EFFECT_READ, SCS, "GetUuid", uuid_get),
	MADE(STEP_OTP, "identify.otp", KIND_LOCAL, "compare the one-time password",
		.build = otp_build),
	CALL(STEP_WINDOW_EXTEND, "window.extend", EFFECT_SET, SCS, "ExtendProvisioningPeriod",
		window_extend, .refused = window_extend_refused, .fault = window_extend_fault),
	CALL(STEP_CLOCK_GET, "clock.get", EFFECT_READ, "AMT_TimeSynchronizationService",
		"GetLowAccuracyTimeSynch", clock_get),
	/* It counts from the Ta0 just read: after a lost answer that one is of the clock before. */
	CALL(STEP_CLOCK_SET, "clock.set", EFFECT_ONCE, "AMT_TimeSynchronizationService",
		"SetHighAccuracyTimeSynch", clock_set, .doubt = STEP_CLOCK_GET),
	CALL(STEP_NAME_PUT, "name.put", EFFECT_SET, "AMT_GeneralSettings", "Put", name_put,
		.fault = name_put_fault),
	CALL(STEP_MEBX_SET, "mebx.set", EFFECT_SECRET, SCS, "SetMEBxPassword", mebx_set,
		.absent = ABSENT_SKIP, .refused = mebx_set_refused),
	CALL(STEP_ADMIN_SET, "admin.set", EFFECT_SECRET, AUTH, "SetAdminAclEntryEx", admin_set,
		.refused = password_refused),
	MADE(STEP_PSK_MAKE, "psk.make", KIND_LOCAL, "a fresh PSK pair, in PSK setup",
		.build = psk_make_build),
	MADE(STEP_PSK_STORE, "psk.store", KIND_WORK, "keep it, before the device has it",
		.effect = EFFECT_SET, .build = psk_store_build),
	CALL(STEP_PSK_SET, "psk.set", EFFECT_SECRET, SCS, "SetTLSPSK", psk_set,
		.absent = ABSENT_SKIP, .refused = psk_set_refused, .fault = psk_set_fault),
	LIST(STEP_CERT_LIST, "cert.list", "AMT_PublicKeyCertificate", cert_list),
	LIST(STEP_KEY_LIST, "key.list", "AMT_PublicPrivateKeyPair", key_list,
		.absent = ABSENT_SKIP),
	LIST(STEP_CONTEXT_LIST, "context.list", "AMT_TLSCredentialContext", context_list),
	LIST(STEP_TLS_LIST, "tls.list", "AMT_TLSSettingData", tls_list, .end = tls_list_end),
	MADE(STEP_CERT_DECIDE, "cert.decide", KIND_LOCAL, "what is there already?",
		.build = cert_decide_build),
	CALL(STEP_KEY_SWEEP, "key.sweep", EFFECT_SET, "AMT_PublicPrivateKeyPair", "Delete",
		key_sweep, .fault = clean_refused),
	CALL(STEP_KEY_GENERATE, "key.generate", EFFECT_ONCE, PKM, "GenerateKeyPair", key_generate,
		.slow = STEP_SLOW, .doubt = STEP_CERT_LIST, .refused = key_generate_refused,
		.fault = key_generate_fault),
	MADE(STEP_KEY_MAKE, "key.make", KIND_WORK, "our own key pair for old firmware",
		.build = key_make_build),
	CALL(STEP_KEY_ADD, "key.add", EFFECT_ONCE, PKM, "AddKey", key_add, .slow = STEP_SLOW,
		.doubt = STEP_CERT_LIST, .refused = key_add_refused, .secret = true),
	LIST(STEP_KEY_READ, "key.read", "AMT_PublicPrivateKeyPair", key_read, .end = key_read_end),
	CALL(STEP_CSR_SIGN, "csr.sign", EFFECT_READ, PKM, "GeneratePKCS10RequestEx", csr_sign,
		.slow = STEP_SLOW, .refused = csr_sign_refused, .fault = csr_sign_fault),
	MADE(STEP_CERT_ISSUE, "cert.issue", KIND_WORK, "the certificate authority",
		.effect = EFFECT_SET, .build = cert_issue_build),
	CALL(STEP_EXTEND, "extend", EFFECT_SET, SCS, "ExtendProvisioningPeriod", extend,
		.refused = extend_refused, .fault = extend_fault),
	CALL(STEP_CERT_ADD, "cert.add", EFFECT_ONCE, PKM, "AddCertificate", cert_add,
		.slow = STEP_SLOW, .doubt = STEP_CERT_LIST, .refused = cert_add_refused),
	LIST(STEP_CERT_FIND, "cert.find", "AMT_PublicKeyCertificate", cert_find,
		.end = cert_find_end),
	CALL(STEP_CONTEXT_CREATE, "context.create", EFFECT_SET, "AMT_TLSCredentialContext",
		"Create", context_create, .fault = context_create_fault),
	CALL(STEP_CONTEXT_PUT, "context.put", EFFECT_SET, "AMT_TLSCredentialContext", "Put",
		context_put),
	CALL(STEP_TLS_PUT, "tls.put", EFFECT_SET, "AMT_TLSSettingData", "Put", tls_put,
		.slow = STEP_SLOW, .fault = tls_put_fault),
	CALL(STEP_COMMIT, "commit", EFFECT_ONCE, SCS, "CommitChanges", commit, .slow = STEP_SLOW,
		.cut = CUT_IS_FINE, .refused = commit_refused),

	/* verification, then phase B: digest admin */
	MADE(STEP_CONNECT_ADMIN, "verify.connect", KIND_CONNECT, "TLS, the leaf must be ours"),
	CALL(STEP_VERIFY_STATE, "verify.state", EFFECT_READ, SCS, "Get", verify_state),
	CALL(STEP_VERIFY_GENERAL, "verify.general", EFFECT_READ, "AMT_GeneralSettings", "Get",
		verify_general),
	CALL(STEP_VERIFY_ADMIN, "verify.admin", EFFECT_READ, "AMT_AuthorizationService",
		"GetAdminNetAclEntryStatus", verify_admin, .absent = ABSENT_SKIP),
	MADE(STEP_PROMOTE, "verify.promote", KIND_STORE, "the new password is the current one",
		.effect = EFFECT_SET, .build = promote_build, .interpret = promote_read),
	MADE(STEP_PSK_USED, "psk.used", KIND_WORK, "the pair of the Hello belongs to this device",
		.build = psk_used_build),
	MADE(STEP_CLEAN_DECIDE, "clean.decide", KIND_LOCAL, "what nothing refers to",
		.build = clean_decide_build),
	CALL(STEP_CLEAN_CERT, "clean.cert", EFFECT_SET, "AMT_PublicKeyCertificate", "Delete",
		clean_cert, .fault = clean_refused),
	CALL(STEP_CLEAN_KEY, "clean.key", EFFECT_SET, "AMT_PublicPrivateKeyPair", "Delete",
		clean_key, .fault = clean_refused),
	MADE(STEP_PING_COMPARE, "ping.compare", KIND_LOCAL, "compare what was read",
		.build = general_compare_build, .class_name = "AMT_GeneralSettings",
		.setting = &setting_table[SETTING_GENERAL]),
	SET_PUT(STEP_PING_PUT, "ping.put", "AMT_GeneralSettings", SETTING_GENERAL),
	SET_GET(STEP_REDIRECTION_GET, "redirection.get", "AMT_RedirectionService",
		SETTING_REDIRECTION),
	SET_STATE(STEP_REDIRECTION_SET, "redirection.set", "AMT_RedirectionService",
		SETTING_REDIRECTION),
	SET_PUT(STEP_REDIRECTION_PUT, "redirection.put", "AMT_RedirectionService",
		SETTING_REDIRECTION),
	SET_GET(STEP_KVM_GET, "kvm.get", "CIM_KVMRedirectionSAP", SETTING_KVM),
	SET_STATE(STEP_KVM_SET, "kvm.set", "CIM_KVMRedirectionSAP", SETTING_KVM),
	SET_GET(STEP_CONSENT_GET, "consent.get", "IPS_OptInService", SETTING_CONSENT),
	SET_PUT(STEP_CONSENT_PUT, "consent.put", "IPS_OptInService", SETTING_CONSENT),
	SET_GET(STEP_KVM_SETTINGS_GET, "kvm.settings.get", "IPS_KVMRedirectionSettingData",
		SETTING_KVM_POLICY),
	SET_PUT(STEP_KVM_SETTINGS_PUT, "kvm.settings.put", "IPS_KVMRedirectionSettingData",
		SETTING_KVM_POLICY),
	SET_GET(STEP_WEBUI_GET, "webui.get", "AMT_WebUIService", SETTING_WEBUI),
	SET_STATE(STEP_WEBUI_SET, "webui.set", "AMT_WebUIService", SETTING_WEBUI),
	MADE(STEP_SECRETS_MAKE, "secrets.make", KIND_LOCAL, "passwords of users and services",
		.build = secrets_make_build),
	SET_GET(STEP_KERBEROS_GET, "kerberos.get", "AMT_KerberosSettingData", SETTING_KERBEROS),
	SET_ROW(STEP_KERBEROS_ON, "kerberos.on", EFFECT_SECRET, "AMT_KerberosSettingData", "Put",
		kerberos_on_build, setting_write_read, SETTING_KERBEROS, .secret = true),
	SET_ROW(STEP_KERBEROS_OFF, "kerberos.off", EFFECT_SET, "AMT_KerberosSettingData", "Put",
		kerberos_off_build, setting_write_read, SETTING_KERBEROS),
	SET_CHECK(
		STEP_CHECK_KERBEROS, "check.kerberos", "AMT_KerberosSettingData", SETTING_KERBEROS),
	SET_GET(STEP_MUTUAL_GET, "mutual.get", "AMT_TLSSettingData", SETTING_TLS),
	SET_ROW(STEP_MUTUAL_PUT, "mutual.put", EFFECT_SET, "AMT_TLSSettingData", "Put",
		tls_mutual_build, setting_write_read, SETTING_TLS, .slow = STEP_SLOW),
	CALL(STEP_COMMIT_B, "commit.b", EFFECT_SET, SCS, "CommitChanges", commit_b,
		.slow = STEP_SLOW, .cut = CUT_IS_FINE),
	MADE(STEP_RECONNECT_B, "commit.b.connect", KIND_CONNECT, "as a console",
		.build = reconnect_b_build),
	MADE(STEP_COMMITTED_B, "commit.b.done", KIND_LOCAL, "no commit is due any more",
		.build = committed_b_build),
	SET_CHECK(STEP_CHECK_MUTUAL, "check.mutual", "AMT_TLSSettingData", SETTING_TLS),
	CALL(STEP_ACL_LIST, "acl.list", EFFECT_READ, AUTH, "EnumerateUserAclEntries", acl_list,
		.refused = acl_list_refused),
	CALL(STEP_ACL_GET, "acl.get", EFFECT_READ, AUTH, "GetUserAclEntryEx", acl_get,
		.refused = acl_get_refused),
	CALL(STEP_ACL_STATE, "acl.state", EFFECT_READ, AUTH, "GetAclEnabledState", acl_state,
		.absent = ABSENT_SKIP, .refused = acl_state_refused),
	MADE(STEP_ACL_DECIDE, "acl.decide", KIND_LOCAL, "what differs from the profile",
		.build = acl_decide_build),
	CALL(STEP_ACL_REMOVE, "acl.remove", EFFECT_SET, AUTH, "RemoveUserAclEntry", acl_remove,
		.refused = acl_remove_refused),
	CALL(STEP_ACL_UPDATE, "acl.update", EFFECT_SECRET, AUTH, "UpdateUserAclEntryEx", acl_update,
		.refused = acl_update_refused, .secret = true),
	CALL(STEP_ACL_ADD, "acl.add", EFFECT_ONCE, AUTH, "AddUserAclEntryEx", acl_add,
		.doubt = STEP_ACL_LIST, .refused = acl_add_refused, .secret = true),
	CALL(STEP_ACL_SWITCH, "acl.switch", EFFECT_SET, AUTH, "SetAclEnabledState", acl_switch),
	MADE(STEP_SECRETS_PROMOTE, "secrets.promote", KIND_STORE, "the device has them",
		.effect = EFFECT_SET, .build = secrets_promote_build, .interpret = promote_read),
	CALL(STEP_CHECK_ACL_LIST, "check.acl.list", EFFECT_READ, AUTH, "EnumerateUserAclEntries",
		acl_check_list, .refused = acl_list_refused),
	CALL(STEP_CHECK_ACL_GET, "check.acl.get", EFFECT_READ, AUTH, "GetUserAclEntryEx", acl_get,
		.refused = acl_get_refused),
	CALL(STEP_CHECK_ACL_STATE, "check.acl.state", EFFECT_READ, AUTH, "GetAclEnabledState",
		acl_state, .absent = ABSENT_SKIP, .refused = acl_state_refused),
	MADE(STEP_CHECK_ACL, "check.acl", KIND_LOCAL, "the list as written",
		.build = acl_check_build),
	LIST(STEP_POWER_LIST, "power.list", "AMT_SystemPowerScheme", power_list,
		.absent = ABSENT_SKIP, .end = power_list_end),
	LIST(STEP_POWER_CURRENT, "power.current", "CIM_ElementSettingData", power_current,
		.absent = ABSENT_SKIP, .end = power_current_end),
	CALL(STEP_POWER_SET, "power.set", EFFECT_SET, "AMT_SystemPowerScheme", "SetPowerScheme",
		power_set, .fault = power_set_fault),
	SET_CHECK(STEP_CHECK_GENERAL, "check.general", "AMT_GeneralSettings", SETTING_GENERAL),
	SET_CHECK(STEP_CHECK_REDIRECTION, "check.redirection", "AMT_RedirectionService",
		SETTING_REDIRECTION),
	SET_CHECK(STEP_CHECK_KVM, "check.kvm", "CIM_KVMRedirectionSAP", SETTING_KVM),
	SET_CHECK(STEP_CHECK_CONSENT, "check.consent", "IPS_OptInService", SETTING_CONSENT),
	SET_CHECK(STEP_CHECK_KVM_SETTINGS, "check.kvm.settings", "IPS_KVMRedirectionSettingData",
		SETTING_KVM_POLICY),
	SET_CHECK(STEP_CHECK_WEBUI, "check.webui", "AMT_WebUIService", SETTING_WEBUI),
	LIST(STEP_CHECK_POWER, "check.power", "CIM_ElementSettingData", check_power,
		.end = check_power_end),

	/* phase B: wire, air, and the way home */
	LIST(STEP_MPS_LIST, "mps.list", MPS, mps_list, .absent = ABSENT_SKIP, .end = mps_list_end),
	LIST(STEP_POLICY_LIST, "policy.list", POLICY, policy_list, .absent = ABSENT_SKIP),
	LIST(STEP_APPLIES_LIST, "applies.list", APPLIES, applies_list, .absent = ABSENT_SKIP),
	MADE(STEP_CIRA_DECIDE, "cira.decide", KIND_LOCAL, "which servers and policies differ",
		.build = cira_decide_build),
	CALL(STEP_POLICY_DELETE, "policy.delete", EFFECT_SET, POLICY, "Delete", policy_delete,
		.fault = cira_delete_fault),
	CALL(STEP_MPS_DELETE, "mps.delete", EFFECT_SET, MPS, "Delete", mps_delete,
		.fault = cira_delete_fault),
	CALL(STEP_MPS_ADD, "mps.add", EFFECT_ONCE, "AMT_RemoteAccessService", "AddMpServer",
		mps_add, .doubt = STEP_MPS_LIST, .refused = mps_add_refused, .secret = true),
	CALL(STEP_POLICY_ADD, "policy.add", EFFECT_ONCE, "AMT_RemoteAccessService",
		"AddRemoteAccessPolicyRule", policy_add, .doubt = STEP_MPS_LIST,
		.refused = policy_add_refused),
	LIST_AGAIN(STEP_CHECK_MPS, "check.mps", MPS, cira_check_mps, mps_list, .end = mps_list_end),
	LIST_AGAIN(STEP_CHECK_POLICY, "check.policy", POLICY, cira_check_policy, policy_list),
	LIST_AGAIN(STEP_CHECK_APPLIES, "check.applies", APPLIES, cira_check_applies, applies_list),
	MADE(STEP_CHECK_CIRA, "check.cira", KIND_LOCAL, "servers and policies as written",
		.build = cira_check_build),
	MADE(STEP_CLEAN_AGAIN, "clean.again", KIND_LOCAL, "what was still in use before",
		.effect = EFFECT_SET, .build = clean_again_build),
	MADE(STEP_ROOTS_DECIDE, "roots.decide", KIND_LOCAL, "which roots it lacks",
		.build = roots_decide_build),
	SET_ROW(STEP_UNLOCK_GET, "unlock.get", EFFECT_READ, "AMT_TLSSettingData", "Get",
		unlock_get_build, setting_get_read, SETTING_TLS),
	SET_ROW(STEP_UNLOCK_PUT, "unlock.put", EFFECT_SET, "AMT_TLSSettingData", "Put",
		unlock_put_build, setting_write_read, SETTING_TLS, .slow = STEP_SLOW),
	CALL(STEP_UNLOCK_COMMIT, "unlock.commit", EFFECT_SET, SCS, "CommitChanges", unlock_commit,
		.slow = STEP_SLOW, .cut = CUT_IS_FINE),
	MADE(STEP_UNLOCK_RECONNECT, "unlock.connect", KIND_CONNECT, "any console may come",
		.build = reconnect_b_build),
	MADE(STEP_UNLOCKED, "unlock.done", KIND_LOCAL, "roots are taken now",
		.build = committed_b_build),
	CALL(STEP_ROOT_ADD, "root.add", EFFECT_SET, PKM, "AddTrustedRootCertificate", root_add,
		.slow = STEP_SLOW, .refused = root_add_refused),
	CALL(STEP_ROOT_DELETE, "root.delete", EFFECT_SET, "AMT_PublicKeyCertificate", "Delete",
		root_delete, .fault = root_delete_fault),
	LIST(STEP_WIFI_LIST, "wifi.list", "CIM_WiFiEndpointSettings", wifi_list,
		.absent = ABSENT_SKIP, .end = wifi_list_end),
	LIST(STEP_WIFI_IDENTITY_LIST, "wifi.identity.list", "CIM_IEEE8021xSettings", wifi_identity,
		.absent = ABSENT_SKIP),
	MADE(STEP_WIFI_DECIDE, "wifi.decide", KIND_LOCAL, "which profiles differ",
		.build = wifi_decide_build),
	CALL(STEP_WIFI_DELETE, "wifi.delete", EFFECT_SET, "CIM_WiFiEndpointSettings", "Delete",
		wifi_delete, .fault = wifi_delete_fault),
	CALL(STEP_WIFI_UPDATE, "wifi.update", EFFECT_SET, "AMT_WiFiPortConfigurationService",
		"UpdateWiFiSettings", wifi_update, .refused = wifi_update_refused,
		.fault = wifi_update_fault, .secret = true),
	CALL(STEP_WIFI_ADD, "wifi.add", EFFECT_ONCE, "AMT_WiFiPortConfigurationService",
		"AddWiFiSettings", wifi_add, .doubt = STEP_WIFI_LIST, .secret = true),
	LIST(STEP_CHECK_WIFI, "check.wifi", "CIM_WiFiEndpointSettings", wifi_check,
		.end = wifi_check_end),
	CALL(STEP_WIRED_CERTIFICATES, "wired.certificates", EFFECT_SET, "IPS_IEEE8021xSettings",
		"SetCertificates", wired_certificates),
	SET_GET(STEP_WIFI_PORT_GET, "wifi.port.get", "CIM_WiFiPort", SETTING_WIFI_PORT),
	SET_STATE(STEP_WIFI_PORT_SET, "wifi.port.set", "CIM_WiFiPort", SETTING_WIFI_PORT),
	CALL(STEP_WIFI_UEFI_GET, "wifi.uefi.get", EFFECT_READ, "AMT_BootCapabilities", "Get",
		uefi_share, .fault = uefi_share_fault),
	SET_GET(STEP_WIFI_SERVICE_GET, "wifi.service.get", "AMT_WiFiPortConfigurationService",
		SETTING_WIFI_SERVICE),
	SET_PUT(STEP_WIFI_SERVICE_PUT, "wifi.service.put", "AMT_WiFiPortConfigurationService",
		SETTING_WIFI_SERVICE),
	SET_GET(STEP_WIRED_GET, "wired.get", "IPS_IEEE8021xSettings", SETTING_WIRED),
	SET_PUT(STEP_WIRED_PUT, "wired.put", "IPS_IEEE8021xSettings", SETTING_WIRED),
	SET_GET(STEP_WIRED_OLD_GET, "wired.old.get", "AMT_8021XProfile", SETTING_WIRED_OLD),
	SET_ROW(STEP_WIRED_OLD_PUT, "wired.old.put", EFFECT_SET, "AMT_8021XProfile", "Put",
		setting_put_build, setting_write_read, SETTING_WIRED_OLD,
		.fault = wired_old_put_fault, .secret = true),
	SET_GET(STEP_USER_INTERFACE_GET, "cira.user.get", "AMT_UserInitiatedConnectionService",
		SETTING_USER_INTERFACE),
	SET_STATE(STEP_USER_INTERFACE_SET, "cira.user.set", "AMT_UserInitiatedConnectionService",
		SETTING_USER_INTERFACE),
	SET_GET(STEP_IPV6_GET, "ipv6.get", "IPS_IPv6PortSettings", SETTING_IPV6),
	SET_PUT(STEP_IPV6_PUT, "ipv6.put", "IPS_IPv6PortSettings", SETTING_IPV6),
	SET_GET(STEP_PORT_GET, "port.get", "AMT_EthernetPortSettings", SETTING_PORT),
	SET_PUT(STEP_PORT_PUT, "port.put", "AMT_EthernetPortSettings", SETTING_PORT),
	SET_GET(STEP_ENVIRONMENT_GET, "environment.get", "AMT_EnvironmentDetectionSettingData",
		SETTING_ENVIRONMENT),
	SET_PUT(STEP_ENVIRONMENT_PUT, "environment.put", "AMT_EnvironmentDetectionSettingData",
		SETTING_ENVIRONMENT),
	SET_CHECK(STEP_CHECK_WIFI_PORT, "check.wifi.port", "CIM_WiFiPort", SETTING_WIFI_PORT),
	SET_CHECK(STEP_CHECK_WIFI_SERVICE, "check.wifi.service", "AMT_WiFiPortConfigurationService",
		SETTING_WIFI_SERVICE),
	SET_CHECK(STEP_CHECK_WIRED, "check.wired", "IPS_IEEE8021xSettings", SETTING_WIRED),
	SET_ROW(STEP_CHECK_WIRED_OLD, "check.wired.old", EFFECT_READ, "AMT_8021XProfile", "Get",
		wired_old_check_build, wired_old_check_read, SETTING_WIRED_OLD,
		.absent = ABSENT_FAIL),
	SET_CHECK(STEP_CHECK_USER_INTERFACE, "check.cira.user",
		"AMT_UserInitiatedConnectionService", SETTING_USER_INTERFACE),
	SET_CHECK(STEP_CHECK_IPV6, "check.ipv6", "IPS_IPv6PortSettings", SETTING_IPV6),
	SET_CHECK(STEP_CHECK_PORT, "check.port", "AMT_EthernetPortSettings", SETTING_PORT),
	SET_CHECK(STEP_CHECK_ENVIRONMENT, "check.environment",
		"AMT_EnvironmentDetectionSettingData", SETTING_ENVIRONMENT),

	/* upkeep */
	MADE(STEP_LEAF_DECIDE, "leaf.decide", KIND_LOCAL, "does the certificate still serve?",
		.build = leaf_decide_build),
	MADE(STEP_RENEW_DECIDE, "renew.decide", KIND_LOCAL, "what is there of the new certificate?",
		.build = renew_decide_build),
	MADE(STEP_RENEW_PROVE, "renew.prove", KIND_LOCAL, "go on with the new certificate only",
		.build = renew_prove_build),
	MADE(STEP_ROTATE_MAKE, "rotate.make", KIND_LOCAL, "new passwords",
		.build = rotate_make_build),
	MADE(STEP_UNCONFIGURE_ASK, "unconfigure.ask", KIND_WORK, "the hook: may it go?",
		.build = unconfigure_ask_build),
	CALL(STEP_UNCONFIGURE, "unconfigure", EFFECT_SET, SCS, "Unprovision", unconfigure,
		.slow = STEP_SLOW, .cut = CUT_IS_FINE, .refused = unconfigure_refused),
	CALL(STEP_UNCONFIGURE_BLOCKED, "unconfigure.blocked", EFFECT_READ, SCS,
		"GetUnprovisionBlockingComponents", unconfigure_blocked,
		.refused = unconfigure_blocked_refused, .fault = unconfigure_blocked_fault),
	MADE(STEP_UNCONFIGURE_PROVE, "unconfigure.prove", KIND_CONNECT, "it does not know us"),
	CALL(STEP_UNCONFIGURE_STATE, "unconfigure.state", EFFECT_READ, SCS, "Get",
		unconfigure_state),
	MADE(STEP_REVOKE, "revoke", KIND_WORK, "its certificate, at the authority",
		.effect = EFFECT_SET, .build = revoke_build),
	MADE(STEP_REVOKE_OLD, "revoke.old", KIND_WORK, "the certificate that was renewed",
		.build = revoke_old_build),
	MADE(STEP_CONNECT_ADOPT, "adopt.connect", KIND_CONNECT, "the leaf of another server"),
	CALL(STEP_ADOPT_STATE, "adopt.state", EFFECT_READ, SCS, "Get", adopt_state),
	CALL(STEP_ADOPT_MODE, "adopt.mode", EFFECT_READ, "IPS_HostBasedSetupService", "Get",
		adopt_mode, .absent = ABSENT_SKIP),
	MADE(STEP_ADOPT_NAME, "adopt.name", KIND_LOCAL, "the operator's, or its own",
		.build = adopt_name_build),
	MADE(STEP_ADOPT_OWN, "adopt.own", KIND_LOCAL, "go on with our certificate only",
		.build = adopt_own_build),
	READ_ALL(STEP_INVENTORY_SETUP, "inventory.setup", SCS),
	READ_ALL(STEP_INVENTORY_MODE, "inventory.mode", "IPS_HostBasedSetupService"),
	READ_ALL(STEP_INVENTORY_PORTS, "inventory.ports", "AMT_EthernetPortSettings"),
	READ_ALL(STEP_INVENTORY_IDENTITY, "inventory.identity", "CIM_ComputerSystemPackage"),
	READ_ALL(STEP_INVENTORY_CHASSIS, "inventory.chassis", "CIM_Chassis"),
	READ_ALL(STEP_INVENTORY_BIOS, "inventory.bios", "CIM_BIOSElement"),
	READ_ALL(STEP_INVENTORY_POWER, "inventory.power", "CIM_AssociatedPowerManagementService"),
};

static const enum step_id setup_steps[] = {STEP_CONNECT_SETUP, STEP_GENERAL_GET, STEP_SOFTWARE_LIST,
	STEP_STATE_GET, STEP_UUID_GET, STEP_OTP, STEP_WINDOW_EXTEND, STEP_CLOCK_GET, STEP_CLOCK_SET,
	STEP_NAME_PUT, STEP_MEBX_SET, STEP_ADMIN_SET, STEP_PSK_MAKE, STEP_PSK_STORE, STEP_PSK_SET,
	STEP_CERT_LIST, STEP_KEY_LIST, STEP_CONTEXT_LIST, STEP_TLS_LIST, STEP_CERT_DECIDE,
	STEP_KEY_SWEEP, STEP_KEY_GENERATE, STEP_KEY_MAKE, STEP_KEY_ADD, STEP_KEY_READ,
	STEP_CSR_SIGN, STEP_CERT_ISSUE, STEP_EXTEND, STEP_CERT_ADD, STEP_CERT_FIND,
	STEP_CONTEXT_CREATE, STEP_CONTEXT_PUT, STEP_TLS_PUT, STEP_COMMIT};

/* Phase B, wire and air; what may cut the session comes last. */
#define NETWORKS                                                                                   \
	STEP_ROOTS_DECIDE, STEP_UNLOCK_GET, STEP_UNLOCK_PUT, STEP_UNLOCK_COMMIT,                   \
		STEP_UNLOCK_RECONNECT, STEP_UNLOCKED, STEP_ROOT_ADD, STEP_WIFI_PORT_GET,           \
		STEP_WIFI_PORT_SET, STEP_WIFI_UEFI_GET, STEP_WIFI_SERVICE_GET,                     \
		STEP_WIFI_SERVICE_PUT, STEP_WIFI_LIST, STEP_WIFI_IDENTITY_LIST, STEP_WIFI_DECIDE,  \
		STEP_WIFI_DELETE, STEP_WIFI_UPDATE, STEP_WIFI_ADD, STEP_WIRED_GET, STEP_WIRED_PUT, \
		STEP_WIRED_CERTIFICATES, STEP_WIRED_OLD_GET, STEP_WIRED_OLD_PUT, STEP_MPS_LIST,    \
		STEP_POLICY_LIST, STEP_APPLIES_LIST, STEP_CIRA_DECIDE, STEP_POLICY_DELETE,         \
		STEP_MPS_DELETE, STEP_MPS_ADD, STEP_POLICY_ADD, STEP_USER_INTERFACE_GET,           \
		STEP_USER_INTERFACE_SET, STEP_IPV6_GET, STEP_IPV6_PUT, STEP_PORT_GET,              \
		STEP_PORT_PUT, STEP_CLEAN_AGAIN
#define CHECK_NETWORKS                                                                           \
	STEP_CHECK_MPS, STEP_CHECK_POLICY, STEP_CHECK_APPLIES, STEP_CHECK_CIRA, STEP_CHECK_WIFI, \
		STEP_CHECK_WIFI_PORT, STEP_CHECK_WIFI_SERVICE, STEP_CHECK_WIRED,                 \
		STEP_CHECK_WIRED_OLD, STEP_CHECK_USER_INTERFACE, STEP_CHECK_IPV6, STEP_CHECK_PORT
/* A device that is told where home is may close its ports elsewhere, and whether we are at home it
 * decides: nothing follows but this. SPEC: provisioning.md 4 CIRA 7 */
#define HOME STEP_ENVIRONMENT_GET, STEP_ENVIRONMENT_PUT, STEP_CHECK_ENVIRONMENT

#define ACCESS                                                                                   \
	STEP_SECRETS_MAKE, STEP_KERBEROS_GET, STEP_KERBEROS_ON, STEP_ACL_LIST, STEP_ACL_GET,     \
		STEP_ACL_STATE, STEP_ACL_DECIDE, STEP_ACL_REMOVE, STEP_ACL_UPDATE, STEP_ACL_ADD, \
		STEP_ACL_SWITCH, STEP_KERBEROS_OFF
#define MUTUAL STEP_MUTUAL_GET, STEP_MUTUAL_PUT, STEP_COMMIT_B, STEP_RECONNECT_B, STEP_COMMITTED_B
#define CHECK_ACCESS                                                                        \
	STEP_CHECK_KERBEROS, STEP_CHECK_ACL_LIST, STEP_CHECK_ACL_GET, STEP_CHECK_ACL_STATE, \
		STEP_CHECK_ACL

static const enum step_id admin_steps[] = {STEP_CONNECT_ADMIN, STEP_VERIFY_STATE,
	STEP_VERIFY_GENERAL, STEP_VERIFY_ADMIN, STEP_MEBX_SET, STEP_ADMIN_SET, STEP_PROMOTE,
	STEP_PSK_USED, STEP_LEAF_DECIDE, STEP_CERT_LIST, STEP_KEY_LIST, STEP_CONTEXT_LIST,
	STEP_CLEAN_DECIDE, STEP_CLEAN_CERT, STEP_CLEAN_KEY, STEP_CLOCK_GET, STEP_CLOCK_SET, ACCESS,
	STEP_PING_COMPARE, STEP_PING_PUT, STEP_REDIRECTION_GET, STEP_REDIRECTION_SET,
	STEP_REDIRECTION_PUT, STEP_KVM_GET, STEP_CONSENT_GET, STEP_CONSENT_PUT,
	STEP_KVM_SETTINGS_GET, STEP_KVM_SET, STEP_KVM_SETTINGS_PUT, STEP_WEBUI_GET, STEP_WEBUI_SET,
	STEP_POWER_LIST, STEP_POWER_CURRENT, STEP_POWER_SET, NETWORKS, MUTUAL, STEP_ROOT_DELETE,
	STEP_CHECK_GENERAL, STEP_CHECK_REDIRECTION, STEP_CHECK_KVM, STEP_CHECK_CONSENT,
	STEP_CHECK_KVM_SETTINGS, STEP_CHECK_WEBUI, STEP_CHECK_POWER, CHECK_NETWORKS, CHECK_ACCESS,
	STEP_CHECK_MUTUAL, STEP_SECRETS_PROMOTE, HOME, STEP_REVOKE_OLD};

/* What every upkeep plan begins with: the device of the record, and a password that is decided. */
#define OPENING                                                                                    \
	STEP_CONNECT_ADMIN, STEP_VERIFY_STATE, STEP_VERIFY_GENERAL, STEP_MEBX_SET, STEP_ADMIN_SET, \
		STEP_PROMOTE

/* The store of the device is small, and strays go before the new pair comes. SPEC: maintenance.md 2
 */
static const enum step_id renew_steps[] = {OPENING, STEP_CERT_LIST, STEP_KEY_LIST,
	STEP_CONTEXT_LIST, STEP_CLEAN_CERT, STEP_CLEAN_KEY, STEP_RENEW_DECIDE, STEP_KEY_SWEEP,
	STEP_KEY_GENERATE, STEP_KEY_MAKE, STEP_KEY_ADD, STEP_KEY_READ, STEP_CSR_SIGN,
	STEP_CERT_ISSUE, STEP_CERT_ADD, STEP_CERT_FIND, STEP_CONTEXT_PUT, STEP_COMMIT,
	STEP_RENEW_PROVE};

/* SPEC: maintenance.md 3 */
static const enum step_id rotate_steps[] = {STEP_CONNECT_ADMIN, STEP_VERIFY_STATE,
	STEP_VERIFY_GENERAL, STEP_ROTATE_MAKE, STEP_MEBX_SET, STEP_ADMIN_SET, STEP_PROMOTE,
	/* Users and the RFB port: their marks say that the device has other passwords. */
	STEP_ACL_LIST, STEP_ACL_GET, STEP_ACL_STATE, STEP_ACL_DECIDE, STEP_ACL_UPDATE, STEP_KVM_GET,
	STEP_KVM_SETTINGS_GET, STEP_KVM_SETTINGS_PUT, STEP_CHECK_KVM_SETTINGS,
	STEP_SECRETS_PROMOTE};

/* SPEC: maintenance.md 6 */
static const enum step_id unconfigure_steps[] = {OPENING, STEP_UNCONFIGURE_ASK, STEP_MPS_LIST,
	STEP_POLICY_LIST, STEP_APPLIES_LIST, STEP_POLICY_DELETE, STEP_MPS_DELETE, STEP_UNCONFIGURE,
	STEP_UNCONFIGURE_BLOCKED, STEP_UNCONFIGURE_PROVE, STEP_UNCONFIGURE_STATE, STEP_REVOKE};

/* SPEC: maintenance.md 7 */
static const enum step_id inventory_steps[] = {OPENING, STEP_SOFTWARE_LIST, STEP_INVENTORY_SETUP,
	STEP_INVENTORY_MODE, STEP_INVENTORY_PORTS, STEP_INVENTORY_IDENTITY, STEP_INVENTORY_CHASSIS,
	STEP_INVENTORY_BIOS, STEP_INVENTORY_POWER};

/* The rows of setup that make it ours, in an admin session. Its name follows in PLAN_ADMIN. */
static const enum step_id adopt_steps[] = {STEP_CONNECT_ADOPT, STEP_GENERAL_GET, STEP_SOFTWARE_LIST,
	STEP_ADOPT_STATE, STEP_UUID_GET, STEP_ADOPT_MODE, STEP_ADOPT_NAME, STEP_CLOCK_GET,
	STEP_CLOCK_SET, STEP_CERT_LIST, STEP_KEY_LIST, STEP_CONTEXT_LIST, STEP_TLS_LIST,
	STEP_CERT_DECIDE, STEP_KEY_SWEEP, STEP_KEY_GENERATE, STEP_KEY_MAKE, STEP_KEY_ADD,
	STEP_KEY_READ, STEP_CSR_SIGN, STEP_CERT_ISSUE, STEP_CERT_ADD, STEP_CERT_FIND,
	STEP_CONTEXT_CREATE, STEP_CONTEXT_PUT, STEP_TLS_PUT, STEP_COMMIT, STEP_ADOPT_OWN};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

const struct plan plan_table[N_PLANS] = {
	[PLAN_SETUP] = {"setup", setup_steps, COUNT(setup_steps)},
	[PLAN_ADMIN] = {"admin", admin_steps, COUNT(admin_steps)},
	[PLAN_RENEW] = {"renew", renew_steps, COUNT(renew_steps)},
	[PLAN_ROTATE] = {"rotate", rotate_steps, COUNT(rotate_steps)},
	[PLAN_UNCONFIGURE] = {"unconfigure", unconfigure_steps, COUNT(unconfigure_steps)},
	[PLAN_INVENTORY] = {"inventory", inventory_steps, COUNT(inventory_steps)},
	[PLAN_ADOPT] = {"adopt", adopt_steps, COUNT(adopt_steps)},
};

const struct step *step_find(const char *name)
{
	for (size_t i = 0; i < N_STEPS; i++)
		if (strcmp(step_table[i].name, name) == 0)
			return &step_table[i];
	return NULL;
}

int plan_index(const struct plan *plan, enum step_id id)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i] == id)
			return (int)i;
	return -1;
}

static const char *effect_name(const struct step *row)
{
	static const char *const names[] = {"read", "set", "once", "secret"};
	if (row->kind == KIND_CALL || row->kind == KIND_LIST)
		return names[row->effect];
	static const char *const kinds[] = {"", "", "connect", "work", "local", "store"};
	return kinds[row->kind];
}

int plan_print_text(struct buf *out)
{
	for (int p = 0; p < N_PLANS; p++) {
		const struct plan *plan = &plan_table[p];
		TRY(buf_addf(out, "plan %s\n", plan->name));
		for (size_t i = 0; i < plan->n_steps; i++) {
			const struct step *row = &step_table[plan->steps[i]];
			TRY(buf_addf(out, "  %-20s %-8s %-5s %-6s %s%s%s\n", row->name,
				effect_name(row), row->slow ? "slow" : "",
				row->absent == ABSENT_SKIP ? "option" : "",
				row->class_name ? row->class_name : "", row->class_name ? "." : "",
				row->action));
		}
	}
	return 0;
}

int plan_print_dot(struct buf *out)
{
	static const char *const colours[] = {"white", "lightyellow", "orange", "lightpink"};
	TRY(buf_adds(out, "digraph plans {\n  rankdir=TB; node [shape=box, style=filled];\n"));
	for (int p = 0; p < N_PLANS; p++) {
		const struct plan *plan = &plan_table[p];
		TRY(buf_addf(
			out, "  subgraph cluster_%s { label=\"%s\";\n", plan->name, plan->name));
		for (size_t i = 0; i < plan->n_steps; i++) {
			const struct step *row = &step_table[plan->steps[i]];
			TRY(buf_addf(out, "    \"%s/%s\" [label=\"%s\\n%s\", fillcolor=%s];\n",
				plan->name, row->name, row->name, row->action,
				colours[row->effect]));
			if (i > 0)
				TRY(buf_addf(out, "    \"%s/%s\" -> \"%s/%s\";\n", plan->name,
					step_table[plan->steps[i - 1]].name, plan->name,
					row->name));
			if (row->effect == EFFECT_ONCE && row->doubt)
				TRY(buf_addf(out,
					"    \"%s/%s\" -> \"%s/%s\" [style=dashed, label=doubt];\n",
					plan->name, row->name, plan->name,
					step_table[row->doubt].name));
		}
		TRY(buf_adds(out, "  }\n"));
	}
	return buf_addf(out, "  \"setup/commit\" -> \"admin/%s\";\n}\n",
		step_table[STEP_CONNECT_ADMIN].name);
}
