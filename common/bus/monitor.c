/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/bus/zwatch.h"

#define EVENTS_FAILED                                                                 \
	(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | \
		ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
#define EVENTS_WATCHED (EVENTS_FAILED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED)

/* First frame of an event: u16 event, u32 value, in the byte order of the host. */
#define EVENT_FRAME_LEN 6

struct monitor {
	void *watched, *pair;
	struct zwatch *watch;
	monitor_cb cb;
	void *arg;
};

static void monitor_report(struct monitor *m, uint16_t event, uint32_t value)
{
	char detail[96] = "";
	if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
		m->cb(BUS_UP, false, detail, m->arg);
		return;
	}
	if (event == ZMQ_EVENT_DISCONNECTED) {
		m->cb(BUS_DOWN, false, detail, m->arg);
		return;
	}
	bool auth = event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
	if (auth)
		snprintf(detail, sizeof detail, "key is not in the allow-list (status %" PRIu32 ")",
			value);
	else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
		snprintf(detail, sizeof detail,
			"wrong key or no Curve at the other end (0x%" PRIx32 ")", value);
	else
		snprintf(detail, sizeof detail, "the other end closed during the handshake");
	m->cb(BUS_REFUSED, auth, detail, m->arg);
}

static int monitor_take(void *arg)
{
	struct monitor *m = arg;
	uint8_t frame[EVENT_FRAME_LEN];
	int n = zmq_recv(m->pair, frame, sizeof frame, ZMQ_DONTWAIT);
	if (n < 0)
		return 0;
	char address[256]; /* the second frame: an endpoint that we know already */
	zmq_recv(m->pair, address, sizeof address, ZMQ_DONTWAIT);
	if (n != EVENT_FRAME_LEN)
		return 1;
	uint16_t event;
	uint32_t value;
	memcpy(&event, frame, sizeof event);
	memcpy(&value, frame + sizeof event, sizeof value);
	if (event & EVENTS_WATCHED)
		monitor_report(m, event, value);
	return 1;
}

int monitor_open(struct monitor **out, void *zmq_context, uv_loop_t *loop, void *socket,
	monitor_cb cb, void *arg, struct error *err)
{
	struct monitor *m = calloc(1, sizeof *m);
	ENSURE(m, err, -ENOMEM, "bus: out of memory");
	*m = (struct monitor){.watched = socket, .cb = cb, .arg = arg};
	char endpoint[64];
	snprintf(endpoint, sizeof endpoint, "inproc://monitor-%p", socket);
	m->pair = zmq_socket(zmq_context, ZMQ_PAIR);
	int rc;
	if (!m->pair || zmq_socket_monitor(socket, endpoint, EVENTS_WATCHED) != 0 ||
		zmq_connect(m->pair, endpoint) != 0) {
		rc = error_set(err, -errno, "bus: socket monitor: %s", zmq_strerror(errno));
		goto fail;
	}
	rc = zwatch_open(&m->watch, loop, m->pair, monitor_take, m, err);
	if (rc < 0)
		goto fail;
	*out = m;
	return 0;
fail:
	zmq_socket_monitor(socket, NULL, 0);
	if (m->pair)
		zmq_close(m->pair);
	free(m);
	return rc;
}

void monitor_close(struct monitor *m)
{
	if (!m)
		return;
	zmq_socket_monitor(m->watched, NULL, 0);
	zwatch_close(m->watch, free);
	zmq_close(m->pair);
}
