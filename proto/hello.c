/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See hello.h. The message is a row of fields; each field is collected whole and then judged by one
 * function that names the next field. So the rules stand in the order of the specification, and the
 * cut of the stream into calls cannot matter.
 */
#include "proto/hello.h"

#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/psk.h"

#include <string.h>

enum { HEAD_LEN = 24, COUNT_AT = 24, HASHES_AT = 25, ENTRY_HEAD_LEN = 2 };

/* 15 messages per series are documented; longer series are tolerated. SPEC: hello.md 6.1 step 3 */
#define RETRY_MAX 65535u

static const char *const code_names[HELLO_N_CODES] = {
	[HELLO_DONE] = "ok",
	[HELLO_MORE] = "more",
	[HELLO_BAD_ADMIN_FLAG] = "bad_admin_flag",
	[HELLO_UNSUPPORTED_VERSION] = "unsupported_version",
	[HELLO_IMPLAUSIBLE_RETRY] = "implausible_retry",
	[HELLO_BAD_UUID] = "bad_uuid",
	[HELLO_BAD_PID] = "bad_pid",
	[HELLO_NO_HASHES] = "no_hashes",
	[HELLO_BAD_HASH_ALGORITHM] = "bad_hash_algorithm",
	[HELLO_BAD_HASH_LENGTH] = "bad_hash_length",
	[HELLO_TRUNCATED] = "truncated",
	[HELLO_TRAILING_DATA] = "trailing_data",
};

static const struct {
	const char *name;
	uint8_t len;
} algs[] = {
	[HELLO_SHA1] = {"sha1", 20},
	[HELLO_SHA256] = {"sha256", 32},
	[HELLO_SHA384] = {"sha384", 48},
};

enum { N_ALGS = sizeof algs / sizeof algs[0] };

const char *hello_code_name(enum hello_code code)
{
	if ((unsigned)code >= HELLO_N_CODES)
		return "unknown";
	return code_names[code];
}

size_t hello_alg_len(uint8_t alg)
{
	return alg < N_ALGS ? algs[alg].len : 0;
}

const char *hello_alg_name(uint8_t alg)
{
	return alg < N_ALGS && algs[alg].name ? algs[alg].name : "unknown";
}

static uint16_t get_u16(const uint8_t *b)
{
	return (uint16_t)(b[0] | b[1] << 8);
}

static uint32_t get_u32(const uint8_t *b)
{
	return (uint32_t)get_u16(b) | (uint32_t)get_u16(b + 2) << 16;
}

/* ---- one field, one rule ------------------------------------------------------------------- */

enum field { F_ADMIN, F_VERSION, F_RETRY, F_UUID, F_PID, F_COUNT, F_ALG, F_LEN, F_HASH, F_NONE };

/* SPEC: hello.md 6.1 step 1 */
static enum hello_code judge_admin(struct hello_parser *p)
{
	if (get_u16(p->field) > 1)
		return HELLO_BAD_ADMIN_FLAG;
	p->state = F_VERSION;
	return HELLO_MORE;
}

/* SPEC: hello.md 6.1 step 2 */
static enum hello_code judge_version(struct hello_parser *p)
{
	uint16_t version = get_u16(p->field);
	if (version != HELLO_V_PSK && version != HELLO_V_PKI)
		return HELLO_UNSUPPORTED_VERSION;
	p->version = (uint8_t)version;
	p->state = F_RETRY;
	return HELLO_MORE;
}

/* SPEC: hello.md 6.1 step 3 */
static enum hello_code judge_retry(struct hello_parser *p)
{
	if (get_u32(p->field) > RETRY_MAX)
		return HELLO_IMPLAUSIBLE_RETRY;
	p->state = F_UUID;
	return HELLO_MORE;
}

/* SPEC: hello.md 6.1 step 4 */
static enum hello_code judge_uuid(struct hello_parser *p)
{
	unsigned all_or = 0, all_and = 0xff;
	for (size_t i = 0; i < sizeof p->field; i++) {
		all_or |= p->field[i];
		all_and &= p->field[i];
	}
	if (all_or == 0 || all_and == 0xff)
		return HELLO_BAD_UUID;
	uuid_from_wire(&p->uuid, p->field);
	p->have_uuid = true;
	p->state = p->version == HELLO_V_PSK ? F_PID : F_COUNT;
	return HELLO_MORE;
}

/* SPEC: hello.md 6.1 step 5 */
static enum hello_code judge_pid(struct hello_parser *p)
{
	for (size_t i = 0; i < HELLO_PID_LEN; i++) {
		if (!psk_is_char((char)p->field[i]))
			return HELLO_BAD_PID;
	}
	return HELLO_DONE;
}

/* SPEC: hello.md 6.1 step 6 */
static enum hello_code judge_count(struct hello_parser *p)
{
	if (p->field[0] == 0)
		return HELLO_NO_HASHES;
	p->n_left = (uint8_t)(p->field[0] - 1);
	p->state = F_ALG;
	return HELLO_MORE;
}

/* SPEC: hello.md 6.1 step 7 */
static enum hello_code judge_alg(struct hello_parser *p)
{
	if (hello_alg_len(p->field[0]) == 0)
		return HELLO_BAD_HASH_ALGORITHM;
	p->alg = p->field[0];
	p->state = F_LEN;
	return HELLO_MORE;
}

/* SPEC: hello.md 6.1 step 8 */
static enum hello_code judge_len(struct hello_parser *p)
{
	if (p->field[0] != hello_alg_len(p->alg))
		return HELLO_BAD_HASH_LENGTH;
	p->skip = p->field[0];
	p->state = F_HASH;
	return HELLO_MORE;
}

static const struct {
	uint8_t len;
	enum hello_code (*judge)(struct hello_parser *p);
} fields[F_HASH] = {
	[F_ADMIN] = {2, judge_admin},
	[F_VERSION] = {2, judge_version},
	[F_RETRY] = {4, judge_retry},
	[F_UUID] = {16, judge_uuid},
	[F_PID] = {HELLO_PID_LEN, judge_pid},
	[F_COUNT] = {1, judge_count},
	[F_ALG] = {1, judge_alg},
	[F_LEN] = {1, judge_len},
};

/* ---- the parser ------------------------------------------------------------------------------ */

void hello_parser_init(struct hello_parser *p)
{
	*p = (struct hello_parser){.state = F_ADMIN, .code = HELLO_MORE};
}

/* Pass over hash bytes, any value is good. Returns how many were taken. */
static size_t skip_hash(struct hello_parser *p, size_t len)
{
	size_t n = len < p->skip ? len : p->skip;
	p->skip = (uint8_t)(p->skip - n);
	if (p->skip > 0)
		return n;
	if (p->n_left == 0) {
		p->code = HELLO_DONE;
		return n;
	}
	p->n_left--;
	p->state = F_ALG;
	return n;
}

/* Collect bytes of the present field and judge it when it is whole. Returns how many were taken. */
static size_t take_field(struct hello_parser *p, const uint8_t *data, size_t len)
{
	size_t want = (size_t)fields[p->state].len - p->have;
	size_t n = len < want ? len : want;
	memcpy(p->field + p->have, data, n);
	p->have = (uint8_t)(p->have + n);
	if (n == want) {
		p->have = 0;
		p->code = (uint8_t)fields[p->state].judge(p);
	}
	return n;
}

enum hello_code hello_parser_feed(
	struct hello_parser *p, const uint8_t *data, size_t len, size_t *consumed)
{
	size_t at = 0;
	while (at < len && p->code == HELLO_MORE) {
		if (p->state == F_HASH)
			at += skip_hash(p, len - at);
		else
			at += take_field(p, data + at, len - at);
	}
	if (at < len && p->code == HELLO_DONE)
		p->code = HELLO_TRAILING_DATA;
	if (consumed)
		*consumed = at;
	return (enum hello_code)p->code;
}

enum hello_code hello_parser_end(struct hello_parser *p)
{
	if (p->code == HELLO_MORE)
		p->code = HELLO_TRUNCATED;
	return (enum hello_code)p->code;
}

/* ---- decode and encode ------------------------------------------------------------------------
 */

enum hello_code hello_decode(const uint8_t *raw, size_t len, struct hello *out)
{
	struct hello_parser p;
	*out = (struct hello){0};
	hello_parser_init(&p);
	hello_parser_feed(&p, raw, len, NULL);
	enum hello_code code = hello_parser_end(&p);
	if (code != HELLO_DONE)
		return code;

	out->admin_credentials_set = get_u16(raw) == 1;
	out->version = p.version;
	out->retry_count = get_u32(raw + 4);
	out->uuid = p.uuid;
	if (p.version == HELLO_V_PSK) {
		memcpy(out->pid, raw + HEAD_LEN, HELLO_PID_LEN);
		out->pid_check_ok = psk_pid_ok(out->pid, HELLO_PID_LEN);
		return HELLO_DONE;
	}
	out->n_hashes = raw[COUNT_AT];
	out->hashes = raw + HASHES_AT;
	out->hashes_len = len - HASHES_AT;
	return HELLO_DONE;
}

bool hello_next_hash(const struct hello *h, size_t *offset, struct hello_hash *out)
{
	if (*offset + ENTRY_HEAD_LEN > h->hashes_len)
		return false;
	const uint8_t *entry = h->hashes + *offset;
	if (*offset + ENTRY_HEAD_LEN + entry[1] > h->hashes_len)
		return false;
	*out = (struct hello_hash){
		.alg = entry[0], .len = entry[1], .hash = entry + ENTRY_HEAD_LEN};
	*offset += ENTRY_HEAD_LEN + (size_t)entry[1];
	return true;
}

static int encode_hashes(
	struct buf *out, const struct hello_hash *hashes, size_t n_hashes, struct error *err)
{
	ENSURE(n_hashes >= 1 && n_hashes <= HELLO_N_HASHES, err, E_CONFIG,
		"hello: %zu hashes, 1 to %d fit", n_hashes, HELLO_N_HASHES);
	uint8_t count = (uint8_t)n_hashes;
	TRY(buf_add(out, &count, 1));
	for (size_t i = 0; i < n_hashes; i++) {
		ENSURE(hashes[i].len != 0 && hashes[i].len == hello_alg_len(hashes[i].alg), err,
			E_CONFIG, "hello: hash %zu: algorithm %u with %u bytes", i, hashes[i].alg,
			hashes[i].len);
		TRY(buf_add(out, (uint8_t[]){hashes[i].alg, hashes[i].len}, ENTRY_HEAD_LEN));
		TRY(buf_add(out, hashes[i].hash, hashes[i].len));
	}
	return 0;
}

static int encode_whole(struct buf *out, const struct hello *h, const struct hello_hash *hashes,
	size_t n_hashes, struct error *err)
{
	uint8_t head[HEAD_LEN] = {h->admin_credentials_set ? 1 : 0, 0, h->version, 0};
	for (unsigned i = 0; i < 4; i++)
		head[4 + i] = (uint8_t)(h->retry_count >> (8 * i));
	uuid_to_wire(&h->uuid, head + 8);
	TRY(buf_add(out, head, sizeof head));
	if (h->version == HELLO_V_PSK)
		return buf_add(out, h->pid, HELLO_PID_LEN);
	return encode_hashes(out, hashes, n_hashes, err);
}

int hello_encode(struct buf *out, const struct hello *h, const struct hello_hash *hashes,
	size_t n_hashes, struct error *err)
{
	size_t start = out->len;
	struct hello check;
	int rc = encode_whole(out, h, hashes, n_hashes, err);
	if (rc == 0) {
		enum hello_code code = hello_decode(out->data + start, out->len - start, &check);
		if (code != HELLO_DONE)
			rc = error_set(err, E_CONFIG, "hello: would be refused as %s",
				hello_code_name(code));
	}
	if (rc < 0)
		out->len = start;
	return rc;
}

uint32_t hello_elapsed_s(uint32_t retry_count)
{
	static const struct {
		uint32_t retries, pause_s;
	} pauses[] = {{5, 60}, {5, 600}, {5, 3600}};
	uint32_t s = 0;
	for (size_t i = 0; i < sizeof pauses / sizeof pauses[0] && retry_count; i++) {
		uint32_t n = retry_count < pauses[i].retries ? retry_count : pauses[i].retries;
		s += n * pauses[i].pause_s;
		retry_count -= n;
	}
	return s;
}
