/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kerberos login of a device: `Authorization: Negotiate` is accepted with the keys that were
 * provisioned into AMT_KerberosSettingData, and with nothing else.
 *
 * Checked: the ticket and its authenticator by libgssapi with those keys; the device's own clock
 * against the tolerance; the ticket's length before 6.0; that a SID of the ticket (user, primary
 * group, groups, extra SIDs) is an enabled entry of the access list that may come from the network.
 * Not checked: the service principal (ignored by firmware from 6.0 on), the signature of the list
 * of SIDs (it is inside the ticket), replays.
 *
 * Ownership: nothing is kept between calls. Threads: the loop's thread only.
 * SPEC: directory.md 4, 5; wsman.md 3.4
 */
#ifndef MUSTER_SIM_NEGOTIATE_H
#define MUSTER_SIM_NEGOTIATE_H

#include "bench/sim/auth.h"

#include <stdbool.h>
#include <stdint.h>

/** Whether the device offers Negotiate now. */
bool negotiate_offered(const struct device *d);

/** Whether the value of an Authorization header is of this scheme. */
bool negotiate_is(const char *header);

/**
 * Judge a login.
 *
 * @param header   the value of Authorization, for which negotiate_is() is true
 * @param any_sid  a ticket without SIDs is taken as an administrator's: it comes from a KDC that is
 *                 no Active Directory
 * @param realms   gets the realms of the user, bit n = realm n
 * @param why      gets a word for the ledger
 * @return AUTH_OK or AUTH_BAD
 */
enum auth_result negotiate_check(const struct device *d, const char *header, bool any_sid,
	uint32_t *realms, const char **why);

/**
 * Find the realms that the SIDs of a KERB_VALIDATION_INFO (MS-PAC 2.5, as in a ticket's PAC) have
 * in the access list.
 * @return the realms of all entries that match, 0 when none does; E_PARSE
 */
int64_t negotiate_realms(const struct device *d, const uint8_t *info, size_t len);

#endif
