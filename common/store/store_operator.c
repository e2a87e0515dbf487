/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's calls: cancel, kick, deny, forget, audit; and the peers' heartbeats. See store.h.
 */
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

#define PEERS_KEY    "muster:sys:peers"
#define PEER_COLUMNS 6   /* role version host slots used drain */
#define PEERS_MAX    256 /* shown at most */
#define PEER_SEP     '\x1f'

/* cancel and kick: job dev ready lease wait:* dead ev, then job uuid who text */
static int operate(struct store *s, const char *function, const char *const args[static 4],
	store_done_cb cb, void *arg, struct error *err)
{
	static const char *const lists[] = {
		"ready", "lease", "wait:ca", "wait:ad", "wait:manual", "dead", "ev"};
	call_begin(s, function);
	call_key(s, "job:", args[0]);
	call_key(s, "dev:", args[1]);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		call_key(s, lists[i], "");
	for (size_t i = 0; i < 4; i++)
		call_text(s, args[i]);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_cancel(struct store *s, const char *job, const char *uuid, const char *who,
	const char *text, store_done_cb cb, void *arg, struct error *err)
{
	const char *const args[] = {job, uuid, who, text};
	return operate(s, "cancel", args, cb, arg, err);
}

int store_kick(struct store *s, const char *job, const char *uuid, const char *who,
	const char *addr, store_done_cb cb, void *arg, struct error *err)
{
	const char *const args[] = {job, uuid, who, addr};
	return operate(s, "kick", args, cb, arg, err);
}

int store_deny(struct store *s, const char *uuid, const char *reason, const char *who,
	store_done_cb cb, void *arg, struct error *err)
{
	call_begin(s, "deny");
	call_key(s, "dev:", uuid);
	call_key(s, "ev", "");
	call_text(s, uuid);
	call_text(s, reason);
	call_text(s, who);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_forget(struct store *s, const char *uuid, const char *job, const char *who,
	store_done_cb cb, void *arg, struct error *err)
{
	call_begin(s, "forget");
	call_key(s, "dev:", uuid);
	call_key(s, "job:", job ? job : "");
	call_key(s, "dead", "");
	call_key(s, "done", "");
	call_key(s, "ev", "");
	call_text(s, uuid);
	call_text(s, job);
	call_text(s, who);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_audit(struct store *s, const char *event, const char *uuid, const char *who,
	const char *text, store_done_cb cb, void *arg, struct error *err)
{
	call_begin(s, "audit");
	call_key(s, "ev", "");
	call_text(s, event);
	call_text(s, uuid);
	call_text(s, who);
	call_text(s, text);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

/* ---- peers ----------------------------------------------------------------------------------- */

int store_peer_beat(struct store *s, const struct store_peer *peer, store_done_cb cb, void *arg,
	struct error *err)
{
	char text[512];
	snprintf(text, sizeof text, "%s%c%s%c%s%c%u%c%u%c%d", peer->role, PEER_SEP, peer->version,
		PEER_SEP, peer->host, PEER_SEP, peer->slots, PEER_SEP, peer->used, PEER_SEP,
		peer->drain);
	call_begin(s, "peer_beat");
	call_raw_key(s, PEERS_KEY);
	call_text(s, peer->id);
	call_text(s, text);
	call_u64(s, STORE_PEER_TTL_MS);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

/* Cut the text of a peer in place; false when it is not ours. */
static bool peer_read(struct store_peer *out, const char *id, char *text)
{
	char *col[PEER_COLUMNS] = {text};
	for (size_t i = 1; i < PEER_COLUMNS; i++) {
		char *sep = strchr(col[i - 1], PEER_SEP);
		if (!sep)
			return false;
		*sep = '\0';
		col[i] = sep + 1;
	}
	*out = (struct store_peer){.id = id,
		.role = col[0],
		.version = col[1],
		.host = col[2],
		.slots = (uint32_t)strtoul(col[3], NULL, 10),
		.used = (uint32_t)strtoul(col[4], NULL, 10),
		.drain = col[5][0] == '1'};
	return true;
}

static void peers_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_peer peers[PEERS_MAX];
	size_t n = 0;
	int rc = reply_array(reply, 0, lost, &err);
	for (size_t i = 0; rc == 0 && i + 1 < reply->elements && n < PEERS_MAX; i += 2)
		if (reply->element[i + 1]->type == REDIS_REPLY_STRING)
			n += peer_read(&peers[n], reply_text(reply->element[i]),
				reply->element[i + 1]->str);
	if (req->cb.peers)
		req->cb.peers(
			rc < 0 ? NULL : peers, rc < 0 ? 0 : n, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_peer_list(struct store *s, store_peers_cb cb, void *arg, struct error *err)
{
	call_begin(s, "peer_list");
	call_raw_key(s, PEERS_KEY);
	struct store_req req = {.cb.peers = cb, .arg = arg};
	return call_send(s, peers_cb, &req, err);
}
