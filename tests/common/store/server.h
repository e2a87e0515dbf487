/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private redis-server for tests, on a unix socket (and a TCP or TLS port when asked) in a
 * directory of its own. Stopped by process id. Ownership: the struct; server_stop() removes the
 * directory.
 */
#ifndef MUSTER_TESTS_STORE_SERVER_H
#define MUSTER_TESTS_STORE_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SERVER_EXTRA_MAX 24

struct server {
	char dir[64];
	char url[96]; /* unix://dir/s */
	const char *conf;
	const char *extra[SERVER_EXTRA_MAX]; /* more arguments, NULL at the end */
	pid_t pid;
};

/** Whether redis-server is installed; prints why a test is skipped when not. */
bool server_available(void);

/** Make the directory. */
void server_init(struct server *s, const char *conf);

/** Start (again, on the same data) and wait until it answers. Fails the test when it does not. */
void server_start(struct server *s);

/** SIGKILL and wait. */
void server_kill(struct server *s);

/** Kill if it runs, and remove the directory. */
void server_stop(struct server *s);

/** A port nobody listens on at present. */
uint16_t server_free_port(void);

/** CPU time of the server process so far, microseconds. */
uint64_t server_cpu_us(const struct server *s);

#endif
