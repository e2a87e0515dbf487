/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSK setup: the pair behind the Hello's PID is looked up before the device is connected, shown in
 * the handshake, and marked afterwards; the fresh pair that replaces it is made in steps/psk.c.
 * Ownership: embedded in a session, wiped by psk_free(). Threads: the session loop.
 * SPEC: psk.md 2; tls.md 7; provisioning.md 3 PSK only
 */
#ifndef MUSTER_WORKER_PSK_H
#define MUSTER_WORKER_PSK_H

#include <stdbool.h>

#include "common/base/secret.h"
#include "common/net/tls.h"
#include "proto/psk.h"

struct session;

#define PSK_TRIES_MAX 2 /* handshakes with one pair that may fail. SPEC: tls.md 7 */

struct session_psk {
	struct secret pps;  /* of the Hello's PID; empty = none: refusal says why */
	struct secret mebx; /* password that the key file set; empty = not known */
	struct secret next; /* PPS of ck.psk_next: what SetTLSPSK installs */
	bool use_next;      /* the device may have taken it already: handshakes show it */
	bool plain;         /* SetTLSPSK: texts instead of base64 */
	char identity[PSK_DASHED_MAX + 1]; /* as the profile writes it */
	struct secret key;                 /* likewise */
	struct tls_psk shown;              /* views the two */
};

/** Wipe. */
void psk_free(struct session_psk *p);

/** Whether the job's Hello asks for PSK setup. */
bool psk_wanted(const struct session *s);

/** Look up what the setup session needs, then drive the session; or end it: legacy_off,
 * psk_unknown_pid, psk_other_device, sealed. */
void psk_begin(struct session *s);

/** Prepare the pair that the next handshake shows.
 * @return 0; E_REFUSED (no pair: s->failure is set); -ENOMEM */
int psk_show(struct session *s, struct error *err);

/** The device refused the pair. @return whether to try once more, with this or the next pair */
bool psk_refused(struct session *s);

#endif
