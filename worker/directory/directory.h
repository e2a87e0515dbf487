/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory at work: look-ups, one after the other, over one connection, in a thread of the
 * loop's pool. It is opened when something is asked, the servers in their order; when none can be
 * used, questions fail at once for 1, 2, 4 ... 60 s. A refused login is not repeated before
 * directory_reload(): accounts get locked.
 *
 * Ownership: directory_open()/directory_close(). Threads: the connector's loop; directory_reload()
 * is for any. SPEC: directory.md 9, 10
 */
#ifndef MUSTER_WORKER_DIRECTORY_H
#define MUSTER_WORKER_DIRECTORY_H

#include <sys/queue.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/directory/lookup.h"

struct directory;

/* One question for a computer; the asker's until done(). */
struct directory_query {
	struct uuid uuid;
	char fqdn[FQDN_MAX + 1]; /* asked for when nobody has the UUID; "" = not */
	bool groups;
	struct directory_computer found; /* rc 0 */
	int rc; /* as of directory_find_computer(), directory_link_open() */
	struct error err;
	/** Called once, on the loop, perhaps before directory_ask() returns. */
	void (*done)(struct directory_query *q);
	void *arg;
	STAILQ_ENTRY(directory_query) link;
};

/** Nothing is connected yet. @return 0; -ENOMEM, -errno */
int directory_open(struct directory **out, uv_loop_t *loop, const struct conf_directory *conf,
	struct error *err);

/** Connector thread: ask. */
void directory_ask(struct directory *d, struct directory_query *q);

/** The operator has changed something: a login that was refused may be tried again, at once. */
void directory_reload(struct directory *d);

/** Connector thread, for connector_at_stop(): what is asked fails, now and from now on. */
void directory_stop(void *directory);

/** Free, after the loop has ended. NULL is fine. */
void directory_close(struct directory *d);

#endif
