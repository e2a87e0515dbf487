/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines on CLOCK_BOOTTIME over uv_timer: moving one away costs a store. See timer.h. */
#include "common/net/timer.h"

#include "common/base/clock.h"

/* libuv counts on CLOCK_MONOTONIC, so we sleep the difference and look again. */
static void timer_sleep(struct boot_timer *t, uint64_t now_ms);

static void timer_look(uv_timer_t *uv)
{
	struct boot_timer *t = uv->data;

	t->uv_due_ms = 0;
	if (!t->deadline_ms)
		return;
	uint64_t now_ms = clock_boot_ms();

	if (now_ms < t->deadline_ms) {
		timer_sleep(t, now_ms);
		return;
	}
	t->deadline_ms = 0;
	t->fn(t, t->arg);
}

static void timer_sleep(struct boot_timer *t, uint64_t now_ms)
{
	uint64_t delay_ms = t->deadline_ms > now_ms ? t->deadline_ms - now_ms : 0;

	t->uv_due_ms = now_ms + delay_ms;
	uv_update_time(t->uv.loop);
	uv_timer_start(&t->uv, timer_look, delay_ms, 0);
}

void boot_timer_init(struct boot_timer *t, uv_loop_t *loop, boot_timer_fn fn, void *arg)
{
	*t = (struct boot_timer){.fn = fn, .arg = arg};
	uv_timer_init(loop, &t->uv);
	t->uv.data = t;
}

void boot_timer_set(struct boot_timer *t, uint64_t deadline_ms)
{
	t->deadline_ms = deadline_ms ? deadline_ms : 1;
	if (t->uv_due_ms && t->uv_due_ms <= t->deadline_ms)
		return; /* it will look in time and sleep on */
	timer_sleep(t, clock_boot_ms());
}

void boot_timer_set_in(struct boot_timer *t, uint64_t delay_ms)
{
	boot_timer_set(t, clock_boot_ms() + delay_ms);
}

void boot_timer_stop(struct boot_timer *t)
{
	t->deadline_ms = 0;
}

int boot_timer_active(const struct boot_timer *t)
{
	return t->deadline_ms != 0;
}

static void timer_closed(uv_handle_t *uv)
{
	struct boot_timer *t = uv->data;

	if (t->closed)
		t->closed(t, t->arg);
}

void boot_timer_close(struct boot_timer *t, boot_timer_fn closed)
{
	t->deadline_ms = 0;
	t->closed = closed;
	uv_close((uv_handle_t *)&t->uv, timer_closed);
}
