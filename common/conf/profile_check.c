/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a profile that tables cannot express: who may log in, and with what. */
#include "common/conf/profile_check.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/crypto/password.h"
#include "common/crypto/seal.h"

#define RFB_PASSWORD_LEN 8 /* exactly so many. SPEC: provisioning.md 4 FEATURES */
#define SID_SUBS_MAX     5 /* sub-authorities: 28 bytes. SPEC: wsman.md 7 */
/* A clock that is off by more makes tickets fail after a while. SPEC: maintenance.md 4 */
#define KERBEROS_DRIFT_MAX_S 60
#define DDNS_INTERVAL_MIN    20 /* minutes; the firmware takes no shorter one */

/* ---- shared ----------------------------------------------------------------------------- */

int check_fail(const struct checker *c, const char *section, const char *key, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX], path[YAML_PATH_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(path, sizeof path, "%s%s%s", section, *section && *key ? "." : "", key);
	return yaml_error_at(c->marks, path, c->err, "%s", text);
}

/* Re-tells an error about a file at the place of the key that names the file. */
static int fail_nested(
	const struct checker *c, const char *section, const char *key, const struct error *why)
{
	return check_fail(c, section, key, "%s", why->text);
}

int check_secret_file(const struct checker *c, const char *section, const char *key,
	const char *path, const struct secret_rule *rule)
{
	if (!c->masters_dir)
		return 0;
	struct secret text = {0};
	struct error why = {0};
	int rc = secret_read_file(&text, path, PASSWORD_AMT_MAX + rule->max, &why);
	if (rc == 0 && (text.len < rule->min || text.len > rule->max))
		rc = error_set(&why, E_CONFIG, "%s: %zu bytes, %s", path, text.len, rule->says);
	else if (rc == 0 && rule->amt && (rc = password_check(&text, &why)) < 0)
		error_prefix(&why, "%s", path);
	secret_free(&text);
	return rc < 0 ? fail_nested(c, section, key, &why) : 0;
}

int check_root_file(const struct checker *c, const char *section, const char *key, const char *path)
{
	if (!c->masters_dir)
		return 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return check_fail(c, section, key, "%s: %s", path, strerror(errno));
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	X509_free(x);
	return x ? 0
		 : check_fail(c, section, key,
			   "%s: no certificate in PEM (-----BEGIN CERTIFICATE-----)", path);
}

/* ---- passwords -------------------------------------------------------------------------- */

static int check_derived(
	const struct checker *c, const struct profile_password *p, const char *section)
{
	const char *key = p->master[0] ? "master" : "source";
	if (!key_id_ok(p->master))
		return check_fail(c, section, key,
			"source derived needs master: VERSION, the name of a file in "
			"keys.masters_dir without .key");
	if (!c->masters_dir)
		return 0;
	struct secret master = {0};
	struct error why = {0};
	int rc = key_file_read(&master, c->masters_dir, p->master, &why);
	secret_free(&master);
	if (rc == -ENOENT)
		return check_fail(c, section, key, "unknown master version \"%s\": no %s/%s.key",
			p->master, c->masters_dir, p->master);
	return rc < 0 ? fail_nested(c, section, key, &why) : 0;
}

static int check_fixed(const struct checker *c, const struct profile_password *p,
	const char *section, const struct secret_rule *rule)
{
	if (!p->allow_fixed)
		return check_fail(c, section, "source",
			"one password for all devices: whoever learns it has them all; say "
			"allow_fixed: true if this is meant, or use random or derived");
	if (!p->fixed_file[0])
		return check_fail(c, section, "source", "source fixed needs fixed_file: FILE");
	return check_secret_file(c, section, "fixed_file", p->fixed_file, rule);
}

static const struct secret_rule amt_rule = {1, PASSWORD_AMT_MAX, true, "must be 8 to 32"};
static const struct secret_rule rfb_rule = {
	RFB_PASSWORD_LEN, RFB_PASSWORD_LEN, true, "the port for RFB takes exactly 8"};

static int check_password(const struct checker *c, const struct profile_password *p,
	const char *section, const struct secret_rule *rule, bool may_be_none)
{
	if (p->source == PROFILE_PASSWORD_NONE && !may_be_none)
		return check_fail(c, section, "source",
			"none is for mebx_password and kvm.rfb_password only; use random, derived "
			"or fixed");
	if (p->source != PROFILE_PASSWORD_DERIVED && p->master[0])
		return check_fail(c, section, "master", "only with source derived; remove it");
	if (p->source != PROFILE_PASSWORD_FIXED && p->fixed_file[0])
		return check_fail(c, section, "fixed_file", "only with source fixed; remove it");
	if (p->source == PROFILE_PASSWORD_DERIVED)
		return check_derived(c, p, section);
	if (p->source == PROFILE_PASSWORD_FIXED)
		return check_fixed(c, p, section, rule);
	return 0;
}

/* ---- TLS -------------------------------------------------------------------------------- */

static int check_tls(const struct checker *c, const struct profile_tls *t)
{
	if (t->key_bits != 1024 && t->key_bits != 2048 && t->key_bits != 3072)
		return check_fail(
			c, "tls", "key_bits", "%u is not one of 1024, 2048, 3072", t->key_bits);
	if (t->renew_before_days >= t->validity_days)
		return check_fail(c, "tls", "renew_before_days",
			"%u days before the end of a life of %u: it would be renewed all the time; "
			"make it smaller or validity_days larger",
			t->renew_before_days, t->validity_days);
	if (t->mutual && t->n_trusted_roots == 0)
		return check_fail(c, "tls", "mutual",
			"needs trusted_roots: the device must know what consoles' certificates end "
			"at");
	if (t->mutual && t->clear_ports)
		return check_fail(c, "tls", "clear_ports",
			"an open clear port makes mutual TLS useless; remove one of the two");
	if (!t->mutual && t->n_trusted_cns)
		return check_fail(c, "tls", "trusted_cns", "only with mutual: true; remove it");
	for (uint32_t i = 0; i < t->n_trusted_roots; i++) {
		char key[YAML_PATH_MAX];
		snprintf(key, sizeof key, "trusted_roots[%u]", i);
		TRY(check_root_file(c, "tls", key, t->trusted_roots[i]));
	}
	return 0;
}

/* ---- access list ------------------------------------------------------------------------ */

/* "S-1-" authority, then one to five sub-authorities. */
static bool sid_ok(const char *text)
{
	unsigned n_numbers = 0;
	if (strncmp(text, "S-1-", 4) != 0)
		return false;
	for (const char *p = text + 4;; p++) {
		size_t digits = strspn(p, "0123456789");
		if (digits == 0 || digits > 10 || strtoull(p, NULL, 10) > UINT32_MAX)
			return false;
		n_numbers++;
		p += digits;
		if (*p == '\0')
			return n_numbers >= 2 && n_numbers <= 1 + SID_SUBS_MAX;
		if (*p != '-')
			return false;
	}
}

static int check_who(const struct checker *c, const struct profile_user *u, const char *at)
{
	if (!u->name[0] == !u->sid[0])
		return check_fail(c, at, u->name[0] ? "sid" : "",
			"an entry has either name (digest user) or sid (directory)");
	if (u->sid[0] && !sid_ok(u->sid))
		return check_fail(c, at, "sid",
			"\"%s\" is not S-1-AUTHORITY-... with one to %d more numbers", u->sid,
			SID_SUBS_MAX);
	if (u->name[0] && strcmp(u->name, "admin") == 0)
		return check_fail(c, at, "name",
			"admin is there anyway; its password is admin_password, its switch "
			"acl.admin");
	if (u->name[0] && (strncmp(u->name, "$$", 2) == 0 || strpbrk(u->name, "\",:&<> ")))
		return check_fail(c, at, "name",
			"\"%s\": no blanks and none of \" , : & < >, and $$ is for the firmware's "
			"own users",
			u->name);
	if (u->sid[0] && u->password.source != PROFILE_PASSWORD_RANDOM)
		return check_fail(c, at, "password",
			"a user of the directory has its password there; remove it");
	return 0;
}

static int check_user(const struct checker *c, const struct profile_acl *acl, uint32_t i)
{
	const struct profile_user *u = &acl->users[i];
	char at[YAML_PATH_MAX], password[YAML_PATH_MAX + 16];
	snprintf(at, sizeof at, "acl.users[%u]", i);
	snprintf(password, sizeof password, "%s.password", at);
	TRY(check_who(c, u, at));
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(u->name, acl->users[j].name) == 0 &&
			strcmp(u->sid, acl->users[j].sid) == 0)
			return check_fail(c, at, u->name[0] ? "name" : "sid",
				"\"%s\" is in the list twice; merge the two",
				u->name[0] ? u->name : u->sid);
	}
	if (profile_user_realms(u) == 0)
		return check_fail(
			c, at, "", "may do nothing; give it a role or realms, or remove it");
	if (u->access == PROFILE_ACCESS_LOCAL &&
		profile_user_realms(u) & 1u << PROFILE_REALM_REDIRECTION)
		return check_fail(c, at, "access",
			"redirection is for the network; use network or both, or leave the realm "
			"out");
	return check_password(c, &u->password, password, &amt_rule, false);
}

static int check_acl(const struct checker *c, const struct profile *p)
{
	uint32_t n_digest = 0, n_directory = 0;
	if (p->acl.admin == PROFILE_OFF)
		return check_fail(c, "acl", "admin",
			"Muster logs in as admin and would lock itself out; remove it");
	for (uint32_t i = 0; i < p->acl.n_users; i++) {
		const struct profile_user *u = &p->acl.users[i];
		char at[YAML_PATH_MAX];
		snprintf(at, sizeof at, "acl.users[%u]", i);
		TRY(check_user(c, &p->acl, i));
		n_digest += u->name[0] != '\0';
		n_directory += u->sid[0] != '\0';
		if (n_digest > PROFILE_DIGEST_MAX)
			return check_fail(c, at, "",
				"digest user number %u; a device takes %d besides admin; remove "
				"some",
				n_digest, PROFILE_DIGEST_MAX);
		if (n_directory > PROFILE_KERBEROS_MAX)
			return check_fail(c, at, "",
				"entry number %u of the directory; a device takes %d; list groups "
				"in place of users",
				n_directory, PROFILE_KERBEROS_MAX);
		if (u->sid[0] && p->kerberos.state != PROFILE_ON)
			return check_fail(
				c, at, "sid", "users of the directory need kerberos.state: on");
	}
	return 0;
}

/* ---- the rest --------------------------------------------------------------------------- */

static int check_kvm(const struct checker *c, const struct profile *p)
{
	const struct profile_kvm *k = &p->kvm;
	bool has_password = k->rfb_password.source != PROFILE_PASSWORD_NONE;
	TRY(check_password(c, &k->rfb_password, "kvm.rfb_password", &rfb_rule, true));
	if (k->port_5900 == PROFILE_ON && !p->features.kvm)
		return check_fail(c, "kvm", "port_5900", "needs features.kvm: true");
	if (k->port_5900 == PROFILE_ON && !has_password)
		return check_fail(
			c, "kvm", "port_5900", "needs rfb_password: the port takes no other login");
	return 0;
}

static int check_names(const struct checker *c, const struct profile_names *n)
{
	if (n->ddns_interval_min && n->ddns_interval_min < DDNS_INTERVAL_MIN)
		return check_fail(c, "names", "ddns_interval_min",
			"%u: the firmware takes %d minutes or more, or 0", n->ddns_interval_min,
			DDNS_INTERVAL_MIN);
	const char *key = n->ddns_interval_min ? "ddns_interval_min" : "ddns_ttl_s";
	if (n->ddns != PROFILE_ON && (n->ddns_interval_min || n->ddns_ttl_s))
		return check_fail(c, "names", key, "only with ddns: on; remove it");
	return 0;
}

static int check_kerberos(const struct checker *c, const struct profile *p)
{
	if (p->kerberos.state == PROFILE_ON && p->time.max_drift_s > KERBEROS_DRIFT_MAX_S)
		return check_fail(c, "time", "max_drift_s",
			"%u: tickets need a better clock; with kerberos.state: on at most %d",
			p->time.max_drift_s, KERBEROS_DRIFT_MAX_S);
	if (p->kerberos.state != PROFILE_ON && p->kerberos.realm[0])
		return check_fail(c, "kerberos", "realm", "only with state: on; remove it");
	return 0;
}

static int check_tags(const struct checker *c, const struct profile *p)
{
	for (uint32_t i = 0; i < p->n_tags; i++) {
		char key[YAML_PATH_MAX];
		snprintf(key, sizeof key, "tags[%u]", i);
		if (!key_id_ok(p->tags[i]))
			return check_fail(c, "", key,
				"\"%s\": a tag has 1 to 64 letters, digits, . _ or -", p->tags[i]);
	}
	return 0;
}

int profile_check(const struct profile *p, const struct yaml_marks *marks, const char *file_name,
	const char *masters_dir, struct error *err)
{
	const struct checker check = {marks, masters_dir, err}, *c = &check;
	if (strcmp(p->name, file_name) != 0)
		return check_fail(c, "", "name",
			"\"%.64s\" must equal the name of the file, \"%.64s\"", p->name, file_name);
	TRY(check_password(c, &p->admin_password, "admin_password", &amt_rule, false));
	TRY(check_password(c, &p->mebx_password, "mebx_password", &amt_rule, true));
	TRY(check_names(c, &p->names));
	TRY(check_tls(c, &p->tls));
	TRY(check_acl(c, p));
	TRY(check_kerberos(c, p));
	TRY(check_kvm(c, p));
	TRY(check_networks(c, p));
	return check_tags(c, p);
}
