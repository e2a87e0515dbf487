/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session knows that the next owner of the job should know: the C face of message
 * Checkpoint. It goes into Redis with every step() and holds no secret. Ownership: the struct owns
 * its buffers. Threads: none. SPEC: provisioning.md 7
 */
#ifndef MUSTER_WORKER_CHECKPOINT_H
#define MUSTER_WORKER_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "proto/muster.pb-c.h"
#include "proto/psk.h"
#include "worker/resolve/resolve.h"

#define CHECKPOINT_MAX        16384 /* bytes packed; a certificate and a key are 2 KiB */
#define CHECKPOINT_HANDLE_MAX 127   /* InstanceID texts of AMT have about 35 characters */
#define CHECKPOINT_REALM_MAX  127
#define CHECKPOINT_SKIPPED    16

/* commits of an unconfigure job */
#define COMMITS_TOLD  1 /* the device may have been told to go */
#define COMMITS_HEARD 2 /* and has said yes */

/* The pending MEBx password: may the device have it? */
#define MEBX_EARLIER 0 /* left by another job, which may have sent it */
#define MEBX_MADE    1 /* by this job, and not sent */
#define MEBX_SENT    2 /* it may have reached the device */

struct checkpoint {
	char fqdn[RESOLVE_FQDN_MAX + 1];
	char profile[RESOLVE_PROFILE_MAX + 1];
	char ou[RESOLVE_OU_MAX + 1];
	char realm[CHECKPOINT_REALM_MAX + 1];
	char key_handle[CHECKPOINT_HANDLE_MAX + 1];
	struct buf public_key; /* DERKey */
	Muster__V1__CaState ca_state;
	char ca_pending_id[128];
	struct buf certificate; /* leaf DER */
	char cert_handle[CHECKPOINT_HANDLE_MAX + 1];
	bool passwords_sent;
	uint32_t commits; /* CommitChanges; of an unconfigure job: below */
	uint32_t mebx;    /* below */
	char amt[32];
	char psk_next[PSK_PID_LEN + 1]; /* PID of the pair that SetTLSPSK installs; "" = none */
	bool psk_sent;                  /* SetTLSPSK may have reached the device */
	uint32_t psk_tries;             /* failed handshakes with one pair */
	const char *skipped[CHECKPOINT_SKIPPED]; /* names of the step table: static texts */
	size_t n_skipped;
};

/** Start empty. */
void checkpoint_init(struct checkpoint *ck);

/** Free. */
void checkpoint_free(struct checkpoint *ck);

/** Append the packed message. @return 0, E_LIMIT or -ENOMEM */
int checkpoint_pack(const struct checkpoint *ck, struct buf *out);

/** Read what the last owner left; damaged or too new content is as good as none: the device is
 * asked in any case. @return 0 or E_PARSE (ck is then empty) */
int checkpoint_unpack(struct checkpoint *ck, const void *data, size_t len);

/** Forget key and certificate: they are not on the device any more. */
void checkpoint_drop_key(struct checkpoint *ck);

/** Remember that this device lacks a feature (name of a step, static text). */
void checkpoint_skip(struct checkpoint *ck, const char *step);

#endif
