/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer thread and the two formats. A line is formatted on the caller's stack, then copied
 * under a mutex into the buffer that is being filled; the writer swaps that buffer with an empty
 * one and writes outside the mutex, so a caller waits at most for one memcpy, never for the reader
 * of standard error. Before log_start() and after log_stop() lines are written directly.
 *
 * Rate limit: an event name may write EVENT_LINES_PER_S lines in one second of the clock; the rest
 * is counted and told by one "log.suppressed" line when the name is next used in a later second.
 */
#include "common/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

/* Two of these: about 5,000 lines of usual length while the reader of stderr is stuck. */
#define BUFFER_BYTES (512 * 1024)
/* Longest line; pairs that no longer fit are left out and the line says so. */
#define LINE_BYTES 8192
/* Longest value of one pair before escaping: texts of errors have 320. */
#define VALUE_BYTES 1024
/* Room kept at the end of a line for the mark that pairs were left out. */
#define TAIL_BYTES 32
/* Far above any event that is not a loop gone wild; keeps a storm from hiding the rest. */
#define EVENT_LINES_PER_S 2000
/* Distinct event names with their own rate limit; more than these share the last slot. */
#define EVENT_SLOTS 256

struct line {
	char text[LINE_BYTES];
	size_t len;
	bool full;
};

struct event_rate {
	char name[48];
	uint64_t second;
	uint32_t n_lines, n_suppressed;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_t writer;
	bool running, stopping;
	enum log_level level;
	enum log_format format;
	char role[32];
	char *fill, *drain; /* the buffer that callers fill, the one that is written */
	size_t fill_len;
	uint64_t n_dropped;
	struct event_rate rates[EVENT_SLOTS];
} logger = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.level = LOG_LEVEL_INFO,
	.role = "muster",
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* ---- formatting ------------------------------------------------------------------------- */

static void line_add(struct line *l, const char *s, size_t len)
{
	if (l->full || len > sizeof l->text - TAIL_BYTES - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, s, len);
	l->len += len;
}

static void line_adds(struct line *l, const char *s)
{
	line_add(l, s, strlen(s));
}

/* Length of the well-formed UTF-8 sequence at s, 0 when it is not one (RFC 3629 table). */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char first_lo, first_hi, second_lo, second_hi, len;
	} rows[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (s[0] < rows[i].first_lo || s[0] > rows[i].first_hi)
			continue;
		if (left < rows[i].len || s[1] < rows[i].second_lo || s[1] > rows[i].second_hi)
			return 0;
		for (size_t k = 2; k < rows[i].len; k++) {
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		}
		return rows[i].len;
	}
	return 0;
}

/* The JSON escapes serve the text format too: one line stays one line whatever a peer sent. */
static void line_add_escaped(struct line *l, const char *s)
{
	size_t len = strnlen(s, VALUE_BYTES);
	bool cut = s[len] != '\0';
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)s[i];
		char code[8];
		size_t n = 1;
		if (c == '"' || c == '\\') {
			line_add(l, (char[]){'\\', (char)c}, 2);
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(code, sizeof code, "\\u%04x", c);
			line_adds(l, code);
		} else if (c < 0x80) {
			line_add(l, s + i, 1);
		} else {
			n = utf8_len((const unsigned char *)s + i, len - i);
			n ? line_add(l, s + i, n) : line_adds(l, "\\ufffd");
			n = n ? n : 1;
		}
		i += n;
	}
	if (cut)
		line_adds(l, "...");
}

static void line_add_quoted(struct line *l, const char *s)
{
	line_add(l, "\"", 1);
	line_add_escaped(l, s);
	line_add(l, "\"", 1);
}

/* A bare word of the text format needs no quotes. */
static bool is_plain(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s; s++) {
		if (*s <= ' ' || *s >= 0x7f || *s == '"' || *s == '\\' || *s == '=')
			return false;
	}
	return true;
}

static void line_add_value(struct line *l, const struct log_kv *kv)
{
	char number[24];
	const char *str = kv->str ? kv->str : "";
	switch (kv->type) {
	case LOG_KV_STR:
		if (logger.format == LOG_FORMAT_TEXT && is_plain(str) && strlen(str) <= VALUE_BYTES)
			line_adds(l, str);
		else
			line_add_quoted(l, str);
		return;
	case LOG_KV_INT:
		snprintf(number, sizeof number, "%" PRId64, kv->i);
		line_adds(l, number);
		return;
	case LOG_KV_UINT:
		snprintf(number, sizeof number, "%" PRIu64, kv->u);
		line_adds(l, number);
		return;
	case LOG_KV_BOOL: line_adds(l, kv->u ? "true" : "false"); return;
	case LOG_KV_SECRET:
		line_adds(l, logger.format == LOG_FORMAT_TEXT ? "<redacted>" : "\"<redacted>\"");
		return;
	}
}

/* A pair may not repeat a name of the line's own head: JSON readers would keep only one of them. */
static bool is_head_name(const char *key)
{
	static const char *const names[] = {"ts", "level", "role", "process", "event", "truncated"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(key, names[i]) == 0)
			return true;
	}
	return false;
}

static void line_add_pair(struct line *l, const struct log_kv *kv)
{
	size_t start = l->len;
	const char *mark = is_head_name(kv->key) ? "_" : "";
	if (logger.format == LOG_FORMAT_JSON) {
		line_adds(l, ",\"");
		line_add_escaped(l, kv->key);
		line_adds(l, mark);
		line_adds(l, "\":");
	} else {
		line_adds(l, " ");
		line_adds(l, kv->key);
		line_adds(l, mark);
		line_adds(l, "=");
	}
	line_add_value(l, kv);
	if (l->full)
		l->len = start; /* a pair is there whole or not at all */
}

static void line_head(struct line *l, enum log_level level, const char *event)
{
	uint64_t now_ms = clock_wall_ms();
	time_t now_s = (time_t)(now_ms / 1000);
	struct tm tm;
	char day[32], head[160];
	gmtime_r(&now_s, &tm);
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	const char *fmt = logger.format == LOG_FORMAT_JSON
				  ? "{\"ts\":\"%s.%03uZ\",\"level\":\"%s\",\"role\":\"%s\","
				    "\"process\":%d,\"event\":"
				  : "%s.%03uZ %-5s %s[%d] ";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(head, sizeof head, fmt, day, (unsigned)(now_ms % 1000), level_names[level],
		logger.role, (int)getpid());
#pragma GCC diagnostic pop
	line_adds(l, head);
	logger.format == LOG_FORMAT_JSON ? line_add_quoted(l, event) : line_adds(l, event);
}

static void line_build(struct line *l, enum log_level level, const char *event,
	const struct log_kv *kv, size_t n_kv)
{
	l->len = 0;
	l->full = false;
	line_head(l, level, event);
	for (size_t i = 0; i < n_kv && !l->full; i++)
		line_add_pair(l, &kv[i]);
	bool json = logger.format == LOG_FORMAT_JSON;
	/* TAIL_BYTES are free for this. */
	const char *tail = !l->full ? "" : json ? ",\"truncated\":true" : " truncated=true";
	l->len += (size_t)snprintf(
		l->text + l->len, sizeof l->text - l->len, "%s%s\n", tail, json ? "}" : "");
}

/* ---- the writer ------------------------------------------------------------------------- */

static void write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, data, len);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
			poll(&pfd, 1, -1);
		} else if (n == 0 || errno != EINTR) {
			return; /* nobody reads: there is nowhere to complain */
		}
	}
}

/* Called with the lock held. */
static void append_locked(const struct line *l)
{
	if (!logger.running) {
		write_all(l->text, l->len);
	} else if (l->len > BUFFER_BYTES - logger.fill_len) {
		logger.n_dropped++;
	} else {
		memcpy(logger.fill + logger.fill_len, l->text, l->len);
		logger.fill_len += l->len;
		pthread_cond_signal(&logger.filled);
	}
}

/* Called with the lock held, after a swap: the buffer is empty, so the line fits. */
static void report_dropped_locked(void)
{
	if (logger.n_dropped == 0)
		return;
	struct line l;
	const struct log_kv kv[] = {KV_UINT("lines", logger.n_dropped)};
	logger.n_dropped = 0;
	line_build(&l, LOG_LEVEL_WARN, "log.dropped", kv, 1);
	append_locked(&l);
}

static void *writer_main(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&logger.lock);
	for (;;) {
		while (logger.fill_len == 0 && !logger.stopping)
			pthread_cond_wait(&logger.filled, &logger.lock);
		if (logger.fill_len == 0)
			break;
		char *full = logger.fill;
		size_t len = logger.fill_len;
		logger.fill = logger.drain;
		logger.drain = full;
		logger.fill_len = 0;
		report_dropped_locked();
		pthread_mutex_unlock(&logger.lock);
		write_all(full, len);
		pthread_mutex_lock(&logger.lock);
	}
	pthread_mutex_unlock(&logger.lock);
	return NULL;
}

/* ---- the rate limit --------------------------------------------------------------------- */

static struct event_rate *rate_slot_locked(const char *event)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	for (const char *p = event; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	for (uint32_t i = 0; i < EVENT_SLOTS - 1; i++) {
		struct event_rate *r = &logger.rates[(hash + i) % (EVENT_SLOTS - 1)];
		if (r->name[0] == '\0')
			snprintf(r->name, sizeof r->name, "%s", event);
		if (strncmp(r->name, event, sizeof r->name - 1) == 0)
			return r;
	}
	return &logger.rates[EVENT_SLOTS - 1];
}

/* Whether this line may be written; starts a new second when it is time and tells what the past
 * one suppressed. */
static bool rate_pass_locked(const char *event)
{
	struct event_rate *r = rate_slot_locked(event);
	uint64_t second = clock_boot_ms() / 1000;
	if (r->second != second) {
		uint32_t n_suppressed = r->n_suppressed;
		r->second = second;
		r->n_lines = r->n_suppressed = 0;
		if (n_suppressed) {
			struct line l;
			const struct log_kv kv[] = {
				KV_STR("name", event), KV_UINT("lines", n_suppressed)};
			line_build(&l, LOG_LEVEL_WARN, "log.suppressed", kv, 2);
			append_locked(&l);
		}
	}
	if (r->n_lines < EVENT_LINES_PER_S) {
		r->n_lines++;
		return true;
	}
	r->n_suppressed++;
	return false;
}

/* ---- interface -------------------------------------------------------------------------- */

static int writer_start_locked(void)
{
	logger.fill = malloc(BUFFER_BYTES);
	logger.drain = malloc(BUFFER_BYTES);
	if (!logger.fill || !logger.drain)
		return -ENOMEM;
	/* Signals belong to the loop; a blocked SIGPIPE turns into EPIPE here. */
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int rc = pthread_create(&logger.writer, NULL, writer_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

static void buffers_free_locked(void)
{
	free(logger.fill);
	free(logger.drain);
	logger.fill = logger.drain = NULL;
	logger.fill_len = 0;
}

void log_start(const char *role, enum log_level level, enum log_format format)
{
	static bool at_exit_set;
	pthread_mutex_lock(&logger.lock);
	if (!logger.running) {
		snprintf(logger.role, sizeof logger.role, "%s", role);
		logger.format = format;
		logger.stopping = false;
		memset(logger.rates, 0, sizeof logger.rates);
		log_set_level(level);
		if (writer_start_locked() == 0)
			logger.running = true;
		else
			buffers_free_locked(); /* go on without the thread: direct writes */
		if (!at_exit_set)
			at_exit_set = atexit(log_stop) == 0;
	}
	pthread_mutex_unlock(&logger.lock);
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&logger.level, level, __ATOMIC_RELAXED);
}

void log_stop(void)
{
	pthread_mutex_lock(&logger.lock);
	bool was_running = logger.running && !logger.stopping;
	logger.stopping = true;
	pthread_cond_signal(&logger.filled);
	pthread_mutex_unlock(&logger.lock);
	if (!was_running)
		return;
	pthread_join(logger.writer, NULL);
	pthread_mutex_lock(&logger.lock);
	logger.running = false;
	/* Lines that came between the writer's last look and now. */
	write_all(logger.fill, logger.fill_len);
	buffers_free_locked();
	pthread_mutex_unlock(&logger.lock);
}

int log_enabled(enum log_level level)
{
	return level >= __atomic_load_n(&logger.level, __ATOMIC_RELAXED);
}

void log_event(enum log_level level, const char *event, const struct log_kv *kv, size_t n_kv)
{
	struct line l;
	pthread_mutex_lock(&logger.lock);
	bool pass = rate_pass_locked(event);
	pthread_mutex_unlock(&logger.lock);
	if (!pass)
		return;
	line_build(&l, level, event, kv, n_kv);
	pthread_mutex_lock(&logger.lock);
	append_locked(&l);
	pthread_mutex_unlock(&logger.lock);
}

int log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}
