/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood of Hellos: distinct devices from distinct 127/8 addresses, each on its own connection
 * with 24 SHA-256 hashes (841 bytes), half-closed and read to the end: FIN = accepted, RST =
 * refused.
 *
 *   muster-flood --target 127.0.0.1:9971 --count N [--concurrency C] [--rate R] [--first I]
 *
 * Without --rate the loop is closed: C connections at a time. With --rate it is open: R per second,
 * and latency counts from the moment a Hello was due, not from when it could be sent (no
 * coordinated omission). Prints one line of JSON. Vocabulary as in perfdhcp. Threads: one.
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
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/net/addr.h"

#define N_SOURCES       60000u    /* distinct source addresses 127.32.0.0 ... */
#define GIVE_UP_US      30000000u /* no progress for this long ends the run */
#define EVENTS_PER_TURN 512

struct options {
	struct net_addr target;
	uint64_t count, first;
	uint32_t concurrency, rate;
};

struct call {
	int fd;          /* -1 = free */
	uint64_t number; /* of the device */
	uint64_t due_us;
	bool sent;
};

struct flood {
	struct options o;
	int epoll;
	struct call *calls;
	uint32_t *free_list, n_free;
	uint64_t started, accepted, refused, errors, start_us, last_us;
	uint32_t *latency_us; /* of accepted ones */
	struct buf message;
};

static const struct argp_option options[] = {
	{"target", 't', "HOST:PORT", 0, "the listener", 0},
	{"count", 'n', "N", 0, "how many Hellos [10000]", 0},
	{"concurrency", 'c', "C", 0, "open connections at most [256]", 0},
	{"rate", 'r', "R", 0, "open loop: Hellos per second [closed loop]", 0},
	{"first", 'f', "I", 0, "number of the first device [0]", 0},
	{0},
};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct error err = {0};
	switch (key) {
	case 't':
		if (net_addr_parse(&o->target, arg, &err) < 0)
			argp_error(state, "%s", err.text);
		return 0;
	case 'n': o->count = strtoull(arg, NULL, 10); return 0;
	case 'c': o->concurrency = (uint32_t)strtoul(arg, NULL, 10); return 0;
	case 'r': o->rate = (uint32_t)strtoul(arg, NULL, 10); return 0;
	case 'f': o->first = strtoull(arg, NULL, 10); return 0;
	case ARGP_KEY_END:
		if (!o->target.len || !o->count || !o->concurrency)
			argp_error(state, "--target is needed; counts are at least 1");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static void finish(struct flood *f, uint32_t slot, bool accepted)
{
	struct call *c = &f->calls[slot];
	uint64_t now = clock_boot_us();
	if (accepted)
		f->latency_us[f->accepted++] = (uint32_t)(now - c->due_us);
	else
		f->refused++;
	close(c->fd);
	c->fd = -1;
	f->free_list[f->n_free++] = slot;
	f->last_us = now;
}

static bool start(struct flood *f, uint64_t due_us)
{
	uint64_t number = f->o.first + f->started;
	uint32_t slot = f->free_list[--f->n_free];
	struct call *c = &f->calls[slot];
	int fd = socket(f->o.target.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
	    one = 1;
	struct sockaddr_in from = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f200001u + (uint32_t)(number % N_SOURCES))};
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	*c = (struct call){.fd = fd, .number = number, .due_us = due_us};
	f->started++;
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
		(connect(fd, &f->o.target.sa, f->o.target.len) != 0 && errno != EINPROGRESS)) {
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
static int start_due(struct flood *f)
{
	uint64_t now = clock_boot_us();
	while (f->started < f->o.count && f->n_free) {
		uint64_t due = f->o.rate ? f->start_us + f->started * 1000000u / f->o.rate : now;
		if (due > now)
			return (int)((due - now) / 1000);
		start(f, due);
	}
	return 100;
}

static void run(struct flood *f)
{
	struct epoll_event events[EVENTS_PER_TURN];
	f->start_us = f->last_us = clock_boot_us();
	while (f->accepted + f->refused + f->errors < f->o.count) {
		int wait_ms = start_due(f);
		int n = epoll_wait(f->epoll, events, EVENTS_PER_TURN, wait_ms);
		for (int i = 0; i < n; i++)
			on_ready(f, events[i].data.u32, events[i].events);
		if (clock_boot_us() - f->last_us > GIVE_UP_US)
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
	printf("{\"sent\": %llu, \"accepted\": %llu, \"refused\": %llu, \"errors\": %llu, "
	       "\"elapsed_s\": %.3f, "
	       "\"accepted_per_s\": %.0f, \"latency_us\": {\"p50\": %u, \"p95\": %u, \"p99\": %u}, "
	       "\"cpu_us_per_hello\": %.1f}\n",
		(unsigned long long)f->started, (unsigned long long)f->accepted,
		(unsigned long long)f->refused, (unsigned long long)f->errors, seconds,
		seconds > 0 ? (double)f->accepted / seconds : 0, percentile(f, 50),
		percentile(f, 95), percentile(f, 99),
		(double)clock_cpu_us() / (double)(f->started ? f->started : 1));
}

int main(int argc, char **argv)
{
	static const struct argp argp = {options, on_option, NULL,
		"muster-flood: a flood of Hellos from distinct devices.", NULL, NULL, NULL};
	struct flood f = {.o = {.count = 10000, .concurrency = 256}};
	argp_parse(&argp, argc, argv, 0, NULL, &f.o);
	f.epoll = epoll_create1(EPOLL_CLOEXEC);
	f.calls = calloc(f.o.concurrency, sizeof *f.calls);
	f.free_list = calloc(f.o.concurrency, sizeof *f.free_list);
	f.latency_us = calloc(f.o.count, sizeof *f.latency_us);
	if (f.epoll < 0 || !f.calls || !f.free_list || !f.latency_us ||
		message_make(&f.message) < 0) {
		fputs("muster-flood: out of memory\n", stderr);
		return 1;
	}
	for (uint32_t i = 0; i < f.o.concurrency; i++) {
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
	return f.accepted == f.o.count ? 0 : 1;
}
