/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/console.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/cert.h"
#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/conf/profile.h"

#define REMOTE_CONSOLE "2.16.840.1.113741.1.2.1" /* SPEC: provisioning.md 4 MUTUAL */
#define NAME_MAX_LEN   255
#define KEY_PASS_MAX   1024

static X509 *next_certificate(FILE *f)
{
	X509 *x = X509_new_ex(cert_library(), NULL);
	if (x && PEM_read_X509(f, &x, NULL, NULL))
		return x;
	X509_free(x);
	return NULL;
}

static int load_chain(struct console *c, const char *path, struct error *err)
{
	X509 *x;
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "worker.console: %s: %s", path, strerror(errno));
	c->identity.leaf = next_certificate(f);
	c->identity.chain = sk_X509_new_null();
	while (c->identity.chain && c->identity.leaf && (x = next_certificate(f)))
		sk_X509_push(c->identity.chain, x);
	fclose(f);
	ENSURE(c->identity.leaf && c->identity.chain, err, E_CONFIG,
		"worker.console: %s: no certificate in PEM", path);
	return 0;
}

static int load_key(struct console *c, const struct conf_chain *conf, struct error *err)
{
	struct secret password = {0};
	if (conf->key_password_file[0])
		TRY(secret_read_file(&password, conf->key_password_file, KEY_PASS_MAX, err));
	FILE *f = fopen(conf->key, "re");
	if (f)
		c->identity.key =
			PEM_read_PrivateKey_ex(f, NULL, NULL, password.data, cert_library(), NULL);
	if (f)
		fclose(f);
	secret_free(&password);
	ENSURE(c->identity.key, err, E_CONFIG,
		"worker.console: %s: no private key in PEM that can be opened", conf->key);
	ENSURE(X509_check_private_key(c->identity.leaf, c->identity.key) == 1, err, E_CONFIG,
		"worker.console: %s is not the key of the first certificate of %s", conf->key,
		conf->chain);
	return 0;
}

int console_load(struct console **out, const struct conf_chain *conf, struct error *err)
{
	*out = NULL;
	if (!conf->chain[0])
		return 0;
	struct console *c = calloc(1, sizeof *c);
	ENSURE(c, err, -ENOMEM, "no memory for worker.console");
	int rc = load_chain(c, conf->chain, err);
	if (rc == 0)
		rc = load_key(c, conf, err);
	if (rc < 0)
		console_free(c);
	else
		*out = c;
	return rc;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	X509_free(c->identity.leaf);
	sk_X509_pop_free(c->identity.chain, X509_free);
	EVP_PKEY_free(c->identity.key);
	free(c);
}

/* ---- would it be let in? -----------------------------------------------------------------------
 */

static bool has_usages(X509 *leaf)
{
	char oid[64];
	bool client = false, console = false;
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; eku && i < sk_ASN1_OBJECT_num(eku); i++) {
		const ASN1_OBJECT *o = sk_ASN1_OBJECT_value(eku, i);
		client |= OBJ_obj2nid(o) == NID_client_auth;
		console |=
			OBJ_obj2txt(oid, sizeof oid, o, 1) > 0 && strcmp(oid, REMOTE_CONSOLE) == 0;
	}
	EXTENDED_KEY_USAGE_free(eku);
	return client && console;
}

static bool issued_by(X509 *issuer, X509 *x)
{
	return X509_check_issued(issuer, x) == X509_V_OK &&
	       X509_verify(x, X509_get0_pubkey(issuer)) == 1;
}

/* From the leaf over the issuers that we show up to this root. */
static bool ends_at(const struct console *c, X509 *root)
{
	X509 *x = c->identity.leaf;
	for (int i = 0; i < sk_X509_num(c->identity.chain) && !issued_by(root, x); i++) {
		X509 *next = sk_X509_value(c->identity.chain, i);
		if (!issued_by(next, x))
			return false;
		x = next;
	}
	return issued_by(root, x);
}

bool console_ends_at(const struct console *c, const uint8_t *der, size_t len)
{
	X509 *root = d2i_X509(NULL, &der, (long)len);
	bool it_does = root && ends_at(c, root);
	X509_free(root);
	return it_does;
}

static bool trusted(const struct console *c, const struct profile *p)
{
	bool found = false;
	for (uint32_t i = 0; i < p->tls.n_trusted_roots && !found; i++) {
		FILE *f = fopen(p->tls.trusted_roots[i], "re");
		X509 *root = f ? next_certificate(f) : NULL;
		found = root && ends_at(c, root);
		X509_free(root);
		if (f)
			fclose(f);
	}
	return found;
}

/* The entry itself, or a name below it. */
static bool fits_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);
	return len >= n && strcasecmp(name + len - n, suffix) == 0 &&
	       (len == n || name[len - n - 1] == '.');
}

int console_fits(const struct console *c, const struct profile *p, struct error *err)
{
	char name[NAME_MAX_LEN + 1] = "";
	ENSURE(c, err, E_CONFIG,
		"tls.mutual wants a certificate from every console, and worker.console names none "
		"for Muster itself");
	ENSURE(has_usages(c->identity.leaf), err, E_CONFIG,
		"the certificate of worker.console lacks the usages clientAuth "
		"and " REMOTE_CONSOLE);
	ENSURE(X509_cmp_current_time(X509_get0_notAfter(c->identity.leaf)) > 0, err, E_CONFIG,
		"the certificate of worker.console has expired");
	ENSURE(trusted(c, p), err, E_CONFIG,
		"the certificate of worker.console ends at none of tls.trusted_roots");
	X509_NAME_get_text_by_NID(
		X509_get_subject_name(c->identity.leaf), NID_commonName, name, sizeof name);
	bool named = p->tls.n_trusted_cns == 0;
	for (uint32_t i = 0; i < p->tls.n_trusted_cns && !named; i++)
		named = fits_suffix(name, p->tls.trusted_cns[i]);
	ENSURE(named, err, E_CONFIG,
		"the name \"%.100s\" of worker.console is none that tls.trusted_cns lists", name);
	return 0;
}
