/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and jobs as JSON: one table of fields for each, so that all commands show the same. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "ctl/site.h"

const char *site_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : "";
}

/* ---- jobs ----------------------------------------------------------------------------------- */

struct job_answer {
	struct answer answer;
	json_t *json;
};

static json_t *job_json(const struct store_job *j)
{
	json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:s, s:s, s:s}",
		"job", j->id, "device", j->uuid, "state", j->state, "why", j->why, "gen",
		(json_int_t)j->gen, "fence", (json_int_t)j->fence, "owner", j->owner, "tries",
		(json_int_t)j->tries, "lost", (json_int_t)j->lost, "step", j->step, "reason",
		j->err, "error", j->txt, "result", j->res);
	json_object_set_new(out, "kind", json_string(*j->kind ? j->kind : "setup"));
	json_object_set_new(out, "args", json_string(j->args));
	json_object_set_new(out, "created_ms", json_integer((json_int_t)j->created_ms));
	json_object_set_new(out, "begun_ms", json_integer((json_int_t)j->begun_ms));
	json_object_set_new(out, "ended_ms", json_integer((json_int_t)j->ended_ms));
	if (j->due_ms && j->due_ms != STORE_NEVER)
		json_object_set_new(out, "due_ms", json_integer((json_int_t)j->due_ms));
	return out;
}

static void on_job(const struct store_job *job, const struct error *err, void *arg)
{
	struct job_answer *a = arg;
	if (job)
		a->json = job_json(job);
	site_note(&a->answer, err);
}

int site_job(struct site *s, const char *id, json_t **out, struct error *err)
{
	struct job_answer a = {0};
	int rc = site_wait(s, store_job_get(s->store, id, on_job, &a, err), &a.answer, err);
	if (rc == -ENOENT)
		error_set(
			err, rc, "there is no job %s (jobs that are done expire after 7 days)", id);
	*out = a.json;
	return rc;
}

/* ---- devices -------------------------------------------------------------------------------- */

struct device_answer {
	struct answer answer;
	struct site *site;
	bool reveal;
	json_t *json;
};

static void add_secret(json_t *out, const char *key, const struct secret_set *set, const char *name)
{
	const struct secret *secret = secret_set_get(set, name);
	if (secret)
		json_object_set_new(out, key, json_string(secret_text(secret)));
}

static int add_secrets(struct device_answer *a, const struct store_device *d, struct error *err)
{
	struct device_secrets secrets = {0};
	struct uuid uuid;
	TRY(uuid_parse(&uuid, d->uuid));
	int rc = device_secrets_open(&secrets, a->site->keks, &uuid,
		&(struct sealed_record){
			.dek = {d->dek.data, d->dek.len},
			.cur = {d->sec_cur.data, d->sec_cur.len},
			.prev = {d->sec_prev.data, d->sec_prev.len},
			.pend = {d->sec_pend.data, d->sec_pend.len},
			.give = {d->sec_give.data, d->sec_give.len},
		},
		err);
	if (rc == 0) {
		json_t *more = json_object(); /* of users and services: worker/passwords.h */
		add_secret(a->json, "admin_password", &secrets.cur, "admin");
		for (size_t i = 0; i < secrets.cur.n; i++) {
			const char *name = secrets.cur.items[i].name;
			if (strcmp(name, "admin") != 0 && strcmp(name, "mebx") != 0)
				add_secret(more, name, &secrets.cur, name);
		}
		json_object_set_new(a->json, "secrets", more);
		add_secret(a->json, "mebx_password", &secrets.cur, "mebx");
		add_secret(a->json, "pending_admin_password", &secrets.pend, "admin");
		add_secret(a->json, "previous_admin_password", &secrets.prev, "admin");
		add_secret(a->json, "given_admin_password", &secrets.give, "admin");
	}
	device_secrets_free(&secrets);
	return rc;
}

/* Of two addresses that alternate each is the newest source in turn: the one that is not dialled.
 */
static const char *other_address(const struct store_device *d)
{
	const char *other = strcmp(d->addr_alt, d->addr) != 0 ? d->addr_alt : d->src;
	return strcmp(other, d->addr) != 0 ? other : "";
}

static json_t *device_json(const struct store_device *d)
{
	const struct {
		const char *key, *value;
	} texts[] = {{"uuid", d->uuid}, {"state", d->state}, {"fqdn", d->fqdn},
		{"profile", d->profile}, {"ou", d->ou}, {"address", d->addr},
		{"other_address", other_address(d)}, {"amt", d->amt}, {"job", d->job},
		{"quarantine", d->quar}, {"denied", d->deny}, {"reason", d->err}, {"error", d->txt},
		{"result", d->res}, {"cert_fp", d->cert_fp}, {"cert_serial", d->cert_serial},
		{"realm", d->realm}, {"tls_profile", d->tlsp}, {"dns_suffix", d->suffix},
		{"setup_cert_fp", d->setup_fp}, {"tags", d->tags}, {"wave", d->wave},
		{"told", d->told}, {"host_dn", d->host_dn}, {"host_groups", d->host_groups},
		{"inventory", d->inv}, {"differences", d->diff}};
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {{"gen", d->gen}, {"hellos", d->hellos}, {"first_ms", d->first_ms},
		{"last_ms", d->last_ms}, {"hello_ms", d->hello_ms}, {"done_ms", d->done_ms},
		{"cert_end_ms", d->cert_end_ms}};
	json_t *out = json_object();
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		json_object_set_new(out, texts[i].key, json_string(texts[i].value));
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		json_object_set_new(
			out, numbers[i].key, json_integer((json_int_t)numbers[i].value));
	json_object_set_new(out, "pending", json_boolean(d->sec_pend.len > 0));
	return out;
}

static void on_device(const struct store_device *d, const struct error *err, void *arg)
{
	struct device_answer *a = arg;
	struct error local = {0};
	if (d) {
		a->json = device_json(d);
		if (a->reveal && add_secrets(a, d, &local) < 0)
			err = &local;
	}
	site_note(&a->answer, err);
}

/* What the newest job adds to its device; a job that has expired adds nothing. */
static void add_job(struct site *s, json_t *device)
{
	static const char *const keys[] = {"kind", "step", "tries", "lost", "fence"};
	const char *id = json_string_value(json_object_get(device, "job"));
	json_t *job = NULL;
	if (id && *id && site_job(s, id, &job, NULL) == 0) {
		json_object_set(device, "job_state", json_object_get(job, "state"));
		json_object_set(device, "job_reason", json_object_get(job, "reason"));
		for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
			json_object_set(device, keys[i], json_object_get(job, keys[i]));
	}
	json_decref(job);
}

int site_device(struct site *s, const char *uuid, bool reveal, json_t **out, struct error *err)
{
	struct device_answer a = {.site = s, .reveal = reveal};
	int rc = site_wait(s, store_device_get(s->store, uuid, on_device, &a, err), &a.answer, err);
	if (rc < 0) {
		json_decref(a.json);
		return rc == -ENOENT ? error_set(err, rc, "no device %s is known", uuid) : rc;
	}
	add_job(s, a.json);
	*out = a.json;
	return 0;
}

void site_why_refused(struct site *s, const char *uuid, struct error *err)
{
	json_t *d = NULL;
	if (site_device(s, uuid, false, &d, NULL) < 0) {
		error_set(
			err, err->code, "no device of this UUID is known: see muster device list");
		return;
	}
	const char *state = site_text(d, "state"), *job = site_text(d, "job_state");
	if (*site_text(d, "quarantine"))
		error_set(err, err->code, "it is in quarantine: %s", site_text(d, "quarantine"));
	else if (strcmp(state, "active") == 0)
		error_set(err, err->code, "it has a live job (%s, %s): see muster job show %s",
			site_text(d, "kind"), *job ? job : "?", uuid);
	else if (strcmp(state, "done") != 0)
		error_set(err, err->code, "it is not in service: its state is %s", state);
	else
		error_set(err, err->code,
			"it is in service already: see muster plan, muster job open");
	json_decref(d);
}

int site_find_job(struct site *s, const char *text, char job[static UUID_TEXT_LEN + 1],
	char uuid[static UUID_TEXT_LEN + 1], struct error *err)
{
	struct uuid id;
	char canonical[UUID_TEXT_LEN + 1];
	ENSURE(uuid_parse(&id, text) == 0, err, E_CONFIG,
		"\"%.60s\" is neither a job id nor a UUID", text);
	uuid_text(&id, canonical);
	json_t *found = NULL;
	if (site_job(s, canonical, &found, NULL) < 0) {
		json_t *device = NULL;
		int rc = site_device(s, canonical, false, &device, NULL);
		const char *newest =
			rc == 0 ? json_string_value(json_object_get(device, "job")) : "";
		rc = newest && *newest ? site_job(s, newest, &found, err) : -ENOENT;
		json_decref(device);
		if (rc < 0)
			return error_set(err, -ENOENT,
				"there is no job %s and no device of that UUID with one",
				canonical);
	}
	memcpy(job, json_string_value(json_object_get(found, "job")), UUID_TEXT_LEN + 1);
	memcpy(uuid, json_string_value(json_object_get(found, "device")), UUID_TEXT_LEN + 1);
	json_decref(found);
	return 0;
}

/* ---- every device --------------------------------------------------------------------------- */

struct seen {
	char uuid[UUID_TEXT_LEN + 1];
	UT_hash_handle hh;
};

void site_page(
	const char *const *ids, size_t n, const char *cursor, const struct error *err, void *arg)
{
	struct site_page *p = arg;
	struct error local = {0};
	if (!err && n) {
		p->ids = calloc(n, sizeof *p->ids);
		for (size_t i = 0; p->ids && i < n; i++)
			memcpy(p->ids[i], ids[i], strnlen(ids[i], UUID_TEXT_LEN));
		p->n = p->ids ? n : 0;
		if (!p->ids) {
			error_set(&local, -ENOMEM, "out of memory");
			err = &local;
		}
	}
	if (!err)
		strncpy(p->cursor, cursor, sizeof p->cursor - 1);
	site_note(&p->answer, err);
}

/* Redis may name a device twice while its table grows. */
static bool first_time(struct seen **all, const char *uuid)
{
	struct seen *s = NULL;
	HASH_FIND_STR(*all, uuid, s);
	if (s || !(s = calloc(1, sizeof *s)))
		return false;
	memcpy(s->uuid, uuid, sizeof s->uuid);
	HASH_ADD_STR(*all, uuid, s);
	return true;
}

typedef int (*list_fn)(
	struct store *s, const char *cursor, store_ids_cb cb, void *arg, struct error *err);

static int each(struct site *s, list_fn list, site_each_fn fn, void *arg, struct error *err)
{
	struct seen *all = NULL, *one, *next;
	char cursor[32] = "0";
	int rc = 0;
	do {
		struct site_page p = {0};
		rc = site_wait(s, list(s->store, cursor, site_page, &p, err), &p.answer, err);
		for (size_t i = 0; rc == 0 && i < p.n; i++) {
			if (first_time(&all, p.ids[i]))
				rc = fn(s, p.ids[i], arg);
		}
		memcpy(cursor, p.cursor, sizeof cursor);
		free(p.ids);
	} while (rc == 0 && strcmp(cursor, "0") != 0);
	HASH_ITER(hh, all, one, next)
	{
		HASH_DEL(all, one);
		free(one);
	}
	return rc;
}

int site_each_device(struct site *s, site_each_fn fn, void *arg, struct error *err)
{
	return each(s, store_device_list, fn, arg, err);
}

int site_each_psk(struct site *s, site_each_fn fn, void *arg, struct error *err)
{
	return each(s, store_psk_list, fn, arg, err);
}
