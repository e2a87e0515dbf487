/* SPDX-License-Identifier: Apache-2.0 */
/* TLS: bind the certificate, switch TLS on for the remote interface. Staged until the commit.
 * SPEC: provisioning.md 3 TLS */
#include "worker/steps/steps.h"

#define REMOTE_SETTINGS "Intel(r) AMT 802.3 TLS Settings" /* by InstanceID, never by index */
#define COLLECTION      "TLSProtocolEndpointInstances Collection" /* what the peers send */

enum build context_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.have_context = false;
	s->o.context_cert[0] = s->o.collection[0] = '\0';
	return BUILD_SEND;
}

struct verdict context_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		const char *cert =
			wsman_node_selector(wsman_node_child(i, "ElementInContext"), "InstanceID");
		const char *name = wsman_node_selector(
			wsman_node_child(i, "ElementProvidingContext"), "ElementName");
		s->o.have_context = true;
		copy_text(s->o.context_cert, sizeof s->o.context_cert, cert);
		copy_text(s->o.collection, sizeof s->o.collection, name);
	}
	return v_next();
}

enum build tls_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.tls_remote.root = NULL;
	s->o.tls_fixed = false;
	return BUILD_SEND;
}

struct verdict tls_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		const char *id = wsman_node_text(i, "InstanceID");
		if (id && strcmp(id, REMOTE_SETTINGS) == 0 &&
			wsman_object_copy(&s->o.tls_remote, &s->keep, i) < 0)
			return v_fail(
				s, FAIL_RETRY, "no_memory", "AMT_TLSSettingData is too large");
	}
	struct wsman_object *o = &s->o.tls_remote;
	if (o->root && wsman_object_get(o, "NonSecureConnectionsSupported")) {
		/* From 16.1 on plain connections are off for good. SPEC: P 3 TLS 2 */
		s->o.tls_fixed = true;
		wsman_object_remove(o, "NonSecureConnectionsSupported");
	}
	return v_next();
}

struct verdict tls_list_end(struct session *s)
{
	if (!s->o.tls_remote.root)
		return v_fail(s, FAIL_DEAD, "no_tls",
			"the device lists no \"" REMOTE_SETTINGS
			"\": it cannot be configured with TLS");
	return v_next();
}

/* Both references of a credential context. In the keep arena, used by one request. */
static enum build context_body(struct session *s, struct wsman_request *rq)
{
	struct {
		struct wsman_param params[2];
		struct wsman_epr cert, collection;
		struct wsman_selector by_id, by_name;
	} *b = arena_alloc(&s->keep, sizeof *b);
	if (!b)
		return build_nomem(s);
	b->by_id = (struct wsman_selector){.name = "InstanceID", .text = s->ck.cert_handle};
	b->by_name = (struct wsman_selector){
		.name = "ElementName", .text = s->o.collection[0] ? s->o.collection : COLLECTION};
	b->cert = (struct wsman_epr){
		.class_name = "AMT_PublicKeyCertificate", .selectors = &b->by_id, .n_selectors = 1};
	b->collection = (struct wsman_epr){.class_name = "AMT_TLSProtocolEndpointCollection",
		.selectors = &b->by_name,
		.n_selectors = 1};
	b->params[0] = WSMAN_EPR("ElementInContext", &b->cert);
	b->params[1] = WSMAN_EPR("ElementProvidingContext", &b->collection);
	rq->params = b->params;
	rq->n_params = 2;
	return BUILD_SEND;
}

enum build context_create_build(struct session *s, struct wsman_request *rq)
{
	if (s->o.have_context)
		return BUILD_SKIP;
	rq->op = WSMAN_CREATE;
	return context_body(s, rq);
}

static struct verdict bound(struct session *s)
{
	s->o.have_context = true;
	copy_text(s->o.context_cert, sizeof s->o.context_cert, s->ck.cert_handle);
	s->ck.ca_state = MUSTER__V1__CA_STATE__CA_STATE_INSTALLED;
	return v_next();
}

struct verdict context_create_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	return bound(s);
}

/* SPEC: wsman.md 5 AlreadyExists: use Put */
struct verdict context_create_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_EXISTS)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->o.have_context = true;
	return v_goto(STEP_CONTEXT_PUT);
}

enum build context_put_build(struct session *s, struct wsman_request *rq)
{
	if (strcmp(s->o.context_cert, s->ck.cert_handle) == 0)
		return BUILD_SKIP;
	rq->op = WSMAN_PUT;
	return context_body(s, rq);
}

struct verdict context_put_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	return bound(s);
}

enum build tls_put_build(struct session *s, struct wsman_request *rq)
{
	static const struct wsman_selector by_id = {.name = "InstanceID", .text = REMOTE_SETTINGS};
	struct wsman_object *o = &s->o.tls_remote;
	int rc = wsman_object_set(o, "Enabled", "true");
	if (rc == 0)
		rc = wsman_object_set(o, "MutualAuthentication", "false");
	wsman_object_remove(o, "TrustedCN");
	if (rc == 0 && !s->o.tls_fixed)
		rc = wsman_object_set(o, "AcceptNonSecureConnections", "false");
	if (rc < 0)
		return build_nomem(s);
	rq->selectors = &by_id;
	rq->n_selectors = 1;
	return build_object(rq, o);
}

struct verdict tls_put_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return v_next();
}

/* What is staged is not in flash before the commit: a device that began anew since the bind has no
 * certificate for TLS. Read what is there and bind again, once. SPEC: provisioning.md 3 TLS */
struct verdict tls_put_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_DENIED || s->repaired)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->repaired = true;
	return v_goto(STEP_CERT_LIST);
}
