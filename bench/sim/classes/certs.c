/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates in the device's store: the two lists, the service that fills them, and what
 * it can do. Keys come from the pool, signatures are real. SPEC: provisioning.md 3 CERT; ca.md 2
 */
#include "bench/sim/classes/class.h"
#include "bench/sim/classes/remote.h"
#include "bench/sim/classes/trust.h"
#include "bench/sim/classes/wifi.h"

#include "common/base/codec.h"

#include "common/base/cert.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX "Intel(r) AMT Key: Handle: "
/* Longest certificate that firmware stores, DER. SPEC: wsman.md 4 Sizes */
#define CERT_DER_MAX 4100
#define REQUEST_MAX  8192
/* How long a key takes on real firmware is a law of the estate (--slow-keys); see http.c. */

/* ---- AMT_PublicKeyCertificate -------------------------------------------------------------- */

static int cert_count(const struct device *d)
{
	(void)d;
	return DEVICE_CERTS_MAX;
}

static bool cert_exists(const struct device *d, int i)
{
	return d->certs[i].handle >= 0;
}

static void cert_id(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char id[64];
	snprintf(id, sizeof id, CERT_PREFIX "%d", d->certs[i].handle);
	w_text(w, p->name, id);
}

/* Names as firmware prints them: comma separated, in the order of the certificate. */
static void write_name(struct writer *w, const char *element, const X509_NAME *name)
{
	BIO *mem = BIO_new(BIO_s_mem());
	char text[512] = "";
	if (mem && X509_NAME_print_ex(mem, name, 0, XN_FLAG_SEP_COMMA_PLUS) >= 0) {
		int n = BIO_read(mem, text, sizeof text - 1);
		text[n > 0 ? n : 0] = '\0';
	}
	BIO_free(mem);
	w_text(w, element, text);
}

static void cert_issuer(struct writer *w, struct device *d, int i, const struct prop *p)
{
	write_name(w, p->name, X509_get_issuer_name(d->certs[i].x509));
}

static void cert_subject(struct writer *w, struct device *d, int i, const struct prop *p)
{
	write_name(w, p->name, X509_get_subject_name(d->certs[i].x509));
}

static void cert_readonly(struct writer *w, struct device *d, int i, const struct prop *p)
{
	if (d->as->certificate.listed)
		w_bool(w, p->name, d->certs[i].readonly);
}

static void cert_trusted(struct writer *w, struct device *d, int i, const struct prop *p)
{
	w_bool(w, p->name, d->certs[i].trusted);
}

static void cert_blob(struct writer *w, struct device *d, int i, const struct prop *p)
{
	w_b64(w, p->name, d->certs[i].der, d->certs[i].der_len);
}

static const struct prop cert_props[] = {
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Certificate"},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .value = cert_id},
	{"Issuer", PT_STR, PF_RO, .value = cert_issuer},
	{"ReadOnlyCertificate", PT_BOOL, PF_RO, .value = cert_readonly},
	{"Subject", PT_STR, PF_RO, .value = cert_subject},
	{"TrustedRootCertficate", PT_BOOL, PF_RO, .value = cert_trusted},
	{"X509Certificate", PT_B64, PF_RO, .value = cert_blob},
	{NULL},
};

static enum wfault cert_delete(struct call *c)
{
	struct dev_cert *cert = &c->d->certs[c->instance];
	bool bound = cert->handle == c->d->staged.cert || cert->handle == c->d->committed.cert;
	if (bound || cert->readonly || wifi_uses_cert(c->d, cert->handle) ||
		wired_uses_cert(c->d, cert->handle) || remote_uses_cert(c->d, cert->handle))
		return WF_ACCESS_DENIED;
	device_cert_drop(cert);
	return WF_NONE;
}

const struct class_def class_certificate = {
	.name = "AMT_PublicKeyCertificate",
	.ns = NS_AMT,
	.props = cert_props,
	.count = cert_count,
	.exists = cert_exists,
	.del = cert_delete,
};

/* ---- AMT_PublicPrivateKeyPair -------------------------------------------------------------- */

static int key_count(const struct device *d)
{
	(void)d;
	return DEVICE_KEYS_MAX;
}

static bool key_exists(const struct device *d, int i)
{
	return d->keys[i].handle >= 0;
}

static void key_der(struct writer *w, struct device *d, int i, const struct prop *p)
{
	w_b64(w, p->name, d->keys[i].der, d->keys[i].der_len);
}

static void key_id(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char id[64];
	snprintf(id, sizeof id, KEY_PREFIX "%d", d->keys[i].handle);
	w_text(w, p->name, id);
}

static const struct prop key_props[] = {
	{"DERKey", PT_B64, PF_RO, .value = key_der},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Key"},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .value = key_id},
	{NULL},
};

static enum wfault key_delete(struct call *c)
{
	struct dev_key *key = &c->d->keys[c->instance];
	for (size_t i = 0; i < DEVICE_CERTS_MAX; i++)
		if (c->d->certs[i].handle >= 0 && device_cert_key(c->d, &c->d->certs[i]) == key)
			return WF_ACCESS_DENIED;
	device_key_drop(key);
	return WF_NONE;
}

const struct class_def class_key_pair = {
	.name = "AMT_PublicPrivateKeyPair",
	.ns = NS_AMT,
	.props = key_props,
	.count = key_count,
	.exists = key_exists,
	.del = key_delete,
};

/* ---- AMT_PublicKeyManagementService -------------------------------------------------------- */

static const struct prop management_props[] = {
	PROPS_SERVICE("AMT_PublicKeyManagementService", "Intel(r) AMT Certificate Store Service"),
	{"EnabledDefault", PT_UINT, PF_RO, .text = "5"},
	{"EnabledState", PT_UINT, PF_RO, .text = "5"},
	{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Public Key Management Service"},
	{"RequestedState", PT_UINT, PF_RO, .text = "12"},
	PROPS_SYSTEM,
	{NULL},
};

static void out_ref(
	struct call *c, const char *element, const char *cls, const char *prefix, int handle)
{
	char id[64];
	snprintf(id, sizeof id, "%s%d", prefix, handle);
	snprintf(c->note, sizeof c->note, "handle %d", handle);
	w_ref(&c->w, element, NS_AMT, cls, "InstanceID", id);
}

static enum wfault generate_key_pair(struct call *c)
{
	struct device *d = c->d;
	if (arg_uint(c, 0, 0) != 0)
		c->rv = RV_UNSUPPORTED;
	else if (arg_uint(c, 1, 0) != KEYPOOL_BITS)
		c->rv = RV_INVALID_PARAMETER;
	else if (device_has(d, FAULT_NOT_NOW) && d->n_not_now < d->fault_values[FAULT_NOT_NOW]) {
		d->n_not_now++;
		c->rv = RV_GENERATING_KEYS;
	}
	if (c->rv)
		return WF_NONE;
	struct dev_key *k = device_key_add(d);
	if (!k) {
		c->rv = RV_MAX_LIMIT;
		return WF_NONE;
	}
	/* Neighbours and repeats get different keys while the pool lasts. */
	size_t slots = d->pool->n - 1;
	size_t i = slots ? 1 + (d->index * 7 + d->n_genkey * 13 + d->generation) % slots : 0;
	const struct pool_key *pool = &d->pool->keys[i];
	k->pkey = pool->pkey;
	k->der = pool->der;
	k->der_len = pool->der_len;
	d->n_genkey++;
	out_ref(c, "KeyPair", "AMT_PublicPrivateKeyPair", KEY_PREFIX, k->handle);
	return WF_NONE;
}

/* The request's key must be the named pair. */
static bool request_key_is(X509_REQ *req, const struct dev_key *k)
{
	unsigned char *der = NULL;
	EVP_PKEY *pub = X509_REQ_get0_pubkey(req);
	int len = pub ? i2d_PublicKey(pub, &der) : -1;
	bool same = len > 0 && (size_t)len == k->der_len && memcmp(der, k->der, k->der_len) == 0;
	OPENSSL_free(der);
	return same;
}

static enum wfault sign_request(struct call *c, const struct buf *der, const struct dev_key *k)
{
	const EVP_MD *digests[] = {EVP_sha1(), EVP_sha256(), EVP_sha384()};
	uint64_t alg = arg_uint(c, 1, 1);
	const unsigned char *p = der->data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der->len);
	unsigned char *out = NULL;
	if (!req || p != der->data + der->len || !request_key_is(req, k)) {
		c->rv = RV_INVALID_KEY;
	} else if (alg > 2 || (alg == 0 && !c->d->as->sha1_csr)) {
		c->rv = RV_INVALID_PARAMETER;
	} else {
		int ok = X509_REQ_sign(req, k->pkey, digests[alg]);
		int len = ok > 0 ? i2d_X509_REQ(req, &out) : -1;
		if (len <= 0) {
			X509_REQ_free(req);
			return WF_INTERNAL;
		}
		w_b64(&c->w, "SignedCertificateRequest", out, (size_t)len);
	}
	OPENSSL_free(out);
	X509_REQ_free(req);
	return WF_NONE;
}

static enum wfault generate_request(struct call *c)
{
	const char *id = arg_ref(c, 0, "AMT_PublicPrivateKeyPair", "InstanceID");
	struct dev_key *k = device_key(c->d, device_handle(id, KEY_PREFIX));
	if (!k) {
		c->rv = RV_NOT_FOUND;
		return WF_NONE;
	}
	struct buf der;
	buf_init(&der, REQUEST_MAX);
	enum wfault f = WF_NONE;
	if (!arg_b64(c, 2, &der))
		c->rv = RV_INVALID_PARAMETER;
	else
		f = sign_request(c, &der, k);
	buf_free(&der);
	return f;
}

/* Parse a certificate argument; NULL and c->rv set when it is none. */
static X509 *read_certificate(struct call *c, struct buf *der)
{
	X509 *x = NULL;
	if (arg_b64(c, 0, der) && der->len > 0 && der->len <= CERT_DER_MAX)
		x = cert_parse(der->data, der->len);
	if (!x)
		c->rv = RV_INVALID_CERT;
	return x;
}

static bool already_there(struct device *d, const struct buf *der)
{
	for (size_t i = 0; i < DEVICE_CERTS_MAX; i++)
		if (d->certs[i].handle >= 0 && d->certs[i].der_len == der->len &&
			memcmp(d->certs[i].der, der->data, der->len) == 0)
			return true;
	return false;
}

static void keep(struct call *c, X509 *x, const struct buf *der, bool trusted)
{
	struct dev_cert *slot = device_cert_add(c->d);
	if (!slot) {
		c->rv = RV_MAX_LIMIT;
		return;
	}
	slot->der = malloc(der->len);
	if (!slot->der) {
		device_cert_drop(slot);
		c->rv = RV_MAX_LIMIT;
		return;
	}
	memcpy(slot->der, der->data, der->len);
	slot->der_len = der->len;
	X509_up_ref(x);
	slot->x509 = x;
	slot->trusted = trusted;
	out_ref(c, "CreatedCertificate", "AMT_PublicKeyCertificate", CERT_PREFIX, slot->handle);
}

static enum wfault add(struct call *c, bool trusted)
{
	struct buf der;
	buf_init(&der, XML_BYTES_MAX);
	X509 *x = read_certificate(c, &der);
	struct dev_cert probe = {.x509 = x};
	if (!x) {
		/* c->rv is set */
	} else if (already_there(c->d, &der)) {
		c->rv = RV_DUPLICATE;
	} else if (!trusted && !device_cert_key(c->d, &probe)) {
		c->rv = RV_CERT_KEY_NOT_MATCH;
	} else {
		keep(c, x, &der, trusted);
	}
	X509_free(x);
	buf_free(&der);
	return WF_NONE;
}

static enum wfault add_certificate(struct call *c)
{
	return add(c, false);
}

/* SPEC: provisioning.md 3 CERT 1: not while mutual authentication is on; roots only before 11.8 */
static enum wfault add_root(struct call *c)
{
	const struct tls_conf *t = &c->d->committed;
	if (t->setting[TLS_REMOTE].mutual || t->setting[TLS_LOCAL].mutual) {
		c->rv = RV_NOT_PERMITTED;
		return WF_NONE;
	}
	return add(c, true);
}

/* ---- revocation ----------------------------------------------------------------------------- */

const struct trust trust_factory = {0};

static uint32_t read_serials(const struct call *c, struct trust_crl *crl)
{
	for (const struct xml_node *x = c->args[1]; x; x = x->next) {
		struct buf raw;
		buf_init(&raw, 256);
		bool good = crl->n < TRUST_SERIALS_MAX &&
			    base64_decode(&raw, x->text, strlen(x->text)) == 0 && raw.len > 0 &&
			    raw.len <= TRUST_SERIAL_LEN;
		if (good) {
			memcpy(crl->serial[crl->n], raw.data, raw.len);
			crl->len[crl->n++] = (uint8_t)raw.len;
		}
		buf_free(&raw);
		if (!good)
			return crl->n == TRUST_SERIALS_MAX ? RV_MAX_LIMIT : RV_INVALID_PARAMETER;
	}
	return RV_OK;
}

static enum wfault add_crl(struct call *c)
{
	const struct trust *now = part_read(c->d, PART_TRUST);
	struct trust_crl crl = {.n = 0};
	snprintf(crl.url, sizeof crl.url, "%s", arg_text(c, 0));
	for (uint32_t i = 0; i < now->n_crls; i++)
		if (strcmp(now->crls[i].url, crl.url) == 0)
			c->rv = RV_DUPLICATE;
	if (c->rv == RV_OK && now->n_crls == TRUST_CRLS_MAX)
		c->rv = RV_MAX_LIMIT;
	if (c->rv == RV_OK)
		c->rv = read_serials(c, &crl);
	if (c->rv != RV_OK)
		return WF_NONE;
	struct trust *mine = part_write(c->d, PART_TRUST);
	if (!mine)
		return WF_INTERNAL;
	mine->crls[mine->n_crls++] = crl;
	return WF_NONE;
}

static enum wfault reset_crls(struct call *c)
{
	struct trust *mine = part_write(c->d, PART_TRUST);
	if (!mine)
		return WF_INTERNAL;
	mine->n_crls = 0;
	return WF_NONE;
}

int arg_cert(const struct call *c, size_t i)
{
	int handle =
		device_handle(arg_ref(c, i, "AMT_PublicKeyCertificate", "InstanceID"), CERT_PREFIX);
	return device_cert(c->d, handle) ? handle : -1;
}

static enum wfault add_key(struct call *c)
{
	struct buf der;
	buf_init(&der, 4096);
	EVP_PKEY *pkey = NULL;
	unsigned char *pub = NULL;
	if (arg_b64(c, 0, &der)) {
		const unsigned char *p = der.data;
		pkey = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &p, (long)der.len);
	}
	int len = pkey && EVP_PKEY_get_bits(pkey) == KEYPOOL_BITS ? i2d_PublicKey(pkey, &pub) : -1;
	struct dev_key *k = len > 0 ? device_key_add(c->d) : NULL;
	if (k) {
		k->pkey = pkey;
		k->der = pub;
		k->der_len = (size_t)len;
		k->owned = true;
		out_ref(c, "CreatedKey", "AMT_PublicPrivateKeyPair", KEY_PREFIX, k->handle);
	} else {
		c->rv = len > 0 ? RV_MAX_LIMIT : RV_INVALID_KEY;
		EVP_PKEY_free(pkey);
		OPENSSL_free(pub);
	}
	buf_wipe(&der);
	return WF_NONE;
}

static const struct method management_methods[] = {
	{"GenerateKeyPair",
		(const struct prop[]){
			{"KeyAlgorithm", PT_UINT, PF_REQ}, {"KeyLength", PT_UINT, PF_REQ}, {NULL}},
		.mutates = true, .fn = generate_key_pair},
	{"GeneratePKCS10RequestEx",
		(const struct prop[]){{"KeyPair", PT_REF, PF_REQ},
			{"SigningAlgorithm", PT_UINT, PF_REQ},
			{"NullSignedCertificateRequest", PT_B64, PF_REQ}, {NULL}},
		.noted = true, .any_order = true, .fn = generate_request},
	{"AddCertificate", (const struct prop[]){{"CertificateBlob", PT_B64, PF_REQ}, {NULL}},
		.mutates = true, .fn = add_certificate},
	{"AddTrustedRootCertificate",
		(const struct prop[]){{"CertificateBlob", PT_B64, PF_REQ}, {NULL}}, .mutates = true,
		.fn = add_root},
	{"AddCRL",
		(const struct prop[]){{"Url", PT_STR, PF_REQ, .max = TRUST_URL_MAX},
			{"SerialNumbers", PT_B64, PF_REQ | PF_ARRAY}, {NULL}},
		.mutates = true, .fn = add_crl},
	{"ResetCRLList", NULL, .mutates = true, .fn = reset_crls},
	{"AddKey", (const struct prop[]){{"KeyBlob", PT_B64, PF_REQ}, {NULL}}, .mutates = true,
		.fn = add_key},
	{NULL},
};

const struct class_def class_key_management = {
	.name = "AMT_PublicKeyManagementService",
	.ns = NS_AMT,
	.props = management_props,
	.methods = management_methods,
};

/* ---- AMT_PublicKeyManagementCapabilities --------------------------------------------------- */

static const struct prop capability_props[] = {
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT: Public Key Management Capabilities"},
	{"InstanceID", PT_STR, PF_RO | PF_ID,
		.text = "Intel(r) AMT: Public Key Management Capabilities 0"},
	{"SupportedKeyLengths", PT_UINT, PF_RO | PF_ARRAY, .text = "2048"},
	{NULL},
};

const struct class_def class_key_capabilities = {
	.name = "AMT_PublicKeyManagementCapabilities",
	.ns = NS_AMT,
	.props = capability_props,
};
