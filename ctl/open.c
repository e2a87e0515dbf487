/* SPDX-License-Identifier: Apache-2.0 */
/* muster job open: an upkeep job on a device that is in service. */
#include <stdio.h>
#include <string.h>

#include "common/net/addr.h"
#include "ctl/command.h"
#include "ctl/site.h"

#define WHO_MAX 320

/* The words behind the device become the job's arguments. addr=A is where the device is, for one
 * that never said Hello. */
static int read_args(const struct command_line *line, char args[static JOB_ARGS_MAX + 1],
	char *addr, size_t addr_len, struct error *err)
{
	size_t len = 0;
	struct net_addr parsed;
	args[0] = '\0';
	for (size_t i = 2; i < line->n_args; i++) {
		const char *word = line->args[i];
		if (strncmp(word, "addr=", 5) == 0) {
			TRY(net_addr_from_host(&parsed, word + 5, 0, err));
			snprintf(addr, addr_len, "%s", word + 5);
			continue;
		}
		int n = snprintf(args + len, JOB_ARGS_MAX + 1 - len, "%s%s", len ? " " : "", word);
		len += (size_t)n;
		ENSURE(len <= JOB_ARGS_MAX, err, E_CONFIG, "at most %d bytes of arguments",
			JOB_ARGS_MAX);
	}
	return 0;
}

static int open_one(struct site *s, struct store_opening *o, char id[static UUID_TEXT_LEN + 1],
	struct error *err)
{
	char who[WHO_MAX];
	struct answer a = {0};
	o->who = site_who(who, sizeof who);
	int rc = site_wait(s, store_job_open(s->store, o, id, site_answered, &a, err), &a, err);
	if (rc == E_STATE)
		error_prefix(err, "device %s has a live job, or is not in service", o->uuid);
	return rc;
}

int command_job_open(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct uuid uuid;
	char text[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1], args[JOB_ARGS_MAX + 1];
	char addr[STORE_ADDR_MAX] = "";
	struct store_opening o = {.uuid = text, .args = args};
	int rc = 0;
	if (job_kind_parse(&o.kind, line->args[0]) < 0 || o.kind == JOB_SETUP)
		rc = error_set(&err, E_CONFIG,
			"\"%.40s\" is no kind of upkeep job; see muster --help", line->args[0]);
	else if (uuid_parse(&uuid, line->args[1]) < 0)
		rc = error_set(&err, E_CONFIG, "\"%.60s\" is not a UUID", line->args[1]);
	if (rc == 0)
		rc = read_args(line, args, addr, sizeof addr, &err);
	if (rc < 0)
		return command_fail(&err);
	uuid_text(&uuid, text);
	o.addr = addr[0] ? addr : NULL;
	rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = open_one(&s, &o, id, &err);
	site_close(&s);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(json_pack("{s:s, s:s, s:s}", "job", id, "device", text,
			"kind", job_kind_name(o.kind)));
	printf("opened job %s: %s %s\n", id, job_kind_name(o.kind), text);
	return COMMAND_OK;
}
