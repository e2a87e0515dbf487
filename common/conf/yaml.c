/* SPDX-License-Identifier: Apache-2.0 */
/* The walk, the load and the merge; yaml.h says why there are three. Threads: none. */
#include "common/conf/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/conf.h"

/* Marks of all layers of one configuration: some hundred keys of some forty bytes. */
#define MARKS_BYTES (256 * 1024)

/* "file:line:column" of a place, with NUL. */
#define WHERE_MAX (CONF_PATH_MAX + 32)

struct yaml_mark {
	struct yaml_mark *before;
	const char *path;
	const char *where; /* "file:3:5" */
};

/* One text while it is read. */
struct source {
	const struct yaml_schema *schema;
	yaml_document_t doc;
	const char *name;
	bool lines;
	struct yaml_marks *marks;
	struct error *err;
};

/* ---- places ----------------------------------------------------------------------------- */

void yaml_marks_init(struct yaml_marks *m)
{
	arena_init(&m->arena, MARKS_BYTES);
	m->last = NULL;
}

void yaml_marks_free(struct yaml_marks *m)
{
	arena_reset(&m->arena);
	m->last = NULL;
}

static int where_text(const struct source *s, const yaml_mark_t *at, char *out, size_t out_len)
{
	if (!s->lines)
		return snprintf(out, out_len, "%s", s->name);
	return snprintf(out, out_len, "%s:%zu:%zu", s->name, at->line + 1, at->column + 1);
}

static int mark_add(struct source *s, const char *path, const yaml_mark_t *at)
{
	char where[WHERE_MAX];
	where_text(s, at, where, sizeof where);
	struct yaml_mark *m = arena_alloc(&s->marks->arena, sizeof *m);
	ENSURE(m, s->err, E_LIMIT, "%s: too many keys", s->name);
	*m = (struct yaml_mark){.before = s->marks->last,
		.path = arena_strdup(&s->marks->arena, path),
		.where = arena_strdup(&s->marks->arena, where)};
	ENSURE(m->path && m->where, s->err, E_LIMIT, "%s: too many keys", s->name);
	s->marks->last = m;
	return 0;
}

static const struct yaml_mark *mark_find(const struct yaml_marks *marks, const char *path)
{
	const struct yaml_mark *m = marks->last;
	while (m && strcmp(m->path, path) != 0)
		m = m->before;
	return m;
}

/* "a.b[3].c" to "a.b[3]", that to "a"; false at the top. */
static bool shorten(char *path)
{
	char *dot = strrchr(path, '.');
	if (dot)
		*dot = '\0';
	return dot != NULL;
}

const char *yaml_mark_where(const struct yaml_marks *marks, const char *path)
{
	char near[YAML_PATH_MAX];
	snprintf(near, sizeof near, "%s", path);
	const struct yaml_mark *m = mark_find(marks, near);
	while (!m && shorten(near))
		m = mark_find(marks, near);
	return m ? m->where : NULL;
}

int yaml_error_at(
	const struct yaml_marks *marks, const char *path, struct error *err, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	const char *where = yaml_mark_where(marks, path);
	return error_set(err, E_CONFIG, "%s: %s: %s", where ? where : "default", path, text);
}

static int fail_at(const struct source *s, const yaml_mark_t *at, const char *path, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

static int fail_at(
	const struct source *s, const yaml_mark_t *at, const char *path, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX], where[WHERE_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	where_text(s, at, where, sizeof where);
	return error_set(s->err, E_CONFIG, "%s: %s%s%s", where, path, *path ? ": " : "", text);
}

/* ---- the walk: is every node what the tables want? --------------------------------------- */

static int walk_value(
	struct source *s, const cyaml_schema_value_t *v, yaml_node_t *node, const char *path);

static const char *scalar_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

bool yaml_path_fits(const char *row, const char *path)
{
	for (; *row && *row == *path; row++, path++) {
		if (*row == '[')
			path += strspn(path + 1, "0123456789");
	}
	return *row == *path;
}

const struct yaml_range *yaml_range_find(const struct yaml_schema *schema, const char *path)
{
	size_t stride = schema->range_stride ? schema->range_stride : sizeof *schema->ranges;
	const char *at = (const char *)schema->ranges;
	for (;; at += stride) {
		const struct yaml_range *r = (const void *)at;
		if (!r->path)
			return NULL;
		if (yaml_path_fits(r->path, path))
			return r;
	}
}

static int check_number(const struct source *s, const yaml_node_t *node, const char *path)
{
	const struct yaml_range *r = yaml_range_find(s->schema, path);
	const char *text = scalar_text(node);
	size_t n_digits = strspn(text, "0123456789");
	/* A leading zero would be octal to libcyaml; ten digits always fit in 64 bits. */
	bool plain = n_digits > 0 && n_digits <= 10 && text[n_digits] == '\0' &&
		     (n_digits == 1 || text[0] != '0');
	unsigned long long value = plain ? strtoull(text, NULL, 10) : 0;
	uint32_t min = r ? r->min : 0, max = r ? r->max : UINT32_MAX;
	if (!plain || value < min || value > max)
		return fail_at(s, &node->start_mark, path,
			"\"%.32s\" is not a number from %u to %u", text, min, max);
	return 0;
}

static int check_bool(const struct source *s, const yaml_node_t *node, const char *path)
{
	static const char *const words[] = {"true", "yes", "on", "false", "no", "off"};
	for (size_t i = 0; i < CYAML_ARRAY_LEN(words); i++) {
		if (strcmp(scalar_text(node), words[i]) == 0)
			return 0;
	}
	return fail_at(
		s, &node->start_mark, path, "\"%.32s\" is not true or false", scalar_text(node));
}

static int check_enum(const struct source *s, const cyaml_schema_value_t *v,
	const yaml_node_t *node, const char *path)
{
	char list[128] = "";
	for (uint32_t i = 0; i < v->enumeration.count; i++) {
		const char *word = v->enumeration.strings[i].str;
		if (strcmp(scalar_text(node), word) == 0)
			return 0;
		size_t len = strlen(list);
		snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", word);
	}
	return fail_at(
		s, &node->start_mark, path, "\"%.32s\" is not one of %s", scalar_text(node), list);
}

static int check_string(const struct source *s, const cyaml_schema_value_t *v,
	const yaml_node_t *node, const char *path)
{
	size_t len = node->data.scalar.length;
	if (len > v->string.max || len < v->string.min)
		return fail_at(s, &node->start_mark, path, "%zu bytes long, must be %u to %u", len,
			v->string.min, v->string.max);
	if (memchr(scalar_text(node), '\0', len))
		return fail_at(s, &node->start_mark, path, "holds a NUL byte");
	return 0;
}

static int walk_sequence(
	struct source *s, const cyaml_schema_value_t *v, yaml_node_t *node, const char *path)
{
	yaml_node_item_t *items = node->data.sequence.items.start;
	size_t n = (size_t)(node->data.sequence.items.top - items);
	if (n > v->sequence.max)
		return fail_at(
			s, &node->start_mark, path, "%zu entries, at most %u", n, v->sequence.max);
	for (size_t i = 0; i < n; i++) {
		char item_path[YAML_PATH_MAX];
		snprintf(item_path, sizeof item_path, "%s[%zu]", path, i);
		yaml_node_t *item = yaml_document_get_node(&s->doc, items[i]);
		TRY(mark_add(s, item_path, &item->start_mark));
		TRY(walk_value(s, v->sequence.entry, item, item_path));
	}
	return 0;
}

static const cyaml_schema_field_t *field_find(const cyaml_schema_value_t *v, const char *key)
{
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		if (strcmp(f->key, key) == 0)
			return f;
	}
	return NULL;
}

#define TYPO_MAX 2 /* letters: more is another word */

/* Letters to change, add or drop (Levenshtein), of words up to WORD_MAX bytes. */
static size_t distance(const char *a, const char *b)
{
	enum { WORD_MAX = 40 };
	size_t row[WORD_MAX + 1], n = strlen(b);
	if (strlen(a) > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t change = corner + (a[i - 1] != b[j - 1]);
			size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			corner = row[j];
			row[j] = change < other ? change : other;
		}
	}
	return row[n];
}

/* The known key that a wrong one is a misspelling of, or NULL. */
static const char *nearest(const cyaml_schema_value_t *v, const char *word)
{
	const char *best = NULL;
	size_t least = TYPO_MAX + 1;
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		size_t d = distance(word, f->key);
		if (d < least && d < strlen(f->key)) {
			least = d;
			best = f->key;
		}
	}
	return best;
}

static int unknown_key(const struct source *s, const cyaml_schema_value_t *v,
	const yaml_node_t *key, const char *path)
{
	char list[220] = "";
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		size_t len = strlen(list);
		bool fits = len + strlen(f->key) + sizeof ", , ..." < sizeof list;
		snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "",
			fits ? f->key : "...");
		if (!fits)
			break;
	}
	const char *word = key->type == YAML_SCALAR_NODE ? scalar_text(key) : "?";
	const char *meant = nearest(v, word);
	return fail_at(s, &key->start_mark, path, "unknown key \"%.40s\"%s%s%s, known are: %s",
		word, meant ? ", did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "",
		list);
}

/* Node of the value of a key or NULL; counts how often the key is there. */
static yaml_node_t *pair_find(
	yaml_document_t *doc, const yaml_node_t *map, const char *name, int *n_found)
{
	yaml_node_t *found = NULL;
	*n_found = 0;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		yaml_node_t *key = yaml_document_get_node(doc, p->key);
		if (key->type != YAML_SCALAR_NODE || strcmp(scalar_text(key), name) != 0)
			continue;
		(*n_found)++;
		found = yaml_document_get_node(doc, p->value);
	}
	return found;
}

static int walk_mapping(
	struct source *s, const cyaml_schema_value_t *v, yaml_node_t *node, const char *path)
{
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
		p++) {
		yaml_node_t *key = yaml_document_get_node(&s->doc, p->key);
		const cyaml_schema_field_t *f =
			key->type == YAML_SCALAR_NODE ? field_find(v, scalar_text(key)) : NULL;
		if (!f)
			return unknown_key(s, v, key, path);
		char field_path[YAML_PATH_MAX];
		snprintf(field_path, sizeof field_path, "%s%s%s", path, *path ? "." : "", f->key);
		int n_found;
		pair_find(&s->doc, node, f->key, &n_found);
		if (n_found > 1)
			return fail_at(s, &key->start_mark, field_path, "given twice");
		TRY(mark_add(s, field_path, &key->start_mark));
		yaml_node_t *value = yaml_document_get_node(&s->doc, p->value);
		TRY(walk_value(s, &f->value, value, field_path));
	}
	return 0;
}

static int walk_value(
	struct source *s, const cyaml_schema_value_t *v, yaml_node_t *node, const char *path)
{
	bool map = v->type == CYAML_MAPPING, list = v->type == CYAML_SEQUENCE;
	yaml_node_type_t want = map    ? YAML_MAPPING_NODE
				: list ? YAML_SEQUENCE_NODE
				       : YAML_SCALAR_NODE;
	if (node->type != want)
		return fail_at(s, &node->start_mark, path, "must be %s",
			map    ? "a section of keys"
			: list ? "a list"
			       : "a single value");
	switch (v->type) {
	case CYAML_MAPPING: return walk_mapping(s, v, node, path);
	case CYAML_SEQUENCE: return walk_sequence(s, v, node, path);
	case CYAML_UINT: return check_number(s, node, path);
	case CYAML_BOOL: return check_bool(s, node, path);
	case CYAML_ENUM: return check_enum(s, v, node, path);
	default: return check_string(s, v, node, path);
	}
}

/* ---- the merge: copy the keys that are present ------------------------------------------- */

static void merge_mapping(struct source *s, const cyaml_schema_value_t *v, yaml_node_t *node,
	const char *path, const char *from, char *to);

static void merge_sequence(struct source *s, const cyaml_schema_field_t *f, yaml_node_t *node,
	const char *path, const char *from, char *to)
{
	const cyaml_schema_value_t *entry = f->value.sequence.entry;
	memcpy(to + f->count_offset, from + f->count_offset, f->count_size);
	const char *src = from + f->data_offset;
	char *dst = to + f->data_offset;
	size_t size = f->value.data_size;
	memcpy(dst, src, size * f->value.sequence.max);
	if (entry->type != CYAML_MAPPING || !s->schema->entry_defaults)
		return;
	for (const struct yaml_entry_defaults *d = s->schema->entry_defaults; d->path; d++) {
		if (strcmp(d->path, path) != 0)
			continue;
		yaml_node_item_t *items = node->data.sequence.items.start;
		for (size_t i = 0; items + i < node->data.sequence.items.top; i++) {
			yaml_node_t *item = yaml_document_get_node(&s->doc, items[i]);
			memcpy(dst + i * size, d->entry, size);
			merge_mapping(s, entry, item, path, src + i * size, dst + i * size);
		}
	}
}

static void merge_mapping(struct source *s, const cyaml_schema_value_t *v, yaml_node_t *node,
	const char *path, const char *from, char *to)
{
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		int n_found;
		yaml_node_t *value = pair_find(&s->doc, node, f->key, &n_found);
		if (!value)
			continue;
		char field_path[YAML_PATH_MAX];
		snprintf(field_path, sizeof field_path, "%s%s%s", path, *path ? "." : "", f->key);
		if (f->value.type == CYAML_MAPPING)
			merge_mapping(s, &f->value, value, field_path, from + f->data_offset,
				to + f->data_offset);
		else if (f->value.type == CYAML_SEQUENCE)
			merge_sequence(s, f, value, field_path, from, to);
		else
			memcpy(to + f->data_offset, from + f->data_offset, f->value.data_size);
	}
}

/* ---- libcyaml ---------------------------------------------------------------------------- */

/* The first line that libcyaml logs is the reason, the first place in its backtrace the place. */
struct cyaml_story {
	char reason[160];
	char place[64];
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void story_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	(void)level;
	struct cyaml_story *story = ctx;
	char line[160];
	vsnprintf(line, sizeof line, fmt, args);
	line[strcspn(line, "\n")] = '\0';
	const char *place = strstr(line, "(line: ");
	if (place && !story->place[0])
		snprintf(story->place, sizeof story->place, "%s", place);
	else if (!story->reason[0] && !strstr(line, "Backtrace"))
		snprintf(story->reason, sizeof story->reason, "%s", line);
}
#pragma GCC diagnostic pop

static cyaml_config_t cyaml_settings(struct cyaml_story *story)
{
	return (cyaml_config_t){.log_fn = story_log,
		.log_ctx = story,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS | CYAML_CFG_STYLE_BLOCK};
}

static int load_and_merge(struct source *s, const char *text, size_t len, void *data)
{
	struct cyaml_story story = {0};
	cyaml_config_t cfg = cyaml_settings(&story);
	void *loaded = NULL;
	cyaml_err_t rc =
		cyaml_load_data((const uint8_t *)text, len, &cfg, s->schema->top, &loaded, NULL);
	/* The walk has parsed this text, so what libyaml lacks now is memory. */
	if (rc == CYAML_ERR_OOM || rc == CYAML_ERR_LIBYAML_PARSER_INIT ||
		rc == CYAML_ERR_LIBYAML_PARSER)
		return error_set(s->err, -ENOMEM, "%s: out of memory", s->name);
	if (rc != CYAML_OK)
		return error_set(s->err, E_CONFIG, "%s: %s %s %s", s->name, cyaml_strerror(rc),
			story.reason, story.place);
	yaml_node_t *root = yaml_document_get_root_node(&s->doc);
	if (loaded)
		merge_mapping(s, s->schema->top, root, "", loaded, data);
	cyaml_free(&cfg, s->schema->top, loaded, 0);
	return 0;
}

int yaml_print(
	const struct yaml_schema *schema, const void *data, struct buf *out, struct error *err)
{
	struct cyaml_story story = {0};
	cyaml_config_t cfg = cyaml_settings(&story);
	char *text = NULL;
	size_t len = 0;
	cyaml_err_t rc = cyaml_save_data(&text, &len, &cfg, schema->top, data, 0);
	ENSURE(rc == CYAML_OK, err, -ENOMEM, "printing YAML: %s", cyaml_strerror(rc));
	int added = buf_add(out, text, len);
	cfg.mem_fn(cfg.mem_ctx, text, 0);
	ENSURE(added == 0, err, added, "printing YAML: %s", error_name(added));
	return 0;
}

/* ---- texts and files --------------------------------------------------------------------- */

static int fail_parser(const struct source *s, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return error_set(s->err, -ENOMEM, "%s: out of memory", s->name);
	/* The reader's errors (encoding) have an offset but no mark: 1:1 then. */
	return fail_at(s, &parser->problem_mark, "", "%s%s%s",
		parser->context ? parser->context : "", parser->context ? ": " : "",
		parser->problem ? parser->problem : "not YAML");
}

/* What follows the first document would be ignored in silence. */
static int expect_end(const struct source *s, yaml_parser_t *parser)
{
	yaml_document_t more;
	if (!yaml_parser_load(parser, &more))
		return fail_parser(s, parser);
	const yaml_node_t *root = yaml_document_get_root_node(&more);
	int rc =
		root ? fail_at(s, &root->start_mark, "", "a second document; a file holds one") : 0;
	yaml_document_delete(&more);
	return rc;
}

static int parse_document(struct source *s, const char *text, size_t len)
{
	yaml_parser_t parser;
	ENSURE(yaml_parser_initialize(&parser), s->err, -ENOMEM, "%s: out of memory", s->name);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	int rc = 0;
	if (!yaml_parser_load(&parser, &s->doc)) {
		rc = fail_parser(s, &parser);
	} else {
		rc = expect_end(s, &parser);
		if (rc < 0)
			yaml_document_delete(&s->doc);
	}
	yaml_parser_delete(&parser);
	return rc;
}

int yaml_overlay(const struct yaml_schema *schema, const char *text, size_t len, const char *name,
	bool lines, struct yaml_marks *marks, void *data, struct error *err)
{
	struct source s = {
		.schema = schema, .name = name, .lines = lines, .marks = marks, .err = err};
	TRY(parse_document(&s, text, len));
	yaml_node_t *root = yaml_document_get_root_node(&s.doc);
	int rc = 0;
	if (root) { /* else nothing but comments: all defaults */
		rc = walk_value(&s, schema->top, root, "");
		if (rc == 0)
			rc = load_and_merge(&s, text, len, data);
	}
	yaml_document_delete(&s.doc);
	return rc;
}

static int read_fd(int fd, const char *path, char **text, size_t *len, struct error *err)
{
	struct stat st;
	ENSURE(fstat(fd, &st) == 0, err, -errno, "%s: %s", path, strerror(errno));
	ENSURE(S_ISREG(st.st_mode), err, E_CONFIG, "%s: not a file", path);
	ENSURE(st.st_size <= YAML_TEXT_MAX, err, E_CONFIG, "%s: larger than %d bytes", path,
		YAML_TEXT_MAX);
	*text = malloc((size_t)st.st_size + 1);
	ENSURE(*text, err, -ENOMEM, "%s: out of memory", path);
	ssize_t n = read(fd, *text, (size_t)st.st_size);
	if (n < 0) {
		free(*text);
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	}
	*len = (size_t)n;
	return 0;
}

int yaml_overlay_file(const struct yaml_schema *schema, const char *path, struct yaml_marks *marks,
	void *data, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ENSURE(fd >= 0, err, -errno, "%s: %s", path, strerror(errno));
	char *text = NULL;
	size_t len = 0;
	int rc = read_fd(fd, path, &text, &len, err);
	close(fd);
	if (rc == 0) {
		rc = yaml_overlay(schema, text, len, path, true, marks, data, err);
		free(text);
	}
	return rc;
}
