/* SPDX-License-Identifier: Apache-2.0 */
/* Upkeep jobs: opened by an operator or by the schedule. See store.h. */
#include <string.h>

#include "common/store/store_int.h"

int store_job_open(struct store *s, const struct store_opening *o,
	char id[static UUID_TEXT_LEN + 1], store_done_cb cb, void *arg, struct error *err)
{
	struct uuid job;
	const char *args = o->args ? o->args : "";
	ENSURE(o->kind > JOB_SETUP && o->kind < JOB_KINDS, err, E_STATE,
		"store: a setup job begins with a Hello");
	ENSURE(strlen(args) <= JOB_ARGS_MAX, err, E_LIMIT, "store: at most %d bytes of arguments",
		JOB_ARGS_MAX);
	uuid_new_v7(&job);
	uuid_text(&job, id);
	call_begin(s, "open");
	call_key(s, "dev:", o->uuid);
	call_key(s, "job:", id);
	call_key(s, "ready", "");
	call_key(s, "ev", "");
	call_text(s, o->uuid);
	call_text(s, id);
	call_text(s, job_kind_name(o->kind));
	call_text(s, args);
	call_text(s, o->addr);
	call_u64(s, o->delay_ms);
	call_text(s, o->who);
	call_blob(s, o->give);
	call_fields(s, o->fields, o->n_fields);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}
