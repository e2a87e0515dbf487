/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all sessions of a worker process share. Ownership: worker_open()/worker_close(). Threads:
 * the session loop; connector.h says what crosses over. The bus is main.c's: sessions tell it about
 * their end through on_over.
 */
#ifndef MUSTER_WORKER_WORKER_H
#define MUSTER_WORKER_WORKER_H

#include <sys/queue.h>
#include <uv.h>

#include "common/base/metric.h"
#include "common/conf/conf.h"
#include "common/conf/profile.h"
#include "common/crypto/seal.h"
#include "common/net/timer.h"
#include "common/pki/devcert.h"
#include "common/pki/odca.h"
#include "common/store/store.h"
#include "worker/ca/ca.h"
#include "worker/connector.h"
#include "worker/device.h"
#include "worker/directory/directory.h"
#include "worker/hook/notice.h"
#include "worker/resolve/resolve.h"

struct session;

TAILQ_HEAD(session_list, session);

struct crashes;

struct worker {
	uv_loop_t *loop;
	const struct conf *conf;
	struct store *store;
	const char *owner; /* bus id of this process: owner in the store */
	struct connector *connector;
	struct directory *directory; /* NULL = none is configured */
	struct resolver *resolver;
	struct rules *rules; /* NULL without worker.rules_file */
	struct hooks *hooks;
	const struct ca_ops *ca_ops;
	struct ca *ca;
	struct devcert_ca *device_ca; /* what device certificates must chain to */
	struct odca *odca;            /* anchors of on-die chains; NULL = none configured */
	struct kek_ring *kek;
	struct profile_set profiles;
	struct device_env env;
	struct session_list sessions;
	uint32_t n_sessions;
	struct crashes *crashes; /* tests only */
	struct boot_timer tick;
	/** A session has ended and its slot is free. */
	void (*on_over)(const char *job, uint64_t fence, const char *outcome, void *arg);
	void *arg;
};

/**
 * Read keys, profiles and certificates, start the connector. The store must be open.
 * @return 0; the errors of what could not be read, with text
 */
int worker_open(struct worker *w, uv_loop_t *loop, const struct conf *conf, struct store *store,
	const char *owner, struct error *err);

/** Read the profiles again (SIGHUP); running sessions keep theirs. @return 0; E_CONFIG, -errno:
 * the old ones stay */
int worker_reload(struct worker *w, struct error *err);

/** Drain: every session stops between two rows and is released (now), or may finish (later). */
void worker_stop_sessions(struct worker *w);

/** End: no session may be left. */
void worker_close(struct worker *w);

/* Counters. Labels come from static tables only. */
enum worker_metric {
	WM_SESSIONS,
	WM_STARTED,
	WM_DONE,
	WM_RETRIED,
	WM_DEAD,
	WM_PARKED,
	WM_RELEASED,
	WM_LOST,
	WM_EXCHANGES,
	WM_STEPS,
	WM_CONNECTS,
	WM_LEGACY,
	WM_LOGIN_FAILED,
	N_WORKER_METRICS,
};
extern struct metric worker_metrics[N_WORKER_METRICS];

#endif
