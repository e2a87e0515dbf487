/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/resolve/hook_text.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/err.h"
#include "proto/hello.h"
#include "worker/resolve/hook.h"

#define INPUT_MAX (64 * 1024) /* 255 hashes in hex and JSON are 36 KiB */

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

static int build_json(struct hook_text *t, const struct resolve_facts *f, const struct hello *h)
{
	char uuid[UUID_TEXT_LEN + 1], address[NET_ADDR_TEXT_MAX];
	uuid_text(&f->uuid, uuid);
	net_addr_host_text(&f->address, address);
	json_t *doc = json_pack("{s:i, s:s, s:s, s:i, s:s?, s:i, s:o, s:s?}", "v", 1, "uuid", uuid,
		"address", address, "hello_version", (int)h->version, "pid",
		h->pid[0] ? h->pid : NULL, "retry", (int)h->retry_count, "hashes", hashes_json(h),
		"amt", f->amt && f->amt[0] ? f->amt : NULL);
	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	json_decref(doc);
	int rc = text ? buf_addf(&t->input, "%s\n", text) : -ENOMEM;
	free(text);
	return rc;
}

static int build_args(struct hook_text *t, const char *command, const struct resolve_facts *f,
	const struct hello *h)
{
	char uuid[UUID_TEXT_LEN + 1], address[NET_ADDR_TEXT_MAX];
	uuid_text(&f->uuid, uuid);
	net_addr_host_text(&f->address, address);
	t->argv[0] = strdup(command);
	int ok = t->argv[0] && asprintf(&t->argv[1], "uuid=%s", uuid) > 0 &&
		 asprintf(&t->argv[2], "address=%s", address) > 0 &&
		 asprintf(&t->argv[3], "hello_version=%u", h->version) > 0 &&
		 asprintf(&t->argv[4], "pid=%s", h->pid) > 0 &&
		 asprintf(&t->argv[5], "amt=%s", f->amt ? f->amt : "") > 0;
	return ok ? 0 : -ENOMEM;
}

int hook_text_build(
	struct hook_text *t, const struct conf_hook *conf, const struct resolve_facts *facts)
{
	struct hello h = {0};
	hello_decode(facts->hello, facts->hello_len, &h); /* the listener has judged it already */
	buf_init(&t->input, INPUT_MAX);
	return conf->mode == CONF_HOOK_ARGS ? build_args(t, conf->command, facts, &h)
					    : build_json(t, facts, &h);
}

void hook_text_free(struct hook_text *t)
{
	buf_free(&t->input);
	for (size_t i = 0; i < sizeof t->argv / sizeof t->argv[0]; i++) {
		free(t->argv[i]);
		t->argv[i] = NULL;
	}
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
		say(a, RESOLVE_FAILED, "hook: its answer is refused: %s", err->text);
	else if (!a->fqdn[0])
		say(a, RESOLVE_FAILED, "hook: its answer has no fqdn");
	else
		a->result = RESOLVE_FOUND;
	a->source = "hook";
}

void hook_parse_json(const char *text, size_t len, struct resolve_answer *out)
{
	json_error_t jerr;
	json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &jerr);
	if (!json_is_object(doc)) {
		say(out, RESOLVE_FAILED, "hook: its output is not a JSON object: %s",
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

void hook_text_judge(struct resolve_answer *a, enum conf_hook_mode mode, const char *why,
	int64_t status, int sig, struct buf *out, struct buf *errors)
{
	const char *said = errors->len ? buf_cstr(errors) : "";
	if (!said)
		said = "";
	if (why)
		say(a, RESOLVE_FAILED, "hook: %s", why);
	else if (sig)
		say(a, RESOLVE_FAILED, "hook: ended by signal %d %s", sig, said);
	else if (status == HOOK_EXIT_WAIT)
		say(a, RESOLVE_WAIT, "hook says wait %s", said);
	else if (status != 0)
		say(a, RESOLVE_FAILED, "hook: exit status %d %s", (int)status, said);
	else if (mode == CONF_HOOK_ARGS)
		hook_parse_lines((const char *)out->data, out->len, a);
	else
		hook_parse_json(out->data ? (const char *)out->data : "", out->len, a);
}
