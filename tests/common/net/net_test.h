/* SPDX-License-Identifier: Apache-2.0 */
/* Help for the tests of common/net: a loop with a deadline, listening sockets, throw-away keys. */
#ifndef MUSTER_TESTS_NET_TEST_H
#define MUSTER_TESTS_NET_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/net/addr.h"
#include "common/net/tls.h"

/* Turn the loop until *flag; fails the test after wait_ms. */
void run_until(uv_loop_t *loop, const bool *flag, uint64_t wait_ms);

/* Turn the loop for handles that are closing, then close it; fails on a leaked handle. */
void loop_finish(uv_loop_t *loop);

/* Listening socket on 127.0.0.1 and a free port. */
int listen_any(struct net_addr *bound, int backlog);

/* Self-signed RSA-2048 certificate with key, made once per process. */
const struct tls_identity *test_identity(void);

/* Write the identity as key.pem and cert.pem below dir. */
void test_identity_save(const char *dir);

/* Free the identity (at the end of main). */
void test_identity_free(void);

#endif
