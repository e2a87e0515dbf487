/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/worker/fake_answers.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/codec.h"

#define CERT_HANDLE "Intel(r) AMT Certificate: Handle: 1"
#define KEY_HANDLE  "Intel(r) AMT Key: Handle: 0"

void fake_request_names(struct fake_request *rq)
{
	rq->message_id = rq->m.message_id;
	if (wsman_message_op(&rq->m) == WSMAN_INVOKE)
		snprintf(rq->method, sizeof rq->method, "%s", rq->m.body_name);
}

static void open_envelope(struct fake_request *rq, struct buf *out)
{
	buf_addf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" WSMAN_NS_SOAP
		"\" xmlns:b=\"" WSMAN_NS_ADDR "\" xmlns:c=\"" WSMAN_NS_WSMAN
		"\" xmlns:g=\"" WSMAN_NS_ENUM "\" "
		"xmlns:h=\"%s\"><a:Header><b:RelatesTo>%s</"
		"b:RelatesTo><b:Action>%sResponse</b:Action>"
		"<c:ResourceURI>%s</c:ResourceURI></a:Header><a:Body>",
		rq->m.resource_uri, rq->message_id, rq->m.action, rq->m.resource_uri);
}

static void close_envelope(struct buf *out)
{
	buf_adds(out, "</a:Body></a:Envelope>");
}

void fake_output(struct fake_request *rq, unsigned rv, const char *inner, struct buf *out)
{
	open_envelope(rq, out);
	buf_addf(out, "<h:%s_OUTPUT>%s<h:ReturnValue>%u</h:ReturnValue></h:%s_OUTPUT>", rq->method,
		inner, rv, rq->method);
	close_envelope(out);
}

/* All texts of a request, one after the other. */
static void quote(const struct wsman_node *n, struct buf *out)
{
	for (; n; n = n->next) {
		if (n->text)
			buf_addf(out, "%s ", n->text);
		quote(n->child, out);
	}
}

void fake_fault_body(struct fake_request *rq, const char *subcode, struct buf *out)
{
	struct buf text;
	buf_init(&text, 8192);
	buf_adds(&text, "test ");
	if (rq->quotes)
		quote(rq->m.payload, &text);
	rq->is_fault = true;
	open_envelope(rq, out);
	buf_addf(out,
		"<a:Fault><a:Code><a:Value>a:Sender</a:Value><a:Subcode><a:Value>e:%s</a:Value></"
		"a:Subcode>"
		"</a:Code><a:Reason><a:Text>%s</a:Text></a:Reason></a:Fault>",
		subcode, buf_cstr(&text));
	buf_free(&text);
	close_envelope(out);
}

static void epr(struct buf *out, const char *name, const char *class_name, const char *selector,
	const char *value)
{
	buf_addf(out,
		"<h:%s><b:Address>x</b:Address><b:ReferenceParameters><c:ResourceURI>" WSMAN_NS_AMT
		"%s</c:ResourceURI><c:SelectorSet><c:Selector Name=\"%s\">%s</c:Selector>"
		"</c:SelectorSet></b:ReferenceParameters></h:%s>",
		name, class_name, selector, value, name);
}

static void base64(struct buf *out, const char *name, const void *data, size_t len)
{
	buf_addf(out, "<h:%s>", name);
	base64_encode(out, data, len);
	buf_addf(out, "</h:%s>", name);
}

static void derkey(struct fake_device *d, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_PublicKey(d->key, &der);
	base64(out, "DERKey", der, (size_t)len);
	OPENSSL_free(der);
}

static void tls_setting(const struct fake_device *d, const char *id, struct buf *out)
{
	buf_addf(out,
		"<h:AMT_TLSSettingData>%s<h:ElementName>x</h:ElementName><h:Enabled>false</"
		"h:Enabled>"
		"<h:InstanceID>Intel(r) AMT %s TLS Settings</h:InstanceID>"
		"<h:MutualAuthentication>false</h:MutualAuthentication></h:AMT_TLSSettingData>",
		d->no_plain ? "<h:NonSecureConnectionsSupported>false"
			      "</h:NonSecureConnectionsSupported>"
			    : "<h:AcceptNonSecureConnections>false"
			      "</h:AcceptNonSecureConnections>",
		id);
}

/* Certificates and keys that an interrupted visit left. */
static void strays(struct fake_device *d, const char *class_name, struct buf *out)
{
	bool keys = strcmp(class_name, "AMT_PublicPrivateKeyPair") == 0;
	unsigned n = keys ? d->stray_keys : d->stray_certs;
	for (unsigned i = 0; i < n; i++) {
		unsigned char *der = NULL;
		int len = keys ? i2d_PublicKey(X509_get0_pubkey(d->self), &der)
			       : i2d_X509(d->self, &der);
		buf_addf(out, "<h:%s><h:InstanceID>stray %u</h:InstanceID>", class_name, i);
		base64(out, keys ? "DERKey" : "X509Certificate", der, (size_t)len);
		buf_addf(out, "</h:%s>", class_name);
		OPENSSL_free(der);
	}
}

static void delete (struct fake_device *d, const char *class_name, const char *handle)
{
	bool cert = strcmp(class_name, "AMT_PublicKeyCertificate") == 0;
	bool stray = handle && strncmp(handle, "stray", 5) == 0;
	d->n_deletes += cert;
	d->stray_certs -= cert && stray;
	d->stray_keys -= !cert && stray;
}

/* The items of one class. */
/* Two from AMT 6.0 on, seven before; the order is nobody's promise. */
static void power_schemes(const struct fake_device *d, struct buf *out)
{
	static const char *const old[][2] = {{"A", "ON in S0, S3"}, {"B", "ON in S0, S3, S4-5"},
		{"C", "ON in S0, ME WoL in S3"}, {"S0", "ON in S0"},
		{"D", "ON in S0, S3, S4-5, OFF After Power Loss"},
		{"S3", "ON in S0, ME WoL in S3, S4-5"},
		{"E", "ON in S0, ME WoL in S3, S4-5, OFF After Power Loss"}};
	static const char *const late[][2] = {
		{"S0", "ON in S0"}, {"S3", "ON in S0, ME Wake in S3, S4-5"}};
	const char *const(*all)[2] = d->old ? old : late;
	for (size_t i = 0; i < (d->old ? 7 : 2); i++)
		buf_addf(out,
			"<h:AMT_SystemPowerScheme><h:Description>Desktop: %s</h:Description>"
			"<h:InstanceID>%s</h:InstanceID><h:SchemeGUID>AQ==</h:SchemeGUID>"
			"</h:AMT_SystemPowerScheme>",
			all[i][1], all[i][0]);
}

static void items(struct fake_device *d, const char *class_name, struct buf *out)
{
	if (strcmp(class_name, "CIM_SoftwareIdentity") == 0) {
		buf_adds(out,
			"<h:CIM_SoftwareIdentity><h:InstanceID>AMT</h:InstanceID><h:VersionString>"
			"12.0.67</h:VersionString></h:CIM_SoftwareIdentity>");
	} else if (strcmp(class_name, "AMT_PublicKeyCertificate") == 0 && d->cert.len) {
		buf_adds(out,
			"<h:AMT_PublicKeyCertificate><h:InstanceID>" CERT_HANDLE "</h:InstanceID>");
		base64(out, "X509Certificate", d->cert.data, d->cert.len);
		buf_adds(out, "</h:AMT_PublicKeyCertificate>");
	} else if (strcmp(class_name, "AMT_PublicPrivateKeyPair") == 0 && d->has_key) {
		buf_adds(out, "<h:AMT_PublicPrivateKeyPair>");
		derkey(d, out);
		buf_adds(out,
			"<h:InstanceID>" KEY_HANDLE "</h:InstanceID></h:AMT_PublicPrivateKeyPair>");
	} else if (strcmp(class_name, "AMT_TLSCredentialContext") == 0 && d->has_context) {
		buf_adds(out, "<h:AMT_TLSCredentialContext>");
		epr(out, "ElementInContext", "AMT_PublicKeyCertificate",
			d->no_context_names ? "Name" : "InstanceID", CERT_HANDLE);
		epr(out, "ElementProvidingContext", "AMT_TLSProtocolEndpointCollection",
			"ElementName", "TLSProtocolEndpoint Instances Collection");
		buf_adds(out, "</h:AMT_TLSCredentialContext>");
	} else if (strcmp(class_name, "AMT_TLSSettingData") == 0) {
		static const char *const ids[] = {"LMS", "802.3"};
		for (int i = 0; i < 2; i++)
			tls_setting(d, ids[i], out);
	} else if (strcmp(class_name, "AMT_SystemPowerScheme") == 0) {
		power_schemes(d, out);
	} else if (strcmp(class_name, "AMT_SetupAndConfigurationService") == 0) {
		buf_addf(out, "<h:%s><h:ProvisioningState>2</h:ProvisioningState></h:%s>",
			class_name, class_name);
	} else if (strcmp(class_name, "CIM_ElementSettingData") == 0) {
		buf_adds(out, "<h:CIM_ElementSettingData><h:IsCurrent>1</h:IsCurrent>");
		epr(out, "SettingData", "AMT_SystemPowerScheme", "InstanceID", d->power);
		buf_adds(out, "</h:CIM_ElementSettingData>");
	}
}

static void general(struct fake_device *d, struct buf *out)
{
	const char *realm = d->swapped || (d->other_realm && d->configured)
				    ? "0000554784E729164447A89F60B641C5"
				    : "F3EB554784E729164447A89F60B641C5";
	buf_addf(out,
		"<h:AMT_GeneralSettings><h:AMTNetworkEnabled>1</h:AMTNetworkEnabled><h:DigestRealm>"
		"Digest:%s</h:DigestRealm><h:DomainName>%s</"
		"h:DomainName>"
		"<h:HostName>%s</h:HostName><h:PingResponseEnabled>%s</h:PingResponseEnabled>",
		realm, d->domain, d->host, d->ping);
	if (!d->old)
		buf_addf(out, "<h:RmcpPingResponseEnabled>%s</h:RmcpPingResponseEnabled>", d->ping);
	buf_adds(out, "</h:AMT_GeneralSettings>");
}

static void get(struct fake_device *d, const char *class_name, struct buf *out)
{
	if (strcmp(class_name, "AMT_GeneralSettings") == 0)
		general(d, out);
	else if (strcmp(class_name, "AMT_SetupAndConfigurationService") == 0)
		buf_addf(out,
			"<h:AMT_SetupAndConfigurationService><h:ProvisioningState>%d</"
			"h:ProvisioningState>"
			"</h:AMT_SetupAndConfigurationService>",
			d->configured || d->fault == FAKE_STATE2 ? 2 : 1);
	else if (strcmp(class_name, "AMT_TLSSettingData") == 0)
		tls_setting(d, "802.3", out);
	else if (strcmp(class_name, "AMT_RedirectionService") == 0)
		buf_addf(out,
			"<h:AMT_RedirectionService><h:AccessLog>x</h:AccessLog><h:EnabledState>%s"
			"</h:EnabledState><h:ListenerEnabled>%s</h:ListenerEnabled>"
			"</h:AMT_RedirectionService>",
			d->redirection, d->listener);
	else if (strcmp(class_name, "IPS_OptInService") == 0)
		buf_addf(out,
			"<h:IPS_OptInService><h:CanModifyOptInPolicy>%d</h:CanModifyOptInPolicy>"
			"<h:OptInRequired>%s</h:OptInRequired></h:IPS_OptInService>",
			!d->consent_fixed, d->consent);
	else if (strcmp(class_name, "IPS_KVMRedirectionSettingData") == 0)
		buf_addf(out,
			"<h:%s><h:EnabledByMEBx>%s</h:EnabledByMEBx><h:OptInPolicy>%s</"
			"h:OptInPolicy></h:%s>",
			class_name, d->mebx_kvm_off ? "false" : "true", d->opt_in_policy,
			class_name);
	else
		buf_addf(out, "<h:%s><h:EnabledState>%s</h:EnabledState></h:%s>", class_name,
			strcmp(class_name, "AMT_WebUIService") == 0 ? d->webui : d->kvm,
			class_name);
}

static void copy(char *out, size_t size, const struct wsman_node *o, const char *name)
{
	const char *text = wsman_node_text(o, name);
	if (text)
		snprintf(out, size, "%s", text);
}

static void put(struct fake_device *d, const char *class_name, const struct wsman_node *o)
{
	if (strcmp(class_name, "AMT_GeneralSettings") == 0) {
		copy(d->host, sizeof d->host, o, "HostName");
		copy(d->domain, sizeof d->domain, o, "DomainName");
		copy(d->ping, sizeof d->ping, o, "PingResponseEnabled");
	} else if (strcmp(class_name, "AMT_RedirectionService") == 0) {
		copy(d->redirection, sizeof d->redirection, o, "EnabledState");
		copy(d->listener, sizeof d->listener, o, "ListenerEnabled");
	} else if (strcmp(class_name, "IPS_OptInService") == 0) {
		copy(d->consent, sizeof d->consent, o, "OptInRequired");
	} else if (strcmp(class_name, "IPS_KVMRedirectionSettingData") == 0) {
		copy(d->opt_in_policy, sizeof d->opt_in_policy, o, "OptInPolicy");
		copy(d->rfb, sizeof d->rfb, o, "RFBPassword");
	} else if (strcmp(class_name, "AMT_TLSSettingData") == 0) {
		const char *id = wsman_node_text(o, "InstanceID");
		d->tls_on = id && strstr(id, "802.3") != NULL;
		d->n_plain += d->no_plain && wsman_node_child(o, "AcceptNonSecureConnections");
	}
}

static void key_from_blob(struct fake_device *d, const char *text)
{
	struct buf raw;
	buf_init(&raw, 8192);
	if (text && base64_decode(&raw, text, strlen(text)) == 0) {
		const unsigned char *p = raw.data;
		EVP_PKEY_free(d->key);
		d->key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &p, (long)raw.len);
		d->has_key = d->key != NULL;
	}
	buf_free(&raw);
}

static void sign_request(struct fake_device *d, const char *text, struct buf *inner)
{
	struct buf raw;
	unsigned char *der = NULL;
	buf_init(&raw, 8192);
	base64_decode(&raw, text, strlen(text));
	const unsigned char *p = raw.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)raw.len);
	if (req && X509_REQ_sign(req, d->key, EVP_sha256())) {
		int len = i2d_X509_REQ(req, &der);
		base64(inner, "SignedCertificateRequest", der, (size_t)len);
	}
	OPENSSL_free(der);
	X509_REQ_free(req);
	buf_free(&raw);
}

static void invoke_keys(struct fake_device *d, struct fake_request *rq, struct buf *inner)
{
	const struct wsman_node *in = rq->m.payload;
	if (strcmp(rq->method, "GenerateKeyPair") == 0) {
		d->n_generates++;
		EVP_PKEY_free(d->key);
		EVP_PKEY_up_ref(d->made);
		d->key = d->made;
		d->has_key = true;
		epr(inner, "KeyPair", "AMT_PublicPrivateKeyPair", "InstanceID", KEY_HANDLE);
	} else if (strcmp(rq->method, "AddKey") == 0) {
		key_from_blob(d, wsman_node_text(in, "KeyBlob"));
	} else if (strcmp(rq->method, "AddCertificate") == 0) {
		const char *text = wsman_node_text(in, "CertificateBlob");
		d->cert.len = 0;
		base64_decode(&d->cert, text, strlen(text));
		epr(inner, "CreatedCertificate", "AMT_PublicKeyCertificate", "InstanceID",
			CERT_HANDLE);
	} else if (strcmp(rq->method, "GeneratePKCS10RequestEx") == 0) {
		sign_request(d, wsman_node_text(in, "NullSignedCertificateRequest"), inner);
	}
}

/* PID and PPS as octets (base64) or, for some firmware, as texts. */
static unsigned set_psk(struct fake_device *d, const struct wsman_node *in)
{
	const char *pid = wsman_node_text(in, "PID"), *pps = wsman_node_text(in, "PPS");
	struct buf a, b;
	buf_init(&a, 64);
	buf_init(&b, 64);
	if (!d->psk_texts) {
		base64_decode(&a, pid, strlen(pid));
		base64_decode(&b, pps, strlen(pps));
		pid = buf_cstr(&a);
		pps = buf_cstr(&b);
	}
	unsigned rv = strlen(pid) != 8 ? 42 : strlen(pps) != 32 ? 43 : 0;
	if (rv == 0) {
		snprintf(d->next_pid, sizeof d->next_pid, "%s", pid);
		snprintf(d->next_pps, sizeof d->next_pps, "%s", pps);
	}
	buf_free(&a);
	buf_free(&b);
	return rv;
}

static void invoke(struct fake_device *d, struct fake_request *rq, struct buf *out)
{
	const struct wsman_node *in = rq->m.payload;
	struct buf inner;
	uint8_t wire[16];
	unsigned rv = 0;
	bool key = strcmp(rq->method, "GenerateKeyPair") == 0 || strcmp(rq->method, "AddKey") == 0;
	if ((key && d->stray_keys) ||
		(strcmp(rq->method, "AddCertificate") == 0 && d->stray_certs)) {
		fake_output(rq, 23, "", out);
		return;
	}
	buf_init(&inner, 65536);
	if (strcmp(rq->method, "GetUuid") == 0) {
		uuid_to_wire(&d->uuid, wire);
		wire[0] ^= d->fault == FAKE_UUID;
		base64(&inner, "UUID", wire, sizeof wire);
	} else if (strcmp(rq->method, "GetLowAccuracyTimeSynch") == 0) {
		/* Setup has set it right. */
		buf_addf(&inner, "<h:Ta0>%lld</h:Ta0>",
			d->configured ? (long long)time(NULL) + d->clock_off_s : 1704586865LL);
	} else if (strcmp(rq->method, "SetHighAccuracyTimeSynch") == 0) {
		d->clock_off_s = 0;
		d->n_clock_sets++;
	} else if (strcmp(rq->method, "SetAdminAclEntryEx") == 0) {
		d->nonce++; /* an ACL change ends the logins. SPEC: wsman.md 3.2 */
		if (d->keep_password)
			d->keep_password--;
		else
			copy(d->password_b64, sizeof d->password_b64, in, "DigestPassword");
	} else if (strcmp(rq->method, "SetMEBxPassword") == 0) {
		d->n_mebx++;
		if (d->mebx_once && d->mebx[0])
			rv = 16;
		else
			copy(d->mebx, sizeof d->mebx, in, "Password");
	} else if (strcmp(rq->method, "ExtendProvisioningPeriod") == 0) {
		copy(d->extended, sizeof d->extended, in, "Duration");
	} else if (strcmp(rq->method, "SetTLSPSK") == 0) {
		rv = set_psk(d, in);
	} else if (strcmp(rq->method, "GetAdminNetAclEntryStatus") == 0) {
		buf_adds(&inner, "<h:IsDefault>false</h:IsDefault>");
	} else if (strcmp(rq->method, "CommitChanges") == 0) {
		d->n_commits++;
		d->committed = true;
		if (d->forgets_name)
			d->host[0] = d->domain[0] = '\0';
	} else if (strstr(rq->method, "Unprovision") && strncmp(rq->method, "Get", 3) != 0) {
		d->n_unprovisions++;
		rv = d->unprovision_rv;
		d->told = rv == 0;
	} else if (strcmp(rq->method, "GetUnprovisionBlockingComponents") == 0) {
		if (d->blocked_by)
			buf_addf(&inner, "<h:Component>%u</h:Component>", d->blocked_by);
	} else if (strcmp(rq->method, "SetPowerScheme") == 0) {
		snprintf(d->power, sizeof d->power, "%s",
			wsman_node_selector(rq->m.selectors, NULL));
	} else if (strcmp(rq->method, "EnumerateUserAclEntries") == 0) {
		rv = d->acl_full ? 35 : 0;
	} else if (strcmp(rq->method, "AddUserAclEntryEx") == 0) {
		rv = d->acl_full ? 2058 : 0;
	} else if (strcmp(rq->method, "RequestStateChange") == 0 && d->state_rv == 1) {
		rv = d->state_rv;
	} else if (strcmp(rq->method, "RequestStateChange") == 0) {
		const char *c = rq->m.class_name;
		rv = d->state_rv;
		copy(strcmp(c, "AMT_WebUIService") == 0            ? d->webui
			: strcmp(c, "AMT_RedirectionService") == 0 ? d->redirection
								   : d->kvm,
			8, in, "RequestedState");
		if (d->mebx_kvm_off)
			snprintf(d->kvm, sizeof d->kvm, "3");
	}
	invoke_keys(d, rq, &inner);
	bool refused = d->mebx_kvm_off && strcmp(rq->m.class_name, "CIM_KVMRedirectionSAP") == 0;
	fake_output(rq, refused ? 1 : rv, inner.len ? buf_cstr(&inner) : "", out);
	buf_free(&inner);
}

/* What AMT 3 to 5 answers to names that came later. @return the fault, or NULL */
static const char *too_new(const struct fake_request *rq)
{
	const char *c = rq->m.class_name;
	if (strncmp(c, "IPS_", 4) == 0 || strcmp(c, "CIM_KVMRedirectionSAP") == 0)
		return "DestinationUnreachable";
	if (strcmp(rq->method, "GenerateKeyPair") == 0 ||
		strcmp(rq->method, "GeneratePKCS10RequestEx") == 0)
		return "ActionNotSupported";
	bool put = wsman_message_op(&rq->m) == WSMAN_PUT;
	if (put && strcmp(c, "AMT_GeneralSettings") == 0 &&
		(wsman_node_child(rq->m.payload, "SharedFQDN") ||
			wsman_node_child(rq->m.payload, "RmcpPingResponseEnabled") ||
			wsman_node_child(rq->m.payload, "WsmanOnlyMode")))
		return "SchemaValidationError";
	return NULL;
}

void fake_answer(struct fake_device *d, struct fake_request *rq, struct buf *out)
{
	const char *class_name = rq->m.class_name;
	const char *fault = d->old ? too_new(rq) : NULL;
	if (d->power_two_keys && strcmp(rq->method, "SetPowerScheme") == 0 &&
		!wsman_node_selector(rq->m.selectors, "SchemeGUID"))
		fault = "InvalidSelectors";
	if (d->wants_wsman_only && wsman_message_op(&rq->m) == WSMAN_PUT &&
		strcmp(class_name, "AMT_GeneralSettings") == 0 &&
		!wsman_node_child(rq->m.payload, "WsmanOnlyMode"))
		fault = "SchemaValidationError";
	if (fault) {
		fake_fault_body(rq, fault, out);
		return;
	}
	switch (wsman_message_op(&rq->m)) {
	case WSMAN_INVOKE: invoke(d, rq, out); return;
	case WSMAN_ENUMERATE:
		open_envelope(rq, out);
		buf_adds(out,
			"<g:EnumerateResponse><g:EnumerationContext>D3000000</g:EnumerationContext>"
			"</g:EnumerateResponse>");
		break;
	case WSMAN_PULL:
		open_envelope(rq, out);
		buf_adds(out, "<g:PullResponse><g:Items>");
		items(d, class_name, out);
		if (strncmp(class_name, "AMT_Public", 10) == 0)
			strays(d, class_name, out);
		buf_adds(out, "</g:Items><g:EndOfSequence/></g:PullResponse>");
		break;
	case WSMAN_CREATE:
		d->has_context = true;
		open_envelope(rq, out);
		break;
	case WSMAN_PUT:
		put(d, class_name, rq->m.payload);
		open_envelope(rq, out);
		get(d, class_name, out);
		break;
	case WSMAN_GET:
		open_envelope(rq, out);
		get(d, class_name, out);
		break;
	default:
		delete (d, class_name, wsman_node_selector(rq->m.selectors, NULL));
		open_envelope(rq, out);
		break;
	}
	close_envelope(out);
}
