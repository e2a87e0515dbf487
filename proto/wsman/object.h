/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole object for Put: copied from what the device sent, changed in place, sent back with its
 * order, unknown properties, references and namespaces as received. A new property goes where the
 * device itself would put it: alphabetical, upper case before lower. SPEC: wsman.md 4 "Put rule"
 * Ownership: everything lives in the caller's arena (give it a session's life, not an answer's).
 * Values that are text live in that arena too: wipe secrets by leaving them out of objects kept.
 * Threads: none.
 */
#ifndef MUSTER_WSMAN_OBJECT_H
#define MUSTER_WSMAN_OBJECT_H

#include <stddef.h>

#include "proto/wsman/node.h"
#include "proto/wsman/write.h"

struct arena;

struct wsman_object {
	struct arena *arena;
	struct wsman_node *root; /* named like the class, in its namespace; give it to the writer */
};

/** Copy an object out of an answer (an item). @return 0; -ENOMEM when the arena is full */
int wsman_object_copy(struct wsman_object *o, struct arena *arena, const struct wsman_node *node);

/** An empty object of a class of the table. @return 0; E_STATE unknown class; -ENOMEM */
int wsman_object_new(struct wsman_object *o, struct arena *arena, const char *class_name);

/** Text of the first property with this name; NULL when absent. */
const char *wsman_object_get(const struct wsman_object *o, const char *name);

/** Replace the value in place, or insert the property. Further values of the same name go.
 * @return 0 or -ENOMEM (the object is then unchanged or lacks only the new value) */
int wsman_object_set(struct wsman_object *o, const char *name, const char *text);

/** Same for an array: one element per text; n 0 removes the property. @return 0 or -ENOMEM */
int wsman_object_set_list(
	struct wsman_object *o, const char *name, const char *const *texts, size_t n);

/** Same for a reference. @return 0; E_STATE unknown class in it; -ENOMEM */
int wsman_object_set_epr(struct wsman_object *o, const char *name, const struct wsman_epr *epr);

/** Remove every value of a property; nothing happens when it is absent. */
void wsman_object_remove(struct wsman_object *o, const char *name);

#endif
