/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device answers on its HTTP ports beside WS-Man: the web page and the SOAP of the first
 * releases, for users who have the realm. Which WS-Man class belongs to which realm is not
 * modelled: there a user must be an administrator.
 * Threads: the loop's thread only. SPEC: wsman.md 7, 8
 */
#ifndef MUSTER_SIM_FACE_H
#define MUSTER_SIM_FACE_H

#include "bench/sim/device.h"
#include "common/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct face_request {
	unsigned session; /* number of the connection in the run, for the ledger */
	bool post;
	const char *url;
	uint32_t realms; /* of the user, bit n = realm n */
	const void *body;
	size_t body_len;
};

/** Whether this request is answered without a login. */
bool face_public(const struct device *d, bool post, const char *url);

/** Append the whole HTTP answer. @return its status; after any but 200 the device closes */
int face_serve(struct device *d, const struct face_request *rq, struct buf *out);

#endif
