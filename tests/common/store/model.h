/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference: what the functions of common/store/functions/ must do, in plain C on small
 * arrays. Written from store.h, architecture.md section 2 and the rulings, not from the Lua text. A
 * model_* call returns the code that the store must answer and changes the model as Redis must
 * change.
 */
#ifndef MUSTER_TESTS_STORE_MODEL_H
#define MUSTER_TESTS_STORE_MODEL_H

#include "common/store/store.h"

#define MODEL_DEVICES 5
#define MODEL_JOBS    512
#define MODEL_TEXT    64
#define MODEL_LINES   16384

enum model_list {
	LIST_NONE,
	LIST_READY,
	LIST_LEASE,
	LIST_CA,
	LIST_AD,
	LIST_MANUAL,
	LIST_DEAD,
	LIST_DONE,
};

struct model_device {
	char uuid[UUID_TEXT_LEN + 1];
	bool placeholder;
	/* "" and -1 = the field is absent */
	int64_t gen, alt_ms, quar_ms, hellos, first, last, hello_ms, done_ms, end_ms;
	int job; /* index or -1 */
	char state[16], addr[MODEL_TEXT], src[MODEL_TEXT], alt[MODEL_TEXT], quar[MODEL_TEXT];
	char deny[MODEL_TEXT], res[MODEL_TEXT], err[MODEL_TEXT], txt[128];
	bool has_err; /* err and txt exist, perhaps empty */
	char fqdn[MODEL_TEXT], dek[MODEL_TEXT], rehello[MODEL_TEXT], unconf[MODEL_TEXT];
	char told[MODEL_TEXT];
	char cur[MODEL_TEXT], prev[MODEL_TEXT], pend[MODEL_TEXT];
};

struct model_job {
	bool kicked, approved;
	char id[UUID_TEXT_LEN + 1];
	bool gone; /* forgotten */
	int dev;
	int64_t gen, tries, lost, fence, created, begun, ended;
	char st[16], why[16], owner[MODEL_TEXT], step[MODEL_TEXT], ck[MODEL_TEXT], pl[MODEL_TEXT];
	char tp[MODEL_TEXT], err[MODEL_TEXT], txt[128], res[MODEL_TEXT];
	bool has_err, has_res;
	const char *kind; /* of an upkeep job; NULL = setup */
	char back[16];    /* its device's state before: of an upkeep job, or of one in service that
			     said Hello */
	enum model_list list;
	int64_t score; /* INT64_MAX = never */
	bool expires;
};

struct model {
	int64_t now;
	struct model_device devs[MODEL_DEVICES];
	struct model_job jobs[MODEL_JOBS];
	int n_jobs;
	double tat; /* the one subnet; 0 = no key */
	int64_t n_events;
};

struct model_fields {
	const char *fqdn, *dek, *rehello, *unconf; /* NULL = not given, "" = delete */
	bool bad;                                  /* a name that cannot be set */
};

/** The part of each list's Redis key behind the tag, by enum model_list; NULL for LIST_NONE. */
extern const char *const model_list_keys[];

/** Whether the job is done or cancelled: it keeps no payload and will expire. */
bool model_over(const struct model_job *j);

void model_init(struct model *m);

struct model_hello {
	int dev;
	const char *addr, *raw, *tp;
	bool paced;
};
/** @param job index of the new job when the verdict is NEW; its id must then be filled in */
enum store_verdict model_admit(struct model *m, const struct model_hello *h,
	const struct store_admission *limits, int *job);
/** @param out indexes in order; @return how many */
int model_claim(struct model *m, int n, int64_t lease_ms, int *out);
void model_reap(
	struct model *m, int64_t grace_ms, int max_lost, int limit, struct store_reaped *out);

struct model_lease {
	int job;
	int dev; /* device claimed by the caller */
	int64_t fence;
};
int model_begin(struct model *m, const struct model_lease *l, const char *owner, int64_t ttl_ms);
int model_step(struct model *m, const struct model_lease *l, const char *step, const char *ck,
	int64_t ttl_ms, enum store_secret_act act, const char *pending,
	const struct model_fields *f);
int model_renew(struct model *m, const struct model_lease *l, int64_t ttl_ms);
int model_finish(struct model *m, const struct model_lease *l, const char *result,
	const struct model_fields *f);
int model_fail(struct model *m, const struct model_lease *l, bool dead, int max_attempts,
	int64_t delay_ms, const char *err, const struct model_fields *f, bool *died);
int model_park(struct model *m, const struct model_lease *l, const char *why, int64_t poll_ms,
	const char *err, const char *held);
int model_release(struct model *m, const struct model_lease *l);
int model_cancel(struct model *m, int job, int dev, const char *text);
int model_kick(struct model *m, int job, int dev, const char *addr);
/** Open an upkeep job. @param job index of the new job on success */
int model_open(
	struct model *m, int dev, const char *kind, const char *addr, int64_t delay_ms, int *job);
/** What a list tells. @param kept it told the same before */
int model_expect(
	struct model *m, int dev, const char *told, const struct model_fields *f, bool *kept);
int model_deny(struct model *m, int dev, const char *reason);
int model_forget(struct model *m, int dev, int job);

/** The whole state as lines "key field value", sorted; lines are malloc()ed. @return how many */
size_t model_dump(const struct model *m, char **lines, size_t max);

#endif
