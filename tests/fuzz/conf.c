/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration text: a refusal is one line that names the source; what is accepted prints as text
 * that loads again and prints the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/conf.h"

#define PRINTED_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static void check_error(int rc, const struct error *err)
{
	require(rc == err->code && (rc == E_CONFIG || rc == E_LIMIT));
	require(err->text[0] && !strpbrk(err->text, "\r\n"));
	require(rc != E_CONFIG || strncmp(err->text, "input", 5) == 0 ||
		strncmp(err->text, "default", 7) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf conf, again; /* too large for a stack */
	struct error err = {0};
	struct buf text, first, second;

	buf_init(&text, PRINTED_MAX);
	buf_init(&first, PRINTED_MAX);
	buf_init(&second, PRINTED_MAX);
	require(buf_add(&text, data, size) == 0 && buf_cstr(&text));
	int rc = conf_load_text((const char *)text.data, "input", &conf, &err);
	if (rc < 0) {
		check_error(rc, &err);
	} else {
		require(conf_print(&conf, &first, &err) == 0 && buf_cstr(&first));
		require(conf_load_text((const char *)first.data, "printed", &again, &err) == 0);
		require(conf_print(&again, &second, &err) == 0);
		require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	}
	buf_free(&text);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
