/* SPDX-License-Identifier: Apache-2.0 */
/* For steps/ only: what 802.1x on the wire and in the air say alike. SPEC: provisioning.md 4 */
#ifndef MUSTER_WORKER_IEEE8021X_H
#define MUSTER_WORKER_IEEE8021X_H

#include <stdint.h>

struct profile_8021x;
struct session;

#define IEEE8021X_ANONYMOUS "anonymous" /* outer identity of a tunnelled protocol */

/** AuthenticationProtocol of CIM and IPS classes. */
uint32_t ieee8021x_protocol(const struct profile_8021x *x);

/** Its login name: of the profile, or its FQDN. */
const char *ieee8021x_username(const struct session *s, const struct profile_8021x *x);

/** ServerCertificateNameComparison; the profile wants one. */
uint32_t ieee8021x_match(const struct profile_8021x *x);

#endif
