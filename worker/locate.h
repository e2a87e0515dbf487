/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a device of ours is today. It says no Hello any more when DHCP gives it another address;
 * DNS knows its name. A hint only: who answers there is told by its certificate, as everywhere.
 * Threads: the session loop; the look-up itself runs on the connector's. SPEC: maintenance.md 5
 */
#ifndef MUSTER_WORKER_LOCATE_H
#define MUSTER_WORKER_LOCATE_H

#include <stdbool.h>

struct session;

/**
 * Nobody, or somebody else, answers at the address on record, and s->failure says so. Ask DNS for
 * another one, once in a visit: then the connection is tried there, or the visit fails as it would.
 * @return whether it was asked; false: the caller goes on failing
 */
bool locate_again(struct session *s);

#endif
