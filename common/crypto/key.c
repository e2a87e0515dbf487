/* SPDX-License-Identifier: Apache-2.0 */
/* Key files (32 bytes in base64) and the ring of key-encryption keys. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/crypto/ring.h"

#define KEY_SUFFIX ".key"
/* 44 characters of base64; room for line ends that an editor added. */
#define KEY_FILE_MAX 64
#define KEY_PATH_MAX 1024
/* Old keys leave after a rekey; a directory with more is not a key directory. */
#define KEK_MAX 64

bool key_id_ok(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= SEAL_ID_MAX && text[0] != '.' &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		       len;
}

static int key_path(
	char out[static KEY_PATH_MAX], const char *dir, const char *id, struct error *err)
{
	ENSURE(key_id_ok(id), err, E_CONFIG,
		"key id \"%.64s\": must be 1 to %d letters, digits, . _ or -", id, SEAL_ID_MAX);
	int n = snprintf(out, KEY_PATH_MAX, "%s/%s" KEY_SUFFIX, dir, id);
	ENSURE(n < KEY_PATH_MAX, err, E_CONFIG, "key %s: path too long", id);
	return 0;
}

int key_file_read(struct secret *out, const char *dir, const char *id, struct error *err)
{
	char path[KEY_PATH_MAX];
	TRY(key_path(path, dir, id, err));
	struct secret text = {0};
	TRY(secret_read_file(&text, path, KEY_FILE_MAX, err));
	struct buf key;
	buf_init(&key, KEY_FILE_MAX);
	int rc = base64_decode(&key, secret_text(&text), text.len);
	if (rc < 0 || key.len != SEAL_KEY_LEN)
		rc = error_set(
			err, E_CONFIG, "%s: must hold %d bytes in base64", path, SEAL_KEY_LEN);
	else
		rc = secret_set(out, key.data, key.len);
	buf_wipe(&key);
	secret_free(&text);
	return rc;
}

static int key_file_write(int fd, const char *path, struct error *err)
{
	uint8_t key[SEAL_KEY_LEN];
	ENSURE(RAND_bytes(key, sizeof key) == 1, err, E_CRYPTO, "%s: no random bytes", path);
	struct buf text;
	buf_init(&text, KEY_FILE_MAX);
	int rc = base64_encode(&text, key, sizeof key);
	if (rc == 0)
		rc = buf_adds(&text, "\n");
	explicit_bzero(key, sizeof key);
	if (rc < 0)
		error_set(err, rc, "%s: %s", path, error_name(rc));
	else if (write(fd, text.data, text.len) != (ssize_t)text.len || fsync(fd) != 0)
		rc = error_set(err, errno ? -errno : -EIO, "%s: %s", path, strerror(errno));
	buf_wipe(&text);
	return rc;
}

int key_file_make(const char *dir, const char *id, struct error *err)
{
	char path[KEY_PATH_MAX];
	TRY(key_path(path, dir, id, err));
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ENSURE(fd >= 0, err, -errno, "%s: %s", path, strerror(errno));
	int rc = key_file_write(fd, path, err);
	close(fd);
	if (rc < 0)
		unlink(path);
	return rc;
}

/* ---- the ring --------------------------------------------------------------------------- */

static int is_key_file(const struct dirent *e)
{
	size_t len = strlen(e->d_name), suffix_len = strlen(KEY_SUFFIX);
	return e->d_name[0] != '.' && len > suffix_len &&
	       strcmp(e->d_name + len - suffix_len, KEY_SUFFIX) == 0;
}

const struct kek *kek_ring_find(const struct kek_ring *ring, const char *id)
{
	for (size_t i = 0; i < ring->n; i++) {
		if (strcmp(ring->keys[i].id, id) == 0)
			return &ring->keys[i];
	}
	return NULL;
}

static int ring_read(
	struct kek_ring *ring, const char *dir, struct dirent **names, size_t n, struct error *err)
{
	ENSURE(n <= KEK_MAX, err, E_CONFIG, "%s: more than %d keys", dir, KEK_MAX);
	ring->keys = calloc(n ? n : 1, sizeof *ring->keys);
	ENSURE(ring->keys, err, -ENOMEM, "%s: out of memory", dir);
	for (; ring->n < n; ring->n++) {
		struct kek *k = &ring->keys[ring->n];
		const char *name = names[ring->n]->d_name;
		size_t len = strlen(name) - strlen(KEY_SUFFIX);
		ENSURE(len <= SEAL_ID_MAX, err, E_CONFIG, "%s/%s: name too long", dir, name);
		memcpy(k->id, name, len);
		TRY(key_file_read(&k->key, dir, k->id, err));
	}
	return 0;
}

static int ring_fill(struct kek_ring *ring, const char *dir, const char *current, struct error *err)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_key_file, alphasort);
	ENSURE(n >= 0, err, -errno, "%s: %s", dir, strerror(errno));
	int rc = ring_read(ring, dir, names, (size_t)n, err);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	TRY(rc);
	ring->current = kek_ring_find(ring, current);
	ENSURE(ring->current, err, E_CONFIG,
		"key-encryption key \"%.64s\" (keys.kek_current) is not in %s", current, dir);
	return 0;
}

int kek_ring_load(struct kek_ring **out, const char *dir, const char *current, struct error *err)
{
	*out = NULL;
	struct kek_ring *ring = calloc(1, sizeof *ring);
	ENSURE(ring, err, -ENOMEM, "%s: out of memory", dir);
	int rc = ring_fill(ring, dir, current, err);
	if (rc < 0)
		kek_ring_free(ring);
	else
		*out = ring;
	return rc;
}

void kek_ring_free(struct kek_ring *ring)
{
	if (!ring)
		return;
	for (size_t i = 0; i < ring->n; i++)
		secret_free(&ring->keys[i].key);
	free(ring->keys);
	free(ring);
}

const char *kek_ring_current(const struct kek_ring *ring)
{
	return ring->current->id;
}
