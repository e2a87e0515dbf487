/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS object of one connection: private to conn.c. */
#ifndef MUSTER_NET_CONN_TLS_H
#define MUSTER_NET_CONN_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/net/conn.h"

/**
 * Make the TLS object of a connection, ready for its handshake.
 *
 * @param out     set also on failure, perhaps to NULL: SSL_free() it in any case
 * @param fd      the socket; stays the caller's
 * @param opts    tls, sni, verify_name and ssl_setup are used
 * @param failure fatal alerts are noted here as they pass; must live as long as *out
 * @return 0; E_TLS
 */
int conn_tls_new(SSL **out, int fd, const struct conn_opts *opts, bool server,
	struct conn_failure *failure, struct error *err);

#endif
