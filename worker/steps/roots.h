/* SPDX-License-Identifier: Apache-2.0 */
/* For steps/ only: certificates of the device that other objects refer to. */
#ifndef MUSTER_WORKER_ROOTS_H
#define MUSTER_WORKER_ROOTS_H

#include <stdbool.h>

struct session;
struct wsman_epr;

/** InstanceID of the root of this file on the device; NULL = it has it not (yet). */
const char *root_handle(const struct session *s, const char *path);

/** Whether a root that the profile names is still to be added; steps/mutual.c opens the device for
 * it. */
bool roots_missing(const struct session *s);

/** Reference to a certificate, in the keep arena. @return NULL for handle NULL, or without memory
 */
const struct wsman_epr *certificate_epr(struct session *s, const char *handle);

#endif
