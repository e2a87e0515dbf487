/* SPDX-License-Identifier: Apache-2.0 */
/* See odca.h. */
#include "common/pki/odca.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define NAME_MAX_LEN 120 /* of a certificate in a message */

/* Above the ROM CA everything is shared by all machines of a kind: worth remembering. */
#define SHARED_INDEX (ODCA_ROM_INDEX + 1)

struct odca {
	X509 *anchors[ODCA_ANCHORS_MAX];
	size_t n_anchors;
	/* SHA-256 over the certificates from SHARED_INDEX on whose links and anchor were good;
	 * dates are looked at every time */
	uint8_t good[ODCA_CACHE_MAX][SHA256_DIGEST_LENGTH];
	size_t n_good, next; /* next: the place that is overwritten when all are taken */
	uint64_t hits;
};

/* ---- anchors -----------------------------------------------------------------------------------
 */

static int read_anchors(struct odca *o, FILE *f, const char *path, struct error *err)
{
	X509 *x;
	while ((x = PEM_read_X509(f, NULL, NULL, NULL))) {
		bool full = o->n_anchors == ODCA_ANCHORS_MAX;
		if (full || !X509_check_ca(x)) {
			X509_free(x);
			return error_set(err, E_CONFIG,
				full ? "%s: more than %zu certificates"
				     : "%s: certificate %zu is no CA certificate",
				path, full ? (size_t)ODCA_ANCHORS_MAX : o->n_anchors + 1);
		}
		o->anchors[o->n_anchors++] = x;
	}
	ERR_clear_error();
	ENSURE(o->n_anchors, err, E_CONFIG, "%s: no PEM certificate in it", path);
	return 0;
}

int odca_load(struct odca **out, const char *path, struct error *err)
{
	*out = NULL;
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	struct odca *o = calloc(1, sizeof *o);
	int rc = o ? read_anchors(o, f, path, err) : error_set(err, -ENOMEM, "out of memory");
	fclose(f);
	if (rc == 0)
		*out = o;
	else
		odca_free(o);
	return rc;
}

void odca_free(struct odca *o)
{
	for (size_t i = 0; o && i < o->n_anchors; i++)
		X509_free(o->anchors[i]);
	free(o);
}

uint64_t odca_cache_hits(const struct odca *o)
{
	return o->hits;
}

/* ---- the chain ---------------------------------------------------------------------------------
 */

static int refuse(X509 *cert, int index, const char *why, struct error *err)
{
	char name[NAME_MAX_LEN] = "";
	ERR_clear_error();
	X509_NAME_oneline(X509_get_subject_name(cert), name, sizeof name);
	return error_set(
		err, E_TLS, "on-die chain refused: certificate %d (%s): %s", index, name, why);
}

static bool in_date(const X509 *cert, time_t now)
{
	return X509_cmp_time(X509_get0_notBefore(cert), &now) < 0 &&
	       X509_cmp_time(X509_get0_notAfter(cert), &now) > 0;
}

/* Names, key identifiers and signature; and the issuer may issue. */
static bool issued_by(X509 *cert, X509 *issuer)
{
	return X509_check_issued(issuer, cert) == X509_V_OK && X509_check_ca(issuer) &&
	       X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
}

/* SPEC: tls.md 6: CN "AMT RCFG", or one with "IDevID RCFG" */
static bool is_rcfg(X509 *leaf)
{
	char cn[NAME_MAX_LEN] = "";
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, cn, sizeof cn);
	return strcmp(cn, "AMT RCFG") == 0 || strstr(cn, "IDevID RCFG") != NULL;
}

static bool hash_shared(STACK_OF(X509) * chain, uint8_t out[static SHA256_DIGEST_LENGTH])
{
	unsigned len = 0;
	uint8_t one[SHA256_DIGEST_LENGTH];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL);
	for (int i = SHARED_INDEX; ok && i < sk_X509_num(chain); i++)
		ok = X509_digest(sk_X509_value(chain, i), EVP_sha256(), one, NULL) &&
		     EVP_DigestUpdate(c, one, sizeof one);
	ok = ok && EVP_DigestFinal_ex(c, out, &len);
	EVP_MD_CTX_free(c);
	return ok;
}

static bool remembered(struct odca *o, const uint8_t hash[static SHA256_DIGEST_LENGTH])
{
	for (size_t i = 0; i < o->n_good; i++)
		if (memcmp(o->good[i], hash, SHA256_DIGEST_LENGTH) == 0)
			return true;
	return false;
}

static void remember(struct odca *o, const uint8_t hash[static SHA256_DIGEST_LENGTH])
{
	memcpy(o->good[o->next], hash, SHA256_DIGEST_LENGTH);
	o->next = (o->next + 1) % ODCA_CACHE_MAX;
	if (o->n_good < ODCA_CACHE_MAX)
		o->n_good++;
}

/* Certificate `from` is issued by the next one, and so on up to `to`. */
static int check_links(STACK_OF(X509) * chain, int from, int to, struct error *err)
{
	for (int i = from; i < to; i++) {
		X509 *cert = sk_X509_value(chain, i);
		if (!issued_by(cert, sk_X509_value(chain, i + 1)))
			return refuse(cert, i, "not issued by the next one", err);
	}
	return 0;
}

static int check_anchor(const struct odca *o, STACK_OF(X509) * chain, struct error *err)
{
	int last = sk_X509_num(chain) - 1;
	X509 *top = sk_X509_value(chain, last);
	for (size_t i = 0; i < o->n_anchors; i++)
		if (X509_cmp(top, o->anchors[i]) == 0 || issued_by(top, o->anchors[i]))
			return 0;
	return refuse(top, last, "not issued by a configured certificate", err);
}

/* The part that all machines of a kind share is verified once. SPEC: tls.md 6, cost */
static int check_shared(struct odca *o, STACK_OF(X509) * chain, struct error *err)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	bool known = hash_shared(chain, hash);
	if (known && remembered(o, hash)) {
		o->hits++;
		return 0;
	}
	TRY(check_links(chain, SHARED_INDEX, sk_X509_num(chain) - 1, err));
	TRY(check_anchor(o, chain, err));
	if (known)
		remember(o, hash);
	return 0;
}

int odca_check(struct odca *o, STACK_OF(X509) * chain, int64_t now_s, struct error *err)
{
	int n = sk_X509_num(chain);
	ENSURE(n > ODCA_ROM_INDEX, err, E_TLS,
		"the device shows %d certificate(s), no on-die chain: self-signed or old", n);
	for (int i = 0; i < n; i++)
		if (!in_date(sk_X509_value(chain, i), (time_t)now_s))
			return refuse(sk_X509_value(chain, i), i, "not in date", err);
	if (!is_rcfg(sk_X509_value(chain, 0)))
		return refuse(sk_X509_value(chain, 0), 0, "not one for remote configuration", err);
	if (n <= SHARED_INDEX) {
		TRY(check_links(chain, 0, n - 1, err));
		return check_anchor(o, chain, err);
	}
	TRY(check_links(chain, 0, SHARED_INDEX, err));
	return check_shared(o, chain, err);
}
