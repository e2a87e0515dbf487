/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/flood/message.h"

#include <string.h>

#define N_HASHES 24 /* as captured from firmware; 841 bytes */

int message_make(struct buf *out)
{
	static uint8_t bytes[N_HASHES][32];
	struct hello_hash hashes[N_HASHES];
	struct hello h = {.version = HELLO_V_PKI, .uuid.b = {1}};
	for (size_t i = 0; i < N_HASHES; i++) {
		memset(bytes[i], (int)(i + 1), sizeof bytes[i]);
		hashes[i] = (struct hello_hash){HELLO_SHA256, sizeof bytes[i], bytes[i]};
	}
	buf_init(out, HELLO_MAX_LEN);
	return hello_encode(out, &h, hashes, N_HASHES, NULL);
}

void message_set_device(struct buf *message, uint64_t number)
{
	uint8_t *uuid = message->data + MESSAGE_UUID_OFFSET;
	memset(uuid, 0xf1, 16);
	memcpy(uuid + 8, &number, sizeof number);
}
