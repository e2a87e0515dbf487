/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates for devices: one interface, back ends behind it, all asynchronous. A back end lives
 * on the connector's loop; sessions use struct ca_work. Whatever an authority returns is checked by
 * the session itself before it goes to a device (common/pki/devcert.h).
 * Ownership: a call belongs to the back end from submit() or poll() until its done().
 * SPEC: ca.md 3, architecture D29
 */
#ifndef MUSTER_WORKER_CA_H
#define MUSTER_WORKER_CA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "worker/connector.h"

#define CA_DER_MAX     8192 /* bytes of a request or certificate that we take from an authority */
#define CA_NAME_MAX    256
#define CA_TEXT_MAX    255
#define CA_KEY_HEX     64 /* request key: hex of SHA-256 */
#define CA_PENDING_MAX 127
/* Why a certificate is revoked. SPEC: RFC 5280 5.3.1 */
enum { CA_REASON_SUPERSEDED = 4, CA_REASON_CESSATION = 5 };

#define CA_SERIAL_MAX 20 /* bytes. SPEC: RFC 5280 4.1.2.2 */

struct conf;
struct error;

enum ca_result {
	CA_RESULT_ISSUED,
	CA_RESULT_PENDING, /* poll pending_id after retry_ms */
	CA_RESULT_DENIED,  /* the authority said no; text */
	CA_RESULT_RETRY,   /* not reachable or busy; text; try after retry_ms */
	CA_RESULT_REVOKED, /* the certificate of revoke_serial is on the list now */
	CA_RESULT_FATAL,   /* the request is wrong or the authority is not usable; text */
};

/* One request and its answer. */
struct ca_call {
	char request_key[CA_KEY_HEX + 1]; /* same key, same certificate. SPEC: D14 */
	char common_name[CA_NAME_MAX];
	char device_uuid[37], job[37];
	uint8_t der[CA_DER_MAX]; /* PKCS#10 or public key */
	size_t der_len;
	bool is_csr;
	uint8_t revoke_serial[CA_SERIAL_MAX]; /* revoke this one instead of issuing */
	size_t revoke_len;                    /* 0 = issue */
	uint32_t revoke_reason;               /* RFC 5280 5.3.1 */
	uint32_t validity_days;
	bool short_name;  /* the host name beside the FQDN */
	bool client_auth; /* the device logs in with it, too: 802.1x, remote access */
	char pending_id[CA_PENDING_MAX + 1]; /* poll(): which */

	enum ca_result result;
	uint8_t cert[CA_DER_MAX]; /* ISSUED: leaf DER */
	size_t cert_len;
	uint32_t retry_ms;
	char text[CA_TEXT_MAX + 1];

	void (*done)(struct ca_call *call); /* called by the back end, connector thread */
	void *arg;
	uint64_t id;          /* the back end's */
	uint64_t deadline_ms; /* the back end's */
	TAILQ_ENTRY(ca_call) link;
};

struct ca;

struct ca_ops {
	const char *name;
	int (*open)(struct ca **out, uv_loop_t *loop, const struct conf *conf, struct error *err);
	void (*submit)(struct ca *ca, struct ca_call *call);
	void (*poll)(struct ca *ca, struct ca_call *call);
	void (*cancel)(struct ca *ca, struct ca_call *call); /* done() will not come */
	void (*close)(struct ca *ca); /* outstanding calls are answered RETRY */
};

extern const struct ca_ops ca_embedded_ops;

/* What the session submits to the connector. */
struct ca_work {
	struct work work;
	const struct ca_ops *ops;
	struct ca *ca;
	struct connector *connector;
	struct ca_call call;
};

/** Session thread: submit the call (poll it when pending_id is set). The work is freed after done;
 * connector_cancel(&w->work) forgets it. */
void ca_work_submit(struct ca_work *w, void (*done)(struct work *w, void *arg), void *arg);

/** A zeroed work for this authority. @return NULL without memory */
struct ca_work *ca_work_new(struct connector *c, const struct ca_ops *ops, struct ca *ca);

#endif
