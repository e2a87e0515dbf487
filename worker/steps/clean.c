/* SPDX-License-Identifier: Apache-2.0 */
/* CLEAN: certificates and keys that nothing refers to, left by interrupted visits. One deletion per
 * turn of a row; a refused one is left alone. SPEC: provisioning.md 4 CLEAN */
#include "worker/steps/steps.h"

static enum build delete_next(
	struct session *s, struct wsman_request *rq, const struct listed *victim)
{
	if (!victim)
		return BUILD_SKIP;
	copy_text(s->o.clean_handle, sizeof s->o.clean_handle, victim->handle);
	return request_delete(s, rq, "InstanceID", s->o.clean_handle);
}

static void forget(struct listed **list, const char *handle)
{
	while (*list && strcmp((*list)->handle, handle) != 0)
		list = &(*list)->next;
	if (*list)
		*list = (*list)->next;
}

/* In use as far as anybody knows: by the credential context, or ours by name or bytes. */
static bool kept(const struct session *s, const struct listed *c)
{
	const struct buf *ours = &s->ck.certificate;
	return c->root || c->readonly || strcmp(c->handle, s->o.context_cert) == 0 ||
	       strcmp(c->handle, s->ck.cert_handle) == 0 ||
	       (ours->len && c->der_len == ours->len && memcmp(c->der, ours->data, ours->len) == 0);
}

/* A key that serves, or will: an earlier visit has made it, and its certificate is still to come.
 */
static bool bound(const struct session *s, const struct listed *key)
{
	const struct buf *ours = &s->ck.public_key;
	if (ours->len && key->der_len == ours->len && memcmp(key->der, ours->data, ours->len) == 0)
		return true;
	for (const struct listed *c = s->o.certs; c; c = c->next)
		if (cert_has_key(c, key->der, key->der_len))
			return true;
	return false;
}

/* Say what the rows that follow delete. A key whose certificate goes here follows it. */
enum build clean_decide_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->o.context_cert[0])
		return BUILD_SKIP;
	for (const struct listed *c = s->o.certs; c; c = c->next)
		if (!kept(s, c))
			setting_report(s, "AMT_PublicKeyCertificate", "InstanceID", c->handle, "");
	for (const struct listed *k = s->o.keys; k; k = k->next)
		if (!bound(s, k))
			setting_report(s, "AMT_PublicPrivateKeyPair", "InstanceID", k->handle, "");
	return BUILD_SKIP;
}

enum build clean_cert_build(struct session *s, struct wsman_request *rq)
{
	if (!s->o.context_cert[0])
		return BUILD_SKIP; /* nobody can say which certificate TLS uses: delete none */
	const struct listed *c = s->o.certs;
	while (c && kept(s, c))
		c = c->next;
	return delete_next(s, rq, c);
}

struct verdict clean_cert_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	forget(&s->o.certs, s->o.clean_handle);
	return v_again(0);
}

enum build clean_key_build(struct session *s, struct wsman_request *rq)
{
	if (s->plan != PLAN_SETUP && !s->o.context_cert[0])
		return BUILD_SKIP; /* as for certificates; in setup nothing is in use yet */
	const struct listed *k = s->o.keys;
	while (k && bound(s, k))
		k = k->next;
	return delete_next(s, rq, k);
}

struct verdict clean_key_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	forget(&s->o.keys, s->o.clean_handle);
	return v_again(0);
}

/* Referenced by something that we do not know, or already gone. */
struct verdict clean_refused(struct session *s, enum wsman_reaction reaction)
{
	if (reaction == WSMAN_REACT_BUSY)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->o.clean_left = true;
	if (s->row->build == clean_cert_build)
		forget(&s->o.certs, s->o.clean_handle);
	else
		forget(&s->o.keys, s->o.clean_handle);
	return v_again(0);
}

/* 802.1x or remote access may have held the old certificate, and use the new one since: look once
 * more. What was written before is compared again on the way. */
enum build clean_again_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->o.clean_left || s->o.cleaned_again)
		return BUILD_SKIP;
	s->o.cleaned_again = true;
	return build_verdict(s, v_goto(STEP_CERT_LIST));
}
