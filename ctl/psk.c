/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster psk import | add | list | delete: the PID/PPS pairs for devices before AMT 11. A PPS comes
 * from a file that only its owner may read, or from standard input, never from the command line; it
 * is stored sealed and never shown. SPEC: psk.md 1, 3, 5
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/crypto/password.h"
#include "ctl/command.h"
#include "ctl/site.h"
#include "proto/psk.h"

#define FILE_MAX      (64 << 20) /* bytes of a CSV file: half a million pairs */
#define DEFAULT_LIMIT 1000       /* rows of a list for people */
#define WHO_MAX       320

/* One pair as given. */
struct pair {
	char pid[PSK_PID_LEN + 1];
	struct secret pps, mebx;
};

static void pair_free(struct pair *p)
{
	secret_free(&p->pps);
	secret_free(&p->mebx);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int read_part(enum psk_kind kind, const char *text, size_t len, char *out, struct error *err)
{
	static const char *const names[] = {[PSK_PID] = "PID", [PSK_PPS] = "PPS"};
	static const int lengths[] = {[PSK_PID] = PSK_PID_LEN, [PSK_PPS] = PSK_PPS_LEN};
	unsigned group;
	switch (psk_read(kind, text, len, out, &group)) {
	case PSK_OK: return 0;
	case PSK_CHARSET:
		return error_set(err, E_CONFIG, "%s: only 0-9 and A-Z may stand in it (charset)",
			names[kind]);
	case PSK_LENGTH:
		return error_set(err, E_CONFIG, "%s: it has not %d characters (length)",
			names[kind], lengths[kind]);
	default:
		return error_set(err, E_CONFIG, "%s: group %u has a wrong check character (check)",
			names[kind], group);
	}
}

static int read_pps(struct pair *p, const char *text, size_t len, struct error *err)
{
	char pps[PSK_PPS_LEN + 1];
	int rc = read_part(PSK_PPS, text, len, pps, err);
	if (rc == 0)
		rc = secret_set(&p->pps, pps, PSK_PPS_LEN);
	explicit_bzero(pps, sizeof pps);
	return rc;
}

static int read_mebx(struct pair *p, const char *text, size_t len, struct error *err)
{
	if (len == 0)
		return 0;
	ENSURE(len <= PASSWORD_AMT_MAX, err, E_CONFIG, "MEBx password: more than %d characters",
		PASSWORD_AMT_MAX);
	return secret_set(&p->mebx, text, len);
}

/* "pid,pps[,mebx password to the end of the line]" */
static int read_line(struct pair *p, const char *line, size_t len, struct error *err)
{
	const char *end = line + len, *pps = memchr(line, ',', len);
	ENSURE(pps, err, E_CONFIG, "not PID,PPS or PID,PPS,PASSWORD");
	TRY(read_part(PSK_PID, line, (size_t)(pps - line), p->pid, err));
	pps++;
	const char *mebx = memchr(pps, ',', (size_t)(end - pps));
	TRY(read_pps(p, pps, (size_t)((mebx ? mebx : end) - pps), err));
	return mebx ? read_mebx(p, mebx + 1, (size_t)(end - mebx - 1), err) : 0;
}

/* Call fn for every line of a file with a pair; the error names file and line. */
static int each_line(const char *path, const struct secret *text,
	int (*fn)(struct pair *p, void *arg, struct error *err), void *arg, struct error *err)
{
	const char *at = secret_text(text), *end = at + text->len;
	bool headed = false;
	for (unsigned n = 1; at < end; n++) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((eol ? eol : end) - at);
		const char *line = at;
		struct pair p = {0};
		at = eol ? eol + 1 : end;
		if (len && line[len - 1] == '\r')
			len--;
		if (len == 0 || line[0] == '#')
			continue;
		int rc = 0;
		if (headed)
			rc = read_line(&p, line, len, err);
		else if (len < 7 || strncmp(line, "pid,pps", 7) != 0)
			rc = error_set(err, E_CONFIG,
				"the first line must be pid,pps or pid,pps,mebx_password");
		if (rc == 0 && headed)
			rc = fn(&p, arg, err);
		headed = true;
		pair_free(&p);
		if (rc < 0)
			return error_prefix(err, "%s:%u", path, n);
	}
	ENSURE(headed, err, E_CONFIG, "%s: it is empty", path);
	return 0;
}

/* ---- storing -----------------------------------------------------------------------------------
 */

struct put {
	struct answer answer;
	struct site *site;
	const struct pair *pair;
	bool there;        /* a pair with this PID is stored already */
	struct error diff; /* and why it is not the same */
};

/* The seal hides the PPS from Redis: only here two can be compared. */
static int compare(const struct put *p, const struct store_psk *there, struct error *err)
{
	struct secret_set set = {0};
	TRY(psk_open(&set, p->site->keks, there->pid, there->sealed.data, there->sealed.len, err));
	const struct secret *pps = secret_set_get(&set, PSK_SECRET_PPS);
	bool same = pps && secret_equal(pps, &p->pair->pps);
	secret_set_free(&set);
	ENSURE(same, err, E_STATE,
		"PID %s is stored with another PPS (from %s): delete it first if this one is right",
		there->pid, there->source);
	return 0;
}

static void on_put(const struct store_psk *there, const struct error *err, void *arg)
{
	struct put *p = arg;
	p->there = there != NULL;
	if (there)
		compare(p, there, &p->diff);
	site_note(&p->answer, p->diff.code ? &p->diff : err);
}

struct import {
	struct site *site;
	const char *source;
	char who[WHO_MAX];
	uint32_t added, kept;
};

static int store_pair(struct pair *pair, void *arg, struct error *err)
{
	struct import *im = arg;
	struct put put = {.site = im->site, .pair = pair};
	struct secret_set set = {0};
	struct buf blob;
	buf_init(&blob, SEAL_BLOB_MAX);
	int rc = secret_set_put(&set, PSK_SECRET_PPS, pair->pps.data, pair->pps.len, 0);
	if (rc == 0 && pair->mebx.len)
		rc = secret_set_put(&set, PSK_SECRET_MEBX, pair->mebx.data, pair->mebx.len, 0);
	if (rc == 0)
		rc = psk_seal(&set, im->site->keks, pair->pid, &blob, err);
	if (rc == 0)
		rc = site_wait(im->site,
			store_psk_put(im->site->store, pair->pid,
				(struct store_blob){blob.data, blob.len}, NULL, im->source, im->who,
				on_put, &put, err),
			&put.answer, err);
	secret_set_free(&set);
	buf_free(&blob);
	if (rc == 0)
		*(put.there ? &im->kept : &im->added) += 1;
	return rc;
}

static int check_pair(struct pair *pair, void *arg, struct error *err)
{
	(void)pair, (void)arg, (void)err;
	return 0;
}

static int open_with_keys(struct site *s, const struct conf *conf, struct error *err)
{
	TRY(site_open(s, conf, err));
	return site_load_keks(s, conf, err);
}

static int report(const struct command_line *line, const struct import *im)
{
	if (line->json)
		return command_print_json(json_pack("{s:I, s:I}", "added", (json_int_t)im->added,
			"kept", (json_int_t)im->kept));
	printf("%u pairs added, %u were there already\n", im->added, im->kept);
	return COMMAND_OK;
}

int command_psk_import(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site site = {0};
	struct secret text = {0};
	struct import im = {.site = &site, .source = line->args[0]};
	site_who(im.who, sizeof im.who);
	int rc = secret_read_file(&text, line->args[0], FILE_MAX, &err);
	if (rc == 0) /* the whole file before the first pair */
		rc = each_line(line->args[0], &text, check_pair, NULL, &err);
	if (rc == 0) {
		rc = open_with_keys(&site, conf, &err);
		if (rc == 0)
			rc = each_line(line->args[0], &text, store_pair, &im, &err);
		site_close(&site);
	}
	secret_free(&text);
	return rc < 0 ? command_fail(&err) : report(line, &im);
}

int command_psk_add(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site site = {0};
	struct pair pair = {0};
	struct secret pps = {0}, mebx = {0};
	struct import im = {.site = &site, .source = "operator"};
	site_who(im.who, sizeof im.who);
	int rc = read_part(PSK_PID, line->args[0], strlen(line->args[0]), pair.pid, &err);
	if (rc == 0)
		rc = command_ask(&pps, "PPS", &err);
	if (rc == 0)
		rc = read_pps(&pair, secret_text(&pps), pps.len, &err);
	if (rc == 0 &&
		command_ask(&mebx, "MEBx password of the key file (empty = unknown)", NULL) == 0)
		rc = read_mebx(&pair, secret_text(&mebx), mebx.len, &err);
	if (rc == 0) {
		rc = open_with_keys(&site, conf, &err);
		if (rc == 0)
			rc = store_pair(&pair, &im, &err);
		site_close(&site);
	}
	secret_free(&pps);
	secret_free(&mebx);
	pair_free(&pair);
	return rc < 0 ? command_fail(&err) : report(line, &im);
}

/* ---- list and delete ---------------------------------------------------------------------------
 */

struct listing {
	const struct command_line *line;
	uint32_t left;
	json_t *rows;
	struct error err;
	struct answer answer; /* of one pair */
};

/* An end that is not a failure: enough rows. */
#define ENOUGH 1

static void on_pair(const struct store_psk *p, const struct error *err, void *arg)
{
	struct listing *l = arg;
	bool wanted = p && (!l->line->state || strcmp(l->line->state, p->state) == 0);
	if (wanted)
		json_array_append_new(
			l->rows, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:I}", "pid",
					 p->pid, "state", p->state, "device", p->uuid, "source",
					 p->source, "added_ms", (json_int_t)p->added_ms, "used_ms",
					 (json_int_t)p->used_ms, "mismatches", (json_int_t)p->bad,
					 "mismatch_device", p->bad_uuid, "mismatch_ms",
					 (json_int_t)p->bad_ms));
	/* deleted meanwhile: no row */
	site_note(&l->answer, err && err->code != -ENOENT ? err : NULL);
}

static int on_pid(struct site *s, const char *pid, void *arg)
{
	struct listing *l = arg;
	l->answer = (struct answer){0};
	TRY(site_wait(s, store_psk_get(s->store, pid, on_pair, l, &l->err), &l->answer, &l->err));
	return json_array_size(l->rows) < l->left ? 0 : ENOUGH;
}

static void print_pairs(const json_t *rows)
{
	static const char *const headings[] = {
		"PID", "STATE", "DEVICE", "SOURCE", "ADDED", "USED", "REMARK"};
	struct table *t = table_new(headings, sizeof headings / sizeof headings[0]);
	size_t i;
	json_t *p;
	json_array_foreach(rows, i, p)
	{
		char added[32], used[32], remark[80] = "", pid[PSK_DASHED_MAX + 1];
		long long bad = json_integer_value(json_object_get(p, "mismatches"));
		psk_with_dashes(site_text(p, "pid"), strlen(site_text(p, "pid")), pid);
		command_ago(added, sizeof added,
			(uint64_t)json_integer_value(json_object_get(p, "added_ms")));
		command_ago(used, sizeof used,
			(uint64_t)json_integer_value(json_object_get(p, "used_ms")));
		if (bad)
			snprintf(remark, sizeof remark, "refused %lld times by %s", bad,
				site_text(p, "mismatch_device"));
		table_row(
			t, (const char *const[]){pid, site_text(p, "state"), site_text(p, "device"),
				   site_text(p, "source"), added, used, remark});
	}
	table_print(t);
}

int command_psk_list(const struct command_line *line, const struct conf *conf)
{
	static const char *const states[] = {"free", "fresh", "used"};
	struct site s;
	struct listing l = {.line = line,
		.left = line->limit ? line->limit : DEFAULT_LIMIT,
		.rows = json_array()};
	size_t known = 0;
	while (line->state && known < 3 && strcmp(line->state, states[known]) != 0)
		known++;
	int rc = known == 3 ? error_set(&l.err, E_CONFIG, "--state %s: one of free, fresh, used",
				      line->state)
			    : 0;
	if (rc < 0) {
		json_decref(l.rows);
		return command_fail(&l.err);
	}
	rc = site_open(&s, conf, &l.err);
	if (rc == 0)
		rc = site_each_psk(&s, on_pid, &l, &l.err);
	site_close(&s);
	if (rc < 0) {
		json_decref(l.rows);
		return command_fail(&l.err);
	}
	if (line->json)
		return command_print_json(l.rows);
	print_pairs(l.rows);
	json_decref(l.rows);
	return COMMAND_OK;
}

int command_psk_delete(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct answer a = {0};
	char pid[PSK_PID_LEN + 1], who[WHO_MAX];
	int rc = read_part(PSK_PID, line->args[0], strlen(line->args[0]), pid, &err);
	if (rc < 0)
		return command_fail(&err);
	rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = site_wait(&s,
			store_psk_delete(
				s.store, pid, site_who(who, sizeof who), site_answered, &a, &err),
			&a, &err);
	site_close(&s);
	if (rc == -ENOENT)
		error_set(&err, rc, "no pair with PID %s is stored", pid);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(json_pack("{s:s}", "deleted", pid));
	printf("PID %s is deleted\n", pid);
	return COMMAND_OK;
}
