/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wsman/read.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/* Between namespace and local name in expat's names; no XML document can contain it. */
#define NS_SEPARATOR '\x01'

/* Different namespaces remembered per document; a device declares 8, more are only copied again. */
#define NS_CACHE 16

enum reader_state { READER_IDLE, READER_OPEN, READER_FAILED };

struct wsman_reader {
	XML_Parser expat;
	unsigned long
		salt; /* of expat's hash tables; it would ask the kernel for one per document */
	struct arena *arena;
	enum reader_state state;
	struct error error; /* set by a handler that stops the parser */
	struct wsman_node *root, *top;
	struct buf text; /* character data since the last tag */
	size_t n_bytes, n_elements;
	unsigned depth;
	const char *ns[NS_CACHE];
	size_t n_ns;
};

/* Expat may still call a handler or two after this: all of them return at once on r->error. */
static void stop(struct wsman_reader *r, int code, const char *what)
{
	error_set(&r->error, code, "wsman: line %lu: %s",
		(unsigned long)XML_GetCurrentLineNumber(r->expat), what);
	XML_StopParser(r->expat, XML_FALSE);
}

static void stop_full(struct wsman_reader *r)
{
	stop(r, E_LIMIT, "document needs more memory than allowed");
}

/* Namespace texts repeat on every element: keep one copy. NULL when the arena is full. */
static const char *intern_ns(struct wsman_reader *r, const char *ns, size_t len)
{
	for (size_t i = 0; i < r->n_ns; i++)
		if (strncmp(r->ns[i], ns, len) == 0 && r->ns[i][len] == '\0')
			return r->ns[i];
	const char *copy = arena_strndup(r->arena, ns, len);
	if (copy && r->n_ns < NS_CACHE)
		r->ns[r->n_ns++] = copy;
	return copy;
}

/* Split expat's "uri SEP local". @return 0 or -ENOMEM */
static int split_name(struct wsman_reader *r, const char *full, const char **ns, const char **name)
{
	const char *sep = strchr(full, NS_SEPARATOR);

	*ns = sep ? intern_ns(r, full, (size_t)(sep - full)) : "";
	*name = arena_strdup(r->arena, sep ? sep + 1 : full);
	return *ns && *name ? 0 : -ENOMEM;
}

static int add_attrs(struct wsman_reader *r, struct wsman_node *node, const char **atts)
{
	struct wsman_attr **at = &node->attrs;

	for (size_t n = 0; atts[0]; atts += 2, n++) {
		if (n == WSMAN_ATTRS_MAX)
			return E_LIMIT;
		struct wsman_attr *a = arena_alloc(r->arena, sizeof *a);
		if (!a || split_name(r, atts[0], &a->ns, &a->name) < 0)
			return -ENOMEM;
		a->value = arena_strdup(r->arena, atts[1]);
		if (!a->value)
			return -ENOMEM;
		*at = a;
		at = &a->next;
	}
	return 0;
}

static void XMLCALL start_cb(void *arg, const char *full, const char **atts)
{
	struct wsman_reader *r = arg;

	if (r->error.code < 0)
		return;
	r->text.len = 0;
	if (r->depth == WSMAN_DEPTH_MAX) {
		stop(r, E_LIMIT, "elements are nested too deep");
		return;
	}
	if (r->n_elements == WSMAN_ELEMENTS_MAX) {
		stop(r, E_LIMIT, "too many elements");
		return;
	}
	struct wsman_node *node = arena_alloc(r->arena, sizeof *node);
	if (!node || split_name(r, full, &node->ns, &node->name) < 0) {
		stop_full(r);
		return;
	}
	int rc = add_attrs(r, node, atts);
	if (rc == E_LIMIT) {
		stop(r, E_LIMIT, "too many attributes");
		return;
	}
	if (rc < 0) {
		stop_full(r);
		return;
	}
	node->text = "";
	if (r->top)
		wsman_node_insert(r->top, node, NULL);
	else
		r->root = node;
	r->top = node;
	r->depth++;
	r->n_elements++;
}

static void XMLCALL end_cb(void *arg, const char *full)
{
	struct wsman_reader *r = arg;
	struct wsman_node *node = r->top;

	(void)full;
	if (r->error.code < 0)
		return;
	/* Text between child elements is layout: no device or class has mixed content. */
	if (!node->child && r->text.len > 0 &&
		wsman_node_set_text(r->arena, node, (const char *)r->text.data, r->text.len) < 0) {
		stop_full(r);
		return;
	}
	r->text.len = 0;
	r->top = node->parent;
	r->depth--;
}

static void XMLCALL text_cb(void *arg, const char *text, int len)
{
	struct wsman_reader *r = arg;

	if (r->error.code < 0)
		return;
	if (buf_add(&r->text, text, (size_t)len) < 0)
		stop_full(r);
}

static void XMLCALL doctype_cb(
	void *arg, const char *name, const char *sysid, const char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(arg, E_PARSE, "DOCTYPE is not allowed");
}

static void XMLCALL xml_decl_cb(void *arg, const char *version, const char *encoding, int alone)
{
	(void)version;
	(void)alone;
	if (encoding && strcasecmp(encoding, "UTF-8") != 0)
		stop(arg, E_PARSE, "encoding is not UTF-8");
}

int wsman_reader_new(struct wsman_reader **out, struct error *err)
{
	struct wsman_reader *r = calloc(1, sizeof *r);

	*out = NULL;
	ENSURE(r, err, -ENOMEM, "wsman: no memory for a reader");
	r->expat = XML_ParserCreateNS("UTF-8", NS_SEPARATOR);
	if (!r->expat) {
		free(r);
		return error_set(err, -ENOMEM, "wsman: no memory for an XML parser");
	}
	while (r->salt == 0) { /* 0 means none to expat */
		if (getrandom(&r->salt, sizeof r->salt, 0) < 0 && errno != EINTR) {
			wsman_reader_free(r);
			return error_set(err, E_CRYPTO, "wsman: no random numbers");
		}
	}
	buf_init(&r->text, WSMAN_BYTES_MAX);
	*out = r;
	return 0;
}

void wsman_reader_free(struct wsman_reader *r)
{
	if (!r)
		return;
	XML_ParserFree(r->expat);
	buf_free(&r->text);
	free(r);
}

int wsman_reader_begin(struct wsman_reader *r, struct arena *arena, struct error *err)
{
	/* A reset with a name succeeds without it when memory is out; setting it tells. */
	ENSURE(XML_ParserReset(r->expat, NULL) &&
			XML_SetEncoding(r->expat, "UTF-8") == XML_STATUS_OK,
		err, -ENOMEM, "wsman: XML parser not reset");
	XML_SetHashSalt(r->expat, r->salt);
	XML_SetUserData(r->expat, r);
	XML_SetElementHandler(r->expat, start_cb, end_cb);
	XML_SetCharacterDataHandler(r->expat, text_cb);
	XML_SetStartDoctypeDeclHandler(r->expat, doctype_cb);
	XML_SetXmlDeclHandler(r->expat, xml_decl_cb);
	r->arena = arena;
	r->state = READER_OPEN;
	r->error = (struct error){0};
	r->root = r->top = NULL;
	r->text.len = 0;
	r->n_bytes = r->n_elements = r->n_ns = 0;
	r->depth = 0;
	return 0;
}

static int reader_parse(
	struct wsman_reader *r, const char *data, size_t len, int final, struct error *err)
{
	if (XML_Parse(r->expat, data, (int)len, final) == XML_STATUS_OK)
		return 0;
	r->state = READER_FAILED;
	if (r->error.code < 0)
		return error_set(err, r->error.code, "%s", r->error.text);
	enum XML_Error code = XML_GetErrorCode(r->expat);
	if (code == XML_ERROR_NO_MEMORY)
		return error_set(err, -ENOMEM, "wsman: no memory in the XML parser");
	return error_set(err, E_PARSE, "wsman: line %lu, column %lu: %s",
		(unsigned long)XML_GetCurrentLineNumber(r->expat),
		(unsigned long)XML_GetCurrentColumnNumber(r->expat), XML_ErrorString(code));
}

int wsman_reader_feed(struct wsman_reader *r, const void *data, size_t len, struct error *err)
{
	ENSURE(r->state == READER_OPEN, err, E_STATE, "wsman: no document is being read");
	if (len > WSMAN_BYTES_MAX - r->n_bytes) {
		r->state = READER_FAILED;
		return error_set(
			err, E_LIMIT, "wsman: document is longer than %u bytes", WSMAN_BYTES_MAX);
	}
	r->n_bytes += len;
	return reader_parse(r, data, len, 0, err);
}

/* The only child with this name, NULL when absent. Two would let two readers of one message see
 * different things, so they are refused. */
static int only_child(const struct wsman_node *node, const char *ns, const char *name,
	const struct wsman_node **out, struct error *err)
{
	*out = wsman_node_child_ns(node, ns, name);
	for (const struct wsman_node *c = *out ? (*out)->next : NULL; c; c = c->next)
		ENSURE(!wsman_node_is(c, ns, name), err, E_PROTOCOL, "wsman: two elements %s",
			name);
	return 0;
}

/* Text without the white space around it that some devices print. NULL when the arena is full. */
static const char *trimmed(struct arena *arena, const struct wsman_node *node)
{
	static const char blank[] = " \t\r\n";

	if (!node)
		return "";
	const char *text = node->text + strspn(node->text, blank);
	size_t len = strlen(text);
	if (len == 0 || !strchr(blank, text[len - 1]))
		return text;
	while (strchr(blank, text[len - 1]))
		len--;
	return arena_strndup(arena, text, len);
}

static int header_text(struct wsman_reader *r, const struct wsman_message *m, const char *ns,
	const char *name, const char **out, struct error *err)
{
	const struct wsman_node *node;

	TRY(only_child(m->header, ns, name, &node, err));
	*out = trimmed(r->arena, node);
	ENSURE(*out, err, E_LIMIT, "wsman: document needs more memory than allowed");
	return 0;
}

static int view_header(struct wsman_reader *r, struct wsman_message *m, struct error *err)
{
	TRY(header_text(r, m, WSMAN_NS_ADDR, "Action", &m->action, err));
	TRY(header_text(r, m, WSMAN_NS_ADDR, "To", &m->to, err));
	TRY(header_text(r, m, WSMAN_NS_ADDR, "MessageID", &m->message_id, err));
	TRY(header_text(r, m, WSMAN_NS_ADDR, "RelatesTo", &m->relates_to, err));
	TRY(header_text(r, m, WSMAN_NS_WSMAN, "ResourceURI", &m->resource_uri, err));
	return only_child(m->header, WSMAN_NS_WSMAN, "SelectorSet", &m->selectors, err);
}

/* "e:AlreadyExists" -> "AlreadyExists" */
static const char *local_part(const char *qname)
{
	const char *colon = strrchr(qname, ':');

	return colon ? colon + 1 : qname;
}

static int view_fault(struct wsman_reader *r, struct wsman_message *m, struct error *err)
{
	const struct wsman_node *fault = m->payload;
	const struct wsman_node *code = wsman_node_child(fault, "Code");
	const struct wsman_node *sub = wsman_node_child(code, "Subcode");
	const struct wsman_node *detail = wsman_node_child(fault, "Detail");

	while (wsman_node_child(sub, "Subcode")) /* the innermost is the most specific */
		sub = wsman_node_child(sub, "Subcode");
	while (detail && detail->child)
		detail = detail->child;
	const struct wsman_node *from[] = {wsman_node_child(code, "Value"),
		wsman_node_child(sub, "Value"),
		wsman_node_child(wsman_node_child(fault, "Reason"), "Text"), detail};
	const char **to[] = {&m->fault.code, &m->fault.subcode, &m->fault.reason, &m->fault.detail};
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
		*to[i] = trimmed(r->arena, from[i]);
		ENSURE(*to[i], err, E_LIMIT, "wsman: document needs more memory than allowed");
	}
	m->fault.code = local_part(m->fault.code);
	m->fault.subcode = local_part(m->fault.subcode);
	m->fault.present = true;
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* ReturnValue of a method's answer: inside M_OUTPUT, or (seen once) alone in the Body. */
static int view_return_value(struct wsman_message *m, struct error *err)
{
	const struct wsman_node *where = m->payload, *node;
	uint64_t value;

	if (strcmp(where->name, "ReturnValue") == 0)
		where = m->body;
	else if (!ends_with(where->name, "_OUTPUT"))
		return 0;
	node = wsman_node_child(where, "ReturnValue");
	if (!node)
		return 0;
	ENSURE(!wsman_node_again(node), err, E_PROTOCOL, "wsman: two ReturnValues");
	ENSURE(wsman_node_uint(where, "ReturnValue", &value) == 0 && value <= UINT32_MAX, err,
		E_PROTOCOL, "wsman: ReturnValue is not a number");
	m->has_return_value = true;
	m->return_value = (uint32_t)value;
	return 0;
}

static int view_enumeration(struct wsman_reader *r, struct wsman_message *m, struct error *err)
{
	const struct wsman_node *node;

	if (strcmp(m->payload->ns, WSMAN_NS_ENUM) != 0)
		return 0;
	TRY(only_child(m->payload, WSMAN_NS_ENUM, "EnumerationContext", &node, err));
	m->context = trimmed(r->arena, node);
	ENSURE(m->context, err, E_LIMIT, "wsman: document needs more memory than allowed");
	m->end_of_sequence = wsman_node_child(m->payload, "EndOfSequence") != NULL;
	return 0;
}

/* The two names: what the message is about, and what its Body holds. */
static int view_names(struct wsman_reader *r, struct wsman_message *m, struct error *err)
{
	const char *body = m->payload ? m->payload->name : "";
	const char *ns = m->payload ? m->payload->ns : "";

	m->body_name = body;
	if (ends_with(body, "_INPUT") || ends_with(body, "_OUTPUT")) {
		size_t len = (size_t)(strrchr(body, '_') - body);
		m->body_name = arena_strndup(r->arena, body, len);
		ENSURE(m->body_name, err, E_LIMIT,
			"wsman: document needs more memory than allowed");
	}
	m->class_name = "";
	if (m->resource_uri[0] != '\0')
		m->class_name = wsman_class_of_uri(m->resource_uri);
	else if (wsman_class_base(wsman_class_of_uri(ns)))
		m->class_name = wsman_class_of_uri(ns);
	return 0;
}

static int view(struct wsman_reader *r, struct wsman_message *m, struct error *err)
{
	*m = (struct wsman_message){.envelope = r->root,
		.context = "",
		.fault = {.code = "", .subcode = "", .reason = "", .detail = ""}};
	ENSURE(wsman_node_is(r->root, WSMAN_NS_SOAP, "Envelope"), err, E_PROTOCOL,
		"wsman: not a SOAP 1.2 envelope but %s", r->root ? r->root->name : "nothing");
	TRY(only_child(r->root, WSMAN_NS_SOAP, "Header", &m->header, err));
	TRY(only_child(r->root, WSMAN_NS_SOAP, "Body", &m->body, err));
	ENSURE(m->body, err, E_PROTOCOL, "wsman: envelope without a Body");
	m->payload = m->body->child;
	ENSURE(!m->payload || !m->payload->next, err, E_PROTOCOL,
		"wsman: more than one element in the Body");
	TRY(view_header(r, m, err));
	TRY(view_names(r, m, err));
	if (!m->payload)
		return 0;
	if (wsman_node_is(m->payload, WSMAN_NS_SOAP, "Fault"))
		return view_fault(r, m, err);
	TRY(view_return_value(m, err));
	return view_enumeration(r, m, err);
}

int wsman_reader_end(struct wsman_reader *r, struct wsman_message *out, struct error *err)
{
	ENSURE(r->state == READER_OPEN, err, E_STATE, "wsman: no document is being read");
	TRY(reader_parse(r, "", 0, 1, err));
	r->state = READER_IDLE;
	return view(r, out, err);
}

int wsman_read(struct arena *arena, const void *data, size_t len, struct wsman_message *out,
	struct error *err)
{
	struct wsman_reader *r;

	TRY(wsman_reader_new(&r, err));
	int rc = wsman_reader_begin(r, arena, err);
	if (rc == 0)
		rc = wsman_reader_feed(r, data, len, err);
	if (rc == 0)
		rc = wsman_reader_end(r, out, err);
	wsman_reader_free(r);
	return rc;
}

const struct wsman_node *wsman_message_item(
	const struct wsman_message *msg, const struct wsman_node *after)
{
	if (after)
		return after == msg->payload ? NULL : after->next;
	if (!msg->payload || msg->fault.present)
		return NULL;
	if (wsman_node_is(msg->payload, WSMAN_NS_ENUM, "PullResponse")) {
		const struct wsman_node *items = wsman_node_child(msg->payload, "Items");
		return items ? items->child : NULL;
	}
	return msg->payload;
}

enum wsman_op wsman_message_op(const struct wsman_message *msg)
{
	return wsman_op_of_action(msg->action);
}
