/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our requests against those of the peers, call by call: equal elements, order, namespaces, values.
 * White space, prefixes, MessageID and PT60S = PT60.000S do not count. SPEC: ruling 47
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "proto/wsman/object.h"
#include "proto/wsman/write.h"
#include "tests/proto/wsman/helper.h"

#define PARAMS_MAX 40

struct call {
	const char *file;
	enum wsman_op op;
	const char *class_name, *method, *selectors, *params;
};

static const struct call calls[] = {
#include "tests/proto/wsman/calls.inc"
};

#define N_CALLS (sizeof calls / sizeof calls[0])

/* Where a peer is wrong on purpose of the vector: what differs and what we send. */
static const struct {
	const char *file, *parameter, *ours, *reason;
} defects[] = {
	{"amt_authorizationservice_setadminaclentryex-hexbug.xml", "DigestPassword",
		"CuCDARuuPYT8SGzkq0SuHQ==",
		"hex text instead of base64 of the 16 MD5 bytes (provisioning.md, CREDENTIALS)"},
};

static const char *dir;

/* Text up to a separator, in the arena; *at moves behind it. */
static char *cut(struct arena *a, const char **at, const char *separators)
{
	size_t n = strcspn(*at, separators);
	char *text = arena_strndup(a, *at, n);

	*at += n + ((*at)[n] != '\0');
	return text;
}

static struct wsman_epr *parse_epr(struct arena *a, const char *text)
{
	struct wsman_epr *epr = arena_alloc(a, sizeof *epr);
	struct wsman_selector *s = arena_alloc(a, sizeof *s);
	char *class_name = cut(a, &text, "|"), *address = cut(a, &text, "|");

	s->name = cut(a, &text, "=");
	s->text = text;
	*epr = (struct wsman_epr){.class_name = class_name,
		.selectors = s,
		.n_selectors = 1,
		.address = strcmp(address, "-") == 0 ? NULL : address};
	return epr;
}

/* The notation of calls.inc. */
static const struct wsman_param *parse_params(struct arena *a, const char **at, size_t *n)
{
	struct wsman_param *params = arena_alloc(a, PARAMS_MAX * sizeof *params);

	for (*n = 0; **at != '\0'; ++*n) {
		const char *line = cut(a, at, "\n");
		if (strcmp(line, "<") == 0)
			return params;
		assert_true(*n < PARAMS_MAX);
		char kind = line[strcspn(line, "=@>")];
		char *name = cut(a, &line, "=@>");
		if (kind == '=')
			params[*n] = WSMAN_TEXT(name, line);
		else if (kind == '@')
			params[*n] = WSMAN_EPR(name, parse_epr(a, line));
		else {
			size_t n_inner;
			const struct wsman_param *inner = parse_params(a, at, &n_inner);
			params[*n] = WSMAN_EMBEDDED(name, line, inner, n_inner);
		}
	}
	return params;
}

static void build(struct arena *a, const struct call *call, struct wsman_request *req)
{
	const char *params = call->params ? call->params : "";
	const char *selectors = call->selectors ? call->selectors : "";
	struct wsman_selector *s = arena_alloc(a, 4 * sizeof *s);

	*req = (struct wsman_request){.op = call->op,
		.class_name = call->class_name,
		.method = call->method,
		.message_id = 1,
		.selectors = s};
	for (; *selectors; req->n_selectors++) {
		s[req->n_selectors].name = cut(a, &selectors, "=");
		s[req->n_selectors].text = cut(a, &selectors, "\n");
	}
	if (call->op == WSMAN_PULL)
		req->context = params;
	else
		req->params = parse_params(a, &params, &req->n_params);
}

/* What two requests must agree in. */
static void add_request(struct buf *out, struct arena *a, const struct buf *doc)
{
	struct wsman_message m;

	must_read(a, doc, &m);
	for (struct wsman_node *c = m.header->child; c; c = c->next) {
		if (strcmp(c->name, "MessageID") == 0)
			c->text = "*";
		else if (strcmp(c->text, "PT60.000S") == 0)
			c->text = "PT60S";
	}
	buf_init(out, WSMAN_BYTES_MAX);
	add_tree(out, m.envelope, 0);
}

static void assert_same_request(
	struct arena *a, const char *name, const struct wsman_request *req, const struct buf *peer)
{
	struct buf ours, our_text, peer_text;
	struct error err = {0};

	buf_init(&ours, WSMAN_REQUEST_MAX);
	if (wsman_write(&ours, req, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	add_request(&our_text, a, &ours);
	add_request(&peer_text, a, peer);
	if (strcmp(buf_cstr(&our_text), buf_cstr(&peer_text)) != 0)
		fail_msg("%s: ours\n%s\npeer's\n%s", name, buf_cstr(&our_text),
			buf_cstr(&peer_text));
	buf_free(&ours);
	buf_free(&our_text);
	buf_free(&peer_text);
}

static void test_every_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CALLS; i++) {
		struct arena arena;
		struct wsman_request req;
		struct buf peer;
		arena_init(&arena, WSMAN_ARENA_MAX);
		load_file(&peer, dir, calls[i].file);
		build(&arena, &calls[i], &req);
		assert_same_request(&arena, calls[i].file, &req, &peer);
		buf_free(&peer);
		arena_reset(&arena);
	}
}

static void count_files(const char *folder, size_t *n)
{
	char path[1024];

	snprintf(path, sizeof path, "%s/%s", dir, folder);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *de; (de = readdir(d));)
		*n += strstr(de->d_name, ".xml") != NULL;
	closedir(d);
}

/* No vector is left out of the table. */
static void test_table_is_complete(void **state)
{
	size_t n = 0;

	(void)state;
	count_files(".", &n);
	count_files("second-builder", &n);
	count_files("sequence-pki-minimal", &n);
	assert_int_equal(n, N_CALLS);
}

/* A Put the way a session makes it: the received object, changed and changed back. */
static void test_echoed_objects(void **state)
{
	size_t n_puts = 0;

	(void)state;
	for (size_t i = 0; i < N_CALLS; i++) {
		if (calls[i].op != WSMAN_PUT)
			continue;
		struct arena arena;
		struct wsman_request req;
		struct wsman_message m;
		struct wsman_object o;
		struct buf peer;
		arena_init(&arena, WSMAN_ARENA_MAX);
		load_file(&peer, dir, calls[i].file);
		must_read(&arena, &peer, &m);
		assert_int_equal(wsman_object_copy(&o, &arena, m.payload), 0);
		for (const struct wsman_node *p = m.payload->child; p; p = p->next)
			if (!p->child && !wsman_node_again(p) &&
				p == wsman_node_child(m.payload, p->name)) {
				assert_int_equal(wsman_object_set(&o, p->name, "other"), 0);
				assert_int_equal(wsman_object_set(&o, p->name, p->text), 0);
			}
		build(&arena, &calls[i], &req);
		req.object = o.root;
		assert_same_request(&arena, calls[i].file, &req, &peer);
		buf_free(&peer);
		arena_reset(&arena);
		n_puts++;
	}
	assert_true(n_puts >= 15);
}

/* The alphabet alone puts every property where devices have it. */
static void test_objects_from_nothing(void **state)
{
	static const char *const files[] = {"amt_generalsettings_put.xml",
		"amt_tlssettingdata_put-remote-server.xml", "amt_tlscredentialcontext_put.xml",
		"amt_redirectionservice_put.xml"};

	(void)state;
	for (size_t i = 0; i < N_CALLS; i++) {
		bool wanted = false;
		for (size_t k = 0; k < sizeof files / sizeof files[0]; k++)
			wanted |= strcmp(files[k], calls[i].file) == 0;
		if (!wanted)
			continue;
		struct arena arena;
		struct wsman_request req;
		struct wsman_object o;
		struct buf peer;
		arena_init(&arena, WSMAN_ARENA_MAX);
		load_file(&peer, dir, calls[i].file);
		build(&arena, &calls[i], &req);
		assert_int_equal(wsman_object_new(&o, &arena, calls[i].class_name), 0);
		for (size_t k = req.n_params; k-- > 0;) { /* last first: order is ours to find */
			const struct wsman_param *p = &req.params[k];
			assert_int_equal(p->kind == WSMAN_PARAM_EPR
						 ? wsman_object_set_epr(&o, p->name, p->epr)
						 : wsman_object_set(&o, p->name, p->text),
				0);
		}
		req.object = o.root;
		assert_same_request(&arena, calls[i].file, &req, &peer);
		buf_free(&peer);
		arena_reset(&arena);
	}
}

/* The Put of names from the recorded Get of another firmware. SPEC: wsman.md 4 "Put rule" */
static void test_general_settings(void **state)
{
	static const char *const edits[][2] = {{"DomainName", "example.com"},
		{"HostName", "pc0001"}, {"HostOSFQDN", "pc0001.example.com"},
		{"IdleWakeTimeout", "65535"}};
	struct wsman_request req = {.op = WSMAN_PUT, .class_name = "AMT_GeneralSettings"};
	struct arena arena;
	struct wsman_message m;
	struct wsman_object o;
	struct buf get, peer;

	(void)state;
	arena_init(&arena, WSMAN_ARENA_MAX);
	load_file(&get, dir, "../responses/amt/general/get.xml");
	load_file(&peer, dir, "amt_generalsettings_put.xml");
	must_read(&arena, &get, &m);
	assert_int_equal(wsman_object_copy(&o, &arena, wsman_message_item(&m, NULL)), 0);
	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++)
		assert_int_equal(wsman_object_set(&o, edits[i][0], edits[i][1]), 0);
	/* Newer firmware's properties, which the peer's device did not have. */
	wsman_object_remove(&o, "DHCPSyncRequiresHostname");
	wsman_object_remove(&o, "ThunderboltDockEnabled");
	req.object = o.root;
	assert_same_request(&arena, "amt_generalsettings_put.xml", &req, &peer);
	buf_free(&get);
	buf_free(&peer);
	arena_reset(&arena);
}

/* The listed defects are real, and ours is the right value of the positive vector. */
static void test_known_defects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof defects / sizeof defects[0]; i++) {
		struct arena arena;
		struct wsman_message wrong, right;
		struct buf peer;
		arena_init(&arena, WSMAN_ARENA_MAX);
		load_file(&peer, dir, defects[i].file);
		must_read(&arena, &peer, &wrong);
		buf_free(&peer);
		load_file(&peer, dir, "amt_authorizationservice_setadminaclentryex.xml");
		must_read(&arena, &peer, &right);
		buf_free(&peer);
		const char *parameter = defects[i].parameter;
		printf("%s: %s\n", defects[i].file, defects[i].reason);
		assert_string_not_equal(wsman_node_text(wrong.payload, parameter), defects[i].ours);
		assert_string_equal(wsman_node_text(right.payload, parameter), defects[i].ours);
		arena_reset(&arena);
	}
}

int main(void)
{
	static char requests[600];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call),
		cmocka_unit_test(test_table_is_complete),
		cmocka_unit_test(test_echoed_objects),
		cmocka_unit_test(test_objects_from_nothing),
		cmocka_unit_test(test_general_settings),
		cmocka_unit_test(test_known_defects),
	};

	if (!vectors_dir())
		return 77;
	snprintf(requests, sizeof requests, "%s/requests", vectors_dir());
	dir = requests;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
