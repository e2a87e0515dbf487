/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trusted roots: what consoles, RADIUS and management presence servers end at. The certificates
 * that the device has were listed by CLEAN; what a profile names and is not among them is added,
 * one per turn of the row. The record marks which are ours. Of these the ones that nothing in the
 * profile names any more go at the end, when all that referred to them is written and mutual TLS is
 * as the profile wants it; those of somebody else stay. SPEC: provisioning.md 3 CERT 1, 4;
 * maintenance.md 1
 */
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "common/base/codec.h"
#include "worker/steps/roots.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define MARK_ROOT   "root:"
#define MARK_DIGEST 12 /* bytes of its SHA-256 in the name of its mark */

static const struct secret ours = {.data = (uint8_t *)"ours", .len = 4};

static void mark_name(const struct listed *l, char out[static SECRET_NAME_MAX + 1])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char hex[2 * MARK_DIGEST + 1];
	SHA256(l->der, l->der_len, digest);
	hex_encode(digest, MARK_DIGEST, hex);
	snprintf(out, SECRET_NAME_MAX + 1, MARK_ROOT "%s", hex);
}

/* The root of a file, in the lists arena. Files have been checked with the profile; one that is
 * gone since then is a failure of the visit. @return NULL with s->failure set */
static struct listed *load(struct session *s, const char *path)
{
	unsigned char *der = NULL;
	FILE *f = fopen(path, "re");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	int len = x ? i2d_X509(x, &der) : -1;
	struct listed *l = len > 0 ? arena_alloc(&s->lists, sizeof *l) : NULL;
	uint8_t *copy = l ? arena_alloc(&s->lists, (size_t)len) : NULL;
	if (copy) {
		memcpy(copy, der, (size_t)len);
		*l = (struct listed){.handle = path, .der = copy, .der_len = (size_t)len};
	} else {
		session_set_failure(s, FAIL_DEAD, "no_root",
			"%.200s of profile %s cannot be read as a certificate", path,
			s->profile->name);
	}
	OPENSSL_free(der);
	X509_free(x);
	if (f)
		fclose(f);
	return copy ? l : NULL;
}

/* One file of the profile, unless the same was named before. @return false with s->failure set */
static bool want(struct session *s, const char *path)
{
	if (!path[0] || listed_by_handle(s->o.roots, path))
		return true;
	struct listed *l = load(s, path);
	if (!l)
		return false;
	l->next = s->o.roots;
	s->o.roots = l;
	return true;
}

static bool wanted(struct session *s)
{
	const struct profile *p = s->profile;
	bool ok = want(s, p->wired.state == PROFILE_ON ? p->wired.ieee8021x.root_file : "");
	for (uint32_t i = 0; ok && i < p->tls.n_trusted_roots; i++)
		ok = want(s, p->tls.trusted_roots[i]);
	for (uint32_t i = 0; ok && i < p->wireless.n_profiles; i++)
		ok = want(s, p->wireless.profiles[i].ieee8021x.root_file);
	for (uint32_t i = 0; ok && !cira_lacking(s) && i < p->remote_access.n_servers; i++)
		ok = want(s, p->remote_access.servers[i].root_file);
	return ok;
}

static const struct listed *missing(const struct session *s)
{
	const struct listed *l = s->o.root_refused ? NULL : s->o.roots;
	while (l && listed_by_der(s->o.certs, l->der, l->der_len))
		l = l->next;
	return l;
}

/* The next of ours that no key of the profile names. */
static const struct listed *unwanted(const struct session *s, const struct listed *from)
{
	char name[SECRET_NAME_MAX + 1];
	for (const struct listed *c = from; c; c = c->next) {
		if (!c->root || c->readonly || listed_by_der(s->o.roots, c->der, c->der_len))
			continue;
		mark_name(c, name);
		if (marks_has(s, name, &ours))
			return c;
	}
	return NULL;
}

bool roots_missing(const struct session *s)
{
	return missing(s) != NULL;
}

const char *root_handle(const struct session *s, const char *path)
{
	const struct listed *l = listed_by_handle(s->o.roots, path);
	l = l ? listed_by_der(s->o.certs, l->der, l->der_len) : NULL;
	return l ? l->handle : NULL;
}

const struct wsman_epr *certificate_epr(struct session *s, const char *handle)
{
	struct {
		struct wsman_epr epr;
		struct wsman_selector by_id;
	} *b = handle ? arena_alloc(&s->keep, sizeof *b) : NULL;
	if (!b)
		return NULL;
	b->by_id = (struct wsman_selector){.name = "InstanceID", .text = handle};
	b->epr = (struct wsman_epr){
		.class_name = "AMT_PublicKeyCertificate", .selectors = &b->by_id, .n_selectors = 1};
	return &b->epr;
}

enum build roots_decide_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.roots = NULL;
	s->o.root_refused = NULL;
	if (!wanted(s))
		return build_verdict(s, (struct verdict){.kind = VERDICT_FAIL});
	for (const struct listed *l = s->o.roots; l; l = l->next)
		if (!listed_by_der(s->o.certs, l->der, l->der_len))
			setting_report(
				s, "AMT_PublicKeyCertificate", "X509Certificate", "", l->handle);
	for (const struct listed *c = unwanted(s, s->o.certs); c; c = unwanted(s, c->next))
		setting_report(s, "AMT_PublicKeyCertificate", "X509Certificate", c->handle, "");
	return BUILD_SKIP;
}

enum build root_add_build(struct session *s, struct wsman_request *rq)
{
	const struct listed *l = missing(s);
	if (!l)
		return BUILD_SKIP;
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	const char *blob = request_base64(s, l->der, l->der_len);
	char name[SECRET_NAME_MAX + 1];
	if (!p || !blob)
		return build_nomem(s);
	mark_name(l, name);
	marks_set(s, name, &ours); /* before it is sent: an answer may be lost */
	*p = WSMAN_TEXT("CertificateBlob", blob);
	rq->op = WSMAN_INVOKE;
	rq->method = "AddTrustedRootCertificate";
	rq->params = p;
	rq->n_params = 1;
	return BUILD_SEND;
}

struct verdict root_add_read(struct session *s, const struct wsman_message *m)
{
	const struct listed *l = missing(s);
	const char *handle = wsman_node_selector(
		wsman_node_child(m->payload, "CreatedCertificate"), "InstanceID");
	struct listed *have = handle ? arena_alloc(&s->lists, sizeof *have) : NULL;
	if (!have || !(have->handle = arena_strdup(&s->lists, handle)))
		return v_fail(s, FAIL_RETRY, "bad_answer",
			"AddTrustedRootCertificate does not tell what it created");
	have->der = l->der;
	have->der_len = l->der_len;
	have->root = true;
	have->next = s->o.certs;
	s->o.certs = have;
	return v_again(0);
}

/* Somebody has added it since it was listed, or our answer was lost: look again. What will not be
 * better next time ends the job, but not before mutual TLS is as the profile wants it. */
struct verdict root_add_refused(struct session *s, uint32_t rv)
{
	char name[SECRET_NAME_MAX + 1];
	if (look_again(s, rv))
		return v_goto(STEP_CERT_LIST);
	mark_name(missing(s), name);
	marks_clear(s, name);
	if (rv == WSMAN_RV_NOT_PERMITTED)
		s->o.root_refused = "the device does not permit it; an auditor may own its keys";
	else if (rv == WSMAN_RV_MAX_LIMIT_REACHED)
		s->o.root_refused = "the device has no room for another trusted root";
	else
		return (struct verdict){.kind = VERDICT_FAIL};
	return v_goto(STEP_MUTUAL_GET);
}

/* ---- removal -----------------------------------------------------------------------------------
 */

static struct verdict delete_done(struct session *s)
{
	struct listed **at = &s->o.certs;
	const struct listed *gone = unwanted(s, s->o.certs);
	while (*at && *at != gone)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	return v_again(0);
}

enum build root_delete_build(struct session *s, struct wsman_request *rq)
{
	const struct listed *c = unwanted(s, s->o.certs);
	return c ? request_delete(s, rq, "InstanceID", c->handle) : BUILD_SKIP;
}

struct verdict root_delete_read(struct session *s, const struct wsman_message *m)
{
	char name[SECRET_NAME_MAX + 1];
	(void)m;
	mark_name(unwanted(s, s->o.certs), name);
	struct verdict v = delete_done(s);
	marks_clear(s, name);
	return v;
}

/* Something that no profile of ours knows refers to it, or it is gone. The next visit looks again.
 */
struct verdict root_delete_fault(struct session *s, enum wsman_reaction reaction)
{
	return reaction == WSMAN_REACT_BUSY ? (struct verdict){.kind = VERDICT_FAIL}
					    : delete_done(s);
}
