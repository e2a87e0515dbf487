/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/crash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "worker/session.h"

#define CRASHES_MAX 4096 /* lines: a test needs two for each row of each plan */
#define WORD_MAX    40   /* UUID, plan, row, moment; scanf knows it as 39 */

struct crash {
	char uuid[WORD_MAX], plan[WORD_MAX], row[WORD_MAX], moment[WORD_MAX];
	bool struck;
};

struct crashes {
	struct crash items[CRASHES_MAX];
	size_t n;
};

int crashes_load(struct crashes **out, const char *path, struct error *err)
{
	*out = NULL;
	if (!path[0])
		return 0;
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "test.crashes: %s: %s", path, strerror(errno));
	struct crashes *c = calloc(1, sizeof *c);
	int words = 4;
	while (c && c->n < CRASHES_MAX && words == 4) {
		struct crash *x = &c->items[c->n];
		words = fscanf(f, "%39s %39s %39s %39s", x->uuid, x->plan, x->row, x->moment);
		c->n += words == 4;
	}
	fclose(f);
	ENSURE(c, err, -ENOMEM, "no memory for test.crashes");
	*out = c;
	if (words == EOF)
		return 0;
	crashes_free(c);
	*out = NULL;
	return error_set(
		err, E_CONFIG, "test.crashes: %s: not \"UUID PLAN ROW before|after\"", path);
}

bool crash_due(struct crashes *c, const struct session *s, const char *moment)
{
	for (size_t i = 0; c && i < c->n; i++) {
		struct crash *x = &c->items[i];
		if (x->struck || strcmp(x->uuid, s->uuid_text) != 0 ||
			strcmp(x->plan, plan_table[s->plan].name) != 0 ||
			strcmp(x->row, s->row->name) != 0 || strcmp(x->moment, moment) != 0)
			continue;
		x->struck = true;
		return true;
	}
	return false;
}

void crashes_free(struct crashes *c)
{
	free(c);
}
