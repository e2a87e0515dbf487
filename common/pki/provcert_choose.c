/* SPDX-License-Identifier: Apache-2.0 */
/* Which of our chains a device may accept. SPEC: tls.md 4.3, 5.3, 5.4 */
#include "common/pki/provcert_priv.h"

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/pki/domain.h"

#include <stdio.h>
#include <string.h>

/* From this release on no SHA-1 and no short key anywhere in the chain. 15.0 is split (H yes,
 * others no), so there a chain without them is only preferred. SPEC: tls.md 5.4 */
enum { AMT_NO_SHA1 = 16 };

/* From this release on RSA 2048 and SHA-256 are "deprecated": what that means no device has shown
 * yet, so such a chain stays behind, not out. SPEC: tls.md 5.4 */
enum { AMT_WANTS_NEW = 22 };

static bool root_is_listed(const struct provcert *pc, const struct hello *hello)
{
	struct hello_hash entry;
	size_t at = 0, len;
	while (hello_next_hash(hello, &at, &entry)) {
		const uint8_t *ours = provcert_root_hash(pc, entry.alg, &len);
		if (ours && len == entry.len && memcmp(ours, entry.hash, len) == 0)
			return true;
	}
	return false;
}

static bool is_usable(const struct provcert *pc, const struct provcert_want *want)
{
	if (!pc->complete || pc->not_after_s < want->now_s)
		return false;
	return want->amt_major < AMT_NO_SHA1 || (!pc->has_sha1 && !pc->has_weak);
}

static bool domain_fits(const struct provcert *pc, const struct provcert_want *want)
{
	bool strict = want->amt_major != 0 &&
		      (want->amt_major < 2 || (want->amt_major == 2 && want->amt_minor < 6));
	const char *suffix = want->suffix;
	if ((!suffix || !suffix[0]) && want->fqdn) {
		const char *dot = strchr(want->fqdn, '.');
		suffix = dot ? dot + 1 : NULL;
	}
	return suffix && domain_match(pc->cn, suffix, strict ? DOMAIN_STRICT : DOMAIN_RELAXED);
}

/* By its version, or because its list knows SHA-384 only. */
static bool wants_new(const struct provcert_want *want)
{
	struct hello_hash entry;
	size_t at = 0;
	bool only384 = want->hello && want->hello->n_hashes > 0;
	while (only384 && hello_next_hash(want->hello, &at, &entry))
		only384 = entry.alg == HELLO_SHA384;
	return only384 || want->amt_major >= AMT_WANTS_NEW;
}

/* Whether a is the better choice. Equal ones keep the order of the configuration. */
static bool is_better(
	const struct provcert *a, const struct provcert *b, const struct provcert_want *want)
{
	bool fits_a = domain_fits(a, want), fits_b = domain_fits(b, want);
	if (a->has_sha1 != b->has_sha1)
		return !a->has_sha1;
	if (a->not_new != b->not_new && wants_new(want))
		return !a->not_new;
	if (fits_a != fits_b)
		return fits_a;
	if (a->not_after_s != b->not_after_s)
		return a->not_after_s > b->not_after_s;
	return a->n < b->n;
}

/* Twelve digits tell roots apart in a message of one line; the full lists are in
 * provcert_describe_mismatch(). */
enum { SHORT_HEX = 12 };

static void add_short(char *text, size_t size, const uint8_t *hash)
{
	char hex[SHORT_HEX + 1];
	size_t at = strlen(text);
	hex_encode(hash, SHORT_HEX / 2, hex);
	if (at + SHORT_HEX + 2 <= size)
		snprintf(text + at, size - at, "%s%s", at ? " " : "", hex);
}

static int explain_unlisted(
	const struct provcert *const *certs, size_t n, const struct hello *hello, struct error *err)
{
	char ours[80] = "", theirs[140] = "";
	struct hello_hash entry;
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		if (certs[i]->complete)
			add_short(ours, sizeof ours, certs[i]->root_hash[HELLO_SHA256]);
	}
	while (hello_next_hash(hello, &at, &entry))
		add_short(theirs, sizeof theirs, entry.hash);
	return error_set(err, E_CONFIG,
		"no provisioning root is in the device's list of %u: ours (sha256) %s; device's %s",
		hello->n_hashes, ours, theirs);
}

int provcert_choose(const struct provcert *const *certs, size_t n, const struct provcert_want *want,
	size_t *order, struct error *err)
{
	size_t n_listed = 0, n_order = 0;
	ENSURE(n > 0, err, E_CONFIG, "no provisioning certificate is configured");
	for (size_t i = 0; i < n; i++) {
		if (want->hello && !root_is_listed(certs[i], want->hello))
			continue;
		n_listed++;
		if (!is_usable(certs[i], want))
			continue;
		size_t at = n_order++;
		for (; at > 0 && is_better(certs[i], certs[order[at - 1]], want); at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	if (n_order > 0)
		return (int)n_order;
	if (n_listed == 0)
		return explain_unlisted(certs, n, want->hello, err);
	return error_set(err, E_CONFIG,
		"%zu provisioning chains fit the device's list but none may be used: expired, "
		"incomplete, or SHA-1 or a short key for AMT %u",
		n_listed, want->amt_major);
}

static int add_line(struct buf *out, uint8_t alg, const uint8_t *hash, size_t len)
{
	char hex[2 * HELLO_HASH_MAX + 1];
	hex_encode(hash, len, hex);
	return buf_addf(out, "%s %s\n", hello_alg_name(alg), hex);
}

int provcert_describe_mismatch(
	struct buf *out, const struct provcert *const *certs, size_t n, const struct hello *hello)
{
	struct hello_hash entry;
	size_t at = 0, len;
	TRY(buf_adds(out, "our roots:\n"));
	for (size_t i = 0; i < n; i++) {
		for (unsigned alg = HELLO_SHA1; alg <= HELLO_SHA384; alg++) {
			const uint8_t *hash = provcert_root_hash(certs[i], (uint8_t)alg, &len);
			if (hash)
				TRY(add_line(out, (uint8_t)alg, hash, len));
		}
	}
	TRY(buf_adds(out, "device's list:\n"));
	while (hello_next_hash(hello, &at, &entry))
		TRY(add_line(out, entry.alg, entry.hash, entry.len));
	return 0;
}
