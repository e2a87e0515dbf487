/* SPDX-License-Identifier: Apache-2.0 */
/* Wireless, 802.1x and remote access of a simulated device. SPEC: provisioning.md 4 WIFI .. CIRA */
#include "tests/bench/sim_test.h"

#include "bench/sim/classes/class.h"
#include "bench/sim/classes/remote.h"
#include "bench/sim/classes/wifi.h"
#include "common/base/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE AMT_URI "AMT_WiFiPortConfigurationService"
#define PROFILE CIM_URI "CIM_WiFiEndpointSettings"
#define PORT    CIM_URI "CIM_WiFiPort"
#define WIRED   IPS_URI "IPS_IEEE8021xSettings"
#define OLD     AMT_URI "AMT_8021XProfile"
#define REMOTE  AMT_URI "AMT_RemoteAccessService"
#define MPS     AMT_URI "AMT_ManagementPresenceRemoteSAP"
#define RULE    AMT_URI "AMT_RemoteAccessPolicyRule"
#define APPLIES AMT_URI "AMT_RemoteAccessPolicyAppliesToMPS"
#define HOME    AMT_URI "AMT_EnvironmentDetectionSettingData"
#define CERT    AMT_URI "AMT_PublicKeyCertificate"

#define REF(element, uri, selector, value)                                                       \
	"<r:" element "><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" uri \
	"</w:ResourceURI><w:SelectorSet><w:Selector Name=\"" selector "\">" value                \
	"</w:Selector></w:SelectorSet></a:ReferenceParameters></r:" element ">"
#define CERT_REF(element, handle) \
	REF(element, CERT, "InstanceID", "Intel(r) AMT Certificate: Handle: " handle)
#define ENDPOINT REF("WiFiEndpoint", CIM_URI "CIM_WiFiEndpoint", "Name", "WiFi Endpoint 0")
#define SERVER(number) \
	REF("MpServer", MPS, "Name", "Intel(r) AMT:Management Presence Server " number)

static struct rig rig;

/* Device 1 is a notebook. */
static int open12(void **state)
{
	(void)state;
	rig_open(&rig, "amt12", NULL);
	return 0;
}

static int shut(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static int call(const char *uri, const char *method, const char *body)
{
	rig_call(&rig, uri, method, NULL, body);
	return rig_rv(&rig);
}

static void add_root(void)
{
	const struct pool_self *self = &rig.pool.self[SETUP_RSA2048][0];
	struct buf text;
	char body[8192];
	buf_init(&text, 8192);
	assert_int_equal(base64_encode(&text, self->der, self->der_len), 0);
	snprintf(body, sizeof body, "<r:CertificateBlob>%s</r:CertificateBlob>", buf_cstr(&text));
	buf_free(&text);
	assert_int_equal(
		call(AMT_URI "AMT_PublicKeyManagementService", "AddTrustedRootCertificate", body),
		0);
}

/* method: 6 WPA2-PSK, 7 WPA2-802.1x ...; more: what follows the embedded settings. */
static int add_profile(
	const char *name, int method, int priority, const char *psk, const char *more)
{
	char body[4096];
	snprintf(body, sizeof body,
		ENDPOINT
		"<r:WiFiEndpointSettingsInput "
		"xmlns:q=\"" PROFILE "\"><q:ElementName>%s</q:ElementName>"
		"<q:InstanceID>Intel(r) AMT:WiFi Endpoint Settings %s</q:InstanceID>"
		"<q:AuthenticationMethod>%d</q:AuthenticationMethod><q:EncryptionMethod>4"
		"</q:EncryptionMethod><q:SSID>net</q:SSID><q:Priority>%d</q:Priority>%s%s%s"
		"</r:WiFiEndpointSettingsInput>%s",
		name, name, method, priority, psk ? "<q:PSKPassPhrase>" : "", psk ? psk : "",
		psk ? "</q:PSKPassPhrase>" : "", more);
	return call(SERVICE, "AddWiFiSettings", body);
}

#define DOT1X_OF(identity)                                                        \
	"<r:IEEE8021xSettingsInput xmlns:q=\"" CIM_URI "CIM_IEEE8021xSettings\">" \
	"<q:ElementName>corp</q:ElementName><q:InstanceID>corp</q:InstanceID>"    \
	"<q:AuthenticationProtocol>0</q:AuthenticationProtocol>" identity         \
	"</r:IEEE8021xSettingsInput>"
#define DOT1X DOT1X_OF("<q:Username>pc$</q:Username>")

static void test_profiles(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int method, priority;
		const char *psk;
		int rv;
	} cases[] = {
		{"short", 6, 1, "1234567", 3},
		{"home", 6, 1, "correct horse", 0},
		{"home", 6, 2, "correct horse", 3},  /* the name is taken */
		{"other", 6, 1, "correct horse", 3}, /* so is the priority */
		{"none", 6, 0, "correct horse", 3},
		{"odd", 9, 3, "correct horse", 3},
		{"no8021x", 7, 3, NULL, 3},
		{"sae", 32768, 3, "correct horse", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(add_profile(cases[i].name, cases[i].method, cases[i].priority,
					 cases[i].psk, ""),
			cases[i].rv);
	rig_call(&rig, PROFILE, "Get", "InstanceID=Intel(r) AMT:WiFi Endpoint Settings home", NULL);
	assert_string_equal(rig_text(&rig, "SSID"), "net");
	assert_null(xml_child(rig_body(&rig), "PSKPassPhrase"));
	rig_call(&rig, PROFILE, "Delete", "InstanceID=Intel(r) AMT:WiFi Endpoint Settings home",
		NULL);
	assert_string_equal(rig.fault, "");
	rig_call(&rig, PROFILE, "Delete", "InstanceID=Intel(r) AMT:WiFi Endpoint Settings home",
		NULL);
	assert_string_equal(rig.fault, "InvalidSelectors");
	char name[16];
	for (int i = 0; i < WIFI_PROFILES_MAX - 1; i++) {
		snprintf(name, sizeof name, "p%d", i);
		assert_int_equal(add_profile(name, 6, 10 + i, "correct horse", ""), 0);
	}
	assert_int_equal(add_profile("full", 6, 100, "correct horse", ""), 2);
	assert_int_equal(call(SERVICE, "DeleteAllITProfiles", NULL), 0);
	assert_int_equal(xml_count(rig_pull(&rig, PROFILE)), 0);
}

static void test_profile_with_certificate(void **state)
{
	(void)state;
	assert_int_equal(add_profile("corp", 7, 1, NULL, DOT1X CERT_REF("CACredential", "0")), 4);
	add_root();
	assert_int_equal(add_profile("corp", 7, 1, NULL, DOT1X CERT_REF("CACredential", "0")), 0);
	const struct xml_node *items = rig_pull(&rig, CIM_URI "CIM_IEEE8021xSettings");
	assert_int_equal(xml_count(items), 1);
	assert_string_equal(xml_child(items->children, "Username")->text, "pc$");
	assert_int_equal(xml_count(rig_pull(&rig, CIM_URI "CIM_CredentialContext")), 1);
	/* Firmware checks the order inside, too: the name of the server stands before the user's.
	 */
	assert_int_equal(
		add_profile("order", 7, 2, NULL,
			DOT1X_OF("<q:ServerCertificateName>radius</q:ServerCertificateName>"
				 "<q:Username>pc$</q:Username>")),
		0);
	add_profile("wrong", 7, 3, NULL,
		DOT1X_OF("<q:Username>pc$</q:Username>"
			 "<q:ServerCertificateName>radius</q:ServerCertificateName>"));
	assert_string_equal(rig.fault, "SchemaValidationError");
	/* While it is named it stays. */
	rig_call(&rig, CERT, "Delete", "InstanceID=Intel(r) AMT Certificate: Handle: 0", NULL);
	assert_string_equal(rig.fault, "AccessDenied");
	assert_int_equal(call(SERVICE, "DeleteAllITProfiles", NULL), 0);
	rig_call(&rig, CERT, "Delete", "InstanceID=Intel(r) AMT Certificate: Handle: 0", NULL);
	assert_string_equal(rig.fault, "");
}

static void test_port(void **state)
{
	(void)state;
	assert_int_equal(
		call(PORT, "RequestStateChange", "<r:RequestedState>32769</r:RequestedState>"), 0);
	rig_call(&rig, PORT, "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "EnabledState"), "32769");
	assert_int_equal(
		call(PORT, "RequestStateChange", "<r:RequestedState>2</r:RequestedState>"), 5);
	rig.d.index = 2; /* a desktop */
	rig_call(&rig, PORT, "Get", NULL, NULL);
	assert_string_equal(rig.fault, "DestinationUnreachable");
	rig_call(&rig, SERVICE, "Get", NULL, NULL);
	assert_string_equal(rig.fault, "DestinationUnreachable");
	rig.d.index = 1;
}

static void test_wired(void **state)
{
	(void)state;
	rig_call(&rig, WIRED, "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "Enabled"), "3");
	assert_null(xml_child(rig_body(&rig), "AuthenticationProtocol"));
	rig_call(&rig, WIRED, "Put", NULL,
		"<r:IPS_IEEE8021xSettings><r:AuthenticationProtocol>2</r:AuthenticationProtocol>"
		"<r:Enabled>2</r:Enabled><r:Password>secret</r:Password><r:Username>pc$"
		"</r:Username></r:IPS_IEEE8021xSettings>");
	assert_string_equal(rig.fault, "");
	rig_call(&rig, WIRED, "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "AuthenticationProtocol"), "2");
	assert_null(xml_child(rig_body(&rig), "Password"));
	rig_call(&rig, WIRED, "Put", NULL,
		"<r:IPS_IEEE8021xSettings><r:Enabled>1</r:Enabled></r:IPS_IEEE8021xSettings>");
	assert_string_equal(rig.fault, "SchemaValidationError");
	assert_int_equal(
		call(WIRED, "SetCertificates", CERT_REF("ServerCertificateIssuer", "0")), 36);
	add_root();
	assert_int_equal(
		call(WIRED, "SetCertificates", CERT_REF("ServerCertificateIssuer", "0")), 0);
	rig_call(&rig, CERT, "Delete", "InstanceID=Intel(r) AMT Certificate: Handle: 0", NULL);
	assert_string_equal(rig.fault, "AccessDenied");
	rig_call(&rig, OLD, "Put", NULL,
		"<r:AMT_8021XProfile><r:ActiveInS0>true</r:ActiveInS0><r:Enabled>true</r:Enabled>"
		"<r:Username>pc$</r:Username>" CERT_REF(
			"ServerCertificateIssuer", "0") "</r:AMT_8021XProfile>");
	assert_string_equal(rig.fault, "");
	assert_int_equal(xml_count(rig_pull(&rig, AMT_URI "AMT_8021xCredentialContext")), 1);
}

static int add_server(const char *name)
{
	char body[512];
	snprintf(body, sizeof body,
		"<r:AccessInfo>%s</r:AccessInfo><r:InfoFormat>201</r:InfoFormat><r:Port>4433</"
		"r:Port>"
		"<r:AuthMethod>2</r:AuthMethod><r:Username>mps</r:Username><r:Password>P@ss"
		"</r:Password><r:CN>%s</r:CN>",
		name, name);
	return call(REMOTE, "AddMpServer", body);
}

static void test_servers_and_rules(void **state)
{
	char name[32];
	(void)state;
	for (int i = 0; i < REMOTE_MPS_MAX; i++) {
		snprintf(name, sizeof name, "mps%d.example.com", i);
		assert_int_equal(add_server(name), 0);
	}
	assert_int_equal(add_server("mps0.example.com"), 2058);
	assert_int_equal(add_server("more.example.com"), 23);
	/* An address needs a name to compare with. */
	assert_int_equal(call(REMOTE, "AddMpServer",
				 "<r:AccessInfo>192.0.2.1</r:AccessInfo><r:InfoFormat>3"
				 "</r:InfoFormat><r:Port>4433</r:Port><r:AuthMethod>2"
				 "</r:AuthMethod><r:Username>u</r:Username><r:Password>p"
				 "</r:Password>"),
		36);
	const char *user =
		"<r:Trigger>0</r:Trigger><r:TunnelLifeTime>300</r:TunnelLifeTime>" SERVER("0")
			SERVER("1");
	assert_int_equal(call(REMOTE, "AddRemoteAccessPolicyRule", user), 0);
	assert_string_equal(rig_text(&rig, "ReturnValue"), "0");
	assert_int_equal(call(REMOTE, "AddRemoteAccessPolicyRule", user), 2058);
	/* A periodic rule needs its interval. */
	assert_int_equal(call(REMOTE, "AddRemoteAccessPolicyRule",
				 "<r:Trigger>2</r:Trigger><r:TunnelLifeTime>0"
				 "</r:TunnelLifeTime>" SERVER("0")),
		36);
	assert_int_equal(call(REMOTE, "AddRemoteAccessPolicyRule",
				 "<r:Trigger>2</r:Trigger><r:TunnelLifeTime>0</r:TunnelLifeTime>"
				 "<r:ExtendedData>AAAAAAAAABk=</r:ExtendedData>" SERVER("0")),
		0);
	assert_int_equal(call(REMOTE, "AddRemoteAccessPolicyRule",
				 "<r:Trigger>1</r:Trigger><r:TunnelLifeTime>0"
				 "</r:TunnelLifeTime>" SERVER("77")),
		36);
	assert_int_equal(xml_count(rig_pull(&rig, APPLIES)), 3);
	rig_call(&rig, MPS, "Delete", "Name=Intel(r) AMT:Management Presence Server 0", NULL);
	assert_string_equal(rig.fault, "AccessDenied"); /* rules name it */
	rig_call(&rig, RULE, "Delete", "PolicyRuleName=User Initiated", NULL);
	assert_string_equal(rig.fault, "");
	rig_call(&rig, RULE, "Delete", "PolicyRuleName=Periodic", NULL);
	rig_call(&rig, MPS, "Delete", "Name=Intel(r) AMT:Management Presence Server 0", NULL);
	assert_string_equal(rig.fault, "");
	assert_int_equal(xml_count(rig_pull(&rig, MPS)), REMOTE_MPS_MAX - 1);
}

/* The association is named by its two references. SPEC: provisioning.md 4 CIRA 5 */
static void test_inside_and_outside(void **state)
{
	(void)state;
	assert_int_equal(add_server("a.example.com"), 0);
	assert_int_equal(add_server("b.example.com"), 0);
	assert_int_equal(call(REMOTE, "AddRemoteAccessPolicyRule",
				 "<r:Trigger>0</r:Trigger><r:TunnelLifeTime>0"
				 "</r:TunnelLifeTime>" SERVER("0") SERVER("1")),
		0);
	rig_send(&rig,
		"<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\" "
		"xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
		"xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:r=\"" APPLIES
		"\"><Header><a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Put</a:Action>"
		"<a:To>/wsman</a:To><w:ResourceURI>" APPLIES "</w:ResourceURI><a:MessageID>1"
		"</a:MessageID><a:ReplyTo><a:Address>x</a:Address></a:ReplyTo><w:SelectorSet>"
		"<w:Selector Name=\"ManagedElement\"><a:EndpointReference><a:Address>/wsman"
		"</a:Address><a:ReferenceParameters><w:ResourceURI>" MPS "</w:ResourceURI>"
		"<w:SelectorSet><w:Selector Name=\"Name\">Intel(r) AMT:Management Presence Server 1"
		"</w:Selector></w:SelectorSet></a:ReferenceParameters></a:EndpointReference>"
		"</w:Selector><w:Selector Name=\"PolicySet\"><a:EndpointReference><a:Address>/wsman"
		"</a:Address><a:ReferenceParameters><w:ResourceURI>" RULE "</w:ResourceURI>"
		"<w:SelectorSet><w:Selector Name=\"PolicyRuleName\">User Initiated</w:Selector>"
		"</w:SelectorSet></a:ReferenceParameters></a:EndpointReference></w:Selector>"
		"</w:SelectorSet></Header><Body><r:AMT_RemoteAccessPolicyAppliesToMPS>"
		"<r:MpsType>2</r:MpsType></r:AMT_RemoteAccessPolicyAppliesToMPS></Body></"
		"Envelope>");
	assert_string_equal(rig.fault, "");
	const struct xml_node *items = rig_pull(&rig, APPLIES);
	assert_string_equal(xml_child(items->children, "MpsType")->text, "0");
	assert_string_equal(xml_child(items->children->next, "MpsType")->text, "2");
}

static void test_home(void **state)
{
	(void)state;
	const char *tail = "<r:DetectionAlgorithm>0</r:DetectionAlgorithm>";
	char body[1024];
	snprintf(body, sizeof body,
		"<r:AMT_EnvironmentDetectionSettingData>%s<r:DetectionStrings>example.com"
		"</r:DetectionStrings><r:DetectionStrings>corp.example.com</r:DetectionStrings>"
		"</r:AMT_EnvironmentDetectionSettingData>",
		tail);
	rig_call(&rig, HOME, "Put", NULL, body);
	assert_string_equal(rig.fault, "");
	const struct remote *r = part_read(&rig.d, PART_REMOTE);
	assert_int_equal(r->suffixes.n, 2);
	assert_string_equal(r->suffixes.text[1], "corp.example.com");
	/* Without the element the list is cleared. */
	snprintf(body, sizeof body,
		"<r:AMT_EnvironmentDetectionSettingData>%s</r:AMT_EnvironmentDetectionSettingData>",
		tail);
	rig_call(&rig, HOME, "Put", NULL, body);
	assert_int_equal(r->suffixes.n, 0);
	int len = snprintf(body, sizeof body, "<r:AMT_EnvironmentDetectionSettingData>%s", tail);
	for (int i = 0; i <= REMOTE_SUFFIXES; i++)
		len += snprintf(body + len, sizeof body - (size_t)len,
			"<r:DetectionStrings>d%d.example.com</r:DetectionStrings>", i);
	snprintf(body + len, sizeof body - (size_t)len, "</r:AMT_EnvironmentDetectionSettingData>");
	rig_call(&rig, HOME, "Put", NULL, body);
	assert_string_equal(rig.fault, "SchemaValidationError"); /* one too many */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_profiles, open12, shut),
		cmocka_unit_test_setup_teardown(test_profile_with_certificate, open12, shut),
		cmocka_unit_test_setup_teardown(test_port, open12, shut),
		cmocka_unit_test_setup_teardown(test_wired, open12, shut),
		cmocka_unit_test_setup_teardown(test_servers_and_rules, open12, shut),
		cmocka_unit_test_setup_teardown(test_inside_and_outside, open12, shut),
		cmocka_unit_test_setup_teardown(test_home, open12, shut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
