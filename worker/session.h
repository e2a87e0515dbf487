/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job on one device: begin -> resolve -> run the plan -> finish, fail, park or release.
 *
 * Glossary: a *row* is a line of the step table; a *visit* is one session's time with a device; the
 * *keep* arena lives as long as the session, *lists* until the next decision about certificates.
 * Files: session.c (life), drive.c (rows), lease.c (store), steps/ (what rows say).
 * Ownership: the worker's list owns sessions; session_start() makes one, it frees itself at its
 * end. Threads: the session loop. SPEC: provisioning.md, architecture D8, D13, D14
 */
#ifndef MUSTER_WORKER_SESSION_H
#define MUSTER_WORKER_SESSION_H

#include <sys/queue.h>

#include "common/base/job_kind.h"
#include "common/conf/profile.h"
#include "common/conf/rules.h"
#include "common/crypto/seal.h"
#include "common/pki/devcert.h"
#include "proto/hello.h"
#include "proto/wsman/object.h"
#include "worker/ca/ca.h"
#include "worker/checkpoint.h"
#include "worker/device.h"
#include "worker/lease.h"
#include "worker/marks.h"
#include "worker/plan.h"
#include "worker/psk.h"
#include "worker/resolve/resolve.h"
#include "worker/steps/setting.h"
#include "worker/trust.h"

struct worker;

#define SESSION_KEEP_MAX (64 * 1024) /* objects read for Put: about 20 KiB at most in practice */
#define SESSION_LISTS_MAX                                                                          \
	(512 * 1024)                    /* certificates and keys of a device, a few dozen at 4 KiB \
					 */
#define SESSION_REPORT_MAX (32 * 1024)  /* an inventory has 2 to 6 KiB */
#define SESSION_WORN       "flash_worn" /* reason; the calendar knows the word, too (pump.lua) */
#define SESSION_BUSY_TRIES 3            /* wsman busy faults. SPEC: wsman.md 5 */
#define CA_RETRIES         4 /* in the visit: 2, 4, 8, 16 s; then the job is parked. SPEC: ca.md 3 */
/* Refused logins in a row, over all visits: ten lock a device. Nonces that are reset can deceive
 * one visit, and rarely two; three settle it. SPEC: wsman.md 3.3 */
#define SESSION_LOGINS_MAX 9
#define SESSION_PULLS_MAX  64 /* of one list: AMT needs one or two */
#define SESSION_SETUPS_MAX 2  /* setup plans of one visit: the commit is repeated once */
#define SESSION_CUTS_MAX   3  /* lost connections of one row, one after the other */
#define SESSION_CUTS_TOTAL                                                    \
	32 /* of a visit: more than one that resets every fifth request needs \
	    */

enum session_life {
	LIFE_BEGIN,
	LIFE_RESOLVE,
	LIFE_RUN,
	LIFE_END,  /* the last store call is under way */
	LIFE_OVER, /* handles are closing */
};

enum fail_class {
	FAIL_RETRY,      /* counts as an attempt; back-off */
	FAIL_DEAD,       /* at once into the dead list */
	FAIL_MANUAL,     /* parked until an operator decides */
	FAIL_QUARANTINE, /* as MANUAL, and the device is quarantined */
	FAIL_ASK,        /* parked; asked again by itself (nobody knows the device yet) */
	FAIL_CA,         /* parked until the authority's next poll */
	FAIL_AD,         /* parked until the directory is asked again */
};

enum session_ending { END_FINISH, END_FAIL, END_RELEASE };

struct failure {
	enum fail_class class;
	const char *reason; /* short static token: "already_configured" */
	char text[ERROR_TEXT_MAX];
};

struct acl_entry;
struct mps_entry;
struct policy_entry;
struct wifi_entry;

/* A certificate or key that the device lists. In the lists arena. */
struct listed {
	const char *handle; /* InstanceID */
	const uint8_t *der;
	size_t der_len;
	bool root;     /* TrustedRootCertficate */
	bool readonly; /* the firmware's own */
	struct listed *next;
};

/* What rows have read. Values, not pointers into answers. */
struct observed {
	struct wsman_object general;    /* AMT_GeneralSettings as read */
	struct wsman_object tls_remote; /* AMT_TLSSettingData, remote instance */
	bool tls_fixed;                 /* it cannot accept plain connections: never write that */
	bool tls_locked;                /* mutual TLS is on: it takes no root */
	uint32_t ta0;                   /* device clock */
	uint8_t otp[RESOLVE_OTP_MAX];
	bool have_otp;
	struct listed *certs, *keys;
	char context_cert[CHECKPOINT_HANDLE_MAX + 1]; /* certificate in use for TLS; "" = none */
	char collection[CHECKPOINT_HANDLE_MAX + 1];   /* the device's name of the endpoints */
	bool have_context;
	struct setting_seen settings[N_SETTINGS];
	bool reconnect;        /* COMMIT_B was sent: the port restarts */
	bool kerberos_aes;     /* the device takes a pass phrase */
	struct acl_entry *acl; /* steps/acl.c; in the keep arena */
	uint32_t acl_n;
	bool acl_paging, acl_written;
	char scheme_want[CHECKPOINT_HANDLE_MAX + 1], scheme_now[CHECKPOINT_HANDLE_MAX + 1];
	char scheme_guid[64];
	int scheme_fit;           /* of scheme_want */
	struct listed *roots;     /* wanted by the profile; handle = its file */
	const char *root_refused; /* why the rest of them is given up; NULL = it is not */
	struct wifi_entry *wifi;  /* steps/wifi_profiles.c */
	bool wifi_listed, wifi_written;
	bool uefi_share;       /* the system's firmware takes wireless profiles */
	struct mps_entry *mps; /* steps/cira.c */
	struct policy_entry *policies;
	bool cira_listed, cira_written;
	char own_address[NET_ADDR_TEXT_MAX]; /* under which it is reached, without port */
	bool match_cim;       /* steps/ieee8021x.c: the device wants the numbers of the CIM class */
	bool port_there;      /* the machine has a wire */
	bool address_foreign; /* own_address is not that of the wire */
	enum devcert_fault unfit;                     /* why the leaf is to be renewed; OK = not */
	char leaf_name[RESOLVE_FQDN_MAX + 1];         /* unfit: its name */
	bool power_written;                           /* to be read again */
	bool clean_left, cleaned_again;               /* a deletion was refused; see clean.c */
	char clean_handle[CHECKPOINT_HANDLE_MAX + 1]; /* being deleted */
	bool blocked;                                 /* unconfigure.c: something is in the way */
};

struct session {
	struct worker *w;
	TAILQ_ENTRY(session) link;

	/* the job */
	char job[UUID_TEXT_LEN + 1];
	struct uuid uuid;
	char uuid_text[UUID_TEXT_LEN + 1];
	uint32_t gen;
	uint64_t fence;
	uint32_t attempt;
	uint8_t *hello_raw; /* owned */
	size_t hello_len;
	struct hello hello; /* views hello_raw */
	enum job_kind kind;
	char args[JOB_ARGS_MAX + 1]; /* of an upkeep job */
	bool kicked;                 /* an operator has let it go on without its wave */
	bool approved;               /* an operator has let it go on */
	char *told;                  /* by an operator's list: common/base/told.h; NULL = nothing */
	/* Of the computer object, when the directory was asked: NULL = it was not; "" = none. */
	char *host_dn, *host_groups;
	char tags[RULE_TAGS_TEXT_MAX], wave[RULE_NAME_MAX + 1]; /* of the rule; "" = none */
	bool extends;         /* setup: ask for more time only, then give the job back */
	bool undecided;       /* extends, and it waits for an approval or a wave */
	uint64_t extended_ms; /* what the device has given */
	bool dry;             /* JOB_CHECK: nothing is written */
	struct buf report;    /* what the job found: into the record when it ends well */

	/* life */
	enum session_life life;
	uint64_t started_ms, deadline_ms; /* CLOCK_BOOTTIME; session_s */
	uint64_t row_us;                  /* when the present row began */
	struct failure failure;
	bool begun;                      /* a caller of session_start() was told that it runs */
	bool stopping;                   /* drain: release between two rows */
	void (*wake)(struct session *s); /* what the timer goes on with */
	enum session_ending ending;
	const char *outcome; /* for Done and the log */
	struct resolve_question *question;
	struct work *work; /* at the connector, or NULL */
	struct boot_timer timer;
	int refs; /* store calls under way and handles that close; freed at 0 */

	/* what it has */
	struct lease lease;
	struct device device;
	struct checkpoint ck;
	const struct profile *profile; /* held; profile_none until it is known */
	struct device_secrets secrets;
	struct marks marks; /* what the device was given and does not show */
	bool had_dek;       /* the record holds our DEK already */
	bool pend_first;    /* secrets.pend may be on the device: tried before the others */
	bool mebx_sent;     /* before the present try, perhaps */
	bool pending_dirty; /* secrets.pend is not durable yet: the next step() carries it */
	uint32_t pw_tries;  /* passwords refused in a row, in the device's record */
	bool pw_counted;    /* the record has or shall have that count */
	uint8_t expected_otp[RESOLVE_OTP_MAX];
	size_t expected_otp_len;
	char device_fp[DEVCERT_FP_HEX + 1]; /* leaf seen in setup */
	struct trust trust;                 /* what it must fit */
	char cert_fp[DEVCERT_FP_HEX + 1];   /* issued certificate; "" = none yet */
	char old_fp[DEVCERT_FP_HEX + 1];    /* PLAN_RENEW: the one before, good until the end */
	char serial[2 * CA_SERIAL_MAX + 1]; /* upkeep: of the certificate on record, hex */
	struct session_psk psk;             /* PSK setup only */
	struct secret made_key;             /* AddKey: PKCS#1 until it is on the device */
	struct secret master_key;           /* steps/kerberos.c: of firmware that knows RC4 only */
	struct secret param;                /* secret parameter of the request that is written */
	bool use_made_key;
	bool usual_key;           /* the device refused the profile's length */
	struct buf blob;          /* base64 of the binary parameter of a request */
	struct buf dek_blob;      /* the wrapped DEK: a step() that is repeated must say the same */
	struct buf csr, csr_info; /* pkcs10: signed by the device; our info */
	bool csr_dummy;           /* second null-signed form is tried */
	char suffix[256];         /* DNS suffixes that the device told */
	struct arena keep, lists;
	struct observed o;

	/* the driver */
	enum plan_id plan;
	size_t at; /* index in the plan */
	const struct step *row;
	struct verdict verdict; /* BUILD_VERDICT */
	struct buf body;        /* the request in flight; wiped after the answer */
	uint64_t message_id;
	char trace[96];
	char context[64];      /* EnumerationContext of a list */
	unsigned pulls;        /* of the present list */
	enum tls_profile tlsp; /* TLS profile that worked, from the record or this visit */
	bool tlsp_known;
	unsigned tries;          /* AGAIN of the present row */
	unsigned cuts, row_cuts; /* lost connections of this visit, of the present row */
	bool repaired;           /* what the device lacked has been set again, once */
	bool looked_again; /* the device called new what it has: lists were read again, once */
	bool swept;        /* key store was full: unbound keys were deleted, once */
	bool committed;    /* this visit sent CommitChanges, or told the device to go */
	unsigned connect_tries;
	bool reached;                  /* a connection of this visit was to the device */
	bool located;                  /* DNS was asked where it is; worker/locate.h */
	unsigned setups;               /* times that the setup plan was begun */
	uint64_t phase_deadline_ms;    /* phase A, moved by every wait */
	enum devcert_fault leaf_fault; /* of the last connection */
};

/** What the bus delivered. Everything is copied. */
struct session_job {
	const char *job, *uuid;
	uint32_t gen, attempt;
	uint64_t fence;
	const uint8_t *address, *hello;
	size_t address_len, hello_len;
	const char *kind, *args; /* upkeep jobs; NULL or "" = setup */
};

/** Start a session; it ends by itself and tells worker.on_over, unless it was never started. A job
 * that is delivered twice with one fence is taken once. @return 0; E_PARSE; -ENOMEM; the error of
 * store_begin() */
int session_start(struct worker *w, const struct session_job *job, struct error *err);

/** Everything is looked up: run the plan that the checkpoint asks for. */
void session_drive(struct session *s);

/** The plan is at its goal. */
void session_done(struct session *s);

/** End the visit as s->failure says. */
void session_fail(struct session *s);

/** The lease is not ours any more (or cannot be kept): drop everything, tell nobody. */
void session_lost(struct session *s, const char *why);

/** Give the job back, due at once (drain). */
void session_release(struct session *s);

/** Once a second: lease, limits, idle connection. */
void session_tick(struct session *s, uint64_t now_ms);

/** Drain: give the job back, now or after the answer that is under way. May end the session. */
void session_stop(struct session *s);

/** Fill s->failure. Keeps the first one of a visit. */
void session_set_failure(struct session *s, enum fail_class class, const char *reason,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** Make the passwords of the profile and mark them pending, unless there are pending ones: a
 * repeated visit must send the same. @return 0; E_CONFIG; E_CRYPTO; -ENOMEM */
int session_make_secrets(struct session *s, struct error *err);

/** A password as the profile says. @param len of a random or derived one; a fixed one has its own
 * @return 0; E_CONFIG; E_CRYPTO; -ENOMEM */
int session_password(struct session *s, const struct profile_password *p, const char *purpose,
	size_t len, struct secret *out, struct error *err);

/** Make new passwords as the profile says, on top of the present ones, and mark them pending.
 * @return whether any is new; E_CONFIG; E_CRYPTO; -ENOMEM */
int session_rotate_secrets(struct session *s, struct error *err);

/** End of one store call of this session; frees it if that was the last thing awaited. */
void session_unref(struct session *s);

/* drive.c */

/** Run a plan from its first row. */
void drive_plan(struct session *s, enum plan_id plan);

/** Go on as a verdict says. For the driver and for work that comes back. */
void drive_verdict(struct session *s, struct verdict v);

/** The step() of the present row is answered: send. */
void drive_stepped(struct session *s);

extern const struct device_ops drive_device_ops;

#endif
