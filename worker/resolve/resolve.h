/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is this device? The sources in the order they are asked: what an operator's list told (muster
 * import), the static table, the hook program or, without one, the directory, then reverse DNS. The
 * first that knows the device wins. Where decision rules look at OUs or groups, the directory is
 * asked for these whoever told the name.
 * No answer is an answer too: the job waits in view (wait:manual) with the reason and is asked
 * again later; it is never dropped. Ownership: a question belongs to the resolver until its
 * callback. Threads: called on the session loop; the sources that may block run on the connector's.
 * SPEC: map.md
 * "The way of one device" 4, ruling 53
 */
#ifndef MUSTER_WORKER_RESOLVE_H
#define MUSTER_WORKER_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/fqdn.h"
#include "common/base/job_kind.h"
#include "common/base/uuid.h"
#include "common/net/addr.h"

struct conf_worker;
struct connector;
struct directory;
struct directory_computer;
struct error;
struct resolver;
struct resolve_question;

#define RESOLVE_FQDN_MAX    FQDN_MAX
#define RESOLVE_HOST_MAX    FQDN_HOST_MAX
#define RESOLVE_DOMAIN_MAX  FQDN_DOMAIN_MAX
#define RESOLVE_PROFILE_MAX 255
#define RESOLVE_OU_MAX      511
#define RESOLVE_OTP_MAX     32 /* bytes. SPEC: provisioning.md IDENTIFY 5 */
#define RESOLVE_PIN_HEX     96 /* SHA-384; a SHA-256 has 64. SPEC: tls.md 6 */
#define RESOLVE_REASON_MAX  255

enum resolve_result {
	RESOLVE_FOUND,
	RESOLVE_WAIT,   /* nobody knows it, or the hook said wait: ask again later */
	RESOLVE_FAILED, /* a source broke: ask again later, and an operator should look */
	RESOLVE_AWAY,   /* the directory cannot be asked: ask again later */
};

#define RESOLVE_IMPORT "import" /* the source of what a list told */

struct resolve_answer {
	enum resolve_result result;
	const char *source;              /* "import", "table", "hook", "directory", "reverse-dns" */
	char fqdn[RESOLVE_FQDN_MAX + 1]; /* lower case, at least two labels */
	char profile[RESOLVE_PROFILE_MAX + 1]; /* "" = the source named none */
	char ou[RESOLVE_OU_MAX + 1];           /* "" = none */
	uint8_t otp[RESOLVE_OTP_MAX];          /* expected one-time password */
	size_t otp_len;                        /* 0 = none */
	char pin[RESOLVE_PIN_HEX + 1];         /* hash of the device's certificate; "" = none */
	char reason[RESOLVE_REASON_MAX + 1];   /* not FOUND: why, for the operator */
	/* What the directory knows of it, dn "" = nothing; NULL = not asked. During the callback.
	 */
	const struct directory_computer *host;
};

/* What is known about the device when it is asked for. */
struct resolve_facts {
	struct uuid uuid;
	struct net_addr address;
	const uint8_t *hello; /* raw message; copied */
	size_t hello_len;
	const char *told;   /* by a list: common/base/told.h; NULL = no list named it */
	const char *amt;    /* firmware version from an earlier visit, or NULL */
	enum job_kind kind; /* what it is asked for; of an upkeep job there is no Hello */
	bool host;          /* rules want to know what the directory says of it */
};

typedef void (*resolve_cb)(const struct resolve_answer *answer, void *arg);

/**
 * Start the resolver. The table is read now, so that a broken one stops the start.
 * @param directory of the connector's loop; NULL = none is configured
 * @return 0; E_CONFIG (table, the text names file and line); -errno
 */
int resolver_open(struct resolver **out, const struct conf_worker *conf, struct connector *c,
	struct directory *directory, struct error *err);

/**
 * Ask. The callback comes from the loop or, when the table knows the answer, at once.
 * @return the question, for resolve_cancel(); NULL when it has been answered already
 */
struct resolve_question *resolve_ask(
	struct resolver *r, const struct resolve_facts *facts, resolve_cb cb, void *arg);

/** The callback will not come. NULL is fine. */
void resolve_cancel(struct resolve_question *q);

/** Free; the connector must have been stopped. */
void resolver_close(struct resolver *r);

/** Set profile, ou, the base64 of otp or the hex of pin from text. @return 0; E_CONFIG */
int resolve_set_field(
	struct resolve_answer *a, const char *key, const char *value, struct error *err);

#endif
