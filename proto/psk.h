/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID and PPS: the alphabet, the check characters, reading what people typed, making new ones. Pure
 * functions; the caller wipes what holds a PPS. Threads: any. SPEC: psk.md 1
 */
#ifndef MUSTER_PROTO_PSK_H
#define MUSTER_PROTO_PSK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PSK_PID_LEN       8   /* characters, check character included */
#define PSK_PPS_LEN       32  /* characters, the eight check characters included */
#define PSK_GROUP_LEN     4   /* characters between two dashes */
#define PSK_DASHED_MAX    39  /* a PPS with its dashes */
#define PSK_RANDOM_ENOUGH 128 /* bytes that make any PPS: 24 needed, 1.6 % of them are refused */

enum psk_kind { PSK_PID, PSK_PPS };

/* In the order in which they are looked for. */
enum psk_fault { PSK_OK, PSK_CHARSET, PSK_LENGTH, PSK_CHECK };

/** Whether c may stand in a PID or PPS: 0-9 and A-Z, capitals only. */
bool psk_is_char(char c);

/** Check character over len characters (7 for a PID, 3 for a group of a PPS). */
char psk_check_char(const char *text, size_t len);

/**
 * Read what an operator gave: blanks and dashes are left out, small letters are taken as capitals.
 *
 * @param out   PSK_PID_LEN + 1 or PSK_PPS_LEN + 1 bytes: the normalised text; zeroes on a fault
 * @param group PSK_CHECK: number of the wrong group, from 1
 */
enum psk_fault psk_read(
	enum psk_kind kind, const char *text, size_t len, char *out, unsigned *group);

/** "ok", "charset", "length", "check". */
const char *psk_fault_name(enum psk_fault fault);

/**
 * Whether text is a sound PID as it travels: eight characters of the alphabet, the 8th the check
 * character of the first seven.
 */
bool psk_pid_ok(const char *text, size_t len);

/**
 * Make one from random bytes, by rejection (bytes >= 252 are not used).
 * @param random from a CSPRNG; PSK_RANDOM_ENOUGH bytes are enough
 * @param out    as in psk_read()
 * @return bytes of random that were used; 0 = there were too few
 */
size_t psk_make(enum psk_kind kind, const uint8_t *random, size_t len, char *out);

/** In groups of four, "XXXX-XXXC". out holds PSK_DASHED_MAX + 1 bytes. @return its length */
size_t psk_with_dashes(const char *text, size_t len, char *out);

#endif
