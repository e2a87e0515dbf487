/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SOAP of the first releases ("EOI"): the operations that amttool sends, one URL per interface.
 * Firmware 3.x to 8.x has it beside WS-Man; WsmanOnlyMode switches it off.
 * Ownership: the answer's buffer belongs to the caller. Threads: the loop's thread only.
 * SPEC: eoi.md 1, 2, 3; wsman.md 8
 */
#ifndef MUSTER_SIM_EOI_H
#define MUSTER_SIM_EOI_H

#include "bench/sim/device.h"
#include "common/base/buf.h"

#include <stdbool.h>

#define EOI_ANSWER_MAX 8192

/** Whether the device has this interface now ("/RemoteControlService" ...). */
bool eoi_present(const struct device *d, const char *url);

/**
 * Serve one request.
 *
 * @param session number of the connection in the run, for the ledger
 * @param out     gets the envelope; initialised with EOI_ANSWER_MAX
 * @return the HTTP status: 200, or 500 with a SOAP fault
 */
int eoi_serve(struct device *d, unsigned session, const char *url, const char *body, size_t len,
	struct buf *out);

#endif
