/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MUTUAL and COMMIT_B: whom the remote TLS port lets in. The settings are read, compared, written
 * as any other; they are staged until the commit, and staged ones look like committed ones, so the
 * record remembers with a mark that a commit is due. After it the port restarts: a new connection,
 * with the certificate of worker.console where the device asks for one. A device that lets in only
 * known consoles takes no new root, so it is opened for that. SPEC: provisioning.md 4 MUTUAL;
 * ruling 19
 */
#include "worker/console.h"
#include "worker/steps/roots.h"
#include "worker/steps/steps.h"
#include "worker/worker.h"

#define MARK_COMMIT "commit due"
#define CLASS       "AMT_TLSSettingData"
#define NO_CLEAR    "NonSecureConnectionsSupported"

static const struct secret due = {.data = (uint8_t *)"due", .len = 3};

/* What setup itself has written needs no look in that job. */
bool tls_asked(const struct session *s)
{
	return s->profile->tls.mutual || s->profile->tls.clear_ports || s->kind != JOB_SETUP ||
	       marks_has(s, MARK_COMMIT, &due);
}

void tls_note(struct session *s, const struct wsman_node *have)
{
	bool on;
	s->o.tls_locked = wsman_node_bool(have, "MutualAuthentication", &on) == 0 && on;
	s->o.tls_fixed = wsman_node_child(have, NO_CLEAR) != NULL;
	if (s->o.tls_fixed && s->profile->tls.clear_ports)
		setting_not_here(
			s, CLASS, "AcceptNonSecureConnections", "no clear ports from AMT 16.1 on");
}

void tls_wish(struct wishes *w)
{
	const struct profile_tls *t = &w->s->profile->tls;
	bool mutual = t->mutual && (w->s->dry || !roots_missing(w->s));
	wish_bool(w, "MutualAuthentication", mutual);
	wish_list(w, "TrustedCN", t->trusted_cns[0], sizeof t->trusted_cns[0],
		mutual ? t->n_trusted_cns : 0);
	if (!w->s->o.tls_fixed)
		wish_bool(w, "AcceptNonSecureConnections", t->clear_ports);
}

/* The root that our own certificate ends at is on the device: it was listed, or has been added. */
static bool known_to_device(const struct session *s)
{
	const struct listed *l = s->o.certs;
	while (l && !console_ends_at(s->w->env.console, l->der, l->der_len))
		l = l->next;
	return l != NULL;
}

static enum build fail_root(struct session *s)
{
	return build_fail(s, FAIL_DEAD, "root_refused", "a trusted root cannot be added: %s",
		s->o.root_refused);
}

/* Nothing is told to the device that would lock us out. */
static enum build may_lock(struct session *s)
{
	struct error err = {0};
	if (!s->profile->tls.mutual)
		return BUILD_SEND;
	if (console_fits(s->w->env.console, s->profile, &err) < 0)
		return build_fail(s, FAIL_DEAD, "no_console", "%s", err.text);
	if (roots_missing(s) || known_to_device(s))
		return BUILD_SEND;
	if (s->o.root_refused)
		return fail_root(s);
	return build_fail(s, FAIL_DEAD, "no_console",
		"the device has not the root that the certificate of worker.console ends at");
}

enum build tls_mutual_build(struct session *s, struct wsman_request *rq)
{
	enum build b = setting_put_build(s, rq);
	if (b == BUILD_SEND)
		b = may_lock(s);
	if (b == BUILD_SEND)
		marks_set(s, MARK_COMMIT, &due);
	return b;
}

enum build commit_b_build(struct session *s, struct wsman_request *rq)
{
	if (!marks_has(s, MARK_COMMIT, &due))
		return BUILD_SKIP;
	rq->op = WSMAN_INVOKE;
	rq->method = "CommitChanges";
	s->committed = true;
	s->o.reconnect = true;
	return BUILD_SEND;
}

struct verdict commit_b_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return v_next();
}

enum build reconnect_b_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->o.reconnect)
		return BUILD_SKIP;
	s->connect_tries = 0;
	return BUILD_SEND;
}

/* The device has let us in anew: the commit is done. A crash before this repeats it, which a device
 * with nothing staged takes as well. */
enum build committed_b_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (s->o.reconnect)
		marks_clear(s, MARK_COMMIT);
	s->o.reconnect = false;
	return s->o.root_refused ? fail_root(s) : BUILD_SKIP;
}

/* ---- a device under mutual TLS takes no root: off, add it, on. SPEC: maintenance.md 2.3 --------
 */

enum build unlock_get_build(struct session *s, struct wsman_request *rq)
{
	s->o.tls_locked = false;
	return s->dry || !roots_missing(s) ? BUILD_SKIP : setting_get_build(s, rq);
}

enum build unlock_put_build(struct session *s, struct wsman_request *rq)
{
	return s->o.tls_locked ? tls_mutual_build(s, rq) : BUILD_SKIP;
}

/* Also for a Put of an earlier visit, which looks as if it were committed. */
enum build unlock_commit_build(struct session *s, struct wsman_request *rq)
{
	return roots_missing(s) ? commit_b_build(s, rq) : BUILD_SKIP;
}

struct verdict unlock_commit_read(struct session *s, const struct wsman_message *m)
{
	return commit_b_read(s, m);
}
