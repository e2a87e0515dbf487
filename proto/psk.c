/* SPDX-License-Identifier: Apache-2.0 */
/* See psk.h. */
#include "proto/psk.h"

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

enum { N_ALPHABET = sizeof alphabet - 1, PID_LEN = 8 };

bool psk_is_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

char psk_check_char(const char *text, size_t len)
{
	unsigned sum = 0;
	for (size_t i = 0; i < len; i++)
		sum += (unsigned char)text[i];
	return alphabet[sum % N_ALPHABET];
}

bool psk_pid_ok(const char *text, size_t len)
{
	if (len != PID_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!psk_is_char(text[i]))
			return false;
	}
	return psk_check_char(text, PID_LEN - 1) == text[PID_LEN - 1];
}
