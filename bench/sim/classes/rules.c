/* SPDX-License-Identifier: Apache-2.0 */
/* What the class tables drive: properties out, selectors, the check and the storing of a body. */
#include "bench/sim/classes/class.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *object_read(const struct class_def *cls, struct device *d, int instance)
{
	if (cls->object)
		return cls->object(d, instance);
	const uint8_t *part = part_read(d, cls->part);
	return part + cls->base + cls->stride * (size_t)instance;
}

static uint8_t *object_write(const struct class_def *cls, struct device *d, int instance)
{
	if (cls->object)
		return cls->object(d, instance);
	uint8_t *part = part_write(d, cls->part);
	return part ? part + cls->base + cls->stride * (size_t)instance : NULL;
}

/* ---- out ------------------------------------------------------------------------------------ */

static void write_value(struct writer *w, const struct prop *p, const void *at)
{
	bool hide = p->flags & PF_HIDE_EMPTY;
	switch (p->type) {
	case PT_STR:
		if (!hide || *(const char *)at)
			w_text(w, p->name, at);
		break;
	case PT_BOOL: w_bool(w, p->name, *(const bool *)at); break;
	case PT_UINT:
		if (!hide || *(const uint32_t *)at != UINT_UNSET)
			w_uint(w, p->name, *(const uint32_t *)at);
		break;
	case PT_B64:
	case PT_REF:
	case PT_DATETIME:
	case PT_EMBEDDED: break; /* always by prop.value */
	}
}

/* Bytes of one element of a stored array. */
static size_t element_size(const struct prop *p)
{
	return p->type == PT_STR ? p->max + 1 : sizeof(uint32_t);
}

static void write_array(struct writer *w, const struct prop *p, const uint8_t *at)
{
	uint32_t n = *(const uint32_t *)(const void *)at;
	for (uint32_t i = 0; i < n; i++)
		write_value(w, p, at + sizeof n + i * element_size(p));
}

/* A constant; of an array, its values stand apart by spaces. */
static void write_constant(struct writer *w, const struct prop *p)
{
	const char *s = p->text;
	char one[64];
	if (p->type == PT_REF)
		w_refs(w, p->name, s);
	else if (p->type == PT_DATETIME)
		(void)buf_addf(w->out,
			"<%c:%s><i:Datetime xmlns:i=\"" NS_COMMON "\">%s</i:Datetime></%c:%s>",
			w->prefix, p->name, s, w->prefix, p->name);
	else if (!(p->flags & PF_ARRAY))
		w_text(w, p->name, s);
	else
		for (size_t len; *s; s += len + (s[len] == ' ')) {
			len = strcspn(s, " ");
			snprintf(one, sizeof one, "%.*s", (int)len, s);
			w_text(w, p->name, one);
		}
}

static void write_prop(struct writer *w, const struct class_def *cls, struct device *d,
	int instance, const struct prop *p)
{
	if (p->value)
		p->value(w, d, instance, p);
	else if (p->text)
		write_constant(w, p);
	else if (p->flags & PF_SECRET)
		return;
	else if (p->flags & PF_ARRAY)
		write_array(w, p, object_read(cls, d, instance) + p->off);
	else
		write_value(w, p, object_read(cls, d, instance) + p->off);
}

void class_write(struct writer *w, const struct class_def *cls, struct device *d, int instance)
{
	for (size_t i = 0; cls->props[i].name; i++)
		if (!((w->hide >> i) & 1u))
			write_prop(w, cls, d, instance, &cls->props[i]);
}

/* ---- selectors ------------------------------------------------------------------------------ */

/* The value of a key property is what Get would show. */
static bool key_is(const struct class_def *cls, struct device *d, int instance,
	const struct prop *p, const char *wanted)
{
	struct buf shown, expected;
	buf_init(&shown, 4096);
	buf_init(&expected, 4096);
	struct writer w = {.out = &shown, .prefix = 'g'}, e = {.out = &expected, .prefix = 'g'};
	write_prop(&w, cls, d, instance, p);
	w_text(&e, p->name, wanted);
	bool same = shown.len == expected.len && shown.len > 0 &&
		    memcmp(shown.data, expected.data, shown.len) == 0;
	buf_free(&shown);
	buf_free(&expected);
	return same;
}

/* A reference is the same when every selector in it is one that Get would show. */
static bool reference_is(const struct class_def *cls, struct device *d, int instance,
	const struct prop *p, const struct xml_node *epr)
{
	const struct xml_node *set =
		xml_child(xml_child(epr, "ReferenceParameters"), "SelectorSet");
	struct buf shown, one;
	buf_init(&shown, 4096);
	struct writer w = {.out = &shown, .prefix = 'g'};
	write_prop(&w, cls, d, instance, p);
	const char *text = buf_cstr(&shown);
	bool same = text && set && set->children;
	for (const struct xml_node *s = set ? set->children : NULL; same && s; s = s->next) {
		buf_init(&one, 1024);
		(void)buf_addf(&one, "Name=\"%s\">", s->attr_name ? s->attr_name : "");
		(void)xml_escape(&one, s->text);
		(void)buf_adds(&one, "</");
		const char *wanted = buf_cstr(&one);
		same = wanted && strstr(text, wanted) != NULL;
		buf_free(&one);
	}
	buf_free(&shown);
	return same;
}

/* Keys are texts; an association is named by its references. */
static const struct prop *key_named(const struct class_def *cls, const char *name)
{
	for (const struct prop *p = cls->props; p->name; p++)
		if (((p->flags & PF_ID) || p->type == PT_REF) && strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static bool selected(const struct class_def *cls, struct device *d, int instance,
	const struct xml_node *selectors)
{
	for (const struct xml_node *s = selectors->children; s; s = s->next) {
		const struct prop *p = key_named(cls, s->attr_name);
		if (!p || (p->type == PT_REF) != (s->children != NULL))
			return false;
		if (p->type == PT_REF ? !reference_is(cls, d, instance, p, s->children)
				      : !key_is(cls, d, instance, p, s->text))
			return false;
	}
	return true;
}

enum wfault class_select(const struct class_def *cls, struct device *d,
	const struct xml_node *selectors, int *instance)
{
	int n = class_count(cls, d);
	if (!selectors || !selectors->children) {
		/* Only what exists once needs no selector. */
		*instance = 0;
		return !cls->count && class_exists(cls, d, 0) ? WF_NONE : WF_INVALID_SELECTORS;
	}
	for (const struct xml_node *s = selectors->children; s; s = s->next)
		if (strcmp(s->name, "Selector") != 0 || !s->attr_name)
			return WF_INVALID_SELECTORS;
	for (int i = 0; i < n; i++)
		if (class_exists(cls, d, i) && selected(cls, d, i, selectors)) {
			*instance = i;
			return WF_NONE;
		}
	return WF_INVALID_SELECTORS;
}

/* ---- a body --------------------------------------------------------------------------------- */

static bool uint_ok(const struct prop *p, const char *text)
{
	if (*text < '0' || *text > '9')
		return false;
	char *end;
	uint64_t v = strtoull(text, &end, 10);
	return *end == '\0' && v <= (p->max ? p->max : UINT32_MAX);
}

/* The alphabet only: what does not decode is answered by the method's ReturnValue. */
static bool b64_ok(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/= \t\r\n";
	return text[strspn(text, alphabet)] == '\0';
}

/* An endpoint reference: Address, then ReferenceParameters with ResourceURI and SelectorSet. */
static bool ref_ok(const struct xml_node *n)
{
	const char *adr = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
	const char *man = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
	const struct xml_node *a = n->children, *p = a ? a->next : NULL;
	const struct xml_node *uri = p ? p->children : NULL;
	return uri && xml_is(a, adr, "Address") && xml_is(p, adr, "ReferenceParameters") &&
	       xml_is(uri, man, "ResourceURI") && xml_is(uri->next, man, "SelectorSet");
}

static bool embedded_ok(const struct prop *p, const struct xml_node *n)
{
	const struct xml_node *args[CLASS_ARGS_MAX] = {NULL};
	return class_check(p->sub, 0, false, n, p->sub_uri, args) == WF_NONE;
}

static bool value_ok(const struct prop *p, const struct xml_node *n)
{
	if (p->type == PT_REF)
		return ref_ok(n);
	if (p->type == PT_EMBEDDED)
		return embedded_ok(p, n);
	if (n->children)
		return false;
	switch (p->type) {
	case PT_STR: return p->max == 0 || strlen(n->text) <= p->max;
	case PT_BOOL: return strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0;
	case PT_UINT: return uint_ok(p, n->text);
	case PT_B64: return b64_ok(n->text);
	case PT_DATETIME: return true; /* read-only everywhere */
	case PT_REF:
	case PT_EMBEDDED: break;
	}
	return false;
}

/* Place of a name in the table at or after from; -1 when it is not there. */
static int place(const struct prop *props, int from, const char *name)
{
	for (int i = 0; props && props[i].name; i++)
		if (strcmp(props[i].name, name) == 0)
			return i >= from ? i : -1;
	return -1;
}

static bool is_hidden(uint64_t hidden, int i)
{
	return (hidden >> i) & 1u;
}

enum wfault class_check(const struct prop *props, uint64_t hidden, bool any_order,
	const struct xml_node *body, const char *ns,
	const struct xml_node *args[static CLASS_ARGS_MAX])
{
	int at = 0;
	size_t seen[CLASS_ARGS_MAX] = {0};
	for (const struct xml_node *n = body->children; n; n = n->next) {
		int i = strcmp(n->ns, ns) == 0 ? place(props, any_order ? 0 : at, n->name) : -1;
		if (i < 0 || i >= CLASS_ARGS_MAX || is_hidden(hidden, i) || !value_ok(&props[i], n))
			return WF_SCHEMA;
		if (args[i] && !(props[i].flags & PF_ARRAY))
			return WF_SCHEMA;
		if (++seen[i] > props[i].cap && props[i].cap > 0)
			return WF_SCHEMA;
		if (!args[i])
			args[i] = n;
		at = i;
	}
	for (int i = 0; props && props[i].name; i++)
		if ((props[i].flags & PF_REQ) && !args[i] && !is_hidden(hidden, i))
			return WF_SCHEMA;
	return WF_NONE;
}

static void store_value(uint8_t *at, const struct prop *p, const char *text)
{
	switch (p->type) {
	case PT_BOOL: *(bool *)at = strcmp(text, "true") == 0; break;
	case PT_UINT: *(uint32_t *)(void *)at = (uint32_t)strtoul(text, NULL, 10); break;
	case PT_STR: memcpy(at, text, strlen(text) + 1); break;
	case PT_B64:
	case PT_REF:
	case PT_DATETIME:
	case PT_EMBEDDED: break; /* by the class's own code */
	}
}

static void store_array(uint8_t *at, const struct prop *p, const struct xml_node *body)
{
	uint32_t n = 0;
	for (const struct xml_node *x = body->children; x; x = x->next)
		if (strcmp(x->name, p->name) == 0) {
			store_value(at + sizeof n + n * element_size(p), p, x->text);
			n++;
		}
	*(uint32_t *)(void *)at = n;
}

void object_store(void *object, const struct prop *props, const struct xml_node *body)
{
	for (const struct prop *p = props; p->name; p++) {
		uint8_t *at = (uint8_t *)object + p->off;
		if (!(p->flags & PF_STORE))
			continue;
		if (p->flags & PF_ARRAY) {
			store_array(at, p, body);
			continue;
		}
		const struct xml_node *n = xml_child(body, p->name);
		if (n)
			store_value(at, p, n->text);
	}
}

int class_store(struct call *c)
{
	uint8_t *object = object_write(c->cls, c->d, c->instance);
	if (!object)
		return -ENOMEM;
	object_store(object, c->cls->props, c->body);
	return 0;
}
