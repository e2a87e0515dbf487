/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wsman/object.h"

#include <errno.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "proto/wsman/class.h"

int wsman_object_copy(struct wsman_object *o, struct arena *arena, const struct wsman_node *node)
{
	*o = (struct wsman_object){.arena = arena, .root = wsman_node_copy(arena, node)};
	return o->root ? 0 : -ENOMEM;
}

int wsman_object_new(struct wsman_object *o, struct arena *arena, const char *class_name)
{
	const struct wsman_class *class = wsman_class_find(class_name);

	if (!class)
		return E_STATE;
	*o = (struct wsman_object){
		.arena = arena, .root = wsman_node_new(arena, class->uri, class->name)};
	return o->root ? 0 : -ENOMEM;
}

const char *wsman_object_get(const struct wsman_object *o, const char *name)
{
	return wsman_node_text(o->root, name);
}

/* Unlink every child of that name but keep; returns the child after the last one removed or kept.
 */
static void remove_others(struct wsman_node *root, const char *name, const struct wsman_node *keep)
{
	struct wsman_node **at = &root->child;

	root->last_child = NULL;
	while (*at) {
		if (*at != keep && strcmp((*at)->name, name) == 0) {
			*at = (*at)->next;
		} else {
			root->last_child = *at;
			at = &(*at)->next;
		}
	}
}

void wsman_object_remove(struct wsman_object *o, const char *name)
{
	remove_others(o->root, name, NULL);
}

/* A placeholder at the place of the property: its first value, emptied, or a new element where the
 * alphabet puts it. NULL when the arena is full. */
static struct wsman_node *place(struct wsman_object *o, const char *name)
{
	struct wsman_node *at = o->root->child;

	while (at && strcmp(at->name, name) != 0)
		at = at->next;
	struct wsman_node *fresh = wsman_node_new(o->arena, at ? at->ns : o->root->ns, name);
	if (!fresh)
		return NULL;
	for (at = at ? at : o->root->child; at && strcmp(at->name, name) < 0;)
		at = at->next;
	wsman_node_insert(o->root, fresh, at);
	remove_others(o->root, name, fresh);
	return fresh;
}

int wsman_object_set(struct wsman_object *o, const char *name, const char *text)
{
	struct wsman_node *node = place(o, name);

	return node ? wsman_node_set_text(o->arena, node, text, strlen(text)) : -ENOMEM;
}

int wsman_object_set_list(
	struct wsman_object *o, const char *name, const char *const *texts, size_t n)
{
	if (n == 0) {
		wsman_object_remove(o, name);
		return 0;
	}
	TRY(wsman_object_set(o, name, texts[0]));
	struct wsman_node *last = o->root->child;
	while (strcmp(last->name, name) != 0)
		last = last->next;
	for (size_t i = 1; i < n; i++) {
		struct wsman_node *more = wsman_node_new(o->arena, last->ns, name);
		if (!more)
			return -ENOMEM;
		TRY(wsman_node_set_text(o->arena, more, texts[i], strlen(texts[i])));
		wsman_node_insert(o->root, more, last->next);
		last = more;
	}
	return 0;
}

/* New last child with a text. NULL when the arena is full. */
static struct wsman_node *add(struct arena *a, struct wsman_node *parent, const char *ns,
	const char *name, const char *text)
{
	struct wsman_node *node = wsman_node_new(a, ns, name);

	if (!node || wsman_node_set_text(a, node, text, strlen(text)) < 0)
		return NULL;
	wsman_node_insert(parent, node, NULL);
	return node;
}

static int add_epr(struct arena *a, struct wsman_node *to, const struct wsman_epr *epr);

static int add_selector(struct arena *a, struct wsman_node *set, const struct wsman_selector *s)
{
	struct wsman_node *node =
		add(a, set, WSMAN_NS_WSMAN, "Selector", s->text && !s->epr ? s->text : "");
	struct wsman_attr *attr = arena_alloc(a, sizeof *attr);

	if (!node || !attr)
		return -ENOMEM;
	*attr = (struct wsman_attr){.ns = "", .name = "Name", .value = arena_strdup(a, s->name)};
	if (!attr->value)
		return -ENOMEM;
	node->attrs = attr;
	if (!s->epr)
		return 0;
	struct wsman_node *inner = add(a, node, WSMAN_NS_ADDR, "EndpointReference", "");
	return inner ? add_epr(a, inner, s->epr) : -ENOMEM;
}

static int add_epr(struct arena *a, struct wsman_node *to, const struct wsman_epr *epr)
{
	const struct wsman_class *class = wsman_class_find(epr->class_name);

	if (!class)
		return E_STATE;
	const char *address = epr->address ? epr->address : WSMAN_ROLE_ANONYMOUS;
	if (!add(a, to, WSMAN_NS_ADDR, "Address", address))
		return -ENOMEM;
	struct wsman_node *params = add(a, to, WSMAN_NS_ADDR, "ReferenceParameters", "");
	if (!params || !add(a, params, WSMAN_NS_WSMAN, "ResourceURI", class->uri))
		return -ENOMEM;
	struct wsman_node *set = add(a, params, WSMAN_NS_WSMAN, "SelectorSet", "");
	if (!set)
		return -ENOMEM;
	for (size_t i = 0; i < epr->n_selectors; i++)
		TRY(add_selector(a, set, &epr->selectors[i]));
	return 0;
}

int wsman_object_set_epr(struct wsman_object *o, const char *name, const struct wsman_epr *epr)
{
	if (!wsman_class_find(epr->class_name))
		return E_STATE;
	struct wsman_node *node = place(o, name);
	return node ? add_epr(o->arena, node, epr) : -ENOMEM;
}
