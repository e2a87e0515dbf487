/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/curve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/err.h"

#define PATH_LEN_MAX    4096
#define ALLOW_KEYS_MAX  10000 /* keys in one list; far above any estate, bounds the memory */
#define ALLOW_LINE_MAX  512
#define SECRET_FILE_MAX 128

int curve_pair_new(struct curve_pair *out, struct error *err)
{
	char secret[CURVE_TEXT_LEN + 1];
	*out = (struct curve_pair){.secret_key = {0}};
	if (zmq_curve_keypair(out->public_key, secret) != 0)
		return error_set(
			err, E_CRYPTO, "bus: this libzmq has no Curve: %s", zmq_strerror(errno));
	int rc = secret_set(&out->secret_key, secret, CURVE_TEXT_LEN);
	explicit_bzero(secret, sizeof secret);
	return rc < 0 ? error_set(err, rc, "bus: out of memory") : 0;
}

void curve_pair_free(struct curve_pair *pair)
{
	secret_free(&pair->secret_key);
	pair->public_key[0] = '\0';
}

/* Whole or not at all: a new file, synced, renamed over the old one. */
static int write_key_file(const char *path, mode_t mode, const char *key, struct error *err)
{
	char tmp[PATH_LEN_MAX + 8], line[CURVE_TEXT_LEN + 2];
	snprintf(tmp, sizeof tmp, "%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ENSURE(fd >= 0, err, -errno, "cannot create %s: %s", tmp, strerror(errno));
	int n = snprintf(line, sizeof line, "%.40s\n", key);
	bool written = fchmod(fd, mode) == 0 && write(fd, line, (size_t)n) == n && fsync(fd) == 0;
	int saved = errno;
	explicit_bzero(line, sizeof line);
	if (close(fd) != 0 || !written || rename(tmp, path) != 0) {
		saved = written ? errno : saved;
		unlink(tmp);
		return error_set(err, -saved, "cannot write %s: %s", path, strerror(saved));
	}
	return 0;
}

int curve_pair_write(
	const char *dir, const char *role, const struct curve_pair *pair, struct error *err)
{
	char path[PATH_LEN_MAX];
	snprintf(path, sizeof path, "%s/%s.key", dir, role);
	TRY(write_key_file(path, 0600, secret_text(&pair->secret_key), err));
	snprintf(path, sizeof path, "%s/%s.pub", dir, role);
	return write_key_file(path, 0644, pair->public_key, err);
}

int curve_public_read(const char *path, char out[static CURVE_TEXT_LEN + 1], struct error *err)
{
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "cannot open the public key %s: %s", path, strerror(errno));
	char line[ALLOW_LINE_MAX] = "";
	bool got = fgets(line, sizeof line, f) != NULL;
	fclose(f);
	line[strcspn(line, " \t\r\n")] = '\0';
	uint8_t binary[CURVE_KEY_LEN];
	ENSURE(got && strlen(line) == CURVE_TEXT_LEN && zmq_z85_decode(binary, line), err, E_CONFIG,
		"%s is no public key: 40 characters of Z85 expected", path);
	memcpy(out, line, CURVE_TEXT_LEN + 1);
	return 0;
}

int curve_pair_read(struct curve_pair *out, const char *dir, const char *role, struct error *err)
{
	char path[PATH_LEN_MAX], derived[CURVE_TEXT_LEN + 1];
	*out = (struct curve_pair){.secret_key = {0}};
	snprintf(path, sizeof path, "%s/%s.pub", dir, role);
	TRY(curve_public_read(path, out->public_key, err));
	snprintf(path, sizeof path, "%s/%s.key", dir, role);
	TRY(secret_read_file(&out->secret_key, path, SECRET_FILE_MAX, err));
	if (out->secret_key.len == CURVE_TEXT_LEN &&
		zmq_curve_public(derived, secret_text(&out->secret_key)) == 0 &&
		strcmp(derived, out->public_key) == 0)
		return 0;
	curve_pair_free(out);
	return error_set(
		err, E_CONFIG, "%s is damaged or does not belong to %s/%s.pub", path, dir, role);
}

static int allow_add(struct curve_allow *allow, size_t *cap, const char *key)
{
	if (allow->n_keys == ALLOW_KEYS_MAX)
		return E_LIMIT;
	if (allow->n_keys == *cap) {
		size_t grown = *cap ? *cap * 2 : 16;
		void *keys = realloc(allow->keys, grown * sizeof allow->keys[0]);
		if (!keys)
			return -ENOMEM;
		allow->keys = keys;
		*cap = grown;
	}
	if (strlen(key) != CURVE_TEXT_LEN || !zmq_z85_decode(allow->keys[allow->n_keys], key))
		return E_CONFIG;
	allow->n_keys++;
	return 0;
}

int curve_allow_read(struct curve_allow *out, const char *path, struct error *err)
{
	*out = (struct curve_allow){.keys = NULL};
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "cannot open the allow-list %s: %s", path, strerror(errno));
	char line[ALLOW_LINE_MAX];
	size_t cap = 0;
	int rc = 0;
	for (unsigned number = 1; rc == 0 && fgets(line, sizeof line, f); number++) {
		if (line[0] == '\n' || line[0] == '#')
			continue;
		line[strcspn(line, " \t\r\n")] = '\0';
		rc = allow_add(out, &cap, line);
		if (rc < 0)
			error_set(err, rc, "%s line %u: %s", path, number,
				rc == E_CONFIG ? "a key of 40 characters of Z85 expected"
					       : "too many keys");
	}
	fclose(f);
	if (rc < 0)
		curve_allow_free(out);
	return rc;
}

void curve_allow_free(struct curve_allow *allow)
{
	free(allow->keys);
	*allow = (struct curve_allow){.keys = NULL};
}

bool curve_allow_has(const struct curve_allow *allow, const uint8_t key[static CURVE_KEY_LEN])
{
	/* Public keys: no need for constant time. */
	for (size_t i = 0; i < allow->n_keys; i++)
		if (memcmp(allow->keys[i], key, CURVE_KEY_LEN) == 0)
			return true;
	return false;
}

int curve_allow_append(
	const char *path, const char *public_key, const char *name, struct error *err)
{
	char dir[PATH_LEN_MAX];
	snprintf(dir, sizeof dir, "%s", path);
	char *slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		if (mkdir(dir, 0755) != 0 && errno != EEXIST)
			return error_set(err, -errno, "cannot create %s: %s", dir, strerror(errno));
	}
	FILE *f = fopen(path, "ae");
	ENSURE(f, err, -errno, "cannot open %s: %s", path, strerror(errno));
	int n = fprintf(f, "%.40s %s\n", public_key, name);
	if (fclose(f) != 0 || n < 0)
		return error_set(err, -EIO, "cannot write %s", path);
	return 0;
}
