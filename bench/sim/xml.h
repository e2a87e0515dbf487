/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as a tree. The device must see everything that a server sends, in order, also what it
 * does not know: so this is a small tree of its own, apart from the streaming reader that the
 * server uses for answers (a judge should not share the parser of the judged).
 * Ownership: nodes live in the caller's arena. Threads: none.
 */
#ifndef MUSTER_SIM_XML_H
#define MUSTER_SIM_XML_H

#include "common/base/arena.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define XML_DEPTH_MAX 16    /* an address inside a selector inside an address needs 12 */
#define XML_NODES_MAX 2000  /* the largest request of a full profile has some 60 */
#define XML_BYTES_MAX 65536 /* firmware takes about 32 KiB. SPEC: wsman.md 4 Sizes */

struct xml_node {
	const char *ns;            /* namespace URI, "" when none */
	const char *name;          /* local name */
	const char *text;          /* own character data, trimmed only of surrounding white space */
	const char *attr_name;     /* value of the attribute Name (selectors), or NULL */
	bool must_understand;      /* soap:mustUnderstand is true */
	struct xml_node *children; /* first */
	struct xml_node *last;
	struct xml_node *next; /* sibling */
	struct xml_node *parent;
};

/**
 * Parse one document.
 * @return 0 and the root; E_PARSE (not well-formed, DOCTYPE); E_LIMIT; -ENOMEM
 */
int xml_parse(
	struct xml_node **root, struct arena *mem, const char *data, size_t len, struct error *err);

/** Whether the node has this namespace and name. NULL node: false. */
bool xml_is(const struct xml_node *n, const char *ns, const char *name);

/** First child with this local name in any namespace, or NULL. */
const struct xml_node *xml_child(const struct xml_node *n, const char *name);

/** Number of children. */
size_t xml_count(const struct xml_node *n);

struct buf;

/** Append text with & < > escaped. @return as buf_add() */
int xml_escape(struct buf *out, const char *text);

#endif
