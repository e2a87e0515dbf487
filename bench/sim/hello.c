/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hellos: the schedule of a device in setup, one connection per message from the device's own
 * address. The device sends, half-closes and reads: an orderly end is an acceptance (real firmware
 * does not look; the ledger needs to know), a reset is a refusal. SPEC: hello.md 5.1, ruling 9
 */
#include "proto/hello.h"
#include "bench/sim/estate.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/net/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A listener may take 10 s for its verdict; then the device has given up. */
#define VERDICT_MS    15000
#define CONNECT_MS    5000
#define HELLO_UUID_AT 8 /* SPEC: hello.md 2 */
/* Open connections at once: a burst beyond this waits for a turn (descriptors). */
#define IN_FLIGHT_MAX 2000
#define TICK_MS       5

/* One message on its way. */
struct flight {
	struct estate *e;
	struct device *d;
	struct conn *c;
	unsigned retry, generation;
	bool sent;
	uint64_t start_us;
	uint64_t due_us; /* by the schedule: lateness is counted, not left out */
	struct boot_timer timer;
};

/* Next message of a device in setup. */
struct due {
	uint64_t at_ms;
	uint32_t device;
	uint32_t retry;
	uint32_t series;
};

struct hello_run {
	struct due *heap; /* binary heap by time */
	size_t n, cap;
	unsigned in_flight;
	uv_timer_t tick;
	bool stopped;
};

/* ---- heap ----------------------------------------------------------------------------------- */

static void heap_push(struct hello_run *h, struct due d)
{
	if (h->n == h->cap) {
		size_t cap = h->cap ? 2 * h->cap : 1024;
		struct due *bigger = realloc(h->heap, cap * sizeof *bigger);
		if (!bigger) {
			fprintf(stderr, "muster-sim: no memory for a Hello\n");
			return;
		}
		h->heap = bigger;
		h->cap = cap;
	}
	size_t i = h->n++;
	for (; i > 0 && h->heap[(i - 1) / 2].at_ms > d.at_ms; i = (i - 1) / 2)
		h->heap[i] = h->heap[(i - 1) / 2];
	h->heap[i] = d;
}

static struct due heap_pop(struct hello_run *h)
{
	struct due top = h->heap[0], last = h->heap[--h->n];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->heap[child + 1].at_ms < h->heap[child].at_ms)
			child++;
		if (h->heap[child].at_ms >= last.at_ms)
			break;
		h->heap[i] = h->heap[child];
		i = child;
	}
	if (h->n > 0)
		h->heap[i] = last;
	return top;
}

/* ---- one message ---------------------------------------------------------------------------- */

static void flight_freed(struct boot_timer *t, void *arg)
{
	(void)t;
	free(arg);
}

static void landed(struct flight *f, const char *result)
{
	struct estate *e = f->e;
	ledger_begin(&e->ledger, "hello", f->d->id);
	ledger_uint(&e->ledger, "retry", f->retry);
	ledger_uint(&e->ledger, "gen", f->generation);
	ledger_uint(&e->ledger, "due", f->due_us - e->ledger.start_us);
	ledger_uint(&e->ledger, "sent", f->start_us - e->ledger.start_us);
	ledger_str(&e->ledger, "result", result);
	ledger_end(&e->ledger);
	e->hello->in_flight--;
	f->d->hello_busy = false;
	f->c = NULL;
	boot_timer_close(&f->timer, flight_freed);
}

/* The hashes of its roots that this release lists. SPEC: hello.md 5.5 */
static size_t list_hashes(const struct estate *e, const struct device *d, struct hello_hash *out)
{
	const struct personality_hello *lists = &d->as->hello;
	size_t n = 0;
	for (size_t i = 0; i < e->n_roots; i++) {
		const struct judge_hash *h = &e->roots[i];
		if (lists->sha1)
			out[n++] = (struct hello_hash){
				.alg = HELLO_SHA1, .len = sizeof h->sha1, .hash = h->sha1};
		if (lists->sha256)
			out[n++] = (struct hello_hash){
				.alg = HELLO_SHA256, .len = sizeof h->sha256, .hash = h->sha256};
		if (lists->sha384)
			out[n++] = (struct hello_hash){
				.alg = HELLO_SHA384, .len = sizeof h->sha384, .hash = h->sha384};
	}
	return n;
}

static void on_opened(struct conn *c, void *arg)
{
	struct flight *f = arg;
	struct estate *e = f->e;
	struct hello msg = {.admin_credentials_set = f->d->psk.typed,
		.version = f->d->psk.typed ? HELLO_V_PSK : HELLO_V_PKI,
		.retry_count = f->retry,
		.uuid = {{1}}};
	struct hello_hash hashes[3 * ESTATE_ROOTS_MAX];
	size_t n_hashes = f->d->psk.typed ? 0 : list_hashes(e, f->d, hashes);
	memcpy(msg.pid, f->d->psk.pid, sizeof msg.pid);
	struct buf raw;
	struct error err = {0};
	buf_init(&raw, HELLO_MAX_LEN);
	int rc = hello_encode(&raw, &msg, hashes, n_hashes, &err);
	/* Our own encoder refuses the UUIDs that some boards have. */
	if (rc == 0)
		uuid_to_wire(&f->d->uuid, raw.data + HELLO_UUID_AT);
	if (rc == 0 && conn_write(c, raw.data, raw.len) == 0) {
		f->sent = true;
		e->counts.hellos++;
		shutdown(conn_fd(c), SHUT_WR);
	}
	buf_free(&raw);
	if (!f->sent) {
		conn_abort(c);
		landed(f, "not sent");
		return;
	}
	boot_timer_set_in(&f->timer, VERDICT_MS);
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct flight *f = arg;
	(void)data, (void)len;
	/* A listener never sends a byte. */
	f->e->counts.violations++;
	conn_abort(c);
	landed(f, "bytes received");
}

static void on_closed(struct conn *c, const struct error *err, void *arg)
{
	struct flight *f = arg;
	(void)c;
	if (!f->sent) {
		landed(f, "unreachable");
	} else if (err->code == 0) {
		f->e->counts.accepted++;
		f->d->hello_accepted = true;
		landed(f, "accepted");
	} else {
		f->e->counts.refused++;
		landed(f, "refused");
	}
}

static void on_late(struct boot_timer *t, void *arg)
{
	struct flight *f = arg;
	(void)t;
	f->e->counts.unanswered++;
	conn_abort(f->c);
	landed(f, "unanswered");
}

/* DHCP may have given another address since the message before. One draw per message. Never while a
 * connection is open: the engine keeps its lease as long as it is in use. */
static void lease_address(struct estate *e, struct device *d)
{
	double u = rng_unit(&d->draws[DRAW_ADDRESS]);
	if (d->n_hellos++ == 0 || u >= d->laws->readdress || e->open[estate_slot(e, d)] ||
		!d->set.dhcp || d->n_addresses == ESTATE_ADDRESSES_MAX)
		return;
	d->n_addresses++;
	device_set_address(d, d->addr + (uint32_t)e->opts.n_devices);
}

static void fly(struct estate *e, struct device *d, const struct due *due)
{
	static const struct conn_events events = {
		.opened = on_opened, .data = on_data, .closed = on_closed};
	struct flight *f = calloc(1, sizeof *f);
	if (!f)
		return;
	f->e = e;
	f->d = d;
	f->retry = due->retry;
	f->generation = d->generation;
	f->start_us = clock_boot_us();
	/* The schedule counts whole milliseconds; the first may begin before the ledger's start. */
	f->due_us = due->at_ms * 1000;
	if (f->due_us < e->ledger.start_us)
		f->due_us = e->ledger.start_us;
	uint64_t late_ms = f->start_us / 1000 - due->at_ms;
	if (late_ms > e->counts.late_ms_max)
		e->counts.late_ms_max = late_ms;
	lease_address(e, d);
	boot_timer_init(&f->timer, e->loop, on_late, f);
	e->hello->in_flight++;
	d->hello_busy = true;
	/* The listeners share the load by name service: any of them. */
	struct conn_opts opts = {
		.addr = e->opts.listeners[rng_next(&d->draws[DRAW_HELLO]) % e->opts.n_listeners],
		.connect_ms = CONNECT_MS,
	};
	struct in_addr from = {.s_addr = htonl(d->addr)};
	struct error err = {0};
	if (opts.addr.sa.sa_family == AF_INET)
		(void)net_addr_from_bytes(&opts.bind, (const uint8_t *)&from, sizeof from, 0);
	if (conn_open(&f->c, e->loop, &opts, &events, f, &err) < 0)
		landed(f, "unreachable");
}

/* ---- schedule ------------------------------------------------------------------------------- */

/* Pause after message number retry, in minutes; 0 = the series is over. */
static unsigned pause_min(unsigned retry)
{
	if (retry < 5)
		return 1;
	if (retry < 10)
		return 10;
	return retry < 14 ? 60 : 0;
}

static void send_due(struct estate *e)
{
	struct hello_run *h = e->hello;
	uint64_t now = clock_boot_ms();
	while (h->n > 0 && h->heap[0].at_ms <= now && h->in_flight < IN_FLIGHT_MAX) {
		struct due next = heap_pop(h);
		struct device *d = &e->devices[next.device];
		if (d->state != DEV_IN || d->hello_series != next.series ||
			device_window_closed(d, now))
			continue;
		if (next.retry == 0 && device_has(d, FAULT_WINDOW))
			d->window_until_ms = now + d->fault_values[FAULT_WINDOW] * 1000ull;
		if (!d->hello_busy)
			fly(e, d, &next);
		unsigned wait = pause_min(next.retry);
		if (wait == 0)
			continue;
		/* From the schedule, not from now: a simulator that lags does not slow the estate.
		 */
		next.at_ms += (uint64_t)laws_compressed(d->laws, wait * 60000.0) + 1;
		next.retry++;
		heap_push(h, next);
	}
}

static void on_tick(uv_timer_t *t)
{
	send_due(t->data);
}

void hello_begin(struct estate *e, struct device *d)
{
	if (!e->hello || e->hello->stopped)
		return;
	uint64_t now = clock_boot_ms(), up = now + e->opts.laws.deaf_ms;
	heap_push(e->hello, (struct due){.at_ms = d->deaf_until_ms > up ? d->deaf_until_ms : up,
				    .device = (uint32_t)estate_slot(e, d),
				    .series = ++d->hello_series});
}

int hello_start(struct estate *e, struct error *err)
{
	uint64_t now = clock_boot_ms();
	size_t n = e->opts.n_listeners > 0 ? e->opts.n_devices : 0;
	double *at_ms = calloc(n + 1, sizeof *at_ms);
	e->hello = calloc(1, sizeof *e->hello);
	if (!e->hello || !at_ms) {
		free(at_ms);
		return error_set(err, -ENOMEM, "no memory");
	}
	uv_timer_init(e->loop, &e->hello->tick);
	e->hello->tick.data = e;
	laws_arrivals(&e->opts.laws.arrival, e->opts.seed, at_ms, n);
	for (size_t slot = 0; n > 0 && slot < e->n_devices; slot++)
		heap_push(e->hello,
			(struct due){.at_ms = now + (uint64_t)at_ms[e->devices[slot].index],
				.device = (uint32_t)slot,
				.series = e->devices[slot].hello_series});
	free(at_ms);
	uv_timer_start(&e->hello->tick, on_tick, 0, TICK_MS);
	return 0;
}

void hello_stop(struct estate *e)
{
	if (!e->hello || e->hello->stopped)
		return;
	e->hello->stopped = true;
	uv_timer_stop(&e->hello->tick);
	uv_close((uv_handle_t *)&e->hello->tick, NULL);
}

void hello_free(struct estate *e)
{
	if (!e->hello)
		return;
	free(e->hello->heap);
	free(e->hello);
	e->hello = NULL;
}
