/* SPDX-License-Identifier: Apache-2.0 */
/* Kerberos login; see negotiate.h. */
#include "bench/sim/faces/negotiate.h"

#include "bench/sim/classes/acl.h"
#include "bench/sim/classes/kerberos.h"
#include "common/base/codec.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <krb5.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCHEME           "Negotiate "
#define TOKEN_MAX        16384 /* characters; a ticket of a user in many groups has some 12,000 */
#define TOKEN_MAX_OLD    4096  /* releases 2 to 5. SPEC: wsman.md 3.4 */
#define OLD_RELEASE_LAST 5
#define KEYTAB_NAME      "MEMORY:muster-sim-device"

bool negotiate_is(const char *header)
{
	return strncasecmp(header, SCHEME, strlen(SCHEME)) == 0;
}

bool negotiate_offered(const struct device *d)
{
	return d->state == DEV_POST && kerberos_on(d);
}

/* ---- SIDs of the ticket --------------------------------------------------------------------- */

/* NDR: little-endian numbers, each aligned to its size; what a pointer stands for comes after. */
struct ndr {
	const uint8_t *data;
	size_t len, at;
	bool failed;
};

static uint32_t ndr_u32(struct ndr *n)
{
	n->at = (n->at + 3) & ~(size_t)3;
	if (n->failed || n->len < 4 || n->at > n->len - 4) {
		n->failed = true;
		return 0;
	}
	const uint8_t *p = n->data + n->at;
	n->at += 4;
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void ndr_skip(struct ndr *n, size_t bytes)
{
	if (n->failed || bytes > n->len - n->at)
		n->failed = true;
	else
		n->at += bytes;
}

/* RPC_UNICODE_STRING in the structure: two lengths and a pointer. @return whether it points */
static bool ndr_string(struct ndr *n)
{
	(void)ndr_u32(n);
	return ndr_u32(n) != 0;
}

static void ndr_string_body(struct ndr *n, bool present)
{
	if (!present)
		return;
	(void)ndr_u32(n); /* room */
	(void)ndr_u32(n); /* offset */
	ndr_skip(n, (size_t)ndr_u32(n) * 2);
}

/* A SID. @return its length in out, 0 when damaged or too long for an entry */
static size_t ndr_sid(struct ndr *n, uint8_t out[static ACL_SID_MAX])
{
	uint32_t subs = ndr_u32(n);
	size_t len = 8 + 4 * (size_t)subs, at = n->at;
	ndr_skip(n, subs < 16 ? len : n->len);
	if (n->failed || len > ACL_SID_MAX)
		return 0;
	memcpy(out, n->data + at, len);
	return len;
}

static uint32_t realms_of_sid(const struct device *d, const uint8_t *sid, size_t len)
{
	const struct acl_entry *e = acl_by_sid(d, sid, len);
	return e && e->access != ACL_ACCESS_LOCAL ? e->realms : 0;
}

/* A SID of the domain with one more number at its end. */
static uint32_t realms_of_rid(
	const struct device *d, const uint8_t *domain, size_t len, uint32_t rid)
{
	uint8_t sid[ACL_SID_MAX];
	if (len == 0 || len + 4 > sizeof sid)
		return 0;
	memcpy(sid, domain, len);
	sid[1]++;
	for (int i = 0; i < 4; i++)
		sid[len + (size_t)i] = (uint8_t)(rid >> 8 * i);
	return realms_of_sid(d, sid, len + 4);
}

#define HEAD_LEN       16 /* of the serialisation: versions, byte order, length */
#define TIMES_LEN      48
#define STRINGS_FIRST  6 /* names and paths before the counts */
#define SESSION_KEY    16
#define BEHIND_DOMAIN  40 /* from LogonDomainId to SidCount */
#define GROUPS_MAX     2000
#define BEHIND_SIDS    12 /* resource groups, which are not looked at */
#define PAC_LOGON_INFO "urn:mspac:logon-info"

int64_t negotiate_realms(const struct device *d, const uint8_t *info, size_t len)
{
	struct ndr n = {.data = info, .len = len};
	bool strings[STRINGS_FIRST];
	uint32_t realms = 0;
	uint8_t domain[ACL_SID_MAX], sid[ACL_SID_MAX];
	ndr_skip(&n, HEAD_LEN);
	(void)ndr_u32(&n); /* pointer to the structure */
	ndr_skip(&n, TIMES_LEN);
	for (int i = 0; i < STRINGS_FIRST; i++)
		strings[i] = ndr_string(&n);
	(void)ndr_u32(&n); /* two counts of logons */
	uint32_t user = ndr_u32(&n), primary = ndr_u32(&n);
	uint32_t n_groups = ndr_u32(&n);
	bool groups = ndr_u32(&n) != 0;
	(void)ndr_u32(&n); /* flags */
	ndr_skip(&n, SESSION_KEY);
	bool server = ndr_string(&n), domain_name = ndr_string(&n);
	bool has_domain = ndr_u32(&n) != 0;
	ndr_skip(&n, BEHIND_DOMAIN);
	uint32_t n_sids = ndr_u32(&n);
	bool sids = ndr_u32(&n) != 0;
	ndr_skip(&n, BEHIND_SIDS);
	for (int i = 0; i < STRINGS_FIRST; i++)
		ndr_string_body(&n, strings[i]);
	if (n.failed || n_groups > GROUPS_MAX || n_sids > GROUPS_MAX)
		return E_PARSE;
	struct ndr at_groups = n;
	if (groups) {
		(void)ndr_u32(&n);
		ndr_skip(&n, (size_t)n_groups * 8);
	}
	ndr_string_body(&n, server);
	ndr_string_body(&n, domain_name);
	size_t domain_len = has_domain ? ndr_sid(&n, domain) : 0;
	realms |= realms_of_rid(d, domain, domain_len, user);
	realms |= realms_of_rid(d, domain, domain_len, primary);
	(void)ndr_u32(&at_groups);
	for (uint32_t i = 0; groups && i < n_groups; i++) {
		realms |= realms_of_rid(d, domain, domain_len, ndr_u32(&at_groups));
		(void)ndr_u32(&at_groups); /* attributes */
	}
	if (sids) {
		(void)ndr_u32(&n);
		ndr_skip(&n, (size_t)n_sids * 8); /* pointers and attributes */
	}
	for (uint32_t i = 0; sids && !n.failed && i < n_sids; i++) {
		size_t sid_len = ndr_sid(&n, sid);
		if (sid_len)
			realms |= realms_of_sid(d, sid, sid_len);
	}
	return n.failed || at_groups.failed ? E_PARSE : (int64_t)realms;
}

/* ---- the ticket ----------------------------------------------------------------------------- */

static krb5_error_code add_keys(const struct device *d, krb5_context kc, krb5_keytab kt)
{
	struct krb_key keys[KRB_KEYS_MAX];
	size_t n = kerberos_keys(d, keys);
	krb5_keytab_entry entry = {.magic = 0, .vno = (krb5_kvno)kerberos_kvno(d)};
	const char *realm = kerberos_realm(d);
	krb5_error_code rc = krb5_build_principal(kc, &entry.principal, (unsigned)strlen(realm),
		realm, "HTTP", d->set.host[0] ? d->set.host : "amt", (char *)NULL);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		entry.key = (krb5_keyblock){.enctype = (krb5_enctype)keys[i].enctype,
			.length = (unsigned)keys[i].len,
			.contents = keys[i].key};
		rc = krb5_kt_add_entry(kc, kt, &entry);
	}
	krb5_free_principal(kc, entry.principal);
	OPENSSL_cleanse(keys, sizeof keys);
	return rc;
}

static OM_uint32 acceptor_of(gss_cred_id_t *cred)
{
	OM_uint32 minor;
	gss_key_value_element_desc store[] = {{"keytab", KEYTAB_NAME}, {"rcache", "none:"}};
	const gss_key_value_set_desc set = {sizeof store / sizeof store[0], store};
	return gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET,
		GSS_C_ACCEPT, &set, cred, NULL, NULL);
}

/* What the ticket allows: its SIDs in the access list. */
static enum auth_result judge_name(
	const struct device *d, gss_name_t name, bool any_sid, uint32_t *realms, const char **why)
{
	OM_uint32 minor;
	gss_buffer_desc attr = {sizeof PAC_LOGON_INFO - 1, (void *)PAC_LOGON_INFO};
	gss_buffer_desc info = GSS_C_EMPTY_BUFFER, shown = GSS_C_EMPTY_BUFFER;
	int more = -1, authenticated = 0, complete = 0;
	OM_uint32 major = gss_get_name_attribute(
		&minor, name, &attr, &authenticated, &complete, &info, &shown, &more);
	int64_t found = GSS_ERROR(major) ? 0 : negotiate_realms(d, info.value, info.length);
	bool no_sids = GSS_ERROR(major) || info.length == 0;
	(void)gss_release_buffer(&minor, &info);
	(void)gss_release_buffer(&minor, &shown);
	if (no_sids && any_sid)
		found = UINT32_MAX;
	*why = no_sids ? "no_sids" : found < 0 ? "damaged_sids" : "not_in_acl";
	*realms = found > 0 ? (uint32_t)found : 0;
	return *realms ? AUTH_OK : AUTH_BAD;
}

static enum auth_result accept_token(const struct device *d, const struct buf *token, bool any_sid,
	uint32_t *realms, const char **why)
{
	OM_uint32 minor;
	gss_cred_id_t cred = GSS_C_NO_CREDENTIAL;
	gss_ctx_id_t ctx = GSS_C_NO_CONTEXT;
	gss_name_t client = GSS_C_NO_NAME;
	gss_buffer_desc in = {token->len, token->data}, out = GSS_C_EMPTY_BUFFER;
	enum auth_result result = AUTH_BAD;
	*why = "keys";
	if (acceptor_of(&cred) == GSS_S_COMPLETE) {
		OM_uint32 major = gss_accept_sec_context(&minor, &ctx, cred, &in,
			GSS_C_NO_CHANNEL_BINDINGS, &client, NULL, &out, NULL, NULL, NULL);
		*why = "ticket";
		if (major == GSS_S_COMPLETE)
			result = judge_name(d, client, any_sid, realms, why);
	}
	(void)gss_release_buffer(&minor, &out);
	(void)gss_release_name(&minor, &client);
	(void)gss_delete_sec_context(&minor, &ctx, NULL);
	(void)gss_release_cred(&minor, &cred);
	return result;
}

/* The keytab lives as long as one login: the keys may change at any time. */
static enum auth_result with_keytab(const struct device *d, const struct buf *token, bool any_sid,
	uint32_t *realms, const char **why)
{
	krb5_context kc;
	krb5_keytab kt;
	enum auth_result result = AUTH_BAD;
	*why = "keys";
	if (krb5_init_context(&kc) != 0)
		return AUTH_BAD;
	if (krb5_kt_resolve(kc, KEYTAB_NAME, &kt) == 0) {
		if (add_keys(d, kc, kt) == 0)
			result = accept_token(d, token, any_sid, realms, why);
		krb5_kt_close(kc, kt);
	}
	krb5_free_context(kc);
	return result;
}

/* Tickets carry the true time. */
static bool clock_good(const struct device *d)
{
	return llabs((long long)d->clock_offset_s) <= (long long)kerberos_tolerance(d) * 60;
}

enum auth_result negotiate_check(const struct device *d, const char *header, bool any_sid,
	uint32_t *realms, const char **why)
{
	const char *text = header + strlen(SCHEME);
	size_t max =
		strtoul(d->as->version, NULL, 10) <= OLD_RELEASE_LAST ? TOKEN_MAX_OLD : TOKEN_MAX;
	struct buf token;
	*realms = 0;
	*why = "kerberos_off";
	if (!negotiate_offered(d))
		return AUTH_BAD;
	*why = "too_long";
	if (strlen(text) > max)
		return AUTH_BAD;
	*why = "clock";
	if (!clock_good(d))
		return AUTH_BAD;
	*why = "malformed";
	buf_init(&token, TOKEN_MAX);
	enum auth_result result = AUTH_BAD;
	if (base64_decode(&token, text, strlen(text)) >= 0)
		result = with_keytab(d, &token, any_sid, realms, why);
	buf_free(&token);
	return result;
}
