/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden bytes of muster.proto: every body of Envelope and every stored or CA message, each field
 * filled from its descriptor, must pack to the bytes under tests/proto/golden, and those must
 * unpack and pack to themselves. So a renumbered or retyped field cannot slip in. After an additive
 * change: `test_golden --write` from the root of the project, and look at the difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/muster.pb-c.h"

enum { GOLDEN_MAX = 4096, N_REPEATED = 2 };

static bool writing;

/* ---- a message with every field set
 * ------------------------------------------------------------------ */

static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *d, int body);

/* One value of a field at this place; sizes follow protobuf-c's C types. */
static void fill_value(const ProtobufCFieldDescriptor *f, void *at, uint32_t salt)
{
	uint64_t number = f->id * 1000u + salt;
	char text[32];
	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64: memcpy(at, &number, sizeof number); break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT32:
		memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
		break;
	case PROTOBUF_C_TYPE_BOOL:
		memcpy(at, &(protobuf_c_boolean){1}, sizeof(protobuf_c_boolean));
		break;
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *e = f->descriptor;
		memcpy(at, &e->values[e->n_values - 1].value, sizeof(int));
		break;
	}
	case PROTOBUF_C_TYPE_STRING:
		snprintf(text, sizeof text, "%s-%u", f->name, salt);
		memcpy(at, &(char *){strdup(text)}, sizeof(char *));
		break;
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData b = {.len = 2, .data = malloc(2)};
		b.data[0] = (uint8_t)f->id;
		b.data[1] = (uint8_t)(0xf0 + salt);
		memcpy(at, &b, sizeof b);
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(at, &(ProtobufCMessage *){fill(f->descriptor, -1)}, sizeof(void *));
		break;
	default: fail_msg("field %s has a type that this test does not know", f->name);
	}
}

static size_t value_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64: return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
	default: return sizeof(uint32_t);
	}
}

static void fill_field(uint8_t *msg, const ProtobufCFieldDescriptor *f)
{
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		fill_value(f, msg + f->offset, 0);
		if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			memcpy(msg + f->quantifier_offset, &f->id, sizeof f->id);
		return;
	}
	size_t size = value_size(f), n = N_REPEATED;
	uint8_t *list = calloc(n, size);
	for (uint32_t i = 0; i < n; i++)
		fill_value(f, list + i * size, i);
	memcpy(msg + f->quantifier_offset, &n, sizeof n);
	memcpy(msg + f->offset, &list, sizeof list);
}

/* @param body index of the one member of a oneof to set; others of a oneof stay unset */
static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *d, int body)
{
	ProtobufCMessage *msg = malloc(d->sizeof_message);
	d->message_init(msg);
	for (unsigned i = 0; i < d->n_fields; i++) {
		bool one_of = d->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
		if (!one_of || (int)i == body)
			fill_field((uint8_t *)msg, &d->fields[i]);
	}
	return msg;
}

/* ---- files
 * -------------------------------------------------------------------------------------------- */

static FILE *open_golden(const char *name, const char *mode)
{
	char path[256];
	snprintf(path, sizeof path, "tests/proto/golden/%s.bin", name);
	FILE *f = fopen(path, mode);
	if (!f)
		fail_msg("%s cannot be opened", path);
	return f;
}

static void check_message(const char *name, ProtobufCMessage *msg)
{
	uint8_t packed[GOLDEN_MAX], golden[GOLDEN_MAX], again[GOLDEN_MAX];
	assert_true(protobuf_c_message_get_packed_size(msg) <= GOLDEN_MAX);
	size_t len = protobuf_c_message_pack(msg, packed);
	assert_true(len > 0);
	if (writing) {
		FILE *out = open_golden(name, "wb");
		assert_int_equal(fwrite(packed, 1, len, out), len);
		fclose(out);
	}
	FILE *in = open_golden(name, "rb");
	size_t golden_len = fread(golden, 1, sizeof golden, in);
	fclose(in);
	if (golden_len != len || memcmp(golden, packed, len) != 0)
		fail_msg("%s: packed bytes differ from the golden file", name);

	ProtobufCMessage *back =
		protobuf_c_message_unpack(msg->descriptor, NULL, golden_len, golden);
	assert_non_null(back);
	assert_int_equal(back->n_unknown_fields, 0);
	assert_int_equal(protobuf_c_message_pack(back, again), golden_len);
	assert_memory_equal(again, golden, golden_len);
	protobuf_c_message_free_unpacked(back, NULL);
	protobuf_c_message_free_unpacked(msg, NULL);
}

static void test_envelope_bodies(void **state)
{
	(void)state;
	const ProtobufCMessageDescriptor *d = &muster__v1__envelope__descriptor;
	unsigned n = 0;
	for (unsigned i = 0; i < d->n_fields; i++) {
		char name[100];
		if (!(d->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			continue;
		snprintf(name, sizeof name, "envelope-%s", d->fields[i].name);
		check_message(name, fill(d, (int)i));
		n++;
	}
	assert_true(n >= 11);
}

static void test_other_messages(void **state)
{
	(void)state;
	static const ProtobufCMessageDescriptor *const roots[] = {
		&muster__v1__ca_request__descriptor,
		&muster__v1__ca_reply__descriptor,
		&muster__v1__secret_set__descriptor,
		&muster__v1__checkpoint__descriptor,
	};
	for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
		check_message(roots[i]->short_name, fill(roots[i], -1));
}

/* A sender with a newer schema: what we do not know must not make us drop the message. */
static void test_unknown_fields_pass(void **state)
{
	(void)state;
	static const uint8_t newer[] = {0x08, 0x07, 0xf8, 0x07, 0x01}; /* schema 7, field 127 = 1 */
	Muster__V1__Envelope *e = muster__v1__envelope__unpack(NULL, sizeof newer, newer);
	assert_non_null(e);
	assert_int_equal(e->schema, 7);
	assert_int_equal(e->body_case, MUSTER__V1__ENVELOPE__BODY__NOT_SET);
	muster__v1__envelope__free_unpacked(e, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope_bodies),
		cmocka_unit_test(test_other_messages),
		cmocka_unit_test(test_unknown_fields_pass),
	};
	writing = argc == 2 && strcmp(argv[1], "--write") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
