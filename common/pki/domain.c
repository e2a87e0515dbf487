/* SPDX-License-Identifier: Apache-2.0 */
/* See domain.h. Names are looked at in place: a struct span of the text without the final dot. */
#include "common/pki/domain.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t len;
};

/* Top-level domains that decide how many labels of the CN count. SPEC: tls.md 5.3 */
static const char *const two_labels[] = {
	"net", "com", "org", "gov", "edu", "de", "ch", "dk", "cz", "cl", "ua"};
static const char *const three_labels[] = {"arpa", "fr", "cn", "nl", "br", "mx", "uk", "pl", "tw",
	"ca", "fi", "be", "ru", "se", "ar", "es", "no", "at", "in", "tr", "ro", "hu", "nz", "pt",
	"il", "gr", "co", "ie", "za", "th", "sg", "hk", "lt", "id", "hr", "ee", "bg"};

static struct span span_of(const char *text)
{
	struct span s = {text, strlen(text)};
	if (s.len > 0 && s.at[s.len - 1] == '.')
		s.len--;
	return s;
}

static bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

/* The last n labels; all of it when there are fewer. */
static struct span last_labels(struct span s, unsigned n)
{
	size_t at = s.len;
	while (at > 0) {
		if (s.at[at - 1] == '.' && --n == 0)
			break;
		at--;
	}
	return (struct span){s.at + at, s.len - at};
}

static bool in_list(struct span s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (span_equal(s, (struct span){list[i], strlen(list[i])}))
			return true;
	}
	return false;
}

/* The part of the CN that a suffix must end in. */
static struct span zone_of(struct span cn)
{
	struct span tld = last_labels(cn, 1);
	if (in_list(tld, two_labels, sizeof two_labels / sizeof two_labels[0]))
		return last_labels(cn, 2);
	if (in_list(tld, three_labels, sizeof three_labels / sizeof three_labels[0]))
		return last_labels(cn, 3);
	return cn;
}

static bool match_relaxed(struct span cn, struct span suffix)
{
	if (cn.len > 2 && cn.at[0] == '*' && cn.at[1] == '.')
		cn = (struct span){cn.at + 2, cn.len - 2};
	struct span zone = zone_of(cn);
	if (suffix.len <= zone.len)
		return span_equal(suffix, zone);
	size_t extra = suffix.len - zone.len;
	return suffix.at[extra - 1] == '.' &&
	       span_equal((struct span){suffix.at + extra, zone.len}, zone);
}

/* A star counts as the first label, so "*.zone" serves zone. */
static bool match_strict(struct span cn, struct span suffix)
{
	const char *dot = memchr(cn.at, '.', cn.len);
	if (!dot)
		return false;
	size_t head = (size_t)(dot - cn.at) + 1;
	return span_equal((struct span){cn.at + head, cn.len - head}, suffix);
}

bool domain_match(const char *cn, const char *suffix, enum domain_rule rule)
{
	struct span c = span_of(cn), s = span_of(suffix);
	if (c.len == 0 || s.len == 0)
		return false;
	return rule == DOMAIN_STRICT ? match_strict(c, s) : match_relaxed(c, s);
}
