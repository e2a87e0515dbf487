/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/resolve/hook_text.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/err.h"
#include "proto/hello.h"

static json_t *hashes_json(const struct hello *h)
{
	json_t *list = json_array();
	struct hello_hash hash;
	char hex[2 * HELLO_HASH_MAX + 1];
	for (size_t at = 0; hello_next_hash(h, &at, &hash);) {
		hex_encode(hash.hash, hash.len, hex);
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "alg", hello_alg_name(hash.alg), "hex", hex));
	}
	return list;
}

json_t *hook_text_facts(const struct resolve_facts *f)
{
	struct hello h = {0};
	char uuid[UUID_TEXT_LEN + 1], address[NET_ADDR_TEXT_MAX];
	hello_decode(f->hello, f->hello_len, &h); /* the listener has judged it already */
	uuid_text(&f->uuid, uuid);
	net_addr_host_text(&f->address, address);
	return json_pack("{s:i, s:s, s:s, s:i, s:s?, s:i, s:o, s:s?, s:s}", "v", 1, "uuid", uuid,
		"address", address, "hello_version", (int)h.version, "pid", h.pid[0] ? h.pid : NULL,
		"retry", (int)h.retry_count, "hashes", hashes_json(&h), "amt",
		f->amt && f->amt[0] ? f->amt : NULL, "kind", job_kind_name(f->kind));
}

static void say(struct resolve_answer *a, enum resolve_result result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct resolve_answer *a, enum resolve_result result, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(a->reason, sizeof a->reason, fmt, ap);
	va_end(ap);
	for (char *p = a->reason; *p; p++) /* one printable line, whatever the hook wrote */
		if (!isprint((unsigned char)*p))
			*p = ' ';
	a->result = result;
	a->source = "hook";
}

/* Common end of both forms: a name is needed. */
static void conclude(struct resolve_answer *a, int rc, const struct error *err)
{
	if (rc < 0)
		say(a, RESOLVE_FAILED, "hook nonsense: its answer is refused: %s", err->text);
	else if (!a->fqdn[0])
		say(a, RESOLVE_FAILED, "hook nonsense: its answer has no fqdn");
	else
		a->result = RESOLVE_FOUND;
	a->source = "hook";
}

void hook_parse_json(const char *text, size_t len, struct resolve_answer *out)
{
	json_error_t jerr;
	json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &jerr);
	if (!json_is_object(doc)) {
		say(out, RESOLVE_FAILED, "hook nonsense: its answer is not a JSON object: %s",
			doc ? "another type" : jerr.text);
		json_decref(doc);
		return;
	}
	if (json_is_true(json_object_get(doc, "wait"))) {
		const char *reason = json_string_value(json_object_get(doc, "reason"));
		say(out, RESOLVE_WAIT, "hook says wait: %s", reason ? reason : "no reason given");
		json_decref(doc);
		return;
	}
	struct error err = {0};
	int rc = 0;
	static const char *const keys[] = {"fqdn", "profile", "ou", "otp", "pin"};
	for (size_t i = 0; rc == 0 && i < sizeof keys / sizeof keys[0]; i++) {
		json_t *v = json_object_get(doc, keys[i]);
		if (!v || json_is_null(v))
			continue;
		rc = json_is_string(v) ? resolve_set_field(out, keys[i], json_string_value(v), &err)
				       : error_set(&err, E_CONFIG, "%s must be text", keys[i]);
	}
	json_decref(doc);
	conclude(out, rc, &err);
}

void hook_parse_lines(const char *text, size_t len, struct resolve_answer *out)
{
	struct error err = {0};
	int rc = 0;
	const char *end = text + len;
	while (rc == 0 && text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((eol ? eol : end) - text);
		char line[1024];
		if (n >= sizeof line) {
			rc = error_set(
				&err, E_CONFIG, "a line is longer than %zu bytes", sizeof line);
			break;
		}
		memcpy(line, text, n);
		line[n] = '\0';
		line[strcspn(line, "\r")] = '\0';
		char *eq = strchr(line, '=');
		if (eq) { /* other lines are chatter */
			*eq = '\0';
			rc = resolve_set_field(out, line, eq + 1, &err);
		}
		explicit_bzero(line, sizeof line); /* may have held the otp */
		text += n + (eol ? 1 : 0);
	}
	conclude(out, rc, &err);
}

void hook_text_judge(struct resolve_answer *a, bool lines, const struct hook_outcome *o)
{
	if (o->end == HOOK_SAYS_WAIT)
		say(a, RESOLVE_WAIT, "hook says %s", o->why);
	else if (o->end != HOOK_ANSWERED)
		say(a, RESOLVE_FAILED, "hook %s", o->why);
	else if (lines)
		hook_parse_lines(o->out, o->out_len, a);
	else
		hook_parse_json(o->out, o->out_len, a);
}
