/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood of Hellos straight into a broker, as a listener sends them: batches of 16 over the bus,
 * with the site's Curve key, a bounded window, 24 SHA-256 hashes each (841 bytes). It measures what
 * broker and Redis admit without the TCP side of a generator on the same cores.
 *
 *   muster-bus-flood --config FILE [--rate R] [--clients N] [--period S] [--max-drop N%] ...
 *
 * Prints one line of JSON; the status is 3 when too many got another verdict than NEW or DUP.
 * Threads: one (and ZeroMQ's own).
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench/flood/message.h"
#include "bench/flood/options.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/conf/cli.h"
#include "common/conf/conf.h"

#define BATCH      16    /* as the listener cuts them (SPEC: README ruling 11) */
#define GIVE_UP_MS 30000 /* no verdict for this long ends the run */
#define CHECK_MS   5
#define COUNT      100000 /* defaults */
#define WINDOW     2048

struct bus_flood {
	const char *config;
	struct flood_options o;
	uv_loop_t loop;
	uv_timer_t timer;
	struct bus_socket *socket;
	struct buf message;
	uint64_t sent, answered, verdicts[MUSTER__V1__VERDICT_CODE__VERDICT_BUSY + 1];
	uint64_t start_us, last_us, report_us, reported;
	bool welcome;
};

static const struct argp_option options[] = {
	{"config", 'C', "FILE", 0, "the site's configuration", 0},
	{0},
};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct bus_flood *f = state->input;
	switch (key) {
	case 'C': f->config = arg; return 0;
	case ARGP_KEY_INIT: state->child_inputs[0] = &f->o; return 0;
	case ARGP_KEY_END:
		if (!f->config || f->o.concurrency < BATCH)
			argp_error(state, "--config is needed; --concurrency at least %d", BATCH);
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* One batch of at most so many Hellos. @return false when the bus takes no more now */
static bool send_batch(struct bus_flood *f, uint64_t most)
{
	static uint8_t raw[BATCH][HELLO_MAX_LEN], address[BATCH][4];
	Muster__V1__Hello hellos[BATCH], *list[BATCH];
	Muster__V1__HelloBatch batch = MUSTER__V1__HELLO_BATCH__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	batch.hellos = list;
	for (; batch.n_hellos < BATCH && batch.n_hellos < most; batch.n_hellos++) {
		size_t i = batch.n_hellos;
		uint64_t number = flood_device(&f->o, f->sent + i);
		message_set_device(&f->message, number);
		memcpy(raw[i], f->message.data, f->message.len);
		memcpy(address[i],
			(uint8_t[]){10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				(uint8_t)number},
			sizeof address[i]);
		muster__v1__hello__init(&hellos[i]);
		hellos[i].seq = f->sent + i;
		hellos[i].raw = (ProtobufCBinaryData){f->message.len, raw[i]};
		hellos[i].address = (ProtobufCBinaryData){sizeof address[i], address[i]};
		hellos[i].uuid = (ProtobufCBinaryData){16, raw[i] + MESSAGE_UUID_OFFSET};
		list[i] = &hellos[i];
	}
	e.body_case = MUSTER__V1__ENVELOPE__BODY_HELLO_BATCH;
	e.hello_batch = &batch;
	if (bus_send(f->socket, NULL, &e) != 0)
		return false;
	f->sent += batch.n_hellos;
	return true;
}

/* How many may leave now: due by the rate, within count and window. */
static uint64_t sendable(const struct bus_flood *f, uint64_t now)
{
	uint64_t n = 0, room = f->o.concurrency - (f->sent - f->answered);
	while (n < BATCH && n < room && flood_more(&f->o, f->sent + n, f->start_us, now) &&
		flood_due_us(&f->o, f->start_us, f->sent + n) <= now)
		n++;
	return n;
}

static void fill_window(struct bus_flood *f)
{
	uint64_t now = clock_boot_us(), n;
	if (!f->welcome)
		return;
	while (f->sent - f->answered < f->o.concurrency && (n = sendable(f, now)) > 0 &&
		/* A full batch while more is to come, as a listener under load. */
		(n == BATCH || f->o.rate || !flood_more(&f->o, f->sent + n, f->start_us, now)) &&
		send_batch(f, n))
		;
}

static bool is_over(const struct bus_flood *f)
{
	return f->welcome && f->answered >= f->sent &&
	       !flood_more(&f->o, f->sent, f->start_us, clock_boot_us());
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	(void)peer;
	struct bus_flood *f = arg;
	if (e->body_case == MUSTER__V1__ENVELOPE__BODY_WELCOME) {
		f->welcome = e->welcome->accepted;
		f->start_us = f->last_us = f->report_us = clock_boot_us();
	} else if (e->body_case == MUSTER__V1__ENVELOPE__BODY_PING) {
		bus_pong(s, NULL, e->ping->nonce);
	} else if (e->body_case == MUSTER__V1__ENVELOPE__BODY_VERDICT_BATCH) {
		for (size_t i = 0; i < e->verdict_batch->n_verdicts; i++)
			f->verdicts[e->verdict_batch->verdicts[i]->code]++;
		f->answered += e->verdict_batch->n_verdicts;
		f->last_us = clock_boot_us();
	}
	fill_window(f);
	if (is_over(f))
		uv_stop(&f->loop);
}

static void on_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	(void)arg;
	if (event == BUS_UP)
		bus_register(s, MUSTER__V1__ROLE__ROLE_LISTENER, cli_version());
	else if (event == BUS_REFUSED)
		fprintf(stderr, "muster-bus-flood: refused: %s\n", detail);
}

/* The line of --report-interval. */
static void report_interval(struct bus_flood *f, uint64_t now)
{
	if (!f->welcome || f->o.report_s <= 0 || (double)(now - f->report_us) < f->o.report_s * 1e6)
		return;
	fprintf(stderr, "%.1f s: sent %llu, answered %llu (%.0f/s)\n",
		(double)(now - f->start_us) / 1e6, (unsigned long long)f->sent,
		(unsigned long long)f->answered,
		(double)(f->answered - f->reported) * 1e6 / (double)(now - f->report_us));
	f->reported = f->answered;
	f->report_us = now;
}

static void on_check(uv_timer_t *timer)
{
	struct bus_flood *f = timer->data;
	uint64_t now = clock_boot_us();
	fill_window(f);
	report_interval(f, now);
	if (is_over(f) || now - f->last_us > GIVE_UP_MS * 1000u)
		uv_stop(&f->loop);
}

static uint64_t accepted(const struct bus_flood *f)
{
	return f->verdicts[MUSTER__V1__VERDICT_CODE__VERDICT_NEW] +
	       f->verdicts[MUSTER__V1__VERDICT_CODE__VERDICT_DUP];
}

static void report(const struct bus_flood *f)
{
	double seconds = (double)(f->last_us - f->start_us) / 1e6;
	printf("{\"sent\": %llu, \"new\": %llu, \"dup\": %llu, \"busy\": %llu, \"elapsed_s\": "
	       "%.3f, "
	       "\"admitted_per_s\": %.0f, \"cpu_us_per_hello\": %.1f}\n",
		(unsigned long long)f->sent,
		(unsigned long long)f->verdicts[MUSTER__V1__VERDICT_CODE__VERDICT_NEW],
		(unsigned long long)f->verdicts[MUSTER__V1__VERDICT_CODE__VERDICT_DUP],
		(unsigned long long)f->verdicts[MUSTER__V1__VERDICT_CODE__VERDICT_BUSY], seconds,
		seconds > 0 ? (double)f->answered / seconds : 0,
		(double)clock_cpu_us() / (double)(f->sent ? f->sent : 1));
}

static int run(struct bus_flood *f, const struct conf *conf, struct error *err)
{
	static const struct bus_handler handler = {on_message, on_event};
	struct bus *bus = NULL;
	TRY(message_make(&f->message));
	TRY(bus_open(&bus, &f->loop, "listener", conf->bus.curve ? conf->bus.keys_dir : NULL, err));
	int rc = bus_dealer(&f->socket, bus, conf->bus.brokers[0].front,
		(int)f->o.concurrency + BUS_HWM_SLACK, &handler, f, err);
	if (rc == 0) {
		uv_timer_init(&f->loop, &f->timer);
		f->timer.data = f;
		f->last_us = clock_boot_us();
		uv_timer_start(&f->timer, on_check, CHECK_MS, CHECK_MS);
		uv_run(&f->loop, UV_RUN_DEFAULT);
		uv_close((uv_handle_t *)&f->timer, NULL);
	}
	bus_close(bus);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = {{&flood_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {options, on_option, NULL,
		"muster-bus-flood: Hellos straight into a broker.", children, NULL, NULL};
	static struct conf conf;
	static struct bus_flood f;
	struct error err = {0};
	flood_defaults(&f.o, COUNT, WINDOW);
	argp_parse(&argp, argc, argv, 0, NULL, &f);
	uv_loop_init(&f.loop);
	int rc = conf_load(f.config, &conf, &err);
	if (rc == 0)
		rc = run(&f, &conf, &err);
	if (rc < 0 || !f.welcome) {
		fprintf(stderr, "muster-bus-flood: %s\n",
			err.text[0] ? err.text : "no broker answered");
		return FLOOD_FATAL;
	}
	report(&f);
	buf_free(&f.message);
	uv_loop_close(&f.loop);
	return flood_status(&f.o, f.sent, accepted(&f));
}
