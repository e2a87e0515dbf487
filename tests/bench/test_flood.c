/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the options of the floods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/flood/options.h"

static void devices_come_again(void **state)
{
	(void)state;
	struct flood_options o;
	flood_defaults(&o, 10, 1);
	o.first = 100;
	assert_int_equal(flood_device(&o, 7), 107);
	o.clients = 3;
	assert_int_equal(flood_device(&o, 7), 101);
}

static void open_loop_has_a_schedule(void **state)
{
	(void)state;
	struct flood_options o;
	flood_defaults(&o, 10, 1);
	assert_int_equal(flood_due_us(&o, 5000, 3), 0);
	o.rate = 1000;
	assert_int_equal(flood_due_us(&o, 5000, 0), 5000);
	assert_int_equal(flood_due_us(&o, 5000, 3), 8000);
	/* No rounding that adds up. */
	o.rate = 3;
	assert_int_equal(flood_due_us(&o, 0, 3000000), 1000000000000ull);
}

static void count_and_period_end_it(void **state)
{
	(void)state;
	struct flood_options o;
	flood_defaults(&o, 10, 1);
	assert_true(flood_more(&o, 9, 0, 1000000000));
	assert_false(flood_more(&o, 10, 0, 0));
	o.count = 0;
	o.period_s = 2;
	assert_true(flood_more(&o, 1000000, 500, 500 + 1999999));
	assert_false(flood_more(&o, 0, 500, 500 + 2000000));
}

static void drops_decide_the_status(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t sent, answered;
		int status;
	} rows[] = {
		{"0", 100, 100, FLOOD_OK},
		{"0", 100, 99, FLOOD_DROPPED},
		{"5", 100, 95, FLOOD_OK},
		{"5", 100, 94, FLOOD_DROPPED},
		{"5%", 1000, 950, FLOOD_OK},
		{"5%", 1000, 949, FLOOD_DROPPED},
		{"0.5%", 1000, 995, FLOOD_OK},
		{"0.5%", 1000, 994, FLOOD_DROPPED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct flood_options o;
		flood_defaults(&o, 1, 1);
		assert_true(flood_parse_max_drop(&o, rows[i].text));
		assert_int_equal(flood_status(&o, rows[i].sent, rows[i].answered), rows[i].status);
	}
	static const char *const bad[] = {"", "%", "x", "5x", "5%%", "-1"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct flood_options o;
		flood_defaults(&o, 1, 1);
		assert_false(flood_parse_max_drop(&o, bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_come_again),
		cmocka_unit_test(open_loop_has_a_schedule),
		cmocka_unit_test(count_and_period_end_it),
		cmocka_unit_test(drops_decide_the_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
