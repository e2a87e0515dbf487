/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open connections: a hash with one entry per address that has any, so never more than connections.
 * Rates: token buckets in a set-associative table of fixed size; the fullest of a set makes room,
 * that is the subnet that has been quiet longest. Forgetting is in the device's favour.
 */
#include "listener/limits.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define SETS      4096 /* x 4 = 16 384 subnets, 0.6 MB */
#define WAYS      4
#define MILLI     1000u /* tokens are counted in thousandths */
#define HASH_SEED 0xcbf29ce484222325u

struct source {
	struct net_key key;
	uint32_t n_open;
	UT_hash_handle hh;
};

struct bucket {
	struct net_key key; /* family 0: free */
	uint64_t tokens;    /* thousandths, at refill_ms */
	uint64_t refill_ms;
};

struct limits {
	struct limits_opts opts;
	struct source *sources;
	struct bucket buckets[SETS][WAYS];
};

struct limits *limits_new(const struct limits_opts *opts)
{
	struct limits *l = calloc(1, sizeof *l);
	if (l)
		l->opts = *opts;
	return l;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	struct source *s, *next;
	HASH_ITER(hh, l->sources, s, next)
	{
		HASH_DELETE(hh, l->sources, s);
		free(s);
	}
	free(l);
}

static uint64_t bucket_level(const struct limits *l, const struct bucket *b, uint64_t now_ms)
{
	uint64_t full = (uint64_t)l->opts.rate_burst * MILLI;
	if (b->key.family == 0)
		return full;
	uint64_t gained = (now_ms - b->refill_ms) * l->opts.rate_per_subnet;
	return b->tokens + gained < full ? b->tokens + gained : full;
}

static struct bucket *bucket_of(struct limits *l, const struct net_key *key, uint64_t now_ms)
{
	uint64_t hash = HASH_SEED;
	for (size_t i = 0; i < sizeof key->bytes; i++)
		hash = (hash ^ key->bytes[i]) * 0x100000001b3u; /* FNV-1a */
	struct bucket *set = l->buckets[(hash >> 32 ^ hash) % SETS], *room = set;
	uint64_t room_level = 0;
	for (int i = 0; i < WAYS; i++) {
		if (memcmp(&set[i].key, key, sizeof *key) == 0)
			return &set[i];
		uint64_t level = bucket_level(l, &set[i], now_ms);
		if (set[i].key.family == 0 || level > room_level) {
			room = &set[i];
			room_level = set[i].key.family == 0 ? UINT64_MAX : level;
		}
	}
	*room = (struct bucket){*key, (uint64_t)l->opts.rate_burst * MILLI, now_ms};
	return room;
}

static bool rate_take(struct limits *l, const struct net_addr *addr, uint64_t now_ms)
{
	if (l->opts.rate_per_subnet == 0)
		return true;
	struct net_key key = net_key_subnet(addr);
	struct bucket *b = bucket_of(l, &key, now_ms);
	b->tokens = bucket_level(l, b, now_ms);
	b->refill_ms = now_ms;
	if (b->tokens < MILLI)
		return false;
	b->tokens -= MILLI;
	return true;
}

enum limits_answer limits_enter(
	struct limits *l, const struct net_addr *addr, uint64_t now_ms, struct source **hold)
{
	*hold = NULL;
	struct source *s = NULL;
	struct net_key key = {.family = 0};
	if (l->opts.max_per_source > 0) {
		key = net_key_source(addr);
		HASH_FIND(hh, l->sources, &key, sizeof key, s);
		if (s && s->n_open >= l->opts.max_per_source)
			return LIMITS_SOURCE;
	}
	if (!rate_take(l, addr, now_ms))
		return LIMITS_SUBNET;
	if (l->opts.max_per_source == 0)
		return LIMITS_OK;
	if (!s) {
		s = calloc(1, sizeof *s);
		if (!s)
			return LIMITS_SOURCE;
		s->key = key;
		HASH_ADD(hh, l->sources, key, sizeof s->key, s);
	}
	s->n_open++;
	*hold = s;
	return LIMITS_OK;
}

void limits_leave(struct limits *l, struct source *hold)
{
	if (!hold || --hold->n_open > 0)
		return;
	HASH_DELETE(hh, l->sources, hold);
	free(hold);
}
