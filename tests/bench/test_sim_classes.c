/* SPDX-License-Identifier: Apache-2.0 */
/* The WS-Man face of a simulated device: strictness, semantics, commit. SPEC: wsman.md 4 to 6 */
#include "tests/bench/sim_test.h"

#include "common/base/codec.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETUP  AMT_URI "AMT_SetupAndConfigurationService"
#define AUTHZ  AMT_URI "AMT_AuthorizationService"
#define CLOCK  AMT_URI "AMT_TimeSynchronizationService"
#define KEYS   AMT_URI "AMT_PublicKeyManagementService"
#define PAIR   AMT_URI "AMT_PublicPrivateKeyPair"
#define CERT   AMT_URI "AMT_PublicKeyCertificate"
#define TLS    AMT_URI "AMT_TLSSettingData"
#define CRED   AMT_URI "AMT_TLSCredentialContext"
#define GS     AMT_URI "AMT_GeneralSettings"
#define REMOTE "InstanceID=Intel(r) AMT 802.3 TLS Settings"

#define REF(element, cls, selector, value)                                                 \
	"<r:" element                                                                      \
	"><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" AMT_URI cls \
	"</w:ResourceURI><w:SelectorSet><w:Selector Name=\"" selector "\">" value          \
	"</w:Selector></w:SelectorSet></a:ReferenceParameters></r:" element ">"
#define BIND(handle)                                                                               \
	"<r:AMT_TLSCredentialContext>" REF("ElementInContext", "AMT_PublicKeyCertificate",         \
		"InstanceID", "Intel(r) AMT Certificate: Handle: " handle)                         \
		REF("ElementProvidingContext", "AMT_TLSProtocolEndpointCollection", "ElementName", \
			"TLSProtocolEndpointInstances Collection") "</r:AMT_TLSCredentialContext>"
#define TLS_ON                                                                                    \
	"<r:AMT_TLSSettingData><r:ElementName>Intel(r) AMT 802.3 TLS Settings</r:ElementName>"    \
	"<r:Enabled>true</r:Enabled><r:InstanceID>Intel(r) AMT 802.3 TLS Settings</r:InstanceID>" \
	"<r:MutualAuthentication>false</r:MutualAuthentication></r:AMT_TLSSettingData>"

static struct rig rig;

static int open16(void **state)
{
	(void)state;
	rig_open(&rig, "amt16", NULL);
	return 0;
}

static int open19(void **state)
{
	(void)state;
	rig_open(&rig, "amt19", NULL);
	return 0;
}

static int shut(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static void call(const char *uri, const char *op, const char *selector, const char *body)
{
	rig_call(&rig, uri, op, selector, body);
}

/* base64 of bytes, free it */
static char *b64(const void *data, size_t len)
{
	struct buf b;
	buf_init(&b, 65536);
	assert_int_equal(base64_encode(&b, data, len), 0);
	char *out = strdup(buf_cstr(&b));
	buf_free(&b);
	return out;
}

/* A certificate for the device's key `slot` (or another key), signed by pool key 0. */
static char *make_certificate(EVP_PKEY *key, long serial)
{
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)"pc000001.corp.example.com", -1, -1, 0);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, rig.pool.keys[0].pkey, EVP_sha256()) > 0);
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);
	char *text = b64(der, (size_t)len);
	OPENSSL_free(der);
	X509_free(x);
	return text;
}

static void add_certificate(EVP_PKEY *key, long serial)
{
	char body[8192], *cert = make_certificate(key, serial);
	snprintf(body, sizeof body, "<r:CertificateBlob>%s</r:CertificateBlob>", cert);
	free(cert);
	call(KEYS, "AddCertificate", NULL, body);
}

static void set_clock(void)
{
	char body[256];
	call(CLOCK, "GetLowAccuracyTimeSynch", NULL, NULL);
	snprintf(body, sizeof body,
		"<r:Ta0>%s</r:Ta0><r:Tm1>1795469263</r:Tm1><r:Tm2>1795469263</r:Tm2>",
		rig_text(&rig, "Ta0"));
	call(CLOCK, "SetHighAccuracyTimeSynch", NULL, body);
	assert_int_equal(rig_rv(&rig), 0);
}

static void set_name(void)
{
	call(GS, "Put", NULL,
		"<r:AMT_GeneralSettings><r:DomainName>corp.example.com</r:DomainName>"
		"<r:HostName>pc000001</r:HostName><r:PingResponseEnabled>true"
		"</r:PingResponseEnabled><r:WsmanOnlyMode>false</r:WsmanOnlyMode>"
		"</r:AMT_GeneralSettings>");
	assert_string_equal(rig.fault, "");
}

static void set_admin(void)
{
	call(AUTHZ, "SetAdminAclEntryEx", NULL,
		"<r:Username>admin</r:Username>"
		"<r:DigestPassword>CuCDARuuPYT8SGzkq0SuHQ==</r:DigestPassword>");
	assert_int_equal(rig_rv(&rig), 0);
	assert_true(rig.last.acl_changed);
}

static void make_key(void)
{
	call(KEYS, "GenerateKeyPair", NULL,
		"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>");
	assert_int_equal(rig_rv(&rig), 0);
}

static int commit(void)
{
	call(SETUP, "CommitChanges", NULL, NULL);
	return rig.last.cut ? 0 : rig_rv(&rig);
}

/* SPEC: wsman.md 4 Put rule */
static void test_put_is_strict(void **state)
{
	static const struct {
		const char *body, *fault;
	} cases[] = {
		{"<r:AMT_GeneralSettings><r:PingResponseEnabled>true</r:PingResponseEnabled>"
		 "<r:Bogus>1</r:Bogus><r:WsmanOnlyMode>false</r:WsmanOnlyMode>"
		 "</r:AMT_GeneralSettings>",
			"SchemaValidationError"},
		{"<r:AMT_GeneralSettings><r:WsmanOnlyMode>false</r:WsmanOnlyMode>"
		 "<r:PingResponseEnabled>true</r:PingResponseEnabled></r:AMT_GeneralSettings>",
			"SchemaValidationError"},
		{"<r:AMT_GeneralSettings><r:IdleWakeTimeout>soon</r:IdleWakeTimeout>"
		 "<r:PingResponseEnabled>true</r:PingResponseEnabled>"
		 "<r:WsmanOnlyMode>false</r:WsmanOnlyMode></r:AMT_GeneralSettings>",
			"SchemaValidationError"},
		{"<r:AMT_GeneralSettings><r:PingResponseEnabled>yes</r:PingResponseEnabled>"
		 "<r:WsmanOnlyMode>false</r:WsmanOnlyMode></r:AMT_GeneralSettings>",
			"SchemaValidationError"},
		{"<r:AMT_GeneralSettings><r:WsmanOnlyMode>false</r:WsmanOnlyMode>"
		 "</r:AMT_GeneralSettings>",
			"SchemaValidationError"},
		{"<r:AMT_Other/>", "SchemaValidationError"},
		{"<AMT_GeneralSettings><PingResponseEnabled>true</PingResponseEnabled>"
		 "</AMT_GeneralSettings>",
			"SchemaValidationError"},
		{"", "SchemaValidationError"},
		{"<r:AMT_GeneralSettings><r:HostName>a</r:HostName><r:PingResponseEnabled>true"
		 "</r:PingResponseEnabled><r:WsmanOnlyMode>false</r:WsmanOnlyMode>"
		 "</r:AMT_GeneralSettings>",
			""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		call(GS, "Put", NULL, cases[i].body);
		assert_string_equal(rig.fault, cases[i].fault);
		assert_int_equal(rig.status, *cases[i].fault ? 400 : 200);
	}
	assert_string_equal(rig.d.set.host, "a");
}

static void test_dispatch(void **state)
{
	(void)state;
	call(AMT_URI "AMT_Nothing", "Get", NULL, NULL);
	assert_string_equal(rig.fault, "DestinationUnreachable");
	call(SETUP, "SetTLSPSK", NULL, NULL);
	assert_string_equal(rig.fault, "ActionNotSupported");
	call(TLS, "Get", NULL, NULL);
	assert_string_equal(rig.fault, "InvalidSelectors");
	call(TLS, "Get", "InstanceID=nobody", NULL);
	assert_string_equal(rig.fault, "InvalidSelectors");
	call(TLS, "Get", REMOTE, NULL);
	assert_string_equal(rig_text(&rig, "Enabled"), "false");
	call(GS, "Get", NULL, "<r:x/>");
	assert_string_equal(rig.fault, "SchemaValidationError");
	call(GS, "Pull", NULL,
		"<n:Pull><n:EnumerationContext>01000000-0000-0000-0000-000000000000"
		"</n:EnumerationContext><n:MaxElements>9</n:MaxElements></n:Pull>");
	assert_string_equal(rig.fault, "InvalidEnumerationContext");
	rig_send(&rig, "this is not XML");
	assert_true(rig.last.html);
	assert_int_equal(rig.status, 400);
	rig_send(&rig, "<!DOCTYPE x [<!ENTITY a \"b\">]><Envelope/>");
	assert_true(rig.last.html);
}

static void test_header_order(void **state)
{
	(void)state;
	rig_send(&rig,
		"<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\" "
		"xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
		"xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><Header>"
		"<a:To>/wsman</a:To><a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
		"</a:Action><w:ResourceURI>" GS "</w:ResourceURI><a:MessageID>1</a:MessageID>"
		"<a:ReplyTo><a:Address>x</a:Address></a:ReplyTo></Header><Body/></Envelope>");
	assert_string_equal(rig.fault, "SchemaValidationError");
	rig_send(&rig, "<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\" "
		       "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"><Header>"
		       "<a:Action>x</a:Action></Header><Body/></Envelope>");
	assert_string_equal(rig.fault, "MessageInformationHeaderRequired");
}

static void test_pull_in_pieces(void **state)
{
	char body[512];
	unsigned pieces = 0;
	(void)state;
	call(CIM_URI "CIM_SoftwareIdentity", "Enumerate", NULL, "<n:Enumerate/>");
	while (*rig_text(&rig, "EnumerationContext") && pieces < 20) {
		snprintf(body, sizeof body,
			"<n:Pull><n:EnumerationContext>%s</n:EnumerationContext><n:MaxElements>4"
			"</n:MaxElements></n:Pull>",
			rig_text(&rig, "EnumerationContext"));
		call(CIM_URI "CIM_SoftwareIdentity", "Pull", NULL, body);
		assert_string_equal(rig.fault, "");
		pieces++;
	}
	assert_int_equal(pieces, 3); /* 4 + 4 + 3 */
}

static void test_admin_password_must_be_bytes(void **state)
{
	(void)state;
	/* The hex text that one peer sends. SPEC: provisioning.md 3 CREDENTIALS */
	call(AUTHZ, "SetAdminAclEntryEx", NULL,
		"<r:Username>admin</r:Username>"
		"<r:DigestPassword>0ae083011bae3d84fc486ce4ab44ae1d</r:DigestPassword>");
	assert_int_equal(rig_rv(&rig), 2054);
	assert_true(rig.d.admin_default);
	call(AUTHZ, "SetAdminAclEntryEx", NULL,
		"<r:Username>root</r:Username>"
		"<r:DigestPassword>CuCDARuuPYT8SGzkq0SuHQ==</r:DigestPassword>");
	assert_int_equal(rig_rv(&rig), 12);
	call(SETUP, "SetMEBxPassword", NULL, "<r:Password>weakweak</r:Password>");
	assert_int_equal(rig_rv(&rig), 2054);
}

static void test_certificate_needs_its_key(void **state)
{
	(void)state;
	add_certificate(rig.pool.keys[0].pkey, 1);
	assert_int_equal(rig_rv(&rig), 2064);
	make_key();
	struct dev_key *k = device_key(&rig.d, 0);
	assert_non_null(k);
	add_certificate(k->pkey, 2);
	assert_int_equal(rig_rv(&rig), 0);
	add_certificate(k->pkey, 3); /* same key, other bytes */
	assert_int_equal(rig_rv(&rig), 0);
	char *again = b64(rig.d.certs[1].der, rig.d.certs[1].der_len), body[8192];
	snprintf(body, sizeof body, "<r:CertificateBlob>%s</r:CertificateBlob>", again);
	free(again);
	call(KEYS, "AddCertificate", NULL, body);
	assert_int_equal(rig_rv(&rig), 2058);
	call(KEYS, "AddCertificate", NULL, "<r:CertificateBlob>MTIz</r:CertificateBlob>");
	assert_int_equal(rig_rv(&rig), 2063);
	call(PAIR, "Delete", "InstanceID=Intel(r) AMT Key: Handle: 0", NULL);
	assert_string_equal(rig.fault, "AccessDenied");
	call(CERT, "Delete", "InstanceID=Intel(r) AMT Certificate: Handle: 0", NULL);
	assert_string_equal(rig.fault, "AccessDenied"); /* the default one is read-only */
	call(CERT, "Delete", "InstanceID=Intel(r) AMT Certificate: Handle: 2", NULL);
	assert_string_equal(rig.fault, "");
}

static void test_key_store_is_full(void **state)
{
	(void)state;
	for (int i = 0; i < DEVICE_KEYS_MAX; i++)
		make_key();
	call(KEYS, "GenerateKeyPair", NULL,
		"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>");
	assert_int_equal(rig_rv(&rig), 23);
}

static void test_not_now(void **state)
{
	(void)state;
	rig.d.faults = 1u << FAULT_NOT_NOW;
	rig.d.fault_values[FAULT_NOT_NOW] = 2;
	for (int i = 0; i < 2; i++) {
		call(KEYS, "GenerateKeyPair", NULL,
			"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>");
		assert_int_equal(rig_rv(&rig), 2061);
	}
	make_key();
}

/* The device signs anew what it got null-signed. SPEC: ca.md 2 */
static void test_request_is_truly_signed(void **state)
{
	char body[8192];
	(void)state;
	make_key();
	struct dev_key *k = device_key(&rig.d, 0);
	X509_REQ *req = X509_REQ_new();
	X509_REQ_set_pubkey(req, k->pkey);
	assert_true(X509_REQ_sign(req, k->pkey, EVP_sha512()) > 0); /* any signature */
	unsigned char *der = NULL;
	int len = i2d_X509_REQ(req, &der);
	char *text = b64(der, (size_t)len);
	const char *format = REF("KeyPair", "AMT_PublicPrivateKeyPair", "InstanceID",
		"Intel(r) AMT Key: Handle: %d") "<r:SigningAlgorithm>1</r:SigningAlgorithm>"
						"<r:NullSignedCertificateRequest>%s</"
						"r:NullSignedCertificateRequest>";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(body, sizeof body, format, 0, text);
	call(KEYS, "GeneratePKCS10RequestEx", NULL, body);
	assert_int_equal(rig_rv(&rig), 0);
	struct buf out;
	buf_init(&out, 8192);
	const char *answer = rig_text(&rig, "SignedCertificateRequest");
	assert_int_equal(base64_decode(&out, answer, strlen(answer)), 0);
	const unsigned char *p = out.data;
	X509_REQ *got = d2i_X509_REQ(NULL, &p, (long)out.len);
	assert_non_null(got);
	assert_int_equal(X509_REQ_verify(got, k->pkey), 1);
	assert_int_equal(X509_REQ_get_signature_nid(got), NID_sha256WithRSAEncryption);
	/* Another key than the one in the request. */
	make_key();
	assert_true(device_key(&rig.d, 1)->der != k->der);
	snprintf(body, sizeof body, format, 1, text);
#pragma GCC diagnostic pop
	call(KEYS, "GeneratePKCS10RequestEx", NULL, body);
	assert_int_equal(rig_rv(&rig), 2062);
	X509_REQ_free(got);
	X509_REQ_free(req);
	OPENSSL_free(der);
	buf_free(&out);
	free(text);
}

/* SPEC: provisioning.md 3 COMMIT_A: what a commit needs, in any order */
static void test_commit_conditions(void **state)
{
	(void)state;
	assert_int_equal(commit(), 2057);
	call(SETUP, "SetMEBxPassword", NULL, "<r:Password>P@ssw0rd1</r:Password>");
	assert_int_equal(rig_rv(&rig), 0);
	assert_int_equal(commit(), 2057);
	set_name();
	assert_int_equal(commit(), 2057);
	set_clock();
	assert_int_equal(commit(), 2057);
	set_admin();
	assert_int_equal(commit(), 2057); /* 19: TLS is a must */
	call(TLS, "Put", REMOTE, TLS_ON);
	assert_string_equal(rig.fault, "AccessDenied"); /* nothing is bound */
	make_key();
	add_certificate(device_key(&rig.d, 0)->pkey, 9);
	call(CRED, "Create", NULL, BIND("1"));
	assert_string_equal(rig.fault, "");
	call(CRED, "Create", NULL, BIND("1"));
	assert_string_equal(rig.fault, "AlreadyExists");
	call(CRED, "Put", NULL, BIND("1"));
	assert_string_equal(rig.fault, "");
	call(TLS, "Put", REMOTE, TLS_ON);
	assert_string_equal(rig.fault, "");
	/* Staged until now. */
	assert_false(rig.d.committed.setting[TLS_REMOTE].enabled);
	assert_int_equal(rig.d.state, DEV_IN);
	assert_int_equal(commit(), 0);
	assert_true(rig.last.cut); /* amt19 */
	assert_true(rig.last.configured);
	assert_int_equal(rig.d.state, DEV_POST);
	assert_true(rig.d.committed.setting[TLS_REMOTE].enabled);
	struct shown shown;
	device_shown(&rig.d, &shown);
	assert_ptr_equal(shown.cert, rig.d.certs[1].x509);
	assert_int_equal(shown.n_chain, 0);
	assert_int_equal(rig.d.n_commits, 1);
	assert_int_equal(rig.d.n_binds, 1);
	assert_int_equal(commit(), 0); /* harmless, no second change */
	assert_int_equal(rig.d.n_commits, 1);
}

static void test_features(void **state)
{
	(void)state;
	call(AMT_URI "AMT_RedirectionService", "RequestStateChange", NULL,
		"<r:RequestedState>32771</r:RequestedState>");
	assert_int_equal(rig_rv(&rig), 0);
	assert_int_equal(rig.d.set.redir_state, 32771);
	call(CIM_URI "CIM_KVMRedirectionSAP", "RequestStateChange", NULL,
		"<r:RequestedState>2</r:RequestedState><r:TimeoutPeriod>PT0S</r:TimeoutPeriod>");
	assert_int_equal(rig_rv(&rig), 4098);
	call(CIM_URI "CIM_KVMRedirectionSAP", "RequestStateChange", NULL,
		"<r:RequestedState>9</r:RequestedState>");
	assert_int_equal(rig_rv(&rig), 5);
	call(AMT_URI "AMT_SystemPowerScheme", "SetPowerScheme", "InstanceID=SCHEME 1", NULL);
	assert_int_equal(rig_rv(&rig), 0);
	assert_int_equal(rig.d.set.power_scheme, 1);
	const struct xml_node *items = rig_pull(&rig, CIM_URI "CIM_ElementSettingData");
	assert_int_equal(xml_count(items), 2);
	assert_string_equal(xml_child(items->children, "IsCurrent")->text, "2");
	assert_string_equal(xml_child(items->children->next, "IsCurrent")->text, "1");
	rig.d.as = personality_find(&rig.set, "amt16std");
	call(CIM_URI "CIM_KVMRedirectionSAP", "Get", NULL, NULL);
	assert_string_equal(rig.fault, "DestinationUnreachable");
}

static void test_unprovision_begins_a_generation(void **state)
{
	(void)state;
	call(SETUP, "Unprovision", NULL, "<r:ProvisioningMode>1</r:ProvisioningMode>");
	assert_int_equal(rig_rv(&rig), 32);
	char realm[DEVICE_REALM_MAX];
	snprintf(realm, sizeof realm, "%s", rig.d.realm);
	rig.d.state = DEV_POST;
	call(SETUP, "PartialUnprovision", NULL, NULL);
	assert_int_equal(rig_rv(&rig), 0);
	assert_true(rig.last.setup_again);
	assert_int_equal(rig.d.generation, 2);
	assert_string_equal(rig.d.realm, realm);
	rig.d.state = DEV_POST;
	call(SETUP, "Unprovision", NULL, "<r:ProvisioningMode>1</r:ProvisioningMode>");
	assert_int_equal(rig.d.generation, 3);
	assert_string_not_equal(rig.d.realm, realm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_is_strict, open16, shut),
		cmocka_unit_test_setup_teardown(test_dispatch, open16, shut),
		cmocka_unit_test_setup_teardown(test_header_order, open16, shut),
		cmocka_unit_test_setup_teardown(test_pull_in_pieces, open16, shut),
		cmocka_unit_test_setup_teardown(test_admin_password_must_be_bytes, open16, shut),
		cmocka_unit_test_setup_teardown(test_certificate_needs_its_key, open16, shut),
		cmocka_unit_test_setup_teardown(test_key_store_is_full, open16, shut),
		cmocka_unit_test_setup_teardown(test_not_now, open16, shut),
		cmocka_unit_test_setup_teardown(test_request_is_truly_signed, open16, shut),
		cmocka_unit_test_setup_teardown(test_commit_conditions, open19, shut),
		cmocka_unit_test_setup_teardown(test_features, open16, shut),
		cmocka_unit_test_setup_teardown(test_unprovision_begins_a_generation, open16, shut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
