/* SPDX-License-Identifier: Apache-2.0 */
/* The list of classes, their index by name, and what a generation lacks; see class.h. */
#include "bench/sim/classes/class.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(name) extern const struct class_def class_##name;
CLASSES(X)
#undef X

const struct class_def *const class_table[] = {
#define X(name) &class_##name,
	CLASSES(X)
#undef X
		NULL,
};

const char *class_uri(const struct class_def *cls, char out[static CLASS_URI_MAX])
{
	snprintf(out, CLASS_URI_MAX, "%s%s", cls->ns, cls->name);
	return out;
}

/* ---- index by URI --------------------------------------------------------------------------- */

/* At least twice the classes, a power of two: an open hash of the name behind the last slash. */
#define INDEX_SLOTS 512
_Static_assert(INDEX_SLOTS >= 2 * CLASS_N, "index of classes");
static uint16_t slots[INDEX_SLOTS]; /* id + 1; 0 = free */

static uint32_t hash_name(const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static void build_index(void)
{
	for (size_t id = 0; id < CLASS_N; id++) {
		uint32_t at = hash_name(class_table[id]->name) % INDEX_SLOTS;
		while (slots[at])
			at = (at + 1) % INDEX_SLOTS;
		slots[at] = (uint16_t)(id + 1);
	}
}

/* Id of a class name, -1 when there is none. */
static int id_of(const char *name)
{
	static bool built;
	if (!built) {
		build_index();
		built = true;
	}
	for (uint32_t at = hash_name(name) % INDEX_SLOTS; slots[at]; at = (at + 1) % INDEX_SLOTS)
		if (strcmp(class_table[slots[at] - 1]->name, name) == 0)
			return slots[at] - 1;
	return -1;
}

const struct class_def *class_find(const struct device *d, const char *uri, enum class_id *id)
{
	const char *slash = strrchr(uri, '/');
	int found = slash ? id_of(slash + 1) : -1;
	if (found < 0)
		return NULL;
	const struct class_def *cls = class_table[found];
	size_t ns_len = (size_t)(slash + 1 - uri);
	if (strlen(cls->ns) != ns_len || memcmp(uri, cls->ns, ns_len) != 0)
		return NULL;
	if (absent_class(d->as->absent, (enum class_id)found) || (cls->present && !cls->present(d)))
		return NULL;
	if (id)
		*id = (enum class_id)found;
	return cls;
}

/* ---- absence -------------------------------------------------------------------------------- */

struct absence {
	struct {
		bool whole;
		uint64_t props, methods; /* a bit per place in the table */
	} of[CLASS_N];
};

static int absence_add(struct absence *a, const char *name, struct error *err)
{
	char cls_name[CLASS_URI_MAX];
	const char *dot = strchr(name, '.');
	snprintf(cls_name, sizeof cls_name, "%.*s", (int)(dot ? dot - name : 64), name);
	int id = id_of(cls_name);
	ENSURE(id >= 0, err, E_CONFIG, "absent: no class %s", cls_name);
	const struct class_def *cls = class_table[id];
	if (!dot) {
		a->of[id].whole = true;
		return 0;
	}
	bool found = false;
	for (size_t i = 0; cls->props[i].name; i++)
		if (strcmp(cls->props[i].name, dot + 1) == 0) {
			a->of[id].props |= 1ull << i;
			found = true;
		}
	for (size_t i = 0; cls->methods && cls->methods[i].name; i++)
		if (strcmp(cls->methods[i].name, dot + 1) == 0) {
			a->of[id].methods |= 1ull << i;
			found = true;
		}
	ENSURE(found, err, E_CONFIG, "absent: %s has no %s", cls_name, dot + 1);
	return 0;
}

int absence_build(struct absence **out, const char *const *names, size_t n, struct error *err)
{
	struct absence *a = calloc(1, sizeof *a);
	ENSURE(a, err, -ENOMEM, "no memory");
	for (size_t i = 0; i < n; i++) {
		int rc = absence_add(a, names[i], err);
		if (rc < 0) {
			free(a);
			return rc;
		}
	}
	*out = a;
	return 0;
}

void absence_free(struct absence *a)
{
	free(a);
}

bool absent_class(const struct absence *a, enum class_id id)
{
	return a && a->of[id].whole;
}

uint64_t absent_props(const struct absence *a, enum class_id id)
{
	return a ? a->of[id].props : 0;
}

bool absent_method(const struct absence *a, enum class_id id, size_t method)
{
	return a && ((a->of[id].methods >> method) & 1u);
}

int class_count(const struct class_def *cls, const struct device *d)
{
	return cls->count ? cls->count(d) : 1;
}

bool class_exists(const struct class_def *cls, const struct device *d, int instance)
{
	return !cls->exists || cls->exists(d, instance);
}
