/* SPDX-License-Identifier: Apache-2.0 */
/* See check.h. */
#include "ctl/import/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "common/base/fqdn.h"
#include "common/crypto/seal.h"
#include "common/net/addr.h"

static void check_uuid(struct import_row *row)
{
	const char *text = import_text(row, IMPORT_UUID);
	struct uuid uuid;
	if (!*text)
		import_refuse(row, "uuid", "add it: nothing else names a device", "there is none");
	else if (uuid_parse(&uuid, text) < 0)
		import_refuse(row, "uuid", "write it as 8-4-4-4-12 hex digits",
			"its %zu characters are not a UUID", strlen(text));
	else if (uuid_is_placeholder(&uuid))
		import_refuse(row, "uuid", "have its maker's tool set one",
			"many boards carry this UUID because their maker set none");
	else
		uuid_text(&uuid, row->uuid);
}

static void check_name(struct import_row *row, const char *domain)
{
	const char *text = import_text(row, IMPORT_NAME);
	char full[IMPORT_VALUE_MAX + FQDN_MAX + 2], name[FQDN_MAX + 1];
	struct error err = {0};
	if (!*text && row->value[IMPORT_PASSWORD].len)
		return; /* an adopted device has one */
	if (!*text) {
		import_refuse(row, "name", "add it as host.domain", "there is none");
		return;
	}
	bool alone = *domain && !strchr(text, '.');
	snprintf(full, sizeof full, "%s%s%s", text, alone ? "." : "", alone ? domain : "");
	if (fqdn_set(name, full, &err) < 0)
		import_refuse(row, "name",
			strchr(full, '.') ? "write a name that DNS and AMT carry"
					  : "say domain=... for names without one",
			"%.200s", err.text);
	else
		import_set(row, IMPORT_NAME, name, strlen(name));
}

static void check_profile(struct import_row *row, const struct import_rules *r)
{
	const char *name = import_text(row, IMPORT_PROFILE);
	if (!*name && *r->profile)
		import_set(row, IMPORT_PROFILE, r->profile, strlen(r->profile));
	name = import_text(row, IMPORT_PROFILE);
	const char *used = *name ? name : r->default_profile;
	if (!*used)
		import_refuse(row, "profile",
			"name one, say profile=..., or set worker.default_profile",
			"there is none, and no default");
	else if (!profile_set_find(r->profiles, used))
		import_refuse(row, "profile", "see muster profile list",
			"\"%.60s\" is not in %.160s", used, r->profiles_dir);
}

/* Words of the letters of rules and selectors, once each way of separating them is a space. */
static void check_tags(struct import_row *row)
{
	char out[IMPORT_VALUE_MAX + 1] = "", copy[IMPORT_VALUE_MAX + 1], *save = NULL;
	size_t len = 0, n = 0;
	snprintf(copy, sizeof copy, "%s", import_text(row, IMPORT_TAGS));
	for (char *w = strtok_r(copy, " ,;", &save); w; w = strtok_r(NULL, " ,;", &save)) {
		n++;
		if (!key_id_ok(w)) {
			import_refuse(row, "tags", "use letters, digits, . _ or -",
				"word %zu is no tag", n);
			return;
		}
		len += (size_t)snprintf(out + len, sizeof out - len, "%s%s", len ? " " : "", w);
	}
	import_set(row, IMPORT_TAGS, out, len);
}

static void check_values(struct import_row *row)
{
	const char *tls = import_text(row, IMPORT_TLS);
	const char *address = import_text(row, IMPORT_ADDRESS);
	struct adoption a = import_adoption(row);
	struct error err = {0};
	if (row->value[IMPORT_OU].len > TOLD_OU_MAX)
		import_refuse(row, "ou", "shorten it", "longer than %d bytes", TOLD_OU_MAX);
	if (*tls && strcasecmp(tls, "yes") != 0 && strcasecmp(tls, "no") != 0)
		import_refuse(row, "tls", "write yes or no", "it is neither yes nor no");
	struct net_addr addr;
	if (*address && net_addr_from_host(&addr, address, 0, NULL) < 0)
		import_refuse(row, "address", "write the IP address, or leave it empty",
			"it is not an IP address");
	/* The rest is adopt's to judge; with a stand-in so far as the row has no password. */
	struct secret any = {(uint8_t[]){'x', 0}, 1};
	if (!a.password->len)
		a.password = &any;
	if (row->result != IMPORT_REFUSED && adopt_check(&a, &err) < 0) {
		const char *colon = strchr(err.text, ':');
		bool password = strncmp(err.text, "password", 8) == 0;
		import_refuse(row, password ? "password" : "fingerprint", "correct it", "%.200s",
			colon ? colon + 2 : err.text);
	}
}

static void check_row(struct import_row *row, const struct import_rules *r)
{
	bool adopt = row->value[IMPORT_PASSWORD].len > 0;
	if (row->result != IMPORT_UNDECIDED)
		return;
	check_uuid(row);
	check_name(row, r->domain);
	check_profile(row, r);
	check_tags(row);
	if (row->result != IMPORT_REFUSED)
		check_values(row);
	if (adopt && r->shared)
		import_refuse(row, "password", "run chmod 600 on the file",
			"others than its owner can read it");
	if (row->result == IMPORT_UNDECIDED)
		row->result = adopt ? IMPORT_ADOPT : IMPORT_EXPECT;
}

/* ---- twice in one list ----------------------------------------------------------------------- */

struct entry {
	const char *text;
	const struct import_row *row;
	UT_hash_handle hh;
};

static void check_twice(struct import_row *row, struct entry **all, struct entry *e,
	const char *text, const char *field, const char *fix)
{
	struct entry *old = NULL;
	if (!*text || row->result == IMPORT_SKIPPED)
		return;
	HASH_FIND(hh, *all, text, strlen(text), old);
	if (old && old->row->line)
		import_refuse(row, field, fix, "it stands in line %u already", old->row->line);
	else if (old)
		import_refuse(row, field, fix, "it stands at [%zu] already", old->row->index);
	if (old)
		return;
	*e = (struct entry){.text = text, .row = row};
	HASH_ADD_KEYPTR(hh, *all, e->text, strlen(e->text), e);
}

static int check_all_twice(struct import_list *list, struct error *err)
{
	struct entry *uuids = NULL, *names = NULL;
	struct entry *memory = calloc(2 * list->n + 1, sizeof *memory);
	ENSURE(memory, err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < list->n; i++) {
		struct import_row *row = &list->rows[i];
		check_twice(row, &uuids, &memory[2 * i], row->uuid, "uuid", "keep one of them");
		check_twice(row, &names, &memory[2 * i + 1], import_text(row, IMPORT_NAME), "name",
			"give each device its own");
	}
	HASH_CLEAR(hh, uuids);
	HASH_CLEAR(hh, names);
	free(memory);
	return 0;
}

int import_check(struct import_list *list, const struct import_rules *rules, struct error *err)
{
	for (size_t i = 0; i < list->n; i++)
		check_row(&list->rows[i], rules);
	return check_all_twice(list, err);
}

/* ---- what a good row is ---------------------------------------------------------------------- */

void import_told(const struct import_row *row, struct told *out)
{
	*out = (struct told){.adopt = row->value[IMPORT_PASSWORD].len > 0};
	snprintf(out->fqdn, sizeof out->fqdn, "%s", import_text(row, IMPORT_NAME));
	snprintf(out->profile, sizeof out->profile, "%s", import_text(row, IMPORT_PROFILE));
	snprintf(out->ou, sizeof out->ou, "%s", import_text(row, IMPORT_OU));
	snprintf(out->tags, sizeof out->tags, "%s", import_text(row, IMPORT_TAGS));
}

struct adoption import_adoption(const struct import_row *row)
{
	return (struct adoption){.uuid = row->uuid,
		.addr = import_text(row, IMPORT_ADDRESS),
		.fqdn = import_text(row, IMPORT_NAME),
		.profile = import_text(row, IMPORT_PROFILE),
		.ou = import_text(row, IMPORT_OU),
		.tags = import_text(row, IMPORT_TAGS),
		.fingerprint = import_text(row, IMPORT_FINGERPRINT),
		.plain = strcasecmp(import_text(row, IMPORT_TLS), "no") == 0,
		.password = &row->value[IMPORT_PASSWORD]};
}
