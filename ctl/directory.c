/* SPDX-License-Identifier: Apache-2.0 */
/* muster directory sid: what to write into acl.users of a profile. SPEC: directory.md 5 */
#include <stdio.h>

#include "common/directory/lookup.h"
#include "ctl/command.h"

/* From the first server that can be used. A refused login is not tried at the others. */
static int ask(const struct conf_directory *conf, struct directory_link *link, const char *name,
	struct directory_account *out, struct error *err)
{
	int rc = error_set(err, E_CONFIG, "directory.servers is not set");
	for (uint32_t i = 0; i < conf->n_servers && rc < 0 && rc != E_AUTH; i++)
		rc = directory_link_open(link, conf, i, err);
	TRY(rc);
	return directory_find_account(link, conf, name, out, err);
}

int command_directory_sid(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct directory_link *link = NULL;
	struct directory_account account = {.sid = ""};
	directory_init();
	int rc = directory_link_new(&link, &err);
	if (rc == 0)
		rc = ask(&conf->directory, link, line->args[0], &account, &err);
	directory_link_free(link);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(
			json_pack("{s:s, s:s}", "sid", account.sid, "dn", account.dn));
	puts(account.sid);
	return COMMAND_OK;
}
