/* SPDX-License-Identifier: Apache-2.0 */
/* An arena, a buffer and a message for each test, and documents written in one line. */
#ifndef MUSTER_TESTS_WSMAN_FIXTURE_H
#define MUSTER_TESTS_WSMAN_FIXTURE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/wsman/read.h"

#define X "urn:x"
#define ENVELOPE \
	"<s:Envelope xmlns:s=\"" WSMAN_NS_SOAP "\" xmlns:a=\"" WSMAN_NS_ADDR "\" xmlns:x=\"" X "\">"
#define IN_BODY(s) ENVELOPE "<s:Body>" s "</s:Body></s:Envelope>"

struct fixture {
	struct arena arena;
	struct buf out;
	struct wsman_message m;
	struct error err;
};

int wsman_setup(void **state);
int wsman_teardown(void **state);

/** Parse text into f->m. Returns and fills f->err as wsman_read(). */
int read_text(struct fixture *f, const char *text);

#define WSMAN_TEST(fn) cmocka_unit_test_setup_teardown(fn, wsman_setup, wsman_teardown)

#endif
