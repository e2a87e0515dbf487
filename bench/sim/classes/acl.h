/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access list of a device: the system users, up to 7 digest and 32 Kerberos entries. Who logs
 * in is looked up here. Threads: the loop's thread only. SPEC: provisioning.md 4 ACL; wsman.md 7
 */
#ifndef MUSTER_SIM_ACL_H
#define MUSTER_SIM_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACL_SYSTEM       2 /* $$uns, $$OsAdmin */
#define ACL_DIGEST_MAX   7 /* of users that a server adds */
#define ACL_KERBEROS_MAX 32
#define ACL_N            (ACL_SYSTEM + ACL_DIGEST_MAX + ACL_KERBEROS_MAX)
#define ACL_USER_MAX     16
#define ACL_SID_MAX      28
#define ACL_REALM_AUDIT  20
#define ACL_ACCESS_LOCAL 0 /* acl_entry.access: not from the network */

struct device;

enum acl_kind { ACL_FREE, ACL_SYSTEM_USER, ACL_DIGEST, ACL_KERBEROS };

struct acl_entry {
	uint8_t kind; /* enum acl_kind */
	bool enabled;
	uint8_t access; /* 0 local, 1 network, 2 both */
	uint8_t sid_len;
	uint32_t handle;
	uint32_t realms; /* bit n = realm n */
	char user[ACL_USER_MAX + 1];
	uint8_t ha1[16]; /* MD5(user:realm:password) */
	uint8_t sid[ACL_SID_MAX];
};

struct acl {
	struct acl_entry entries[ACL_N];
	uint32_t next_handle;
};

extern const struct acl acl_factory;

/** The enabled entry of a digest user, or NULL. */
const struct acl_entry *acl_by_user(const struct device *d, const char *user);

/** The enabled entry of a Kerberos user, or NULL. */
const struct acl_entry *acl_by_sid(const struct device *d, const uint8_t *sid, size_t len);

/** Whether an entry other than admin has the audit realm: it must unlock unprovisioning. */
bool acl_has_auditor(const struct device *d);

#endif
