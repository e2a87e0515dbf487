/* SPDX-License-Identifier: Apache-2.0 */
/* The on-die authority; see ondie.h. */
#include "bench/sim/ondie.h"

#include "bench/sim/pemfile.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Real ones end in 2049 as well. SPEC: tls.md 6 */
#define NOT_BEFORE "20200101000000Z"
#define NOT_AFTER  "20491231235959Z"

struct spec {
	const char *cn, *ou; /* ou may be NULL */
	bool ca, server_auth;
};

/* Names as the real chain has them, with TEST in them. */
static const struct spec root_spec = {"OnDie CA TEST Root Cert Signing", NULL, true, false};
static const struct spec intermediate_spec = {
	"www.example.com", "OnDie CA CSME TEST Intermediate CA", true, false};
static const struct spec issuing_spec = {
	"www.example.com", "OnDie CA CSME P_TEST 00000001 Issuing CA", true, false};
static const struct spec rom_spec = {"ODCA 2 CSME TEST SOC ROM CA", NULL, true, false};
static const struct spec kernel_spec = {"ODCA 2 CSME TEST SOC SVN 01 Kernel CA", NULL, true, false};
static const struct spec amt_spec = {"ODCA 2 CSME TEST SOC SVN 01 AMT   CA", NULL, true, false};
/* Some leaves have the EKU, some have none. SPEC: tls.md 6 */
static const struct spec leaf_spec = {"AMT RCFG", NULL, false, true};
static const struct spec bare_leaf_spec = {"AMT RCFG", NULL, false, false};

static void name_of(X509_NAME *name, const struct spec *s)
{
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)s->cn, -1, -1, 0);
	if (s->ou)
		X509_NAME_add_entry_by_txt(
			name, "OU", MBSTRING_ASC, (const unsigned char *)s->ou, -1, -1, 0);
}

static bool extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static bool extensions(X509 *x, X509 *issuer, const struct spec *s)
{
	return extend(x, issuer, NID_basic_constraints,
		       s->ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
	       extend(x, issuer, NID_key_usage,
		       s->ca ? "critical,keyCertSign,cRLSign"
			     : "critical,digitalSignature,keyEncipherment") &&
	       extend(x, issuer, NID_subject_key_identifier, "hash") &&
	       (issuer == x || extend(x, issuer, NID_authority_key_identifier, "keyid")) &&
	       (!s->server_auth || extend(x, issuer, NID_ext_key_usage, "serverAuth"));
}

/* Issuer NULL: self-signed. */
static X509 *issue(const struct spec *s, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
	const uint8_t serial[static 16])
{
	X509 *x = X509_new();
	BIGNUM *bn = BN_bin2bn(serial, 16, NULL);
	bool ok = x && bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) &&
		  X509_set_version(x, X509_VERSION_3) == 1 &&
		  ASN1_TIME_set_string_X509(X509_getm_notBefore(x), NOT_BEFORE) == 1 &&
		  ASN1_TIME_set_string_X509(X509_getm_notAfter(x), NOT_AFTER) == 1;
	BN_free(bn);
	if (ok) {
		name_of(X509_get_subject_name(x), s);
		ok = X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) == 1 &&
		     X509_set_pubkey(x, key) == 1 && extensions(x, issuer ? issuer : x, s) &&
		     X509_sign(x, issuer ? issuer_key : key, EVP_sha384()) > 0;
	}
	if (!ok) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static X509 *issue_shared(
	const struct spec *s, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, uint8_t number)
{
	const uint8_t serial[16] = {0x40, number};
	return key ? issue(s, key, issuer, issuer_key, serial) : NULL;
}

/* ---- the upper part ------------------------------------------------------------------------- */

static bool make_upper(struct ondie *o)
{
	EVP_PKEY *root = EVP_EC_gen("P-384"), *intermediate = EVP_EC_gen("P-384");
	o->issuing_key = EVP_EC_gen("P-384");
	o->root = issue_shared(&root_spec, root, NULL, NULL, 1);
	if (o->root)
		o->intermediate = issue_shared(&intermediate_spec, intermediate, o->root, root, 2);
	if (o->intermediate)
		o->issuing = issue_shared(
			&issuing_spec, o->issuing_key, o->intermediate, intermediate, 3);
	EVP_PKEY_free(root);
	EVP_PKEY_free(intermediate);
	return o->issuing != NULL;
}

static bool load_upper(struct ondie *o, const char *path)
{
	FILE *f = path ? fopen(path, "re") : NULL;
	if (!f)
		return false;
	o->issuing_key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	o->root = PEM_read_X509(f, NULL, NULL, NULL);
	o->intermediate = PEM_read_X509(f, NULL, NULL, NULL);
	o->issuing = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	if (o->issuing)
		return true;
	ondie_close(o);
	return false;
}

static bool write_upper(FILE *f, const void *arg)
{
	const struct ondie *o = arg;
	return PEM_write_PrivateKey(f, o->issuing_key, NULL, NULL, 0, NULL, NULL) &&
	       PEM_write_X509(f, o->root) && PEM_write_X509(f, o->intermediate) &&
	       PEM_write_X509(f, o->issuing);
}

/* ---- sets and machines ---------------------------------------------------------------------- */

static bool make_set(struct ondie *o, size_t i)
{
	struct ondie_set *s = &o->sets[i];
	EVP_PKEY *kernel = EVP_EC_gen("P-384"), *amt = EVP_EC_gen("P-384");
	s->rom_key = EVP_EC_gen("P-384");
	s->leaf_key = EVP_EC_gen("P-384");
	/* The Kernel CA needs the name and the key of its issuer only: one ROM CA of no machine. */
	X509 *rom = issue_shared(&rom_spec, s->rom_key, o->issuing, o->issuing_key, 4);
	if (rom)
		s->kernel = issue_shared(&kernel_spec, kernel, rom, s->rom_key, 5);
	if (s->kernel)
		s->amt = issue_shared(&amt_spec, amt, s->kernel, kernel, 6);
	if (s->amt)
		s->leaf = issue_shared(
			i % 2 ? &bare_leaf_spec : &leaf_spec, s->leaf_key, s->amt, amt, 7);
	X509_free(rom);
	EVP_PKEY_free(kernel);
	EVP_PKEY_free(amt);
	return s->leaf != NULL;
}

int ondie_open(struct ondie *o, const char *path, struct error *err)
{
	*o = (struct ondie){0};
	if (!load_upper(o, path)) {
		ENSURE(make_upper(o), err, E_CRYPTO, "cannot make an on-die authority");
		if (path)
			TRY(pemfile_store(path, write_upper, o, err));
	}
	for (size_t i = 0; i < ONDIE_SETS; i++)
		ENSURE(make_set(o, i), err, E_CRYPTO, "cannot make an on-die chain");
	return 0;
}

uint8_t *ondie_rom(const struct ondie *o, size_t machine, const struct uuid *uuid, size_t *len)
{
	const struct ondie_set *s = &o->sets[machine % ONDIE_SETS];
	uint8_t serial[16], *der = NULL;
	memcpy(serial, uuid->b, sizeof serial);
	serial[0] &= 0x7f; /* a positive number */
	X509 *rom = issue(&rom_spec, s->rom_key, o->issuing, o->issuing_key, serial);
	int n = rom ? i2d_X509(rom, &der) : -1;
	X509_free(rom);
	*len = n > 0 ? (size_t)n : 0;
	return n > 0 ? der : NULL;
}

void ondie_close(struct ondie *o)
{
	EVP_PKEY_free(o->issuing_key);
	X509_free(o->root);
	X509_free(o->intermediate);
	X509_free(o->issuing);
	for (size_t i = 0; i < ONDIE_SETS; i++) {
		struct ondie_set *s = &o->sets[i];
		EVP_PKEY_free(s->rom_key);
		EVP_PKEY_free(s->leaf_key);
		X509_free(s->leaf);
		X509_free(s->amt);
		X509_free(s->kernel);
	}
	*o = (struct ondie){0};
}
