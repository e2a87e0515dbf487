/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power and boot of the host: its state, and what the next start shall do.
 * Threads: the loop's thread only. SPEC: maintenance.md 7
 */
#ifndef MUSTER_SIM_BOOT_H
#define MUSTER_SIM_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#define BOOT_SOURCE_MAX   64
#define BOOT_PASSWORD_MAX 32

struct device;

struct boot {
	char source[BOOT_SOURCE_MAX + 1]; /* InstanceID of CIM_BootSourceSetting, "" = none */
	uint32_t role;                    /* 1 the configuration is for the next boot, 32768 not */
	bool bios_pause, bios_setup, data_reset, secure_boot, progress_events, lock_keyboard;
	bool lock_power, lock_reset, lock_sleep, platform_erase, reflash, secure_erase;
	bool use_ider, use_sol, safe_mode, password_bypass;
	char erase_password[BOOT_PASSWORD_MAX + 1]; /* of the disk, for one erase */
	uint32_t media_index, verbosity, ider_device, n_params;
};

extern const struct boot boot_factory;

/** Ask for a power action (CIM numbers: 2 on, 5 cycle, 8 off, 10 reset, 12 soft off, 14 soft
 * reset ...). @return CIM ReturnValue: 0, 1 not supported, 2 failed, 4097 not from this state */
uint32_t boot_request(struct device *d, uint32_t action);

/** Whether the system's firmware takes the wireless profiles of the engine. */
bool boot_shares_wifi(const struct device *d);

#endif
