/* SPDX-License-Identifier: Apache-2.0 */
/* See provcert.h. Reading the files, sorting, the report, and the accessors. */
#include "common/pki/provcert_priv.h"

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/secret.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- report
 * -------------------------------------------------------------------------------------- */

static const char *const code_names[PROVCERT_N_CODES] = {
	[PROVCERT_OK] = "ok",
	[PROVCERT_MALFORMED] = "malformed",
	[PROVCERT_BAD_PASSWORD] = "bad-password",
	[PROVCERT_INCOMPLETE] = "incomplete",
	[PROVCERT_NO_ROOT] = "no-root",
	[PROVCERT_KEY_MISMATCH] = "key-mismatch",
	[PROVCERT_BAD_SIGNATURE] = "bad-signature",
	[PROVCERT_NOT_A_CA] = "not-a-ca",
	[PROVCERT_EXPIRED] = "expired",
	[PROVCERT_NOT_YET_VALID] = "not-yet-valid",
	[PROVCERT_NOT_RSA] = "not-rsa",
	[PROVCERT_WEAK_KEY] = "weak-key",
	[PROVCERT_NO_AMT_MARK] = "no-amt-mark",
	[PROVCERT_NO_SERVERAUTH] = "no-serverauth",
	[PROVCERT_WARN_EXPIRES_SOON] = "expires-soon",
	[PROVCERT_WARN_WILDCARD] = "wildcard",
	[PROVCERT_WARN_OU_ONLY] = "ou-only",
	[PROVCERT_WARN_MANY_OUS] = "many-ous",
	[PROVCERT_WARN_SAN_ONLY] = "san-only",
	[PROVCERT_WARN_SHA1] = "sha1",
	[PROVCERT_WARN_LONG_CHAIN] = "long-chain",
	[PROVCERT_WARN_UNUSED] = "unused-certificate",
};

const char *provcert_code_name(enum provcert_code code)
{
	return (unsigned)code < PROVCERT_N_CODES ? code_names[code] : "unknown";
}

/* Room for a code in its place, or NULL when the report has it already. */
static struct provcert_finding *report_slot(struct provcert_report *report, enum provcert_code code)
{
	struct provcert_finding *f = report->findings;
	size_t at = 0;
	while (at < report->n_findings && f[at].code < code)
		at++;
	if (at < report->n_findings && f[at].code == code)
		return NULL;
	memmove(&f[at + 1], &f[at], (report->n_findings - at) * sizeof f[0]);
	report->n_findings++;
	if (code < PROVCERT_N_DEFECTS)
		report->n_defects++;
	f[at].code = code;
	return &f[at];
}

void provcert_report_add(
	struct provcert_report *report, enum provcert_code code, const char *fmt, ...)
{
	struct provcert_finding *f = report_slot(report, code);
	va_list ap;
	va_start(ap, fmt);
	if (f)
		vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
}

enum provcert_code provcert_verdict(const struct provcert_report *report)
{
	return report->n_defects > 0 ? report->findings[0].code : PROVCERT_OK;
}

bool provcert_has(const struct provcert_report *report, enum provcert_code code)
{
	for (size_t i = 0; i < report->n_findings; i++) {
		if (report->findings[i].code == code)
			return true;
	}
	return false;
}

const struct provcert_finding *provcert_next_warning(
	const struct provcert_report *report, size_t *pos)
{
	if (*pos < report->n_defects)
		*pos = report->n_defects;
	return *pos < report->n_findings ? &report->findings[(*pos)++] : NULL;
}

/* ---- reading
 * ---------------------------------------------------------------------------------------- */

/* The certificates of the file in its order. */
struct pile {
	X509 *certs[PROVCERT_CERTS_MAX];
	bool used[PROVCERT_CERTS_MAX];
	size_t n;
};

static void pile_free(struct pile *pile)
{
	for (size_t i = 0; i < pile->n; i++)
		X509_free(pile->certs[i]);
	pile->n = 0;
}

static void read_certs(
	struct pile *pile, const void *pem, size_t len, struct provcert_report *report)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509 *cert;
	ERR_clear_error();
	while (bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (pile->n == PROVCERT_CERTS_MAX) {
			X509_free(cert);
			provcert_report_add(report, PROVCERT_MALFORMED,
				"more than %d certificates in the chain file", PROVCERT_CERTS_MAX);
			break;
		}
		pile->certs[pile->n++] = cert;
	}
	unsigned long e = ERR_peek_last_error();
	if (pile->n == 0)
		provcert_report_add(report, PROVCERT_MALFORMED,
			"no certificate in the chain file; it must hold PEM, a PFX must be "
			"converted first");
	else if (e && ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		provcert_report_add(report, PROVCERT_MALFORMED,
			"certificate %zu of the chain file is damaged", pile->n + 1);
	ERR_clear_error();
	BIO_free(bio);
}

struct password {
	const struct secret *secret;
	bool asked;
};

static int password_cb(char *out, int size, int writing, void *arg)
{
	struct password *pw = arg;
	(void)writing;
	pw->asked = true;
	if (!pw->secret || !pw->secret->data || pw->secret->len > (size_t)size)
		return -1;
	memcpy(out, pw->secret->data, pw->secret->len);
	return (int)pw->secret->len;
}

static EVP_PKEY *read_key(
	const void *pem, size_t len, const struct secret *password, struct provcert_report *report)
{
	struct password pw = {.secret = password};
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, password_cb, &pw) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	if (!key && pw.asked)
		provcert_report_add(report, PROVCERT_BAD_PASSWORD,
			"the private key is encrypted and the given password does not open it");
	else if (!key)
		provcert_report_add(
			report, PROVCERT_MALFORMED, "no PEM private key in the key file");
	return key;
}

/* ---- sorting
 * ------------------------------------------------------------------------------------------ */

bool provcert_is_self_issued(X509 *cert)
{
	return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

bool provcert_may_issue(X509 *issuer, X509 *cert)
{
	if (X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(cert)) != 0)
		return false;
	const ASN1_OCTET_STRING *want = X509_get0_authority_key_id(cert);
	const ASN1_OCTET_STRING *have = X509_get0_subject_key_id(issuer);
	return !want || !have || ASN1_OCTET_STRING_cmp(want, have) == 0;
}

static bool issued_another(const struct pile *pile, size_t at)
{
	for (size_t i = 0; i < pile->n; i++) {
		if (i != at && provcert_may_issue(pile->certs[at], pile->certs[i]))
			return true;
	}
	return false;
}

/* The certificate of the key; without one, that which is nobody's issuer, no CA if possible. */
static size_t find_leaf(const struct pile *pile, EVP_PKEY *key)
{
	enum { NONE = PROVCERT_CERTS_MAX };
	size_t best = NONE;
	for (size_t i = 0; i < pile->n; i++) {
		if (key && EVP_PKEY_eq(X509_get0_pubkey(pile->certs[i]), key) == 1)
			return i;
		if (issued_another(pile, i))
			continue;
		if (best == NONE ||
			(X509_check_ca(pile->certs[best]) && !X509_check_ca(pile->certs[i])))
			best = i;
	}
	return best == NONE ? 0 : best;
}

static bool signature_good(X509 *cert, X509 *issuer)
{
	bool good = X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	return good;
}

/* The best issuer that is not used yet: a fitting signature first, then a root (the shortest path
 * of several, SPEC: tls.md 4.2). @return index or pile->n */
static size_t find_issuer(const struct pile *pile, X509 *cert)
{
	size_t best = pile->n;
	int best_score = -1;
	for (size_t i = 0; i < pile->n; i++) {
		if (pile->used[i] || !provcert_may_issue(pile->certs[i], cert))
			continue;
		int score = (signature_good(cert, pile->certs[i]) ? 2 : 0) +
			    (provcert_is_self_issued(pile->certs[i]) ? 1 : 0);
		if (score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}

static void report_gap(const struct pile *pile, X509 *last, struct provcert_report *report)
{
	char issuer[160] = "";
	X509_NAME_oneline(X509_get_issuer_name(last), issuer, sizeof issuer);
	for (size_t i = 0; i < pile->n; i++) {
		if (!pile->used[i] && provcert_is_self_issued(pile->certs[i])) {
			provcert_report_add(report, PROVCERT_INCOMPLETE,
				"intermediate missing: add %s", issuer);
			return;
		}
	}
	provcert_report_add(report, PROVCERT_NO_ROOT,
		"root missing, the device hashes the one it receives: add %s", issuer);
}

static void take_cert(struct provcert *pc, struct pile *pile, size_t at)
{
	X509_up_ref(pile->certs[at]);
	pile->used[at] = true;
	pc->chain[pc->n++] = pile->certs[at];
}

static void sort_chain(struct provcert *pc, struct pile *pile, struct provcert_report *report)
{
	take_cert(pc, pile, find_leaf(pile, pc->key));
	while (!provcert_is_self_issued(pc->chain[pc->n - 1])) {
		size_t at = find_issuer(pile, pc->chain[pc->n - 1]);
		if (at == pile->n) {
			report_gap(pile, pc->chain[pc->n - 1], report);
			return;
		}
		take_cert(pc, pile, at);
	}
	pc->complete = true;
	if (pc->n < pile->n)
		provcert_report_add(report, PROVCERT_WARN_UNUSED,
			"%zu of %zu certificates are not part of the chain and will not be sent",
			pile->n - pc->n, pile->n);
	for (size_t i = 0; i < pc->n; i++)
		report->sorted |= pc->chain[i] != pile->certs[i];
}

static void hash_root(struct provcert *pc)
{
	X509 *root = pc->chain[pc->n - 1];
	X509_digest(root, EVP_sha1(), pc->root_hash[HELLO_SHA1], NULL);
	X509_digest(root, EVP_sha256(), pc->root_hash[HELLO_SHA256], NULL);
	X509_digest(root, EVP_sha384(), pc->root_hash[HELLO_SHA384], NULL);
}

/* ---- loading
 * ------------------------------------------------------------------------------------------- */

int provcert_load_pem(struct provcert **out, const void *chain_pem, size_t chain_len,
	const void *key_pem, size_t key_len, const struct secret *password, int64_t now_s,
	struct provcert_report *report, struct error *err)
{
	struct pile pile = {.n = 0};
	*out = NULL;
	*report = (struct provcert_report){.n_findings = 0};
	struct provcert *pc = calloc(1, sizeof *pc);
	ENSURE(pc, err, -ENOMEM, "provisioning certificate: out of memory");

	read_certs(&pile, chain_pem, chain_len, report);
	pc->key = read_key(key_pem, key_len, password, report);
	if (pile.n > 0) {
		sort_chain(pc, &pile, report);
		provcert_check(pc, now_s, report);
		if (pc->complete)
			hash_root(pc);
	}
	pile_free(&pile);
	if (pc->n > 0 && pc->key)
		*out = pc;
	else
		provcert_free(pc);
	if (report->n_defects == 0)
		return 0;
	return error_set(err, E_CONFIG, "%s: %s", provcert_code_name(report->findings[0].code),
		report->findings[0].text);
}

static int read_file(struct buf *out, const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	int rc = 0;
	uint8_t *at = buf_reserve(out, PROVCERT_FILE_MAX);
	if (!at)
		rc = error_set(err, -ENOMEM, "%s: out of memory", path);
	if (rc == 0) {
		out->len = fread(at, 1, PROVCERT_FILE_MAX, f);
		if (ferror(f))
			rc = error_set(err, -EIO, "%s: cannot read", path);
		else if (fgetc(f) != EOF)
			rc = error_set(
				err, E_LIMIT, "%s: larger than %d bytes", path, PROVCERT_FILE_MAX);
	}
	fclose(f);
	return rc;
}

int provcert_load(struct provcert **out, const char *chain_file, const char *key_file,
	const struct secret *password, int64_t now_s, struct provcert_report *report,
	struct error *err)
{
	struct buf chain, key;
	*out = NULL;
	*report = (struct provcert_report){.n_findings = 0};
	buf_init(&chain, PROVCERT_FILE_MAX);
	buf_init(&key, PROVCERT_FILE_MAX);
	int rc = read_file(&chain, chain_file, err);
	if (rc == 0)
		rc = read_file(&key, key_file, err);
	if (rc == 0) {
		rc = provcert_load_pem(out, chain.data, chain.len, key.data, key.len, password,
			now_s, report, err);
		if (rc < 0)
			error_prefix(err, "%s", chain_file);
	}
	buf_wipe(&key);
	buf_free(&chain);
	return rc;
}

void provcert_free(struct provcert *pc)
{
	if (!pc)
		return;
	for (size_t i = 0; i < pc->n; i++)
		X509_free(pc->chain[i]);
	EVP_PKEY_free(pc->key);
	free(pc);
}

/* ---- accessors
 * ------------------------------------------------------------------------------------------ */

size_t provcert_chain_len(const struct provcert *pc)
{
	return pc->n;
}

X509 *provcert_cert(const struct provcert *pc, size_t i)
{
	return i < pc->n ? pc->chain[i] : NULL;
}

EVP_PKEY *provcert_key(const struct provcert *pc)
{
	return pc->key;
}

const char *provcert_cn(const struct provcert *pc)
{
	return pc->cn;
}

int64_t provcert_not_after_s(const struct provcert *pc)
{
	return pc->not_after_s;
}

const uint8_t *provcert_root_hash(const struct provcert *pc, uint8_t alg, size_t *len)
{
	*len = pc->complete ? hello_alg_len(alg) : 0;
	return *len > 0 ? pc->root_hash[alg] : NULL;
}
