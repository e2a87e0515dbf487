/* SPDX-License-Identifier: Apache-2.0 */
/* Hex and base64, both ways, with bounds. Base64 is written without line breaks. */
#ifndef MUSTER_BASE_CODEC_H
#define MUSTER_BASE_CODEC_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/** Lower-case hex with NUL; out holds 2 * len + 1 bytes. */
void hex_encode(const void *data, size_t len, char *out);

/** Hex text (either case, even length) to bytes. @return number of bytes or E_PARSE / E_LIMIT */
int hex_decode(const char *text, size_t text_len, uint8_t *out, size_t out_max);

/** Append base64 text. @return 0 or the error of buf_add() */
int base64_encode(struct buf *out, const void *data, size_t len);

/** Append the bytes of base64 text; white space inside is skipped, anything else refused.
 * @return 0, E_PARSE or the error of buf_add() */
int base64_decode(struct buf *out, const char *text, size_t text_len);

#endif
