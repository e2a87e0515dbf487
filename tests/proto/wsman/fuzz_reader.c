/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes, in two splits: the reader must give the same verdict and the same view; what it
 * accepts must survive being copied as an object, written and read again. First byte: where to cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/wsman/object.h"
#include "proto/wsman/read.h"
#include "proto/wsman/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static int same_tree(const struct wsman_node *a, const struct wsman_node *b)
{
	if (strcmp(a->name, b->name) != 0 || strcmp(a->ns, b->ns) != 0 ||
		a->text_len != b->text_len || memcmp(a->text, b->text, a->text_len) != 0)
		return 0;
	const struct wsman_node *c = a->child, *d = b->child;
	for (; c && d; c = c->next, d = d->next)
		if (!same_tree(c, d))
			return 0;
	return !c && !d;
}

static int read_split(
	struct arena *arena, const uint8_t *data, size_t size, size_t cut, struct wsman_message *m)
{
	struct wsman_reader *r;

	require(wsman_reader_new(&r, NULL) == 0);
	int rc = wsman_reader_begin(r, arena, NULL);
	if (rc == 0)
		rc = wsman_reader_feed(r, data, cut, NULL);
	if (rc == 0)
		rc = wsman_reader_feed(r, data + cut, size - cut, NULL);
	if (rc == 0)
		rc = wsman_reader_end(r, m, NULL);
	wsman_reader_free(r);
	return rc;
}

/* The payload as the body of an answer of ours, read back. */
static void round_trip(struct arena *arena, const struct wsman_node *payload)
{
	struct wsman_object o;
	struct wsman_message again;
	struct buf doc;

	require(wsman_object_copy(&o, arena, payload) == 0);
	buf_init(&doc, 8 * WSMAN_BYTES_MAX);
	buf_adds(&doc, "<s:Envelope xmlns:s=\"" WSMAN_NS_SOAP "\" xmlns:a=\"" WSMAN_NS_ADDR
		       "\" xmlns:w=\"" WSMAN_NS_WSMAN "\"><s:Body>");
	require(wsman_write_node(&doc, o.root, NULL) == 0);
	require(buf_adds(&doc, "</s:Body></s:Envelope>") == 0);
	int rc = wsman_read(arena, doc.data, doc.len, &again, NULL);
	require(rc == 0 || rc == E_LIMIT);
	if (rc == 0)
		require(same_tree(payload, again.payload));
	buf_free(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena one, two;
	struct wsman_message m, n;
	size_t cut;

	if (size == 0)
		return 0;
	cut = data[0] % size;
	arena_init(&one, 3 * WSMAN_ARENA_MAX);
	arena_init(&two, WSMAN_ARENA_MAX);
	int rc = read_split(&one, data + 1, size - 1, 0, &m);
	require(rc == read_split(&two, data + 1, size - 1, cut < size - 1 ? cut : 0, &n));
	if (rc == 0) {
		require(same_tree(m.envelope, n.envelope));
		require(m.return_value == n.return_value);
		for (const struct wsman_node *i = NULL; (i = wsman_message_item(&m, i));)
			for (const struct wsman_node *p = i->child; p; p = p->next)
				require(wsman_node_flat(p) != NULL);
		if (m.payload)
			round_trip(&one, m.payload);
	}
	arena_reset(&one);
	arena_reset(&two);
	return 0;
}
