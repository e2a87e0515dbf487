/* SPDX-License-Identifier: Apache-2.0 */
/* muster job open: upkeep jobs on devices in service. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/args.h"
#include "ctl/command.h"
#include "ctl/selector.h"

#define WHO_MAX      320
#define SHOW_REFUSED 20 /* rows for people; --json has all */

/* One row of the answer: the job, or why there is none. */
static int open_one(struct site *s, struct store_opening *o, json_t *rows, struct error *err)
{
	char who[WHO_MAX], id[UUID_TEXT_LEN + 1] = "";
	struct answer a = {0};
	o->who = site_who(who, sizeof who);
	int rc = site_wait(s, store_job_open(s->store, o, id, site_answered, &a, err), &a, err);
	bool own = rc == 0 || rc == E_STATE || rc == -ENOENT;
	if (rc < 0 && own)
		site_why_refused(s, o->uuid, err);
	if (own)
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:s, s:s}", "job", rc < 0 ? "" : id, "device",
				      o->uuid, "kind", job_kind_name(o->kind), "refused",
				      rc < 0 ? err->text : ""));
	return own ? 0 : rc;
}

static int open_all(struct site *s, const struct selector *which, struct store_opening *o,
	json_t *rows, struct error *err)
{
	struct selection found = {0};
	if (which->one) {
		o->uuid = which->uuid;
		return open_one(s, o, rows, err);
	}
	int rc = selector_collect(s, which, &found, err);
	if (rc == 0 && found.n == 0)
		rc = error_set(err, -ENOENT, "no device fits");
	for (size_t i = 0; rc == 0 && i < found.n; i++) {
		o->uuid = found.uuids[i];
		rc = open_one(s, o, rows, err);
	}
	free(found.uuids);
	return rc;
}

/* One device: its row, and the refusal is a failure. Several: what was refused, and the counts;
 * that nothing was opened is a failure, too. */
static int tell(const struct command_line *line, const struct selector *which, json_t *rows)
{
	json_t *row;
	size_t i, refused = 0;
	json_array_foreach(rows, i, row)
	{
		const char *why = site_text(row, "refused");
		refused += *why != '\0';
		if (*why && !line->json && refused <= SHOW_REFUSED)
			fprintf(stderr, "muster: %s: %s\n", site_text(row, "device"), why);
	}
	if (refused > SHOW_REFUSED && !line->json)
		fprintf(stderr, "muster: and %zu more: --json\n", refused - SHOW_REFUSED);
	bool failed = refused == json_array_size(rows);
	if (line->json) {
		json_t *out = which->one ? json_incref(json_array_get(rows, 0)) : json_incref(rows);
		int rc = command_print_json(out);
		return failed ? COMMAND_FAILED : rc;
	}
	if (which->one && !failed)
		printf("opened job %s\n", site_text(json_array_get(rows, 0), "job"));
	else if (!which->one)
		printf("opened %zu jobs, %zu devices refused\n", json_array_size(rows) - refused,
			refused);
	return failed ? COMMAND_FAILED : COMMAND_OK;
}

int command_job_open(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct selector which;
	size_t used = 0;
	char args[JOB_ARGS_MAX + 1];
	struct store_opening o = {.args = args};
	if (job_kind_parse(&o.kind, line->args[0]) < 0 || !job_kind_opens(o.kind)) {
		error_set(&err, E_CONFIG, "\"%.40s\" is no kind of upkeep job; see muster --help%s",
			line->args[0], o.kind == JOB_ADOPT ? " (muster adopt)" : "");
		return command_fail(&err);
	}
	int rc = selector_parse(&which, line->args + 1, line->n_args - 1, &used, &err);
	if (rc == 0)
		rc = args_read(o.kind, line->args + 1 + used, line->n_args - 1 - used, which.one,
			conf, args, &err);
	if (rc < 0)
		return command_fail(&err);
	json_t *rows = json_array();
	rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = open_all(&s, &which, &o, rows, &err);
	site_close(&s);
	rc = rc < 0 ? command_fail(&err) : tell(line, &which, rows);
	json_decref(rows);
	return rc;
}
