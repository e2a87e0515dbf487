/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back to setup. The answer may be lost with the connection: a device that does not know us any
 * more is the proof (drive_device.c), and one that still does has refused. SPEC: maintenance.md 6
 */
#include "common/base/codec.h"
#include "common/base/log.h"
#include "worker/steps/steps.h"
#include "worker/worker.h"

/* ---- may it go? ------------------------------------------------------------------------------ */

static void on_leave(enum hook_leave leave, const char *why, void *arg)
{
	struct session *s = arg;
	s->work = NULL;
	if (leave == HOOK_GO)
		drive_verdict(s, v_next());
	else if (leave == HOOK_REFUSE)
		drive_verdict(s, v_fail(s, FAIL_DEAD, "hook_refused",
					 "before-unconfigure says no: %s", why));
	else /* the safe side: nobody said that it may go */
		drive_verdict(
			s, v_fail(s, FAIL_RETRY, "hook_failed", "before-unconfigure hook %s", why));
}

enum build unconfigure_ask_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	char address[NET_ADDR_TEXT_MAX];
	struct error err = {0};
	if (s->ck.commits) /* it was asked before, and the device has been told to go */
		return BUILD_SKIP;
	net_addr_host_text(&s->device.addr, address);
	json_t *told = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "v", 1,
		"moment", hook_moment_name(HOOK_BEFORE_UNCONFIGURE), "uuid", s->uuid_text, "job",
		s->job, "kind", "unconfigure", "address", address, "amt", s->ck.amt, "fqdn",
		s->ck.fqdn, "profile", s->ck.profile, "ou", s->ck.ou, "full",
		job_arg(s->args, "full", NULL, 0));
	s->work = hooks_ask_unconfigure(s->w->hooks, told, s->job, on_leave, s, &err);
	if (s->work)
		return BUILD_SEND;
	return err.code ? build_nomem(s) : BUILD_SKIP;
}

/* ---- go -------------------------------------------------------------------------------------- */

enum build unconfigure_build(struct session *s, struct wsman_request *rq)
{
	bool full = job_arg(s->args, "full", NULL, 0);
	rq->op = WSMAN_INVOKE;
	rq->method = full ? "Unprovision" : "PartialUnprovision";
	if (full) {
		struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
		if (!p)
			return build_nomem(s);
		*p = WSMAN_TEXT("ProvisioningMode", "1");
		rq->params = p;
		rq->n_params = 1;
	}
	/* With the step() before it: from now on one that does not know us is the goal. */
	s->ck.commits = COMMITS_TOLD;
	s->committed = true;
	s->connect_tries = 0;
	return BUILD_SEND;
}

struct verdict unconfigure_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	s->ck.commits = COMMITS_HEARD;
	return v_next();
}

struct verdict unconfigure_refused(struct session *s, uint32_t rv)
{
	s->ck.commits = 0;
	s->committed = false;
	s->o.blocked = rv == WSMAN_RV_BLOCKING_COMPONENT;
	if (s->o.blocked)
		return v_goto(STEP_UNCONFIGURE_BLOCKED);
	if (rv == WSMAN_RV_NOT_READY || rv == WSMAN_RV_NOT_PERMITTED)
		return v_fail(s, FAIL_RETRY, "not_now",
			"%u: the device cannot be unconfigured now; not before End-of-POST", rv);
	return (struct verdict){.kind = VERDICT_FAIL};
}

/* ---- what is in the way? --------------------------------------------------------------------- */

#define AUDIT_LOG 1 /* Component */

static struct verdict blocked_by(struct session *s, uint64_t component)
{
	if (component == AUDIT_LOG)
		return v_fail(s, FAIL_DEAD, "audit_blocks",
			"2076: the audit log is in the way: the auditor must unlock it first");
	return v_fail(s, FAIL_DEAD, "blocked",
		"2076: component %llu of the device is in the way, and must be unlocked first",
		(unsigned long long)component);
}

enum build unconfigure_blocked_build(struct session *s, struct wsman_request *rq)
{
	if (!s->o.blocked)
		return BUILD_SKIP;
	rq->op = WSMAN_INVOKE;
	rq->method = "GetUnprovisionBlockingComponents";
	return BUILD_SEND;
}

struct verdict unconfigure_blocked_read(struct session *s, const struct wsman_message *m)
{
	uint64_t component = 0;
	if (wsman_node_uint(m->payload, "Component", &component) < 0)
		return unconfigure_blocked_refused(s, 0);
	return blocked_by(s, component);
}

/* The audit log is the only one known. */
struct verdict unconfigure_blocked_refused(struct session *s, uint32_t rv)
{
	(void)rv;
	return v_fail(s, FAIL_DEAD, "blocked",
		"2076: something is in the way, and the device does not say what: the audit log, "
		"as a rule, which the auditor must unlock first");
}

struct verdict unconfigure_blocked_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction == WSMAN_REACT_BUSY)
		return (struct verdict){.kind = VERDICT_FAIL};
	return unconfigure_blocked_refused(s, 0);
}

/* ---- is it gone? ----------------------------------------------------------------------------- */

enum build unconfigure_state_build(struct session *s, struct wsman_request *rq)
{
	return state_get_build(s, rq);
}

struct verdict unconfigure_state_read(struct session *s, const struct wsman_message *m)
{
	uint64_t state;
	const struct conf_waits *w = &s->w->conf->worker.waits;
	if (wsman_node_uint(m->payload, "ProvisioningState", &state) == 0 && state != 2)
		return v_next();
	if (s->connect_tries < w->reconnect_tries) /* some take a while */
		return (struct verdict){.kind = VERDICT_GOTO,
			.target = STEP_UNCONFIGURE_PROVE,
			.after_ms = w->reconnect_ms};
	/* commits stays: it may go yet, and then does not know us at the next visit. */
	return v_fail(s, FAIL_RETRY, "still_configured", "ProvisioningState is still 2");
}

/* ---- the certificate ------------------------------------------------------------------------- */

/* The device is gone already: an authority that refuses is for an operator to look at. */
static void on_revoked(struct work *work, void *arg)
{
	struct session *s = arg;
	const struct ca_call *call = &((struct ca_work *)work)->call;
	s->work = NULL;
	if (call->result == CA_RESULT_RETRY && ++s->tries <= CA_RETRIES) {
		drive_verdict(s, v_again(call->retry_ms << (s->tries - 1)));
		return;
	}
	if (call->result != CA_RESULT_REVOKED)
		LOG_WARN("revoke.failed", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
			KV_STR("serial", s->serial), KV_STR("text", call->text));
	drive_verdict(s, v_next());
}

static enum build revoke_recorded(struct session *s, uint32_t reason)
{
	size_t len = strlen(s->serial) / 2;
	if (len == 0)
		return BUILD_SKIP;
	struct ca_work *w = ca_work_new(s->w->connector, s->w->ca_ops, s->w->ca);
	if (!w)
		return build_nomem(s);
	if (len > CA_SERIAL_MAX ||
		hex_decode(s->serial, len * 2, w->call.revoke_serial, CA_SERIAL_MAX) < 0) {
		free(w);
		return BUILD_SKIP; /* not one of ours */
	}
	w->call.revoke_len = len;
	w->call.revoke_reason = reason;
	copy_text(w->call.device_uuid, sizeof w->call.device_uuid, s->uuid_text);
	copy_text(w->call.job, sizeof w->call.job, s->job);
	s->work = &w->work;
	ca_work_submit(w, on_revoked, s);
	return BUILD_SEND;
}

enum build revoke_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	return revoke_recorded(s, CA_REASON_CESSATION);
}

/* The device shows another one than the record says, and has been cleaned of the old one; s->serial
 * is still that of the record. */
enum build revoke_old_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	bool renewed = s->kind != JOB_SETUP && s->cert_fp[0] && strcmp(s->cert_fp, s->old_fp) != 0;
	return renewed ? revoke_recorded(s, CA_REASON_SUPERSEDED) : BUILD_SKIP;
}
