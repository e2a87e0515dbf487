/* SPDX-License-Identifier: Apache-2.0 */
/* Profile files: as conf.c, through a file, since its name is part of the check. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/profile.h"

#define PRINTED_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/muster-fuzz-XXXXXX";
static char path[sizeof folder + sizeof "/input.yaml"];

static void require(int ok)
{
	if (!ok)
		abort();
}

static void remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

static int load(struct profile *out, const void *text, size_t len, struct error *err)
{
	FILE *f = fopen(path, "wb");
	require(f != NULL);
	require(fwrite(text, 1, len, f) == len);
	require(fclose(f) == 0);
	return profile_load_file(out, path, NULL, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile profile, again;
	struct error err = {0};
	struct buf first, second;

	if (!path[0]) {
		require(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
		snprintf(path, sizeof path, "%s/input.yaml", folder);
	}
	buf_init(&first, PRINTED_MAX);
	buf_init(&second, PRINTED_MAX);
	int rc = load(&profile, data, size, &err);
	if (rc < 0) {
		require(rc == err.code && (rc == E_CONFIG || rc == E_LIMIT));
		require(err.text[0] && !strpbrk(err.text, "\r\n"));
	} else {
		require(profile_print(&profile, &first, &err) == 0);
		require(load(&again, first.data, first.len, &err) == 0);
		require(profile_print(&again, &second, &err) == 0);
		require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	}
	buf_free(&first);
	buf_free(&second);
	return 0;
}
