/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step table and the plans. A row is one action towards the device (or the authority, or the
 * store); a plan is a list of rows. One driver (drive.c) runs them and does all waiting, leasing,
 * reconnecting and retrying; a row only builds a request and says what an answer means.
 * To add behaviour, add a row here, its two functions in steps/, and name it in a plan.
 * Threads: constant tables. SPEC: architecture D8, provisioning.md 3, 4
 */
#ifndef MUSTER_WORKER_PLAN_H
#define MUSTER_WORKER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wsman/read.h"
#include "proto/wsman/status.h"
#include "proto/wsman/write.h"

struct buf;
struct session;
struct setting;

/* What a row does to the device; decides about lease and write-ahead. SPEC: D8, D13, D14 */
enum effect {
	EFFECT_READ,   /* nothing: may be repeated at will */
	EFFECT_SET,    /* the same again is harmless; needs step() first */
	EFFECT_ONCE,   /* not to be repeated blindly: after an unknown outcome the row `doubt` looks
			*/
	EFFECT_SECRET, /* as SET, and the secret is durable as pending before it is sent */
};

enum step_kind {
	KIND_CALL,    /* one exchange */
	KIND_LIST,    /* Enumerate and Pulls of class_name */
	KIND_CONNECT, /* a connection, with the waits of a restart; build() may skip it */
	KIND_WORK,    /* the connector does it; build() submits */
	KIND_LOCAL,   /* a decision; only build() runs */
	KIND_STORE,   /* a step() of its own; build() prepares, interpret(NULL) follows */
};

/* The rows. Order is that of the table, not of the plans. */
enum step_id {
	STEP_CONNECT_SETUP,
	STEP_GENERAL_GET,
	STEP_SOFTWARE_LIST,
	STEP_STATE_GET,
	STEP_UUID_GET,
	STEP_OTP,
	STEP_WINDOW_EXTEND,
	STEP_CLOCK_GET,
	STEP_CLOCK_SET,
	STEP_NAME_PUT,
	STEP_MEBX_SET,
	STEP_ADMIN_SET,
	STEP_PSK_MAKE,
	STEP_PSK_STORE,
	STEP_PSK_SET,
	STEP_CERT_LIST,
	STEP_KEY_LIST,
	STEP_CONTEXT_LIST,
	STEP_TLS_LIST,
	STEP_CERT_DECIDE,
	STEP_KEY_SWEEP,
	STEP_KEY_GENERATE,
	STEP_KEY_MAKE,
	STEP_KEY_ADD,
	STEP_KEY_READ,
	STEP_CSR_SIGN,
	STEP_CERT_ISSUE,
	STEP_EXTEND,
	STEP_CERT_ADD,
	STEP_CERT_FIND,
	STEP_CONTEXT_CREATE,
	STEP_CONTEXT_PUT,
	STEP_TLS_PUT,
	STEP_COMMIT,
	STEP_CONNECT_ADMIN,
	STEP_VERIFY_STATE,
	STEP_VERIFY_GENERAL,
	STEP_VERIFY_ADMIN,
	STEP_PROMOTE,
	STEP_PSK_USED,
	STEP_CLEAN_DECIDE,
	STEP_CLEAN_CERT,
	STEP_CLEAN_KEY,
	STEP_CLEAN_AGAIN,
	STEP_PING_COMPARE,
	STEP_PING_PUT,
	STEP_REDIRECTION_GET,
	STEP_REDIRECTION_SET,
	STEP_REDIRECTION_PUT,
	STEP_KVM_GET,
	STEP_KVM_SET,
	STEP_CONSENT_GET,
	STEP_CONSENT_PUT,
	STEP_KVM_SETTINGS_GET,
	STEP_KVM_SETTINGS_PUT,
	STEP_WEBUI_GET,
	STEP_WEBUI_SET,
	STEP_SECRETS_MAKE,
	STEP_SECRETS_PROMOTE,
	STEP_KERBEROS_GET,
	STEP_KERBEROS_ON,
	STEP_KERBEROS_OFF,
	STEP_CHECK_KERBEROS,
	STEP_MUTUAL_GET,
	STEP_MUTUAL_PUT,
	STEP_COMMIT_B,
	STEP_RECONNECT_B,
	STEP_COMMITTED_B,
	STEP_CHECK_MUTUAL,
	STEP_ACL_LIST,
	STEP_ACL_GET,
	STEP_ACL_STATE,
	STEP_ACL_DECIDE,
	STEP_ACL_REMOVE,
	STEP_ACL_UPDATE,
	STEP_ACL_ADD,
	STEP_ACL_SWITCH,
	STEP_CHECK_ACL_LIST,
	STEP_CHECK_ACL_GET,
	STEP_CHECK_ACL_STATE,
	STEP_CHECK_ACL,
	STEP_POWER_LIST,
	STEP_POWER_CURRENT,
	STEP_POWER_SET,
	STEP_CHECK_GENERAL,
	STEP_CHECK_REDIRECTION,
	STEP_CHECK_KVM,
	STEP_CHECK_CONSENT,
	STEP_CHECK_KVM_SETTINGS,
	STEP_CHECK_WEBUI,
	STEP_CHECK_POWER,
	/* upkeep */
	STEP_LEAF_DECIDE,
	STEP_RENEW_DECIDE,
	STEP_RENEW_PROVE,
	STEP_ROTATE_MAKE,
	STEP_UNCONFIGURE_ASK,
	STEP_UNCONFIGURE,
	STEP_UNCONFIGURE_BLOCKED,
	STEP_UNCONFIGURE_PROVE,
	STEP_UNCONFIGURE_STATE,
	STEP_REVOKE,
	STEP_REVOKE_OLD,
	/* phase B: wire, air, and the way home */
	STEP_ROOTS_DECIDE,
	STEP_UNLOCK_GET,
	STEP_UNLOCK_PUT,
	STEP_UNLOCK_COMMIT,
	STEP_UNLOCK_RECONNECT,
	STEP_UNLOCKED,
	STEP_ROOT_ADD,
	STEP_WIFI_LIST,
	STEP_WIFI_DECIDE,
	STEP_WIFI_DELETE,
	STEP_WIFI_ADD,
	STEP_CHECK_WIFI,
	STEP_WIRED_CERTIFICATES,
	STEP_WIFI_PORT_GET,
	STEP_WIFI_PORT_SET,
	STEP_WIFI_SERVICE_GET,
	STEP_WIFI_SERVICE_PUT,
	STEP_WIRED_GET,
	STEP_WIRED_PUT,
	STEP_WIRED_OLD_GET,
	STEP_WIRED_OLD_PUT,
	STEP_MPS_LIST,
	STEP_POLICY_LIST,
	STEP_APPLIES_LIST,
	STEP_CIRA_DECIDE,
	STEP_POLICY_DELETE,
	STEP_MPS_DELETE,
	STEP_MPS_ADD,
	STEP_POLICY_ADD,
	STEP_CHECK_MPS,
	STEP_CHECK_POLICY,
	STEP_CHECK_APPLIES,
	STEP_CHECK_CIRA,
	STEP_USER_INTERFACE_GET,
	STEP_USER_INTERFACE_SET,
	STEP_IPV6_GET,
	STEP_IPV6_PUT,
	STEP_PORT_GET,
	STEP_PORT_PUT,
	STEP_ENVIRONMENT_GET,
	STEP_ENVIRONMENT_PUT,
	STEP_CHECK_WIFI_PORT,
	STEP_CHECK_WIFI_SERVICE,
	STEP_CHECK_WIRED,
	STEP_CHECK_WIRED_OLD,
	STEP_CHECK_USER_INTERFACE,
	STEP_CHECK_IPV6,
	STEP_CHECK_PORT,
	STEP_CHECK_ENVIRONMENT,
	/* a device of somebody else */
	STEP_CONNECT_ADOPT,
	STEP_ADOPT_STATE,
	STEP_ADOPT_MODE,
	STEP_ADOPT_NAME,
	STEP_ADOPT_OWN,
	STEP_INVENTORY_SETUP,
	STEP_INVENTORY_MODE,
	STEP_INVENTORY_PORTS,
	STEP_INVENTORY_IDENTITY,
	STEP_INVENTORY_CHASSIS,
	STEP_INVENTORY_BIOS,
	STEP_INVENTORY_POWER,
	N_STEPS,
};

enum plan_id {
	PLAN_SETUP,
	PLAN_ADMIN,
	PLAN_RENEW,       /* ends in PLAN_ADMIN, which proves the new certificate, cleans up, and
			     writes the name that moved */
	PLAN_ROTATE,      /* two turns: the second logs in with the new password */
	PLAN_UNCONFIGURE, /* the connection's end is its goal */
	PLAN_INVENTORY,
	PLAN_ADOPT, /* goes on with PLAN_ROTATE, and that with PLAN_ADMIN */
	N_PLANS
};

enum verdict_kind {
	VERDICT_NEXT,      /* the following row of the plan */
	VERDICT_GOTO,      /* target is a row of the same plan, after a pause */
	VERDICT_PLAN,      /* target is a plan: from its first row */
	VERDICT_AGAIN,     /* the same row after a pause */
	VERDICT_WAIT,      /* the job is parked under `why`; session->failure has the text */
	VERDICT_DONE,      /* the plan has reached its goal */
	VERDICT_GIVE_BACK, /* the job is due at once, for whoever is free */
	VERDICT_FAIL,      /* session->failure says how and why */
};

struct verdict {
	enum verdict_kind kind;
	int target;
	uint32_t after_ms;
};

enum build {
	BUILD_SEND = 0, /* the request is described; KIND_LOCAL and KIND_WORK: see below */
	BUILD_SKIP,     /* nothing to do: next row */
	BUILD_VERDICT,  /* session->verdict holds what follows (KIND_LOCAL, failures) */
};

enum step_slow { STEP_NORMAL, STEP_SLOW }; /* waits.exchange_ms or slow_exchange_ms. SPEC: W 2 */
enum step_absent { ABSENT_FAIL, ABSENT_SKIP }; /* class or method not on this firmware */
enum step_cut { CUT_REPEAT, CUT_IS_FINE };     /* connection lost after sending */

struct step {
	const char *name; /* in logs, checkpoints, X-Muster-Trace and `muster job show` */
	enum step_kind kind;
	enum effect effect;
	const char *class_name; /* CALL, LIST */
	const char *action;     /* for people: "Get", "Put", a method */
	enum step_slow slow;
	enum step_absent absent;
	enum step_cut cut;
	enum step_id doubt; /* ONCE: row that finds out what happened; 0 for others */
	/** Describe the request. LIST: called once before Enumerate with rq NULL. */
	enum build (*build)(struct session *s, struct wsman_request *rq);
	/** What the answer means: ReturnValue is 0 or there is none. LIST: each Pull; m->payload.
	 * STORE: called with NULL after OK. */
	struct verdict (*interpret)(struct session *s, const struct wsman_message *m);
	/** Optional: a ReturnValue that is not 0; without it the table of status.h decides. */
	struct verdict (*refused)(struct session *s, uint32_t return_value);
	/** Optional: a fault; without it the table of status.h decides. */
	struct verdict (*fault)(struct session *s, enum wsman_reaction reaction);
	/** LIST: after the last item. Others NULL. */
	struct verdict (*end)(struct session *s);
	bool secret; /* the request holds one: a fault may quote it, so its text is left out */
	const struct setting *setting; /* what it reads, writes or checks; steps/setting.h */
};

struct plan {
	const char *name;
	const enum step_id *steps;
	size_t n_steps;
};

extern const struct step step_table[N_STEPS];
extern const struct plan plan_table[N_PLANS];

/** Row by name; NULL when unknown. */
const struct step *step_find(const char *name);

/** Index of a row in a plan, or -1. */
int plan_index(const struct plan *plan, enum step_id id);

/** The table and the plans as text, or as a graph for dot. @return 0 or the error of buf_add() */
int plan_print_text(struct buf *out);
int plan_print_dot(struct buf *out);

#endif
