/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of the functions: bench_store [--devices N] [--jobs N] [--depth N] [--conf FILE]. Starts a
 * private Redis, puts N finished device records into it, then lets N jobs live their life (admit,
 * claim, begin, 10 steps, finish), each stage by itself with `depth` calls in flight, and prints
 * one JSON line per stage. The Hello has 841 bytes (24 hashes). Not part of ctest: numbers, no
 * verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/common/store/server.h"
#include "tests/common/store/site.h"

#define HELLO_LEN 841
#define STEPS     10
#define SAMPLES   100000

struct bench {
	struct site site;
	struct server server;
	int devices, n_jobs, depth;
	struct store_claim *jobs; /* ids and fences only */
	/* the stage that runs */
	int sent, answered, total;
	uint64_t *sent_us; /* per call */
	uint64_t latency_us[SAMPLES];
	void (*send)(struct bench *b, int i);
	char hello[HELLO_LEN];
};

static void answer(struct bench *b, const struct error *err)
{
	if (err)
		fail_msg("%s", err->text);
	/* Answers come in the order of the calls. */
	if (b->answered < SAMPLES)
		b->latency_us[b->answered] = clock_boot_us() - b->sent_us[b->answered];
	b->answered++;
	if (b->sent < b->total) {
		b->sent_us[b->sent] = clock_boot_us();
		b->send(b, b->sent++);
	}
}

static void done_cb(const struct error *err, void *arg)
{
	answer(arg, err);
}

static void admit_cb(enum store_verdict v, const struct error *err, void *arg)
{
	(void)v;
	answer(arg, err);
}

static void begin_cb(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg)
{
	(void)job;
	(void)dev;
	answer(arg, err);
}

static void reply_cb(const struct redisReply *reply, const struct error *err, void *arg)
{
	(void)reply;
	answer(arg, err);
}

static int number_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void stage(struct bench *b, const char *name, int total, void (*send)(struct bench *, int))
{
	bool never = false;
	b->sent = b->answered = 0;
	b->total = total;
	b->send = send;
	b->sent_us = calloc((size_t)total, sizeof *b->sent_us);
	uint64_t wall = clock_boot_us(), cpu = clock_cpu_us(), redis = server_cpu_us(&b->server);
	while (b->sent < b->depth && b->sent < total) {
		b->sent_us[b->sent] = clock_boot_us();
		send(b, b->sent++);
	}
	while (b->answered < total)
		redis_wait(store_redis(b->site.store), &never, 1, NULL);
	wall = clock_boot_us() - wall;
	cpu = clock_cpu_us() - cpu;
	redis = server_cpu_us(&b->server) - redis;
	size_t n = total < SAMPLES ? (size_t)total : SAMPLES;
	qsort(b->latency_us, n, sizeof b->latency_us[0], number_compare);
	if (name)
		printf("{\"stage\":\"%s\",\"devices\":%d,\"depth\":%d,\"calls\":%d,\"per_s\":%.0f,"
		       "\"client_cpu_us\":%.2f,\"redis_cpu_us\":%.2f,\"p50_us\":%llu,\"p99_us\":%"
		       "llu}\n",
			name, b->devices, b->depth, total, total * 1e6 / (double)wall,
			(double)cpu / total, (double)redis / total,
			(unsigned long long)b->latency_us[n / 2],
			(unsigned long long)b->latency_us[n * 99 / 100]);
	fflush(stdout);
	free(b->sent_us);
}

/* A finished device of the size that real ones have: sealed secrets, names, certificate. */
static void send_record(struct bench *b, int i)
{
	char key[80], addr[32];
	static char blob[257];
	memset(blob, 's', sizeof blob - 1);
	snprintf(key, sizeof key, "muster:{0}:dev:10000000-0000-4000-8000-%012d", i);
	snprintf(addr, sizeof addr, "10.%d.%d.%d", i >> 16 & 255, i >> 8 & 255, i & 255);
	const char *argv[] = {"HSET", key, "gen", "1", "state", "done", "addr", addr, "src", addr,
		"job", "01890000-0000-7000-8000-000000000000", "fqdn", "pc000000.corp.example.com",
		"hellos", "1", "first", "1700000000000", "last", "1700000000000", "hello_ms",
		"1700000000000", "done_ms", "1700000000000", "end_ms", "1700000000000", "cert_fp",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "sec_cur", blob,
		"dek", blob + 150};
	struct error err;
	if (redis_command(store_redis(b->site.store), (int)(sizeof argv / sizeof argv[0]), argv,
		    NULL, reply_cb, b, &err) < 0)
		fail_msg("%s", err.text);
}

static void hello_send(struct bench *b, int i)
{
	static const struct store_admission limits = {
		.cooldown_ms = 120000, .max_waiting = 100000, .subnet_burst = 1};
	char uuid[UUID_TEXT_LEN + 1];
	struct error err;
	struct store_hello h = {.addr = "10.1.2.3",
		.raw = {b->hello, sizeof b->hello},
		.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
	snprintf(uuid, sizeof uuid, "20000000-0000-4000-8000-%012d", i);
	uuid_parse(&h.uuid, uuid);
	if (store_admit(b->site.store, &h, &limits, admit_cb, b, &err) < 0)
		fail_msg("%s", err.text);
}

static void claim_all(struct bench *b)
{
	struct error err;
	uint64_t wall = clock_boot_us();
	int n = 0;
	while (n < b->n_jobs) {
		site_wait(&b->site,
			store_claim(b->site.store, 64, 600000, site_claim_cb, &b->site, &err),
			&err);
		assert_true(b->site.n > 0);
		for (size_t i = 0; i < b->site.n && n < b->n_jobs; i++)
			b->jobs[n++] = b->site.claims[i];
	}
	wall = clock_boot_us() - wall;
	printf("{\"stage\":\"claim 64\",\"devices\":%d,\"depth\":1,\"calls\":%d,\"per_s\":%.0f}\n",
		b->devices, n, n * 1e6 / (double)wall);
}

static struct store_lease lease_of(struct bench *b, int i)
{
	struct store_claim *c = &b->jobs[i % b->n_jobs];
	return (struct store_lease){c->id, c->uuid, c->fence};
}

static void begin_send(struct bench *b, int i)
{
	struct error err;
	struct store_lease l = lease_of(b, i);
	if (store_begin(b->site.store, &l, "worker-1", 600000, begin_cb, b, &err) < 0)
		fail_msg("%s", err.text);
}

static void step_send(struct bench *b, int i)
{
	struct error err;
	struct store_lease l = lease_of(b, i);
	struct store_step st = {
		.step = "ADMIN_PASSWORD", .ttl_ms = 600000, .checkpoint = {b->hello, 200}};
	if (store_step(b->site.store, &l, &st, done_cb, b, &err) < 0)
		fail_msg("%s", err.text);
}

static void finish_send(struct bench *b, int i)
{
	struct error err;
	struct store_lease l = lease_of(b, i);
	struct store_field f[] = {
		{"fqdn", {"pc.corp.example.com", 19}}, {"cert_fp", {b->hello, 64}}};
	if (store_finish(b->site.store, &l, "configured", f, 2, done_cb, b, &err) < 0)
		fail_msg("%s", err.text);
}

int main(int argc, char **argv)
{
	static struct bench b;
	const char *conf = "deploy/redis/strict.conf";
	b.n_jobs = 20000;
	b.depth = 64;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--devices") == 0)
			b.devices = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--jobs") == 0)
			b.n_jobs = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--depth") == 0)
			b.depth = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--conf") == 0)
			conf = argv[i + 1];
	}
	if (!server_available() || b.n_jobs < 1 || b.depth < 1)
		return 77;
	memset(b.hello, 'h', sizeof b.hello);
	b.jobs = calloc((size_t)b.n_jobs, sizeof *b.jobs);
	server_init(&b.server, conf);
	server_start(&b.server);
	site_open(&b.site, b.server.url, NULL, NULL, store_schema_text());
	int depth = b.depth;
	b.depth = 1024;
	if (b.devices > 0)
		stage(&b, NULL, b.devices, send_record);
	b.depth = depth;
	stage(&b, "admit", b.n_jobs, hello_send);
	stage(&b, "admit duplicate", b.n_jobs, hello_send);
	claim_all(&b);
	stage(&b, "begin", b.n_jobs, begin_send);
	stage(&b, "step", b.n_jobs * STEPS, step_send);
	stage(&b, "finish", b.n_jobs, finish_send);
	site_close(&b.site);
	server_stop(&b.server);
	free(b.jobs);
	return 0;
}
