/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver: runs the rows of a plan. It alone knows about leases, connections, repetition and
 * pauses; rows know what to say and what answers mean. Every transition goes through
 * drive_verdict(), which logs and counts it. What the device layer reports is in drive_device.c.
 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/crash.h"
#include "worker/drive_int.h"
#include "worker/passwords.h"

static const char *verdict_name(enum verdict_kind kind)
{
	static const char *const names[] = {
		"next", "goto", "plan", "again", "wait", "done", "give-back", "fail"};
	return names[kind];
}

static uint32_t row_timeout(const struct session *s)
{
	const struct conf_waits *w = &s->w->conf->worker.waits;
	return s->row->slow == STEP_SLOW ? w->slow_exchange_ms : w->exchange_ms;
}

/* A described request becomes bytes in s->body. @return 0 or the error of wsman_write() */
static int write_request(struct session *s, struct wsman_request *rq, struct error *err)
{
	rq->class_name = s->row->class_name;
	rq->message_id = ++s->message_id;
	buf_wipe(&s->body);
	return wsman_write(&s->body, rq, err);
}

/* Put what was described on the wire, after the step() if the row needs one. */
static void offer(struct session *s, struct wsman_request *rq)
{
	struct error err = {0};
	if (write_request(s, rq, &err) < 0) {
		session_set_failure(s, FAIL_DEAD, "bad_request",
			"%s: the request cannot be written: %s", s->row->name, err.text);
		drive_verdict(s, (struct verdict){.kind = VERDICT_FAIL});
		return;
	}
	if (s->row->effect == EFFECT_READ)
		drive_send(s);
	else
		lease_step(s, STORE_SECRET_KEEP, row_timeout(s));
}

void drive_send(struct session *s)
{
	const char *trace = NULL;
	if (s->w->conf->test.trace_header) {
		snprintf(s->trace, sizeof s->trace, "%s/%llu/%s", s->job,
			(unsigned long long)s->fence, s->row->name);
		trace = s->trace;
	}
	metric_add(&worker_metrics[WM_EXCHANGES], 1);
	device_call(&s->device, &s->body, s->message_id, row_timeout(s), trace);
}

void drive_enumerate(struct session *s)
{
	struct wsman_request rq = {.op = s->context[0] ? WSMAN_PULL : WSMAN_ENUMERATE,
		.context = s->context[0] ? s->context : NULL};
	offer(s, &rq);
}

/* Rows that talk to the store or the connector run after their step(). */
void drive_stepped(struct session *s)
{
	switch (s->row->kind) {
	case KIND_CALL: drive_send(s); break;
	case KIND_STORE: drive_verdict(s, s->row->interpret(s, NULL)); break;
	case KIND_WORK: {
		enum build b = s->row->build(s, NULL);
		if (b != BUILD_SEND)
			drive_verdict(s, b == BUILD_SKIP ? (struct verdict){.kind = VERDICT_NEXT}
							 : s->verdict);
		break;
	}
	default: break;
	}
}

/* A dry run reads and compares; what it would write, the comparing row has said already. */
static bool withheld(const struct session *s)
{
	return s->dry && s->row->effect != EFFECT_READ;
}

static void run_built(struct session *s)
{
	struct wsman_request rq = {0};
	enum build b = s->row->build(s, s->row->kind == KIND_CALL ? &rq : NULL);
	if (b == BUILD_SKIP || (b == BUILD_SEND && s->row->kind == KIND_LOCAL))
		drive_verdict(s, (struct verdict){.kind = VERDICT_NEXT});
	else if (b == BUILD_VERDICT)
		drive_verdict(s, s->verdict);
	else if (s->row->kind == KIND_CALL)
		offer(s, &rq);
	else if (s->row->kind == KIND_LIST)
		drive_enumerate(s);
	else if (s->row->kind == KIND_STORE)
		lease_step(s, passwords_promotion(s), 0);
}

static void run_row(struct session *s)
{
	if (s->stopping) {
		session_release(s);
		return;
	}
	if (crash_due(s->w->crashes, s, "before")) {
		session_lost(s, "test.crashes");
		return;
	}
	s->row_us = clock_boot_us();
	s->context[0] = '\0';
	s->pulls = 0;
	metric_add(&worker_metrics[WM_STEPS], 1);
	if (withheld(s))
		drive_verdict(s, (struct verdict){.kind = VERDICT_NEXT});
	else if (s->row->kind == KIND_CONNECT && s->row->build &&
		 s->row->build(s, NULL) == BUILD_SKIP)
		drive_verdict(s, (struct verdict){.kind = VERDICT_NEXT});
	else if (s->row->kind == KIND_CONNECT)
		drive_connect(s);
	else if (s->row->kind == KIND_WORK && s->row->effect != EFFECT_READ)
		lease_step(s, STORE_SECRET_KEEP, 0);
	else
		run_built(s);
}

static void enter(struct session *s, size_t at)
{
	const struct plan *plan = &plan_table[s->plan];
	s->at = at;
	s->tries = s->row_cuts = 0;
	s->row = &step_table[plan->steps[at]];
	if (s->cuts && s->row->effect == EFFECT_ONCE && s->row->kind == KIND_CALL)
		device_drop(&s->device); /* on a new connection: least likely to be cut */
	s->wake = run_row;               /* through the timer: rows that skip would recurse */
	boot_timer_set_in(&s->timer, 0);
}

/* Before the device is connected: a device that asks for a login may know the profile's MEBx
 * password. The first step() makes them durable. */
static bool secrets_ready(struct session *s)
{
	struct error err = {0};
	if (session_make_secrets(s, &err) == 0)
		return true;
	session_set_failure(s, FAIL_MANUAL, "no_password",
		"the passwords of profile %s cannot be made: %s", s->profile->name, err.text);
	session_fail(s);
	return false;
}

void drive_plan(struct session *s, enum plan_id plan)
{
	if (s->pending_dirty) { /* never written ahead, so on no device */
		secret_set_free(&s->secrets.pend);
		s->pending_dirty = false;
	}
	s->pend_first = s->secrets.pend.n > 0;
	if (plan == PLAN_SETUP && !secrets_ready(s))
		return;
	if (plan == PLAN_SETUP) {
		s->phase_deadline_ms =
			clock_boot_ms() + (uint64_t)s->w->conf->worker.waits.phase_a_s * 1000;
	}
	if (plan == PLAN_SETUP || plan == PLAN_ADOPT) {
		s->setups++;
		arena_reset(&s->keep);
		arena_reset(&s->lists);
		s->o = (struct observed){0};
		marks_clear(s, NULL); /* it has nothing of an earlier life */
	}
	s->plan = plan;
	s->connect_tries = 0;
	enter(s, 0);
}

static void next(struct session *s)
{
	if (s->at + 1 < plan_table[s->plan].n_steps)
		enter(s, s->at + 1);
	else if (s->plan == PLAN_SETUP || (s->plan == PLAN_ROTATE && s->kind == JOB_ADOPT))
		drive_plan(s, PLAN_ADMIN);
	else
		drive_verdict(s, (struct verdict){.kind = VERDICT_DONE});
}

static void pause_for(struct session *s, uint32_t ms)
{
	s->phase_deadline_ms += ms; /* waiting is not work. SPEC: ruling 13 */
	s->wake = run_row;
	boot_timer_set_in(&s->timer, ms);
}

void drive_verdict(struct session *s, struct verdict v)
{
	buf_wipe(&s->body);
	secret_free(&s->param);
	LOG_DEBUG("step", KV_STR("job", s->job), KV_STR("uuid", s->uuid_text),
		KV_STR("step", s->row->name), KV_STR("verdict", verdict_name(v.kind)),
		KV_UINT("us", clock_boot_us() - s->row_us), KV_UINT("after_ms", v.after_ms));
	int at;
	if (crash_due(s->w->crashes, s, "after")) {
		session_lost(s, "test.crashes");
		return;
	}
	switch (v.kind) {
	case VERDICT_NEXT: next(s); break;
	case VERDICT_GOTO:
		at = plan_index(&plan_table[s->plan], (enum step_id)v.target);
		if (at >= 0) {
			enter(s, (size_t)at);
			boot_timer_set_in(&s->timer, v.after_ms);
			break;
		}
		session_set_failure(
			s, FAIL_DEAD, "plan", "%s leads to a row outside its plan", s->row->name);
		session_fail(s);
		break;
	case VERDICT_PLAN: drive_plan(s, (enum plan_id)v.target); break;
	case VERDICT_AGAIN: pause_for(s, v.after_ms); break;
	case VERDICT_DONE: session_done(s); break;
	case VERDICT_GIVE_BACK: session_release(s); break;
	case VERDICT_WAIT:
	case VERDICT_FAIL: session_fail(s); break;
	}
}
