/* SPDX-License-Identifier: Apache-2.0 */
/* Digest login of a device; see auth.h. */
#include "bench/sim/auth.h"

#include "bench/sim/classes/acl.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "proto/digest.h"

#include <stdio.h>
#include <string.h>

/* SPEC: wsman.md 3.3: ten failures, then 5 s growing to 80 s. */
#define FAILURES_FREE    10
#define LOCK_FIRST_MS    5000
#define LOCK_DOUBLES_MAX 4

static struct dev_nonce *find_nonce(struct device *d, const char *text)
{
	for (size_t i = 0; i < DEVICE_NONCES; i++)
		if (d->nonces[i].text[0] && strcmp(d->nonces[i].text, text) == 0)
			return &d->nonces[i];
	return NULL;
}

void auth_failed(struct device *d)
{
	d->n_logins_bad++;
	if (d->n_logins_bad < FAILURES_FREE)
		return;
	unsigned doubles = d->n_logins_bad - FAILURES_FREE;
	if (doubles > LOCK_DOUBLES_MAX)
		doubles = LOCK_DOUBLES_MAX;
	d->locked_until_ms =
		clock_boot_ms() +
		(uint64_t)laws_compressed(d->laws, (double)((uint64_t)LOCK_FIRST_MS << doubles));
}

void auth_failures(struct device *d, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		auth_failed(d);
}

bool auth_locked(const struct device *d)
{
	return clock_boot_ms() < d->locked_until_ms;
}

bool auth_may(uint32_t realms, enum auth_realm realm)
{
	return (realms >> realm | realms >> REALM_ADMINISTRATION) & 1u;
}

bool auth_user(const struct device *d, const char *user, uint8_t ha1[static 16], uint32_t *realms)
{
	*realms = UINT32_MAX; /* the administrator has them all */
	const uint8_t *kept = d->ha1;
	if (strcmp(user, "admin") != 0) {
		const struct acl_entry *e = acl_by_user(d, user);
		if (!e || e->kind != ACL_DIGEST || e->access == ACL_ACCESS_LOCAL)
			return false;
		*realms = e->realms;
		kept = e->ha1;
	}
	memcpy(ha1, kept, sizeof d->ha1);
	return true;
}

enum auth_result auth_check(struct device *d, struct auth_request *rq, const char **why)
{
	struct digest_authorization a;
	struct error err;
	*why = "none";
	if (!rq->header)
		return AUTH_CHALLENGE;
	*why = "malformed";
	if (digest_parse_authorization(&a, rq->header, strlen(rq->header), &err) < 0)
		return AUTH_CHALLENGE;
	*why = "locked";
	if (auth_locked(d))
		return AUTH_LOCKED;
	struct dev_nonce *nonce = find_nonce(d, a.nonce);
	*why = "unknown_nonce";
	if (!nonce)
		return AUTH_CHALLENGE;
	uint8_t kept[16] = {0};
	char ha1[33];
	bool known = auth_user(d, a.user, kept, &rq->realms);
	hex_encode(kept, sizeof kept, ha1);
	bool qop =
		a.qop == DIGEST_QOP_AUTH || (a.qop == DIGEST_QOP_AUTH_INT && d->as->http.auth_int);
	*why = "credentials";
	if (!known || strcmp(a.realm, d->realm) != 0 || strcmp(a.uri, rq->uri) != 0 || !qop ||
		a.alg != DIGEST_MD5 ||
		!digest_authorization_ok(&a, ha1, rq->method, rq->body, rq->body_len)) {
		auth_failed(d);
		return AUTH_BAD;
	}
	*why = "replayed_nc";
	if (a.nc <= nonce->nc)
		return AUTH_CHALLENGE;
	nonce->nc = a.nc;
	nonce->uses++;
	if (d->as->http.nonce_uses && nonce->uses >= d->as->http.nonce_uses)
		*nonce = (struct dev_nonce){.nc = 0}; /* forgotten: the next login is challenged */
	d->n_logins_bad = 0;
	d->locked_until_ms = 0;
	*why = "ok";
	return AUTH_OK;
}

void auth_challenge(struct device *d, struct buf *out)
{
	struct dev_nonce *n = &d->nonces[d->nonce_at++ % DEVICE_NONCES];
	uint8_t raw[18];
	char hex[2 * sizeof raw + 1];
	rng_bytes(&d->draws[DRAW_NONCE], raw, sizeof raw);
	hex_encode(raw, sizeof raw, hex);
	*n = (struct dev_nonce){.nc = 0};
	snprintf(n->text, sizeof n->text, "%s", hex);
	(void)buf_addf(out,
		"WWW-Authenticate: Digest realm=\"%s\", "
		"nonce=\"%s\",stale=\"false\",qop=\"%s\"\r\n",
		d->realm, n->text, d->as->http.auth_int ? "auth,auth-int" : "auth");
}

void auth_reset(struct device *d)
{
	memset(d->nonces, 0, sizeof d->nonces);
}
