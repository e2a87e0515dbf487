/* SPDX-License-Identifier: Apache-2.0 */
/* The window guard: devices in setup that the queue would lose. See store.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

#define ROW_COLUMNS 6

static void look_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_window_look found = {0};
	int rc = reply_array(reply, 2, lost, &err);
	bool looked = rc == 0 && reply->element[0]->integer >= 0;
	if (looked)
		found = (struct store_window_look){
			reply_u64(reply->element[0]), reply_u64(reply->element[1])};
	if (req->cb.window_look)
		req->cb.window_look(looked ? &found : NULL, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_window_look(
	struct store *s, uint64_t length_ms, store_window_look_cb cb, void *arg, struct error *err)
{
	call_begin(s, "window_look");
	call_key(s, "ready", "");
	call_key(s, "wait:manual", "");
	call_key(s, "ev", "");
	call_u64(s, length_ms);
	call_text(s, s->prefix);
	struct store_req req = {.cb.window_look = cb, .arg = arg};
	return call_send(s, look_cb, &req, err);
}

static void row_read(struct store_window_row *row, const redisReply *from)
{
	redisReply *const *col = from->element;
	*row = (struct store_window_row){.closes_ms = reply_u64(col[2]),
		.turn_ms = strcmp(reply_text(col[3]), "-1") == 0 ? STORE_NEVER : reply_u64(col[3]),
		.asked = (uint32_t)reply_u64(col[4])};
	snprintf(row->why, sizeof row->why, "%.*s", STORE_WHY_MAX, reply_text(col[5]));
	reply_id(col[0], row->job);
	reply_id(col[1], row->uuid);
}

static void list_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_window_row rows[STORE_WINDOW_PAGE];
	uint64_t size = 0, now_ms = 0;
	size_t n = 0;
	int rc = reply_array(reply, 3, lost, &err);
	const redisReply *list = rc == 0 ? reply->element[2] : NULL;
	if (rc == 0) {
		size = reply_u64(reply->element[0]);
		now_ms = reply_u64(reply->element[1]);
		rc = reply_array(list, 0, NULL, &err);
	}
	for (size_t i = 0; rc == 0 && i < list->elements && n < STORE_WINDOW_PAGE; i++) {
		rc = reply_array(list->element[i], ROW_COLUMNS, NULL, &err);
		if (rc == 0)
			row_read(&rows[n++], list->element[i]);
	}
	if (req->cb.window_list)
		req->cb.window_list(
			rows, rc < 0 ? 0 : n, size, now_ms, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_window_list(struct store *s, enum store_list list, uint64_t length_ms, uint64_t place,
	store_window_list_cb cb, void *arg, struct error *err)
{
	call_begin(s, "window_list");
	call_key(s, store_list_name(list), "");
	call_u64(s, length_ms);
	call_text(s, s->prefix);
	call_u64(s, place);
	call_u64(s, STORE_WINDOW_PAGE);
	struct store_req req = {.cb.window_list = cb, .arg = arg};
	return call_send(s, list_cb, &req, err);
}
