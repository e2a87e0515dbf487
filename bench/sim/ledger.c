/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines; see ledger.h. */
#include "bench/sim/ledger.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Final states of 100,000 devices fit; the buffer is written earlier in any case. */
#define LEDGER_BUFFER_MAX (256u << 20)
#define LEDGER_FLUSH_LEN  (1u << 20)

int ledger_open(struct ledger *l, const char *path, struct error *err)
{
	*l = (struct ledger){.fd = -1, .start_us = clock_boot_us()};
	buf_init(&l->out, LEDGER_BUFFER_MAX);
	if (!path)
		return 0;
	l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	ENSURE(l->fd >= 0, err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

int ledger_json_string(struct buf *out, const char *text)
{
	TRY(buf_adds(out, "\""));
	for (const char *s = text; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			TRY(buf_addf(out, "\\%c", c));
		else if (c < 0x20)
			TRY(buf_addf(out, "\\u%04x", c));
		else
			TRY(buf_add(out, s, 1));
	}
	return buf_adds(out, "\"");
}

/* A full buffer is told by ledger_flush(): each member is one append and may fail only there. */
static void note(struct ledger *l, int rc)
{
	if (rc < 0)
		l->failed = true;
}

void ledger_begin(struct ledger *l, const char *event, const char *device)
{
	if (l->fd < 0)
		return;
	note(l, buf_addf(&l->out, "{\"t\":%" PRIu64 ",\"ev\":\"%s\"", clock_boot_us() - l->start_us,
			event));
	if (device)
		note(l, buf_addf(&l->out, ",\"d\":\"%s\"", device));
}

void ledger_str(struct ledger *l, const char *key, const char *text)
{
	if (l->fd < 0)
		return;
	note(l, buf_addf(&l->out, ",\"%s\":", key));
	note(l, text ? ledger_json_string(&l->out, text) : buf_adds(&l->out, "null"));
}

void ledger_uint(struct ledger *l, const char *key, uint64_t value)
{
	if (l->fd >= 0)
		note(l, buf_addf(&l->out, ",\"%s\":%" PRIu64, key, value));
}

void ledger_bool(struct ledger *l, const char *key, bool value)
{
	if (l->fd >= 0)
		note(l, buf_addf(&l->out, ",\"%s\":%s", key, value ? "true" : "false"));
}

void ledger_end(struct ledger *l)
{
	if (l->fd < 0)
		return;
	note(l, buf_adds(&l->out, "}\n"));
	if (l->out.len > LEDGER_FLUSH_LEN)
		ledger_flush(l);
}

void ledger_flush(struct ledger *l)
{
	if (l->fd < 0 || l->out.len == 0)
		return;
	size_t at = 0;
	while (at < l->out.len) {
		ssize_t n = write(l->fd, l->out.data + at, l->out.len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			l->failed = true;
			break;
		}
		at += (size_t)n;
	}
	buf_consume(&l->out, l->out.len);
	if (l->failed) {
		fprintf(stderr, "muster-sim: the ledger is incomplete: %s\n", strerror(errno));
		l->failed = false;
	}
}

void ledger_close(struct ledger *l)
{
	ledger_flush(l);
	buf_free(&l->out);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
