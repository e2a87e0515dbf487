/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/proto/wsman/helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/err.h"

const char *vectors_dir(void)
{
	static char dir[512];
	const char *top = getenv("MUSTER_VECTORS");

	snprintf(dir, sizeof dir, "%s/wsman", top ? top : "../shared/vectors");
	if (access(dir, R_OK) == 0)
		return dir;
	printf("SKIPPED: no recorded WS-Man traffic in %s (set MUSTER_VECTORS)\n", dir);
	return NULL;
}

void load_file(struct buf *out, const char *dir, const char *name)
{
	char path[1024], chunk[4096];
	size_t n;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("cannot open %s", path);
	buf_init(out, WSMAN_BYTES_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		assert_int_equal(buf_add(out, chunk, n), 0);
	fclose(f);
}

void must_read(struct arena *arena, const struct buf *doc, struct wsman_message *out)
{
	struct error err = {0};

	if (wsman_read(arena, doc->data, doc->len, out, &err) < 0)
		fail_msg("%s in %.*s", err.text, (int)doc->len, (const char *)doc->data);
}

void add_quoted(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text >= 0x21 && *text <= 0x7e && *text != '%')
			assert_int_equal(buf_add(out, text, 1), 0);
		else
			assert_int_equal(buf_addf(out, "%%%02X", (unsigned char)*text), 0);
	}
}

void add_tree(struct buf *out, const struct wsman_node *node, unsigned depth)
{
	assert_int_equal(buf_addf(out, "E%u {%s}%s ", depth, node->ns, node->name), 0);
	for (const struct wsman_attr *a = node->attrs; a; a = a->next) {
		buf_adds(out, " {");
		add_quoted(out, a->ns);
		buf_adds(out, "}");
		add_quoted(out, a->name);
		buf_adds(out, "=");
		add_quoted(out, a->value);
	}
	buf_adds(out, " '");
	add_quoted(out, node->text);
	assert_int_equal(buf_adds(out, "'\n"), 0);
	for (const struct wsman_node *c = node->child; c; c = c->next) {
		assert_ptr_equal(c->parent, node);
		add_tree(out, c, depth + 1);
	}
}
