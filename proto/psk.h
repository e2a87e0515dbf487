/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID and PPS: the alphabet and the check character. Pure functions. Threads: any.
 * SPEC: psk.md 1
 */
#ifndef MUSTER_PROTO_PSK_H
#define MUSTER_PROTO_PSK_H

#include <stdbool.h>
#include <stddef.h>

/** Whether c may stand in a PID or PPS: 0-9 and A-Z, capitals only. */
bool psk_is_char(char c);

/** Check character over len characters (7 for a PID, 3 for a group of a PPS). */
char psk_check_char(const char *text, size_t len);

/**
 * Whether text is a sound PID as it travels: eight characters of the alphabet, the 8th the check
 * character of the first seven.
 */
bool psk_pid_ok(const char *text, size_t len);

#endif
