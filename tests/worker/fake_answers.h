/* SPDX-License-Identifier: Apache-2.0 */
/* What the device of the tests answers, written from spec/wsman.md and provisioning.md. */
#ifndef MUSTER_TEST_FAKE_ANSWERS_H
#define MUSTER_TEST_FAKE_ANSWERS_H

#include "common/base/arena.h"
#include "proto/wsman/read.h"
#include "tests/worker/fake_device.h"

struct fake_request {
	char row[64];
	struct arena arena;
	struct wsman_message m;
	const char *message_id;
	char method[64]; /* "" for Get, Put, ... */
	bool is_fault, quotes;
};

void fake_request_names(struct fake_request *rq);
void fake_answer(struct fake_device *d, struct fake_request *rq, struct buf *out);
void fake_output(struct fake_request *rq, unsigned rv, const char *inner, struct buf *out);
void fake_fault_body(struct fake_request *rq, const char *subcode, struct buf *out);

#endif
