/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the devices: one context per generation for setup (asks for our chain and judges it), one
 * for setup by PID and PPS, one for configured devices, shared by all; each connection gets the
 * certificate of its device, so that no device costs a context. SPEC: tls.md 2, 5, 14
 */
#include "bench/sim/classes/record.h"
#include "bench/sim/estate.h"

#include "common/base/cert.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Clocks of devices are off by up to a day before they are set. */
#define CLOCK_TOLERANCE_S     86400
#define CLOCK_SET_TOLERANCE_S 300

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

enum judge_code tlsd_judge(const struct estate *e, const struct device *d, STACK_OF(X509) * chain)
{
	struct judge_rules rules = {
		.roots = e->roots,
		.n_roots = e->n_roots,
		.suffix = d->suffix,
		.chain = &d->as->chain,
		.lists = &d->as->hello,
		.unknown_ok = e->opts.unknown_ok,
		.now_s = device_time(d),
		.tolerance_s = d->clock_set ? CLOCK_SET_TOLERANCE_S : CLOCK_TOLERANCE_S,
	};
	return judge_chain(chain, &rules);
}

/* A console at a device that demands certificates. SPEC: tls.md 10 */
static enum judge_code judge_admin(const struct device *d, STACK_OF(X509) * chain)
{
	X509 *trusted[DEVICE_CERTS_MAX];
	struct judge_console rules = {
		.trusted = trusted,
		.trust = part_read(d, PART_TRUST),
		.interface = TLS_REMOTE,
		.now_s = device_time(d),
		.tolerance_s = CLOCK_SET_TOLERANCE_S,
	};
	for (size_t i = 0; i < DEVICE_CERTS_MAX; i++)
		if (d->certs[i].handle >= 0 && d->certs[i].trusted)
			trusted[rules.n_trusted++] = d->certs[i].x509;
	return judge_console(chain, &rules);
}

static int verify(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct device *d = session_device(ssl);
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
	enum judge_code code = d->state == DEV_POST ? judge_admin(d, chain)
						    : tlsd_judge(session_estate(ssl), d, chain);
	if (code == JUDGE_OK) {
		record_chain(session_device(ssl), X509_STORE_CTX_get0_untrusted(store));
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	session_refused(ssl, judge_name(code));
	X509_STORE_CTX_set_error(store, error_of(code));
	return 0;
}

/* Suites of TLS 1.3 have a list of their own. */
static bool set_suites(SSL_CTX *ctx, const struct personality_tls *tls)
{
	char old[PERSONALITY_SUITES_MAX * PERSONALITY_TEXT_MAX] = "", new[sizeof old] = "";
	for (uint32_t i = 0; i < tls->n_suites; i++) {
		char *list = strncmp(tls->suites[i], "TLS_", 4) == 0 ? new : old;
		size_t at = strlen(list);
		snprintf(list + at, sizeof old - at, "%s%s", at ? ":" : "", tls->suites[i]);
	}
	return (!*old || SSL_CTX_set_cipher_list(ctx, old) == 1) &&
	       SSL_CTX_set_ciphersuites(ctx, new) == 1;
}

/* Old versions and SHA-1 are there at level 0 only. */
static int level_of(const struct personality *p)
{
	return p->tls.min < TLS1_2_VERSION || p->tls.sha1_request ||
			       p->certificate.setup == SETUP_RSA1024
		       ? 0
		       : 1;
}

/* Only these; the versions are those of the release, which is an old one. SPEC: psk.md 2 */
#define SUITES_PSK "PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA"

static unsigned show_key(SSL *ssl, const char *identity, unsigned char *key, unsigned max)
{
	const struct dev_psk *psk = &session_device(ssl)->psk;
	if (max < PSK_PPS_LEN || strcmp(identity, psk->pid) != 0) {
		session_refused(ssl, "psk_unknown_pid");
		return 0;
	}
	memcpy(key, psk->pps, PSK_PPS_LEN);
	return PSK_PPS_LEN;
}

static bool only_psk(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_psk_server_callback(ctx, show_key);
	return SSL_CTX_set_cipher_list(ctx, SUITES_PSK) == 1;
}

#define DEMAND_CERTIFICATE (SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)

/* What a connection is for decides what the device shows. */
enum side { SIDE_SETUP, SIDE_PSK, SIDE_CONFIGURED, SIDE_N };

static SSL_CTX *make(const struct personality *p, enum side side)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(cert_library(), NULL, TLS_server_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_security_level(ctx, level_of(p));
	SSL_CTX_set_min_proto_version(ctx, p->tls.min);
	SSL_CTX_set_max_proto_version(ctx, p->tls.max);
	SSL_CTX_set_dh_auto(ctx, 1);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	bool ok = side == SIDE_PSK ? only_psk(ctx) : set_suites(ctx, &p->tls);
	SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
	if (side == SIDE_SETUP && p->tls.asks_certificate) {
		SSL_CTX_set_verify(ctx, DEMAND_CERTIFICATE, NULL);
		if (p->tls.sha1_request)
			ok &= SSL_CTX_set1_client_sigalgs_list(ctx, "RSA+SHA1") == 1;
	}
	if (!ok) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* Only generations that the mix has cost keys and contexts. */
static int start_one(struct estate *e, size_t i, struct error *err)
{
	const struct personality *p = &e->personalities.items[i];
	if (p->weight <= 0)
		return 0;
	TRY(keypool_prepare(&e->pool, (enum setup_cert)p->certificate.setup, err));
	for (enum side side = 0; side < SIDE_N; side++) {
		SSL_CTX *ctx = NULL;
		if (side != SIDE_PSK || p->tls.psk) {
			ctx = make(p, side);
			ENSURE(ctx, err, E_TLS, "%s: cannot make a TLS context", p->name);
		}
		e->ctx[SIDE_N * i + side] = ctx;
	}
	return 0;
}

int tlsd_start(struct estate *e, struct error *err)
{
	size_t n = e->personalities.n;
	e->ctx = calloc(SIDE_N * n, sizeof(SSL_CTX *));
	ENSURE(e->ctx, err, E_TLS, "no memory for TLS contexts");
	for (size_t i = 0; i < n; i++)
		TRY(start_one(e, i, err));
	return 0;
}

void tlsd_free(struct estate *e)
{
	for (size_t i = 0; e->ctx && i < SIDE_N * e->personalities.n; i++)
		SSL_CTX_free(e->ctx[i]);
	free(e->ctx);
	e->ctx = NULL;
}

SSL_CTX *tlsd_context(struct estate *e, const struct device *d)
{
	size_t i = (size_t)(d->as - e->personalities.items);
	enum side side = d->state == DEV_POST ? SIDE_CONFIGURED
			 : d->psk.typed       ? SIDE_PSK
					      : SIDE_SETUP;
	return e->ctx[SIDE_N * i + side];
}

int tlsd_setup(SSL *ssl, struct device *d)
{
	struct shown shown;
	if (d->state != DEV_POST && d->psk.typed)
		return 0; /* no certificate on either side */
	if (d->state == DEV_POST && d->committed.setting[TLS_REMOTE].mutual)
		SSL_set_verify(ssl, DEMAND_CERTIFICATE, NULL);
	device_shown(d, &shown);
	bool ok = SSL_use_certificate(ssl, shown.cert) == 1 &&
		  SSL_use_PrivateKey(ssl, shown.key) == 1;
	for (size_t i = 0; ok && i < shown.n_chain; i++)
		ok = SSL_add1_chain_cert(ssl, shown.chain[i]) == 1;
	shown_free(&shown);
	return ok ? 0 : -1;
}
