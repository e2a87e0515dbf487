/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wsman/write.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* Reserved at once, so that an envelope with a password or a key in it never moves and leaves a
 * copy behind that nobody wipes. Only certificates make longer envelopes, and they are public. */
#define WRITE_RESERVE 4096

/* The element whose value could not be written, and the first failure; later writes do nothing. */
struct writer {
	struct buf *out;
	int rc;
	const char *where;
};

#define PUT_LIT(w, literal) put((w), (literal), sizeof(literal) - 1)

static void put(struct writer *w, const char *data, size_t len)
{
	if (w->rc == 0)
		w->rc = buf_add(w->out, data, len);
}

static void put_str(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

/* Bytes of one UTF-8 character that XML 1.0 allows, 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t len)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	uint32_t c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c == 0xfffe ||
		c == 0xffff)
		return 0;
	return n;
}

/* What stands for a byte in the document: NULL = itself, "" = cannot be written. White space other
 * than the blank is written as a reference: parsers change it in attributes and at line ends. */
static const char *escape_of(unsigned char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\t': return "&#9;";
	case '\n': return "&#10;";
	case '\r': return "&#13;";
	default: return c < 0x20 ? "" : NULL;
	}
}

int wsman_write_text(struct buf *out, const char *text, size_t text_len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t plain = 0; /* start of the run that needs no change */

	for (size_t i = 0; i < text_len;) {
		if (p[i] >= 0x80) {
			size_t n = utf8_len(p + i, text_len - i);
			if (n == 0)
				return E_PARSE;
			i += n;
			continue;
		}
		const char *escape = escape_of(p[i]);
		if (escape) {
			if (escape[0] == '\0')
				return E_PARSE;
			TRY(buf_add(out, text + plain, i - plain));
			TRY(buf_adds(out, escape));
			plain = i + 1;
		}
		i++;
	}
	return buf_add(out, text + plain, text_len - plain);
}

static void put_text(struct writer *w, const char *where, const char *text, size_t len)
{
	if (w->rc == 0) {
		w->rc = wsman_write_text(w->out, text, len);
		w->where = where;
	}
}

static void put_uint(struct writer *w, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value);

	put(w, text, (size_t)n);
}

/* <p:name and </p:name>, p being one letter. */
static void put_open(struct writer *w, char prefix, const char *name)
{
	char start[3] = {'<', prefix, ':'};

	put(w, start, 3);
	put_str(w, name);
}

static void put_close(struct writer *w, char prefix, const char *name)
{
	char start[4] = {'<', '/', prefix, ':'};

	put(w, start, 4);
	put_str(w, name);
	PUT_LIT(w, ">");
}

static void put_uri_of(struct writer *w, const char *class_name)
{
	const struct wsman_class *class = wsman_class_find(class_name);

	if (class) {
		put_str(w, class->uri);
	} else if (w->rc == 0) {
		w->rc = E_STATE;
		w->where = class_name ? class_name : "(no class)";
	}
}

static void put_epr(struct writer *w, const struct wsman_epr *epr);

static void put_selectors(struct writer *w, const struct wsman_selector *s, size_t n)
{
	PUT_LIT(w, "<w:SelectorSet>");
	for (size_t i = 0; i < n; i++) {
		PUT_LIT(w, "<w:Selector Name=\"");
		put_text(w, "Selector", s[i].name, strlen(s[i].name));
		PUT_LIT(w, "\">");
		if (s[i].epr) {
			PUT_LIT(w, "<a:EndpointReference>");
			put_epr(w, s[i].epr);
			PUT_LIT(w, "</a:EndpointReference>");
		} else if (s[i].text) {
			put_text(w, s[i].name, s[i].text, strlen(s[i].text));
		} else if (w->rc == 0) {
			w->rc = E_STATE;
			w->where = s[i].name;
		}
		PUT_LIT(w, "</w:Selector>");
	}
	PUT_LIT(w, "</w:SelectorSet>");
}

static void put_epr(struct writer *w, const struct wsman_epr *epr)
{
	const char *address = epr->address ? epr->address : WSMAN_ROLE_ANONYMOUS;

	PUT_LIT(w, "<a:Address>");
	put_text(w, "Address", address, strlen(address));
	PUT_LIT(w, "</a:Address><a:ReferenceParameters><w:ResourceURI>");
	put_uri_of(w, epr->class_name);
	PUT_LIT(w, "</w:ResourceURI>");
	put_selectors(w, epr->selectors, epr->n_selectors);
	PUT_LIT(w, "</a:ReferenceParameters>");
}

static void put_attrs(struct writer *w, const struct wsman_node *node)
{
	unsigned n = 0;

	for (const struct wsman_attr *a = node->attrs; a; a = a->next, n++) {
		if (strcmp(a->ns, WSMAN_NS_XML) == 0) {
			PUT_LIT(w, " xml:");
		} else if (a->ns[0] != '\0') {
			PUT_LIT(w, " xmlns:n");
			put_uint(w, n);
			PUT_LIT(w, "=\"");
			put_text(w, node->name, a->ns, strlen(a->ns));
			PUT_LIT(w, "\" n");
			put_uint(w, n);
			PUT_LIT(w, ":");
		} else {
			PUT_LIT(w, " ");
		}
		put_str(w, a->name);
		PUT_LIT(w, "=\"");
		put_text(w, node->name, a->value, strlen(a->value));
		PUT_LIT(w, "\"");
	}
}

/* Namespaces that prefixes r and q stand for at this place; NULL = prefix not declared. */
struct scope {
	const char *r, *q;
};

static char prefix_of(const struct scope *scope, const char *ns)
{
	if (ns[0] == '\0')
		return '\0';
	if (scope->r && strcmp(ns, scope->r) == 0)
		return 'r';
	if (strcmp(ns, WSMAN_NS_ADDR) == 0)
		return 'a';
	if (strcmp(ns, WSMAN_NS_WSMAN) == 0)
		return 'w';
	return 'q';
}

static void put_children(struct writer *w, const struct wsman_node *node, struct scope scope);

static void put_node(struct writer *w, const struct wsman_node *node, struct scope scope)
{
	char prefix = prefix_of(&scope, node->ns);

	if (prefix == '\0') {
		PUT_LIT(w, "<");
		put_str(w, node->name);
		PUT_LIT(w, " xmlns=\"\"");
	} else {
		put_open(w, prefix, node->name);
	}
	if (prefix == 'q' && (!scope.q || strcmp(scope.q, node->ns) != 0)) {
		PUT_LIT(w, " xmlns:q=\"");
		put_text(w, node->name, node->ns, strlen(node->ns));
		PUT_LIT(w, "\"");
		scope.q = node->ns;
	}
	put_attrs(w, node);
	PUT_LIT(w, ">");
	put_children(w, node, scope);
	if (prefix == '\0') {
		PUT_LIT(w, "</");
		put_str(w, node->name);
		PUT_LIT(w, ">");
	} else {
		put_close(w, prefix, node->name);
	}
}

static void put_children(struct writer *w, const struct wsman_node *node, struct scope scope)
{
	if (!node->child)
		put_text(w, node->name, node->text, node->text_len);
	for (const struct wsman_node *c = node->child; c; c = c->next)
		put_node(w, c, scope);
}

int wsman_write_node(struct buf *out, const struct wsman_node *node, const char *ns)
{
	struct writer w = {.out = out};
	size_t before = out->len;

	put_node(&w, node, (struct scope){.r = ns});
	if (w.rc < 0)
		out->len = before;
	return w.rc;
}

static void put_params(
	struct writer *w, char prefix, const char *ns, const struct wsman_param *params, size_t n);

/* <p:name>text</p:name> */
static void put_leaf(struct writer *w, char prefix, const char *name, const char *text)
{
	put_open(w, prefix, name);
	PUT_LIT(w, ">");
	put_text(w, name, text, strlen(text));
	put_close(w, prefix, name);
}

static void put_param(struct writer *w, char prefix, const char *ns, const struct wsman_param *p)
{
	switch (p->kind) {
	case WSMAN_PARAM_TEXT:
		if (p->text)
			put_leaf(w, prefix, p->name, p->text);
		return;
	case WSMAN_PARAM_REPEATED:
		for (size_t i = 0; i < p->n; i++)
			put_leaf(w, prefix, p->name, p->texts[i]);
		return;
	case WSMAN_PARAM_EPR:
		put_open(w, prefix, p->name);
		PUT_LIT(w, ">");
		put_epr(w, p->epr);
		break;
	case WSMAN_PARAM_NODE:
		put_open(w, prefix, p->name);
		PUT_LIT(w, ">");
		put_children(w, p->node, (struct scope){.r = prefix == 'r' ? ns : NULL});
		break;
	case WSMAN_PARAM_EMBEDDED:
		put_open(w, prefix, p->name);
		PUT_LIT(w, " xmlns:q=\"");
		put_uri_of(w, p->class_name);
		PUT_LIT(w, "\">");
		put_params(w, 'q', NULL, p->params, p->n);
		break;
	}
	put_close(w, prefix, p->name);
}

static void put_params(
	struct writer *w, char prefix, const char *ns, const struct wsman_param *params, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_param(w, prefix, ns, &params[i]);
}

static void put_header(struct writer *w, const struct wsman_request *req)
{
	const char *uri = wsman_class_find(req->class_name)->uri;

	PUT_LIT(w, "<Header><a:Action>");
	if (req->op == WSMAN_INVOKE) {
		put_str(w, uri);
		PUT_LIT(w, "/");
		put_str(w, req->method);
	} else {
		put_str(w, wsman_action(req->op));
	}
	PUT_LIT(w, "</a:Action><a:To>/wsman</a:To><w:ResourceURI>");
	put_str(w, uri);
	PUT_LIT(w, "</w:ResourceURI><a:MessageID>");
	put_uint(w, req->message_id);
	PUT_LIT(w, "</a:MessageID><a:ReplyTo><a:Address>" WSMAN_ROLE_ANONYMOUS
		   "</a:Address></a:ReplyTo><w:OperationTimeout>PT");
	put_uint(w, req->timeout_s ? req->timeout_s : WSMAN_TIMEOUT_S);
	PUT_LIT(w, "S</w:OperationTimeout>");
	if (req->n_selectors > 0)
		put_selectors(w, req->selectors, req->n_selectors);
	PUT_LIT(w, "</Header>");
}

/* The element of Put, Create and Invoke: named like the class, or like the method plus _INPUT. */
static void put_payload(struct writer *w, const struct wsman_request *req)
{
	const char *uri = wsman_class_find(req->class_name)->uri;
	bool invoke = req->op == WSMAN_INVOKE;

	PUT_LIT(w, "<Body><r:");
	put_str(w, invoke ? req->method : req->class_name);
	put_str(w, invoke ? "_INPUT" : "");
	PUT_LIT(w, " xmlns:r=\"");
	put_str(w, uri);
	PUT_LIT(w, "\">");
	if (req->object)
		put_children(w, req->object, (struct scope){.r = uri});
	else
		put_params(w, 'r', uri, req->params, req->n_params);
	PUT_LIT(w, "</r:");
	put_str(w, invoke ? req->method : req->class_name);
	put_str(w, invoke ? "_INPUT" : "");
	PUT_LIT(w, "></Body>");
}

static void put_body(struct writer *w, const struct wsman_request *req)
{
	switch (req->op) {
	case WSMAN_GET:
	case WSMAN_DELETE: PUT_LIT(w, "<Body/>"); return;
	case WSMAN_IDENTIFY:
		PUT_LIT(w, "<Header/><Body><Identify xmlns=\"" WSMAN_NS_IDENTITY "\"/></Body>");
		return;
	case WSMAN_ENUMERATE:
		PUT_LIT(w, "<Body><Enumerate xmlns=\"" WSMAN_NS_ENUM "\"/></Body>");
		return;
	case WSMAN_PULL:
		PUT_LIT(w, "<Body><Pull xmlns=\"" WSMAN_NS_ENUM "\"><EnumerationContext>");
		put_text(w, "EnumerationContext", req->context, strlen(req->context));
		PUT_LIT(w, "</EnumerationContext><MaxElements>");
		put_uint(w, WSMAN_PULL_ELEMENTS);
		PUT_LIT(w, "</MaxElements><MaxCharacters>");
		put_uint(w, WSMAN_PULL_CHARACTERS);
		PUT_LIT(w, "</MaxCharacters></Pull></Body>");
		return;
	case WSMAN_PUT:
	case WSMAN_CREATE:
	case WSMAN_INVOKE: put_payload(w, req); return;
	}
}

/* A wrong description is our own mistake; found in the first test that sends it. */
static int check_request(const struct wsman_request *req, struct error *err)
{
	bool body = req->op == WSMAN_PUT || req->op == WSMAN_CREATE;

	ENSURE((unsigned)req->op <= WSMAN_IDENTIFY, err, E_STATE, "wsman: no such operation");
	if (req->op == WSMAN_IDENTIFY)
		return 0;
	const struct wsman_class *class = wsman_class_find(req->class_name);
	ENSURE(class, err, E_STATE, "wsman: class %s is not in the table of class.c",
		req->class_name ? req->class_name : "(none)");
	ENSURE(req->op != WSMAN_INVOKE || req->method, err, E_STATE, "wsman: %s: no method",
		class->name);
	ENSURE(req->op != WSMAN_PULL || req->context, err, E_STATE,
		"wsman: %s: Pull without an enumeration context", class->name);
	ENSURE(!body || req->object || req->n_params > 0, err, E_STATE,
		"wsman: %s: Put or Create without an object", class->name);
	ENSURE(!body || !req->object || wsman_node_is(req->object, class->uri, class->name), err,
		E_STATE, "wsman: %s: the object to send is of another class", class->name);
	return 0;
}

int wsman_write(struct buf *out, const struct wsman_request *req, struct error *err)
{
	struct writer w = {.out = out, .where = "envelope"};
	size_t before = out->len;

	TRY(check_request(req, err));
	/* Too little room is no failure yet: the envelope may be shorter. */
	(void)buf_reserve(out, WRITE_RESERVE);
	PUT_LIT(&w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Envelope xmlns:a=\"" WSMAN_NS_ADDR
		    "\" xmlns:w=\"" WSMAN_NS_WSMAN "\" xmlns=\"" WSMAN_NS_SOAP "\">");
	if (req->op != WSMAN_IDENTIFY)
		put_header(&w, req);
	put_body(&w, req);
	PUT_LIT(&w, "</Envelope>");
	if (w.rc == 0)
		return 0;
	out->len = before;
	return error_set(err, w.rc, "wsman: cannot write %s, element %s: %s",
		req->class_name ? req->class_name : "Identify", w.where,
		w.rc == E_PARSE   ? "its value is not text that XML can carry"
		: w.rc == E_LIMIT ? "the request is too big"
				  : error_name(w.rc));
}
