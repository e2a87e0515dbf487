/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote access: the servers that a device calls when it is away from home, when it calls, and how
 * it knows that it is at home. Threads: the loop's thread only. SPEC: provisioning.md 4 CIRA
 */
#ifndef MUSTER_SIM_REMOTE_H
#define MUSTER_SIM_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

/* As recorded in AMT_RemoteAccessCapabilities. */
#define REMOTE_MPS_MAX      6
#define REMOTE_RULES_MAX    3
#define REMOTE_PER_RULE_MAX 2

#define REMOTE_TEXT_MAX   255
#define REMOTE_USER_MAX   64
#define REMOTE_DATA_MAX   12 /* of a daily rule */
#define REMOTE_SUFFIX_MAX 63
#define REMOTE_SUFFIXES   5

struct device;

struct remote_mps {
	bool used;
	uint32_t number; /* in its name */
	uint32_t format, port, method;
	char access[REMOTE_TEXT_MAX + 1], cn[REMOTE_TEXT_MAX + 1];
	char user[REMOTE_USER_MAX + 1], password[REMOTE_USER_MAX + 1];
	int32_t cert; /* handle, -1 = none */
};

/* By trigger: at most one of each. */
struct remote_rule {
	bool used;
	uint32_t lifetime;
	uint8_t data[REMOTE_DATA_MAX], data_len;
	uint32_t n_mps;
	struct {
		uint32_t number, type;
	} mps[REMOTE_PER_RULE_MAX];
};

struct remote {
	uint32_t next_number;
	uint32_t user_state; /* AMT_UserInitiatedConnectionService */
	struct remote_mps mps[REMOTE_MPS_MAX];
	struct remote_rule rules[REMOTE_RULES_MAX];
	uint32_t detection_algorithm;
	struct {
		uint32_t n;
		char text[REMOTE_SUFFIXES][REMOTE_SUFFIX_MAX + 1];
	} suffixes, prefixes;
};

extern const struct remote remote_factory;

/** Whether a server entry logs in with the certificate. */
bool remote_uses_cert(const struct device *d, int handle);

#endif
