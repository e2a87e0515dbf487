/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of named secrets: in memory, as SecretSet of muster.proto, sealed; and whole records. The
 * unpacked protobuf holds secrets in plain allocations, so it is wiped before it is freed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/ring.h"
#include "proto/muster.pb-c.h"

#define FIELD_SET "sec"

/* ---- in memory -------------------------------------------------------------------------- */

static struct named_secret *set_find(struct secret_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i];
	}
	return NULL;
}

int secret_set_put(
	struct secret_set *set, const char *name, const void *data, size_t len, uint64_t set_ms)
{
	struct named_secret *item = set_find(set, name);
	if (strlen(name) > SECRET_NAME_MAX || len > SECRET_LEN_MAX ||
		(!item && set->n == SECRET_SET_MAX))
		return E_LIMIT;
	struct secret value = {0};
	TRY(secret_set(&value, data, len));
	if (!item) {
		item = &set->items[set->n++];
		snprintf(item->name, sizeof item->name, "%s", name);
	}
	secret_free(&item->value);
	item->value = value;
	item->set_ms = set_ms;
	return 0;
}

const struct secret *secret_set_get(const struct secret_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i].value;
	}
	return NULL;
}

void secret_set_remove(struct secret_set *set, const char *name)
{
	struct named_secret *item = set_find(set, name);
	if (!item)
		return;
	secret_free(&item->value);
	set->n--;
	memmove(item, item + 1, (size_t)(set->items + set->n - item) * sizeof *item);
	set->items[set->n] = (struct named_secret){0};
}

int secret_set_copy(struct secret_set *to, const struct secret_set *from)
{
	secret_set_free(to);
	for (size_t i = 0; i < from->n; i++) {
		const struct named_secret *s = &from->items[i];
		int rc = secret_set_put(to, s->name, s->value.data, s->value.len, s->set_ms);
		if (rc < 0) {
			secret_set_free(to);
			return rc;
		}
	}
	return 0;
}

void secret_set_free(struct secret_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		secret_free(&set->items[i].value);
	*set = (struct secret_set){0};
}

/* ---- sealed ----------------------------------------------------------------------------- */

static int set_pack(const struct secret_set *set, struct buf *out, struct error *err)
{
	Muster__V1__NamedSecret items[SECRET_SET_MAX], *pointers[SECRET_SET_MAX];
	Muster__V1__SecretSet message = MUSTER__V1__SECRET_SET__INIT;
	for (size_t i = 0; i < set->n; i++) {
		const struct named_secret *s = &set->items[i];
		muster__v1__named_secret__init(&items[i]);
		items[i].name = (char *)s->name;
		items[i].value.data = s->value.data;
		items[i].value.len = s->value.len;
		items[i].set_ms = s->set_ms;
		pointers[i] = &items[i];
	}
	message.n_secrets = set->n;
	message.secrets = pointers;
	size_t len = muster__v1__secret_set__get_packed_size(&message);
	uint8_t *to = buf_reserve(out, len ? len : 1);
	ENSURE(to, err, -ENOMEM, "out of memory for a set of secrets");
	out->len += muster__v1__secret_set__pack(&message, to);
	return 0;
}

int secret_set_seal(const struct secret_set *set, const struct dek *dek, const struct uuid *uuid,
	struct buf *out, struct error *err)
{
	char id[12];
	snprintf(id, sizeof id, "%u", dek->gen);
	const struct seal_place place = {uuid, dek->gen, FIELD_SET};
	struct buf plain;
	buf_init(&plain, SEAL_PLAIN_MAX);
	int rc = set_pack(set, &plain, err);
	if (rc == 0)
		rc = seal_bytes(&dek->key, id, &place, plain.data, plain.len, out, err);
	buf_wipe(&plain);
	return rc;
}

static int set_unpack(struct secret_set *out, const struct secret *plain, struct error *err)
{
	Muster__V1__SecretSet *message =
		muster__v1__secret_set__unpack(NULL, plain->len, plain->data);
	ENSURE(message, err, E_CRYPTO, "set of secrets cannot be read");
	int rc = 0;
	for (size_t i = 0; i < message->n_secrets; i++) {
		Muster__V1__NamedSecret *s = message->secrets[i];
		if (rc == 0)
			rc = secret_set_put(out, s->name, s->value.data, s->value.len, s->set_ms);
		if (s->value.len)
			explicit_bzero(s->value.data, s->value.len);
	}
	muster__v1__secret_set__free_unpacked(message, NULL);
	if (rc < 0) {
		secret_set_free(out);
		error_set(err, rc, "set of secrets: %s", error_name(rc));
	}
	return rc;
}

int secret_set_open(struct secret_set *out, const struct dek *dek, const struct uuid *uuid,
	const void *blob, size_t len, struct error *err)
{
	const struct seal_place place = {uuid, dek->gen, FIELD_SET};
	struct secret plain = {0};
	TRY(open_bytes(&dek->key, &place, blob, len, &plain, err));
	secret_set_free(out);
	int rc = set_unpack(out, &plain, err);
	secret_free(&plain);
	return rc;
}

/* ---- PSK pairs -------------------------------------------------------------------------- */

#define PSK_FIELD_MAX 16 /* "psk:" and a PID */

/* In the order of seal_place: which blob this is. */
static struct seal_place psk_place(char field[static PSK_FIELD_MAX], const char *pid)
{
	static const struct uuid nobody = {{0}};
	snprintf(field, PSK_FIELD_MAX, "psk:%.8s", pid);
	return (struct seal_place){&nobody, 0, field};
}

int psk_seal(const struct secret_set *set, const struct kek_ring *ring, const char *pid,
	struct buf *out, struct error *err)
{
	char field[PSK_FIELD_MAX];
	const struct seal_place place = psk_place(field, pid);
	struct buf plain;
	buf_init(&plain, SEAL_PLAIN_MAX);
	int rc = set_pack(set, &plain, err);
	if (rc == 0)
		rc = seal_bytes(&ring->current->key, ring->current->id, &place, plain.data,
			plain.len, out, err);
	buf_wipe(&plain);
	return rc;
}

int psk_open(struct secret_set *out, const struct kek_ring *ring, const char *pid, const void *blob,
	size_t len, struct error *err)
{
	char field[PSK_FIELD_MAX];
	const struct seal_place place = psk_place(field, pid);
	const struct kek *kek;
	struct secret plain = {0};
	TRY(kek_ring_need(&kek, ring, blob, len, err));
	TRY(open_bytes(&kek->key, &place, blob, len, &plain, err));
	secret_set_free(out);
	int rc = set_unpack(out, &plain, err);
	secret_free(&plain);
	return rc;
}

int secret_blob_gen(const void *blob, size_t len, uint32_t *gen, struct error *err)
{
	char id[SEAL_ID_MAX + 1], *end;
	TRY(blob_key_id(blob, len, id, err));
	errno = 0;
	unsigned long value = strtoul(id, &end, 10);
	ENSURE(id[0] >= '0' && id[0] <= '9' && !*end && errno == 0 && value <= UINT32_MAX, err,
		E_CRYPTO, "sealed set names no generation but \"%s\"", id);
	*gen = (uint32_t)value;
	return 0;
}

/* ---- a whole record --------------------------------------------------------------------- */

/* The DEK's generation stands in the sets; every set of a record is of the same DEK. */
static int open_dek(struct device_secrets *out, const struct kek_ring *ring,
	const struct uuid *uuid, const struct sealed_record *r, struct error *err)
{
	const struct sealed *sets[] = {&r->pend, &r->cur, &r->prev, &r->give}, *any = sets[0];
	for (size_t i = 1; any->len == 0 && i < sizeof sets / sizeof sets[0]; i++)
		any = sets[i];
	if (any->len == 0)
		return 0; /* a DEK that never sealed anything need not be known */
	ENSURE(r->dek.len, err, E_CRYPTO, "record has sealed secrets but no dek");
	uint32_t gen;
	TRY(secret_blob_gen(any->data, any->len, &gen, err));
	return dek_unwrap(&out->dek, ring, uuid, gen, r->dek.data, r->dek.len, err);
}

int device_secrets_open(struct device_secrets *out, const struct kek_ring *ring,
	const struct uuid *uuid, const struct sealed_record *record, struct error *err)
{
	TRY(open_dek(out, ring, uuid, record, err));
	const struct {
		const char *name;
		const struct sealed *from;
		struct secret_set *to;
	} rows[] = {
		{"sec_cur", &record->cur, &out->cur},
		{"sec_prev", &record->prev, &out->prev},
		{"sec_pend", &record->pend, &out->pend},
		{"sec_give", &record->give, &out->give},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].from->len == 0)
			continue;
		int rc = secret_set_open(
			rows[i].to, &out->dek, uuid, rows[i].from->data, rows[i].from->len, err);
		if (rc < 0) {
			error_prefix(err, "%s", rows[i].name);
			return rc;
		}
	}
	return 0;
}

void device_secrets_free(struct device_secrets *s)
{
	dek_free(&s->dek);
	secret_set_free(&s->cur);
	secret_set_free(&s->prev);
	secret_set_free(&s->pend);
	secret_set_free(&s->give);
}
