/* SPDX-License-Identifier: Apache-2.0 */
/* See psk.h. */
#include "proto/psk.h"

#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

enum { N_ALPHABET = sizeof alphabet - 1 };

/* Characters, and after how many of them (itself included) a check character comes. */
static const struct shape {
	size_t len, group, covered; /* covered: characters that the check is over */
} shapes[] = {
	[PSK_PID] = {PSK_PID_LEN, PSK_PID_LEN, PSK_PID_LEN - 1},
	[PSK_PPS] = {PSK_PPS_LEN, PSK_GROUP_LEN, PSK_GROUP_LEN - 1},
};

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

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks and dashes, in capitals; one character more than allowed is enough to know. */
static size_t normalise(enum psk_kind kind, const char *text, size_t len, char *out, bool *bad)
{
	size_t n = 0;
	for (size_t i = 0; i < len && n <= shapes[kind].len; i++) {
		char c = text[i];
		if (is_space(c) || c == '-')
			continue;
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		*bad |= !psk_is_char(c);
		if (n < shapes[kind].len)
			out[n] = c;
		n++;
	}
	return n;
}

enum psk_fault psk_read(
	enum psk_kind kind, const char *text, size_t len, char *out, unsigned *group)
{
	const struct shape *s = &shapes[kind];
	bool bad = false;
	size_t n = normalise(kind, text, len, out, &bad);
	enum psk_fault fault = bad ? PSK_CHARSET : n != s->len ? PSK_LENGTH : PSK_OK;
	*group = 0;
	for (size_t at = 0; fault == PSK_OK && at < s->len; at += s->group) {
		++*group;
		if (psk_check_char(out + at, s->covered) != out[at + s->covered])
			fault = PSK_CHECK;
	}
	if (fault == PSK_OK)
		out[s->len] = '\0';
	else
		memset(out, 0, s->len + 1);
	return fault;
}

const char *psk_fault_name(enum psk_fault fault)
{
	static const char *const names[] = {"ok", "charset", "length", "check"};
	return names[fault];
}

bool psk_pid_ok(const char *text, size_t len)
{
	char pid[PSK_PID_LEN + 1];
	unsigned group;
	if (len != PSK_PID_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!psk_is_char(text[i])) /* as it travels: nothing is put right */
			return false;
	return psk_read(PSK_PID, text, len, pid, &group) == PSK_OK;
}

size_t psk_make(enum psk_kind kind, const uint8_t *random, size_t len, char *out)
{
	const struct shape *s = &shapes[kind];
	size_t n = 0, used = 0;
	while (n < s->len && used < len) {
		if (n % s->group == s->covered) {
			out[n] = psk_check_char(out + n - s->covered, s->covered);
			n++;
		} else if (random[used++] < 252) { /* 7 * 36: no character more likely */
			out[n++] = alphabet[random[used - 1] % N_ALPHABET];
		}
	}
	if (n == s->len - 1) { /* the last random byte was used up */
		out[n] = psk_check_char(out + n - s->covered, s->covered);
		n++;
	}
	bool whole = n == s->len;
	if (whole)
		out[n] = '\0';
	else
		memset(out, 0, s->len + 1);
	return whole ? used : 0;
}

size_t psk_with_dashes(const char *text, size_t len, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && i % PSK_GROUP_LEN == 0)
			out[n++] = '-';
		out[n++] = text[i];
	}
	out[n] = '\0';
	return n;
}
