/* SPDX-License-Identifier: Apache-2.0 */
/* muster adopt; see adopt.h. */
#include "ctl/adopt.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fqdn.h"
#include "common/conf/rules.h"
#include "common/crypto/password.h"
#include "common/net/addr.h"
#include "ctl/args.h"
#include "ctl/command.h"

#define FINGERPRINT_HEX 64 /* SHA-256 */
#define FIELDS_MAX      6
#define WHO_MAX         320

static bool given(const char *text)
{
	return text && *text;
}

/* ---- checking ----------------------------------------------------------------------------------
 */

static int check_fingerprint(const char *text, struct error *err)
{
	bool hex = strlen(text) == FINGERPRINT_HEX &&
		   strspn(text, "0123456789abcdefABCDEF") == FINGERPRINT_HEX;
	ENSURE(hex, err, E_CONFIG, "fingerprint: not the %d hex digits of a SHA-256",
		FINGERPRINT_HEX);
	return 0;
}

static int check_tags(const char *text, struct error *err)
{
	ENSURE(strlen(text) < RULE_TAGS_TEXT_MAX, err, E_CONFIG, "tags: more than %d characters",
		RULE_TAGS_TEXT_MAX - 1);
	for (const char *p = text; *p; p++)
		ENSURE(isprint((unsigned char)*p) && !strchr("=\"'", *p), err, E_CONFIG,
			"tags: words of letters and digits, separated by commas");
	return 0;
}

/* All but the password, which people are asked for last. */
static int check_words(const struct adoption *a, struct error *err)
{
	struct uuid uuid;
	struct net_addr addr;
	char fqdn[FQDN_MAX + 1];
	ENSURE(uuid_parse(&uuid, a->uuid) == 0, err, E_CONFIG, "uuid: \"%.60s\" is none", a->uuid);
	if (given(a->addr) && net_addr_from_host(&addr, a->addr, 0, err) < 0)
		return error_prefix(err, "addr");
	if (given(a->fqdn) && fqdn_set(fqdn, a->fqdn, err) < 0)
		return error_prefix(err, "name");
	ENSURE(!given(a->profile) || key_id_ok(a->profile), err, E_CONFIG,
		"profile: \"%.60s\" is no name of a profile", a->profile);
	if (given(a->fingerprint))
		TRY(check_fingerprint(a->fingerprint, err));
	if (given(a->tags))
		TRY(check_tags(a->tags, err));
	return 0;
}

int adopt_check(const struct adoption *a, struct error *err)
{
	TRY(check_words(a, err));
	size_t len = a->password ? a->password->len : 0;
	ENSURE(len > 0 && len <= PASSWORD_AMT_MAX, err, E_CONFIG,
		"password: an admin password has 1 to %d characters", PASSWORD_AMT_MAX);
	return 0;
}

/* ---- sealing -----------------------------------------------------------------------------------
 */

/* What the record has already: the key of its secrets is never replaced. */
struct looking {
	struct answer answer;
	struct site *site;
	struct device_secrets secrets;
	uint32_t gen;
	bool known, addressed;
};

static void on_record(const struct store_device *d, const struct error *err, void *arg)
{
	struct looking *l = arg;
	struct error local = {0};
	struct uuid uuid;
	if (d && uuid_parse(&uuid, d->uuid) == 0) {
		const struct sealed_record record = {.dek = {d->dek.data, d->dek.len},
			.cur = {d->sec_cur.data, d->sec_cur.len},
			.prev = {d->sec_prev.data, d->sec_prev.len},
			.pend = {d->sec_pend.data, d->sec_pend.len},
			.give = {d->sec_give.data, d->sec_give.len}};
		l->known = d->dek.len > 0;
		l->addressed = d->addr[0] != '\0';
		l->gen = d->gen;
		if (device_secrets_open(&l->secrets, l->site->keks, &uuid, &record, &local) < 0)
			err = &local;
	}
	site_note(&l->answer, err && err->code != -ENOENT ? err : NULL);
}

static int look(struct site *s, const char *uuid, struct looking *l, struct error *err)
{
	l->site = s;
	return site_wait(s, store_device_get(s->store, uuid, on_record, l, err), &l->answer, err);
}

/* The password, sealed by the key of the record, or by a new one, which then goes with it. */
static int seal(struct site *s, const struct uuid *uuid, const struct adoption *a,
	struct looking *l, struct buf *give, struct buf *dek, struct error *err)
{
	struct secret_set set = {0};
	int rc = 0;
	if (!l->known)
		rc = dek_make(&l->secrets.dek, l->gen ? l->gen : 1, err);
	if (rc == 0 && !l->known)
		rc = dek_wrap(&l->secrets.dek, s->keks, uuid, dek, err);
	if (rc == 0)
		rc = secret_set_put(
			&set, "admin", a->password->data, a->password->len, clock_wall_ms());
	if (rc == 0)
		rc = secret_set_seal(&set, &l->secrets.dek, uuid, give, err);
	secret_set_free(&set);
	return rc;
}

/* ---- the job -----------------------------------------------------------------------------------
 */

static void add(struct store_opening *o, struct store_field *fields, const char *name,
	const void *data, size_t len)
{
	if (len)
		fields[o->n_fields++] = (struct store_field){name, {data, len}};
}

static void add_text(
	struct store_opening *o, struct store_field *fields, const char *name, const char *text)
{
	if (given(text))
		add(o, fields, name, text, strlen(text));
}

static int open_it(struct site *s, const struct conf *conf, const struct adoption *a,
	struct looking *l, char *job, struct error *err)
{
	struct uuid uuid;
	struct buf give, dek;
	struct store_field fields[FIELDS_MAX];
	char fqdn[FQDN_MAX + 1] = "", who[WHO_MAX], args[JOB_ARGS_MAX + 1], text[UUID_TEXT_LEN + 1];
	char tags[RULE_TAGS_TEXT_MAX] = "";
	struct answer answer = {0};
	const char *profile = given(a->profile) ? a->profile : conf->worker.default_profile;
	ENSURE(*profile, err, E_CONFIG,
		"profile: name one, or set worker.default_profile in the configuration");
	TRY(args_profile(conf, profile, err));
	uuid_parse(&uuid, a->uuid);
	uuid_text(&uuid, text);
	if (given(a->fqdn))
		TRY(fqdn_set(fqdn, a->fqdn, err));
	for (size_t i = 0; given(a->tags) && a->tags[i]; i++)
		tags[i] = a->tags[i] == ',' ? ' ' : a->tags[i];
	snprintf(args, sizeof args, "%s%s%s", a->plain ? "plain" : "",
		given(a->fingerprint) ? " fingerprint=" : "",
		given(a->fingerprint) ? a->fingerprint : "");
	struct store_opening o = {.uuid = text,
		.kind = JOB_ADOPT,
		.args = args,
		.addr = given(a->addr) ? a->addr : NULL,
		.who = site_who(who, sizeof who),
		.fields = fields};
	buf_init(&give, SEAL_BLOB_MAX);
	buf_init(&dek, SEAL_BLOB_MAX);
	int rc = seal(s, &uuid, a, l, &give, &dek, err);
	o.give = (struct store_blob){give.data, give.len};
	add(&o, fields, "dek", dek.data, dek.len);
	add_text(&o, fields, "fqdn", fqdn);
	add_text(&o, fields, "profile", profile);
	add_text(&o, fields, "ou", a->ou);
	add_text(&o, fields, "tags", tags);
	add_text(&o, fields, "told", a->told);
	if (rc == 0)
		rc = site_wait(s, store_job_open(s->store, &o, job, site_answered, &answer, err),
			&answer, err);
	buf_free(&give);
	buf_free(&dek);
	return rc;
}

int adopt_one(struct site *s, const struct conf *conf, const struct adoption *a,
	char job[static UUID_TEXT_LEN + 1], struct error *err)
{
	struct looking l = {0};
	TRY(adopt_check(a, err));
	int rc = look(s, a->uuid, &l, err);
	if (rc == 0)
		rc = open_it(s, conf, a, &l, job, err);
	device_secrets_free(&l.secrets);
	if (rc == E_STATE && !l.addressed && !given(a->addr))
		error_set(err, rc, "no address of the device is known: give addr=");
	else if (rc == E_STATE)
		site_why_refused(s, a->uuid, err);
	return rc;
}

/* ---- the command -------------------------------------------------------------------------------
 */

static int read_words(struct adoption *a, char *const *words, size_t n, struct error *err)
{
	const struct {
		const char *name;
		const char **to;
	} rows[] = {{"addr=", &a->addr}, {"name=", &a->fqdn}, {"profile=", &a->profile},
		{"ou=", &a->ou}, {"tags=", &a->tags}, {"fingerprint=", &a->fingerprint}};
	for (size_t i = 0; i < n; i++) {
		size_t k = 0, n_rows = sizeof rows / sizeof rows[0];
		while (k < n_rows && strncmp(words[i], rows[k].name, strlen(rows[k].name)) != 0)
			k++;
		if (k < n_rows)
			*rows[k].to = words[i] + strlen(rows[k].name);
		else if (strcmp(words[i], "plain") == 0)
			a->plain = true;
		else
			return error_set(err, E_CONFIG,
				"\"%.60s\": adopt takes addr= name= profile= ou= tags= "
				"fingerprint= and plain; the password never on the command line",
				words[i]);
	}
	return 0;
}

static int read_password(struct secret *out, const char *file, struct error *err)
{
	return file ? secret_read_file(out, file, PASSWORD_AMT_MAX, err)
		    : command_ask(out, "admin password of the device", err);
}

int command_adopt(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s = {0};
	struct secret password = {0};
	struct adoption a = {.uuid = line->args[0], .password = &password};
	char job[UUID_TEXT_LEN + 1] = "";
	int rc = read_words(&a, line->args + 1, line->n_args - 1, &err);
	if (rc == 0)
		rc = check_words(&a, &err);
	if (rc == 0)
		rc = read_password(&password, line->password_file, &err);
	if (rc == 0)
		rc = adopt_check(&a, &err);
	if (rc == 0) {
		rc = site_open(&s, conf, &err);
		if (rc == 0)
			rc = site_load_keks(&s, conf, &err);
		if (rc == 0)
			rc = adopt_one(&s, conf, &a, job, &err);
		site_close(&s);
	}
	secret_free(&password);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(json_pack("{s:s, s:s}", "job", job, "device", a.uuid));
	printf("opened job %s\n", job);
	return COMMAND_OK;
}
