/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts: the table of profiles and what is made from it. See tls.h. */
#include "common/net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cert.h"
#include "common/base/err.h"

#define SUITES_M                                                     \
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:" \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384:" \
	"AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:AES256-SHA"
#define SUITES_L  "AES128-GCM-SHA256:AES128-SHA:AES256-SHA"
#define SUITES_L0 "AES128-SHA:AES256-SHA"
#define SUITES_P  "PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA"
#define GROUPS    "X25519:P-256:P-384" /* ODCA devices use P-384 */

#define OPTIONS_ALL (SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF)
#define OPTIONS_OLD (SSL_OP_LEGACY_SERVER_CONNECT)
#define MODES                                                       \
	(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | \
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN)

/* One row per profile. SPEC: tls.md 3.2 */
static const struct profile_row {
	const char *name;
	int min, max; /* protocol versions */
	int level;    /* OpenSSL security level */
	const char *suites;
	uint64_t options; /* besides OPTIONS_ALL */
	bool legacy;
	enum tls_profile after; /* profile once the device is configured */
} profiles[TLS_PROFILES] = {
	[TLS_PROFILE_M] = {"M", TLS1_2_VERSION, TLS1_2_VERSION, 1, SUITES_M,
		SSL_OP_NO_RENEGOTIATION, false, TLS_PROFILE_V},
	[TLS_PROFILE_M0] = {"M0", TLS1_2_VERSION, TLS1_2_VERSION, 0, SUITES_M,
		SSL_OP_NO_RENEGOTIATION, true, TLS_PROFILE_V},
	[TLS_PROFILE_L] = {"L", TLS1_VERSION, TLS1_2_VERSION, 0, SUITES_L, OPTIONS_OLD, true,
		TLS_PROFILE_VL},
	[TLS_PROFILE_L0] = {"L0", TLS1_VERSION, TLS1_VERSION, 0, SUITES_L0,
		OPTIONS_OLD | SSL_OP_NO_ENCRYPT_THEN_MAC | SSL_OP_NO_EXTENDED_MASTER_SECRET, true,
		TLS_PROFILE_L0},
	[TLS_PROFILE_P] = {"P", TLS1_VERSION, TLS1_1_VERSION, 0, SUITES_P, OPTIONS_OLD, true,
		TLS_PROFILE_VL},
	[TLS_PROFILE_V] = {"V", TLS1_2_VERSION, TLS1_2_VERSION, 1, SUITES_M,
		SSL_OP_NO_RENEGOTIATION, false, TLS_PROFILE_V},
	[TLS_PROFILE_VL] = {"VL", TLS1_VERSION, TLS1_2_VERSION, 0, SUITES_L,
		OPTIONS_OLD | SSL_OP_NO_RENEGOTIATION, true, TLS_PROFILE_VL},
	[TLS_PROFILE_V3] = {"V3", TLS1_2_VERSION, TLS1_3_VERSION, 1, SUITES_M,
		SSL_OP_NO_RENEGOTIATION, false, TLS_PROFILE_V3},
};

static int psk_slot = -1; /* of struct tls_psk in an SSL */

static void init_once(void)
{
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	psk_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void tls_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
}

const char *tls_profile_name(enum tls_profile p)
{
	return profiles[p].name;
}

int tls_profile_parse(enum tls_profile *out, const char *name)
{
	for (int i = 0; i < TLS_PROFILES; i++) {
		if (strcmp(name, profiles[i].name) == 0) {
			*out = (enum tls_profile)i;
			return 0;
		}
	}
	return E_PARSE;
}

bool tls_profile_is_legacy(enum tls_profile p)
{
	return profiles[p].legacy;
}

enum tls_profile tls_profile_after(enum tls_profile setup)
{
	return profiles[setup].after;
}

const char *tls_error_text(char *out, size_t out_len)
{
	unsigned long e = ERR_get_error();
	const char *reason = ERR_reason_error_string(e);

	if (reason)
		snprintf(out, out_len, "%s", reason);
	else if (e)
		ERR_error_string_n(e, out, out_len);
	else
		snprintf(out, out_len, "no reason given by OpenSSL");
	ERR_clear_error();
	return out;
}

/* ---- PSK ---- */

static unsigned show_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_max,
	unsigned char *key, unsigned key_max)
{
	const struct tls_psk *psk = SSL_get_ex_data(ssl, psk_slot);

	(void)hint; /* may be there, says nothing. SPEC: psk.md 2 */
	if (!psk || strlen(psk->identity) >= identity_max || psk->key_len > key_max)
		return 0;
	memcpy(identity, psk->identity, strlen(psk->identity) + 1);
	memcpy(key, psk->key, psk->key_len);
	return (unsigned)psk->key_len;
}

void tls_psk_attach(SSL *ssl, const struct tls_psk *psk)
{
	/* The value is only read: OpenSSL's parameter is not const. */
	SSL_set_ex_data(ssl, psk_slot, (void *)(uintptr_t)psk);
	SSL_set_psk_client_callback(ssl, show_psk);
}

/* ---- contexts ---- */

static int ctx_error(SSL_CTX *ctx, struct error *err, const char *what)
{
	char text[200];

	tls_error_text(text, sizeof text);
	SSL_CTX_free(ctx);
	return error_set(err, E_TLS, "cannot make TLS context: %s: %s", what, text);
}

/* The decision about a device's certificate falls after the handshake, so that the certificate is
 * always seen and logged. Only the amount is limited here. SPEC: README ruling 34, tls.md 9 */
static int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	if (sk_X509_num(X509_STORE_CTX_get0_untrusted(store)) > TLS_MAX_PEER_CHAIN) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_CHAIN_TOO_LONG);
		return 0;
	}
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static bool signed_with_sha1(X509 *cert)
{
	int digest = NID_undef;

	X509_get_signature_info(cert, &digest, NULL, NULL, NULL);
	return digest == NID_sha1;
}

/* A SHA-1 signature below the root would be refused at level 1 ("ca md too weak"). SPEC: tls.md 3.2
 */
static bool identity_needs_level0(const struct tls_identity *id)
{
	if (!id)
		return false;
	if (signed_with_sha1(id->leaf))
		return true;
	for (int i = 0; id->chain && i < sk_X509_num(id->chain); i++) {
		X509 *cert = sk_X509_value(id->chain, i);

		if (!(X509_get_extension_flags(cert) & EXFLAG_SS) && signed_with_sha1(cert))
			return true;
	}
	return false;
}

static const char *use_identity(SSL_CTX *ctx, const struct tls_identity *id)
{
	if (SSL_CTX_use_certificate(ctx, id->leaf) != 1)
		return "our certificate";
	if (SSL_CTX_use_PrivateKey(ctx, id->key) != 1)
		return "our key";
	for (int i = 0; id->chain && i < sk_X509_num(id->chain); i++) {
		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(id->chain, i)) != 1)
			return "our chain";
	}
	return NULL;
}

static void ctx_common(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, OPTIONS_ALL);
	SSL_CTX_set_mode(ctx, MODES);
	SSL_CTX_set_read_ahead(ctx, 1); /* head and body of a record in one read() */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

int tls_ctx_new(SSL_CTX **out, enum tls_profile p, const struct tls_identity *id, struct error *err)
{
	const struct profile_row *row = &profiles[p];
	const char *failed;

	tls_init();
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new_ex(cert_library(), NULL, TLS_client_method());

	if (!ctx)
		return ctx_error(ctx, err, "memory");
	SSL_CTX_set_security_level(ctx, identity_needs_level0(id) ? 0 : row->level);
	ctx_common(ctx);
	SSL_CTX_set_options(ctx, row->options);
	/* Secure renegotiation is demanded unless the row says otherwise. */
	if (!(row->options & SSL_OP_LEGACY_SERVER_CONNECT))
		SSL_CTX_clear_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_max_cert_list(ctx, TLS_MAX_CERT_LIST);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, row->min) != 1 ||
		SSL_CTX_set_max_proto_version(ctx, row->max) != 1)
		return ctx_error(ctx, err, "protocol versions");
	if (SSL_CTX_set_cipher_list(ctx, row->suites) != 1 ||
		SSL_CTX_set1_groups_list(ctx, GROUPS) != 1)
		return ctx_error(ctx, err, "suites");
	failed = id ? use_identity(ctx, id) : NULL;
	if (failed)
		return ctx_error(ctx, err, failed);
	*out = ctx;
	return 0;
}

int tls_ctx_client_strict(SSL_CTX **out, const char *ca_file, struct error *err)
{
	tls_init();
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return ctx_error(ctx, err, "memory");
	SSL_CTX_set_security_level(ctx, 2);
	ctx_common(ctx);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_clear_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return ctx_error(ctx, err, "protocol versions");
	if ((ca_file ? SSL_CTX_load_verify_file(ctx, ca_file)
		     : SSL_CTX_set_default_verify_paths(ctx)) != 1)
		return ctx_error(ctx, err, ca_file ? ca_file : "system certificates");
	*out = ctx;
	return 0;
}

int tls_ctx_server(SSL_CTX **out, const struct tls_identity *id, struct error *err)
{
	const char *failed;

	tls_init();
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return ctx_error(ctx, err, "memory");
	ctx_common(ctx);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 || SSL_CTX_set_num_tickets(ctx, 0) != 1)
		return ctx_error(ctx, err, "protocol versions");
	failed = use_identity(ctx, id);
	if (failed)
		return ctx_error(ctx, err, failed);
	*out = ctx;
	return 0;
}
