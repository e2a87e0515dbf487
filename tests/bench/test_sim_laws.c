/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws, quirks and scenario files: what a file says is what holds, errors name their line, and what
 * is drawn depends on seed, device, law and event only.
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 2000

static struct estate_opts opts;

static int load(const char *text, struct error *err)
{
	free(opts.mix_owned);
	estate_defaults(&opts);
	return scenario_load_text(&opts, text, "f.yaml", err);
}

static void test_scenario(void **state)
{
	struct error err = {0};
	(void)state;
	const char *text =
		"name: flaky\ndevices: 42\nmix: {amt16: 0.7, amt12: 0.3}\n"
		"quirks:\n  not-now: 0.05\n  tls-slow/1: {share: 0.5, value: 7000}\n"
		"  zero-uuid: {devices: [3, 17]}\n"
		"laws:\n  latency: lognormal:80:0.5\n  steps: {A.B: 'fixed:9'}\n"
		"  arrival: ramp:50:10\n  loss: {drop: 0.1, reboot: 0.2}\n  readdress: 0.25\n"
		"  compress: 60\n  slow-keys-ms: 1\n  deaf-ms: 2\n  stall-ms: 3\n  reboot-ms: 4\n";
	if (load(text, &err) < 0)
		fail_msg("%s", err.text);
	const struct laws *l = &opts.laws;
	assert_string_equal(opts.scenario, "flaky");
	assert_int_equal(opts.n_devices, 42);
	assert_string_equal(opts.mix, "amt16=0.7,amt12=0.3");
	assert_int_equal(opts.faults.n, 4);
	assert_int_equal(opts.faults.rules[1].fault, FAULT_TLS_SLOW);
	assert_int_equal(opts.faults.rules[1].value, 7000);
	assert_int_equal(opts.faults.rules[3].index, 17);
	assert_int_equal(l->latency.law, LATENCY_LOGNORMAL);
	assert_int_equal(l->n_steps, 1);
	assert_int_equal(l->arrival.law, ARRIVAL_RAMP);
	assert_true(l->loss[LOSS_DROP] == 0.1 && l->loss[LOSS_REBOOT] == 0.2);
	assert_true(l->readdress == 0.25 && l->compress == 60);
	assert_int_equal(
		l->slow_key_ms * 1000 + l->deaf_ms * 100 + l->stall_ms * 10 + l->reboot_ms, 1234);
}

static void test_scenario_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "empty"},
		{"- 1\n", "f.yaml:1: scenario: a mapping"},
		{"name: a\nlawz: {}\n", "f.yaml:2: lawz: no such key"},
		{"laws: {}\nlaws2: 1\n", "f.yaml:2: laws2"},
		{"laws:\n  latency: quick\n", "f.yaml:2: latency quick"},
		{"laws:\n  arrival: steady:0\n", "f.yaml:2: arrival steady:0"},
		{"laws:\n  loss: {gone: 0.1}\n", "f.yaml:2: loss gone"},
		{"laws:\n  loss: {drop: 0.7, reset: 0.7}\n", "together"},
		{"laws:\n  compress: 0\n", "above 0"},
		{"laws:\n  steps: {Commit: none}\n", "Class.Method"},
		{"quirks: {no-such: 0.1}\n", "f.yaml:1: --fault no-such"},
		{"quirks: {not-now/9: 0.1}\n", "no such quirk or version"},
		{"quirks: {not-now: 2}\n", "NAME=SHARE"},
		{"quirks: {not-now: {share: 0.1, devices: [1]}}\n", "share or devices"},
		{"quirks: {not-now: {share: 0.1, valu: 3}}\n", "share or devices"},
		{"mix: {amt16: much}\n", "a number"},
		{"name: [\n", "f.yaml:"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct error err = {0};
		if (load(bad[i].text, &err) != E_CONFIG || !strstr(err.text, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err.text);
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorted times of N devices under a law, after checking that they repeat by the seed alone. */
static const double *arrivals(const char *text)
{
	static double at[N], again[N], other[N];
	struct arrival law;
	struct error err = {0};
	assert_int_equal(laws_parse_arrival(&law, text, &err), 0);
	laws_arrivals(&law, 5, at, N);
	laws_arrivals(&law, 5, again, N);
	laws_arrivals(&law, 6, other, N);
	assert_memory_equal(at, again, sizeof at);
	assert_memory_not_equal(at, other, sizeof at);
	qsort(at, N, sizeof at[0], ascending);
	return at;
}

static void test_arrival(void **state)
{
	(void)state;
	const double *at = arrivals("burst:10");
	assert_true(at[0] >= 0 && at[N - 1] < 10000 && fabs(at[N / 2] - 5000) < 500);
	at = arrivals("steady:100");
	assert_true(fabs(at[N - 1] - (N - 1) * 10.0) < 1e-6);
	for (int i = 1; i < N; i++)
		assert_true(fabs(at[i] - at[i - 1] - 10) < 1e-6);
	/* 100 per second after 10 s: 500 devices come while it grows. */
	at = arrivals("ramp:100:10");
	assert_true(fabs(at[500] - 10000) < 20 && fabs(at[125] - 5000) < 50);
	assert_true(fabs(at[1500] - at[1400] - 1000) < 1e-6);
	/* Exponential gaps: mean 10 ms, and as much scatter. */
	at = arrivals("open:100");
	double mean = at[N - 1] / (N - 1), square = 0;
	for (int i = 1; i < N; i++)
		square += (at[i] - at[i - 1] - mean) * (at[i] - at[i - 1] - mean);
	assert_true(fabs(mean - 10) < 1 && fabs(sqrt(square / N) - 10) < 1.5);
}

static void test_latency_and_loss(void **state)
{
	struct laws laws = laws_default;
	struct error err = {0};
	struct rng rng;
	unsigned n[LOSS_N + 1] = {0};
	double sample[N];
	(void)state;
	assert_int_equal(laws_parse_latency(&laws.latency, "lognormal:80:0.5", &err), 0);
	assert_int_equal(laws_set_step(&laws, "A.Put", "fixed:1500", &err), 0);
	assert_int_equal(laws_parse_loss(&laws, "drop=0.1,reboot=0.3", &err), 0);
	assert_int_equal(laws_parse_loss(&laws, "drop", &err), E_CONFIG);
	rng_seed(&rng, 1, "test");
	for (int i = 0; i < N; i++) {
		sample[i] = laws_latency(&laws, "A.Get", &rng);
		n[laws_loss(&laws, &rng)]++;
	}
	qsort(sample, N, sizeof sample[0], ascending);
	assert_true(fabs(sample[N / 2] - 80) < 8); /* the median, within 4 standard errors */
	assert_true(fabs(log(sample[N * 84 / 100] / sample[N / 2]) - 0.5) < 0.08);
	assert_true(laws_latency(&laws, "A.Put", &rng) == 1500);
	assert_in_range(n[LOSS_DROP], 150, 250);
	assert_in_range(n[LOSS_REBOOT], 520, 680);
	assert_int_equal(n[LOSS_RESET] + n[LOSS_STALL] + n[LOSS_HALF_OPEN], 0);
}

/* Shares are kept, and a device has the same quirks whatever else the plan holds. */
static void test_quirk_shares(void **state)
{
	struct fault_plan one = {0}, two = {0};
	struct error err = {0};
	uint32_t values[FAULT_N] = {0};
	unsigned n = 0, n_next_seed = 0, same = 0;
	(void)state;
	assert_int_equal(fault_add(&one, "not-now=0.05:9", &err), 0);
	assert_int_equal(fault_add(&two, "reset=0.5", &err), 0);
	assert_int_equal(fault_add(&two, "not-now/1=0.05", &err), 0);
	for (size_t i = 0; i < 10 * N; i++) {
		uint64_t bit = UINT64_C(1) << FAULT_NOT_NOW;
		bool has = fault_choose(&one, 1, i, values) & bit;
		bool next_seed = fault_choose(&one, 2, i, values) & bit;
		assert_int_equal(has, !!(fault_choose(&two, 1, i, values) & bit));
		n += has;
		n_next_seed += next_seed;
		same += has && next_seed;
	}
	assert_in_range(n, 850, 1150);
	assert_in_range(n_next_seed, 850, 1150);
	assert_in_range(same, 20, 90); /* 50 by chance: seeds have nothing in common */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenario),
		cmocka_unit_test(test_scenario_refused),
		cmocka_unit_test(test_arrival),
		cmocka_unit_test(test_latency_and_loss),
		cmocka_unit_test(test_quirk_shares),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(opts.mix_owned);
	return rc;
}
