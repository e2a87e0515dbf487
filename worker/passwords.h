/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets of phase B, besides the administrator's: of the digest users, of the RFB port, of
 * Kerberos, and those of files: of 802.1x, wireless, remote access. They are made once, durable as
 * pending before the first row that sends one, and become current when phase B is done (or at the
 * next visit's opening). Whether the device has them, the marks say. Names in the set: "user:NAME",
 * "rfb", "kerberos". SPEC: provisioning.md 4, 7
 */
#ifndef MUSTER_WORKER_PASSWORDS_H
#define MUSTER_WORKER_PASSWORDS_H

#include <stdbool.h>

#include "common/crypto/seal.h"
#include "common/store/store.h"

struct error;
struct profile_password;
struct session;

#define SECRET_RFB      "rfb"
#define SECRET_KERBEROS "kerberos"
#define SECRET_USER     "user:" /* and the name */
#define SECRET_WIRED    "8021x"
#define SECRET_WIFI     "wifi:" /* and the priority: a key, or the password of 802.1x */
#define SECRET_MPS      "mps:"  /* and the place in the list */

/** Make what the profile wants and the record lacks or has otherwise; marked pending together with
 * what stays. @return 0; E_CONFIG; E_CRYPTO; E_LIMIT; -ENOMEM */
int passwords_make(struct session *s, struct error *err);

/** New ones in the pending set, for the users and the RFB port whose source makes them; that of
 * Kerberos is changed together with the directory. @return whether any is new; as passwords_make()
 */
int passwords_rotate(struct session *s, struct error *err);

/** Leave a secret out of what is current from the next promotion on; the row that removes its user
 * makes that durable. @return 0 or -ENOMEM */
int passwords_forget(struct session *s, const char *name);

/** The secret that the device shall have: pending before current; NULL = none. */
const struct secret *passwords_get(const struct session *s, const char *name);

/** Whether pending and current set agree about a secret, or both lack it. */
bool passwords_same(const struct session *s, const char *name);

/** How the pending set becomes the current one. The device's own passwords of before are kept for a
 * cycle: new ones of users and services do not turn them over. SPEC: maintenance.md 3 */
enum store_secret_act passwords_promotion(const struct session *s);

/** Name of a digest user's secret. */
void passwords_user(char out[static SECRET_NAME_MAX + 1], const char *user);

#endif
