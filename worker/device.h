/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of one session to its device: TLS with the ladder and its proof, HTTP with digest,
 * a WS-Man answer parsed as it streams in. It opens, reopens after a 401 and closes by itself; the
 * session only says which side of the configuration it is on (role) and what to send.
 *
 * One exchange at a time: device_call() is answered by exactly one of ops->answer and ops->failed.
 * No callback runs inside device_call() or device_connect().
 * Ownership: embedded in its session; device_close() ends everything and calls back when the memory
 * may go. Threads: the session loop. SPEC: tls.md 3-8, 12, 13; wsman.md 2, 3
 */
#ifndef MUSTER_WORKER_DEVICE_H
#define MUSTER_WORKER_DEVICE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/conf/conf.h"
#include "common/net/http.h"
#include "common/net/timer.h"
#include "common/net/tls.h"
#include "common/pki/devcert.h"
#include "common/pki/provcert.h"
#include "proto/digest.h"
#include "proto/wsman/read.h"

#define DEVICE_LOGINS_MAX  3  /* wrong passwords per visit. SPEC: wsman.md 3.3, ruling 17 */
#define DEVICE_CLEAR_BELOW 1  /* 16992 beside 16993: the port without TLS */
#define DEVICE_READERS_MAX 64 /* idle parsers kept; more are made and freed as answers overlap */

/* Handshakes of a process at a time: what one core gets through in a second or two, well within a
 * device's patience and our own waits.handshake_ms. The others wait their turn before they connect;
 * with all at once, each would take as long as all together, and look like a silent device. */
#define DEVICE_OPENING_MAX 512

/* Shared by all sessions of a process: contexts are built once per profile and chain. */
struct console;

struct device_env {
	uv_loop_t *loop;
	const struct conf_worker *conf;
	struct provcert *certs[CONF_CHAINS_MAX];
	size_t n_certs;
	SSL_CTX *setup[CONF_CHAINS_MAX][TLS_PROFILES]; /* made when first needed */
	struct console *console;                       /* NULL = none is configured */
	SSL_CTX *
		bare[TLS_PROFILES]; /* configured devices: the console, if they ask; PSK: nothing */
	struct wsman_reader *readers[DEVICE_READERS_MAX];
	size_t n_readers;
	unsigned n_opening, opening_max;         /* connections that are being made */
	TAILQ_HEAD(device_list, device) waiting; /* for a turn to make one */
};

/** Load the provisioning certificates. @return 0; E_CONFIG names file and defect */
int device_env_open(
	struct device_env *env, uv_loop_t *loop, const struct conf_worker *conf, struct error *err);

/** Free contexts, chains and parsers. */
void device_env_close(struct device_env *env);

enum device_role {
	DEVICE_SETUP, /* phase A: we show the provisioning chain */
	DEVICE_ADMIN, /* configured: digest admin */
};

enum device_trouble {
	DEVICE_UNREACHABLE, /* refused, no route, connect timed out */
	DEVICE_HANDSHAKE,   /* the ladder is at its end */
	DEVICE_NOT_ASKED, /* setup: the device did not ask for our certificate, or got an empty one
			   */
	DEVICE_CERTIFICATE, /* ops->verify refused the leaf */
	DEVICE_CUT,     /* connection lost or silent after the request went out: outcome unknown */
	DEVICE_GARBAGE, /* answer breaks HTTP, XML, SOAP or a limit */
	DEVICE_HTTP,    /* an HTTP status without a SOAP body; device.status has it */
	DEVICE_LOGIN,   /* no password works (or none is left to try) */
	DEVICE_LEASE,   /* ops->may_write said no: nothing was sent */
	DEVICE_OURS,    /* our own failure: memory, entropy */
};

struct device;

struct device_ops {
	/** Connected; the leaf has passed. Answers device_connect(). */
	void (*connected)(void *arg);
	/** Judge the leaf before anything is sent; chain is all that came, leaf first. Not called
	 * for PSK. @return 0 or E_TLS with text */
	int (*verify)(X509 *leaf, STACK_OF(X509) * chain, void *arg, struct error *err);
	/** Right before bytes go out. @return false = do not send */
	bool (*may_write)(void *arg);
	/** The answer, fault included; valid during the call only. */
	void (*answer)(const struct wsman_message *msg, void *arg);
	/** The exchange or the connection attempt failed. */
	void (*failed)(enum device_trouble trouble, const struct error *err, void *arg);
	/** Credential number i to try, from 0. @return false = no more */
	bool (*credential)(
		unsigned i, const char **user, const struct secret **password, void *arg);
	/** A password was refused: it must be counted in the device's record. Or accepted: the
	 * device's own count of failures in a row begins again. SPEC: wsman.md 3.3 */
	void (*login)(bool accepted, void *arg);
};

struct device {
	struct device_env *env;
	const struct device_ops *ops;
	void *arg;
	struct net_addr addr;
	const struct tls_psk *psk; /* profile P: what the handshake shows; the session's */
	const char *name; /* configured: FQDN, sent as server name ("" = not known yet); the
			     session's. SPEC: tls.md 2 */
	enum device_role role;
	enum tls_profile profile;      /* the one that is tried, or that worked */
	const char *why;               /* DEVICE_HANDSHAKE: reason word of the ladder */
	bool final;                    /* likewise: another visit would meet the same */
	bool clear;                    /* without TLS, on the port below: adoption only */
	bool no_tls13;                 /* profile V3 failed: V from now on */
	bool legacy;                   /* legacy rungs are allowed */
	bool seen12;                   /* no lower rung any more */
	size_t order[CONF_CHAINS_MAX]; /* setup: chains that fit, best first */
	size_t n_order, at;
	struct http_client *http; /* NULL = no connection */
	bool opening;             /* has a turn: counted in env->n_opening */
	bool waits;               /* for a turn: in env->waiting */
	TAILQ_ENTRY(device) turn;
	bool ready;  /* connected and judged */
	bool worked; /* an exchange succeeded in this role */
	struct tls_proof proof;
	char fp3[DEVCERT_FP_HEX + 1]; /* index 3 of an on-die chain: fixed per machine; "" = none */
	struct boot_timer timer;      /* rung and password pauses */
	uint64_t paused_ms;           /* in such pauses since device_set_role() */
	uint64_t idle_since_ms;

	struct digest_state digest;
	unsigned credential; /* number in use */
	bool accepted;       /* the device has taken it in this visit */
	unsigned logins_max; /* of the owner: at most DEVICE_LOGINS_MAX */
	unsigned logins;     /* passwords refused in this visit since one was taken */
	bool authorize;      /* the device has challenged us: Authorization on every request */

	/* the exchange */
	bool connecting;        /* device_connect() waits */
	bool calling;           /* device_call() waits */
	const struct buf *body; /* the session's; stays until answered */
	uint64_t message_id;
	uint32_t timeout_ms;
	const char *trace; /* value of X-Muster-Trace, or NULL */
	unsigned sends;    /* of this call; a changed nonce costs one more */
	bool answered;     /* this send carried Authorization */
	int status;
	char *challenge; /* WWW-Authenticate of a 401 */
	char server[80]; /* newest Server header: the firmware version */
	struct wsman_reader *reader;
	struct arena arena; /* of the answer */
	struct error parse_error;
	struct error soon; /* a failure that waits for the next turn; code 0 = none */
	enum device_trouble soon_trouble;
	void (*closed)(void *arg);
};

/** Prepare; addr has the port. Nothing is opened. */
void device_init(struct device *d, struct device_env *env, const struct device_ops *ops, void *arg);

/** Change the side; closes the connection and forgets the digest state. */
void device_set_role(struct device *d, enum device_role role, enum tls_profile profile);

/** Forget who we are (after a change of the ACL): credential 0 is used at the next challenge. */
void device_forget_login(struct device *d);

/** Make sure that there is a connection; connected() or failed() follows. */
void device_connect(struct device *d);

/**
 * Send one request, connecting first if there is no connection.
 * @param body complete envelope; must stay until answer() or failed()
 * @param trace X-Muster-Trace, or NULL; must stay likewise
 */
void device_call(struct device *d, const struct buf *body, uint64_t message_id, uint32_t timeout_ms,
	const char *trace);

/** Close the connection and forget any exchange, without callback. It can be used again. */
void device_drop(struct device *d);

/** Close an idle connection before the device does. SPEC: wsman.md 2 */
void device_tick(struct device *d, uint64_t now_ms);

/** End for good; closed(arg) is called when the memory may go. */
void device_close(struct device *d, void (*closed)(void *arg));

/** Firmware version in the newest Server header, "12.0.67.1579" or "12.0.67": its last word; ""
 * when that is none. Lent. */
const char *device_amt_version(const struct device *d);

/** "unreachable", "handshake", ... */
const char *device_trouble_name(enum device_trouble trouble);

#endif
