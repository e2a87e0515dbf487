/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ca/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "ctl/ca/certificate.h"
#include "ctl/ca/ledger.h"
#include "proto/pkcs10.h"

#define ROOT_BITS    3072
#define ISSUING_BITS 2048 /* 0.25 ms a signature; 3072 costs six times that (SPEC: limits.md 1) */
#define ROOT_DAYS    7300 /* SPEC: ca.md 4.1: 20 years */
#define ISSUING_DAYS 3650
#define CRL_VALID_S  (7 * 86400L)
#define PER_DAY_MAX  5 /* SPEC: ca.md 8: certificates per UUID and day, against loops */

struct authority {
	char dir[PATH_MAX];
	uint32_t validity_days;
	char crl_url[256];
	X509 *root, *issuing;
	EVP_PKEY *key;
	struct ledger *ledger;
};

static int path_of(char out[static PATH_MAX], const char *dir, const char *name, struct error *err)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
	ENSURE(n > 0 && n < PATH_MAX, err, -ENAMETOOLONG, "%s/%s: path too long", dir, name);
	return 0;
}

static int crypto_error(struct error *err, const char *what)
{
	char text[160];
	return error_set(
		err, E_CRYPTO, "%s: %s", what, certificate_openssl_error(text, sizeof text));
}

/* Written under another name, synced, then renamed: a crash leaves the old file or the new one. */
static int write_file(
	const char *dir, const char *name, mode_t mode, BIO *content, struct error *err)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	TRY(path_of(path, dir, name, err));
	int n = snprintf(tmp, sizeof tmp, "%s/.%s.new", dir, name);
	ENSURE(n > 0 && n < PATH_MAX, err, -ENAMETOOLONG, "%s/.%s.new: path too long", dir, name);
	char *data = NULL;
	long len = BIO_get_mem_data(content, &data);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ENSURE(fd >= 0, err, -errno, "%s: %s", tmp, strerror(errno));
	int rc = 0;
	if (len <= 0 || write(fd, data, (size_t)len) != len || fsync(fd) < 0)
		rc = error_set(err, errno ? -errno : -EIO, "%s: %s", tmp, strerror(errno));
	close(fd);
	if (rc == 0 && rename(tmp, path) < 0)
		rc = error_set(err, -errno, "%s: %s", path, strerror(errno));
	return rc;
}

static int write_certificate(const char *dir, const char *name, X509 *cert, struct error *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int rc = bio && PEM_write_bio_X509(bio, cert) ? write_file(dir, name, 0644, bio, err)
						      : crypto_error(err, name);
	BIO_free(bio);
	return rc;
}

static int write_key(const char *dir, const char *name, EVP_PKEY *key, struct error *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	int rc = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
			 ? write_file(dir, name, 0600, bio, err)
			 : crypto_error(err, name);
	BIO_free(bio);
	return rc;
}

static int create_files(const char *dir, EVP_PKEY *root_key, EVP_PKEY *key, struct error *err)
{
	X509 *root = certificate_root(root_key, "Muster Root CA", ROOT_DAYS, err);
	X509 *issuing = root ? certificate_issuing(
				       key, "Muster Issuing CA", ISSUING_DAYS, root, root_key, err)
			     : NULL;
	int rc = issuing ? 0 : err->code;
	/* issuing.pem last: its presence says that the folder is complete. */
	if (rc == 0)
		rc = write_key(dir, "root.key", root_key, err);
	if (rc == 0)
		rc = write_certificate(dir, "root.pem", root, err);
	if (rc == 0)
		rc = write_key(dir, "issuing.key", key, err);
	if (rc == 0)
		rc = write_certificate(dir, "issuing.pem", issuing, err);
	X509_free(root);
	X509_free(issuing);
	return rc;
}

int authority_create(const char *dir, struct error *err)
{
	char path[PATH_MAX];
	ENSURE(mkdir(dir, 0700) == 0 || errno == EEXIST, err, -errno, "%s: %s", dir,
		strerror(errno));
	TRY(path_of(path, dir, "issuing.pem", err));
	ENSURE(access(path, F_OK) != 0, err, -EEXIST,
		"%s exists: this folder already holds a certificate authority; nothing was changed",
		path);
	EVP_PKEY *root_key = EVP_RSA_gen(ROOT_BITS);
	EVP_PKEY *key = EVP_RSA_gen(ISSUING_BITS);
	struct error local = {0};
	int rc = root_key && key ? create_files(dir, root_key, key, err ? err : &local)
				 : crypto_error(err, "RSA key generation");
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(key);
	return rc;
}

static X509 *load_certificate(const char *dir, const char *name, struct error *err)
{
	char path[PATH_MAX];
	if (path_of(path, dir, name, err) < 0)
		return NULL;
	FILE *f = fopen(path, "r");
	if (!f) {
		error_set(err, -errno, "%s: %s; make the authority with: muster ca init", path,
			strerror(errno));
		return NULL;
	}
	X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	if (!cert)
		crypto_error(err, path);
	return cert;
}

static EVP_PKEY *load_key(const char *dir, struct error *err)
{
	char path[PATH_MAX];
	struct stat st;
	if (path_of(path, dir, "issuing.key", err) < 0)
		return NULL;
	FILE *f = fopen(path, "r");
	if (!f || fstat(fileno(f), &st) < 0) {
		error_set(err, -errno, "%s: %s", path, strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	EVP_PKEY *key = NULL;
	if (st.st_mode & 077)
		error_set(err, E_CONFIG, "%s: readable by group or others; run chmod 600 on it",
			path);
	else if (!(key = PEM_read_PrivateKey(f, NULL, NULL, NULL)))
		crypto_error(err, path);
	fclose(f);
	return key;
}

static int load_all(struct authority *a, struct error *err)
{
	char path[PATH_MAX];
	if (!(a->root = load_certificate(a->dir, "root.pem", err)) ||
		!(a->issuing = load_certificate(a->dir, "issuing.pem", err)) ||
		!(a->key = load_key(a->dir, err)))
		return err->code;
	ENSURE(X509_check_private_key(a->issuing, a->key) == 1, err, E_CONFIG,
		"%s: issuing.key does not belong to issuing.pem", a->dir);
	TRY(path_of(path, a->dir, "ledger.jsonl", err));
	TRY(ledger_open(&a->ledger, path, err));
	return authority_write_crl(a, err);
}

int authority_open(struct authority **out, const struct authority_opts *opts, struct error *err)
{
	struct error local = {0};
	struct authority *a = calloc(1, sizeof *a);
	ENSURE(a, err, -ENOMEM, "out of memory");
	snprintf(a->dir, sizeof a->dir, "%s", opts->dir);
	snprintf(a->crl_url, sizeof a->crl_url, "%s", opts->crl_url ? opts->crl_url : "");
	a->validity_days = opts->validity_days;
	int rc = load_all(a, err ? err : &local);
	if (rc < 0) {
		authority_close(a);
		return rc;
	}
	*out = a;
	return 0;
}

void authority_close(struct authority *a)
{
	if (!a)
		return;
	ledger_close(a->ledger);
	EVP_PKEY_free(a->key);
	X509_free(a->issuing);
	X509_free(a->root);
	free(a);
}

/* ---- answers -------------------------------------------------------------------------------- */

static bool set_bytes(ProtobufCBinaryData *out, const uint8_t *data, size_t len)
{
	out->data = malloc(len ? len : 1);
	if (!out->data)
		return false;
	memcpy(out->data, data, len);
	out->len = len;
	return true;
}

static bool set_der(ProtobufCBinaryData *out, X509 *cert)
{
	uint8_t *der = NULL;
	int len = i2d_X509(cert, &der);
	bool ok = len > 0 && set_bytes(out, der, (size_t)len);
	OPENSSL_free(der);
	return ok;
}

static void refuse(Muster__V1__CaReply *reply, Muster__V1__CaStatus status, const char *text)
{
	free(reply->text == protobuf_c_empty_string ? NULL : reply->text);
	reply->status = status;
	reply->text = strdup(text);
	if (!reply->text)
		reply->text = (char *)(uintptr_t)protobuf_c_empty_string;
}

static bool add_chain(const struct authority *a, Muster__V1__CaReply *reply)
{
	X509 *const chain[] = {a->issuing, a->root};
	reply->chain = calloc(2, sizeof *reply->chain);
	if (!reply->chain)
		return false;
	for (size_t i = 0; i < 2; i++) {
		if (!set_der(&reply->chain[i], chain[i]))
			return false;
		reply->n_chain = i + 1;
	}
	return true;
}

/* The key comes from a signed request or bare; names never come from the device. */
static EVP_PKEY *request_key_of(const Muster__V1__CaRequest *req, struct error *err)
{
	EVP_PKEY *key = NULL;
	if (!req->csr.len) {
		pkcs10_read_derkey(&key, req->public_key.data, req->public_key.len, err);
		return key;
	}
	const uint8_t *p = req->csr.data;
	X509_REQ *csr = d2i_X509_REQ(NULL, &p, (long)req->csr.len);
	if (!csr || p != req->csr.data + req->csr.len)
		error_set(err, E_PARSE, "the certificate request is not PKCS#10");
	else if (!(key = X509_REQ_get_pubkey(csr)) || X509_REQ_verify(csr, key) != 1) {
		error_set(err, E_REFUSED, "the certificate request is not signed by its own key");
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	X509_REQ_free(csr);
	return key;
}

static int issue(
	struct authority *a, const Muster__V1__CaRequest *req, struct buf *der, struct error *err)
{
	EVP_PKEY *key = request_key_of(req, err);
	if (!key)
		return err->code;
	X509 *cert = certificate_device(
		&(struct certificate_request){
			.key = key,
			.common_name = req->common_name,
			.dns_names = req->dns_names,
			.n_dns_names = req->n_dns_names,
			.client_auth = req->client_auth,
			.days = req->validity_days ? req->validity_days : a->validity_days,
			.crl_url = a->crl_url,
		},
		a->issuing, a->key, err);
	EVP_PKEY_free(key);
	if (!cert)
		return err->code;
	int len = i2d_X509(cert, NULL);
	uint8_t *room = len > 0 ? buf_reserve(der, (size_t)len) : NULL;
	int rc = room ? 0 : error_set(err, -ENOMEM, "out of memory");
	if (rc == 0) {
		i2d_X509(cert, &room);
		der->len += (size_t)len;
		rc = ledger_add(a->ledger,
			&(struct ledger_entry){.request_key = req->request_key,
				.uuid = req->device_uuid,
				.job = req->job,
				.subject = req->common_name,
				.cert = cert,
				.der = der->data,
				.der_len = der->len},
			err);
	}
	X509_free(cert);
	return rc;
}

static void answer_issue(
	struct authority *a, const Muster__V1__CaRequest *req, Muster__V1__CaReply *reply)
{
	struct error err = {0};
	struct buf der;
	buf_init(&der, CA_CERTIFICATE_MAX);
	if (!*req->request_key) {
		refuse(reply, MUSTER__V1__CA_STATUS__CA_FATAL, "request without a request key");
		return;
	}
	int rc = ledger_find(a->ledger, req->request_key, &der, &err);
	if (rc == -ENOENT) {
		if (ledger_count_today(a->ledger, req->device_uuid) >= PER_DAY_MAX) {
			refuse(reply, MUSTER__V1__CA_STATUS__CA_DENIED,
				"this device has had five certificates in a day; the authority "
				"stops a loop");
			return;
		}
		rc = issue(a, req, &der, &err);
	}
	if (rc < 0)
		refuse(reply,
			rc == E_CRYPTO || rc == -ENOMEM || rc > E_PARSE
				? MUSTER__V1__CA_STATUS__CA_RETRY
				: MUSTER__V1__CA_STATUS__CA_FATAL,
			err.text);
	else if (set_bytes(&reply->certificate, der.data, der.len) && add_chain(a, reply))
		reply->status = MUSTER__V1__CA_STATUS__CA_ISSUED;
	else
		refuse(reply, MUSTER__V1__CA_STATUS__CA_RETRY, "out of memory");
	buf_free(&der);
}

static void answer_revoke(
	struct authority *a, const Muster__V1__CaRequest *req, Muster__V1__CaReply *reply)
{
	struct error err = {0};
	int rc =
		ledger_revoke(a->ledger, req->serial.data, req->serial.len, (int)req->reason, &err);
	if (rc == 0)
		rc = authority_write_crl(a, &err);
	if (rc == 0)
		reply->status = MUSTER__V1__CA_STATUS__CA_OK;
	else
		refuse(reply, MUSTER__V1__CA_STATUS__CA_FATAL, err.text);
}

void authority_answer(
	struct authority *a, const Muster__V1__CaRequest *req, Muster__V1__CaReply *reply)
{
	reply->id = req->id;
	switch (req->op) {
	case MUSTER__V1__CA_OP__CA_OP_ISSUE: answer_issue(a, req, reply); return;
	case MUSTER__V1__CA_OP__CA_OP_REVOKE: answer_revoke(a, req, reply); return;
	case MUSTER__V1__CA_OP__CA_OP_BUNDLE:
	case MUSTER__V1__CA_OP__CA_OP_HEALTH:
		if (add_chain(a, reply))
			reply->status = MUSTER__V1__CA_STATUS__CA_OK;
		else
			refuse(reply, MUSTER__V1__CA_STATUS__CA_RETRY, "out of memory");
		return;
	default: refuse(reply, MUSTER__V1__CA_STATUS__CA_FATAL, "unknown operation");
	}
}

void authority_reply_clear(Muster__V1__CaReply *reply)
{
	free(reply->certificate.data);
	for (size_t i = 0; i < reply->n_chain; i++)
		free(reply->chain[i].data);
	free(reply->chain);
	if (reply->text != protobuf_c_empty_string)
		free(reply->text);
	muster__v1__ca_reply__init(reply);
}

int authority_sync(struct authority *a, struct error *err)
{
	return ledger_sync(a->ledger, err);
}

/* ---- revocation list ------------------------------------------------------------------------ */

static int crl_add(void *arg, const struct ledger_revoked *r)
{
	X509_CRL *crl = arg;
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *serial = NULL;
	BIGNUM *bn = BN_bin2bn(r->serial, (int)r->serial_len, NULL);
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)(r->revoked_ms / 1000));
	bool ok = entry && bn && when && (serial = BN_to_ASN1_INTEGER(bn, NULL)) &&
		  X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
		  X509_REVOKED_set_revocationDate(entry, when) == 1 &&
		  X509_CRL_add0_revoked(crl, entry) == 1;
	if (!ok)
		X509_REVOKED_free(entry);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	BN_free(bn);
	return ok ? 0 : E_CRYPTO;
}

int authority_write_crl(struct authority *a, struct error *err)
{
	X509_CRL *crl = X509_CRL_new();
	time_t now = (time_t)(clock_wall_ms() / 1000);
	ASN1_TIME *this_update = ASN1_TIME_set(NULL, now),
		  *next = ASN1_TIME_set(NULL, now + CRL_VALID_S);
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = crl && this_update && next && bio &&
		  X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		  X509_CRL_set_issuer_name(crl, X509_get_subject_name(a->issuing)) == 1 &&
		  X509_CRL_set1_lastUpdate(crl, this_update) == 1 &&
		  X509_CRL_set1_nextUpdate(crl, next) == 1 &&
		  ledger_each_revoked(a->ledger, crl_add, crl) == 0 && X509_CRL_sort(crl) == 1 &&
		  X509_CRL_sign(crl, a->key, EVP_sha256()) > 0 &&
		  PEM_write_bio_X509_CRL(bio, crl) == 1;
	int rc = ok ? write_file(a->dir, "crl.pem", 0644, bio, err) : crypto_error(err, "crl.pem");
	BIO_free(bio);
	ASN1_TIME_free(this_update);
	ASN1_TIME_free(next);
	X509_CRL_free(crl);
	return rc;
}

X509 *authority_issuing(const struct authority *a)
{
	return a->issuing;
}

X509 *authority_root(const struct authority *a)
{
	return a->root;
}

void authority_counts(const struct authority *a, uint64_t *n_issued, uint64_t *n_revoked)
{
	ledger_counts(a->ledger, n_issued, n_revoked);
}
