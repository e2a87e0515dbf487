/* SPDX-License-Identifier: Apache-2.0 */
/* Reading for muster: records, lists, counts, events. See store.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

#define PAGE_MAX   1000 /* ids or events in one answer */
#define SCAN_COUNT "500"

static const struct {
	const char *key, *name;
	bool newest_first;
} lists[STORE_LISTS] = {
	[STORE_LIST_READY] = {"ready", "ready", false},
	[STORE_LIST_LEASED] = {"lease", "leased", false},
	[STORE_LIST_WAIT_CA] = {"wait:ca", "wait:ca", false},
	[STORE_LIST_WAIT_AD] = {"wait:ad", "wait:ad", false},
	[STORE_LIST_WAIT_MANUAL] = {"wait:manual", "wait:manual", false},
	[STORE_LIST_DEAD] = {"dead", "dead", true},
	[STORE_LIST_DONE] = {"done", "done", true},
};

const char *store_list_name(enum store_list list)
{
	return (unsigned)list < STORE_LISTS ? lists[list].name : "?";
}

/* ---- records --------------------------------------------------------------------------------- */

static void device_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_device dev;
	int rc = reply_array(reply, 0, lost, &err);
	if (rc == 0 && reply->elements == 0)
		rc = error_set(&err, -ENOENT, "no device %s", req->id);
	if (rc == 0)
		device_from_reply(&dev, req->id, reply);
	if (req->cb.device)
		req->cb.device(rc < 0 ? NULL : &dev, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_device_get(
	struct store *s, const char *uuid, store_device_cb cb, void *arg, struct error *err)
{
	cmd_begin(s, "HGETALL");
	call_key(s, "dev:", uuid);
	struct store_req req = {.cb.device = cb, .arg = arg};
	snprintf(req.id, sizeof req.id, "%s", uuid);
	return call_send(s, device_cb, &req, err);
}

static void job_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_job job;
	int rc = reply_check(reply, lost, &err);
	if (rc == 0 && reply->type == REDIS_REPLY_NIL)
		rc = error_set(&err, -ENOENT, "no job %s", req->id);
	if (rc == 0)
		rc = reply_array(reply, 3, NULL, &err);
	if (rc == 0) {
		job_from_reply(&job, req->id, reply->element[2]);
		job.state = reply_text(reply->element[0]);
		job.due_ms = reply_u64(reply->element[1]);
	}
	if (req->cb.job)
		req->cb.job(rc < 0 ? NULL : &job, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_job_get(struct store *s, const char *id, store_job_cb cb, void *arg, struct error *err)
{
	call_begin(s, "job");
	call_key(s, "job:", id);
	for (int i = STORE_LIST_READY; i <= STORE_LIST_WAIT_MANUAL; i++)
		call_key(s, lists[i].key, "");
	call_text(s, id);
	struct store_req req = {.cb.job = cb, .arg = arg};
	snprintf(req.id, sizeof req.id, "%s", id);
	return call_send(s, job_cb, &req, err);
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* One page of ids; array is NULL with an error. skip = length of the key prefix before each id. */
static void ids_answer(struct store_req *req, const redisReply *array, size_t skip,
	const char *cursor, const struct error *err)
{
	const char *ids[2 * PAGE_MAX];
	size_t n = 0;
	for (size_t i = 0; array && !err && i < array->elements && n < sizeof ids / sizeof ids[0];
		i++) {
		const char *text = reply_text(array->element[i]);
		if (strlen(text) > skip)
			ids[n++] = text + skip;
	}
	if (req->cb.ids)
		req->cb.ids(err ? NULL : ids, n, err ? NULL : cursor, err, req->arg);
	free(req);
}

static void scan_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_array(reply, 2, lost, &err);
	if (rc == 0)
		rc = reply_array(reply->element[1], 0, NULL, &err);
	if (rc < 0)
		ids_answer(req, NULL, 0, NULL, &err);
	else
		ids_answer(req, reply->element[1], (size_t)req->a, reply_text(reply->element[0]),
			NULL);
}

int scan_ids(struct store *s, const char *name, const char *cursor, store_ids_cb cb, void *arg,
	struct error *err)
{
	char pattern[PREFIX_MAX + 8];
	int len = snprintf(pattern, sizeof pattern, "%s%s*", s->prefix, name);
	cmd_begin(s, "SCAN");
	call_text(s, cursor);
	call_text(s, "MATCH");
	call_text(s, pattern);
	call_text(s, "COUNT");
	call_text(s, SCAN_COUNT);
	struct store_req req = {.cb.ids = cb, .arg = arg, .a = (uint64_t)len - 1};
	return call_send(s, scan_cb, &req, err);
}

int store_device_list(
	struct store *s, const char *cursor, store_ids_cb cb, void *arg, struct error *err)
{
	return scan_ids(s, "dev:", cursor, cb, arg, err);
}

static void range_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	char cursor[24] = "0";
	int rc = reply_array(reply, 0, lost, &err);
	if (rc == 0 && reply->elements >= req->b)
		snprintf(cursor, sizeof cursor, "%" PRIu64, req->a + req->b);
	ids_answer(req, reply, 0, cursor, rc < 0 ? &err : NULL);
}

int store_job_list(struct store *s, enum store_list list, const char *cursor, uint32_t count,
	store_ids_cb cb, void *arg, struct error *err)
{
	ENSURE((unsigned)list < STORE_LISTS, err, E_STATE, "store: no such list");
	ENSURE(count > 0 && count <= PAGE_MAX, err, E_LIMIT, "store: 1 to %d jobs a page",
		PAGE_MAX);
	uint64_t first = strtoull(cursor, NULL, 10);
	cmd_begin(s, lists[list].newest_first ? "ZREVRANGE" : "ZRANGE");
	call_key(s, lists[list].key, "");
	call_u64(s, first);
	call_u64(s, first + count - 1);
	struct store_req req = {.cb.ids = cb, .arg = arg, .a = first, .b = count};
	return call_send(s, range_cb, &req, err);
}

/* ---- counts ---------------------------------------------------------------------------------- */

static void counts_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_counts c = {0};
	int rc = reply_array(reply, 3 + STORE_LISTS, lost, &err);
	if (rc == 0) {
		c.now_ms = reply_u64(reply->element[0]);
		c.due = reply_u64(reply->element[1]);
		for (size_t i = 0; i < STORE_LISTS; i++)
			c.n[i] = reply_u64(reply->element[2 + i]);
		c.next_due_ms = reply_u64(reply->element[2 + STORE_LISTS]);
	}
	if (req->cb.counts)
		req->cb.counts(rc < 0 ? NULL : &c, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_counts(struct store *s, store_counts_cb cb, void *arg, struct error *err)
{
	call_begin(s, "counts");
	for (int i = 0; i < STORE_LISTS; i++)
		call_key(s, lists[i].key, "");
	struct store_req req = {.cb.counts = cb, .arg = arg};
	return call_send(s, counts_cb, &req, err);
}

/* ---- events ---------------------------------------------------------------------------------- */

static int event_read(struct store_event *ev, const redisReply *entry, struct error *err)
{
	TRY(reply_array(entry, 2, NULL, err));
	*ev = (struct store_event){reply_text(entry->element[0]), "", "", "", "", "", ""};
	const struct {
		char name;
		const char **value;
	} columns[] = {{'e', &ev->event}, {'j', &ev->job}, {'d', &ev->uuid}, {'w', &ev->who},
		{'f', &ev->fence}, {'x', &ev->text}};
	const redisReply *pairs = entry->element[1];
	for (size_t i = 0; i + 1 < pairs->elements; i += 2)
		for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++)
			if (reply_text(pairs->element[i])[0] == columns[k].name)
				*columns[k].value = reply_text(pairs->element[i + 1]);
	return 0;
}

static void events_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_event events[PAGE_MAX];
	size_t n = 0;
	int rc = reply_array(reply, 0, lost, &err);
	for (size_t i = 0; rc == 0 && i < reply->elements && i < PAGE_MAX; i++, n++)
		rc = event_read(&events[n], reply->element[i], &err);
	if (req->cb.events)
		req->cb.events(
			rc < 0 ? NULL : events, rc < 0 ? 0 : n, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_events(struct store *s, const char *after, uint32_t count, store_events_cb cb, void *arg,
	struct error *err)
{
	ENSURE(count > 0 && count <= PAGE_MAX, err, E_LIMIT, "store: 1 to %d events a page",
		PAGE_MAX);
	char from[64];
	int len = snprintf(from, sizeof from, "(%s", after);
	ENSURE(len < (int)sizeof from, err, E_LIMIT, "store: not a stream id: %.40s", after);
	cmd_begin(s, "XRANGE");
	call_key(s, "ev", "");
	call_text(s, from);
	call_text(s, "+");
	call_text(s, "COUNT");
	call_u64(s, count);
	struct store_req req = {.cb.events = cb, .arg = arg};
	return call_send(s, events_cb, &req, err);
}
