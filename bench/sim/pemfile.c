/* SPDX-License-Identifier: Apache-2.0 */
/* See pemfile.h. */
#include "bench/sim/pemfile.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int pemfile_store(const char *path, bool (*write)(FILE *f, const void *arg), const void *arg,
	struct error *err)
{
	char part[PATH_MAX];
	int len = snprintf(part, sizeof part, "%s.%ld", path, (long)getpid());
	ENSURE(len > 0 && (size_t)len < sizeof part, err, E_CONFIG, "%s: path too long", path);
	FILE *f = fopen(part, "wxe");
	ENSURE(f, err, -errno, "%s: %s", part, strerror(errno));
	bool ok = fchmod(fileno(f), 0600) == 0 && write(f, arg);
	ok = fclose(f) == 0 && ok;
	if (!ok || rename(part, path) != 0) {
		unlink(part);
		return error_set(err, -EIO, "%s: cannot store the keys", path);
	}
	return 0;
}
