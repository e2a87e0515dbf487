/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kerberos of a device: what AMT_KerberosSettingData was given, and the keys that follow from it.
 * Threads: the loop's thread only. SPEC: provisioning.md 4 KERBEROS; RFC 3962; RFC 4757
 */
#ifndef MUSTER_SIM_KERBEROS_H
#define MUSTER_SIM_KERBEROS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KRB_NAMES_MAX 4   /* service principal names */
#define KRB_TEXT_MAX  255 /* realm, pass phrase, salt, principal */

struct device;

struct kerberos {
	bool enabled;
	bool cache; /* SetCredentialCacheState */
	char realm[KRB_TEXT_MAX + 1];
	uint32_t version, algorithm, tolerance, iterations; /* UINT_UNSET: never given */
	bool have_master;
	uint8_t master[16];
	char passphrase[KRB_TEXT_MAX + 1], salt[KRB_TEXT_MAX + 1];
	struct {
		uint32_t n;
		char name[KRB_NAMES_MAX][KRB_TEXT_MAX + 1];
	} names;
	struct {
		uint32_t n, of[KRB_NAMES_MAX];
	} protocols;
};

extern const struct kerberos kerberos_factory;

/* Numbers of RFC 3961: those of libkrb5 too. */
enum krb_enctype { KRB_AES128 = 17, KRB_AES256 = 18, KRB_RC4 = 23 };
#define KRB_KEYS_MAX 3

struct krb_key {
	enum krb_enctype enctype;
	uint8_t key[32];
	size_t len;
};

/**
 * The keys with which tickets for this device are opened: of MasterKey RC4 alone, of a pass phrase
 * AES256, AES128 and RC4. The caller wipes them.
 * @return how many; 0 = Kerberos is off or has no key
 */
size_t kerberos_keys(const struct device *d, struct krb_key out[static KRB_KEYS_MAX]);

/** Whether Kerberos is on and has a key. */
bool kerberos_on(const struct device *d);

/** How far the device's clock may be off, in minutes. */
uint32_t kerberos_tolerance(const struct device *d);

/** Key version number; realm name ("" = none). */
uint32_t kerberos_kvno(const struct device *d);
const char *kerberos_realm(const struct device *d);

/** RFC 3962 string-to-key for 16 or 32 bytes. @return 0 or E_CRYPTO */
int kerberos_aes_key(
	const char *passphrase, const char *salt, uint32_t iterations, uint8_t *key, size_t len);

/** RFC 4757 string-to-key: MD4 of the UTF-16LE text. @return 0 or E_CRYPTO */
int kerberos_rc4_key(const char *passphrase, uint8_t key[static 16]);

#endif
