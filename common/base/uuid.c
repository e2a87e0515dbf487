/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/uuid.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/err.h"

/* Reversing the first three groups is its own inverse. */
static void swap_groups(uint8_t out[static 16], const uint8_t in[static 16])
{
	static const uint8_t from[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	for (int i = 0; i < 16; i++)
		out[i] = in[from[i]];
}

void uuid_from_wire(struct uuid *out, const uint8_t wire[static 16])
{
	swap_groups(out->b, wire);
}

void uuid_to_wire(const struct uuid *u, uint8_t wire[static 16])
{
	swap_groups(wire, u->b);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_parse(struct uuid *out, const char *text)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	if (strlen(text) != UUID_TEXT_LEN)
		return E_PARSE;
	int n_digits = 0;
	memset(out->b, 0, sizeof out->b);
	for (int i = 0; i < UUID_TEXT_LEN; i++) {
		if (shape[i] == '-') {
			if (text[i] != '-')
				return E_PARSE;
			continue;
		}
		int v = hex_value(text[i]);
		if (v < 0)
			return E_PARSE;
		out->b[n_digits / 2] = (uint8_t)(out->b[n_digits / 2] << 4 | v);
		n_digits++;
	}
	return 0;
}

void uuid_text(const struct uuid *u, char out[static UUID_TEXT_LEN + 1])
{
	const uint8_t *b = u->b;
	snprintf(out, UUID_TEXT_LEN + 1,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
}

bool uuid_is_placeholder(const struct uuid *u)
{
	static const char *const known[] = {
		"00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
		"03000200-0400-0500-0006-000700080009",
		"03020100-0504-0706-0809-0a0b0c0d0e0f", /* bytes 0 to 15 */
		"10000000-0000-8000-0040-000000000000",
	};
	struct uuid swapped; /* some firmware confuses the byte orders */
	char text[UUID_TEXT_LEN + 1], other[UUID_TEXT_LEN + 1];
	uuid_from_wire(&swapped, u->b);
	uuid_text(u, text);
	uuid_text(&swapped, other);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(text, known[i]) == 0 || strcmp(other, known[i]) == 0)
			return true;
	return false;
}

void uuid_new_v7(struct uuid *out)
{
	RAND_bytes(out->b, sizeof out->b);
	uint64_t ms = clock_wall_ms();
	for (int i = 0; i < 6; i++)
		out->b[i] = (uint8_t)(ms >> (40 - 8 * i));
	out->b[6] = (uint8_t)(0x70 | (out->b[6] & 0x0f));
	out->b[8] = (uint8_t)(0x80 | (out->b[8] & 0x3f));
}
