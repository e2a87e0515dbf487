/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ca/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/uuid.h"

#define LEDGER_LINE_MAX   16384 /* a certificate in base64 and its names */
#define LEDGER_SERIAL_MAX 20    /* RFC 5280 4.1.2.2 */
#define DAY_MS            86400000u

struct issued {
	char *request_key;
	uint8_t serial[LEDGER_SERIAL_MAX];
	size_t serial_len;
	char uuid[UUID_TEXT_LEN + 1];
	off_t offset; /* of its line in the file */
	uint64_t issued_ms, revoked_ms;
	struct issued *next_of_device; /* newest first */
	UT_hash_handle by_key, by_serial;
};

struct device {
	char uuid[UUID_TEXT_LEN + 1];
	struct issued *newest;
	UT_hash_handle hh;
};

struct ledger {
	int fd;
	off_t end;
	bool dirty;
	struct issued *by_key, *by_serial;
	struct device *devices;
	uint64_t n_issued, n_revoked;
};

/* ---- index ---------------------------------------------------------------------------------- */

static struct issued *find_serial(const struct ledger *l, const uint8_t *serial, size_t len)
{
	struct issued *e = NULL;
	HASH_FIND(by_serial, l->by_serial, serial, len, e);
	return e;
}

static int index_device(struct ledger *l, struct issued *e)
{
	struct device *d = NULL;
	HASH_FIND_STR(l->devices, e->uuid, d);
	if (!d) {
		d = calloc(1, sizeof *d);
		if (!d)
			return -ENOMEM;
		memcpy(d->uuid, e->uuid, sizeof d->uuid);
		HASH_ADD_STR(l->devices, uuid, d);
	}
	e->next_of_device = d->newest;
	d->newest = e;
	return 0;
}

static int index_add(struct ledger *l, const char *key, const uint8_t *serial, size_t serial_len,
	const char *uuid, off_t offset, uint64_t when_ms)
{
	struct issued *e = calloc(1, sizeof *e);
	if (!e || !(e->request_key = strdup(key))) {
		free(e);
		return -ENOMEM;
	}
	memcpy(e->serial, serial, serial_len);
	e->serial_len = serial_len;
	snprintf(e->uuid, sizeof e->uuid, "%s", uuid);
	e->offset = offset;
	e->issued_ms = when_ms;
	HASH_ADD_KEYPTR(by_key, l->by_key, e->request_key, strlen(e->request_key), e);
	HASH_ADD_KEYPTR(by_serial, l->by_serial, e->serial, e->serial_len, e);
	l->n_issued++;
	return index_device(l, e);
}

static void mark_revoked(struct ledger *l, struct issued *e, uint64_t when_ms)
{
	if (!e->revoked_ms)
		l->n_revoked++;
	e->revoked_ms = when_ms;
}

/* ---- file ----------------------------------------------------------------------------------- */

static const char *text_of(json_t *line, const char *key)
{
	const char *s = json_string_value(json_object_get(line, key));
	return s ? s : "";
}

static int load_line(
	struct ledger *l, const char *text, off_t offset, size_t number, struct error *err)
{
	json_error_t json_err;
	json_t *line = json_loads(text, 0, &json_err);
	ENSURE(line, err, E_PARSE, "ledger line %zu: %s", number, json_err.text);
	uint8_t serial[LEDGER_SERIAL_MAX];
	const char *hex = text_of(line, "serial");
	int serial_len = hex_decode(hex, strlen(hex), serial, sizeof serial);
	uint64_t when_ms = (uint64_t)json_integer_value(json_object_get(line, "ms"));
	const char *event = text_of(line, "event");
	int rc = E_PARSE;
	if (serial_len > 0 && strcmp(event, "issued") == 0)
		rc = index_add(l, text_of(line, "request_key"), serial, (size_t)serial_len,
			text_of(line, "uuid"), offset, when_ms);
	struct issued *e = serial_len > 0 ? find_serial(l, serial, (size_t)serial_len) : NULL;
	if (e && strcmp(event, "revoked") == 0) {
		mark_revoked(l, e, when_ms);
		rc = 0;
	}
	json_decref(line);
	if (rc < 0)
		error_set(err, rc,
			"ledger line %zu: neither an issued nor a known revoked certificate",
			number);
	return rc;
}

static int load(struct ledger *l, const char *path, struct error *err)
{
	FILE *f = fopen(path, "r");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	char *text = NULL;
	size_t cap = 0, number = 0;
	int rc = 0;
	for (ssize_t n; rc == 0 && (n = getline(&text, &cap, f)) > 0;) {
		number++;
		if (text[n - 1] != '\n')
			break; /* never acknowledged: it was not synced as a whole */
		rc = load_line(l, text, l->end, number, err);
		l->end += n;
	}
	free(text);
	fclose(f);
	if (rc < 0)
		error_prefix(err, "%s", path);
	return rc;
}

static int append(struct ledger *l, json_t *line, off_t *offset, struct error *err)
{
	char *text = json_dumps(line, JSON_COMPACT);
	ENSURE(text, err, -ENOMEM, "out of memory");
	size_t len = strlen(text);
	text[len++] = '\n'; /* instead of the NUL: one write, one line */
	ssize_t n = pwrite(l->fd, text, len, l->end);
	int rc = n == (ssize_t)len ? 0
				   : error_set(err, n < 0 ? -errno : -EIO, "ledger: write failed");
	free(text);
	if (rc == 0) {
		*offset = l->end;
		l->end += (off_t)len;
		l->dirty = true;
	}
	return rc;
}

int ledger_open(struct ledger **out, const char *path, struct error *err)
{
	struct ledger *l = calloc(1, sizeof *l);
	ENSURE(l, err, -ENOMEM, "out of memory");
	l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int rc = l->fd < 0 ? error_set(err, -errno, "%s: %s", path, strerror(errno))
			   : load(l, path, err);
	if (rc == 0 && ftruncate(l->fd, l->end) < 0)
		rc = error_set(err, -errno, "%s: %s", path, strerror(errno));
	if (rc < 0) {
		ledger_close(l);
		return rc;
	}
	*out = l;
	return 0;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	ledger_sync(l, NULL);
	struct issued *e, *e_next;
	struct device *d, *d_next;
	HASH_ITER(hh, l->devices, d, d_next)
	{
		HASH_DEL(l->devices, d);
		free(d);
	}
	HASH_CLEAR(by_serial, l->by_serial);
	HASH_ITER(by_key, l->by_key, e, e_next)
	{
		HASH_DELETE(by_key, l->by_key, e);
		free(e->request_key);
		free(e);
	}
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

/* ---- what the authority does ---------------------------------------------------------------- */

static size_t serial_of(X509 *cert, uint8_t out[static LEDGER_SERIAL_MAX])
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	int len = ASN1_STRING_length(serial);
	if (len <= 0 || len > LEDGER_SERIAL_MAX)
		return 0;
	memcpy(out, ASN1_STRING_get0_data(serial), (size_t)len);
	return (size_t)len;
}

int ledger_add(struct ledger *l, const struct ledger_entry *entry, struct error *err)
{
	uint8_t serial[LEDGER_SERIAL_MAX];
	char hex[2 * LEDGER_SERIAL_MAX + 1];
	size_t serial_len = serial_of(entry->cert, serial);
	ENSURE(serial_len, err, E_CRYPTO, "certificate without a serial");
	hex_encode(serial, serial_len, hex);
	struct buf base64;
	buf_init(&base64, LEDGER_LINE_MAX);
	off_t offset = 0;
	uint64_t now = clock_wall_ms();
	int rc = base64_encode(&base64, entry->der, entry->der_len);
	if (rc == 0) {
		json_t *line = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s%}", "event",
			"issued", "ms", (json_int_t)now, "serial", hex, "subject", entry->subject,
			"uuid", entry->uuid, "job", entry->job, "request_key", entry->request_key,
			"cert", base64.data, base64.len);
		rc = line ? append(l, line, &offset, err)
			  : error_set(err, E_PARSE, "a name is not UTF-8");
		json_decref(line);
	}
	buf_free(&base64);
	return rc < 0 ? rc
		      : index_add(l, entry->request_key, serial, serial_len, entry->uuid, offset,
				now);
}

int ledger_find(struct ledger *l, const char *request_key, struct buf *der, struct error *err)
{
	struct issued *e = NULL;
	HASH_FIND(by_key, l->by_key, request_key, strlen(request_key), e);
	if (!e)
		return -ENOENT;
	char text[LEDGER_LINE_MAX + 1];
	ssize_t n = pread(l->fd, text, LEDGER_LINE_MAX, e->offset);
	ENSURE(n > 0, err, -EIO, "ledger: cannot read at %lld", (long long)e->offset);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	json_t *line = json_loads(text, 0, NULL);
	const char *cert = text_of(line, "cert");
	int rc = base64_decode(der, cert, strlen(cert));
	json_decref(line);
	return rc < 0 || der->len == 0 ? error_set(err, E_PARSE, "ledger: damaged line at %lld",
						 (long long)e->offset)
				       : 0;
}

unsigned ledger_count_today(const struct ledger *l, const char *uuid)
{
	struct device *d = NULL;
	unsigned n = 0;
	uint64_t now = clock_wall_ms();
	HASH_FIND_STR(l->devices, uuid, d);
	for (const struct issued *e = d ? d->newest : NULL; e && now - e->issued_ms < DAY_MS;
		e = e->next_of_device)
		n++;
	return n;
}

int ledger_revoke(
	struct ledger *l, const uint8_t *serial, size_t serial_len, int reason, struct error *err)
{
	char hex[2 * LEDGER_SERIAL_MAX + 1];
	struct issued *e =
		serial_len <= LEDGER_SERIAL_MAX ? find_serial(l, serial, serial_len) : NULL;
	ENSURE(e, err, -ENOENT, "no certificate with this serial was issued here");
	if (e->revoked_ms)
		return 0;
	hex_encode(serial, serial_len, hex);
	uint64_t now = clock_wall_ms();
	off_t offset = 0;
	json_t *line = json_pack("{s:s, s:I, s:s, s:i}", "event", "revoked", "ms", (json_int_t)now,
		"serial", hex, "reason", reason);
	ENSURE(line, err, -ENOMEM, "out of memory");
	int rc = append(l, line, &offset, err);
	json_decref(line);
	if (rc == 0)
		mark_revoked(l, e, now);
	return rc;
}

int ledger_each_revoked(
	const struct ledger *l, int (*fn)(void *arg, const struct ledger_revoked *r), void *arg)
{
	int rc = 0;
	for (const struct issued *e = l->by_key; e && rc == 0; e = e->by_key.next) {
		if (e->revoked_ms)
			rc = fn(arg,
				&(struct ledger_revoked){e->serial, e->serial_len, e->revoked_ms});
	}
	return rc;
}

int ledger_sync(struct ledger *l, struct error *err)
{
	if (!l->dirty)
		return 0;
	ENSURE(fdatasync(l->fd) == 0, err, -errno, "ledger: %s", strerror(errno));
	l->dirty = false;
	return 0;
}

void ledger_counts(const struct ledger *l, uint64_t *n_issued, uint64_t *n_revoked)
{
	*n_issued = l->n_issued;
	*n_revoked = l->n_revoked;
}
