/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One XML element: what the reader builds, what a Put object is made of and what the writer prints.
 * Order and unknown names are kept as received. Ownership: nodes, names and texts live in the arena
 * they were made in; nothing is freed alone. Threads: none.
 */
#ifndef MUSTER_WSMAN_NODE_H
#define MUSTER_WSMAN_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct wsman_attr {
	const char *ns; /* namespace URI, "" when the attribute has no prefix */
	const char *name;
	const char *value;
	struct wsman_attr *next;
};

struct wsman_node {
	const char *ns;   /* namespace URI, "" when there is none */
	const char *name; /* local name */
	const char
		*text; /* character data of an element without children, else ""; NUL-terminated */
	size_t text_len;          /* bytes of text */
	struct wsman_attr *attrs; /* without xmlns declarations; in document order */
	struct wsman_node *parent;
	struct wsman_node *child, *last_child; /* first and last */
	struct wsman_node *next;               /* following sibling */
};

/**
 * First child element with this local name, whatever its namespace (devices differ in prefixes and
 * namespaces of embedded values, names inside one class do not collide). NULL when absent or when
 * node is NULL, so that look-ups can be chained.
 */
const struct wsman_node *wsman_node_child(const struct wsman_node *node, const char *name);

/** Same, but the namespace must be equal too. */
const struct wsman_node *wsman_node_child_ns(
	const struct wsman_node *node, const char *ns, const char *name);

/** Next sibling with the same local name (arrays are repeated elements); NULL at the end. */
const struct wsman_node *wsman_node_again(const struct wsman_node *node);

/** Whether the element has this namespace and local name; false for NULL. */
bool wsman_node_is(const struct wsman_node *node, const char *ns, const char *name);

/** Text of a child, unchanged; NULL when the child is absent, "" when it is empty. */
const char *wsman_node_text(const struct wsman_node *node, const char *child);

/** Decimal number in a child's text (white space around it allowed). @return 0; E_PARSE when
 * absent, no number, negative or above UINT64_MAX */
int wsman_node_uint(const struct wsman_node *node, const char *child, uint64_t *out);

/** "true"/"1" or "false"/"0" in a child's text. @return 0; E_PARSE when absent or other text */
int wsman_node_bool(const struct wsman_node *node, const char *child, bool *out);

/** Value of an attribute without namespace; NULL when absent. */
const char *wsman_node_attr(const struct wsman_node *node, const char *name);

/**
 * Text of a selector of a reference.
 *
 * @param node a SelectorSet, or an element that is a reference (ReferenceParameters/SelectorSet
 *             inside), its ReferenceParameters, or an element that wraps one EndpointReference;
 *             NULL allowed
 * @param name selector name; NULL takes the first one
 * @return its text; for a selector whose value is a reference the first selector of that one; NULL
 *         when there is none
 */
const char *wsman_node_selector(const struct wsman_node *node, const char *name);

/** The Selector element itself, for values that are references; as above. */
const struct wsman_node *wsman_node_selector_node(const struct wsman_node *node, const char *name);

/** ResourceURI of a reference; NULL when the element is none. */
const char *wsman_node_epr_uri(const struct wsman_node *node);

/**
 * The value of a property as one text: its own text; for a reference the text of its (first)
 * selector; for an embedded value the text of its first leaf. Never NULL.
 */
const char *wsman_node_flat(const struct wsman_node *node);

/** New element without parent. Names are copied. @return NULL when the arena is full */
struct wsman_node *wsman_node_new(struct arena *a, const char *ns, const char *name);

/** Set the text (copied). @return 0 or -ENOMEM */
int wsman_node_set_text(
	struct arena *a, struct wsman_node *node, const char *text, size_t text_len);

/** Put a child before another (NULL: last). The child must have no parent. */
void wsman_node_insert(
	struct wsman_node *parent, struct wsman_node *child, struct wsman_node *before);

/** Deep copy into another arena, without parent and siblings. @return NULL when it is full */
struct wsman_node *wsman_node_copy(struct arena *a, const struct wsman_node *node);

#endif
