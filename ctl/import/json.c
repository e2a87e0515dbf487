/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own JSON, and the way into the two foreign ones: a list of objects, or an object with that
 * list as "devices" (ours) or "data" (Console with $count). The memory of JSON values is wiped when
 * it is freed: passwords are among them.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/net/addr.h"
#include "ctl/import/object.h"

static void wipe(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

const char *import_member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

void import_set_member(
	struct import_row *row, enum import_field field, const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	if (json_string_length(v))
		import_set(row, field, json_string_value(v), json_string_length(v));
}

void import_set_tags(struct import_row *row, const json_t *tags)
{
	struct buf text;
	size_t i;
	const json_t *tag;
	buf_init(&text, IMPORT_VALUE_MAX);
	json_array_foreach(tags, i, tag)
	{
		const char *word = json_string_value(tag);
		if (!word || !*word || strpbrk(word, " ,"))
			import_refuse(row, "tags", "rename it there, or import a CSV",
				"tag %zu is not one word", i + 1);
		else if (buf_addf(&text, "%s%s", text.len ? " " : "", word) < 0)
			import_refuse(row, "tags", "shorten them", "longer than %d bytes",
				IMPORT_VALUE_MAX);
	}
	if (text.len && row->result != IMPORT_REFUSED)
		import_set(row, IMPORT_TAGS, (const char *)text.data, text.len);
	buf_free(&text);
}

bool import_is_address(const char *text)
{
	struct net_addr addr;
	return net_addr_from_host(&addr, text, 0, NULL) == 0;
}

/* Ours: the columns of a CSV file as members. */
static void own_device(struct import_row *row, const json_t *object)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		enum import_field field = import_field_find(key);
		if (field == IMPORT_FIELDS)
			import_refuse(row, "",
				"use uuid, name, profile, ou, tags, address, "
				"password, fingerprint or tls",
				"unknown member \"%.40s\"", key);
		else if (json_is_string(v))
			import_set(row, field, json_string_value(v), json_string_length(v));
		else if (field == IMPORT_TAGS && json_is_array(v))
			import_set_tags(row, v);
		else if (field == IMPORT_TLS && json_is_boolean(v))
			import_set(row, field, json_is_true(v) ? "yes" : "no",
				json_is_true(v) ? 3 : 2);
		else if (!json_is_null(v))
			import_refuse(row, import_field_name(field), "write it in quotes",
				"it is not a text");
	}
}

/* A member that only objects of that format have. */
static const struct {
	const char *mark;
	import_object_fn read;
} formats[IMPORT_FORMATS] = {
	[IMPORT_JSON] = {"uuid", own_device},
	[IMPORT_MESHCENTRAL] = {"_id", import_meshcentral},
	[IMPORT_DMT] = {"guid", import_dmt},
};

static enum import_format recognise(const json_t *devices)
{
	size_t i;
	const json_t *d;
	json_array_foreach(devices, i, d)
	{
		for (int f = IMPORT_JSON; f < IMPORT_FORMATS; f++)
			if (json_object_get(d, formats[f].mark))
				return (enum import_format)f;
	}
	return IMPORT_ANY;
}

static int read_devices(struct import_list *list, const json_t *devices, struct error *err)
{
	size_t i;
	const json_t *d;
	json_array_foreach(devices, i, d)
	{
		const char *type = import_member(d, "type");
		/* An export of the whole database also holds users, groups and events. */
		if (list->format == IMPORT_MESHCENTRAL && *type && strcmp(type, "node") != 0)
			continue;
		struct import_row *row = import_list_add(list, err);
		if (!row)
			return err->code;
		row->index = i;
		if (json_is_object(d))
			formats[list->format].read(row, d);
		else
			import_refuse(row, "", "write it as {\"uuid\": ...}", "it is no object");
	}
	return 0;
}

static int read_root(
	struct import_list *list, const json_t *root, enum import_format format, struct error *err)
{
	const json_t *devices = root;
	if (json_is_object(root))
		devices = json_object_get(root, "devices");
	if (json_is_object(root) && !devices)
		devices = json_object_get(root, "data");
	ENSURE(json_is_array(devices), err, E_CONFIG,
		"no list of devices: it must be a list, or an object with the list as \"devices\" "
		"or \"data\"");
	list->format = format == IMPORT_ANY ? recognise(devices) : format;
	ENSURE(list->format != IMPORT_ANY || json_array_size(devices) == 0, err, E_CONFIG,
		"none of its objects has uuid (ours), guid (Device Management Toolkit) or _id "
		"(MeshCentral): if you know the format, say format=");
	return read_devices(list, devices, err);
}

int import_json(struct import_list *list, const char *text, size_t len, enum import_format format,
	struct error *err)
{
	json_error_t bad;
	json_set_alloc_funcs(malloc, wipe);
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &bad);
	/* jansson's text may quote the file: say only where. */
	ENSURE(root, err, E_CONFIG, "line %d, column %d: not JSON%s", bad.line, bad.column,
		json_error_code(&bad) == json_error_duplicate_key  ? ": a member stands twice"
		: json_error_code(&bad) == json_error_invalid_utf8 ? ": not UTF-8"
								   : "");
	int rc = read_root(list, root, format, err);
	json_decref(root);
	return rc;
}
