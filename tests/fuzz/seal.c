/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed records as Redis may return them. First byte:
 *   0  the rest is four blobs, each behind a length of two bytes: nothing of it was sealed by us,
 *      so nothing may open
 *   1  the rest is the inside of a properly sealed set: any bytes may be there, none may hurt
 *   2  a sound record with one byte changed (position: next two bytes, change: next): must be
 *      refused
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/ring.h"
#include "common/crypto/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct uuid device = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static struct kek_ring *ring;
static struct dek dek;

static void require(int ok)
{
	if (!ok)
		abort();
}

static void close_all(void)
{
	dek_free(&dek);
	kek_ring_free(ring);
}

static void open_all(void)
{
	char folder[] = "/tmp/muster-fuzz-XXXXXX", path[sizeof folder + sizeof "/a.key"];
	require(mkdtemp(folder) != NULL && key_file_make(folder, "a", NULL) == 0);
	require(kek_ring_load(&ring, folder, "a", NULL) == 0);
	snprintf(path, sizeof path, "%s/a.key", folder);
	require(unlink(path) == 0 && rmdir(folder) == 0);
	require(dek_make(&dek, 7, NULL) == 0 && atexit(close_all) == 0);
}

static int open_record(struct device_secrets *out, const struct sealed_record *r)
{
	struct error err = {0};
	int rc = device_secrets_open(out, ring, &device, r, &err);
	require(rc == 0 || (rc == err.code && err.text[0] && !strpbrk(err.text, "\r\n")));
	return rc;
}

static struct sealed take(const uint8_t **data, size_t *size)
{
	if (*size < 2)
		return (struct sealed){0};
	size_t len = (size_t)(*data)[0] << 8 | (*data)[1];
	*data += 2, *size -= 2;
	len = len < *size ? len : *size;
	struct sealed s = {*data, len};
	*data += len, *size -= len;
	return s;
}

static void try_foreign(const uint8_t *data, size_t size)
{
	struct device_secrets out = {0};
	struct sealed_record r;
	r.dek = take(&data, &size);
	r.cur = take(&data, &size);
	r.prev = take(&data, &size);
	r.pend = take(&data, &size);
	int rc = open_record(&out, &r);
	require(r.cur.len + r.prev.len + r.pend.len == 0 ? rc == 0 : rc < 0);
	require(out.cur.n + out.prev.n + out.pend.n == 0);
	device_secrets_free(&out);
}

static void try_inside(const uint8_t *data, size_t size)
{
	struct device_secrets out = {0};
	struct buf wrapped, set;
	buf_init(&wrapped, SEAL_BLOB_MAX);
	buf_init(&set, SEAL_BLOB_MAX);
	require(dek_wrap(&dek, ring, &device, &wrapped, NULL) == 0);
	const struct seal_place place = {&device, dek.gen, "sec"};
	if (seal_bytes(&dek.key, "7", &place, data, size, &set, NULL) == 0) {
		struct sealed_record r = {
			.dek = {wrapped.data, wrapped.len}, .pend = {set.data, set.len}};
		int rc = open_record(&out, &r);
		require(rc == 0 || out.pend.n == 0);
		for (size_t i = 0; i < out.pend.n; i++)
			require(out.pend.items[i].value.len <= SECRET_LEN_MAX);
	}
	device_secrets_free(&out);
	buf_free(&wrapped);
	buf_free(&set);
}

static void try_changed(const uint8_t *data, size_t size)
{
	struct device_secrets out = {0};
	struct secret_set one = {0};
	struct buf wrapped, set;
	if (size < 3 || data[2] == 0)
		return;
	buf_init(&wrapped, SEAL_BLOB_MAX);
	buf_init(&set, SEAL_BLOB_MAX);
	require(secret_set_put(&one, "admin", "P@ssw0rd", 8, 1) == 0);
	require(dek_wrap(&dek, ring, &device, &wrapped, NULL) == 0);
	require(secret_set_seal(&one, &dek, &device, &set, NULL) == 0);
	size_t at = ((size_t)data[0] << 8 | data[1]) % (wrapped.len + set.len);
	*(at < wrapped.len ? wrapped.data + at : set.data + at - wrapped.len) ^= data[2];
	struct sealed_record r = {.dek = {wrapped.data, wrapped.len}, .cur = {set.data, set.len}};
	require(open_record(&out, &r) < 0 && out.cur.n == 0);
	secret_set_free(&one);
	device_secrets_free(&out);
	buf_free(&wrapped);
	buf_free(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *, size_t) = {
		try_foreign, try_inside, try_changed};
	if (!ring)
		open_all();
	if (size > 0 && data[0] < sizeof tries / sizeof tries[0])
		tries[data[0]](data + 1, size - 1);
	return 0;
}
