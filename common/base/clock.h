/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks we use. Deadlines, leases: CLOCK_BOOTTIME. Times shown to people: wall clock. */
#ifndef MUSTER_BASE_CLOCK_H
#define MUSTER_BASE_CLOCK_H

#include <stdint.h>

/** Milliseconds of CLOCK_BOOTTIME: runs on while the machine sleeps. */
uint64_t clock_boot_ms(void);

/** Microseconds of CLOCK_BOOTTIME, for latency figures. */
uint64_t clock_boot_us(void);

/** Milliseconds since 1970 UTC. */
uint64_t clock_wall_ms(void);

/** CPU time of this process in microseconds (user and system). */
uint64_t clock_cpu_us(void);

#endif
