/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis client: hiredis' formatter and reader on common/net/conn.h (unix socket, TCP, TLS), one
 * connection, pipelined, reconnecting for ever with jittered back-off.
 *
 * Promise: a command that redis_command() took is answered exactly once, in the order of sending:
 * with Redis' reply, or with a named error when the connection died, a reply came too late, or the
 * client was closed. Nothing is ever sent twice: after an error the caller does not know whether
 * Redis executed the command and decides itself (the functions of store.h are made for that).
 * Callbacks run from the loop, never inside redis_command().
 *
 * Ownership: redis_open() allocates, redis_close() frees. Threads: one, that of the loop.
 */
#ifndef MUSTER_STORE_REDIS_H
#define MUSTER_STORE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

struct error;
struct secret;
struct redis;
struct redisReply; /* <hiredis/hiredis.h> */

#define REDIS_ID_LEN 40 /* hex digits of run_id and master_replid */

struct redis_opts {
	const char *url;               /* unix:///path | redis://host:port | rediss://host:port;
					* IPv6 literals in brackets */
	const char *user;              /* ACL user; NULL or "" = the user `default` */
	const struct secret *password; /* NULL or empty = no AUTH; copied */
	const char *ca_file;           /* rediss: PEM roots; NULL or "" = the system's */
	const char *client_name;       /* CLIENT SETNAME; NULL = none; no spaces */
	/* 0 takes the default in brackets. */
	uint32_t connect_ms;     /* TCP, TLS and the greeting, each [3000] */
	uint32_t command_ms;     /* from sending to reply; then the connection is given up [5000] */
	uint32_t ping_ms;        /* silence after which PING is sent [1000] */
	uint32_t backoff_min_ms; /* first pause before a new connection [50] */
	uint32_t backoff_max_ms; /* longest pause [2000] */
	size_t pending_max;      /* commands without a reply [16384] */
	size_t out_max;          /* bytes not yet taken by the kernel [64 MiB] */
};

/* What the state callback is told. */
struct redis_event {
	bool up;                      /* usable: connected, authenticated, not loading */
	bool changed;                 /* up: other run id or replication id than last time
				       * (SPEC: architecture D13.6: quiet period) */
	uint64_t uptime_ms;           /* up: age of the server process; a young server means
				       * that a restart just happened */
	const char *run_id, *repl_id; /* up: hex text */
	const struct error *why;      /* down: what happened; NULL while up */
	uint32_t retry_ms;            /* down: next attempt */
};

/** Called on every change between up and down, and for every failed attempt to connect. The client
 * may be closed from inside. */
typedef void (*redis_state_fn)(struct redis *r, const struct redis_event *ev, void *arg);

/**
 * The answer of one command. Exactly one of reply and err is set.
 *
 * @param reply Redis' answer, valid during the call; an error reply of Redis (type
 *              REDIS_REPLY_ERROR) also arrives here, as an answer
 * @param err   E_CLOSED (connection lost: executed or not is unknown), -ETIMEDOUT (this command's
 *              reply was late; those behind it get E_CLOSED), E_PROTOCOL (garbage), -ECANCELED
 *              (redis_close())
 */
typedef void (*redis_reply_fn)(const struct redisReply *reply, const struct error *err, void *arg);

/**
 * Start connecting. Returns at once; the state callback tells when the client is up.
 *
 * @param opts  copied
 * @param state may be NULL
 * @return 0; E_CONFIG (URL or CA file, the text names it); -ENOMEM
 */
int redis_open(struct redis **out, uv_loop_t *loop, const struct redis_opts *opts,
	redis_state_fn state, void *arg, struct error *err);

/** Close: outstanding commands are answered with -ECANCELED before this returns, the state
 * callback is not called any more. NULL is fine. Memory goes at the end of the loop's turn: run the
 * loop once more before closing it. */
void redis_close(struct redis *r);

/**
 * Queue one command; it leaves at the end of this turn of the loop together with the others queued
 * in it (one write for many).
 *
 * @param argv     argument texts, copied; may hold any bytes
 * @param argv_len lengths in bytes, or NULL when all are C texts
 * @param fn       answered exactly once if and only if this returns 0; NULL = not interested
 * @return 0; E_CLOSED while not up; E_LIMIT (pending_max or out_max)
 */
int redis_command(struct redis *r, int argc, const char *const *argv, const size_t *argv_len,
	redis_reply_fn fn, void *arg, struct error *err);

/** Whether commands are accepted now. */
bool redis_is_up(const struct redis *r);

/** Commands without an answer. */
size_t redis_pending(const struct redis *r);

/** The loop given to redis_open(). */
uv_loop_t *redis_loop(const struct redis *r);

/* ---- for tools and tests: run the loop until something is true ------------------------------- */

/**
 * Run the loop until the client is up.
 * @return 0; the last connection error after timeout_ms (-ETIMEDOUT if there was none)
 */
int redis_wait_up(struct redis *r, uint32_t timeout_ms, struct error *err);

/**
 * Run the loop until *done is true. @return 0 or -ETIMEDOUT
 */
int redis_wait(struct redis *r, const bool *done, uint32_t timeout_ms, struct error *err);

/**
 * One command and its answer, running the loop meanwhile.
 *
 * @param reply free with freeReplyObject()
 * @return 0 (also for an error reply of Redis); the errors of redis_command() and redis_reply_fn
 */
int redis_call(struct redis *r, int argc, const char *const *argv, const size_t *argv_len,
	struct redisReply **reply, struct error *err);

#endif
