/* SPDX-License-Identifier: Apache-2.0 */
/* For steps/ only: certificates of the device that other objects refer to. */
#ifndef MUSTER_WORKER_ROOTS_H
#define MUSTER_WORKER_ROOTS_H

struct session;
struct wsman_epr;

/** InstanceID of the root of this file on the device; NULL = it has it not (yet). */
const char *root_handle(const struct session *s, const char *path);

/** Reference to a certificate, in the keep arena. @return NULL for handle NULL, or without memory
 */
const struct wsman_epr *certificate_epr(struct session *s, const char *handle);

#endif
