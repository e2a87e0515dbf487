/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint that the last owner of a job left: refused it leaves nothing behind, accepted it
 * packs to something that unpacks the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "worker/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_empty(const struct checkpoint *ck)
{
	require(!ck->fqdn[0] && !ck->profile[0] && !ck->ou[0] && !ck->realm[0]);
	require(!ck->key_handle[0] && !ck->cert_handle[0] && !ck->ca_pending_id[0] && !ck->amt[0]);
	require(ck->public_key.len == 0 && ck->certificate.len == 0 && ck->n_skipped == 0);
	require(!ck->passwords_sent && ck->commits == 0 && ck->ca_state == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint ck, again;
	struct buf first, second;

	checkpoint_init(&ck);
	checkpoint_init(&again);
	buf_init(&first, 2 * CHECKPOINT_MAX);
	buf_init(&second, 2 * CHECKPOINT_MAX);
	if (checkpoint_unpack(&ck, data, size) < 0) {
		check_empty(&ck);
	} else {
		require(checkpoint_pack(&ck, &first) == 0 && first.len <= CHECKPOINT_MAX);
		require(checkpoint_unpack(&again, first.data, first.len) == 0);
		require(checkpoint_pack(&again, &second) == 0 && same_bytes(&first, &second));
	}
	checkpoint_free(&ck);
	checkpoint_free(&again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
