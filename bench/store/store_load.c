/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each function of the store costs Redis: jobs go through their whole life, one function after
 * the other, and the CPU time of the Redis process is read around each.
 *
 *   store_load URL REDIS_PID COUNT DEPTH
 *
 * URL as in redis.url; COUNT jobs; DEPTH calls in flight (what a broker's batches come to). Prints
 * one line of JSON. The functions must not have been used before in this Redis. Threads: one.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench/flood/message.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/store/store.h"

#define WAIT_MS      60000
#define TTL_MS       600000 /* no lease ends during the run */
#define CLAIM_BATCH  64     /* as the broker claims at most */
#define RENEW_BATCH  256
#define SEALED_BYTES 300 /* a sealed set of three passwords */
#define CK_BYTES     500 /* a checkpoint with a public key */

struct job {
	char id[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	uint64_t fence;
};

struct load {
	struct store *store;
	uv_loop_t loop;
	struct job *jobs;
	size_t n, n_claimed, next, end, depth, in_flight, failed;
	struct buf message;
	int redis_pid;
	bool done;
};

static struct store_lease lease(const struct load *l, size_t i)
{
	return (struct store_lease){l->jobs[i].id, l->jobs[i].uuid, l->jobs[i].fence};
}

/* ---- the CPU time of another process, in ns ----------------------------------------------------
 */

static uint64_t process_cpu_ns(int pid)
{
	char path[64 + NAME_MAX];
	uint64_t sum = 0;
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		unsigned long long ns = 0;
		snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, d->d_name);
		FILE *f = d->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f) {
			if (fscanf(f, "%llu", &ns) == 1)
				sum += ns;
			fclose(f);
		}
	}
	if (dir)
		closedir(dir);
	return sum;
}

/* ---- one call of each function ------------------------------------------------------------------
 */

static void pump(struct load *l);

static void answered(struct load *l, const struct error *err)
{
	if (err && l->failed++ == 0)
		fprintf(stderr, "store_load: %s\n", err->text);
	l->in_flight--;
	l->done = l->next >= l->end && l->in_flight == 0;
}

static void on_done(const struct error *err, void *arg)
{
	answered(arg, err);
	pump(arg);
}

static void on_admit(enum store_verdict verdict, const struct error *err, void *arg)
{
	static const struct error busy = {.code = E_STATE, .text = "a Hello was not NEW"};
	on_done(err ? err : verdict == STORE_NEW ? NULL : &busy, arg);
}

static void on_claim(const struct store_claim *claims, size_t n, const struct error *err, void *arg)
{
	struct load *l = arg;
	for (size_t i = 0; i < n && l->n_claimed < l->n; i++) {
		struct job *j = &l->jobs[l->n_claimed++];
		snprintf(j->id, sizeof j->id, "%s", claims[i].id);
		snprintf(j->uuid, sizeof j->uuid, "%s", claims[i].uuid);
		j->fence = claims[i].fence;
	}
	on_done(err, arg);
}

static void on_begin(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg)
{
	(void)job, (void)dev;
	on_done(err, arg);
}

static void on_renew(const int *codes, size_t n, const struct error *err, void *arg)
{
	(void)codes, (void)n;
	on_done(err, arg);
}

static void on_fail(bool dead, const struct error *err, void *arg)
{
	(void)dead;
	on_done(err, arg);
}

static void on_reap(const struct store_reaped *result, const struct error *err, void *arg)
{
	(void)result;
	on_done(err, arg);
}

static void on_counts(const struct store_counts *c, const struct error *err, void *arg)
{
	(void)c;
	on_done(err, arg);
}

static int call_admit(struct load *l, size_t i, struct error *err)
{
	static const struct store_admission limits = {
		.cooldown_ms = 120000, .max_waiting = UINT32_MAX, .subnet_burst = 1};
	char addr[STORE_ADDR_MAX];
	struct store_hello h = {.addr = addr};
	message_set_device(&l->message, i);
	memcpy(h.uuid.b, l->message.data + MESSAGE_UUID_OFFSET, sizeof h.uuid.b);
	snprintf(addr, sizeof addr, "10.%zu.%zu.%zu", i >> 16 & 255, i >> 8 & 255, i & 255);
	h.raw = (struct store_blob){l->message.data, l->message.len};
	return store_admit(l->store, &h, &limits, on_admit, l, err);
}

static int call_claim(struct load *l, size_t i, struct error *err)
{
	size_t n = l->end - i < CLAIM_BATCH ? l->end - i : CLAIM_BATCH;
	return store_claim(l->store, (uint32_t)n, TTL_MS, on_claim, l, err);
}

static int call_begin(struct load *l, size_t i, struct error *err)
{
	struct store_lease who = lease(l, i);
	return store_begin(l->store, &who, "worker-load", TTL_MS, on_begin, l, err);
}

static int step(struct load *l, size_t i, enum store_secret_act act, size_t sealed, size_t ck,
	struct error *err)
{
	static const uint8_t bytes[CK_BYTES];
	struct store_lease who = lease(l, i);
	struct store_step s = {.step = "a_step",
		.ttl_ms = TTL_MS,
		.act = act,
		.pending = {sealed ? bytes : NULL, sealed},
		.checkpoint = {ck ? bytes : NULL, ck}};
	return store_step(l->store, &who, &s, on_done, l, err);
}

static int call_step(struct load *l, size_t i, struct error *err)
{
	return step(l, i, STORE_SECRET_KEEP, 0, CK_BYTES, err);
}

static int call_pending(struct load *l, size_t i, struct error *err)
{
	return step(l, i, STORE_SECRET_PENDING, SEALED_BYTES, 0, err);
}

static int call_promote(struct load *l, size_t i, struct error *err)
{
	return step(l, i, STORE_SECRET_PROMOTE, 0, 0, err);
}

static int call_renew(struct load *l, size_t i, struct error *err)
{
	struct store_lease all[RENEW_BATCH];
	size_t n = 0;
	for (; n < RENEW_BATCH && i + n < l->end; n++)
		all[n] = lease(l, i + n);
	return store_renew(l->store, all, n, TTL_MS, on_renew, l, err);
}

static int call_release(struct load *l, size_t i, struct error *err)
{
	struct store_lease who = lease(l, i);
	return store_release(l->store, &who, NULL, (struct store_blob){NULL, 0}, on_done, l, err);
}

static int call_park(struct load *l, size_t i, struct error *err)
{
	struct store_lease who = lease(l, i);
	struct store_park p = {.why = "manual", .poll_ms = STORE_NEVER, .err = "e", .txt = "text"};
	return store_park(l->store, &who, &p, on_done, l, err);
}

static int call_fail(struct load *l, size_t i, struct error *err)
{
	struct store_lease who = lease(l, i);
	struct store_failure f = {
		.max_attempts = 8, .delay_ms = TTL_MS, .err = "timeout", .txt = "text"};
	return store_fail(l->store, &who, &f, on_fail, l, err);
}

static int call_finish(struct load *l, size_t i, struct error *err)
{
	struct store_lease who = lease(l, i);
	return store_finish(l->store, &who, "provisioned", NULL, 0, on_done, l, err);
}

static int call_reap(struct load *l, size_t i, struct error *err)
{
	(void)i;
	return store_reap(l->store, 5000, 5, STORE_BATCH_MAX, on_reap, l, err);
}

static int call_counts(struct load *l, size_t i, struct error *err)
{
	(void)i;
	return store_counts(l->store, on_counts, l, err);
}

/* A job's life. from, to: which third of the jobs; batch: jobs that one call carries. */
static const struct phase {
	const char *name;
	int (*call)(struct load *l, size_t i, struct error *err);
	size_t from, to, batch;
	bool claims; /* fills the list of jobs anew */
} phases[] = {
	{"admit", call_admit, 0, 3, 1, false},
	{"claim", call_claim, 0, 3, CLAIM_BATCH, true},
	{"begin", call_begin, 0, 3, 1, false},
	{"step", call_step, 0, 3, 1, false},
	{"step secret ahead", call_pending, 0, 3, 1, false},
	{"step secret promote", call_promote, 0, 3, 1, false},
	{"renew", call_renew, 0, 3, RENEW_BATCH, false},
	{"release", call_release, 0, 3, 1, false},
	{"claim again", call_claim, 0, 3, CLAIM_BATCH, true},
	{"begin again", call_begin, 0, 3, 1, false},
	{"finish", call_finish, 0, 1, 1, false},
	{"fail", call_fail, 1, 2, 1, false},
	{"park", call_park, 2, 3, 1, false},
	{"reap, nothing due", call_reap, 0, 1, 1, false},
	{"counts", call_counts, 0, 1, 1, false},
};
#define N_PHASES (sizeof phases / sizeof phases[0])

static const struct phase *phase;

static void pump(struct load *l)
{
	struct error err = {0};
	while (l->next < l->end && l->in_flight < l->depth) {
		size_t i = l->next;
		l->next += phase->batch;
		l->in_flight++;
		if (phase->call(l, i, &err) < 0)
			answered(l, &err);
	}
}

static int play(struct load *l, bool last, struct error *err)
{
	l->next = l->n * phase->from / 3;
	l->end = l->n * phase->to / 3;
	size_t n = l->end - l->next;
	if (phase->claims)
		l->n_claimed = 0;
	l->done = l->next >= l->end;
	uint64_t redis = process_cpu_ns(l->redis_pid), client = clock_cpu_us(),
		 start = clock_boot_us();
	pump(l);
	TRY(redis_wait(store_redis(l->store), &l->done, WAIT_MS, err));
	double us = (double)(clock_boot_us() - start);
	printf("{\"name\": \"%s\", \"jobs\": %zu, \"batch\": %zu, \"redis_us\": %.3f, "
	       "\"client_us\": "
	       "%.3f, \"per_s\": %.0f}%s",
		phase->name, n, phase->batch,
		(double)(process_cpu_ns(l->redis_pid) - redis) / 1e3 / (double)n,
		(double)(clock_cpu_us() - client) / (double)n, (double)n * 1e6 / us,
		last ? "" : ", ");
	ENSURE(l->failed == 0, err, E_STATE, "%s: %zu calls failed", phase->name, l->failed);
	ENSURE(!phase->claims || l->n_claimed == l->n, err, E_STATE, "%zu of %zu jobs claimed",
		l->n_claimed, l->n);
	return 0;
}

static void on_schema(bool changed, const struct error *err, void *arg)
{
	(void)changed;
	on_done(err, arg);
}

static int run(struct load *l, const char *url, struct error *err)
{
	struct store_opts o = {.redis = {.url = url, .client_name = "store_load"}};
	TRY(message_make(&l->message));
	TRY(store_open(&l->store, &l->loop, &o, NULL, NULL, err));
	TRY(redis_wait_up(store_redis(l->store), WAIT_MS, err));
	l->in_flight = 1;
	phase = &phases[0];
	TRY(store_schema_apply(l->store, on_schema, l, err));
	TRY(redis_wait(store_redis(l->store), &l->done, WAIT_MS, err));
	printf("{\"functions\": [");
	for (phase = phases; phase < phases + N_PHASES; phase++)
		TRY(play(l, phase + 1 == phases + N_PHASES, err));
	printf("]}\n");
	return 0;
}

int main(int argc, char **argv)
{
	static struct load l;
	struct error err = {0};
	if (argc != 5) {
		fputs("usage: store_load URL REDIS_PID COUNT DEPTH\n", stderr);
		return 2;
	}
	l.redis_pid = atoi(argv[2]);
	l.n = strtoul(argv[3], NULL, 10);
	l.depth = strtoul(argv[4], NULL, 10);
	l.jobs = calloc(l.n ? l.n : 1, sizeof *l.jobs);
	if (l.n < 3 || !l.depth || !l.jobs || uv_loop_init(&l.loop) != 0) {
		fputs("store_load: COUNT is at least 3, DEPTH at least 1\n", stderr);
		return 2;
	}
	int rc = run(&l, argv[1], &err);
	if (rc < 0)
		fprintf(stderr, "\nstore_load: %s\n", err.text);
	store_close(l.store);
	uv_run(&l.loop, UV_RUN_DEFAULT);
	uv_loop_close(&l.loop);
	buf_free(&l.message);
	free(l.jobs);
	return rc < 0 ? 1 : 0;
}
