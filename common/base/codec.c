/* SPDX-License-Identifier: Apache-2.0 */
/* Hex by table, base64 by OpenSSL's block encoder; the decoder is ours because OpenSSL's one takes
 * white space only at the ends and hides the padding from the length. Threads: pure functions. */
#include "common/base/codec.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"

void hex_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = data;
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(const char *text, size_t text_len, uint8_t *out, size_t out_max)
{
	if (text_len % 2 != 0)
		return E_PARSE;
	if (text_len / 2 > out_max || text_len / 2 > INT_MAX)
		return E_LIMIT;
	for (size_t i = 0; i < text_len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return E_PARSE;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return (int)(text_len / 2);
}

/* Bytes per call of the block encoder: a multiple of 3, so that only the last one is padded. */
#define BASE64_PIECE 48

int base64_encode(struct buf *out, const void *data, size_t len)
{
	size_t room = out->max - out->len;
	if (len > room || (len + 2) / 3 > room / 4)
		return E_LIMIT;
	size_t need = (len + 2) / 3 * 4;
	if (need == 0)
		return 0;
	uint8_t *to = buf_reserve(out, need);
	if (!to)
		return -ENOMEM;
	const uint8_t *in = data;
	unsigned char piece[BASE64_PIECE / 3 * 4 + 1];
	while (len > 0) {
		size_t n_in = len < BASE64_PIECE ? len : BASE64_PIECE;
		size_t n_out = (size_t)EVP_EncodeBlock(piece, in, (int)n_in);
		memcpy(to, piece, n_out);
		to += n_out;
		in += n_in;
		len -= n_in;
	}
	out->len += need;
	explicit_bzero(piece, sizeof piece); /* keys pass through here */
	return 0;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to three bytes; with padding the last one or two bytes are not there. */
static int base64_add_quad(struct buf *out, uint32_t bits, int n_pad)
{
	uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
	return buf_add(out, bytes, (size_t)(3 - n_pad));
}

static int base64_decode_into(struct buf *out, const char *text, size_t text_len)
{
	uint32_t bits = 0;
	int n_chars = 0, n_pad = 0, ended = 0;
	for (size_t i = 0; i < text_len; i++) {
		char c = text[i];
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		int v = base64_digit(c);
		if (c == '=' && n_chars >= 2) {
			n_pad++;
			v = 0;
		} else if (v < 0 || n_pad) {
			return E_PARSE; /* foreign character, or data after padding */
		}
		if (ended)
			return E_PARSE;
		bits = bits << 6 | (uint32_t)v;
		if (++n_chars == 4) {
			TRY(base64_add_quad(out, bits, n_pad));
			ended = n_pad > 0;
			n_chars = 0;
			bits = 0;
		}
	}
	return n_chars == 0 ? 0 : E_PARSE;
}

int base64_decode(struct buf *out, const char *text, size_t text_len)
{
	size_t len = out->len;
	int rc = base64_decode_into(out, text, text_len);
	if (rc < 0)
		out->len = len;
	return rc;
}
