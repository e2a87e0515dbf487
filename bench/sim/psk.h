/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID and PPS of simulated devices: the pair that somebody typed into MEBx, or put on a key, before
 * the device said Hello. Threads: any. SPEC: psk.md 1, 2
 */
#ifndef MUSTER_SIM_PSK_H
#define MUSTER_SIM_PSK_H

#include "proto/psk.h"

#include <stdbool.h>
#include <stdint.h>

#define DEV_PSK_MEBX_MAX 16 /* characters of the password that came with the pair */

struct dev_psk {
	bool typed; /* the device is set up with it, not by certificate */
	char pid[PSK_PID_LEN + 1], pps[PSK_PPS_LEN + 1];
	char mebx[DEV_PSK_MEBX_MAX + 1]; /* MEBx and admin password. SPEC: wsman.md 3.1 */
};

/** The pair of device number index of a seeded estate, typed with this probability. */
void dev_psk_make(struct dev_psk *out, uint64_t seed, size_t index, double share);

#endif
