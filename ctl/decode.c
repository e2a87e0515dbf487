/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster decode: what our parsers see in recorded bytes. For people who hunt a strange device, and
 * for judging the parsers from outside. SPEC: README ruling 55, hello.md 7
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/codec.h"
#include "ctl/command.h"
#include "proto/hello.h"
#include "proto/wsman/read.h"

/* Four times the largest thing that a parser accepts: enough to show that it refuses more. */
#define INPUT_MAX (4u * 1024u * 1024u)

static int read_input(const char *path, struct buf *out, struct error *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	char chunk[65536];
	int rc = 0;
	for (size_t n; rc == 0 && (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
		rc = buf_add(out, chunk, n);
	if (rc == 0 && ferror(f))
		rc = error_set(err, -EIO, "%s: read error", path);
	else if (rc < 0)
		error_set(err, rc, "%s: longer than %u bytes", path, INPUT_MAX);
	if (f != stdin)
		fclose(f);
	return rc;
}

/* Hex when every byte is a hex digit or white space; a raw Hello begins with bytes below 2. */
static void unhex(struct buf *b)
{
	size_t n_digits = 0;
	for (size_t i = 0; i < b->len; i++) {
		if (isxdigit(b->data[i]))
			b->data[n_digits++] = b->data[i];
		else if (!isspace(b->data[i]))
			return;
	}
	if (n_digits % 2)
		return;
	int n = n_digits ? hex_decode((const char *)b->data, n_digits, b->data, b->cap) : 0;
	if (n >= 0)
		b->len = (size_t)n;
}

int command_read_bytes(const char *path, struct buf *out, struct error *err)
{
	TRY(read_input(path, out, err));
	unhex(out);
	return 0;
}

/* ---- Hello ---------------------------------------------------------------------------------- */

static json_t *hash_list(const struct hello *h)
{
	json_t *list = json_array();
	struct hello_hash hash;
	for (size_t offset = 0; hello_next_hash(h, &offset, &hash);) {
		char hex[2 * HELLO_HASH_MAX + 1];
		hex_encode(hash.hash, hash.len, hex);
		json_array_append_new(
			list, json_pack("{s:i, s:s, s:i, s:s}", "alg_id", hash.alg, "alg",
				      hello_alg_name(hash.alg), "length", hash.len, "hex", hex));
	}
	return list;
}

static json_t *hello_json(const struct hello *h)
{
	uint8_t wire[16];
	char text[UUID_TEXT_LEN + 1], wire_hex[33], display[HELLO_PID_LEN + 2];
	uuid_text(&h->uuid, text);
	uuid_to_wire(&h->uuid, wire);
	hex_encode(wire, sizeof wire, wire_hex);
	json_t *out = json_pack("{s:b, s:i, s:s, s:I, s:s, s:s}", "admin_credentials_set",
		h->admin_credentials_set, "version", h->version, "kind",
		h->version == HELLO_V_PSK ? "psk" : "pki", "retry_count",
		(json_int_t)h->retry_count, "uuid", text, "uuid_wire", wire_hex);
	if (h->version == HELLO_V_PSK) {
		snprintf(display, sizeof display, "%.4s-%.4s", h->pid, h->pid + 4);
		json_object_set_new(out, "pid", json_string(h->pid));
		json_object_set_new(out, "pid_display", json_string(display));
		json_object_set_new(out, "pid_check_ok", json_boolean(h->pid_check_ok));
	} else {
		json_object_set_new(out, "hash_count", json_integer(h->n_hashes));
		json_object_set_new(out, "hashes", hash_list(h));
	}
	return out;
}

static void hello_text(json_t *hello)
{
	const char *key;
	json_t *value, *hash;
	size_t i;
	json_object_foreach(hello, key, value)
	{
		if (json_is_array(value))
			continue;
		char *text = json_dumps(value, JSON_ENCODE_ANY);
		printf("%-22s %s\n", key, text ? text : "");
		free(text);
	}
	json_array_foreach(json_object_get(hello, "hashes"), i, hash) printf(
		"hash %-3zu %-12s %s\n", i + 1, json_string_value(json_object_get(hash, "alg")),
		json_string_value(json_object_get(hash, "hex")));
}

static int print_refusal(const struct command_line *line, const char *reason, const char *text)
{
	if (line->json)
		command_print_json(
			json_pack("{s:b, s:s, s:s}", "accept", 0, "reason", reason, "text", text));
	else
		printf("refused: %s%s%s\n", reason, *text ? ": " : "", text);
	return COMMAND_FAILED;
}

int command_decode_hello(const struct command_line *line, const struct conf *conf)
{
	(void)conf;
	struct error err = {0};
	struct buf raw;
	buf_init(&raw, INPUT_MAX);
	if (command_read_bytes(line->args[0], &raw, &err) < 0) {
		buf_free(&raw);
		return command_fail(&err);
	}
	struct hello hello;
	enum hello_code code = hello_decode(raw.data, raw.len, &hello);
	int rc = COMMAND_OK;
	if (code != HELLO_DONE) {
		rc = print_refusal(line, hello_code_name(code), "");
	} else {
		json_t *out = hello_json(&hello);
		if (line->json) {
			rc = command_print_json(json_pack("{s:b, s:o}", "accept", 1, "hello", out));
		} else {
			hello_text(out);
			json_decref(out);
		}
	}
	buf_free(&raw);
	return rc;
}

/* ---- WS-Man answer -------------------------------------------------------------------------- */

static json_t *item_list(const struct wsman_message *msg)
{
	json_t *items = json_array();
	for (const struct wsman_node *item = wsman_message_item(msg, NULL); item;
		item = wsman_message_item(msg, item)) {
		json_t *pairs = json_array();
		for (const struct wsman_node *p = item->child; p; p = p->next)
			json_array_append_new(
				pairs, json_pack("[s, s]", p->name, wsman_node_flat(p)));
		json_array_append_new(items, pairs);
	}
	return items;
}

static json_t *answer_json(const struct wsman_message *msg)
{
	json_t *fault = json_null();
	if (msg->fault.present)
		fault = json_pack("{s:s, s:s, s:s}", "code", msg->fault.code, "subcode",
			msg->fault.subcode, "reason", msg->fault.reason);
	return json_pack("{s:b, s:s, s:s, s:s, s:o, s:o, s:o}", "accept", 1, "action", msg->action,
		"relates_to", msg->relates_to, "class", msg->class_name, "return_value",
		msg->has_return_value ? json_integer(msg->return_value) : json_null(), "fault",
		fault, "items", item_list(msg));
}

static void answer_text(const struct wsman_message *msg)
{
	printf("%-14s %s\n%-14s %s\n%-14s %s\n", "action", msg->action, "relates to",
		msg->relates_to, "class", msg->class_name);
	if (msg->has_return_value)
		printf("%-14s %u\n", "return value", msg->return_value);
	if (msg->fault.present)
		printf("%-14s %s / %s: %s\n", "fault", msg->fault.code, msg->fault.subcode,
			msg->fault.reason);
	size_t number = 0;
	for (const struct wsman_node *item = wsman_message_item(msg, NULL); item;
		item = wsman_message_item(msg, item)) {
		printf("item %zu: %s\n", ++number, item->name);
		for (const struct wsman_node *p = item->child; p; p = p->next)
			printf("  %-32s %s\n", p->name, wsman_node_flat(p));
	}
}

/* Why an answer is refused, in the words of proto/wsman/read.h. */
static const char *refusal_name(int code)
{
	switch (code) {
	case E_PARSE: return "not_well_formed";
	case E_LIMIT: return "limit";
	case E_PROTOCOL: return "not_soap";
	default: return "failed";
	}
}

int command_decode_answer(const struct command_line *line, const struct conf *conf)
{
	(void)conf;
	struct error err = {0};
	struct buf raw;
	struct arena arena;
	struct wsman_message msg;
	buf_init(&raw, INPUT_MAX);
	arena_init(&arena, WSMAN_ARENA_MAX);
	if (read_input(line->args[0], &raw, &err) < 0) {
		buf_free(&raw);
		return command_fail(&err);
	}
	if (raw.len && isxdigit(raw.data[0]))
		unhex(&raw);
	int rc = wsman_read(&arena, raw.data, raw.len, &msg, &err);
	if (rc < 0)
		rc = print_refusal(line, refusal_name(rc), err.text);
	else if (line->json)
		rc = command_print_json(answer_json(&msg));
	else
		answer_text(&msg);
	arena_reset(&arena);
	buf_free(&raw);
	return rc;
}
