/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More time in setup. A job that the broker marks "extend" (the queue is longer than the device's
 * window) does this, after the device has been identified, and nothing else: the job goes back into
 * the queue. A device that gives no more time is configured at once: it is connected and next to be
 * lost. It is not asked again. SPEC: provisioning.md 3, hello.md 5.2
 */
#include "common/base/log.h"
#include "worker/steps/steps.h"

#define EXTEND_HOURS 24 /* the longest that ExtendProvisioningPeriod takes */
#define HOUR_MS      (3600ull * 1000)

enum build extend_ask(struct session *s, struct wsman_request *rq)
{
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	const char *hours = arena_printf(&s->keep, "%d", EXTEND_HOURS);
	if (!p || !hours)
		return build_nomem(s);
	*p = WSMAN_TEXT("Duration", hours);
	rq->op = WSMAN_INVOKE;
	rq->method = "ExtendProvisioningPeriod";
	rq->params = p;
	rq->n_params = 1;
	return BUILD_SEND;
}

static void note(const struct session *s, bool given)
{
	LOG_INFO("window.extend", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_BOOL("given", given));
}

enum build window_extend_build(struct session *s, struct wsman_request *rq)
{
	return s->extends ? extend_ask(s, rq) : BUILD_SKIP;
}

struct verdict window_extend_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	note(s, true);
	s->extended_ms = EXTEND_HOURS * HOUR_MS;
	return (struct verdict){.kind = VERDICT_GIVE_BACK};
}

/* No more time: now or never, unless somebody has still to decide about the device. */
static struct verdict not_given(struct session *s)
{
	note(s, false);
	return s->undecided ? (struct verdict){.kind = VERDICT_GIVE_BACK} : v_next();
}

struct verdict window_extend_refused(struct session *s, uint32_t rv)
{
	(void)rv;
	return not_given(s);
}

struct verdict window_extend_fault(struct session *s, enum wsman_reaction reaction)
{
	(void)reaction;
	return not_given(s);
}
