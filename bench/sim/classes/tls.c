/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the device: the two settings, the collection and the certificate that is bound. All of it
 * is staged; CommitChanges makes it count. SPEC: provisioning.md 3 TLS
 */
#include "bench/sim/classes/class.h"
#include "bench/sim/classes/trust.h"

#include <stdio.h>
#include <string.h>

#define COLLECTION "TLSProtocolEndpoint Instances Collection"
/* What peers send without having read it; taken by firmware too. */
#define COLLECTION_ALIAS "TLSProtocolEndpointInstances Collection"

/* ---- AMT_TLSSettingData -------------------------------------------------------------------- */

static const char *const setting_names[TLS_N] = {
	[TLS_REMOTE] = "Intel(r) AMT 802.3 TLS Settings",
	[TLS_LOCAL] = "Intel(r) AMT LMS TLS Settings",
};

static int setting_count(const struct device *d)
{
	(void)d;
	return TLS_N;
}

static void *setting_object(struct device *d, int instance)
{
	return &d->staged.setting[instance];
}

static void setting_name(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	(void)d;
	w_text(w, p->name, setting_names[instance]);
}

static void no_clear(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	if (!d->as->clear_ports && instance == TLS_REMOTE)
		w_bool(w, p->name, false);
}

static void trusted_cn(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	const struct trust *t = part_read(d, PART_TRUST);
	for (uint32_t i = 0; i < t->names[instance].n; i++)
		w_text(w, p->name, t->names[instance].cn[i]);
}

/* The names need no commit. SPEC: provisioning.md 4 MUTUAL */
static enum wfault store_names(struct call *c)
{
	const struct trust *now = part_read(c->d, PART_TRUST);
	if (!xml_child(c->body, "TrustedCN") && now->names[c->instance].n == 0)
		return WF_NONE;
	struct trust *t = part_write(c->d, PART_TRUST);
	if (!t)
		return WF_INTERNAL;
	struct trust_names *names = &t->names[c->instance];
	names->n = 0;
	for (const struct xml_node *x = c->body->children; x; x = x->next)
		if (strcmp(x->name, "TrustedCN") == 0)
			memcpy(names->cn[names->n++], x->text, strlen(x->text) + 1);
	return WF_NONE;
}

#define TLSF(field) offsetof(struct tls_setting, field)
static const struct prop setting_props[] = {
	{"AcceptNonSecureConnections", PT_BOOL, PF_STORE, .off = TLSF(nonsecure)},
	{"ElementName", PT_STR, PF_RO | PF_REQ, .value = setting_name},
	{"Enabled", PT_BOOL, PF_STORE | PF_REQ, .off = TLSF(enabled)},
	{"InstanceID", PT_STR, PF_RO | PF_ID | PF_REQ, .value = setting_name},
	{"MutualAuthentication", PT_BOOL, PF_STORE, .off = TLSF(mutual)},
	{"NonSecureConnectionsSupported", PT_BOOL, PF_RO, .value = no_clear},
	{"TrustedCN", PT_STR, PF_ARRAY, .value = trusted_cn, .max = TRUST_CN_LEN,
		.cap = TRUST_CN_MAX},
	{NULL},
};

static bool trusted_root(const struct device *d)
{
	for (size_t i = 0; i < DEVICE_CERTS_MAX; i++)
		if (d->certs[i].handle >= 0 && d->certs[i].trusted)
			return true;
	return false;
}

static enum wfault setting_put(struct call *c)
{
	const struct tls_setting *now = &c->d->staged.setting[c->instance];
	const struct xml_node *id = xml_child(c->body, "InstanceID");
	if (strcmp(id->text, setting_names[c->instance]) != 0)
		return WF_INVALID_SELECTORS;
	const struct xml_node *clear = xml_child(c->body, "AcceptNonSecureConnections");
	/* From 16.1 on the property is not to be sent, nor the clear ports to be opened. */
	if (!c->d->as->clear_ports &&
		(xml_child(c->body, "NonSecureConnectionsSupported") ||
			(c->instance == TLS_REMOTE && clear &&
				(strcmp(clear->text, "true") == 0) != now->nonsecure)))
		return WF_SCHEMA;
	const struct xml_node *mutual = xml_child(c->body, "MutualAuthentication");
	if (mutual && strcmp(mutual->text, "true") == 0 &&
		(!trusted_root(c->d) || !c->d->clock_set))
		return WF_ACCESS_DENIED;
	const struct xml_node *on = xml_child(c->body, "Enabled");
	if (strcmp(on->text, "true") == 0 && c->d->staged.cert < 0)
		return WF_ACCESS_DENIED; /* no certificate is bound */
	return store_names(c);
}

const struct class_def class_tls_setting = {
	.name = "AMT_TLSSettingData",
	.ns = NS_AMT,
	.props = setting_props,
	.count = setting_count,
	.object = setting_object,
	.can_put = true,
	.staged = true,
	.put = setting_put,
};

/* ---- AMT_TLSProtocolEndpointCollection ----------------------------------------------------- */

static const struct prop collection_props[] = {
	{"ElementName", PT_STR, PF_RO | PF_ID, .text = COLLECTION},
	{NULL},
};

const struct class_def class_tls_collection = {
	.name = "AMT_TLSProtocolEndpointCollection",
	.ns = NS_AMT,
	.props = collection_props,
};

/* ---- AMT_TLSCredentialContext -------------------------------------------------------------- */

static bool credential_exists(const struct device *d, int instance)
{
	(void)instance;
	return d->staged.cert >= 0;
}

static void in_context(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	char id[64];
	(void)instance;
	snprintf(id, sizeof id, CERT_PREFIX "%d", d->staged.cert);
	w_ref(w, p->name, NS_AMT, "AMT_PublicKeyCertificate", "InstanceID", id);
}

static void providing(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	(void)d, (void)instance;
	w_ref(w, p->name, NS_AMT, "AMT_TLSProtocolEndpointCollection", "ElementName", COLLECTION);
}

static const struct prop credential_props[] = {
	{"ElementInContext", PT_REF, PF_REQ, .value = in_context},
	{"ElementProvidingContext", PT_REF, PF_REQ, .value = providing},
	{NULL},
};

/* Bind the certificate that the body names: a leaf whose key is on the device. */
static enum wfault bind(struct call *c)
{
	struct device *d = c->d;
	const char *id = arg_ref(c, 0, "AMT_PublicKeyCertificate", "InstanceID");
	const char *to = arg_ref(c, 1, "AMT_TLSProtocolEndpointCollection", "ElementName");
	struct dev_cert *cert = device_cert(d, device_handle(id, CERT_PREFIX));
	if (strcmp(to, COLLECTION) != 0 && strcmp(to, COLLECTION_ALIAS) != 0)
		return WF_INVALID_SELECTORS;
	if (!cert)
		return WF_INVALID_SELECTORS;
	if (cert->trusted || !device_cert_key(d, cert))
		return WF_ACCESS_DENIED;
	if (d->staged.cert != cert->handle && d->state != DEV_POST)
		d->n_binds++; /* of this setup: in service a new one is a renewal */
	d->staged.cert = cert->handle;
	snprintf(c->note, sizeof c->note, "handle %d", cert->handle);
	return WF_NONE;
}

static enum wfault credential_create(struct call *c)
{
	if (c->d->staged.cert >= 0)
		return WF_ALREADY_EXISTS;
	return bind(c);
}

static enum wfault credential_put(struct call *c)
{
	if (c->d->staged.cert < 0)
		return WF_INVALID_SELECTORS;
	return bind(c);
}

static enum wfault credential_delete(struct call *c)
{
	if (c->d->staged.setting[TLS_REMOTE].enabled || c->d->staged.setting[TLS_LOCAL].enabled)
		return WF_ACCESS_DENIED;
	c->d->staged.cert = -1;
	return WF_NONE;
}

const struct class_def class_tls_credential = {
	.name = "AMT_TLSCredentialContext",
	.ns = NS_AMT,
	.props = credential_props,
	.exists = credential_exists,
	.can_put = true,
	.staged = true,
	.put = credential_put,
	.create = credential_create,
	.del = credential_delete,
};
