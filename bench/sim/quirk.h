/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What quirks do to single calls and to the identity of a device; those of the transport are in
 * session.c. A quirk of a call is one row: call, function before, function after.
 * Ownership: state is in struct device. Threads: the loop's thread only. SPEC: see fault.c
 */
#ifndef MUSTER_SIM_QUIRK_H
#define MUSTER_SIM_QUIRK_H

#include "bench/sim/device.h"

#include <stdbool.h>

struct call;

/** Before a call is carried out. name is "Class.Operation". @return false: it is not carried out,
 * and the call says what happens instead */
bool quirk_before(struct call *c, const char *name);

/** After a call was carried out: its time, its answer. */
void quirk_after(struct call *c, const char *name);

/** Give the device the UUID that its quirks say; before is the device before it. */
void quirk_identity(struct device *d, const struct device *before);

/** What the factory, or an owner before us, left behind. */
void quirk_factory(struct device *d);

/** The device comes up configured: what happened to its logins meanwhile. */
void quirk_configured(struct device *d);

/** Whether the nonces are forgotten at this request. */
bool quirk_nonce_reset(struct device *d);

#endif
