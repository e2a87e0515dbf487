/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node of MeshCentral, as its agent and its Intel AMT manager keep it:
 *   name           what people call it, free text        rname   computer name, told by the agent
 *   host, ip       where it is: a name or an address
 *   intelamt       uuid, host, state (2 = configured), tls (0 = without), user, pass
 * ListDevices leaves pass out or puts the number 1 in its place; an export of the database has it
 * in clear, or the whole of intelamt as _CRYPT. A node without intelamt is no AMT device.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/import/object.h"

#define STATE_CONFIGURED 2

/* The fullest name first; an address is none. */
static void set_name(struct import_row *row, const json_t *node, const json_t *amt)
{
	const char *const names[] = {import_member(node, "rname"), import_member(amt, "host"),
		import_member(node, "host"), import_member(node, "name")};
	size_t n = sizeof names / sizeof names[0];
	const char *best = "";
	for (size_t i = n; i-- > 0;)
		if (*names[i] && !import_is_address(names[i]) &&
			(strchr(names[i], '.') || !strchr(best, '.')))
			best = names[i];
	if (*best)
		import_set(row, IMPORT_NAME, best, strlen(best));
}

static void set_password(struct import_row *row, const json_t *amt)
{
	const json_t *pass = json_object_get(amt, "pass");
	const char *user = import_member(amt, "user");
	bool configured = json_integer_value(json_object_get(amt, "state")) == STATE_CONFIGURED;
	if (json_string_length(pass) && *user && strcmp(user, "admin") != 0)
		import_refuse(row, "password", "give the password of admin in a CSV",
			"it is that of the account %.40s, not of admin", user);
	else if (json_string_length(pass))
		import_set_member(row, IMPORT_PASSWORD, amt, "pass");
	else if (configured)
		snprintf(row->why, sizeof row->why,
			"configured by MeshCentral, which keeps its password to itself: it is "
			"taken when it says Hello after it was unconfigured; to adopt it, give "
			"its password in a CSV");
}

void import_meshcentral(struct import_row *row, const json_t *node)
{
	const json_t *amt = json_object_get(node, "intelamt"),
		     *tags = json_object_get(node, "tags");
	const char *host = import_member(node, "host"), *ip = import_member(node, "ip");
	if (json_object_get(amt, "_CRYPT") || json_object_get(node, "_CRYPT")) {
		import_refuse(row, "", "export with meshctrl ListDevices --json, or give a CSV",
			"MeshCentral has encrypted this node");
		return;
	}
	if (!json_is_object(amt)) {
		row->result = IMPORT_SKIPPED;
		snprintf(row->why, sizeof row->why, "MeshCentral knows no Intel AMT in it");
		return;
	}
	import_set_member(row, IMPORT_UUID, amt, "uuid");
	if (!row->value[IMPORT_UUID].len)
		import_refuse(row, "uuid", "let its agent report (core information), or give a CSV",
			"MeshCentral has not learnt it yet");
	set_name(row, node, amt);
	if (import_is_address(host))
		import_set(row, IMPORT_ADDRESS, host, strlen(host));
	else if (import_is_address(ip))
		import_set(row, IMPORT_ADDRESS, ip, strlen(ip));
	if (json_is_integer(json_object_get(amt, "tls")) &&
		json_integer_value(json_object_get(amt, "tls")) == 0)
		import_set(row, IMPORT_TLS, "no", 2);
	import_set_tags(row, tags);
	set_password(row, amt);
}
