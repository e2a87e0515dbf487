/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WS-Management face of a device: one request body in, one answer body out. Header order and shape,
 * selectors and bodies are checked as firmware checks them; every change goes to the ledger.
 * Ownership: the answer's buffer belongs to the caller. Threads: the loop's thread only.
 * SPEC: wsman.md 4, 5
 */
#ifndef MUSTER_SIM_WSMAN_H
#define MUSTER_SIM_WSMAN_H

#include "bench/sim/device.h"
#include "common/base/buf.h"

#include <stdbool.h>

#define WSMAN_ANSWER_MAX (256u << 10) /* 20 certificates in one Pull fit */

/* Who asks, for the ledger. */
struct wsman_client {
	unsigned session;  /* number of the connection in the run */
	unsigned attempt;  /* the how manieth session of this device */
	const char *trace; /* X-Muster-Trace "job/fence/step", or NULL */
};

struct wsman_answer {
	int status;        /* 200 or 400 */
	bool html;         /* not a SOAP answer: the request was no XML */
	struct buf body;   /* the envelope */
	char call[96];     /* "Class.Operation", "" when the request named none */
	uint32_t slow_ms;  /* the answer takes so much longer */
	double deaf_ms;    /* ports are closed for so long */
	bool freeze;       /* the answer is not sent, the connection stays open */
	bool slow_key;     /* a key pair was made */
	bool close;        /* the device closes after the answer */
	bool cut;          /* the answer is not sent, the connection dies */
	bool acl_changed;  /* login caches are dropped */
	bool restart;      /* ports restart: commit or unprovision */
	bool configured;   /* this call changed in-setup -> configured */
	bool setup_again;  /* this call put the device into setup */
	const char *fault; /* subcode that was answered, or NULL */
};

/** Serve one request. out->body must be initialised (WSMAN_ANSWER_MAX). */
void wsman_serve(struct device *d, const struct wsman_client *who, const char *body, size_t len,
	struct wsman_answer *out);

#endif
