/* SPDX-License-Identifier: Apache-2.0 */
/* What redis.c and redis_wait.c share. Ownership and threads: see redis.h. */
#ifndef MUSTER_STORE_REDIS_INT_H
#define MUSTER_STORE_REDIS_INT_H

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/net/timer.h"
#include "common/store/redis.h"
#include "common/store/redis_url.h"

enum phase { PHASE_PAUSE, PHASE_RESOLVE, PHASE_CONNECT, PHASE_GREET, PHASE_UP, PHASE_CLOSED };

struct pending {
	redis_reply_fn fn;
	void *arg;
	uint64_t deadline_ms; /* CLOCK_BOOTTIME */
};

struct redis {
	uv_loop_t *loop;
	struct redis_opts opts; /* numbers only are read after redis_open() */
	struct redis_url url;
	char *user, *client_name;
	struct secret password;
	SSL_CTX *tls;
	redis_state_fn state;
	void *state_arg;

	enum phase phase;
	struct conn *conn;
	redisReader *reader;
	struct buf out;
	struct pending *ring; /* ring_max entries */
	size_t ring_max, head, n_pending;
	struct error greet_err; /* what was wrong with the greeting */
	char run_id[REDIS_ID_LEN + 1], repl_id[REDIS_ID_LEN + 1]; /* of the last server seen */
	struct error last_err;
	uint32_t failures; /* attempts since the last time we were up */
	uint64_t heard_ms;

	struct boot_timer timer;
	uv_prepare_t flush;
	uv_timer_t wait_timer; /* of redis_wait() */
	uv_getaddrinfo_t resolver;
	bool resolving;
	bool keep_reply; /* the callback took the reply over: redis_call() */
	int n_handles;   /* handles and requests that must end before the memory goes */
};

#endif
