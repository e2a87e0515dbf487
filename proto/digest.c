/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See digest.h. One scanner cuts a header value into scheme names and parameters; two tables say
 * which parameters a challenge and an answer have and how long they may be.
 */
#include "proto/digest.h"

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORD_MAX = 31, NC_LEN = 8, MD5_LEN = 16 };

/* ---- scanner -----------------------------------------------------------------------------------
 */

struct cursor {
	const char *at, *end;
};

/* "name=value" or, with value NULL, the name of a scheme. */
struct item {
	const char *name;
	size_t name_len;
	const char *value; /* inside the quotes */
	size_t value_len;
	bool quoted;
};

static void skip_blanks(struct cursor *c, bool commas)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || (commas && *c->at == ',')))
		c->at++;
}

static bool ends_word(char ch)
{
	return ch == ' ' || ch == '\t' || ch == ',' || ch == '"';
}

/* Up to the closing quote; a backslash protects the next character. */
static int scan_quoted(struct cursor *c, struct item *it, struct error *err)
{
	it->quoted = true;
	it->value = ++c->at;
	while (c->at < c->end && *c->at != '"')
		c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
	ENSURE(c->at < c->end, err, E_PARSE, "digest: quoted value without an end");
	it->value_len = (size_t)(c->at - it->value);
	c->at++;
	return 1;
}

/* @return 1 with an item, 0 at the end, or E_PARSE */
static int next_item(struct cursor *c, struct item *it, struct error *err)
{
	*it = (struct item){0};
	skip_blanks(c, true);
	if (c->at == c->end)
		return 0;
	it->name = c->at;
	while (c->at < c->end && *c->at != '=' && !ends_word(*c->at))
		c->at++;
	it->name_len = (size_t)(c->at - it->name);
	ENSURE(it->name_len > 0, err, E_PARSE, "digest: parameter without a name");
	skip_blanks(c, false);
	if (c->at == c->end || *c->at != '=')
		return 1;
	c->at++;
	skip_blanks(c, false);
	it->value = c->at;
	if (c->at < c->end && *c->at == '"')
		return scan_quoted(c, it, err);
	while (c->at < c->end && !ends_word(*c->at))
		c->at++;
	it->value_len = (size_t)(c->at - it->value);
	return 1;
}

static bool name_is(const struct item *it, const char *name)
{
	return it->name_len == strlen(name) && strncasecmp(it->name, name, it->name_len) == 0;
}

/* ---- parameters into fixed fields
 * ---------------------------------------------------------------- */

struct slot {
	const char *name;
	char *out;  /* room for max + 1 */
	size_t max; /* longest accepted value */
	bool seen;
};

/* Control characters are refused: values are echoed into our own header. */
static int store_value(struct slot *s, const struct item *it, struct error *err)
{
	size_t n = 0;
	ENSURE(!s->seen, err, E_PARSE, "digest: %s given twice", s->name);
	s->seen = true;
	for (size_t i = 0; i < it->value_len; i++) {
		if (it->quoted && it->value[i] == '\\' && i + 1 < it->value_len)
			i++;
		unsigned char ch = (unsigned char)it->value[i];
		ENSURE(ch >= 0x20 && ch != 0x7f, err, E_PARSE, "digest: control character in %s",
			s->name);
		ENSURE(n < s->max, err, E_LIMIT, "digest: %s is longer than %zu", s->name, s->max);
		s->out[n++] = (char)ch;
	}
	s->out[n] = '\0';
	return 0;
}

/* Parameters that no slot wants are skipped, as RFC 7616 asks. */
static int store_item(struct slot *slots, size_t n_slots, const struct item *it, struct error *err)
{
	for (size_t i = 0; i < n_slots; i++) {
		if (name_is(it, slots[i].name))
			return store_value(&slots[i], it, err);
	}
	return 0;
}

/* @return 0, or -1 for an algorithm that we do not know (the -sess forms among them) */
static int parse_alg(const char *text, enum digest_alg *out)
{
	if (text[0] == '\0' || strcasecmp(text, "MD5") == 0)
		*out = DIGEST_MD5;
	else if (strcasecmp(text, "SHA-256") == 0)
		*out = DIGEST_SHA256;
	else
		return -1;
	return 0;
}

/* ---- challenge
 * ------------------------------------------------------------------------------------- */

/* The offer is a list in one value: "auth,auth-int". */
static void parse_qop_offer(const char *text, struct digest_challenge *ch)
{
	struct cursor c = {text, text + strlen(text)};
	struct item it;
	while (next_item(&c, &it, NULL) > 0) {
		ch->qop_auth |= name_is(&it, "auth");
		ch->qop_auth_int |= name_is(&it, "auth-int");
	}
}

struct raw_challenge {
	struct digest_challenge *ch;
	char stale[WORD_MAX + 1], qop[WORD_MAX + 1], alg[WORD_MAX + 1];
};

/* Whether the challenge whose parameters have been collected can be answered. */
static bool is_usable(struct raw_challenge *raw)
{
	struct digest_challenge *ch = raw->ch;
	if (ch->nonce[0] == '\0' || parse_alg(raw->alg, &ch->alg) < 0)
		return false;
	ch->stale = strcasecmp(raw->stale, "true") == 0;
	parse_qop_offer(raw->qop, ch);
	return raw->qop[0] == '\0' || ch->qop_auth || ch->qop_auth_int;
}

/* Collect the parameters up to the next scheme. @return 1 when c stands behind another scheme name
 * (put into it), 0 at the end, or an error */
static int collect_challenge(
	struct cursor *c, struct item *it, struct raw_challenge *raw, struct error *err)
{
	struct digest_challenge *ch = raw->ch;
	struct slot slots[] = {
		{"realm", ch->realm, DIGEST_REALM_MAX, false},
		{"nonce", ch->nonce, DIGEST_NONCE_MAX, false},
		{"opaque", ch->opaque, DIGEST_OPAQUE_MAX, false},
		{"stale", raw->stale, WORD_MAX, false},
		{"qop", raw->qop, WORD_MAX, false},
		{"algorithm", raw->alg, WORD_MAX, false},
	};
	int rc;
	while ((rc = next_item(c, it, err)) > 0 && it->value)
		TRY(store_item(slots, sizeof slots / sizeof slots[0], it, err));
	return rc;
}

int digest_parse_challenge(
	struct digest_challenge *out, const char *value, size_t len, struct error *err)
{
	struct cursor c = {value, value + len};
	struct item it;
	ENSURE(len <= DIGEST_HEADER_MAX, err, E_LIMIT, "digest: WWW-Authenticate of %zu bytes",
		len);
	int rc = next_item(&c, &it, err);
	while (rc > 0) {
		if (it.value || !name_is(&it, "Digest")) {
			rc = next_item(&c, &it, err);
			continue;
		}
		*out = (struct digest_challenge){0};
		struct raw_challenge raw = {.ch = out};
		rc = collect_challenge(&c, &it, &raw, err);
		if (rc >= 0 && is_usable(&raw))
			return 0;
	}
	*out = (struct digest_challenge){0};
	TRY(rc);
	return error_set(err, E_REFUSED, "digest: no Digest challenge that we can answer");
}

bool digest_realm_ok(const char *realm)
{
	static const char prefix[] = "Digest:";
	enum { PREFIX_LEN = sizeof prefix - 1, HEX_LEN = 32 };
	if (strlen(realm) != PREFIX_LEN + HEX_LEN || strncmp(realm, prefix, PREFIX_LEN) != 0)
		return false;
	for (const char *p = realm + PREFIX_LEN; *p; p++) {
		if (!isxdigit((unsigned char)*p))
			return false;
	}
	return true;
}

/* ---- hashes
 * --------------------------------------------------------------------------------------- */

struct part {
	const void *data;
	size_t len;
};

static struct part text_part(const char *s)
{
	return (struct part){s, strlen(s)};
}

/* Hash of the parts with a colon between them. @return length of the hash or E_CRYPTO */
static int hash_parts(enum digest_alg alg, const struct part *parts, size_t n,
	uint8_t out[static EVP_MAX_MD_SIZE])
{
	unsigned len = 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ok = md && EVP_DigestInit_ex(md, alg == DIGEST_MD5 ? EVP_md5() : EVP_sha256(), NULL);
	for (size_t i = 0; ok && i < n; i++) {
		if (i > 0)
			ok = EVP_DigestUpdate(md, ":", 1);
		if (ok && parts[i].len > 0)
			ok = EVP_DigestUpdate(md, parts[i].data, parts[i].len);
	}
	ok = ok && EVP_DigestFinal_ex(md, out, &len);
	EVP_MD_CTX_free(md);
	return ok ? (int)len : E_CRYPTO;
}

static int hash_hex(enum digest_alg alg, const struct part *parts, size_t n,
	char out[static DIGEST_HEX_MAX + 1])
{
	uint8_t raw[EVP_MAX_MD_SIZE];
	int len = hash_parts(alg, parts, n, raw);
	TRY(len);
	hex_encode(raw, (size_t)len, out);
	OPENSSL_cleanse(raw, sizeof raw);
	return 0;
}

int digest_ha1(enum digest_alg alg, const char *user, const char *realm, const char *password,
	char out[static DIGEST_HEX_MAX + 1])
{
	struct part parts[] = {text_part(user), text_part(realm), text_part(password)};
	return hash_hex(alg, parts, 3, out);
}

int digest_password(const char *user, const char *realm, const char *password,
	char out[static DIGEST_PASSWORD_LEN + 1])
{
	uint8_t raw[EVP_MAX_MD_SIZE];
	struct part parts[] = {text_part(user), text_part(realm), text_part(password)};
	TRY(hash_parts(DIGEST_MD5, parts, 3, raw));
	EVP_EncodeBlock((unsigned char *)out, raw, MD5_LEN);
	OPENSSL_cleanse(raw, sizeof raw);
	return 0;
}

static const char *qop_name(enum digest_qop qop)
{
	return qop == DIGEST_QOP_AUTH_INT ? "auth-int" : "auth";
}

int digest_response(const struct digest_input *in, char out[static DIGEST_HEX_MAX + 1])
{
	char ha2[DIGEST_HEX_MAX + 1], body[DIGEST_HEX_MAX + 1], nc[NC_LEN + 1];
	struct part parts[6] = {text_part(in->method), text_part(in->uri)};
	size_t n = 2;
	if (in->qop == DIGEST_QOP_AUTH_INT) {
		TRY(hash_hex(in->alg, &(struct part){in->body, in->body_len}, 1, body));
		parts[n++] = text_part(body);
	}
	TRY(hash_hex(in->alg, parts, n, ha2));

	n = 0;
	parts[n++] = text_part(in->ha1);
	parts[n++] = text_part(in->nonce);
	if (in->qop != DIGEST_QOP_NONE) {
		snprintf(nc, sizeof nc, "%08x", in->nc);
		parts[n++] = text_part(nc);
		parts[n++] = text_part(in->cnonce);
		parts[n++] = text_part(qop_name(in->qop));
	}
	parts[n++] = text_part(ha2);
	return hash_hex(in->alg, parts, n, out);
}

/* ---- client
 * ---------------------------------------------------------------------------------------- */

void digest_state_reset(struct digest_state *st)
{
	*st = (struct digest_state){0};
}

int digest_state_challenged(struct digest_state *st, const char *www_authenticate, size_t len,
	bool answered, struct error *err)
{
	struct digest_challenge ch = {0};
	TRY(digest_parse_challenge(&ch, www_authenticate, len, err));

	/* SPEC: wsman.md 3.2: stale or a changed nonce means "again", a refused answer to a nonce
	 * that is still fresh means wrong credentials. */
	bool obey_stale = ch.stale && !st->stale_once;
	bool nonce_changed = strcmp(ch.nonce, st->challenge.nonce) != 0;
	bool retry = !answered || obey_stale || (st->proven && nonce_changed);
	st->stale_once = answered && !st->proven && ch.stale;
	st->challenge = ch;
	st->known = true;
	st->proven = false;
	st->nc = 0;
	return retry ? DIGEST_RETRY : DIGEST_BAD_CREDENTIALS;
}

void digest_state_accepted(struct digest_state *st)
{
	st->proven = true;
	st->stale_once = false;
}

static enum digest_qop choose_qop(const struct digest_challenge *ch, bool prefer_auth_int)
{
	if (ch->qop_auth_int && (prefer_auth_int || !ch->qop_auth))
		return DIGEST_QOP_AUTH_INT;
	return ch->qop_auth ? DIGEST_QOP_AUTH : DIGEST_QOP_NONE;
}

static int add_quoted(struct buf *out, const char *name, const char *value)
{
	TRY(buf_addf(out, "%s=\"", name));
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			TRY(buf_add(out, "\\", 1));
		TRY(buf_add(out, p, 1));
	}
	return buf_adds(out, "\"");
}

static int write_header(struct buf *out, const struct digest_challenge *ch,
	const struct digest_input *in, const char *user, const char *response)
{
	TRY(buf_adds(out, "Digest "));
	TRY(add_quoted(out, "username", user));
	TRY(add_quoted(out, ",realm", ch->realm));
	TRY(add_quoted(out, ",nonce", ch->nonce));
	TRY(add_quoted(out, ",uri", in->uri));
	if (in->qop != DIGEST_QOP_NONE)
		TRY(buf_addf(out, ",qop=%s", qop_name(in->qop)));
	TRY(add_quoted(out, ",response", response));
	if (in->qop != DIGEST_QOP_NONE) {
		TRY(buf_addf(out, ",nc=%08x", in->nc));
		TRY(add_quoted(out, ",cnonce", in->cnonce));
	}
	if (ch->opaque[0])
		TRY(add_quoted(out, ",opaque", ch->opaque));
	if (ch->alg == DIGEST_SHA256)
		TRY(buf_adds(out, ",algorithm=SHA-256"));
	return 0;
}

static int check_text(const char *name, const char *text, size_t max, struct error *err)
{
	ENSURE(strlen(text) <= max, err, E_LIMIT, "digest: %s is longer than %zu", name, max);
	for (const char *p = text; *p; p++)
		ENSURE((unsigned char)*p >= 0x20 && *p != 0x7f, err, E_LIMIT,
			"digest: control character in %s", name);
	return 0;
}

int digest_authorize(struct digest_state *st, const struct digest_request *rq, struct buf *out,
	struct error *err)
{
	char ha1[DIGEST_HEX_MAX + 1], response[DIGEST_HEX_MAX + 1];
	const struct digest_challenge *ch = &st->challenge;
	size_t start = out->len;
	ENSURE(st->known, err, E_STATE, "digest: no challenge to answer");
	TRY(check_text("user", rq->user, DIGEST_USER_MAX, err));
	TRY(check_text("uri", rq->uri, DIGEST_URI_MAX, err));
	TRY(check_text("cnonce", rq->cnonce, DIGEST_CNONCE_MAX, err));

	struct digest_input in = {
		.alg = ch->alg,
		.qop = choose_qop(ch, rq->prefer_auth_int),
		.ha1 = ha1,
		.nonce = ch->nonce,
		.cnonce = rq->cnonce,
		.nc = st->nc + 1,
		.method = rq->method,
		.uri = rq->uri,
		.body = rq->body,
		.body_len = rq->body_len,
	};
	int rc = digest_ha1(ch->alg, rq->user, ch->realm, rq->password, ha1);
	if (rc == 0)
		rc = digest_response(&in, response);
	OPENSSL_cleanse(ha1, sizeof ha1);
	if (rc == 0)
		rc = write_header(out, ch, &in, rq->user, response);
	if (rc < 0) {
		out->len = start;
		return error_set(err, rc, "digest: cannot write the Authorization header");
	}
	st->nc++;
	return 0;
}

/* ---- server side
 * ------------------------------------------------------------------------------------ */

static int parse_qop_answer(const char *text, enum digest_qop *out)
{
	if (text[0] == '\0')
		*out = DIGEST_QOP_NONE;
	else if (strcasecmp(text, "auth") == 0)
		*out = DIGEST_QOP_AUTH;
	else if (strcasecmp(text, "auth-int") == 0)
		*out = DIGEST_QOP_AUTH_INT;
	else
		return -1;
	return 0;
}

static int finish_authorization(struct digest_authorization *a, const char *nc, const char *qop,
	const char *alg, struct error *err)
{
	uint8_t count[NC_LEN / 2];
	ENSURE(a->user[0] && a->nonce[0] && a->uri[0] && a->response[0], err, E_PARSE,
		"digest: username, nonce, uri or response is missing");
	ENSURE(parse_alg(alg, &a->alg) == 0, err, E_PARSE, "digest: unknown algorithm");
	ENSURE(parse_qop_answer(qop, &a->qop) == 0, err, E_PARSE, "digest: unknown qop");
	if (a->qop == DIGEST_QOP_NONE)
		return 0;
	ENSURE(a->cnonce[0], err, E_PARSE, "digest: qop without cnonce");
	ENSURE(hex_decode(nc, strlen(nc), count, sizeof count) == (int)sizeof count, err, E_PARSE,
		"digest: nc is not 8 hex digits");
	for (size_t i = 0; i < sizeof count; i++)
		a->nc = a->nc << 8 | count[i];
	return 0;
}

int digest_parse_authorization(
	struct digest_authorization *out, const char *value, size_t len, struct error *err)
{
	char nc[WORD_MAX + 1] = "", qop[WORD_MAX + 1] = "", alg[WORD_MAX + 1] = "";
	struct slot slots[] = {
		{"username", out->user, DIGEST_USER_MAX, false},
		{"realm", out->realm, DIGEST_REALM_MAX, false},
		{"nonce", out->nonce, DIGEST_NONCE_MAX, false},
		{"uri", out->uri, DIGEST_URI_MAX, false},
		{"cnonce", out->cnonce, DIGEST_CNONCE_MAX, false},
		{"response", out->response, DIGEST_HEX_MAX, false},
		{"nc", nc, WORD_MAX, false},
		{"qop", qop, WORD_MAX, false},
		{"algorithm", alg, WORD_MAX, false},
	};
	struct cursor c = {value, value + len};
	struct item it;
	*out = (struct digest_authorization){0};
	ENSURE(len <= DIGEST_HEADER_MAX, err, E_LIMIT, "digest: Authorization of %zu bytes", len);
	int rc = next_item(&c, &it, err);
	TRY(rc);
	ENSURE(rc > 0 && !it.value && name_is(&it, "Digest"), err, E_REFUSED,
		"digest: Authorization is not Digest");
	while ((rc = next_item(&c, &it, err)) > 0) {
		ENSURE(it.value, err, E_PARSE, "digest: two schemes in one Authorization");
		TRY(store_item(slots, sizeof slots / sizeof slots[0], &it, err));
	}
	TRY(rc);
	return finish_authorization(out, nc, qop, alg, err);
}

bool digest_authorization_ok(const struct digest_authorization *a, const char *ha1,
	const char *method, const void *body, size_t body_len)
{
	char want[DIGEST_HEX_MAX + 1];
	struct digest_input in = {
		.alg = a->alg,
		.qop = a->qop,
		.ha1 = ha1,
		.nonce = a->nonce,
		.cnonce = a->cnonce,
		.nc = a->nc,
		.method = method,
		.uri = a->uri,
		.body = body,
		.body_len = body_len,
	};
	if (digest_response(&in, want) < 0)
		return false;
	size_t len = strlen(want);
	return strlen(a->response) == len && CRYPTO_memcmp(a->response, want, len) == 0;
}
