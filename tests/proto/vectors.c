/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/proto/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };

const char *vectors_outside(const char *part)
{
	static char path[1024];
	struct stat st;
	const char *root = getenv("MUSTER_VECTORS");
	snprintf(path, sizeof path, "%s/%s", root && root[0] ? root : "../shared/vectors", part);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return path;
	printf("skipped: no folder %s (set MUSTER_VECTORS)\n", path);
	return NULL;
}

void vectors_load(struct buf *out, const char *dir, const char *name)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("%s cannot be opened", path);
	buf_init(out, FILE_MAX);
	uint8_t *at = buf_reserve(out, FILE_MAX);
	assert_non_null(at);
	out->len = fread(at, 1, FILE_MAX, f);
	fclose(f);
}

json_t *vectors_json(const char *dir, const char *name)
{
	struct buf text;
	json_error_t why;
	vectors_load(&text, dir, name);
	json_t *doc = json_loadb((const char *)text.data, text.len, 0, &why);
	buf_free(&text);
	if (!doc)
		fail_msg("%s/%s: %s", dir, name, why.text);
	return doc;
}

const char *vectors_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	if (!text)
		fail_msg("no text member \"%s\"", key);
	return text;
}
