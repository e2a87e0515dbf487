/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/told.h"

#include <stdio.h>
#include <string.h>

#include "common/base/err.h"

static const struct {
	const char *key;
	size_t at, size;
} keys[] = {
	{"fqdn", offsetof(struct told, fqdn), sizeof(((struct told *)0)->fqdn)},
	{"profile", offsetof(struct told, profile), sizeof(((struct told *)0)->profile)},
	{"ou", offsetof(struct told, ou), sizeof(((struct told *)0)->ou)},
	{"tags", offsetof(struct told, tags), sizeof(((struct told *)0)->tags)},
};
#define N_KEYS (sizeof keys / sizeof keys[0])

const char *told_write(const struct told *t, char out[static TOLD_TEXT_MAX])
{
	size_t len =
		(size_t)snprintf(out, TOLD_TEXT_MAX, "by\t%s\n", t->adopt ? "adopt" : "import");
	for (size_t i = 0; i < N_KEYS; i++) {
		const char *value = (const char *)t + keys[i].at;
		if (*value && len < TOLD_TEXT_MAX)
			len += (size_t)snprintf(
				out + len, TOLD_TEXT_MAX - len, "%s\t%s\n", keys[i].key, value);
	}
	return out;
}

static int read_line(struct told *t, const char *line, const char *end)
{
	const char *tab = memchr(line, '\t', (size_t)(end - line));
	if (!tab)
		return E_PARSE;
	size_t key = (size_t)(tab - line), len = (size_t)(end - tab - 1);
	if (key == 2 && memcmp(line, "by", key) == 0)
		t->adopt = len == 5 && memcmp(tab + 1, "adopt", len) == 0;
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strlen(keys[i].key) != key || memcmp(keys[i].key, line, key) != 0)
			continue;
		if (len >= keys[i].size)
			return E_PARSE;
		memcpy((char *)t + keys[i].at, tab + 1, len);
	}
	return 0;
}

int told_read(struct told *t, const char *text)
{
	memset(t, 0, sizeof *t);
	while (*text) {
		const char *end = strchr(text, '\n');
		if (!end)
			return E_PARSE;
		TRY(read_line(t, text, end));
		text = end + 1;
	}
	return 0;
}
