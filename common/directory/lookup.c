/* SPDX-License-Identifier: Apache-2.0 */
#include "common/directory/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define FILTER_MAX 4096 /* a DN of 511 bytes, each as \xx, and the rest */

/* Of a computer that is not disabled (bit 2 of userAccountControl). */
#define ENABLED "(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
/* A member, directly or through other groups. */
#define IN_CHAIN       "member:1.2.840.113556.1.4.1941:"
#define SECURITY_GROUP 0x80000000u /* groupType */
#define BUILTIN        "S-1-5-32-"

/* ---- entries -------------------------------------------------------------------------------- */

/* The first value of an attribute as text; "" when it has none, or one that is no text. */
static void value(LDAP *ld, LDAPMessage *entry, const char *name, char *out, size_t out_len)
{
	struct berval **all = ldap_get_values_len(ld, entry, name);
	out[0] = '\0';
	if (all && all[0] && all[0]->bv_len < out_len && !memchr(all[0]->bv_val, 0, all[0]->bv_len))
		snprintf(out, out_len, "%.*s", (int)all[0]->bv_len, all[0]->bv_val);
	ldap_value_free_len(all);
}

/* @return whether it fits */
static bool dn_of(LDAP *ld, LDAPMessage *entry, char out[static DIRECTORY_DN_MAX + 1])
{
	char *dn = ldap_get_dn(ld, entry);
	int len = snprintf(out, DIRECTORY_DN_MAX + 1, "%s", dn ? dn : "");
	ldap_memfree(dn);
	return len > 0 && len <= DIRECTORY_DN_MAX;
}

/* The one entry of an answer. @return 0; -ENOENT; E_STATE: several */
static int only(LDAP *ld, LDAPMessage *answer, const char *what, LDAPMessage **out,
	char dn[static DIRECTORY_DN_MAX + 1], struct error *err)
{
	char other[DIRECTORY_DN_MAX + 1];
	*out = ldap_first_entry(ld, answer); /* skips references to other parts of the forest */
	ENSURE(*out, err, -ENOENT, "the directory has no %s", what);
	ENSURE(dn_of(ld, *out, dn), err, E_LIMIT, "the directory: a DN is too long");
	LDAPMessage *next = ldap_next_entry(ld, *out);
	if (!next)
		return 0;
	dn_of(ld, next, other);
	return error_set(err, E_STATE, "the directory has more than one %s: %.90s and %.90s", what,
		dn, other);
}

/* ---- computers ------------------------------------------------------------------------------ */

/* dNSHostName, else the account without $ and the domain of the base. */
static void name_of(LDAP *ld, LDAPMessage *entry, const char *base, char out[static FQDN_MAX + 1])
{
	char text[2 * FQDN_MAX], account[FQDN_MAX], *domain = NULL;
	value(ld, entry, "dNSHostName", text, sizeof text);
	value(ld, entry, "sAMAccountName", account, sizeof account);
	if (!text[0] && ldap_dn2domain(base, &domain) == LDAP_SUCCESS && domain) {
		account[strcspn(account, "$")] = '\0';
		snprintf(text, sizeof text, "%s.%s", account, domain);
	}
	ldap_memfree(domain);
	if (fqdn_set(out, text, NULL) < 0)
		out[0] = '\0';
}

static bool is_swapped(LDAP *ld, LDAPMessage *entry, const struct uuid *uuid)
{
	uint8_t wire[sizeof uuid->b];
	struct berval **all = ldap_get_values_len(ld, entry, "netbootGUID");
	uuid_to_wire(uuid, wire);
	bool swapped = all && all[0] && all[0]->bv_len == sizeof wire &&
		       memcmp(all[0]->bv_val, wire, sizeof wire) != 0;
	ldap_value_free_len(all);
	return swapped;
}

static int find(struct directory_link *l, const struct conf_directory *conf, struct buf *filter,
	const char *what, const struct uuid *uuid, struct directory_computer *out,
	struct error *err)
{
	static const char *const attributes[] = {
		"dNSHostName", "sAMAccountName", "netbootGUID", NULL};
	LDAPMessage *answer = NULL, *entry;
	TRY(directory_link_search(
		l, conf->base, LDAP_SCOPE_SUBTREE, buf_cstr(filter), attributes, &answer, err));
	LDAP *ld = directory_link_ldap(l);
	int rc = only(ld, answer, what, &entry, out->dn, err);
	if (rc == 0) {
		name_of(ld, entry, conf->base, out->fqdn);
		out->swapped = uuid && is_swapped(ld, entry, uuid);
	}
	ldap_msgfree(answer);
	return rc;
}

static int by_uuid(struct directory_link *l, const struct conf_directory *conf,
	const struct uuid *uuid, struct directory_computer *out, struct error *err)
{
	char what[64] = "computer with netbootGUID ", *end = what + strlen(what);
	struct buf filter;
	buf_init(&filter, FILTER_MAX);
	uuid_text(uuid, end);
	int rc = buf_adds(&filter, "(&(objectCategory=computer)" ENABLED);
	if (rc == 0)
		rc = directory_add_uuid(&filter, uuid);
	if (rc == 0)
		rc = buf_adds(&filter, ")");
	if (rc == 0)
		rc = find(l, conf, &filter, what, uuid, out, err);
	buf_free(&filter);
	return rc;
}

static int by_name(struct directory_link *l, const struct conf_directory *conf, const char *fqdn,
	struct directory_computer *out, struct error *err)
{
	char what[FQDN_MAX + 32];
	struct buf filter;
	buf_init(&filter, FILTER_MAX);
	snprintf(what, sizeof what, "computer named %.80s", fqdn);
	int rc = buf_adds(&filter, "(&(objectCategory=computer)" ENABLED "(dNSHostName=");
	if (rc == 0)
		rc = directory_add_value(&filter, fqdn, strlen(fqdn));
	if (rc == 0)
		rc = buf_adds(&filter, "))");
	if (rc == 0)
		rc = find(l, conf, &filter, what, NULL, out, err);
	buf_free(&filter);
	return rc;
}

/* Lines of the groups that an answer lists. */
static int list_groups(
	LDAP *ld, LDAPMessage *answer, struct directory_computer *out, struct error *err)
{
	char name[256], dn[DIRECTORY_DN_MAX + 1];
	size_t len = 0;
	for (LDAPMessage *e = ldap_first_entry(ld, answer); e; e = ldap_next_entry(ld, e)) {
		value(ld, e, "sAMAccountName", name, sizeof name);
		bool fits = dn_of(ld, e, dn);
		for (char *p = dn; *p; p++) /* one line each, whatever it is called */
			if ((unsigned char)*p < ' ')
				*p = '?';
		len += (size_t)snprintf(
			out->groups + len, sizeof out->groups - len, "%s\t%s\n", name, dn);
		ENSURE(fits && len < sizeof out->groups, err, E_LIMIT,
			"%.120s is in too many groups", out->dn);
	}
	return 0;
}

static int find_groups(struct directory_link *l, const struct conf_directory *conf,
	struct directory_computer *out, struct error *err)
{
	static const char *const attributes[] = {"sAMAccountName", NULL};
	LDAPMessage *answer = NULL;
	struct buf filter;
	buf_init(&filter, FILTER_MAX);
	int rc = buf_adds(&filter, "(&(objectCategory=group)(" IN_CHAIN "=");
	if (rc == 0)
		rc = directory_add_value(&filter, out->dn, strlen(out->dn));
	if (rc == 0)
		rc = buf_adds(&filter, "))");
	if (rc == 0)
		rc = directory_link_search(l, conf->base, LDAP_SCOPE_SUBTREE, buf_cstr(&filter),
			attributes, &answer, err);
	if (rc == 0)
		rc = list_groups(directory_link_ldap(l), answer, out, err);
	ldap_msgfree(answer);
	buf_free(&filter);
	return rc;
}

int directory_find_computer(struct directory_link *l, const struct conf_directory *conf,
	const struct uuid *uuid, const char *fqdn, bool groups, struct directory_computer *out,
	struct error *err)
{
	*out = (struct directory_computer){.dn = ""};
	int rc = by_uuid(l, conf, uuid, out, err);
	if (rc == -ENOENT && directory_link_is_open(l) && fqdn[0])
		rc = by_name(l, conf, fqdn, out, err);
	if (rc == 0 && groups)
		rc = find_groups(l, conf, out, err);
	return rc;
}

/* ---- users and groups ----------------------------------------------------------------------- */

/* Whether this domain has that NetBIOS name: the forest's partitions say so. */
static int check_netbios(struct directory_link *l, const struct conf_directory *conf,
	const struct directory_name *name, struct error *err)
{
	static const char *const root[] = {"configurationNamingContext", NULL}, *const cross[] = {
											"nCName",
											NULL};
	char partitions[DIRECTORY_DN_MAX + 1], domain[DIRECTORY_DN_MAX + 1] = "";
	LDAPMessage *answer = NULL;
	struct buf filter;
	LDAP *ld = directory_link_ldap(l);
	TRY(directory_link_search(l, "", LDAP_SCOPE_BASE, "(objectClass=*)", root, &answer, err));
	value(ld, ldap_first_entry(ld, answer), root[0], partitions, sizeof partitions);
	ldap_msgfree(answer);
	buf_init(&filter, FILTER_MAX);
	int rc = buf_adds(&filter, "(&(objectClass=crossRef)(nETBIOSName=");
	if (rc == 0)
		rc = directory_add_value(&filter, name->netbios, name->netbios_len);
	if (rc == 0)
		rc = buf_adds(&filter, "))");
	if (rc == 0)
		rc = directory_link_search(
			l, partitions, LDAP_SCOPE_SUBTREE, buf_cstr(&filter), cross, &answer, err);
	buf_free(&filter);
	TRY(rc);
	LDAPMessage *entry = ldap_first_entry(ld, answer);
	if (entry)
		value(ld, entry, cross[0], domain, sizeof domain);
	ldap_msgfree(answer);
	size_t len = strlen(domain), base = strlen(conf->base);
	ENSURE(len && len <= base && strcasecmp(conf->base + base - len, domain) == 0, err,
		E_CONFIG, "%.*s is not the domain of directory.base %.120s", (int)name->netbios_len,
		name->netbios, conf->base);
	return 0;
}

static int check_domain(
	const struct conf_directory *conf, const struct directory_name *name, struct error *err)
{
	char *domain = NULL;
	bool same = ldap_dn2domain(conf->base, &domain) == LDAP_SUCCESS && domain &&
		    strcasecmp(domain, name->domain) == 0;
	ldap_memfree(domain);
	ENSURE(same, err, E_CONFIG, "%.100s is not the domain of directory.base %.120s",
		name->domain, conf->base);
	return 0;
}

/* The SID of an entry, if a device's access list may hold it. */
static int judge_account(
	LDAP *ld, LDAPMessage *entry, struct directory_account *out, struct error *err)
{
	char type[16];
	struct berval **sid = ldap_get_values_len(ld, entry, "objectSid");
	int rc = sid && sid[0] ? directory_sid_text(out->sid, sid[0]->bv_val, sid[0]->bv_len)
			       : E_PARSE;
	ldap_value_free_len(sid);
	ENSURE(rc == 0, err, E_CONFIG, "%.200s has no SID: it is no user and no group", out->dn);
	value(ld, entry, "groupType", type, sizeof type);
	ENSURE(!type[0] || ((unsigned long)strtol(type, NULL, 10) & SECURITY_GROUP), err, E_CONFIG,
		"%.200s is a distribution group: no ticket names it; take a security group",
		out->dn);
	ENSURE(strncmp(out->sid, BUILTIN, strlen(BUILTIN)) != 0, err, E_CONFIG,
		"%.180s is a builtin group (%s): the same in every domain, devices do not take it",
		out->dn, out->sid);
	return 0;
}

int directory_find_account(struct directory_link *l, const struct conf_directory *conf,
	const char *text, struct directory_account *out, struct error *err)
{
	static const char *const attributes[] = {"objectSid", "groupType", NULL};
	struct directory_name name;
	char what[128];
	LDAPMessage *answer = NULL, *entry;
	struct buf filter;
	TRY(directory_name_parse(&name, text, err));
	if (name.netbios)
		TRY(check_netbios(l, conf, &name, err));
	if (name.domain)
		TRY(check_domain(conf, &name, err));
	buf_init(&filter, FILTER_MAX);
	int rc = buf_adds(&filter, "(&(|(objectClass=group)(objectClass=user))");
	if (rc == 0 && !name.dn)
		rc = buf_adds(&filter, "(sAMAccountName=");
	if (rc == 0 && !name.dn)
		rc = directory_add_value(&filter, name.account, name.account_len);
	if (rc == 0)
		rc = buf_adds(&filter, name.dn ? ")" : "))");
	if (rc == 0)
		rc = directory_link_search(l, name.dn ? name.account : conf->base,
			name.dn ? LDAP_SCOPE_BASE : LDAP_SCOPE_SUBTREE, buf_cstr(&filter),
			attributes, &answer, err);
	buf_free(&filter);
	snprintf(what, sizeof what, "user or group %.100s", text);
	if (rc == -ENOENT)
		return error_set(err, E_CONFIG, "the directory has no %s", what);
	TRY(rc);
	LDAP *ld = directory_link_ldap(l);
	rc = only(ld, answer, what, &entry, out->dn, err);
	if (rc == 0)
		rc = judge_account(ld, entry, out, err);
	ldap_msgfree(answer);
	return rc == -ENOENT || rc == E_STATE ? E_CONFIG : rc;
}

/* ---- trial ---------------------------------------------------------------------------------- */

int directory_try(struct directory_link *l, const struct conf_directory *conf, uint32_t server,
	struct error *err)
{
	static const char *const none[] = {LDAP_NO_ATTRS, NULL};
	LDAPMessage *answer = NULL;
	TRY(directory_link_open(l, conf, server, err));
	TRY(directory_link_search(
		l, conf->base, LDAP_SCOPE_BASE, "(objectClass=*)", none, &answer, err));
	bool seen = ldap_first_entry(directory_link_ldap(l), answer) != NULL;
	ldap_msgfree(answer);
	ENSURE(seen, err, E_CONFIG, "directory.base: directory.user may not read %.200s",
		conf->base);
	return 0;
}
