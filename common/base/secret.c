/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"

int secret_set(struct secret *s, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, data, len);
	copy[len] = 0;
	secret_free(s);
	*s = (struct secret){copy, len};
	return 0;
}

void secret_free(struct secret *s)
{
	if (s->data) {
		explicit_bzero(s->data, s->len);
		free(s->data);
	}
	*s = (struct secret){0};
}

const char *secret_text(const struct secret *s)
{
	return s->data ? (const char *)s->data : "";
}

int secret_equal(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && (a->len == 0 || CRYPTO_memcmp(a->data, b->data, a->len) == 0);
}

static int secret_read_fd(struct secret *s, int fd, const char *path, size_t max, struct error *err)
{
	struct stat st;
	ENSURE(fstat(fd, &st) == 0, err, -errno, "%s: %s", path, strerror(errno));
	ENSURE((st.st_mode & 077) == 0, err, E_CONFIG,
		"%s: readable by group or others; run chmod 600 on it", path);
	ENSURE(st.st_size > 0 && (size_t)st.st_size <= max + 1, err, E_CONFIG,
		"%s: holds %lld bytes, expected 1 to %zu", path, (long long)st.st_size, max);
	uint8_t *data = malloc((size_t)st.st_size);
	ENSURE(data, err, -ENOMEM, "%s: out of memory", path);
	ssize_t n = read(fd, data, (size_t)st.st_size);
	int rc = n < 0 ? error_set(err, -errno, "%s: %s", path, strerror(errno)) : 0;
	if (rc == 0) {
		size_t len = (size_t)n;
		if (len && data[len - 1] == '\n')
			len--;
		rc = len && len <= max ? secret_set(s, data, len)
				       : error_set(err, E_CONFIG, "%s: empty or too long", path);
	}
	explicit_bzero(data, (size_t)st.st_size);
	free(data);
	return rc;
}

int secret_read_file(struct secret *s, const char *path, size_t max, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ENSURE(fd >= 0, err, -errno, "%s: %s", path, strerror(errno));
	int rc = secret_read_fd(s, fd, path, max, err);
	close(fd);
	return rc;
}

void secret_protect_process(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
