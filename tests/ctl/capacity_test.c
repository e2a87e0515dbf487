/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the capacity model, with costs that make it easy to check by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/capacity.h"

/* 1 ms of worker, 100 us of Redis, ... */
static const char costs_text[] =
	"{\"measured\": {\"date\": \"2026-11-24\", \"processor\": \"test\"}, \"exchanges\": 50,"
	" \"worker_us\": 5000, \"worker_exchange_us\": 20, \"redis_us\": 1000, \"broker_us\": 100,"
	" \"listener_us\": 25, \"ca_us\": 500, \"redis_writes\": 15, \"redis_device_bytes\": 2048,"
	" \"worker_idle_cores\": 0.01, \"redis_idle_cores\": 1e-9, \"broker_idle_cores\": 1e-9,"
	" \"listener_idle_cores\": 1e-9, \"ca_idle_cores\": 1e-9, \"worker_base_kib\": 20000, "
	"\"worker_session_kib\": 40, \"redis_base_kib\": 10000,"
	" \"broker_base_kib\": 8000, \"listener_base_kib\": 6000, \"ca_base_kib\": 9000}";

static struct capacity_plan plan_of(double devices, double hours, double exchanges, double peak)
{
	struct capacity_costs costs;
	struct capacity_site site;
	struct capacity_plan plan;
	struct error err = {0};
	assert_int_equal(capacity_costs_read(&costs, costs_text, strlen(costs_text), &err), 0);
	capacity_site_defaults(&site);
	site.devices = devices;
	site.hours = hours;
	site.exchanges = exchanges;
	site.peak = peak;
	capacity_plan(&plan, &costs, &site);
	return plan;
}

static void assert_near(double a, double b)
{
	assert_true(fabs(a - b) <= 1e-9 * fmax(fabs(b), 1));
}

static void a_small_site_needs_one_of_each(void **state)
{
	(void)state;
	struct capacity_plan p = plan_of(3600, 1, 0, 1); /* one per second */
	assert_near(p.rate, 1);
	assert_near(p.in_flight, 90);
	assert_near(p.redis_writes, 15);
	assert_near(p.cores[CAPACITY_WORKER], 0.005 + 0.01); /* the idle part of one process */
	assert_near(p.cores[CAPACITY_LISTENER], 1.2 * 25e-6 + 1e-9);
	for (int i = 0; i < CAPACITY_ROLES; i++)
		assert_near(p.processes[i], 1);
	assert_near(p.kib[CAPACITY_WORKER], 20000 + 90 * 40);
	assert_near(p.kib[CAPACITY_REDIS], 10000 + 3600 * 2);
	assert_false(p.redis_full);
}

/* 5,000 sessions by 90 s are 55.6 per second: sessions end it long before the 140/s of the CPU. */
static void sessions_limit_slow_devices(void **state)
{
	(void)state;
	struct capacity_plan p = plan_of(360000, 1, 0, 1); /* 100 per second */
	assert_near(p.in_flight, 9000);
	assert_near(p.processes[CAPACITY_WORKER], 2);
	assert_near(p.max_rate[CAPACITY_WORKER], 2 * 5000 / 90.0);
	assert_int_equal(p.limit, CAPACITY_WORKER);
}

static void cpu_limits_at_a_high_rate(void **state)
{
	(void)state;
	struct capacity_plan p = plan_of(360000, 1, 0, 6); /* 600 per second at the peak */
	assert_near(p.peak_rate, 600);
	assert_near(p.cores[CAPACITY_WORKER], 3 + 11 * 0.01);
	/* 54,000 sessions need 11 workers, the CPU only 5. */
	assert_near(p.processes[CAPACITY_WORKER], 11);
	assert_near(p.cores[CAPACITY_REDIS], 0.6 + 1e-9);
	assert_false(p.redis_full);
	assert_near(p.max_rate[CAPACITY_REDIS], (0.7 - 1e-9) * 1000);
}

static void one_redis_is_one_core(void **state)
{
	(void)state;
	struct capacity_plan p = plan_of(360000, 1, 0, 8); /* 0.8 of its core: above 0.7 */
	assert_true(p.redis_full);
	assert_near(p.processes[CAPACITY_REDIS], 1);
}

static void more_exchanges_cost_the_worker(void **state)
{
	(void)state;
	struct capacity_plan p = plan_of(3600, 1, 100, 1);
	assert_near(p.cores[CAPACITY_WORKER], (5000 + 50 * 20) / 1e6 + 0.01);
	assert_near(p.cores[CAPACITY_REDIS], 1000 / 1e6 + 1e-9);
}

static void costs_are_complete_or_refused(void **state)
{
	(void)state;
	struct capacity_costs costs;
	struct error err = {0};
	static const char *const bad[] = {"", "[]", "{\"worker_us\": 1}", "{\"worker_us\": -1"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err = (struct error){0};
		assert_int_equal(
			capacity_costs_read(&costs, bad[i], strlen(bad[i]), &err), E_CONFIG);
		assert_true(strncmp(err.text, "costs: ", 7) == 0);
	}
	/* What was built in is complete, and says where it comes from. */
	assert_int_equal(capacity_costs_builtin(&costs, &err), 0);
	assert_true(strlen(costs.where) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_site_needs_one_of_each),
		cmocka_unit_test(sessions_limit_slow_devices),
		cmocka_unit_test(cpu_limits_at_a_high_rate),
		cmocka_unit_test(one_redis_is_one_core),
		cmocka_unit_test(more_exchanges_cost_the_worker),
		cmocka_unit_test(costs_are_complete_or_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
