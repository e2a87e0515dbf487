/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a directory server: LDAPS and a simple bind. Every call here BLOCKS, but never
 * beyond its limit: libldap's own time-outs do not work with TLS on Debian 12 (it spins, or waits
 * for ever), so a watchdog thread shuts the socket down at the deadline, and the call returns.
 * Nothing is repeated and no other server is tried here: that is for the caller, who knows what a
 * lost answer means.
 *
 * Ownership: directory_link_new()/directory_link_free(). Threads: one at a time; only
 * directory_link_cut() may be called beside. SPEC: directory.md 9, 10
 */
#ifndef MUSTER_DIRECTORY_LINK_H
#define MUSTER_DIRECTORY_LINK_H

#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/conf/conf.h"

struct error;

#define DIRECTORY_PORT       636
#define DIRECTORY_CONNECT_MS 5000  /* as for devices: a far server takes two round trips */
#define DIRECTORY_LOGIN_MS   10000 /* TLS and bind, of a server that has much to do */
#define DIRECTORY_SEARCH_MS  10000 /* indexed searches take milliseconds */
#define DIRECTORY_CLOSE_MS   1000  /* a goodbye that nobody needs */

struct directory_link;

/** Before the first thread of a program: the user's and the system's settings for LDAP clients do
 * not count here, and a connection that is lost is no signal. */
void directory_init(void);

/** @return 0; -ENOMEM; -errno when there can be no thread */
int directory_link_new(struct directory_link **out, struct error *err);

/** Close and free. NULL is fine. */
void directory_link_free(struct directory_link *l);

/**
 * Connect to one of the servers and log in: at most one login is tried.
 * @param server index into conf->servers
 * @return 0; E_AUTH: the login is refused, do not repeat it, accounts get locked; E_CONFIG: our
 *         configuration; E_TLS; E_CLOSED, -ETIMEDOUT, -errno: try again later, or another server.
 *         The text names the server and says what is wrong
 */
int directory_link_open(struct directory_link *l, const struct conf_directory *conf,
	uint32_t server, struct error *err);

/** Whether it is connected. A search that fails with E_CLOSED or -ETIMEDOUT closes it. */
bool directory_link_is_open(const struct directory_link *l);

/** Any thread: end what is under way, now; nothing works any more. */
void directory_link_cut(struct directory_link *l);

/**
 * Search and wait for the whole answer.
 * @param scope LDAP_SCOPE_BASE, LDAP_SCOPE_SUBTREE
 * @param attributes NULL-terminated
 * @param out freed by the caller with ldap_msgfree(); entries by ldap_first_entry()
 * @return 0; -ENOENT: there is no such base; E_CLOSED, -ETIMEDOUT: the connection is gone; E_LIMIT:
 *         more entries than the server gives at once; E_CONFIG, E_PROTOCOL
 */
int directory_link_search(struct directory_link *l, const char *base, int scope, const char *filter,
	const char *const *attributes, LDAPMessage **out, struct error *err);

/** The handle, for functions of libldap that read entries. */
LDAP *directory_link_ldap(struct directory_link *l);

#endif
