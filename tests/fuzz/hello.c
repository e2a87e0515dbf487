/* SPDX-License-Identifier: Apache-2.0 */
/* The Hello parser: whole and cut must agree, and what is accepted must encode to the same bytes.
 */
#include "proto/hello.h"
#include "common/base/buf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum hello_code feed_in_two(const uint8_t *data, size_t size, size_t cut)
{
	struct hello_parser p;
	hello_parser_init(&p);
	hello_parser_feed(&p, data, cut, NULL);
	hello_parser_feed(&p, data + cut, size - cut, NULL);
	return hello_parser_end(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello h;
	struct hello_hash hashes[HELLO_N_HASHES];
	struct buf again;
	size_t at = 0, n = 0;
	enum hello_code code = hello_decode(data, size, &h);
	if (size > 0 && feed_in_two(data, size, data[size - 1] % size) != code)
		abort();
	if (code != HELLO_DONE)
		return 0;
	while (n < HELLO_N_HASHES && hello_next_hash(&h, &at, &hashes[n]))
		n++;
	buf_init(&again, HELLO_MAX_LEN);
	if (hello_encode(&again, &h, hashes, n, NULL) < 0 || again.len != size ||
		memcmp(again.data, data, size) != 0)
		abort();
	buf_free(&again);
	return 0;
}
