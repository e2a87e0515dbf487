/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK: needed before certificates. SPEC: provisioning.md 3 CLOCK */
#include "common/base/clock.h"
#include "worker/steps/steps.h"

enum build clock_get_build(struct session *s, struct wsman_request *rq)
{
	(void)s;
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
	return v_next();
}

enum build clock_set_build(struct session *s, struct wsman_request *rq)
{
	static const char *const names[] = {"Ta0", "Tm1", "Tm2"};
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
