/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope writer: one request description in, one SOAP document out. Fixed templates, all
 * values escaped, no allocation per element. Ownership: everything in a request is borrowed for the
 * call. The output may hold a password: free it with buf_wipe(). Threads: none.
 */
#ifndef MUSTER_WSMAN_WRITE_H
#define MUSTER_WSMAN_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/wsman/class.h"
#include "proto/wsman/node.h"

struct buf;
struct error;

/* Requests stay below this; real ones end near 8 KiB (a certificate). SPEC: wsman.md 4 "Sizes" */
#define WSMAN_REQUEST_MAX 32768

#define WSMAN_TIMEOUT_S       60    /* OperationTimeout unless the request says otherwise */
#define WSMAN_PULL_ELEMENTS   999   /* what all peers ask for; firmware sends fewer */
#define WSMAN_PULL_CHARACTERS 99999 /* ditto */

struct wsman_epr;

/* Selector Name="name": a text, or a reference when epr is set. */
struct wsman_selector {
	const char *name;
	const char *text;
	const struct wsman_epr *epr;
};

/* Reference to an instance. */
struct wsman_epr {
	const char *class_name;
	const struct wsman_selector *selectors;
	size_t n_selectors;
	const char *address; /* NULL: the anonymous role */
};

enum wsman_param_kind {
	WSMAN_PARAM_TEXT,     /* text; NULL leaves the element out */
	WSMAN_PARAM_EPR,      /* epr */
	WSMAN_PARAM_EMBEDDED, /* params, in the namespace of class_name */
	WSMAN_PARAM_REPEATED, /* texts: one element for each; none for an empty array */
	WSMAN_PARAM_NODE,     /* children of node, as received (an embedded value to echo) */
};

struct wsman_param {
	const char *name;
	enum wsman_param_kind kind;
	union {
		const char *text;
		const struct wsman_epr *epr;
		const struct wsman_param *params;
		const char *const *texts;
		const struct wsman_node *node;
	};
	size_t n;               /* elements of params or texts */
	const char *class_name; /* WSMAN_PARAM_EMBEDDED only */
};

#define WSMAN_TEXT(name_, text_) \
	((struct wsman_param){.name = (name_), .kind = WSMAN_PARAM_TEXT, .text = (text_)})
#define WSMAN_EPR(name_, epr_) \
	((struct wsman_param){.name = (name_), .kind = WSMAN_PARAM_EPR, .epr = (epr_)})
#define WSMAN_EMBEDDED(name_, class_, params_, n_) \
	((struct wsman_param){.name = (name_),     \
		.kind = WSMAN_PARAM_EMBEDDED,      \
		.params = (params_),               \
		.n = (n_),                         \
		.class_name = (class_)})
#define WSMAN_REPEATED(name_, texts_, n_) \
	((struct wsman_param){            \
		.name = (name_), .kind = WSMAN_PARAM_REPEATED, .texts = (texts_), .n = (n_)})

struct wsman_request {
	enum wsman_op op;
	const char *class_name; /* all but WSMAN_IDENTIFY: a name of the table of class.h */
	const char *method;     /* WSMAN_INVOKE */
	uint64_t message_id;    /* the answer's RelatesTo repeats it */
	uint32_t timeout_s;     /* 0: WSMAN_TIMEOUT_S */
	const struct wsman_selector *selectors;
	size_t n_selectors;
	const struct wsman_param *params; /* INVOKE: in parameters; PUT, CREATE: the properties */
	size_t n_params;
	const struct wsman_node *object; /* PUT, CREATE: instead of params (object.h) */
	const char *context;             /* WSMAN_PULL: EnumerationContext */
};

/**
 * Append one envelope. Header order: Action, To, ResourceURI, MessageID, ReplyTo, OperationTimeout,
 * SelectorSet. On failure the buffer is as long as before. SPEC: wsman.md 4
 *
 * @param out  use buf_init(&out, WSMAN_REQUEST_MAX); wipe it if a parameter is secret
 * @return
 * - 0
 * - E_STATE: class not in the table, or a part of the description missing (our own mistake)
 * - E_PARSE: a value that XML cannot carry (control character, invalid UTF-8); names the element
 * - E_LIMIT, -ENOMEM: as buf_add()
 */
int wsman_write(struct buf *out, const struct wsman_request *req, struct error *err);

/**
 * Append text with & < > " and the white space that parsers would change escaped; fits element
 * content and quoted attribute values.
 * @return 0; E_PARSE for control characters and invalid UTF-8; E_LIMIT, -ENOMEM
 */
int wsman_write_text(struct buf *out, const char *text, size_t text_len);

/**
 * Append an element and what is in it; for writers of answers (the simulator) and Put bodies.
 *
 * @param ns the namespace that prefix r stands for where the element is written; prefixes a
 *           (addressing) and w (wsman) must be declared around it too, others declare themselves
 * @return as wsman_write_text()
 */
int wsman_write_node(struct buf *out, const struct wsman_node *node, const char *ns);

#endif
