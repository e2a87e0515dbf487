/* SPDX-License-Identifier: Apache-2.0 */
/* Request tree on expat; see xml.h. */
#include "bench/sim/xml.h"

#include "common/base/buf.h"

#include <errno.h>
#include <expat.h>
#include <string.h>

#define SOAP_NS "http://www.w3.org/2003/05/soap-envelope"
/* Separates namespace and name in expat's callbacks: cannot occur in either. */
#define NS_SEP '\n'

struct reading {
	XML_Parser parser;
	struct arena *mem;
	struct xml_node *root;
	struct xml_node *at;
	struct buf text[XML_DEPTH_MAX + 1];
	int depth;
	size_t n_nodes;
	int failed; /* our own code, 0 while good */
};

static void stop(struct reading *r, int code)
{
	if (r->failed == 0)
		r->failed = code;
	XML_StopParser(r->parser, XML_FALSE);
}

/* "uri\nlocal" to its two parts. */
static void split(struct reading *r, struct xml_node *n, const char *full)
{
	const char *sep = strchr(full, NS_SEP);
	if (sep) {
		n->ns = arena_strndup(r->mem, full, (size_t)(sep - full));
		n->name = arena_strdup(r->mem, sep + 1);
	} else {
		n->ns = "";
		n->name = arena_strdup(r->mem, full);
	}
}

static void attributes(struct reading *r, struct xml_node *n, const char **atts)
{
	for (size_t i = 0; atts[i]; i += 2) {
		if (strcmp(atts[i], "Name") == 0)
			n->attr_name = arena_strdup(r->mem, atts[i + 1]);
		else if (strcmp(atts[i], SOAP_NS "\nmustUnderstand") == 0)
			n->must_understand =
				strcmp(atts[i + 1], "true") == 0 || strcmp(atts[i + 1], "1") == 0;
	}
}

static void XMLCALL on_start(void *arg, const char *name, const char **atts)
{
	struct reading *r = arg;
	if (r->depth >= XML_DEPTH_MAX || ++r->n_nodes > XML_NODES_MAX) {
		stop(r, E_LIMIT);
		return;
	}
	struct xml_node *n = arena_alloc(r->mem, sizeof *n);
	if (!n) {
		stop(r, -ENOMEM);
		return;
	}
	n->text = "";
	split(r, n, name);
	attributes(r, n, atts);
	if (!n->ns || !n->name) {
		stop(r, -ENOMEM);
		return;
	}
	n->parent = r->at;
	if (!r->at)
		r->root = n;
	else if (r->at->last)
		r->at->last->next = n;
	else
		r->at->children = n;
	if (r->at)
		r->at->last = n;
	r->at = n;
	r->depth++;
	buf_init(&r->text[r->depth], XML_BYTES_MAX);
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct reading *r = arg;
	(void)name;
	struct buf *t = &r->text[r->depth];
	const char *s = (const char *)t->data;
	size_t len = t->len;
	while (len > 0 && strchr(" \t\r\n", s[0])) {
		s++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", s[len - 1]))
		len--;
	if (len > 0) {
		r->at->text = arena_strndup(r->mem, s, len);
		if (!r->at->text)
			stop(r, -ENOMEM);
	}
	buf_wipe(t);
	r->depth--;
	r->at = r->at->parent;
}

static void XMLCALL on_text(void *arg, const char *s, int len)
{
	struct reading *r = arg;
	if (r->depth > 0 && buf_add(&r->text[r->depth], s, (size_t)len) < 0)
		stop(r, E_LIMIT);
}

static void XMLCALL on_doctype(
	void *arg, const char *name, const char *sysid, const char *pubid, int internal)
{
	(void)name, (void)sysid, (void)pubid, (void)internal;
	stop(arg, E_PARSE);
}

int xml_parse(
	struct xml_node **root, struct arena *mem, const char *data, size_t len, struct error *err)
{
	ENSURE(len <= XML_BYTES_MAX, err, E_LIMIT, "request of %zu bytes", len);
	struct reading r = {.mem = mem};
	r.parser = XML_ParserCreateNS(NULL, NS_SEP);
	ENSURE(r.parser, err, -ENOMEM, "no memory for an XML parser");
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	int ok = XML_Parse(r.parser, data, (int)len, XML_TRUE) == XML_STATUS_OK;
	const char *why = XML_ErrorString(XML_GetErrorCode(r.parser));
	int rc = 0;
	if (!ok || !r.root)
		rc = error_set(err, r.failed ? r.failed : E_PARSE, "request is not XML: %s",
			why ? why : "empty");
	for (int i = r.depth; i > 0; i--)
		buf_wipe(&r.text[i]);
	XML_ParserFree(r.parser);
	*root = rc == 0 ? r.root : NULL;
	return rc;
}

bool xml_is(const struct xml_node *n, const char *ns, const char *name)
{
	return n && strcmp(n->name, name) == 0 && strcmp(n->ns, ns) == 0;
}

const struct xml_node *xml_child(const struct xml_node *n, const char *name)
{
	for (const struct xml_node *c = n ? n->children : NULL; c; c = c->next)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

size_t xml_count(const struct xml_node *n)
{
	size_t count = 0;
	for (const struct xml_node *c = n ? n->children : NULL; c; c = c->next)
		count++;
	return count;
}

int xml_escape(struct buf *out, const char *text)
{
	for (const char *s = text; *s;) {
		size_t plain = strcspn(s, "&<>");
		TRY(buf_add(out, s, plain));
		s += plain;
		if (*s == '&')
			TRY(buf_adds(out, "&amp;"));
		else if (*s == '<')
			TRY(buf_adds(out, "&lt;"));
		else if (*s == '>')
			TRY(buf_adds(out, "&gt;"));
		if (*s)
			s++;
	}
	return 0;
}
