/* SPDX-License-Identifier: Apache-2.0 */
/* What the model holds as sorted lines, one a field: compared with the same dump of Redis. */
#include "tests/common/store/model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEVER INT64_MAX

struct dump {
	char **lines;
	size_t n, max;
	char key[80];
};

__attribute__((format(printf, 2, 3))) static void line(struct dump *o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (o->n < o->max && vasprintf(&o->lines[o->n], fmt, ap) >= 0)
		o->n++;
	va_end(ap);
}

static void text(struct dump *o, const char *field, const char *value, bool present)
{
	if (present)
		line(o, "H %s %s %s", o->key, field, value);
}

static void number(struct dump *o, const char *field, int64_t value)
{
	if (value >= 0)
		line(o, "H %s %s %" PRId64, o->key, field, value);
}

static void dump_device(struct dump *o, const struct model *m, const struct model_device *d)
{
	snprintf(o->key, sizeof o->key, "dev:%s", d->uuid);
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {{"gen", d->gen}, {"alt_ms", d->alt_ms}, {"quar_ms", d->quar_ms},
		{"hellos", d->hellos}, {"first", d->first}, {"last", d->last},
		{"hello_ms", d->hello_ms}, {"done_ms", d->done_ms}, {"end_ms", d->end_ms}};
	const struct {
		const char *name, *value;
	} texts[] = {{"addr", d->addr}, {"src", d->src}, {"addr_alt", d->alt}, {"quar", d->quar},
		{"deny", d->deny}, {"res", d->res}, {"fqdn", d->fqdn}, {"dek", d->dek},
		{"rehello", d->rehello}, {"unconf", d->unconf}, {"told", d->told},
		{"sec_cur", d->cur}, {"sec_prev", d->prev}, {"sec_pend", d->pend}};
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		number(o, numbers[i].name, numbers[i].value);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		text(o, texts[i].name, texts[i].value, texts[i].value[0]);
	text(o, "err", d->err, d->has_err);
	text(o, "txt", d->txt, d->has_err);
	text(o, "state", d->state, d->job >= 0 || d->state[0]);
	text(o, "job", d->job >= 0 ? m->jobs[d->job].id : "", d->job >= 0);
}

static void dump_job(struct dump *o, const struct model *m, const struct model_job *j)
{
	snprintf(o->key, sizeof o->key, "job:%s", j->id);
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {{"gen", j->gen}, {"try", j->tries}, {"lost", j->lost}, {"f", j->fence},
		{"kicked", j->kicked ? 1 : -1}, {"approved", j->approved ? 1 : -1},
		{"cr", j->created}, {"be", j->begun}, {"fi", j->ended}};
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		number(o, numbers[i].name, numbers[i].value);
	text(o, "dev", m->devs[j->dev].uuid, true);
	text(o, "st", j->st, true);
	text(o, "ow", j->owner, true);
	text(o, "tp", j->tp, true);
	text(o, "k", j->kind, j->kind);
	text(o, "a", "x=1", j->kind);
	text(o, "back", j->back, j->back[0]);
	text(o, "v", "1", true);
	text(o, "why", j->why, j->why[0]);
	text(o, "step", j->step, j->step[0]);
	text(o, "ck", j->ck, j->ck[0]);
	text(o, "pl", j->pl, !model_over(j));
	text(o, "err", j->err, j->has_err);
	text(o, "txt", j->txt, j->has_err);
	text(o, "res", j->res, j->has_res);
	if (j->expires)
		line(o, "T %s", o->key);
}

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t model_dump(const struct model *m, char **lines, size_t max)
{
	struct dump o = {.lines = lines, .max = max};
	for (int i = 0; i < MODEL_DEVICES; i++)
		dump_device(&o, m, &m->devs[i]);
	for (int i = 0; i < m->n_jobs; i++) {
		const struct model_job *j = &m->jobs[i];
		if (!j->gone)
			dump_job(&o, m, j);
		if (j->list == LIST_NONE)
			continue;
		if (j->score == NEVER)
			line(&o, "Z %s %s inf", model_list_keys[j->list], j->id);
		else
			line(&o, "Z %s %s %" PRId64, model_list_keys[j->list], j->id, j->score);
	}
	if (m->tat > 0)
		line(&o, "S sub:net %.3f", m->tat);
	if (m->n_events > 0)
		line(&o, "X ev %" PRId64, m->n_events);
	qsort(lines, o.n, sizeof *lines, line_compare);
	return o.n;
}
