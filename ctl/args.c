/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/profile.h"
#include "common/net/addr.h"

/* What each kind takes; a name that ends in "=" has a value. Of several words one is allowed. */
static const struct {
	const char *words[2];
	const char *say;
} takes[JOB_KINDS] = {
	[JOB_MAINTAIN] = {{"profile="}, "profile=NAME"},
	[JOB_CHECK] = {{"profile="}, "profile=NAME"},
	[JOB_UNCONFIGURE] = {{"partial", "full"}, "partial or full"},
};

static bool fits(const char *word, const char *name)
{
	size_t len = strlen(name);
	return len && name[len - 1] == '=' ? strncmp(word, name, len) == 0
					   : strcmp(word, name) == 0;
}

static bool taken(enum job_kind kind, const char *word)
{
	for (size_t i = 0; i < 2 && takes[kind].words[i]; i++)
		if (fits(word, takes[kind].words[i]))
			return true;
	return false;
}

int args_profile(const struct conf *conf, const char *name, struct error *err)
{
	struct profile *p = malloc(sizeof *p);
	ENSURE(p, err, -ENOMEM, "out of memory");
	int rc = profile_load(p, conf->worker.profiles_dir, name, NULL, err);
	free(p);
	if (rc == -ENOENT)
		return error_set(err, E_CONFIG,
			"there is no profile \"%.100s\" in %.160s: see muster profile list", name,
			conf->worker.profiles_dir);
	return rc;
}

int args_rules(const struct rules *r, const struct conf *conf, struct error *err)
{
	for (size_t i = 0; i < rules_count(r); i++) {
		const struct rule *x = rules_at(r, i);
		if (x->profile[0] && args_profile(conf, x->profile, err) < 0)
			return error_prefix(err, "rule %s", x->name);
	}
	return 0;
}

int args_number(const char *word, const char *text, unsigned long max, unsigned long *out,
	struct error *err)
{
	size_t len = strlen(text);
	*out = strtoul(text, NULL, 10);
	ENSURE(len > 0 && len < 12 && strspn(text, "0123456789") == len && *out <= max, err,
		E_CONFIG, "%.60s: a number up to %lu", word, max);
	return 0;
}

static int check_word(
	enum job_kind kind, const char *word, bool one, const struct conf *conf, struct error *err)
{
	struct net_addr addr;
	if (strncmp(word, "addr=", 5) == 0) {
		ENSURE(one, err, E_CONFIG, "%.60s is for one device, by its UUID", word);
		return net_addr_from_host(&addr, word + 5, 0, err);
	}
	if (!taken(kind, word))
		return error_set(err, E_CONFIG,
			"\"%.60s\" is no argument of %s, which takes %s%saddr=A (for one device)",
			word, job_kind_name(kind), takes[kind].say ? takes[kind].say : "",
			takes[kind].say ? " and " : "only ");
	return strncmp(word, "profile=", 8) == 0 ? args_profile(conf, word + 8, err) : 0;
}

int args_read(enum job_kind kind, char *const *words, size_t n_words, bool one,
	const struct conf *conf, char *args, struct error *err)
{
	size_t len = 0;
	bool addressed = false, other = false;
	args[0] = '\0';
	for (size_t i = 0; i < n_words; i++) {
		bool *seen = strncmp(words[i], "addr=", 5) == 0 ? &addressed : &other;
		TRY(check_word(kind, words[i], one, conf, err));
		ENSURE(!*seen, err, E_CONFIG, "\"%.60s\" is one too many", words[i]);
		*seen = true;
		len += (size_t)snprintf(
			args + len, JOB_ARGS_MAX + 1 - len, "%s%s", len ? " " : "", words[i]);
		ENSURE(len <= JOB_ARGS_MAX, err, E_CONFIG, "at most %d bytes of arguments",
			JOB_ARGS_MAX);
	}
	return 0;
}
