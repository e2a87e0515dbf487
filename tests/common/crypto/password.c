/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords: known answers of the derivation, the classes of random ones, the rule of AMT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "common/crypto/password.h"

/* The RFB password has exactly eight characters, of all four classes. */
static void test_other_length(void **state)
{
	(void)state;
	struct error err = {0};
	struct secret value = {0}, again = {0}, master = {0};
	struct uuid uuid = {{1}};
	assert_int_equal(password_random_len(&value, 8, &err), 0);
	assert_int_equal(value.len, 8);
	assert_int_equal(password_check(&value, &err), 0);
	assert_int_equal(password_random_len(&value, PASSWORD_LEN + 1, &err), E_LIMIT);
	assert_int_equal(secret_set(&master, "0123456789abcdef0123456789abcdef", 32), 0);
	assert_int_equal(password_derive_len(&value, &master, &uuid, "rfb", 8, &err), 0);
	assert_int_equal(password_derive_len(&again, &master, &uuid, "rfb", 8, &err), 0);
	assert_int_equal(value.len, 8);
	assert_true(secret_equal(&value, &again));
	secret_free(&value);
	secret_free(&again);
	secret_free(&master);
}

/*
 * Known answers, made apart from this code: openssl kdf -keylen 64 -kdfopt digest:SHA256
 * -kdfopt hexkey:0102..20 -kdfopt hexsalt:UUID -kdfopt info:muster/admin/0 HKDF, then bytes below
 * 225 modulo 75 into the alphabet.
 */
static void test_derived_known_answers(void **state)
{
	(void)state;
	static const struct {
		const char *uuid, *purpose, *password;
	} rows[] = {
		{"4c4c4544-004a-3510-8053-b4c04f4e4b32", "admin", "w$tfRVke1soeZ~aNOMVI"},
		{"4c4c4544-004a-3510-8053-b4c04f4e4b32", "mebx", "z4_a!IKW7mc%MbG7Io0o"},
		/* Counter 0 gives %B!z*uZWnpRiAsRNJBfs, which has no digit. */
		{"4c4c4544-004a-3510-8053-b4c04f4e4b06", "admin", "+A$Ky@twXkki_5CZ!E3J"},
		/* Counter 0 gives YyLhtxIxnlzT6XSUR_vr: _ does not count as special. */
		{"4c4c4544-004a-3510-8053-b4c04f4e4b0c", "admin", "r1GIvurTtF!sg1b5am~@"},
	};
	uint8_t key[32];
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	struct secret master = {0};
	assert_int_equal(secret_set(&master, key, sizeof key), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct error err = {0};
		struct uuid uuid;
		struct secret password = {0};
		assert_int_equal(uuid_parse(&uuid, rows[i].uuid), 0);
		assert_int_equal(
			password_derive(&password, &master, &uuid, rows[i].purpose, &err), 0);
		assert_string_equal(secret_text(&password), rows[i].password);
		secret_free(&password);
	}
	secret_free(&master);
}

static void test_random(void **state)
{
	(void)state;
	struct error err = {0};
	struct secret last = {0};
	for (int i = 0; i < 2000; i++) {
		struct secret password = {0};
		assert_int_equal(password_random(&password, &err), 0);
		assert_int_equal(password.len, PASSWORD_LEN);
		assert_int_equal(password_check(&password, &err), 0);
		assert_int_equal(strspn(secret_text(&password),
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789!#$%*+-.=?@_~"),
			PASSWORD_LEN);
		assert_false(secret_equal(&password, &last));
		secret_free(&last);
		last = password;
	}
	secret_free(&last);
}

static void test_rule(void **state)
{
	(void)state;
	static const struct {
		const char *password, *says; /* NULL = accepted */
	} rows[] = {
		{"Aa1!aaaa", NULL},
		{"Aa1!aaaaAa1!aaaaAa1!aaaaAa1!aaaa", NULL},
		{"Aa1! aaa", NULL},
		{"Aa1!aaa", "7 characters"},
		{"Aa1!aaaaAa1!aaaaAa1!aaaaAa1!aaaax", "33 characters"},
		{"aa1!aaaa", "upper-case"},
		{"AA1!AAAA", "lower-case"},
		{"Aaa!aaaa", "a digit"},
		{"Aa1aaaaa", "special"},
		{"Aa1_aa a", "special"},
		{"Aa1!aa:a", "character 7"},
		{"Aa1!aa,a", "character 7"},
		{"Aa1!aa\"a", "character 7"},
		{"Aa1!aa\xc3\xa4", "character 7"},
		{"Aa1!aaa\x7f", "character 8"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct error err = {0};
		struct secret password = {0};
		assert_int_equal(
			secret_set(&password, rows[i].password, strlen(rows[i].password)), 0);
		assert_int_equal(password_check(&password, &err), rows[i].says ? E_CONFIG : 0);
		if (rows[i].says && !strstr(err.text, rows[i].says))
			fail_msg("%s: \"%s\"", rows[i].password, err.text);
		assert_null(strstr(err.text, rows[i].password));
		secret_free(&password);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_length),
		cmocka_unit_test(test_derived_known_answers),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
