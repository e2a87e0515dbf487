/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set-associative table: the hash picks a set of WAYS entries, the oldest of them makes room. So
 * memory is fixed, nothing is swept, and a burst that is too large only forgets earlier.
 */
#include "listener/recent.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SETS 8192 /* x 4 = 32 768 verdicts: 6 500 Hellos a second for 5 s */
#define WAYS 4

struct entry {
	uint64_t ends_ms; /* 0: free */
	struct uuid uuid;
	struct hello_address source;
};

struct recent {
	uint64_t seed; /* a sender must not be able to choose the set */
	struct entry sets[SETS][WAYS];
};

struct recent *recent_new(void)
{
	struct recent *r = calloc(1, sizeof *r);
	if (r && getrandom(&r->seed, sizeof r->seed, GRND_NONBLOCK) < 0)
		r->seed = (uintptr_t)r;
	return r;
}

void recent_free(struct recent *r)
{
	free(r);
}

static uint64_t mix(uint64_t hash, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 0x100000001b3u; /* FNV-1a */
	return hash;
}

static struct entry *set_of(
	struct recent *r, const struct uuid *uuid, const struct hello_address *source)
{
	uint64_t hash = mix(r->seed ^ 0xcbf29ce484222325u, uuid->b, sizeof uuid->b);
	hash = mix(hash, source->bytes, source->len);
	return r->sets[(hash >> 32 ^ hash) % SETS];
}

static bool entry_is(
	const struct entry *e, const struct uuid *uuid, const struct hello_address *source)
{
	return memcmp(&e->uuid, uuid, sizeof *uuid) == 0 && e->source.len == source->len &&
	       memcmp(e->source.bytes, source->bytes, source->len) == 0;
}

void recent_add(struct recent *r, const struct uuid *uuid, const struct hello_address *source,
	uint64_t now_ms)
{
	struct entry *set = set_of(r, uuid, source), *oldest = set;
	for (int i = 0; i < WAYS; i++) {
		if (entry_is(&set[i], uuid, source)) {
			oldest = &set[i];
			break;
		}
		if (set[i].ends_ms < oldest->ends_ms)
			oldest = &set[i];
	}
	*oldest = (struct entry){now_ms + RECENT_LIFE_MS, *uuid, *source};
}

bool recent_has(struct recent *r, const struct uuid *uuid, const struct hello_address *source,
	uint64_t now_ms)
{
	const struct entry *set = set_of(r, uuid, source);
	for (int i = 0; i < WAYS; i++)
		if (set[i].ends_ms > now_ms && entry_is(&set[i], uuid, source))
			return true;
	return false;
}
