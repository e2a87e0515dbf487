/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CERT: key pair on the device, request or direct issue, our own check, installation. What is there
 * already is found by bytes, so that any crash point resumes here. SPEC: P 3 CERT, 7; ca.md 1, 2
 */
#include <openssl/evp.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/log.h"
#include "common/pki/devcert.h"
#include "proto/pkcs10.h"
#include "worker/keygen.h"
#include "worker/steps/steps.h"
#include "worker/worker.h"

#define USUAL_BITS 2048 /* every release makes such a key, and many no other */

static int keep_bytes(struct buf *b, const uint8_t *der, size_t len)
{
	b->len = 0;
	return buf_add(b, der, len);
}

static struct devcert_want want(const struct session *s, EVP_PKEY *key)
{
	return (struct devcert_want){.ca = s->w->device_ca,
		.key = key,
		.fqdn = s->ck.fqdn,
		.now_s = (int64_t)(clock_wall_ms() / 1000),
		.client_auth = profile_wants_client_auth(s->profile)};
}

/* A listed certificate that is good for this device as it stands. */
static bool usable(struct session *s, const struct listed *cert)
{
	const struct listed *key;
	struct devcert_want w = want(s, NULL);
	char fp[DEVCERT_FP_HEX + 1];
	if (devcert_check_issued(cert->der, cert->der_len, &w, fp, NULL) != DEVCERT_OK)
		return false;
	for (key = s->o.keys; key; key = key->next)
		if (cert_has_key(cert, key->der, key->der_len))
			break;
	if (!key || keep_bytes(&s->ck.certificate, cert->der, cert->der_len) < 0)
		return false;
	memcpy(s->cert_fp, fp, sizeof fp);
	copy_text(s->ck.cert_handle, sizeof s->ck.cert_handle, cert->handle);
	return true;
}

/* Where to go on. SPEC: provisioning.md 3 CERT 0, 7 */
enum build cert_decide_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	struct listed *cert = listed_by_handle(s->o.certs, s->o.context_cert);
	if (cert && usable(s, cert))
		return build_verdict(s, v_goto(STEP_TLS_PUT));
	cert = s->ck.certificate.len
		       ? listed_by_der(s->o.certs, s->ck.certificate.data, s->ck.certificate.len)
		       : NULL;
	if (cert && usable(s, cert))
		return build_verdict(s, v_goto(STEP_CONTEXT_CREATE));
	struct listed *key = s->ck.public_key.len ? listed_by_der(s->o.keys, s->ck.public_key.data,
							    s->ck.public_key.len)
						  : NULL;
	if (!key) {
		checkpoint_drop_key(&s->ck);
		s->cert_fp[0] = '\0';
		return BUILD_SKIP; /* on to KEY_GENERATE */
	}
	copy_text(s->ck.key_handle, sizeof s->ck.key_handle, key->handle);
	return build_verdict(s, v_goto(s->ck.certificate.len ? STEP_CERT_ADD : STEP_CSR_SIGN));
}

/* The key store is full of keys without certificate, left by interrupted visits. */
enum build key_sweep_build(struct session *s, struct wsman_request *rq)
{
	if (!s->swept)
		return BUILD_SKIP;
	return clean_key_build(s, rq);
}

struct verdict key_sweep_read(struct session *s, const struct wsman_message *m)
{
	return clean_key_read(s, m);
}

enum build key_generate_build(struct session *s, struct wsman_request *rq)
{
	if (s->use_made_key)
		return BUILD_SKIP;
	struct wsman_param *p = arena_alloc(&s->keep, 2 * sizeof *p);
	char *bits =
		arena_printf(&s->keep, "%u", s->usual_key ? USUAL_BITS : s->profile->tls.key_bits);
	if (!p || !bits)
		return build_nomem(s);
	p[0] = WSMAN_TEXT("KeyAlgorithm", "0");
	p[1] = WSMAN_TEXT("KeyLength", bits);
	rq->op = WSMAN_INVOKE;
	rq->method = "GenerateKeyPair";
	rq->params = p;
	rq->n_params = 2;
	return BUILD_SEND;
}

struct verdict key_generate_read(struct session *s, const struct wsman_message *m)
{
	const char *handle =
		wsman_node_selector(wsman_node_child(m->payload, "KeyPair"), "InstanceID");
	copy_text(s->ck.key_handle, sizeof s->ck.key_handle, handle);
	if (!s->ck.key_handle[0])
		return v_fail(s, FAIL_RETRY, "no_key", "GenerateKeyPair answered no key reference");
	s->ck.public_key.len = 0;
	return v_goto(STEP_KEY_READ);
}

/* Full: once more, after a look at what can go. */
static struct verdict swept(struct session *s, uint32_t rv)
{
	if (rv != WSMAN_RV_MAX_LIMIT_REACHED || s->swept)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->swept = true;
	return v_goto(STEP_CERT_LIST);
}

/* Which lengths it makes, a device says best by making them; every one makes the usual length. */
struct verdict key_generate_refused(struct session *s, uint32_t rv)
{
	char why[64];
	bool length = rv == WSMAN_RV_INVALID_PARAMETER || rv == WSMAN_RV_UNSUPPORTED;
	if (!length || s->usual_key || s->profile->tls.key_bits == USUAL_BITS)
		return swept(s, rv);
	snprintf(why, sizeof why, "it makes no keys of %u bits", s->profile->tls.key_bits);
	setting_not_here(s, "AMT_PublicKeyManagementService", "KeyLength", why);
	s->usual_key = true;
	return v_again(0);
}

/* No such method or class: firmware before 6.0. SPEC: ruling 41 */
struct verdict key_generate_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_ABSENT)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->use_made_key = true;
	return v_goto(STEP_KEY_MAKE);
}

/* Work has come back. What it took is not the device's time. SPEC: ruling 13 */
static void work_over(struct session *s)
{
	s->work = NULL;
	s->phase_deadline_ms += (clock_boot_us() - s->row_us) / 1000;
}

static void on_key(struct work *work, void *arg)
{
	struct session *s = arg;
	struct keygen_work *k = (struct keygen_work *)work;
	work_over(s);
	struct verdict v = v_next();
	if (k->rc < 0 || secret_set(&s->made_key, k->private_key.data, k->private_key.len) < 0 ||
		keep_bytes(&s->ck.public_key, k->public_key.data, k->public_key.len) < 0)
		v = v_fail(s, FAIL_RETRY, "no_key", "our own RSA key could not be made");
	drive_verdict(s, v);
}

enum build key_make_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->use_made_key)
		return BUILD_SKIP;
	struct keygen_work *k = keygen_submit(s->w->connector, s->profile->tls.key_bits, on_key, s);
	if (!k)
		return build_nomem(s);
	s->work = &k->work;
	return BUILD_SEND;
}

/* The public key went into the checkpoint before this (step()): after a crash the key is found on
 * the device by its bytes, or it is not there and a new one is made. */
enum build key_add_build(struct session *s, struct wsman_request *rq)
{
	if (!s->made_key.len)
		return BUILD_SKIP;
	struct buf text;
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	buf_init(&text, WSMAN_REQUEST_MAX);
	int rc = p ? base64_encode(&text, s->made_key.data, s->made_key.len) : -1;
	if (rc == 0)
		rc = secret_set(&s->param, text.data, text.len);
	buf_wipe(&text);
	if (rc < 0)
		return build_nomem(s);
	*p = WSMAN_TEXT("KeyBlob", secret_text(&s->param));
	rq->op = WSMAN_INVOKE;
	rq->method = "AddKey";
	rq->params = p;
	rq->n_params = 1;
	return BUILD_SEND;
}

struct verdict key_add_read(struct session *s, const struct wsman_message *m)
{
	const char *handle =
		wsman_node_selector(wsman_node_child(m->payload, "CreatedKey"), "InstanceID");
	copy_text(s->ck.key_handle, sizeof s->ck.key_handle, handle);
	secret_free(&s->made_key);
	return v_next();
}

struct verdict key_add_refused(struct session *s, uint32_t rv)
{
	if (rv != WSMAN_RV_DUPLICATE)
		return swept(s, rv);
	secret_free(&s->made_key);
	return v_next();
}

enum build key_read_build(struct session *s, struct wsman_request *rq)
{
	return key_list_build(s, rq);
}

struct verdict key_read_read(struct session *s, const struct wsman_message *m)
{
	return key_list_read(s, m);
}

struct verdict key_read_end(struct session *s)
{
	struct listed *key =
		s->ck.key_handle[0] ? listed_by_handle(s->o.keys, s->ck.key_handle) : NULL;
	if (!key && s->ck.public_key.len) /* a key of ours, by its bytes */
		key = listed_by_der(s->o.keys, s->ck.public_key.data, s->ck.public_key.len);
	if (!key)
		return v_fail(
			s, FAIL_RETRY, "no_key", "the new key pair is not in the device's list");
	copy_text(s->ck.key_handle, sizeof s->ck.key_handle, key->handle);
	if (keep_bytes(&s->ck.public_key, key->der, key->der_len) < 0)
		return v_fail(s, FAIL_DEAD, "no_key", "DERKey is longer than any RSA key");
	return v_next();
}

/* ---- request signed by the device ------------------------------------------------------------ */

static int make_request(
	struct session *s, EVP_PKEY *key, struct buf *null_signed, struct error *err)
{
	const char *dns[] = {s->ck.fqdn};
	struct pkcs10_names names = {.common_name = s->ck.fqdn,
		.dns_names = dns,
		.n_dns_names = 1,
		.server_auth = true,
		.key_usage = true};
	s->csr_info.len = 0;
	TRY(pkcs10_build_info(&s->csr_info, &names, key, err));
	return pkcs10_null_sign(null_signed, s->csr_dummy ? PKCS10_NULL_DUMMY : PKCS10_NULL_DIGEST,
		PKCS10_SHA256_RSA, s->csr_info.data, s->csr_info.len, err);
}

static enum build csr_params(struct session *s, struct wsman_request *rq, const struct buf *csr)
{
	struct {
		struct wsman_param params[3];
		struct wsman_epr key;
		struct wsman_selector by_id;
	} *b = arena_alloc(&s->keep, sizeof *b);
	const char *text = request_base64(s, csr->data, csr->len);
	if (!b || !text)
		return build_nomem(s);
	b->by_id = (struct wsman_selector){.name = "InstanceID", .text = s->ck.key_handle};
	b->key = (struct wsman_epr){
		.class_name = "AMT_PublicPrivateKeyPair", .selectors = &b->by_id, .n_selectors = 1};
	b->params[0] = WSMAN_EPR("KeyPair", &b->key);
	b->params[1] = WSMAN_TEXT("SigningAlgorithm", "1");
	b->params[2] = WSMAN_TEXT("NullSignedCertificateRequest", text);
	rq->op = WSMAN_INVOKE;
	rq->method = "GeneratePKCS10RequestEx";
	rq->params = b->params;
	rq->n_params = 3;
	return BUILD_SEND;
}

enum build csr_sign_build(struct session *s, struct wsman_request *rq)
{
	/* Durable with the step() of CERT_ISSUE, before anything is sent. SPEC: ca.md 3 */
	if (s->ck.ca_state == MUSTER__V1__CA_STATE__CA_STATE_NONE)
		s->ck.ca_state = MUSTER__V1__CA_STATE__CA_STATE_SENT;
	if (s->profile->tls.issue == PROFILE_ISSUE_DIRECT || s->use_made_key)
		return BUILD_SKIP;
	struct error err = {0};
	EVP_PKEY *key = NULL;
	struct buf csr;
	buf_init(&csr, PKCS10_REQUEST_MAX);
	int rc = pkcs10_read_derkey(&key, s->ck.public_key.data, s->ck.public_key.len, &err);
	if (rc == 0)
		rc = make_request(s, key, &csr, &err);
	EVP_PKEY_free(key);
	enum build b = rc < 0 ? build_fail(s, FAIL_DEAD, "bad_request", "%s", err.text)
			      : csr_params(s, rq, &csr);
	buf_free(&csr);
	return b;
}

/* The gate: nothing but our own request, truly signed, reaches an authority. SPEC: ca.md 2 step 5
 */
struct verdict csr_sign_read(struct session *s, const struct wsman_message *m)
{
	struct error err = {0};
	struct buf raw;
	EVP_PKEY *key = NULL;
	const char *text = wsman_node_text(m->payload, "SignedCertificateRequest");
	buf_init(&raw, PKCS10_REQUEST_MAX);
	int rc = text ? base64_decode(&raw, text, strlen(text)) : -1;
	if (rc == 0)
		rc = pkcs10_read_derkey(&key, s->ck.public_key.data, s->ck.public_key.len, &err);
	struct pkcs10_expect expect = {.key = key,
		.sig = PKCS10_SHA256_RSA,
		.info = s->csr_info.data,
		.info_len = s->csr_info.len};
	if (rc == 0 && pkcs10_check(NULL, raw.data, raw.len, &expect, &err) != PKCS10_OK)
		rc = E_REFUSED;
	if (rc == 0)
		rc = keep_bytes(&s->csr, raw.data, raw.len);
	EVP_PKEY_free(key);
	buf_free(&raw);
	if (rc < 0)
		return v_fail(s, FAIL_DEAD, "bad_csr",
			"the request that the device signed is refused: %s",
			err.text[0] ? err.text : "it is no base64 or too long");
	return v_next();
}

/* Which null-signed form firmware wants is unknown: the second one once. SPEC: ruling 42 */
static struct verdict other_form(struct session *s)
{
	if (s->csr_dummy)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->csr_dummy = true;
	return v_again(0);
}

struct verdict csr_sign_refused(struct session *s, uint32_t rv)
{
	if (wsman_status_find(WSMAN_STATUS_AMT, rv)->retry != WSMAN_RETRY_NEVER)
		return (struct verdict){.kind = VERDICT_FAIL};
	return other_form(s);
}

struct verdict csr_sign_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction == WSMAN_REACT_BUSY)
		return (struct verdict){.kind = VERDICT_FAIL};
	if (reaction != WSMAN_REACT_ABSENT)
		return other_form(s);
	/* Firmware before 6.0: our authority issues for the bare public key as well. */
	checkpoint_skip(&s->ck, s->row->name);
	s->csr.len = 0;
	return v_next();
}

/* ---- the authority ----------------------------------------------------------------------------
 */

/* H(uuid, generation, profile, public key). SPEC: architecture D14 */
static int request_key(const struct session *s, char out[static CA_KEY_HEX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char head[512];
	int n = snprintf(head, sizeof head, "%s|%u|%s|", s->uuid_text, s->gen, s->profile->name);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int ok = c && n > 0 && EVP_DigestInit_ex(c, EVP_sha256(), NULL) &&
		 EVP_DigestUpdate(c, head, (size_t)n) &&
		 EVP_DigestUpdate(c, s->ck.public_key.data, s->ck.public_key.len) &&
		 EVP_DigestFinal_ex(c, md, &len);
	EVP_MD_CTX_free(c);
	if (!ok)
		return E_CRYPTO;
	hex_encode(md, CA_KEY_HEX / 2, out);
	return 0;
}

static struct verdict issued(struct session *s, const struct ca_call *call)
{
	struct error err = {0};
	EVP_PKEY *key = NULL;
	enum devcert_fault fault = DEVCERT_WRONG_KEY;
	if (pkcs10_read_derkey(&key, s->ck.public_key.data, s->ck.public_key.len, &err) == 0) {
		struct devcert_want w = want(s, key);
		fault = devcert_check_issued(call->cert, call->cert_len, &w, s->cert_fp, &err);
	}
	EVP_PKEY_free(key);
	if (fault != DEVCERT_OK)
		return v_fail(s, FAIL_DEAD, "bad_certificate",
			"the certificate that the authority gave is refused: %s", err.text);
	if (keep_bytes(&s->ck.certificate, call->cert, call->cert_len) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for a certificate");
	s->ck.ca_state = MUSTER__V1__CA_STATE__CA_STATE_ISSUED;
	return v_next();
}

/* The job is parked. Before that the device is asked, the first time, to stay in setup long enough
 * for people to decide. SPEC: provisioning.md 3 EXTEND */
static struct verdict pending(struct session *s, const struct ca_call *call)
{
	bool first = s->ck.ca_state != MUSTER__V1__CA_STATE__CA_STATE_PENDING;
	s->ck.ca_state = MUSTER__V1__CA_STATE__CA_STATE_PENDING;
	copy_text(s->ck.ca_pending_id, sizeof s->ck.ca_pending_id, call->pending_id);
	struct verdict park =
		v_wait(s, FAIL_CA, "ca_pending", "the request waits for approval: %s", call->text);
	return first && s->plan == PLAN_SETUP ? v_goto(STEP_EXTEND) : park;
}

static void on_issue(struct work *work, void *arg)
{
	struct session *s = arg;
	const struct ca_call *call = &((struct ca_work *)work)->call;
	struct verdict v;
	work_over(s);
	if (call->result != CA_RESULT_ISSUED)
		LOG_WARN("ca.answer", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
			KV_STR("text", call->text), KV_UINT("tries", s->tries));
	switch (call->result) {
	case CA_RESULT_ISSUED: v = issued(s, call); break;
	case CA_RESULT_RETRY:
		v = ++s->tries <= CA_RETRIES
			    ? v_again(call->retry_ms << (s->tries - 1))
			    : v_wait(s, FAIL_CA, "ca_unreachable", "%s", call->text);
		break;
	case CA_RESULT_PENDING: v = pending(s, call); break;
	case CA_RESULT_DENIED: v = v_fail(s, FAIL_DEAD, "ca_denied", "%s", call->text); break;
	default: v = v_fail(s, FAIL_DEAD, "ca_failed", "%s", call->text); break;
	}
	drive_verdict(s, v);
}

enum build cert_issue_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	struct ca_work *w = ca_work_new(s->w->connector, s->w->ca_ops, s->w->ca);
	if (!w || request_key(s, w->call.request_key) < 0) {
		free(w);
		return build_nomem(s);
	}
	struct ca_call *c = &w->call;
	const struct buf *der = s->csr.len ? &s->csr : &s->ck.public_key;
	c->is_csr = s->csr.len > 0;
	c->der_len = der->len < CA_DER_MAX ? der->len : CA_DER_MAX;
	memcpy(c->der, der->data, c->der_len);
	copy_text(c->common_name, sizeof c->common_name, s->ck.fqdn);
	copy_text(c->device_uuid, sizeof c->device_uuid, s->uuid_text);
	copy_text(c->job, sizeof c->job, s->job);
	copy_text(c->pending_id, sizeof c->pending_id, s->ck.ca_pending_id);
	c->validity_days = s->profile->tls.validity_days;
	c->short_name = s->profile->tls.short_name;
	c->client_auth = profile_wants_client_auth(s->profile);
	s->work = &w->work;
	ca_work_submit(w, on_issue, s);
	return BUILD_SEND;
}

enum build extend_build(struct session *s, struct wsman_request *rq)
{
	if (s->ck.ca_state != MUSTER__V1__CA_STATE__CA_STATE_PENDING)
		return BUILD_SKIP;
	return extend_ask(s, rq);
}

/* Whatever the device says to it: the job waits, and why is known already. */
struct verdict extend_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return (struct verdict){.kind = VERDICT_WAIT};
}

struct verdict extend_refused(struct session *s, uint32_t rv)
{
	(void)rv;
	return extend_read(s, NULL);
}

struct verdict extend_fault(struct session *s, enum wsman_reaction reaction)
{
	(void)reaction;
	return extend_read(s, NULL);
}

/* ---- into the device ---------------------------------------------------------------------------
 */

enum build cert_add_build(struct session *s, struct wsman_request *rq)
{
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	const char *text = request_base64(s, s->ck.certificate.data, s->ck.certificate.len);
	if (!p || !text)
		return build_nomem(s);
	*p = WSMAN_TEXT("CertificateBlob", text);
	rq->op = WSMAN_INVOKE;
	rq->method = "AddCertificate";
	rq->params = p;
	rq->n_params = 1;
	s->ck.cert_handle[0] = '\0';
	return BUILD_SEND;
}

struct verdict cert_add_read(struct session *s, const struct wsman_message *m)
{
	const char *handle = wsman_node_selector(
		wsman_node_child(m->payload, "CreatedCertificate"), "InstanceID");
	copy_text(s->ck.cert_handle, sizeof s->ck.cert_handle, handle);
	return v_next();
}

struct verdict cert_add_refused(struct session *s, uint32_t rv)
{
	(void)s;
	return rv == WSMAN_RV_DUPLICATE ? v_goto(STEP_CERT_FIND)
					: (struct verdict){.kind = VERDICT_FAIL};
}

enum build cert_find_build(struct session *s, struct wsman_request *rq)
{
	return s->ck.cert_handle[0] ? BUILD_SKIP : cert_list_build(s, rq);
}

struct verdict cert_find_read(struct session *s, const struct wsman_message *m)
{
	return cert_list_read(s, m);
}

struct verdict cert_find_end(struct session *s)
{
	struct listed *cert =
		listed_by_der(s->o.certs, s->ck.certificate.data, s->ck.certificate.len);
	if (!cert)
		return v_fail(s, FAIL_RETRY, "no_certificate",
			"the device says that the certificate is there, but it does not list it");
	copy_text(s->ck.cert_handle, sizeof s->ck.cert_handle, cert->handle);
	return v_next();
}
