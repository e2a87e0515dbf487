/* SPDX-License-Identifier: Apache-2.0 */
/* One question at a time walks the sources: table, hook or directory, reverse DNS. See resolve.h.
 */
#include "worker/resolve/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/told.h"
#include "common/conf/conf.h"
#include "worker/connector.h"
#include "worker/directory/directory.h"
#include "worker/hook/hook.h"
#include "worker/resolve/hook_text.h"
#include "worker/resolve/rdns.h"
#include "worker/resolve/table.h"

struct resolver {
	const struct conf_worker *conf;
	struct connector *connector;
	struct table *table;         /* NULL without devices_file */
	struct hook_pool *hooks;     /* connector thread; NULL without a hook */
	struct directory *directory; /* connector thread; NULL without one */
};

/* Travels to the connector and back with everything that it needs. */
struct resolve_question {
	struct work work;
	struct resolver *r;
	resolve_cb cb;
	struct resolve_facts facts;
	struct resolve_answer answer;
	struct rdns_query dns;
	struct directory_query *host; /* made when the directory is asked */
	bool named;                   /* by a source that answers at once */
	char amt[64];
	uint8_t hello[];
};

static int set_otp(struct resolve_answer *a, const char *text, struct error *err)
{
	struct buf raw;
	buf_init(&raw, RESOLVE_OTP_MAX);
	int rc = base64_decode(&raw, text, strlen(text));
	if (rc < 0 || raw.len < 8)
		rc = error_set(err, E_CONFIG, "otp must be the base64 of 8 to 32 bytes");
	else
		memcpy(a->otp, raw.data, a->otp_len = raw.len);
	buf_wipe(&raw);
	return rc;
}

static int set_pin(struct resolve_answer *a, const char *text, struct error *err)
{
	uint8_t raw[RESOLVE_PIN_HEX / 2];
	int n = hex_decode(text, strlen(text), raw, sizeof raw);
	ENSURE(n == 32 || n == 48, err, E_CONFIG,
		"pin must be the SHA-256 or SHA-384 of the device's certificate in hex");
	memcpy(a->pin, text, strlen(text) + 1);
	return 0;
}

static int set_text(char *out, size_t max, const char *value, const char *key, struct error *err)
{
	ENSURE(strlen(value) < max, err, E_CONFIG, "%s is too long", key);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

int resolve_set_field(
	struct resolve_answer *a, const char *key, const char *value, struct error *err)
{
	if (strcmp(key, "fqdn") == 0)
		return fqdn_set(a->fqdn, value, err);
	if (strcmp(key, "profile") == 0)
		return set_text(a->profile, sizeof a->profile, value, key, err);
	if (strcmp(key, "ou") == 0)
		return set_text(a->ou, sizeof a->ou, value, key, err);
	if (!*value)
		return 0; /* none */
	if (strcmp(key, "otp") == 0)
		return set_otp(a, value, err);
	if (strcmp(key, "pin") == 0)
		return set_pin(a, value, err);
	return 0; /* newer hooks may say more than we know */
}

static void question_free(struct work *w)
{
	struct resolve_question *q = (struct resolve_question *)w;
	explicit_bzero(&q->answer, sizeof q->answer);
	free(q->host);
	free(q);
}

/* ---- the directory. Connector thread ----------------------------------------------------------
 */

/* It was asked and there is no answer to go on with. */
static void directory_failed(struct resolve_question *q, const struct directory_query *h)
{
	bool answered = h->rc == E_STATE || h->rc == E_LIMIT;
	q->answer = (struct resolve_answer){
		.source = "directory", .result = answered ? RESOLVE_FAILED : RESOLVE_AWAY};
	snprintf(
		q->answer.reason, sizeof q->answer.reason, "%.*s", RESOLVE_REASON_MAX, h->err.text);
}

static void use_place(struct resolve_question *q, const struct directory_query *h)
{
	struct resolve_answer *a = &q->answer;
	a->host = &h->found;
	if (!a->ou[0])
		snprintf(a->ou, sizeof a->ou, "%s", directory_parent(h->found.dn));
}

/* Beside another source. */
static void place_done(struct directory_query *h)
{
	struct resolve_question *q = h->arg;
	if (h->rc == 0 || h->rc == -ENOENT)
		use_place(q, h);
	else
		directory_failed(q, h);
	connector_finish(q->r->connector, &q->work);
}

static void ask_directory(
	struct resolve_question *q, const char *fqdn, void (*done)(struct directory_query *h))
{
	if (!q->host)
		q->host = malloc(sizeof *q->host);
	if (!q->host) {
		q->answer = (struct resolve_answer){.source = "directory",
			.result = RESOLVE_AWAY,
			.reason = "no memory to ask the directory"};
		connector_finish(q->r->connector, &q->work);
		return;
	}
	*q->host = (struct directory_query){
		.uuid = q->facts.uuid, .groups = q->facts.host, .done = done, .arg = q};
	snprintf(q->host->fqdn, sizeof q->host->fqdn, "%s", fqdn);
	directory_ask(q->r->directory, q->host);
}

/* A source has answered; rules may want to know more. */
static void answered(struct resolve_question *q)
{
	if (q->answer.result == RESOLVE_FOUND && q->facts.host && q->r->directory)
		ask_directory(q, q->answer.fqdn, place_done);
	else
		connector_finish(q->r->connector, &q->work);
}

/* ---- the sources. Connector thread ------------------------------------------------------------
 */

static void dns_done(struct rdns_query *dns)
{
	answered(dns->arg);
}

static void ask_dns(struct resolve_question *q)
{
	q->dns.arg = q;
	if (!q->r->conf->reverse_dns || rdns_start(&q->dns, connector_loop(q->r->connector),
						&q->facts.address, &q->answer, dns_done) < 0)
		answered(q);
}

/* As a source of names. One that cannot be asked ends the question: what it would have said must
 * not be replaced by a name from DNS. */
static void directory_done(struct directory_query *h)
{
	struct resolve_question *q = h->arg;
	struct resolve_answer *a = &q->answer;
	if (h->rc == -ENOENT && a->result == RESOLVE_FOUND) {
		answered(q); /* by an operator's list */
		return;
	}
	if (h->rc == -ENOENT) {
		ask_dns(q);
		return;
	}
	if (h->rc < 0) {
		directory_failed(q, h);
	} else {
		*a = (struct resolve_answer){.source = "directory",
			.result = h->found.fqdn[0] ? RESOLVE_FOUND : RESOLVE_WAIT};
		snprintf(a->fqdn, sizeof a->fqdn, "%s", h->found.fqdn);
		use_place(q, h);
		if (!a->fqdn[0])
			snprintf(a->reason, sizeof a->reason,
				"%.160s has no dNSHostName that can be used", h->found.dn);
	}
	connector_finish(q->r->connector, &q->work);
}

/* A hook that has an opinion ends the question, also when it failed: a name from
 * DNS must not replace what the operator's program would have said. */
static void hook_done(const struct hook_outcome *outcome, void *arg)
{
	struct resolve_question *q = arg;
	const struct conf_hook *conf = &q->r->conf->hook;
	q->answer = (struct resolve_answer){.source = "hook"};
	hook_text_judge(&q->answer, !conf->url[0] && conf->mode == CONF_HOOK_ARGS, outcome);
	answered(q);
}

static void ask_hook(struct resolve_question *q)
{
	char uuid[UUID_TEXT_LEN + 1];
	json_t *told = hook_text_facts(&q->facts);
	uuid_text(&q->facts.uuid, uuid);
	hook_start(q->r->hooks, told, uuid, hook_done, q);
	json_decref(told);
}

static void question_start(struct connector *c, struct work *w)
{
	(void)c;
	struct resolve_question *q = (struct resolve_question *)w;
	if (q->named)
		answered(q);
	else if (q->r->hooks)
		ask_hook(q);
	else if (q->r->directory)
		ask_directory(q, "", directory_done);
	else
		ask_dns(q);
}

/* ---- the session's thread ---------------------------------------------------------------------
 */

/* The profile is still to be filled in. */
static void conclude(struct resolver *r, struct resolve_answer *a)
{
	if (a->result != RESOLVE_FOUND || a->profile[0])
		return;
	if (r->conf->default_profile[0]) {
		snprintf(a->profile, sizeof a->profile, "%s", r->conf->default_profile);
		return;
	}
	a->result = RESOLVE_WAIT;
	snprintf(a->reason, sizeof a->reason,
		"%s named no profile and worker.default_profile is not set", a->source);
}

static void question_done(struct work *w, void *arg)
{
	struct resolve_question *q = (struct resolve_question *)w;
	conclude(q->r, &q->answer);
	q->cb(&q->answer, arg);
}

static void nobody_knows(const struct resolver *r, struct resolve_answer *a)
{
	a->result = RESOLVE_WAIT;
	a->source = "nobody";
	snprintf(a->reason, sizeof a->reason,
		"unknown device: not in the table%s%s; add it, it is asked for again by itself",
		r->hooks       ? ", no answer of the hook"
		: r->directory ? ", not in the directory"
			       : ", no hook",
		r->conf->reverse_dns ? ", no name in reverse DNS" : "");
}

/* What a list told; a text that cannot be read is as good as none. */
static bool told_find(const char *text, struct resolve_answer *a)
{
	struct told told;
	if (!text || told_read(&told, text) < 0 || !told.fqdn[0])
		return false;
	a->result = RESOLVE_FOUND;
	a->source = RESOLVE_IMPORT;
	snprintf(a->fqdn, sizeof a->fqdn, "%s", told.fqdn);
	snprintf(a->profile, sizeof a->profile, "%s", told.profile);
	snprintf(a->ou, sizeof a->ou, "%s", told.ou);
	return true;
}

/* The sources that answer at once. A list names a device for its setup; in upkeep it stands behind
 * table, hook and directory, which follow a name that moves, but before reverse DNS. */
static bool known_here(struct resolver *r, const struct resolve_facts *facts,
	struct resolve_answer *a, struct error *err)
{
	bool setup = facts->kind == JOB_SETUP;
	if (setup && told_find(facts->told, a))
		return true;
	if (r->table && table_find(r->table, &facts->uuid, a, err))
		return true;
	return !setup && !r->hooks && !r->directory && told_find(facts->told, a);
}

struct resolve_question *resolve_ask(
	struct resolver *r, const struct resolve_facts *facts, resolve_cb cb, void *arg)
{
	struct resolve_answer a = {0};
	struct error err = {0};
	bool known = known_here(r, facts, &a, &err);
	if (err.code)
		LOG_WARN("resolve.table", KV_STR("error", err.text));
	bool asks = known ? facts->host && r->directory
			  : r->hooks || r->directory || r->conf->reverse_dns;
	struct resolve_question *q = asks ? calloc(1, sizeof *q + facts->hello_len) : NULL;
	if (!q) {
		if (!known)
			nobody_knows(r, &a);
		else if (asks) /* rules must not decide as if it were in no group */
			a.result = RESOLVE_AWAY;
		conclude(r, &a);
		cb(&a, arg);
		explicit_bzero(&a, sizeof a);
		return NULL;
	}
	q->work = (struct work){.start = question_start,
		.done = question_done,
		.destroy = question_free,
		.arg = arg};
	q->r = r;
	q->cb = cb;
	q->facts = *facts;
	memcpy(q->hello, facts->hello, facts->hello_len);
	q->facts.hello = q->hello;
	snprintf(q->amt, sizeof q->amt, "%s", facts->amt ? facts->amt : "");
	q->facts.amt = q->amt;
	q->facts.told = NULL; /* it has been asked, or is: */
	q->named = known;
	if (known)
		q->answer = a;
	else if (facts->kind == JOB_SETUP || r->hooks || !told_find(facts->told, &q->answer))
		nobody_knows(r, &q->answer);
	explicit_bzero(&a, sizeof a);
	connector_submit(r->connector, &q->work);
	return q;
}

void resolve_cancel(struct resolve_question *q)
{
	if (q)
		connector_cancel(&q->work);
}

static void stop_hooks(void *arg)
{
	hook_pool_close(arg);
}

int resolver_open(struct resolver **out, const struct conf_worker *conf, struct connector *c,
	struct directory *directory, struct error *err)
{
	struct resolver *r = calloc(1, sizeof *r);
	ENSURE(r, err, -ENOMEM, "no memory for the resolver");
	r->conf = conf;
	r->connector = c;
	r->directory = directory;
	int rc = 0;
	if (conf->devices_file[0])
		rc = table_open(&r->table, conf->devices_file, err);
	if (rc == 0 && hook_is_set(&conf->hook))
		rc = hook_pool_open(&r->hooks, connector_loop(c), HOOK_ON_HELLO, &conf->hook, err);
	if (rc < 0) {
		resolver_close(r);
		return rc;
	}
	if (r->hooks)
		connector_at_stop(c, stop_hooks, r->hooks);
	*out = r;
	return 0;
}

void resolver_close(struct resolver *r)
{
	if (!r)
		return;
	table_close(r->table);
	free(r);
}
