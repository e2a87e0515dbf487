/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory runs out at every single allocation in turn: configuration, sealed records and WS-Man
 * documents must answer with an error and, under the preset asan, without a leak. The linker sends
 * our calls of the allocator here (--wrap, see CMakeLists.txt); libcyaml and expat take functions,
 * and those of libyaml are replaced by name.
 */
#include <expat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/conf.h"
#include "common/crypto/seal.h"
#include "proto/wsman/read.h"

#define EXAMPLE "deploy/muster.example.yaml"

/* ---- the allocator that fails once ---- */

static size_t countdown; /* 1 = the next allocation fails; 0 = none does */

static int fails_now(void)
{
	return countdown > 0 && --countdown == 0;
}

/* Names given by the linker's --wrap and by libyaml. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_cyaml_mem(void *ctx, void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_cyaml_mem(void *ctx, void *p, size_t size);
XML_Parser __wrap_XML_ParserCreateNS(const char *encoding, char separator);
void *yaml_malloc(size_t size);
void *yaml_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails_now() ? NULL : __real_realloc(p, size);
}

void *__wrap_cyaml_mem(void *ctx, void *p, size_t size)
{
	return size > 0 && fails_now() ? NULL : __real_cyaml_mem(ctx, p, size);
}

XML_Parser __wrap_XML_ParserCreateNS(const char *encoding, char separator)
{
	static const XML_Memory_Handling_Suite suite = {__wrap_malloc, __wrap_realloc, free};
	return XML_ParserCreate_MM(encoding, &suite, &separator);
}

void *yaml_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size ? size : 1);
}

void *yaml_realloc(void *p, size_t size)
{
	return fails_now() ? NULL : __real_realloc(p, size ? size : 1);
}

/* ---- the subjects ---- */

/* Runs the subject with its first, second, ... allocation failing, until it needs no more. */
static void torture(int (*subject)(void *arg, struct error *err), void *arg, size_t at_least)
{
	for (size_t n = 1;; n++) {
		struct error err = {0};
		countdown = n;
		int rc = subject(arg, &err);
		int survived = countdown > 0;
		countdown = 0;
		if (survived) {
			assert_int_equal(rc, 0);
			assert_in_range(n, at_least, 100000);
			return;
		}
		/* E_CONFIG would blame the operator's text. expat blames the document in one place
		 * ("unbound prefix"), which we cannot tell from the truth. */
		if (rc >= 0 || rc == E_CONFIG)
			fail_msg("allocation %zu failed, result %s: %s", n, error_name(rc),
				err.text);
		assert_int_equal(err.code, rc);
	}
}

static int load_conf(void *arg, struct error *err)
{
	static struct conf conf;
	return conf_load_text(arg, "example", &conf, err);
}

static void configuration(void **state)
{
	(void)state;
	static char text[65536];
	FILE *f = fopen(EXAMPLE, "rb");
	assert_non_null(f);
	size_t len = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	assert_in_range(len, 1000, sizeof text - 2);
	torture(load_conf, text, 100);
}

static int read_document(void *arg, struct error *err)
{
	struct arena arena;
	struct wsman_message m;
	arena_init(&arena, WSMAN_ARENA_MAX);
	int rc = wsman_read(&arena, arg, strlen(arg), &m, err);
	arena_reset(&arena);
	return rc;
}

static void document(void **state)
{
	(void)state;
	torture(read_document,
		"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
		"xmlns:g=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings\">"
		"<s:Header/><s:Body><g:AMT_GeneralSettings g:a=\"b\"><g:HostName>pc-1</g:HostName>"
		"<g:DomainName>corp.example.com</g:DomainName></g:AMT_GeneralSettings></s:Body>"
		"</s:Envelope>",
		10);
}

struct record {
	struct kek_ring *ring;
	struct sealed_record sealed;
};

static const struct uuid device = {{7}};

static int open_record(void *arg, struct error *err)
{
	const struct record *r = arg;
	struct device_secrets out = {0};
	int rc = device_secrets_open(&out, r->ring, &device, &r->sealed, err);
	device_secrets_free(&out);
	return rc;
}

static void sealed(void **state)
{
	(void)state;
	char folder[] = "/tmp/muster-alloc-XXXXXX", path[sizeof folder + sizeof "/a.key"];
	struct record r = {0};
	struct dek dek = {0};
	struct secret_set set = {0};
	struct buf wrapped, blob;
	buf_init(&wrapped, SEAL_BLOB_MAX);
	buf_init(&blob, SEAL_BLOB_MAX);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/a.key", folder);
	assert_int_equal(key_file_make(folder, "a", NULL), 0);
	assert_int_equal(kek_ring_load(&r.ring, folder, "a", NULL), 0);
	unlink(path);
	rmdir(folder);
	assert_int_equal(dek_make(&dek, 1, NULL), 0);
	assert_int_equal(secret_set_put(&set, "admin", "P@ssw0rd", 8, 1), 0);
	assert_int_equal(secret_set_put(&set, "mebx", "P@ssw0rd", 8, 1), 0);
	assert_int_equal(dek_wrap(&dek, r.ring, &device, &wrapped, NULL), 0);
	assert_int_equal(secret_set_seal(&set, &dek, &device, &blob, NULL), 0);
	r.sealed = (struct sealed_record){.dek = {wrapped.data, wrapped.len},
		.cur = {blob.data, blob.len},
		.pend = {blob.data, blob.len}};
	torture(open_record, &r, 5);
	secret_set_free(&set);
	dek_free(&dek);
	kek_ring_free(r.ring);
	buf_free(&wrapped);
	buf_free(&blob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration),
		cmocka_unit_test(document),
		cmocka_unit_test(sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
