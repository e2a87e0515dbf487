/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: what a device shall look like when it is done. One YAML file per profile in
 * worker.profiles_dir; the file name without ".yaml" is the profile's name. A profile is checked
 * when it is loaded; a broken one names file, line, column and key and never reaches a device.
 *
 * Ownership: struct profile holds no pointers. struct profile_set owns its array.
 * SPEC: ruling 54; wsman.md 7 (password rule).
 */
#ifndef MUSTER_CONF_PROFILE_H
#define MUSTER_CONF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf/conf.h"

enum profile_control_mode { PROFILE_CONTROL_ADMIN };
enum profile_password_source {
	PROFILE_PASSWORD_RANDOM,  /* a new one per device; the default */
	PROFILE_PASSWORD_DERIVED, /* from a versioned master and the UUID (ruling 52) */
	PROFILE_PASSWORD_FIXED,   /* one for all devices; needs allow_fixed */
	PROFILE_PASSWORD_NONE     /* mebx_password only: leave as it is */
};
enum profile_issue { PROFILE_ISSUE_DIRECT, PROFILE_ISSUE_PKCS10 };
enum profile_consent { PROFILE_CONSENT_NONE, PROFILE_CONSENT_KVM, PROFILE_CONSENT_ALL };
enum profile_trust {
	PROFILE_TRUST_ANY,    /* accept by hash: recorded, compared with earlier jobs */
	PROFILE_TRUST_ODCA,   /* on-die chain to one of worker.odca_roots */
	PROFILE_TRUST_PINNED, /* the hash that a source of names tells */
};
enum profile_power { PROFILE_POWER_S0, PROFILE_POWER_ALWAYS };
enum profile_rehello { PROFILE_REHELLO_APPROVE, PROFILE_REHELLO_AUTO };

struct profile_password {
	enum profile_password_source source;
	char master[CONF_TEXT_MAX];     /* derived: version, a file name in keys.masters_dir */
	char fixed_file[CONF_PATH_MAX]; /* fixed: file with the password, mode 0600 */
	bool allow_fixed;               /* fixed: said on purpose */
};

struct profile_tls {
	bool legacy;     /* TLS profiles L, L0, VL, P may be tried (ruling 29) */
	bool tls13;      /* TLS 1.3 may be tried after configuration. SPEC: tls.md 2 */
	bool psk_dashes; /* TLS identity and key with their dashes. SPEC: psk.md 2 */
	enum profile_trust setup_trust; /* of the device's certificate in setup. SPEC: tls.md 6 */
	enum profile_issue issue;       /* public key or PKCS#10 to the authority */
	uint32_t validity_days;
	uint32_t key_bits; /* 2048; 1024 only for devices before 6.0; 3072 for 16.0 and later */
};

struct profile_features {
	bool sol, ider, kvm, web_ui, ping;
};

/* 0 = as the device has it. */
struct profile_timeouts {
	uint32_t idle_wake_min;     /* the management engine sleeps after so long in Sx */
	uint32_t kvm_session_min;   /* a remote desktop without traffic ends */
	uint32_t consent_code_s;    /* a consent code that nobody enters is void */
	uint32_t consent_display_s; /* ... and leaves the screen */
};

struct profile {
	char name[CONF_TEXT_MAX];
	enum profile_control_mode control_mode;
	struct profile_password admin_password, mebx_password;
	bool otp; /* compare the one-time password of the device */
	struct profile_tls tls;
	struct profile_features features;
	enum profile_consent user_consent;
	struct profile_timeouts timeouts;
	enum profile_power power;
	enum profile_rehello rehello;
};

struct profile_set {
	struct profile *items; /* by name, ascending */
	size_t n;
};

/** The defaults with this name; as a file that holds only the key "name" would give. */
void profile_defaults(struct profile *out, const char *name);

/**
 * Load and check one file.
 *
 * @param masters_dir keys.masters_dir: master versions must exist there; fixed passwords are read
 *        and held against the rule of Intel AMT. NULL = do not look at files with secrets
 * @return 0; E_CONFIG "FILE:LINE:COLUMN: key: what is wrong, what to do"; -errno
 */
int profile_load_file(
	struct profile *out, const char *path, const char *masters_dir, struct error *err);

/** Like profile_load_file() for the profile of this name in dir. A name with "/" is refused.
 * @return also -ENOENT, with the path in the text */
int profile_load(struct profile *out, const char *dir, const char *name, const char *masters_dir,
	struct error *err);

/** Every *.yaml of dir, checked; the first bad one fails the whole set (out stays empty).
 * Free with profile_set_free(). */
int profile_set_load(
	struct profile_set *out, const char *dir, const char *masters_dir, struct error *err);

/** The profile of that name or NULL. Valid until profile_set_free(). */
const struct profile *profile_set_find(const struct profile_set *set, const char *name);

void profile_set_free(struct profile_set *set);

/** Append the profile as YAML that loads again. @return 0; -ENOMEM; the error of buf_add() */
int profile_print(const struct profile *p, struct buf *out, struct error *err);

#endif
