/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of the worker's tests. */
#ifndef MUSTER_TEST_WORKER_H
#define MUSTER_TEST_WORKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* after what it needs */
#include <cmocka.h>

#include "common/base/clock.h"

/* Run the loop until a condition holds; fails the test at the deadline. */
#define RUN_UNTIL(loop, cond, ms)                                                                  \
	do {                                                                                       \
		uint64_t until_ = clock_boot_ms() + (ms);                                          \
		while (!(cond)) {                                                                  \
			if (clock_boot_ms() > until_)                                              \
				fail_msg("gave up after %d ms waiting for: %s", (int)(ms), #cond); \
			uv_timer_t nudge_;                                                         \
			uv_timer_init(loop, &nudge_);                                              \
			uv_timer_start(&nudge_, worker_test_nudge, 5, 0);                          \
			uv_run(loop, UV_RUN_ONCE);                                                 \
			uv_close((uv_handle_t *)&nudge_, NULL);                                    \
			uv_run(loop, UV_RUN_NOWAIT);                                               \
		}                                                                                  \
	} while (0)

static inline void worker_test_nudge(uv_timer_t *t)
{
	(void)t;
}

/* Run what is left (closing handles) and close the loop. */
static inline void worker_test_close(uv_loop_t *loop)
{
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

#endif
