/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes due by itself: waves and the calendar of upkeep. See store.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

#define WAVE_FAILED_MAX 10000 /* devices in one answer */

/* ---- the pump -------------------------------------------------------------------------------- */

static void count_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	if (req->cb.count)
		req->cb.count(rc < 0 ? 0 : reply_u64(reply), rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_pump(struct store *s, uint32_t limit, store_count_cb cb, void *arg, struct error *err)
{
	ENSURE(limit > 0 && limit <= STORE_BATCH_MAX, err, E_LIMIT, "store: open 1 to %d jobs",
		STORE_BATCH_MAX);
	call_begin(s, "pump");
	call_key(s, "waves", "");
	call_key(s, "ev", "");
	call_u64(s, limit);
	call_text(s, s->prefix);
	struct store_req req = {.cb.count = cb, .arg = arg};
	return call_send(s, count_cb, &req, err);
}

int store_upkeep_policy(struct store *s, const struct store_upkeep *u, store_done_cb cb, void *arg,
	struct error *err)
{
	const struct {
		const char *name;
		uint64_t ms;
	} rows[] = {{"renew", u->renew_before_ms}, {"rotate", u->rotate_ms},
		{"maintain", u->maintain_ms}, {"inventory", u->inventory_ms},
		{"life", u->certificate_ms}, {"wear", u->wear_ms}};
	call_begin(s, "upkeep_policy");
	call_key(s, "upkeep", "");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		call_text(s, rows[i].name);
		call_u64(s, rows[i].ms);
	}
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

/* ---- waves ----------------------------------------------------------------------------------- */

int store_wave_create(struct store *s, const char *name, const struct store_wave_rules *r,
	const char *who, store_done_cb cb, void *arg, struct error *err)
{
	const uint32_t numbers[] = {r->canary, r->in_flight, r->per_site, r->per_ca,
		r->per_directory, r->stop_permille};
	call_begin(s, "wave_create");
	call_key(s, "wave:", name);
	call_key(s, "waves", "");
	call_key(s, "ev", "");
	call_text(s, name);
	call_text(s, job_kind_name(r->kind));
	call_text(s, r->args);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		call_u64(s, numbers[i]);
	call_text(s, r->blackout);
	call_text(s, who);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_wave_add(struct store *s, const char *name, const char *const *uuids, size_t n,
	store_count_cb cb, void *arg, struct error *err)
{
	ENSURE(n > 0 && n <= STORE_BATCH_MAX, err, E_LIMIT, "store: 1 to %d devices at a time",
		STORE_BATCH_MAX);
	call_begin(s, "wave_add");
	call_key(s, "wave:", name);
	call_key(s, "wavetodo:", name);
	for (size_t i = 0; i < n; i++)
		call_text(s, uuids[i]);
	struct store_req req = {.cb.count = cb, .arg = arg};
	return call_send(s, count_cb, &req, err);
}

int store_wave_move(struct store *s, const char *name, enum store_wave_act act, const char *who,
	store_done_cb cb, void *arg, struct error *err)
{
	static const char *const moves[] = {"start", "pause", "resume"};
	call_begin(s, "wave_move");
	call_key(s, "wave:", name);
	call_key(s, "ev", "");
	call_text(s, name);
	call_text(s, moves[act]);
	call_text(s, who);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_wave_remove(struct store *s, const char *name, const char *who, store_done_cb cb,
	void *arg, struct error *err)
{
	call_begin(s, "wave_remove");
	call_key(s, "wave:", name);
	call_key(s, "waves", "");
	call_key(s, "wavetodo:", name);
	call_key(s, "wavebad:", name);
	call_key(s, "wavesite:", name);
	call_key(s, "ev", "");
	call_text(s, name);
	call_text(s, who);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

static void wave_read(struct store_wave *w, const redisReply *fields)
{
	const struct {
		const char *name;
		const char **text;
		uint64_t *number;
	} rows[] = {{"st", &w->state, NULL}, {"why", &w->why, NULL}, {"kind", &w->kind, NULL},
		{"args", &w->args, NULL}, {"black", &w->blackout, NULL}, {"total", NULL, &w->total},
		{"ok", NULL, &w->ok}, {"bad", NULL, &w->bad}, {"skip", NULL, &w->skipped},
		{"in", NULL, &w->in_flight}, {"cr", NULL, &w->created_ms},
		{"st_ms", NULL, &w->state_ms}, {"canary", NULL, &w->canary},
		{"max", NULL, &w->limit}, {"stop", NULL, &w->stop_permille},
		{"site", NULL, &w->per_site}, {"first_ms", NULL, &w->first_ms}};
	const size_t n_rows = sizeof rows / sizeof rows[0];
	for (size_t k = 0; k < n_rows; k++)
		if (rows[k].text)
			*rows[k].text = "";
	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		for (size_t k = 0; k < n_rows; k++) {
			if (strcmp(rows[k].name, reply_text(fields->element[i])) != 0)
				continue;
			if (rows[k].text)
				*rows[k].text = reply_text(fields->element[i + 1]);
			else
				*rows[k].number = reply_u64(fields->element[i + 1]);
		}
}

static void wave_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_wave w = {0};
	static struct store_wave_failed failed[WAVE_FAILED_MAX];
	int rc = reply_array(reply, 1, lost, &err);
	if (rc == 0)
		rc = reply_check(reply->element[0], NULL, &err);
	if (rc == 0)
		rc = reply_array(reply, 4, NULL, &err);
	if (rc == 0) {
		w.now_ms = reply_u64(reply->element[0]);
		w.left = reply_u64(reply->element[1]);
		wave_read(&w, reply->element[2]);
		const redisReply *bad = reply->element[3];
		for (size_t i = 0; i + 1 < bad->elements && w.n_failed < WAVE_FAILED_MAX; i += 2)
			failed[w.n_failed++] = (struct store_wave_failed){
				reply_text(bad->element[i]), reply_text(bad->element[i + 1])};
		w.failed = failed;
	}
	if (req->cb.wave)
		req->cb.wave(rc < 0 ? NULL : &w, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_wave_get(
	struct store *s, const char *name, store_wave_cb cb, void *arg, struct error *err)
{
	call_begin(s, "wave_show");
	call_key(s, "wave:", name);
	call_key(s, "wavetodo:", name);
	call_key(s, "wavebad:", name);
	struct store_req req = {.cb.wave = cb, .arg = arg};
	return call_send(s, wave_cb, &req, err);
}

static void names_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	const char *names[STORE_WAVES_MAX];
	size_t n = 0;
	int rc = reply_array(reply, 0, lost, &err);
	for (size_t i = 0; rc == 0 && i < reply->elements && n < STORE_WAVES_MAX; i++)
		names[n++] = reply_text(reply->element[i]);
	if (req->cb.ids)
		req->cb.ids(rc < 0 ? NULL : names, n, "0", rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_wave_list(struct store *s, store_ids_cb cb, void *arg, struct error *err)
{
	call_begin(s, "wave_list");
	call_key(s, "waves", "");
	struct store_req req = {.cb.ids = cb, .arg = arg};
	return call_send(s, names_cb, &req, err);
}

static void joined_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	if (req->cb.joined)
		req->cb.joined(rc < 0 ? STORE_JOINED_NONE : (enum store_joined)reply_u64(reply),
			rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_wave_join(struct store *s, const struct store_lease *lease, const char *wave,
	store_joined_cb cb, void *arg, struct error *err)
{
	call_begin(s, "wave_join");
	call_key(s, "job:", lease->job);
	call_key(s, "wave:", wave);
	call_key(s, "wavetodo:", wave);
	call_lease(s, lease);
	call_text(s, wave);
	struct store_req req = {.cb.joined = cb, .arg = arg};
	return call_send(s, joined_cb, &req, err);
}
