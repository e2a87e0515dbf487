/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wireless of a device and 802.1x, on the air and on the wire.
 * Threads: the loop's thread only. SPEC: provisioning.md 4 WIFI, WIRED 802.1x
 */
#ifndef MUSTER_SIM_WIFI_H
#define MUSTER_SIM_WIFI_H

#include <stdbool.h>
#include <stdint.h>

#define WIFI_PROFILES_MAX 8 /* administrator's profiles; no source gives the number */
#define WIFI_NAME_MAX     32
#define WIFI_ID_MAX       96
#define WIFI_SSID_MAX     32
#define WIFI_PSK_MIN      8
#define WIFI_PSK_MAX      63
#define DOT1X_TEXT_MAX    128

struct device;
struct call;

/* Who logs in to the network, and by which method. */
struct dot1x {
	uint32_t protocol, comparison; /* UINT_UNSET: never given */
	char id[WIFI_ID_MAX + 1], name[WIFI_NAME_MAX + 1];
	char username[DOT1X_TEXT_MAX + 1], password[DOT1X_TEXT_MAX + 1];
	char domain[DOT1X_TEXT_MAX + 1], roaming[DOT1X_TEXT_MAX + 1];
	char server[DOT1X_TEXT_MAX + 1];
	char psk[DOT1X_TEXT_MAX + 1], pac_password[DOT1X_TEXT_MAX + 1];
	int32_t client_cert, ca_cert; /* handles, -1 = none */
};

struct wifi_profile {
	bool used, with_dot1x;
	char name[WIFI_NAME_MAX + 1], id[WIFI_ID_MAX + 1];
	char ssid[WIFI_SSID_MAX + 1], psk[WIFI_PSK_MAX + 1];
	uint32_t authentication, encryption, priority;
	struct dot1x x;
};

struct wifi {
	uint32_t port_state; /* 3 off, 32768 in S0, 32769 always */
	uint32_t sync;       /* localProfileSynchronizationEnabled */
	bool uefi_share;
	uint32_t no_host_policy;
	struct wifi_profile profiles[WIFI_PROFILES_MAX];
};

/* IPS_IEEE8021xSettings and the older AMT_8021XProfile. */
struct wired {
	struct wired_settings {
		uint32_t enabled; /* 2 on, 3 off */
		bool in_s0;
		uint32_t pxe_timeout;
		struct dot1x x;
	} settings;
	struct wired_profile {
		bool enabled, in_s0;
		uint32_t pxe_timeout;
		struct dot1x x;
	} profile;
};

extern const struct wifi wifi_factory;
extern const struct wired wired_factory;

/** Whether a profile names the certificate: then it cannot be deleted. */
bool wifi_uses_cert(const struct device *d, int handle);
bool wired_uses_cert(const struct device *d, int handle);

/** Whether the device has a wireless port. */
bool wifi_present(const struct device *d);

#endif
