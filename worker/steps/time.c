/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK: needed before certificates, and kept right by upkeep. SPEC: provisioning.md 3 CLOCK;
 * maintenance.md 4 */
#include "common/base/clock.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

/* Setup sets the clock whatever it says; upkeep, when it is off by more than the profile allows. */
static bool tolerates(const struct session *s)
{
	uint32_t now = (uint32_t)(clock_wall_ms() / 1000);
	uint32_t off = now > s->o.ta0 ? now - s->o.ta0 : s->o.ta0 - now;
	return s->plan != PLAN_SETUP && off <= s->profile->time.max_drift_s;
}

/* A device that comes from setup has had it set a moment ago. */
enum build clock_get_build(struct session *s, struct wsman_request *rq)
{
	if (s->plan != PLAN_SETUP && s->kind == JOB_SETUP)
		return BUILD_SKIP;
	rq->op = WSMAN_INVOKE;
	rq->method = "GetLowAccuracyTimeSynch";
	return BUILD_SEND;
}

struct verdict clock_get_read(struct session *s, const struct wsman_message *m)
{
	uint64_t ta0;
	if (wsman_node_uint(m->payload, "Ta0", &ta0) < 0 || ta0 > UINT32_MAX)
		return v_fail(s, FAIL_RETRY, "no_clock", "GetLowAccuracyTimeSynch answered no Ta0");
	s->o.ta0 = (uint32_t)ta0;
	if (!tolerates(s)) {
		char have[24], want[24];
		snprintf(have, sizeof have, "%u", s->o.ta0);
		snprintf(want, sizeof want, "%llu", (unsigned long long)(clock_wall_ms() / 1000));
		setting_report(s, s->row->class_name, "Ta0", have, want);
	}
	return v_next();
}

enum build clock_set_build(struct session *s, struct wsman_request *rq)
{
	static const char *const names[] = {"Ta0", "Tm1", "Tm2"};
	if (s->plan != PLAN_SETUP && (s->kind == JOB_SETUP || tolerates(s)))
		return BUILD_SKIP;
	struct wsman_param *p = arena_alloc(&s->keep, 3 * sizeof *p);
	unsigned long long now = clock_wall_ms() / 1000;
	char *ta0 = arena_printf(&s->keep, "%u", s->o.ta0);
	char *tm = arena_printf(&s->keep, "%llu", now);
	if (!p || !ta0 || !tm)
		return build_nomem(s);
	for (int i = 0; i < 3; i++)
		p[i] = WSMAN_TEXT(names[i], i == 0 ? ta0 : tm);
	rq->op = WSMAN_INVOKE;
	rq->method = "SetHighAccuracyTimeSynch";
	rq->params = p;
	rq->n_params = 3;
	return BUILD_SEND;
}

struct verdict clock_set_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return v_next();
}
