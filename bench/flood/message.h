/* SPDX-License-Identifier: Apache-2.0 */
/* The Hello of the floods: one template with 24 SHA-256 hashes, a UUID of its own per device. */
#ifndef MUSTER_FLOOD_MESSAGE_H
#define MUSTER_FLOOD_MESSAGE_H

#include <stdint.h>

#include "common/base/buf.h"
#include "proto/hello.h"

#define MESSAGE_UUID_OFFSET 8 /* SPEC: hello.md 2 */

/** Make the template; out is initialised here, the caller frees it. @return 0 or -ENOMEM */
int message_make(struct buf *out);

/** Give the template the UUID of a device number. */
void message_set_device(struct buf *message, uint64_t number);

#endif
