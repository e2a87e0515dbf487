/* SPDX-License-Identifier: Apache-2.0 */
/* See write.h. */
#include "ctl/import/write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/told.h"
#include "ctl/adopt.h"
#include "ctl/import/check.h"

#define WHO_MAX   320
#define WHERE_MAX 32
#define FIELDS    4

const char *import_where(const struct import_row *row, char *out, size_t out_len)
{
	if (row->line)
		snprintf(out, out_len, "line %u", row->line);
	else
		snprintf(out, out_len, "[%zu]", row->index);
	return out;
}

/* ---- looking --------------------------------------------------------------------------------- */

struct looking {
	struct answer answer;
	struct import_row *row;
	bool active;
	char job[UUID_TEXT_LEN + 1]; /* the live one */
};

static bool has_secrets(const struct store_device *d)
{
	return d->sec_cur.len || d->sec_pend.len;
}

/* The same guards as functions/import.lua and open.lua have, with their reasons. */
static void judge_expected(struct import_row *row, const struct store_device *d)
{
	bool begun = strcmp(d->state, "active") == 0 || strcmp(d->state, "dead") == 0;
	if (strcmp(d->state, "done") == 0)
		import_refuse(row, "",
			"leave it out; change it by muster plan or job open maintain",
			"the device is in service already");
	else if (begun && has_secrets(d))
		import_refuse(row, "", "leave it out, or end its job first: muster job cancel",
			"its setup has begun, as %.100s", d->fqdn);
}

static void judge_adopted(struct import_row *row, const struct store_device *d)
{
	bool addressed = row->value[IMPORT_ADDRESS].len > 0;
	if (strcmp(d->state, "active") == 0)
		import_refuse(row, "", "wait for its end, or muster job cancel",
			"the device has a live job");
	else if (strcmp(d->state, "done") == 0)
		import_refuse(row, "", "leave it out; if it changed hands: muster adopt",
			"the device is in service already");
	else if (!addressed && !d->addr[0])
		import_refuse(row, "address", "add its IP address",
			"there is none, and it never "
			"said Hello");
	else if (!addressed && d->quar[0])
		import_refuse(row, "address", "add the right one",
			"the device is in quarantine: %.60s", d->quar);
}

static bool adopted_before(const struct store_device *d)
{
	return strcmp(d->state, "active") == 0 || strcmp(d->state, "done") == 0;
}

static void judge(struct import_row *row, const struct store_device *d)
{
	struct told told;
	char text[TOLD_TEXT_MAX];
	bool adopt = row->result == IMPORT_ADOPT;
	import_told(row, &told);
	if (strcmp(d->told, told_write(&told, text)) == 0 && (!adopt || adopted_before(d)))
		row->result = IMPORT_KEPT;
	else if (d->deny[0])
		import_refuse(row, "", "leave it out, or let it in again first",
			"the device is denied: %.100s", d->deny);
	else if (adopt)
		judge_adopted(row, d);
	else
		judge_expected(row, d);
}

static void on_device(const struct store_device *d, const struct error *err, void *arg)
{
	struct looking *l = arg;
	if (d) {
		judge(l->row, d);
		l->active = strcmp(d->state, "active") == 0;
		snprintf(l->job, sizeof l->job, "%s", d->job);
	} else if (err->code == -ENOENT && l->row->result == IMPORT_ADOPT &&
		   !l->row->value[IMPORT_ADDRESS].len) {
		import_refuse(l->row, "address", "add its IP address",
			"there is none, and it never said Hello");
	}
	site_note(&l->answer, err && err->code != -ENOENT ? err : NULL);
}

static int look_at(struct site *s, struct import_row *row, struct error *err)
{
	struct looking l = {.row = row};
	json_t *job = NULL;
	TRY(site_wait(
		s, store_device_get(s->store, row->uuid, on_device, &l, err), &l.answer, err));
	if (row->result != IMPORT_EXPECT || !l.active || site_job(s, l.job, &job, NULL) < 0)
		return 0;
	if (strcmp(site_text(job, "state"), "leased") == 0)
		import_refuse(
			row, "", "try again in a minute", "a session with the device is running");
	json_decref(job);
	return 0;
}

int import_look(struct site *s, struct import_list *list, struct error *err)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->rows[i].result == IMPORT_EXPECT || list->rows[i].result == IMPORT_ADOPT)
			TRY(look_at(s, &list->rows[i], err));
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct expecting {
	struct answer answer;
	bool kept;
};

static void on_expected(bool kept, const struct error *err, void *arg)
{
	struct expecting *e = arg;
	e->kept = kept;
	site_note(&e->answer, err);
}

static int expect(
	struct site *s, struct import_row *row, const struct told *told, struct error *err)
{
	char who[WHO_MAX], text[TOLD_TEXT_MAX];
	struct expecting e = {0};
	const struct store_field fields[FIELDS] = {{"fqdn", {told->fqdn, strlen(told->fqdn)}},
		{"profile", {told->profile, strlen(told->profile)}},
		{"ou", {told->ou, strlen(told->ou)}}, {"tags", {told->tags, strlen(told->tags)}}};
	TRY(site_wait(s,
		store_expect(s->store, row->uuid, site_who(who, sizeof who), told_write(told, text),
			fields, FIELDS, on_expected, &e, err),
		&e.answer, err));
	if (e.kept)
		row->result = IMPORT_KEPT;
	return 0;
}

static int write_row(
	struct site *s, const struct conf *conf, struct import_row *row, struct error *err)
{
	struct told told;
	char job[UUID_TEXT_LEN + 1], text[TOLD_TEXT_MAX];
	import_told(row, &told);
	if (row->result == IMPORT_EXPECT)
		return expect(s, row, &told, err);
	struct adoption a = import_adoption(row);
	a.told = told_write(&told, text);
	return adopt_one(s, conf, &a, job, err);
}

int import_write(struct site *s, const struct conf *conf, struct import_list *list, size_t *done,
	struct error *err)
{
	char where[WHERE_MAX];
	*done = 0;
	for (size_t i = 0; i < list->n; i++) {
		struct import_row *row = &list->rows[i];
		if (row->result != IMPORT_EXPECT && row->result != IMPORT_ADOPT)
			continue;
		if (write_row(s, conf, row, err) < 0)
			return error_prefix(err, "%s", import_where(row, where, sizeof where));
		++*done;
	}
	return 0;
}
