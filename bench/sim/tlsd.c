/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the devices: one context per generation for setup (asks for our chain and judges it) and
 * one for configured devices, shared by all; each connection gets the certificate of its device, so
 * that no device costs a context. SPEC: tls.md 2, 5, 14
 */
#include "bench/sim/estate.h"

#include "common/base/cert.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

/* What the generations speak, as far as the packaged library reaches; the server picks. */
#define CIPHERS                                                                      \
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:AES128-GCM-SHA256:" \
	"AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:AES256-SHA"
/* Before 12 devices know RSA key exchange only. SPEC: tls.md 2 */
#define CIPHERS_OLD "AES128-GCM-SHA256:AES128-SHA:AES256-SHA"
/* Clocks of devices are off by up to a day before they are set. */
#define CLOCK_TOLERANCE_S 86400

/* Which alert goes out is not known of real firmware (tls.md 15): 46, 48 and 45 by the reason. */
static int error_of(enum judge_code code)
{
	switch (code) {
	case JUDGE_ROOT_UNLISTED: return X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
	case JUDGE_DATES: return X509_V_ERR_CERT_HAS_EXPIRED;
	case JUDGE_BAD_SIGNATURE: return X509_V_ERR_CERT_SIGNATURE_FAILURE;
	default: return X509_V_ERR_APPLICATION_VERIFICATION;
	}
}

static int verify(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct device *d = session_device(ssl);
	struct estate *e = session_estate(ssl);
	struct judge_rules rules = {
		.roots = e->roots,
		.n_roots = e->n_roots,
		.suffix = d->suffix,
		.sha1_chain = d->as->sha1_chain,
		.unknown_ok = e->opts.unknown_ok,
		.now_s = device_time(d),
		.tolerance_s = d->clock_set ? 300 : CLOCK_TOLERANCE_S,
	};
	enum judge_code code = judge_chain(X509_STORE_CTX_get0_untrusted(store), &rules);
	if (code == JUDGE_OK) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	session_refused(ssl, judge_name(code));
	X509_STORE_CTX_set_error(store, error_of(code));
	return 0;
}

static SSL_CTX *make(const struct personality *p, bool setup)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(cert_library(), NULL, TLS_server_method());
	if (!ctx)
		return NULL;
	bool old = p->tls_min < TLS1_2_VERSION;
	SSL_CTX_set_security_level(ctx, old ? 0 : 1);
	SSL_CTX_set_min_proto_version(ctx, p->tls_min);
	SSL_CTX_set_max_proto_version(ctx, p->tls_max);
	SSL_CTX_set_cipher_list(ctx, p->tls_min < TLS1_1_VERSION ? CIPHERS_OLD : CIPHERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	if (setup) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
	}
	return ctx;
}

int tlsd_start(struct estate *e, struct error *err)
{
	size_t n = e->personalities.n;
	e->ctx = calloc(2 * n, sizeof(SSL_CTX *));
	ENSURE(e->ctx, err, E_TLS, "no memory for TLS contexts");
	for (size_t i = 0; i < 2 * n; i++) {
		e->ctx[i] = make(&e->personalities.items[i / 2], i % 2 == 0);
		ENSURE(e->ctx[i], err, E_TLS, "cannot make a TLS context");
	}
	return 0;
}

void tlsd_free(struct estate *e)
{
	for (size_t i = 0; e->ctx && i < 2 * e->personalities.n; i++)
		SSL_CTX_free(e->ctx[i]);
	free(e->ctx);
	e->ctx = NULL;
}

SSL_CTX *tlsd_context(struct estate *e, const struct device *d)
{
	size_t i = (size_t)(d->as - e->personalities.items);
	return e->ctx[2 * i + (d->state == DEV_POST)];
}

int tlsd_setup(SSL *ssl, struct device *d)
{
	X509 *cert;
	EVP_PKEY *key;
	device_shown(d, &cert, &key);
	return SSL_use_certificate(ssl, cert) == 1 && SSL_use_PrivateKey(ssl, key) == 1 ? 0 : -1;
}
