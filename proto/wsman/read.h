/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streaming reader: bytes of a SOAP document in any split in, a tree and a view of it out.
 * Serves answers (worker, muster decode) and requests (simulator). Built on expat: namespaces are
 * resolved, DOCTYPE is refused, so there are no entities but the five of XML.
 * Ownership: the tree and all texts of a message live in the caller's arena. A reader keeps expat's
 * memory and can be used for any number of documents, one at a time. Threads: none.
 */
#ifndef MUSTER_WSMAN_READ_H
#define MUSTER_WSMAN_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wsman/class.h"
#include "proto/wsman/node.h"

struct arena;
struct error;
struct wsman_reader;

#define WSMAN_BYTES_MAX \
	(1024u * 1024u)          /* document; recorded ones end at 8 KiB, logs near 100 KiB */
#define WSMAN_DEPTH_MAX    32    /* recorded maximum: 10 */
#define WSMAN_ELEMENTS_MAX 32768 /* a full pull: 999 instances of 25 properties */
#define WSMAN_ATTRS_MAX    16    /* of one element; recorded maximum: 1 */
/* Arena for one document that reaches all limits: nodes and names 6 MiB, texts 1 MiB. */
#define WSMAN_ARENA_MAX (8u * 1024u * 1024u)

struct wsman_fault {
	bool present;
	const char *code;    /* local part of Code/Value: "Sender" */
	const char *subcode; /* local part of Code/Subcode/Value: "AlreadyExists"; "" when absent */
	const char *reason;  /* Reason/Text */
	const char *detail;  /* Detail: first text inside, or "" */
};

/* Texts are never NULL ("" = absent) and have no white space around them; nodes may be NULL. */
struct wsman_message {
	const struct wsman_node *envelope, *header, *body;
	const struct wsman_node *payload; /* first element in Body; NULL for an empty Body */

	const char *action;
	const char *to;
	const char *resource_uri;
	const char *message_id;
	const char *relates_to;             /* "" in a request */
	const struct wsman_node *selectors; /* SelectorSet of the header: wsman_node_selector() */

	/* What it is about: class of the ResourceURI; without one, of the payload's namespace. */
	const char *class_name;
	const char *body_name; /* payload's local name without _INPUT / _OUTPUT */

	bool has_return_value;
	uint32_t return_value;
	struct wsman_fault fault;

	const char *context;  /* EnumerationContext of an Enumerate/Pull answer or Pull request */
	bool end_of_sequence; /* no further Pull */
};

/** A new reader. @return 0 or -ENOMEM */
int wsman_reader_new(struct wsman_reader **out, struct error *err);

/** Free; NULL allowed. Trees stay valid (they are the arena's). */
void wsman_reader_free(struct wsman_reader *r);

/** Start a document whose tree goes to arena. May be called at any time; forgets an unfinished one.
 */
int wsman_reader_begin(struct wsman_reader *r, struct arena *arena, struct error *err);

/**
 * The next bytes of the document, in any split.
 * @return
 * - 0
 * - E_PARSE: not well-formed, not UTF-8, DOCTYPE, a second root (text says where)
 * - E_LIMIT: size, depth, element or attribute limit, or the arena's ceiling
 * - E_STATE: no document begun, or an earlier call failed
 */
int wsman_reader_feed(struct wsman_reader *r, const void *data, size_t len, struct error *err);

/**
 * The document is complete: look at it.
 * @return 0; E_PARSE as above or truncated; E_PROTOCOL: well-formed but no SOAP 1.2 envelope with
 *         a Body, or two payloads, or a ReturnValue that is no number; E_LIMIT, E_STATE
 */
int wsman_reader_end(struct wsman_reader *r, struct wsman_message *out, struct error *err);

/** Whole document in memory: new, begin, feed, end, free. Returns as those. */
int wsman_read(struct arena *arena, const void *data, size_t len, struct wsman_message *out,
	struct error *err);

/**
 * Items of a message: each instance of a PullResponse, else the payload itself (object of a Get,
 * parameters of a method, EnumerateResponse); none for a fault or an empty Body. The properties of
 * an item are its children in document order: name, and wsman_node_flat() as value.
 *
 * @param after NULL for the first, else the item returned before
 */
const struct wsman_node *wsman_message_item(
	const struct wsman_message *msg, const struct wsman_node *after);

/** Operation of a request. */
enum wsman_op wsman_message_op(const struct wsman_message *msg);

#endif
