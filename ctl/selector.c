/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/selector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/addr.h"

/* ---- what a term means ----------------------------------------------------------------------- */

static bool fits_text(const char *have, const char *want)
{
	return strcmp(have, want) == 0;
}

static bool fits_state(const struct store_device *d, const char *want)
{
	return fits_text(d->state, want);
}

static bool fits_profile(const struct store_device *d, const char *want)
{
	return fits_text(d->profile, want);
}

static bool fits_error(const struct store_device *d, const char *want)
{
	return fits_text(d->err, want);
}

static bool fits_wave(const struct store_device *d, const char *want)
{
	return fits_text(d->wave, want);
}

static bool fits_tag(const struct store_device *d, const char *want)
{
	size_t len = strlen(want);
	for (const char *at = d->tags; *at; at += strspn(at, " ,")) {
		size_t word = strcspn(at, " ,");
		if (word == len && strncmp(at, want, len) == 0)
			return true;
		at += word;
	}
	return false;
}

static bool fits_amt(const struct store_device *d, const char *want)
{
	size_t len = strlen(want);
	return strncmp(d->amt, want, len) == 0 && (d->amt[len] == '.' || d->amt[len] == '\0');
}

/* "10.1.0.0/16"; no prefix = this address. */
static int subnet_read(const char *text, struct net_addr *out, size_t *bits, struct error *err)
{
	char host[STORE_ADDR_MAX];
	size_t len = strcspn(text, "/"), n_bytes;
	ENSURE(len < sizeof host, err, E_CONFIG, "%.60s: not an address", text);
	memcpy(host, text, len);
	host[len] = '\0';
	TRY(net_addr_from_host(out, host, 0, err));
	net_addr_bytes(out, &n_bytes);
	char *end = NULL;
	*bits = text[len] ? strtoul(text + len + 1, &end, 10) : n_bytes * 8;
	ENSURE(!(end && (*end || end == text + len + 1)) && *bits <= n_bytes * 8, err, E_CONFIG,
		"%.60s: the prefix is 0 to %zu", text, n_bytes * 8);
	return 0;
}

static bool fits_subnet(const struct store_device *d, const char *want)
{
	struct net_addr net, addr;
	size_t bits, n_net, n_addr;
	if (subnet_read(want, &net, &bits, NULL) < 0 ||
		net_addr_from_host(&addr, d->addr, 0, NULL) < 0)
		return false;
	const uint8_t *a = net_addr_bytes(&net, &n_net), *b = net_addr_bytes(&addr, &n_addr);
	if (n_net != n_addr || memcmp(a, b, bits / 8) != 0)
		return false;
	uint8_t mask = (uint8_t)(0xff00u >> (bits % 8));
	return bits % 8 == 0 || (a[bits / 8] & mask) == (b[bits / 8] & mask);
}

int selector_state(const char *want, struct error *err)
{
	static const char *const states[] = {
		"active", "done", "dead", "cancelled", "unconfigured", "expected"};
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(want, states[i]) == 0)
			return 0;
	return error_set(err, E_CONFIG,
		"state %.60s: one of active, done, dead, cancelled, unconfigured, expected", want);
}

static int check_amt(const char *want, struct error *err)
{
	size_t len = strlen(want);
	bool good = len && strspn(want, "0123456789.") == len && want[0] != '.' &&
		    want[len - 1] != '.' && !strstr(want, "..");
	ENSURE(good, err, E_CONFIG, "amt=%.60s: a release or its begin, as 16 or 16.1.25", want);
	return 0;
}

static int check_subnet(const char *want, struct error *err)
{
	struct net_addr net;
	size_t bits;
	int rc = subnet_read(want, &net, &bits, err);
	return rc < 0 ? error_prefix(err, "subnet=") : 0;
}

static const struct {
	const char *name;
	bool (*fits)(const struct store_device *d, const char *want);
	int (*check)(const char *want, struct error *err); /* NULL: any text may be right */
} keys[] = {{"state", fits_state, selector_state}, {"tag", fits_tag, NULL},
	{"profile", fits_profile, NULL}, {"subnet", fits_subnet, check_subnet},
	{"amt", fits_amt, check_amt}, {"error", fits_error, NULL}, {"wave", fits_wave, NULL}};
#define N_KEYS (sizeof keys / sizeof keys[0])

/* ---- reading --------------------------------------------------------------------------------- */

static int term_read(struct selector *s, const char *word, struct error *err)
{
	size_t len = strcspn(word, "=");
	ENSURE(s->n_terms < SELECTOR_TERMS, err, E_CONFIG, "more than %d terms in a selector",
		SELECTOR_TERMS);
	for (size_t i = 0; word[len] && i < N_KEYS; i++) {
		if (strlen(keys[i].name) != len || strncmp(keys[i].name, word, len) != 0)
			continue;
		if (keys[i].check)
			TRY(keys[i].check(word + len + 1, err));
		s->terms[s->n_terms++] = (struct selector_term){(int)i, word + len + 1};
		return 0;
	}
	return error_set(err, E_CONFIG,
		"\"%.60s\" is no selector: all, a UUID, or state= tag= profile= subnet= amt= "
		"error= wave=",
		word);
}

int selector_parse(
	struct selector *out, char *const *words, size_t n_words, size_t *used, struct error *err)
{
	struct uuid uuid;
	*out = (struct selector){0};
	*used = 1;
	ENSURE(n_words > 0, err, E_CONFIG, "which devices? all, a UUID, or a selector");
	if (uuid_parse(&uuid, words[0]) == 0) {
		out->one = true;
		uuid_text(&uuid, out->uuid);
	}
	if (out->one || strcmp(words[0], "all") == 0) {
		*used += n_words > 1 && strcmp(words[1], "with") == 0;
		return 0;
	}
	for (*used = 0; *used < n_words; (*used)++) {
		if (strcmp(words[*used], "with") == 0) {
			(*used)++;
			break;
		}
		TRY(term_read(out, words[*used], err));
	}
	return 0;
}

bool selector_fits(const struct selector *s, const struct store_device *dev)
{
	if (s->one)
		return strcmp(s->uuid, dev->uuid) == 0;
	for (size_t i = 0; i < s->n_terms; i++)
		if (!keys[s->terms[i].key].fits(dev, s->terms[i].value))
			return false;
	return true;
}

/* ---- finding --------------------------------------------------------------------------------- */

struct search {
	const struct selector *selector;
	selector_fn fn;
	void *arg;
	struct answer answer;
	struct error *err;
	int rc; /* of fn */
};

static void on_device(const struct store_device *dev, const struct error *err, void *arg)
{
	struct search *f = arg;
	if (dev && selector_fits(f->selector, dev))
		f->rc = f->fn(dev, f->arg);
	site_note(&f->answer, err);
}

static int look(struct site *site, const char *uuid, void *arg)
{
	struct search *f = arg;
	f->answer = (struct answer){0};
	int rc = site_wait(site, store_device_get(site->store, uuid, on_device, f, f->err),
		&f->answer, f->err);
	return rc == -ENOENT && !f->selector->one ? 0 : rc < 0 ? rc : f->rc;
}

int selector_each(
	struct site *site, const struct selector *s, selector_fn fn, void *arg, struct error *err)
{
	struct search f = {.selector = s, .fn = fn, .arg = arg, .err = err};
	return s->one ? look(site, s->uuid, &f) : site_each_device(site, look, &f, err);
}

static int collect(const struct store_device *dev, void *arg)
{
	struct selection *out = arg;
	if (out->n == out->room) {
		size_t room = out->room ? out->room * 2 : 256;
		void *more = realloc(out->uuids, room * sizeof *out->uuids);
		if (!more)
			return -ENOMEM;
		out->uuids = more;
		out->room = room;
	}
	memcpy(out->uuids[out->n++], dev->uuid, sizeof dev->uuid);
	return 0;
}

int selector_collect(
	struct site *site, const struct selector *s, struct selection *out, struct error *err)
{
	*out = (struct selection){0};
	return selector_each(site, s, collect, out, err);
}
