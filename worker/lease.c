/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/lease.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/session.h"
#include "worker/worker.h"

void lease_granted(struct lease *l, uint64_t sent_ms, uint32_t ttl_ms)
{
	uint64_t deadline = sent_ms + (ttl_ms > LEASE_GUARD_MS ? ttl_ms - LEASE_GUARD_MS : 0);
	if (deadline > l->deadline_ms)
		l->deadline_ms = deadline;
}

bool lease_may_write(const struct lease *l, uint64_t now_ms)
{
	return now_ms < l->deadline_ms;
}

uint32_t lease_ttl(uint32_t run_lease_ms, uint32_t timeout_ms)
{
	uint32_t need = timeout_ms + LEASE_SPARE_MS;
	return need > run_lease_ms ? need : run_lease_ms;
}

struct store_lease lease_who(const struct session *s)
{
	return (struct store_lease){.job = s->job, .uuid = s->uuid_text, .fence = s->fence};
}

/* One step() under way. */
struct stepping {
	struct session *s;
	uint64_t sent_ms;
	uint32_t ttl_ms, timeout_ms;
	enum store_secret_act act;
	bool sealed;
	bool dek;
	bool marks;
};

static void step_again(struct session *s)
{
	drive_verdict(s, (struct verdict){.kind = VERDICT_AGAIN});
}

static void on_step(const struct error *err, void *arg)
{
	struct stepping *st = arg;
	struct session *s = st->s;
	if (err && st->marks) /* not in the record yet */
		s->marks.dirty = true;
	if (s->life != LIFE_RUN) {
		/* over already */
	} else if (!err) {
		lease_granted(&s->lease, st->sent_ms, st->ttl_ms);
		if (st->sealed)
			s->pending_dirty = false;
		if (st->dek)
			s->had_dek = true;
		drive_stepped(s);
	} else if (err->code == E_STALE) {
		session_lost(s, err->text);
	} else if (err->code == E_CLOSED || err->code == -ETIMEDOUT) {
		s->wake = step_again;
		boot_timer_set_in(&s->timer, LEASE_RETRY_MS);
	} else {
		session_set_failure(
			s, FAIL_RETRY, "store", "the store refused a step: %s", err->text);
		session_fail(s);
	}
	free(st);
	session_unref(s);
}

/* What goes into sec_pend and, the first time, dek. */
static int seal_pending(struct session *s, struct buf *blob, struct error *err)
{
	if (!s->secrets.dek.key.len)
		TRY(dek_make(&s->secrets.dek, s->gen, err));
	/* Once: the store takes a repeat only when it says the same, and each wrapping differs. */
	if (!s->had_dek && !s->dek_blob.len)
		TRY(dek_wrap(&s->secrets.dek, s->w->kek, &s->uuid, &s->dek_blob, err));
	return secret_set_seal(&s->secrets.pend, &s->secrets.dek, &s->uuid, blob, err);
}

static int send_step(
	struct session *s, struct stepping *st, struct buf *blob, struct buf *ck, struct error *err)
{
	struct store_step step = {.step = s->row->name, .ttl_ms = st->ttl_ms, .act = st->act};
	struct store_field fields[3];
	char tries[16], marks[MARKS_TEXT_MAX + 1];
	if (st->act == STORE_SECRET_KEEP && s->pending_dirty) {
		TRY(seal_pending(s, blob, err));
		step.act = STORE_SECRET_PENDING;
		step.pending = (struct store_blob){blob->data, blob->len};
		st->sealed = true;
	}
	if (st->sealed && !s->had_dek) {
		st->dek = true;
		fields[step.n_fields++] =
			(struct store_field){"dek", {s->dek_blob.data, s->dek_blob.len}};
	}
	if (s->pw_counted) {
		int n = snprintf(tries, sizeof tries, "%u", s->pw_tries);
		fields[step.n_fields++] = (struct store_field){"pw_tries", {tries, (size_t)n}};
	}
	if (s->marks.dirty) {
		marks_text(&s->marks, marks);
		st->marks = true;
		s->marks.dirty = false;
		fields[step.n_fields++] = (struct store_field){"marks", {marks, strlen(marks)}};
	}
	step.fields = fields;
	TRY(checkpoint_pack(&s->ck, ck));
	step.checkpoint = (struct store_blob){ck->data, ck->len};
	struct store_lease who = lease_who(s);
	st->sent_ms = s->lease.sent_ms = clock_boot_ms();
	return store_step(s->w->store, &who, &step, on_step, st, err);
}

void lease_step(struct session *s, enum store_secret_act act, uint32_t timeout_ms)
{
	struct error err = {0};
	struct buf blob, ck;
	struct stepping *st = calloc(1, sizeof *st);
	buf_init(&blob, SEAL_BLOB_MAX);
	buf_init(&ck, CHECKPOINT_MAX);
	int rc = -ENOMEM;
	if (st) {
		*st = (struct stepping){.s = s, .act = act, .timeout_ms = timeout_ms};
		st->ttl_ms = lease_ttl(s->w->conf->worker.run_lease_ms, timeout_ms);
		s->refs++;
		rc = send_step(s, st, &blob, &ck, &err);
	}
	buf_free(&blob);
	buf_free(&ck);
	if (rc == 0)
		return;
	if (st) {
		s->marks.dirty |= st->marks;
		s->refs--;
	}
	free(st);
	if (rc == E_CLOSED || rc == E_LIMIT) { /* the store is down or its window is full */
		s->wake = step_again;
		boot_timer_set_in(&s->timer, LEASE_RETRY_MS);
		return;
	}
	session_set_failure(s, FAIL_RETRY, "store", "%s cannot be written ahead: %s", s->row->name,
		err.code ? err.text : error_name(rc));
	drive_verdict(s, (struct verdict){.kind = VERDICT_FAIL});
}
