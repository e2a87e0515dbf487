/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/job_kind.h"

#include <stdio.h>
#include <string.h>

static const char *const names[JOB_KINDS] = {
	[JOB_SETUP] = "setup",
	[JOB_MAINTAIN] = "maintain",
	[JOB_CHECK] = "check",
	[JOB_RENEW] = "renew",
	[JOB_ROTATE] = "rotate",
	[JOB_UNCONFIGURE] = "unconfigure",
	[JOB_ADOPT] = "adopt",
	[JOB_INVENTORY] = "inventory",
};

const char *job_kind_name(enum job_kind kind)
{
	return (unsigned)kind < JOB_KINDS ? names[kind] : "?";
}

int job_kind_parse(enum job_kind *out, const char *name)
{
	*out = JOB_SETUP;
	if (!name || !*name)
		return 0;
	for (int i = 0; i < JOB_KINDS; i++) {
		if (strcmp(names[i], name) == 0) {
			*out = (enum job_kind)i;
			return 0;
		}
	}
	return -1;
}

bool job_arg(const char *args, const char *name, char *out, size_t out_len)
{
	size_t len = strlen(name);
	if (out_len)
		out[0] = '\0';
	while (*args) {
		size_t word = strcspn(args, " ");
		if (word >= len && strncmp(args, name, len) == 0 &&
			(word == len || args[len] == '=')) {
			size_t skip = word == len ? len : len + 1;
			if (out_len)
				snprintf(out, out_len, "%.*s", (int)(word - skip), args + skip);
			return true;
		}
		args += word + strspn(args + word, " ");
	}
	return false;
}

bool job_kind_opens(enum job_kind kind)
{
	return kind != JOB_SETUP && kind != JOB_ADOPT;
}
