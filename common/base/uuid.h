/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDs. A device UUID travels in the Hello with its first three groups little-endian (the "wire"
 * form); everywhere else we use the 16 bytes in text order and the lower-case text.
 */
#ifndef MUSTER_BASE_UUID_H
#define MUSTER_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36

struct uuid {
	uint8_t b[16]; /* in the order of the text */
};

/** Wire bytes (first three groups little-endian) to a UUID. SPEC: hello.md 3 */
void uuid_from_wire(struct uuid *out, const uint8_t wire[static 16]);

/** The inverse of uuid_from_wire(). */
void uuid_to_wire(const struct uuid *u, uint8_t wire[static 16]);

/** Parse 36 characters, either case. @return 0 or E_PARSE */
int uuid_parse(struct uuid *out, const char *text);

/** Lower-case text with NUL. */
void uuid_text(const struct uuid *u, char out[static UUID_TEXT_LEN + 1]);

/** One of those that many boards carry because their maker set none, also with the byte order
 * confused as some firmware does. SPEC: hello.md 3, ruling 2 */
bool uuid_is_placeholder(const struct uuid *u);

/** A new UUIDv7 (time-ordered), for job ids. */
void uuid_new_v7(struct uuid *out);

#endif
