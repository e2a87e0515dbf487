/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wsman/node.h"

#include <errno.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "proto/wsman/class.h"

const struct wsman_node *wsman_node_child(const struct wsman_node *node, const char *name)
{
	const struct wsman_node *c = node ? node->child : NULL;

	while (c && strcmp(c->name, name) != 0)
		c = c->next;
	return c;
}

const struct wsman_node *wsman_node_child_ns(
	const struct wsman_node *node, const char *ns, const char *name)
{
	const struct wsman_node *c = node ? node->child : NULL;

	while (c && !wsman_node_is(c, ns, name))
		c = c->next;
	return c;
}

const struct wsman_node *wsman_node_again(const struct wsman_node *node)
{
	const struct wsman_node *c = node->next;

	while (c && strcmp(c->name, node->name) != 0)
		c = c->next;
	return c;
}

bool wsman_node_is(const struct wsman_node *node, const char *ns, const char *name)
{
	return node && strcmp(node->name, name) == 0 && strcmp(node->ns, ns) == 0;
}

const char *wsman_node_text(const struct wsman_node *node, const char *child)
{
	const struct wsman_node *c = wsman_node_child(node, child);

	return c ? c->text : NULL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Text without white space around it. */
static const char *trimmed(const char *text, size_t *len)
{
	while (is_space(*text))
		text++;
	*len = strlen(text);
	while (*len > 0 && is_space(text[*len - 1]))
		--*len;
	return text;
}

int wsman_node_uint(const struct wsman_node *node, const char *child, uint64_t *out)
{
	const char *text = wsman_node_text(node, child);
	size_t len = 0;
	uint64_t value = 0;

	if (text)
		text = trimmed(text, &len);
	if (len == 0)
		return E_PARSE;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return E_PARSE;
		if (__builtin_mul_overflow(value, 10u, &value) ||
			__builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return E_PARSE;
	}
	*out = value;
	return 0;
}

int wsman_node_bool(const struct wsman_node *node, const char *child, bool *out)
{
	static const struct {
		const char *text;
		bool value;
	} forms[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}};
	const char *text = wsman_node_text(node, child);
	size_t len = 0;

	if (!text)
		return E_PARSE;
	text = trimmed(text, &len);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (strlen(forms[i].text) == len && memcmp(forms[i].text, text, len) == 0) {
			*out = forms[i].value;
			return 0;
		}
	}
	return E_PARSE;
}

const char *wsman_node_attr(const struct wsman_node *node, const char *name)
{
	for (const struct wsman_attr *a = node->attrs; a; a = a->next)
		if (a->ns[0] == '\0' && strcmp(a->name, name) == 0)
			return a->value;
	return NULL;
}

/* The element that holds ResourceURI and SelectorSet of a reference, or NULL. */
static const struct wsman_node *epr_parameters(const struct wsman_node *node)
{
	if (node && strcmp(node->name, "ReferenceParameters") == 0)
		return node;
	const struct wsman_node *inner = wsman_node_child(node, "EndpointReference");

	return wsman_node_child(inner ? inner : node, "ReferenceParameters");
}

const struct wsman_node *wsman_node_selector_node(const struct wsman_node *node, const char *name)
{
	const struct wsman_node *set = node;

	if (node && strcmp(node->name, "SelectorSet") != 0)
		set = wsman_node_child(epr_parameters(node), "SelectorSet");
	const struct wsman_node *s = wsman_node_child(set, "Selector");
	for (; s; s = wsman_node_again(s)) {
		const char *have = wsman_node_attr(s, "Name");
		if (!name || (have && strcmp(have, name) == 0))
			return s;
	}
	return NULL;
}

const char *wsman_node_selector(const struct wsman_node *node, const char *name)
{
	const struct wsman_node *s = wsman_node_selector_node(node, name);

	/* The depth limit of the reader bounds this walk into references of references. */
	while (s && s->child)
		s = wsman_node_selector_node(s, NULL);
	return s ? s->text : NULL;
}

const char *wsman_node_epr_uri(const struct wsman_node *node)
{
	return wsman_node_text(epr_parameters(node), "ResourceURI");
}

const char *wsman_node_flat(const struct wsman_node *node)
{
	const char *selector = wsman_node_selector(node, NULL);

	if (selector)
		return selector;
	while (node->child)
		node = node->child;
	return node->text;
}

struct wsman_node *wsman_node_new(struct arena *a, const char *ns, const char *name)
{
	struct wsman_node *node = arena_alloc(a, sizeof *node);

	if (!node)
		return NULL;
	node->ns = arena_strdup(a, ns);
	node->name = arena_strdup(a, name);
	node->text = "";
	return node->ns && node->name ? node : NULL;
}

int wsman_node_set_text(struct arena *a, struct wsman_node *node, const char *text, size_t text_len)
{
	const char *copy = text_len ? arena_strndup(a, text, text_len) : "";

	if (!copy)
		return -ENOMEM;
	node->text = copy;
	node->text_len = text_len;
	return 0;
}

void wsman_node_insert(
	struct wsman_node *parent, struct wsman_node *child, struct wsman_node *before)
{
	struct wsman_node **at = &parent->child;

	child->parent = parent;
	child->next = before;
	if (!before) {
		if (parent->last_child)
			at = &parent->last_child->next;
		parent->last_child = child;
	}
	while (*at != before)
		at = &(*at)->next;
	*at = child;
}

static int copy_attrs(struct arena *a, struct wsman_node *to, const struct wsman_node *from)
{
	struct wsman_attr **at = &to->attrs;

	for (const struct wsman_attr *s = from->attrs; s; s = s->next) {
		struct wsman_attr *d = arena_alloc(a, sizeof *d);
		if (!d)
			return -ENOMEM;
		d->ns = arena_strdup(a, s->ns);
		d->name = arena_strdup(a, s->name);
		d->value = arena_strdup(a, s->value);
		if (!d->ns || !d->name || !d->value)
			return -ENOMEM;
		*at = d;
		at = &d->next;
	}
	return 0;
}

struct wsman_node *wsman_node_copy(struct arena *a, const struct wsman_node *node)
{
	struct wsman_node *to = wsman_node_new(a, node->ns, node->name);

	if (!to || copy_attrs(a, to, node) < 0 ||
		wsman_node_set_text(a, to, node->text, node->text_len) < 0)
		return NULL;
	for (const struct wsman_node *c = node->child; c; c = c->next) {
		struct wsman_node *child = wsman_node_copy(a, c);
		if (!child)
			return NULL;
		wsman_node_insert(to, child, NULL);
	}
	return to;
}
