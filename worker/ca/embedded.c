/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded authority: `muster ca serve` on a unix socket. u32 little-endian length and a
 * CaRequest or CaReply; pipelined, answers by id. A lost connection answers what was in flight with
 * RETRY (the request key makes a repetition harmless) and is made anew by the next call.
 * Threads: the connector's loop. SPEC: rulings 38-40
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/conf/conf.h"
#include "common/net/conn.h"
#include "common/net/timer.h"
#include "proto/muster.pb-c.h"
#include "worker/ca/ca.h"

#define FRAME_MAX    (64u * 1024u) /* SPEC: ruling 39 */
#define LENGTH_BYTES 4
#define SENT_MAX     32    /* calls in flight; the others wait here. SPEC: ca.md 3: a cap per CA */
#define RECONNECT_MS 500   /* after a lost connection or a refused one */
#define ANSWER_MS    20000 /* one signature takes milliseconds; a stuck authority does not answer */
#define RETRY_MS     2000  /* first pause of ca.md 3; the session's attempts space out further */

TAILQ_HEAD(call_list, ca_call);

struct ca {
	uv_loop_t *loop;
	const struct conf *conf;
	struct conn *conn; /* NULL = not connected */
	bool open;
	struct call_list waiting; /* until the connection is open */
	struct call_list sent;
	unsigned n_sent;
	struct buf in;
	struct boot_timer timer;
	uint64_t down_until_ms;
	uint64_t next_id;
	bool started; /* the timer exists: made by the first call, on the connector's thread */
	bool closing;
};

static void answer(struct ca *ca, struct call_list *list, struct ca_call *call)
{
	TAILQ_REMOVE(list, call, link);
	if (list == &ca->sent)
		ca->n_sent--;
	call->done(call);
}

static void answer_retry(
	struct ca *ca, struct call_list *list, struct ca_call *call, const char *why)
{
	call->result = CA_RESULT_RETRY;
	call->retry_ms = RETRY_MS;
	snprintf(call->text, sizeof call->text, "certificate authority: %s", why);
	answer(ca, list, call);
}

static void answer_all(struct ca *ca, const char *why)
{
	for (struct ca_call *c; (c = TAILQ_FIRST(&ca->sent));)
		answer_retry(ca, &ca->sent, c, why);
	for (struct ca_call *c; (c = TAILQ_FIRST(&ca->waiting));)
		answer_retry(ca, &ca->waiting, c, why);
}

static void drop(struct ca *ca, const char *why)
{
	conn_close(ca->conn);
	ca->conn = NULL;
	ca->open = false;
	ca->down_until_ms = clock_boot_ms() + RECONNECT_MS;
	ca->in.len = 0;
	answer_all(ca, why);
}

static int pack(const struct ca_call *call, struct buf *out)
{
	Muster__V1__CaRequest rq = MUSTER__V1__CA_REQUEST__INIT;
	char host[CA_NAME_MAX];
	char *names[] = {(char *)call->common_name, host};
	snprintf(
		host, sizeof host, "%.*s", (int)strcspn(call->common_name, "."), call->common_name);
	ProtobufCBinaryData der = {.len = call->der_len, .data = (uint8_t *)call->der};
	rq.id = call->id;
	rq.op = call->revoke_len ? MUSTER__V1__CA_OP__CA_OP_REVOKE : MUSTER__V1__CA_OP__CA_OP_ISSUE;
	rq.serial.len = call->revoke_len;
	rq.serial.data = (uint8_t *)call->revoke_serial;
	rq.reason = call->revoke_len ? call->revoke_reason : 0;
	rq.request_key = (char *)call->request_key;
	if (call->is_csr)
		rq.csr = der;
	else
		rq.public_key = der;
	rq.common_name = (char *)call->common_name;
	rq.n_dns_names = call->short_name ? 2 : 1;
	rq.client_auth = call->client_auth;
	rq.dns_names = names;
	rq.validity_days = call->validity_days;
	rq.device_uuid = (char *)call->device_uuid;
	rq.job = (char *)call->job;
	size_t len = muster__v1__ca_request__get_packed_size(&rq);
	uint8_t *at = buf_reserve(out, LENGTH_BYTES + len);
	if (!at)
		return E_LIMIT;
	for (int i = 0; i < LENGTH_BYTES; i++)
		at[i] = (uint8_t)(len >> (8 * i));
	muster__v1__ca_request__pack(&rq, at + LENGTH_BYTES);
	out->len += LENGTH_BYTES + len;
	return 0;
}

static void send_call(struct ca *ca, struct ca_call *call)
{
	struct buf frame;
	buf_init(&frame, LENGTH_BYTES + FRAME_MAX);
	TAILQ_REMOVE(&ca->waiting, call, link);
	TAILQ_INSERT_TAIL(&ca->sent, call, link);
	ca->n_sent++;
	call->id = ++ca->next_id;
	call->deadline_ms = clock_boot_ms() + ANSWER_MS;
	if (pack(call, &frame) < 0 || conn_write(ca->conn, frame.data, frame.len) < 0)
		answer_retry(ca, &ca->sent, call, "its socket takes no more");
	buf_free(&frame);
}

static void send_waiting(struct ca *ca)
{
	for (struct ca_call *call;
		ca->open && ca->n_sent < SENT_MAX && (call = TAILQ_FIRST(&ca->waiting));)
		send_call(ca, call);
}

static void on_opened(struct conn *c, void *arg)
{
	(void)c;
	struct ca *ca = arg;
	ca->open = true;
	send_waiting(ca);
}

static enum ca_result result_of(Muster__V1__CaStatus status)
{
	switch (status) {
	case MUSTER__V1__CA_STATUS__CA_ISSUED: return CA_RESULT_ISSUED;
	case MUSTER__V1__CA_STATUS__CA_PENDING: return CA_RESULT_PENDING;
	case MUSTER__V1__CA_STATUS__CA_DENIED: return CA_RESULT_DENIED;
	case MUSTER__V1__CA_STATUS__CA_RETRY: return CA_RESULT_RETRY;
	case MUSTER__V1__CA_STATUS__CA_OK: return CA_RESULT_REVOKED;
	default: return CA_RESULT_FATAL;
	}
}

static void on_reply(struct ca *ca, const Muster__V1__CaReply *rp)
{
	struct ca_call *call;
	TAILQ_FOREACH (call, &ca->sent, link) {
		if (call->id == rp->id)
			break;
	}
	if (!call)
		return; /* cancelled, or answered by its deadline */
	call->result = result_of(rp->status);
	call->retry_ms = rp->retry_after_s ? rp->retry_after_s * 1000 : RETRY_MS;
	snprintf(call->text, sizeof call->text, "certificate authority: %s",
		rp->text[0] ? rp->text : "no reason given");
	snprintf(call->pending_id, sizeof call->pending_id, "%s", rp->pending_id);
	if (call->result == CA_RESULT_ISSUED && rp->certificate.len > CA_DER_MAX) {
		call->result = CA_RESULT_FATAL;
		snprintf(call->text, sizeof call->text,
			"certificate authority: a certificate of %zu bytes", rp->certificate.len);
	} else if (call->result == CA_RESULT_ISSUED) {
		memcpy(call->cert, rp->certificate.data, rp->certificate.len);
		call->cert_len = rp->certificate.len;
	}
	answer(ca, &ca->sent, call);
}

/* Take whole frames out of what has come. @return 0 or E_PROTOCOL */
static int take_frames(struct ca *ca)
{
	while (ca->in.len >= LENGTH_BYTES) {
		size_t len = 0;
		for (int i = 0; i < LENGTH_BYTES; i++)
			len |= (size_t)ca->in.data[i] << (8 * i);
		if (len > FRAME_MAX)
			return E_PROTOCOL;
		if (ca->in.len < LENGTH_BYTES + len)
			return 0;
		Muster__V1__CaReply *rp =
			muster__v1__ca_reply__unpack(NULL, len, ca->in.data + LENGTH_BYTES);
		if (!rp)
			return E_PROTOCOL;
		buf_consume(&ca->in, LENGTH_BYTES + len);
		on_reply(ca, rp);
		muster__v1__ca_reply__free_unpacked(rp, NULL);
	}
	return 0;
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	(void)c;
	struct ca *ca = arg;
	while (len > 0) { /* the buffer holds one frame at most, so feed it in parts */
		size_t room = ca->in.max - ca->in.len;
		size_t n = len < room ? len : room;
		if (buf_add(&ca->in, data, n) < 0 || take_frames(ca) < 0) {
			drop(ca, "its answer breaks the protocol");
			return;
		}
		data += n;
		len -= n;
	}
	send_waiting(ca);
}

static void on_closed(struct conn *c, const struct error *err, void *arg)
{
	(void)c;
	struct ca *ca = arg;
	char why[CA_TEXT_MAX];
	snprintf(why, sizeof why, "%.100s: %.140s", ca->conf->ca.socket,
		err->code ? err->text : "it closed the connection");
	ca->conn = NULL;
	drop(ca, why);
}

static const struct conn_events conn_handler = {
	.opened = on_opened, .data = on_data, .closed = on_closed};

static void ca_connect(struct ca *ca)
{
	struct conn_opts o = {0};
	struct error err = {0};
	char where[CONF_PATH_MAX + 8];
	snprintf(where, sizeof where, "unix:%s", ca->conf->ca.socket);
	int rc = net_addr_parse(&o.addr, where, &err);
	if (rc == 0)
		rc = conn_open(&ca->conn, ca->loop, &o, &conn_handler, ca, &err);
	if (rc < 0)
		drop(ca, err.text);
}

/* Twice a second while calls wait: connect again, give up on answers that do not come. */
static void on_timer(struct boot_timer *t, void *arg)
{
	struct ca *ca = arg;
	uint64_t now = clock_boot_ms();
	struct ca_call *call = TAILQ_FIRST(&ca->sent);
	if (call && call->deadline_ms <= now)
		drop(ca, "no answer in time");
	if (!ca->conn && !TAILQ_EMPTY(&ca->waiting) && ca->down_until_ms <= now)
		ca_connect(ca);
	if (!TAILQ_EMPTY(&ca->sent) || !TAILQ_EMPTY(&ca->waiting))
		boot_timer_set_in(t, RECONNECT_MS);
}

static int embedded_open(
	struct ca **out, uv_loop_t *loop, const struct conf *conf, struct error *err)
{
	struct ca *ca = calloc(1, sizeof *ca);
	ENSURE(ca, err, -ENOMEM, "no memory for the CA client");
	ca->loop = loop;
	ca->conf = conf;
	TAILQ_INIT(&ca->waiting);
	TAILQ_INIT(&ca->sent);
	buf_init(&ca->in, LENGTH_BYTES + FRAME_MAX);
	*out = ca;
	return 0;
}

static void embedded_submit(struct ca *ca, struct ca_call *call)
{
	TAILQ_INSERT_TAIL(&ca->waiting, call, link);
	if (!ca->started) {
		ca->started = true;
		boot_timer_init(&ca->timer, ca->loop, on_timer, ca);
	}
	if (ca->closing) {
		answer_retry(ca, &ca->waiting, call, "the worker is stopping");
		return;
	}
	if (!boot_timer_active(&ca->timer))
		boot_timer_set_in(&ca->timer, RECONNECT_MS);
	if (ca->open)
		send_waiting(ca);
	else if (!ca->conn && ca->down_until_ms <= clock_boot_ms())
		ca_connect(ca);
}

/* The embedded authority never says "pending". */
static void embedded_poll(struct ca *ca, struct ca_call *call)
{
	call->pending_id[0] = '\0';
	embedded_submit(ca, call);
}

static void embedded_cancel(struct ca *ca, struct ca_call *call)
{
	struct ca_call *c;
	TAILQ_FOREACH (c, &ca->sent, link) {
		if (c == call) {
			TAILQ_REMOVE(&ca->sent, call, link);
			ca->n_sent--;
			return;
		}
	}
	TAILQ_REMOVE(&ca->waiting, call, link);
}

static void on_timer_closed(struct boot_timer *t, void *arg)
{
	(void)t;
	struct ca *ca = arg;
	buf_free(&ca->in);
	free(ca);
}

static void embedded_close(struct ca *ca)
{
	ca->closing = true;
	drop(ca, "the worker is stopping");
	if (ca->started)
		boot_timer_close(&ca->timer, on_timer_closed);
	else
		on_timer_closed(NULL, ca);
}

const struct ca_ops ca_embedded_ops = {
	.name = "embedded",
	.open = embedded_open,
	.submit = embedded_submit,
	.poll = embedded_poll,
	.cancel = embedded_cancel,
	.close = embedded_close,
};
