/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and keeping the connection; device_http.c has the exchange on it. See device.h. */
#include "worker/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/pki/odca.h"
#include "worker/console.h"
#include "worker/device_int.h"

static int env_load_chain(struct device_env *env, const struct conf_chain *c, struct error *err)
{
	struct secret password = {0};
	if (c->key_password_file[0])
		TRY(secret_read_file(&password, c->key_password_file, SECRET_FILE_MAX, err));
	struct provcert_report *report = calloc(1, sizeof *report);
	struct provcert *pc = NULL;
	int rc = report ? provcert_load(&pc, c->chain, c->key, &password,
				  (int64_t)(clock_wall_ms() / 1000), report, err)
			: error_set(err, -ENOMEM, "no memory for a provisioning certificate");
	secret_free(&password);
	if (rc < 0) {
		provcert_free(pc);
		free(report);
		return rc;
	}
	size_t pos = 0;
	for (const struct provcert_finding *f; (f = provcert_next_warning(report, &pos));)
		LOG_WARN("provisioning.certificate", KV_STR("chain", c->chain),
			KV_STR("finding", provcert_code_name(f->code)), KV_STR("text", f->text));
	free(report);
	env->certs[env->n_certs++] = pc;
	return 0;
}

int device_env_open(
	struct device_env *env, uv_loop_t *loop, const struct conf_worker *conf, struct error *err)
{
	*env = (struct device_env){.loop = loop, .conf = conf, .opening_max = DEVICE_OPENING_MAX};
	TAILQ_INIT(&env->waiting);
	for (uint32_t i = 0; i < conf->n_provisioning; i++) {
		int rc = env_load_chain(env, &conf->provisioning[i], err);
		if (rc < 0) {
			device_env_close(env);
			return rc;
		}
	}
	int rc = console_load(&env->console, &conf->console, err);
	if (rc < 0)
		device_env_close(env);
	return rc;
}

void device_env_close(struct device_env *env)
{
	for (size_t i = 0; i < env->n_certs; i++) {
		for (int p = 0; p < TLS_PROFILES; p++)
			SSL_CTX_free(env->setup[i][p]);
		provcert_free(env->certs[i]);
	}
	for (int p = 0; p < TLS_PROFILES; p++)
		SSL_CTX_free(env->bare[p]);
	for (size_t i = 0; i < env->n_readers; i++)
		wsman_reader_free(env->readers[i]);
	console_free(env->console);
	*env = (struct device_env){0};
}

/* ---- turns ------------------------------------------------------------------------------------
 */

/* @return false: in the list, device_resume() follows when it is this device's turn */
static bool take_turn(struct device *d)
{
	struct device_env *env = d->env;
	if (d->opening)
		return true;
	if (env->n_opening < env->opening_max) {
		env->n_opening++;
		d->opening = true;
		return true;
	}
	if (!d->waits)
		TAILQ_INSERT_TAIL(&env->waiting, d, turn);
	d->waits = true;
	return false;
}

/* The turn is over, or not wanted any more: it goes to the first who waits. */
static void end_turn(struct device *d)
{
	struct device_env *env = d->env;
	struct device *next = TAILQ_FIRST(&env->waiting);
	if (d->waits)
		TAILQ_REMOVE(&env->waiting, d, turn);
	d->waits = false;
	if (!d->opening)
		return;
	d->opening = false;
	env->n_opening--;
	if (!next)
		return;
	TAILQ_REMOVE(&env->waiting, next, turn);
	next->waits = false;
	(void)take_turn(next);
	boot_timer_set_in(&next->timer, 0);
}

/* ---- contexts ---------------------------------------------------------------------------------
 */

static int make_setup_ctx(
	SSL_CTX **out, const struct provcert *pc, enum tls_profile profile, struct error *err)
{
	struct tls_identity id = {.leaf = provcert_cert(pc, 0), .key = provcert_key(pc)};
	id.chain = sk_X509_new_null();
	ENSURE(id.chain, err, -ENOMEM, "no memory for a TLS context");
	for (size_t i = 1; i < provcert_chain_len(pc); i++)
		sk_X509_push(id.chain, provcert_cert(pc, i)); /* lent: the context takes its own */
	int rc = tls_ctx_new(out, profile, &id, err);
	sk_X509_free(id.chain);
	return rc;
}

/* Our certificate proves our right in a setup by PKI only; a PSK pair does it by itself. */
static bool shows_chain(const struct device *d)
{
	return d->role == DEVICE_SETUP && d->profile != TLS_PROFILE_P;
}

/* Contexts are shared by profile, and PSK has its own. */
static const struct tls_identity *shows_console(const struct device *d)
{
	bool shows = d->env->console && d->profile != TLS_PROFILE_P;
	return shows ? &d->env->console->identity : NULL;
}

/* The shared context of this connection. */
static SSL_CTX *device_ctx(struct device *d, struct error *err)
{
	SSL_CTX **slot = shows_chain(d) ? &d->env->setup[d->order[d->at]][d->profile]
					: &d->env->bare[d->profile];
	if (*slot)
		return *slot; /* cppcheck-suppress identicalInnerCondition ; filled in below */
	int rc = shows_chain(d)
			 ? make_setup_ctx(slot, d->env->certs[d->order[d->at]], d->profile, err)
			 : tls_ctx_new(slot, d->profile, shows_console(d), err);
	return rc < 0 ? NULL : *slot;
}

/* Three or four numbers. SPEC: wsman.md 2 */
static bool is_release(const char *text)
{
	unsigned n[4];
	char more;
	int parts = sscanf(text, "%u.%u.%u.%u%c", &n[0], &n[1], &n[2], &n[3], &more);
	return text[strspn(text, "0123456789.")] == '\0' && (parts == 3 || parts == 4);
}

/* Products differ in how they call themselves: the last word counts. */
const char *device_amt_version(const struct device *d)
{
	const char *space = strrchr(d->server, ' ');
	const char *last = space ? space + 1 : d->server;
	return is_release(last) ? last : "";
}

const char *device_trouble_name(enum device_trouble trouble)
{
	static const char *const names[] = {"unreachable", "handshake", "not-asked", "certificate",
		"cut", "garbage", "http", "login", "lease", "ours"};
	return names[trouble];
}

void device_init(struct device *d, struct device_env *env, const struct device_ops *ops, void *arg)
{
	*d = (struct device){.env = env, .ops = ops, .arg = arg};
	boot_timer_init(&d->timer, env->loop, device_on_timer, d);
	arena_init(&d->arena, WSMAN_ARENA_MAX);
}

void device_set_role(struct device *d, enum device_role role, enum tls_profile profile)
{
	device_drop(d);
	d->role = role;
	d->profile = profile;
	d->clear = false;
	d->worked = false;
	d->at = 0;
	d->paused_ms = 0;
	device_forget_login(d);
}

void device_pause(struct device *d, uint32_t ms)
{
	d->paused_ms += ms;
	boot_timer_set_in(&d->timer, ms);
}

void device_forget_login(struct device *d)
{
	digest_state_reset(&d->digest);
	d->credential = 0;
	d->accepted = false;
	d->authorize = false;
}

void device_reader_put(struct device *d)
{
	if (d->reader && d->env->n_readers < DEVICE_READERS_MAX)
		d->env->readers[d->env->n_readers++] = d->reader;
	else
		wsman_reader_free(d->reader);
	d->reader = NULL;
	arena_reset(&d->arena);
}

void device_drop(struct device *d)
{
	end_turn(d);
	http_close(d->http);
	d->http = NULL;
	d->ready = d->connecting = d->calling = false;
	d->body = NULL;
	d->soon = (struct error){0};
	boot_timer_stop(&d->timer);
	free(d->challenge);
	d->challenge = NULL;
	device_reader_put(d);
}

void device_fail(struct device *d, enum device_trouble trouble, const struct error *err)
{
	struct error copy = *err; /* err may live in what is dropped */
	device_drop(d);
	d->ops->failed(trouble, &copy, d->arg);
}

/* Before the connection is usable: what to try next? SPEC: tls.md 3.5 */
static void climb(struct device *d, const struct conn_failure *f, const struct error *err)
{
	struct tls_attempt attempt = {.profile = d->profile,
		.failure = *f,
		.proof = d->proof,
		.identity = shows_chain(d),
		.legacy = d->legacy,
		.seen12 = d->seen12};
	struct tls_next next = tls_ladder(&attempt);
	LOG_INFO("tls.rung", KV_STR("profile", tls_profile_name(d->profile)),
		KV_INT("alert", f->alert), KV_BOOL("asked", d->proof.asked),
		KV_UINT("cert_len", d->proof.cert_len), KV_STR("error", err->text),
		KV_STR("next", next.verdict == TLS_STOP ? "stop" : tls_profile_name(next.profile)),
		KV_STR("reason", next.reason));
	d->http = NULL;
	if (next.verdict == TLS_TRY_PROFILE) {
		d->no_tls13 |= d->profile == TLS_PROFILE_V3;
		d->profile = next.profile;
	} else if (next.verdict == TLS_TRY_CHAIN && d->at + 1 < d->n_order) {
		d->at++;
	} else {
		struct error why = *err;
		error_prefix(&why, "TLS profile %s, %s", tls_profile_name(d->profile), next.reason);
		d->why = next.name;
		d->final = next.final;
		device_fail(d, DEVICE_HANDSHAKE, &why);
		return;
	}
	device_pause(d, d->env->conf->waits.rung_ms);
}

/* Handshake good, closed on the first request: the chain was not accepted, or the device cannot do
 * TLS 1.3 as well as it says. SPEC: tls.md 2, 12 */
static bool can_climb(const struct device *d)
{
	return (shows_chain(d) && d->at + 1 < d->n_order) || d->profile == TLS_PROFILE_V3;
}

void device_on_closed(struct http_client *h, const struct error *err, void *arg)
{
	struct device *d = arg;
	const struct conn_failure f = *conn_failure(http_conn(h));
	struct error why = *err;
	bool was_ready = d->ready;
	enum http_stage stage = http_stage(h);
	d->http = NULL;
	d->ready = false;
	end_turn(d);
	if (!was_ready && f.phase == CONN_PHASE_CONNECT) {
		device_fail(d, DEVICE_UNREACHABLE, &why);
	} else if (!was_ready) {
		climb(d, &f, &why);
	} else if (!d->calling) {
		return; /* closed between exchanges: the next call opens a new one */
	} else if (!d->worked && stage == HTTP_STAGE_SENT && f.eof && can_climb(d)) {
		climb(d, &f, &why);
	} else {
		bool cut = why.code == 0 || why.code == E_CLOSED || why.code == -ETIMEDOUT ||
			   f.eof || f.timed_out || f.sys_errno != 0;
		if (why.code == 0)
			error_set(&why, E_CLOSED, "the device closed the connection");
		device_fail(d, cut ? DEVICE_CUT : DEVICE_GARBAGE, &why);
	}
}

/* What a handshake did, for the log and the record. SPEC: tls.md 4.4, 6; ruling 50 */
static void note_handshake(struct device *d, SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	if (SSL_version(ssl) >= TLS1_2_VERSION)
		d->seen12 = true;
	if (d->role == DEVICE_SETUP && sk_X509_num(chain) > ODCA_ROM_INDEX)
		devcert_fingerprint(sk_X509_value(chain, ODCA_ROM_INDEX), d->fp3);
	LOG_DEBUG("tls.handshake", KV_STR("profile", tls_profile_name(d->profile)),
		KV_STR("version", SSL_get_version(ssl)), KV_STR("cipher", SSL_get_cipher_name(ssl)),
		KV_BOOL("asked", d->proof.asked), KV_UINT("ca_names", d->proof.n_ca_names),
		KV_UINT("sigalgs", d->proof.n_sigalgs), KV_UINT("cert_len", d->proof.cert_len));
}

/* The handshake is good, but the device has not seen our certificate. One that wants SHA-1
 * signatures may have got none from this rung: to the ladder that is a refused handshake.
 * SPEC: tls.md 3.1, ruling 30 */
static void refuse_proof(struct device *d, const struct error *err)
{
	const struct conn_failure f = {
		.phase = CONN_PHASE_HANDSHAKE, .alert = -1, .alert_sent = -1};
	if (!tls_proof_empty(&d->proof) || !tls_proof_sha1_only(&d->proof)) {
		device_fail(d, DEVICE_NOT_ASKED, err);
		return;
	}
	http_close(d->http);
	climb(d, &f, err);
}

static int judge_leaf(struct device *d, SSL *ssl, struct error *err)
{
	X509 *leaf = SSL_get1_peer_certificate(ssl);
	int rc = leaf ? d->ops->verify(leaf, SSL_get_peer_cert_chain(ssl), d->arg, err)
		      : error_set(err, E_TLS, "the device showed no certificate");
	X509_free(leaf);
	return rc;
}

void device_on_ready(struct http_client *h, void *arg)
{
	struct device *d = arg;
	struct error err = {0};
	SSL *ssl = conn_ssl(http_conn(h));
	end_turn(d);
	if (ssl)
		note_handshake(d, ssl);
	if (ssl && shows_chain(d) && tls_proof_check(&d->proof, &err) < 0) {
		refuse_proof(d, &err);
		return;
	}
	/* With PSK both sides have proven that they know the PPS; there is no certificate. */
	if (ssl && d->profile != TLS_PROFILE_P && judge_leaf(d, ssl, &err) < 0) {
		device_fail(d, DEVICE_CERTIFICATE, &err);
		return;
	}
	d->ready = true;
	d->idle_since_ms = clock_boot_ms();
	if (d->connecting) {
		d->connecting = false;
		d->ops->connected(d->arg);
	} else if (d->calling) {
		device_send(d);
	}
}

static int on_ssl(SSL *ssl, void *arg)
{
	struct device *d = arg;
	d->proof = (struct tls_proof){0};
	if (shows_chain(d))
		tls_proof_attach(ssl, &d->proof);
	if (d->profile == TLS_PROFILE_P)
		tls_psk_attach(ssl, d->psk);
	return 0;
}

/* Whose fault it is that there is not even a connection attempt. */
static enum device_trouble open_trouble(int rc)
{
	switch (rc) {
	case E_TLS:
	case E_CONFIG: return DEVICE_HANDSHAKE;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS: return DEVICE_OURS;
	default: return DEVICE_UNREACHABLE;
	}
}

void device_open(struct device *d)
{
	struct error err = {0};
	const struct conf_waits *w = &d->env->conf->waits;
	int rc = 0;
	if (!take_turn(d))
		return;
	SSL_CTX *ctx = NULL; /* without TLS */
	struct net_addr addr = d->addr;
	if (d->clear)
		net_addr_set_port(&addr, (uint16_t)(net_addr_port(&addr) - DEVICE_CLEAR_BELOW));
	else if (shows_chain(d) && d->n_order == 0)
		rc = error_set(&err, E_CONFIG, "no provisioning certificate fits this device");
	else if (!(ctx = device_ctx(d, &err)))
		rc = err.code;
	struct conn_opts o = {.addr = addr,
		.tls = ctx,
		.sni = d->role == DEVICE_ADMIN && d->name && d->name[0] ? d->name : NULL,
		.connect_ms = w->connect_ms,
		.handshake_ms = w->handshake_ms,
		.ssl_setup = on_ssl,
		.setup_arg = d};
	d->ready = false;
	d->why = NULL;
	if (rc == 0)
		rc = http_open(&d->http, d->env->loop, &o, &device_http_events, d, &err);
	if (rc < 0)
		device_fail_soon(d, open_trouble(rc), &err);
}

/* No callback runs inside device_call(): the failure waits for the next turn. */
void device_fail_soon(struct device *d, enum device_trouble trouble, const struct error *err)
{
	d->soon = *err;
	d->soon_trouble = trouble;
	boot_timer_set_in(&d->timer, 0);
}

void device_on_timer(struct boot_timer *t, void *arg)
{
	(void)t;
	struct device *d = arg;
	if (d->soon.code) {
		device_fail(d, d->soon_trouble, &d->soon);
	} else if (d->connecting || d->calling) {
		device_resume(d);
	}
}

/* Go on with what waits: send on the connection, or open one. */
void device_resume(struct device *d)
{
	if (!d->http)
		device_open(d);
	else if (d->ready && d->calling)
		device_send(d);
	else if (d->ready && d->connecting) {
		d->connecting = false;
		d->ops->connected(d->arg);
	}
}

void device_connect(struct device *d)
{
	d->connecting = true;
	boot_timer_set_in(&d->timer, 0);
}

void device_tick(struct device *d, uint64_t now_ms)
{
	if (d->http && d->ready && !d->calling && !d->connecting &&
		now_ms - d->idle_since_ms >= d->env->conf->waits.idle_close_ms) {
		http_close(d->http);
		d->http = NULL;
		d->ready = false;
	}
}

static void on_timer_closed(struct boot_timer *t, void *arg)
{
	(void)t;
	struct device *d = arg;
	d->closed(d->arg);
}

void device_close(struct device *d, void (*closed)(void *arg))
{
	device_drop(d);
	digest_state_reset(&d->digest);
	d->closed = closed;
	boot_timer_close(&d->timer, on_timer_closed);
}
