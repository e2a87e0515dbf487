/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authority's socket: requests in, certificates out. One process, one loop; it is the only one
 * that holds the issuing key, and it parses nothing that comes from a device but a public key or a
 * PKCS#10. SPEC: README rulings 38, 39
 */
#ifndef MUSTER_CTL_CA_SERVE_H
#define MUSTER_CTL_CA_SERVE_H

#include "common/base/err.h"

struct authority;

/**
 * Serve until SIGTERM or SIGINT. Answers are sent only after the ledger is durable; the requests of
 * one loop turn share one sync.
 * @return 0 after an orderly end; -errno when the socket or the ledger fails
 */
int ca_serve(struct authority *a, const char *socket_path, struct error *err);

#endif
