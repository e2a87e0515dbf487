/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood of Hellos: distinct devices from distinct 127/8 addresses, each on its own connection
 * with 24 SHA-256 hashes (841 bytes), half-closed and read to the end: FIN = accepted, RST =
 * refused.
 *
 *   muster-flood --target HOST:9971 [--rate R] [--clients N] [--period S] [--max-drop N%] ...
 *
 * Without --rate the loop is closed: so many connections at a time. With --rate it is open: R per
 * second, and latency counts from the moment a Hello was due, not from when it could be sent (no
 * coordinated omission). Prints one line of JSON; the status is 3 when too many were dropped.
 * Threads: one.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/flood/message.h"
#include "bench/flood/options.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/net/addr.h"

#define N_SOURCES       60000u    /* distinct source addresses 127.32.0.0 ... */
#define GIVE_UP_US      30000000u /* no progress for this long ends the run */
#define EVENTS_PER_TURN 512
#define COUNT           10000 /* defaults */
#define CONCURRENCY     256

struct options {
	struct net_addr target;
	struct flood_options o;
};

struct call {
	int fd;          /* -1 = free */
	uint64_t number; /* of the device */
	uint64_t due_us;
	bool sent;
};

struct flood {
	struct net_addr target;
	const struct flood_options *o;
	int epoll;
	struct call *calls;
	uint32_t *free_list, n_free;
	uint64_t started, accepted, refused, errors, start_us, last_us, report_us;
	uint64_t reported;    /* accepted at the last line of --report-interval */
	uint32_t *latency_us; /* of accepted ones */
	size_t latency_cap;
	struct buf message;
};

static const struct argp_option options[] = {
	{"target", 'T', "HOST:PORT", 0, "the listener", 0},
	{0},
};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct error err = {0};
	switch (key) {
	case 'T':
		if (net_addr_parse(&o->target, arg, &err) < 0)
			argp_error(state, "%s", err.text);
		return 0;
	case ARGP_KEY_INIT: state->child_inputs[0] = &o->o; return 0;
	case ARGP_KEY_END:
		if (!o->target.len)
			argp_error(state, "--target is needed");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static void note_latency(struct flood *f, uint64_t us)
{
	if (f->accepted == f->latency_cap) {
		size_t cap = f->latency_cap ? 2 * f->latency_cap : 65536;
		uint32_t *more = realloc(f->latency_us, cap * sizeof *more);
		if (!more) {
			fputs("muster-flood: out of memory\n", stderr);
			exit(FLOOD_FATAL);
		}
		f->latency_us = more;
		f->latency_cap = cap;
	}
	f->latency_us[f->accepted++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void finish(struct flood *f, uint32_t slot, bool accepted)
{
	struct call *c = &f->calls[slot];
	uint64_t now = clock_boot_us();
	if (accepted)
		note_latency(f, now - c->due_us);
	else
		f->refused++;
	close(c->fd);
	c->fd = -1;
	f->free_list[f->n_free++] = slot;
	f->last_us = now;
}

/* On loopback every device has an address of its own; elsewhere the kernel chooses ours. */
static bool bind_source(const struct flood *f, int fd, uint64_t number)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f200001u + (uint32_t)(number % N_SOURCES))};
	int one = 1;
	if (f->target.sa.sa_family != AF_INET || !net_addr_is_loopback(&f->target))
		return true;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	return bind(fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static bool start(struct flood *f, uint64_t due_us)
{
	uint64_t number = flood_device(f->o, f->started);
	uint32_t slot = f->free_list[--f->n_free];
	struct call *c = &f->calls[slot];
	int fd = socket(f->target.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*c = (struct call){.fd = fd, .number = number, .due_us = due_us};
	f->started++;
	if (fd < 0 || !bind_source(f, fd, number) ||
		(connect(fd, &f->target.sa, f->target.len) != 0 && errno != EINPROGRESS)) {
		f->errors++;
		if (fd >= 0)
			close(fd);
		c->fd = -1;
		f->free_list[f->n_free++] = slot;
		return false;
	}
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = slot};
	epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &ev);
	return true;
}

static void on_ready(struct flood *f, uint32_t slot, uint32_t events)
{
	struct call *c = &f->calls[slot];
	char byte;
	if (c->fd < 0)
		return;
	if (!c->sent && (events & EPOLLOUT)) {
		message_set_device(&f->message, c->number);
		c->sent = true;
		/* 841 bytes fit a fresh socket buffer whole. */
		if (send(c->fd, f->message.data, f->message.len, MSG_NOSIGNAL) !=
			(ssize_t)f->message.len) {
			finish(f, slot, false);
			return;
		}
		shutdown(c->fd, SHUT_WR);
	}
	ssize_t n = read(c->fd, &byte, 1);
	if (n == 0 && c->sent)
		finish(f, slot, true);
	else if (n < 0 && errno != EAGAIN)
		finish(f, slot, false);
}

/* Start what is due and fits. Returns how long the next wait may be, in ms. */
static int start_due(struct flood *f, uint64_t now)
{
	while (f->n_free && flood_more(f->o, f->started, f->start_us, now)) {
		uint64_t due = flood_due_us(f->o, f->start_us, f->started);
		if (due > now)
			return (int)((due - now) / 1000);
		start(f, due ? due : now);
	}
	return 100;
}

/* The line of --report-interval. */
static void report_interval(struct flood *f, uint64_t now)
{
	if (f->o->report_s <= 0 || (double)(now - f->report_us) < f->o->report_s * 1e6)
		return;
	fprintf(stderr, "%.1f s: sent %llu, accepted %llu (%.0f/s), refused %llu, errors %llu\n",
		(double)(now - f->start_us) / 1e6, (unsigned long long)f->started,
		(unsigned long long)f->accepted,
		(double)(f->accepted - f->reported) * 1e6 / (double)(now - f->report_us),
		(unsigned long long)f->refused, (unsigned long long)f->errors);
	f->reported = f->accepted;
	f->report_us = now;
}

static void run(struct flood *f)
{
	struct epoll_event events[EVENTS_PER_TURN];
	uint64_t now = clock_boot_us();
	f->start_us = f->last_us = f->report_us = now;
	while (flood_more(f->o, f->started, f->start_us, now) ||
		f->accepted + f->refused + f->errors < f->started) {
		int n = epoll_wait(f->epoll, events, EVENTS_PER_TURN, start_due(f, now));
		for (int i = 0; i < n; i++)
			on_ready(f, events[i].data.u32, events[i].events);
		now = clock_boot_us();
		report_interval(f, now);
		if (now - f->last_us > GIVE_UP_US)
			break;
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t percentile(const struct flood *f, unsigned percent)
{
	return f->accepted ? f->latency_us[(f->accepted - 1) * percent / 100] : 0;
}

static void report(struct flood *f)
{
	double seconds = (double)(f->last_us - f->start_us) / 1e6;
	qsort(f->latency_us, f->accepted, sizeof *f->latency_us, compare);
	uint64_t drops = f->started - f->accepted;
	printf("{\"sent\": %llu, \"accepted\": %llu, \"refused\": %llu, \"errors\": %llu, "
	       "\"drops\": %llu, \"drop_percent\": %.3f, "
	       "\"elapsed_s\": %.3f, "
	       "\"accepted_per_s\": %.0f, \"latency_us\": {\"p50\": %u, \"p95\": %u, \"p99\": %u}, "
	       "\"cpu_us_per_hello\": %.1f}\n",
		(unsigned long long)f->started, (unsigned long long)f->accepted,
		(unsigned long long)f->refused, (unsigned long long)f->errors,
		(unsigned long long)drops,
		f->started ? 100.0 * (double)drops / (double)f->started : 0, seconds,
		seconds > 0 ? (double)f->accepted / seconds : 0, percentile(f, 50),
		percentile(f, 95), percentile(f, 99),
		(double)clock_cpu_us() / (double)(f->started ? f->started : 1));
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = {{&flood_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {options, on_option, NULL,
		"muster-flood: a flood of Hellos from distinct devices.", children, NULL, NULL};
	struct options o = {0};
	flood_defaults(&o.o, COUNT, CONCURRENCY);
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	struct flood f = {.target = o.target, .o = &o.o};
	f.epoll = epoll_create1(EPOLL_CLOEXEC);
	f.calls = calloc(o.o.concurrency, sizeof *f.calls);
	f.free_list = calloc(o.o.concurrency, sizeof *f.free_list);
	if (f.epoll < 0 || !f.calls || !f.free_list || message_make(&f.message) < 0) {
		fputs("muster-flood: out of memory\n", stderr);
		return FLOOD_FATAL;
	}
	for (uint32_t i = 0; i < o.o.concurrency; i++) {
		f.calls[i].fd = -1;
		f.free_list[f.n_free++] = i;
	}
	run(&f);
	report(&f);
	buf_free(&f.message);
	free(f.calls);
	free(f.free_list);
	free(f.latency_us);
	close(f.epoll);
	return flood_status(&o.o, f.started, f.accepted);
}
