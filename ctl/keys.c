/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster keys new: make every key that the configuration names and that does not exist yet: the
 * CurveZMQ pairs of the three roles with the brokers' allow-lists, and the current key-encryption
 * key. An existing key is never overwritten. SPEC: architecture D19, D21
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bus/curve.h"
#include "common/crypto/seal.h"
#include "ctl/command.h"

static const struct {
	const char *role;
	const char *allow; /* allow-list that this role's public key goes into */
} roles[] = {{"broker", NULL}, {"listener", "front"}, {"worker", "back"}};

static int make_dir(const char *path, struct error *err)
{
	ENSURE(mkdir(path, 0700) == 0 || errno == EEXIST, err, -errno, "%s: %s", path,
		strerror(errno));
	return 0;
}

static int make_pair(const char *dir, const char *role, const char *allow, struct error *err)
{
	struct curve_pair pair = {0};
	char path[PATH_MAX];
	int rc = curve_pair_new(&pair, err);
	if (rc == 0)
		rc = curve_pair_write(dir, role, &pair, err);
	snprintf(path, sizeof path, "%s/allow/%s.keys", dir, allow ? allow : "");
	if (rc == 0 && allow)
		rc = curve_allow_append(path, pair.public_key, role, err);
	curve_pair_free(&pair);
	return rc;
}

static void tell(json_t *list, const char *path, bool made)
{
	json_array_append_new(list, json_pack("{s:s, s:b}", "file", path, "made", made));
}

static int make_all(const struct conf *conf, json_t *list, struct error *err)
{
	char path[PATH_MAX];
	TRY(make_dir(conf->bus.keys_dir, err));
	snprintf(path, sizeof path, "%s/allow", conf->bus.keys_dir);
	TRY(make_dir(path, err));
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		snprintf(path, sizeof path, "%s/%s.key", conf->bus.keys_dir, roles[i].role);
		bool exists = access(path, F_OK) == 0;
		if (!exists)
			TRY(make_pair(conf->bus.keys_dir, roles[i].role, roles[i].allow, err));
		tell(list, path, !exists);
	}
	TRY(make_dir(conf->keys.kek_dir, err));
	int rc = key_file_make(conf->keys.kek_dir, conf->keys.kek_current, err);
	if (rc < 0 && rc != -EEXIST)
		return rc;
	snprintf(path, sizeof path, "%s/%s.key", conf->keys.kek_dir, conf->keys.kek_current);
	tell(list, path, rc == 0);
	return 0;
}

int command_keys_new(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	json_t *list = json_array(), *item;
	int rc = make_all(conf, list, &err);
	size_t i;
	if (rc == 0 && line->json)
		return command_print_json(list);
	json_array_foreach(list, i, item)
		printf("%-8s %s\n", json_is_true(json_object_get(item, "made")) ? "made" : "kept",
			json_string_value(json_object_get(item, "file")));
	json_decref(list);
	return rc < 0 ? command_fail(&err) : COMMAND_OK;
}
