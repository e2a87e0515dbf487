/* SPDX-License-Identifier: Apache-2.0 */
/* Access list and Kerberos of a simulated device. SPEC: provisioning.md 4 KERBEROS, ACL */
#include "tests/bench/sim_test.h"

#include "bench/sim/classes/acl.h"
#include "bench/sim/classes/class.h"
#include "bench/sim/classes/kerberos.h"
#include "common/base/codec.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUTHZ AMT_URI "AMT_AuthorizationService"
#define KRB   AMT_URI "AMT_KerberosSettingData"
#define TRUST AMT_URI "AMT_PublicKeyManagementService"
/* base64 of 16 bytes */
#define HASH "CuCDARuuPYT8SGzkq0SuHQ=="

static struct rig rig;

static int open16(void **state)
{
	(void)state;
	rig_open(&rig, "amt16", NULL);
	return 0;
}

static int shut(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static int call(const char *uri, const char *method, const char *body)
{
	rig_call(&rig, uri, method, NULL, body);
	return rig_rv(&rig);
}

static int add_digest(const char *user, const char *realms)
{
	char body[512];
	snprintf(body, sizeof body,
		"<r:DigestUsername>%s</r:DigestUsername><r:DigestPassword>" HASH
		"</r:DigestPassword><r:AccessPermission>2</r:AccessPermission>%s",
		user, realms);
	return call(AUTHZ, "AddUserAclEntryEx", body);
}

/* S-1-5-21-domain-1-1-rid */
static int add_sid(uint32_t domain, uint32_t rid)
{
	uint8_t sid[28] = {1, 5, 0, 0, 0, 0, 0, 5, 21};
	struct buf text;
	char body[512];
	memcpy(sid + 12, &domain, 4);
	sid[16] = sid[20] = 1;
	memcpy(sid + 24, &rid, 4);
	buf_init(&text, 64);
	assert_int_equal(base64_encode(&text, sid, sizeof sid), 0);
	snprintf(body, sizeof body,
		"<r:KerberosUserSid>%s</r:KerberosUserSid><r:AccessPermission>1"
		"</r:AccessPermission><r:Realms>3</r:Realms>",
		buf_cstr(&text));
	buf_free(&text);
	return call(AUTHZ, "AddUserAclEntryEx", body);
}

static void put_kerberos(const char *more, const char *tail)
{
	char body[1024];
	snprintf(body, sizeof body,
		"<r:AMT_KerberosSettingData>%s<r:KrbEnabled>true</r:KrbEnabled>%s"
		"</r:AMT_KerberosSettingData>",
		more, tail);
	rig_call(&rig, KRB, "Put", NULL, body);
}

static void use_master_key(void)
{
	put_kerberos("<r:EncryptionAlgorithm>0</r:EncryptionAlgorithm>",
		"<r:MasterKey>" HASH "</r:MasterKey><r:RealmName>EXAMPLE.COM</r:RealmName>");
	assert_string_equal(rig.fault, "");
}

static unsigned count_handles(void)
{
	unsigned n = 0;
	for (const struct xml_node *x = rig_body(&rig)->children; x; x = x->next)
		n += strcmp(x->name, "Handles") == 0;
	return n;
}

static void test_digest_entries(void **state)
{
	(void)state;
	assert_int_equal(add_digest("operator", "<r:Realms>2</r:Realms><r:Realms>5</r:Realms>"), 0);
	assert_true(rig.last.acl_changed);
	char get[64], handle[16];
	snprintf(handle, sizeof handle, "%s", rig_text(&rig, "Handle"));
	snprintf(get, sizeof get, "<r:Handle>%s</r:Handle>", handle);
	assert_int_equal(call(AUTHZ, "GetUserAclEntryEx", get), 0);
	assert_string_equal(rig_text(&rig, "DigestUsername"), "operator");
	assert_string_equal(rig_text(&rig, "AccessPermission"), "2");
	assert_string_equal(rig_text(&rig, "Realms"), "2");
	const struct acl_entry *e = acl_by_user(&rig.d, "operator");
	assert_non_null(e);
	assert_int_equal(e->realms, 1u << 2 | 1u << 5);
	char off[96];
	snprintf(off, sizeof off, "%s<r:Enabled>false</r:Enabled>", get);
	assert_int_equal(call(AUTHZ, "SetAclEnabledState", off), 0);
	assert_null(acl_by_user(&rig.d, "operator"));
	assert_int_equal(call(AUTHZ, "GetAclEnabledState", get), 0);
	assert_string_equal(rig_text(&rig, "Enabled"), "false");
	assert_int_equal(call(AUTHZ, "RemoveUserAclEntry", get), 0);
	assert_int_equal(call(AUTHZ, "RemoveUserAclEntry", get), 2053);
}

/* SPEC: wsman.md 6: what the list refuses, by number */
static void test_refusals(void **state)
{
	static const struct {
		const char *user, *realms;
		int rv;
	} cases[] = {
		{"$$mine", "", 12},
		{"a user", "", 12},
		{"12345678901234567", "", 12},
		{"one", "<r:Realms>22</r:Realms>", 2055},
		{"one", "<r:Realms>25</r:Realms>", 2055},
		{"one", "<r:Realms>0</r:Realms>", 2055},
		{"one", "<r:Realms>24</r:Realms>", 0},
		{"one", "", 2058},
		{"admin", "", 2058},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(add_digest(cases[i].user, cases[i].realms), cases[i].rv);
	assert_int_equal(
		call(AUTHZ, "AddUserAclEntryEx", "<r:AccessPermission>2</r:AccessPermission>"), 24);
	assert_int_equal(call(AUTHZ, "AddUserAclEntryEx",
				 "<r:DigestUsername>x</r:DigestUsername><r:DigestPassword>AAAA"
				 "</r:DigestPassword><r:AccessPermission>2</r:AccessPermission>"),
		2054);
	/* System users stay. */
	assert_int_equal(call(AUTHZ, "RemoveUserAclEntry", "<r:Handle>1</r:Handle>"), 16);
	assert_int_equal(add_sid(1, 1), 16); /* Kerberos is off */
}

static void test_limits_and_pages(void **state)
{
	char name[16];
	(void)state;
	use_master_key();
	for (int i = 0; i < ACL_DIGEST_MAX; i++) {
		snprintf(name, sizeof name, "user%d", i);
		assert_int_equal(add_digest(name, "<r:Realms>5</r:Realms>"), 0);
	}
	assert_int_equal(add_digest("more", ""), 23);
	for (uint32_t i = 0; i < ACL_KERBEROS_MAX; i++)
		assert_int_equal(add_sid(1 + i % 4, i), 0);
	assert_int_equal(add_sid(1, 1000), 23);
	unsigned seen = 0, pages = 0;
	do {
		char body[64];
		snprintf(body, sizeof body, "<r:StartIndex>%u</r:StartIndex>", seen + 1);
		assert_int_equal(call(AUTHZ, "EnumerateUserAclEntries", body), 0);
		assert_string_equal(rig_text(&rig, "TotalCount"), "41");
		assert_int_equal(count_handles(), atoi(rig_text(&rig, "HandlesCount")));
		seen += count_handles();
	} while (++pages < 10 && seen < 41);
	assert_int_equal(seen, 41);
	assert_true(pages > 1);
	assert_int_equal(
		call(AUTHZ, "EnumerateUserAclEntries", "<r:StartIndex>42</r:StartIndex>"), 35);
}

static void test_domains(void **state)
{
	(void)state;
	use_master_key();
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(add_sid(i, 1), 0);
	assert_int_equal(add_sid(9, 1), 2065);
	assert_int_equal(add_sid(2, 1), 2058);
	assert_int_equal(add_sid(2, 2), 0);
}

static void assert_key(const uint8_t *key, size_t len, const char *hex)
{
	char text[65];
	hex_encode(key, len, text);
	assert_string_equal(text, hex);
}

/* Published values: RFC 3962 appendix B; the NT hash of "password". */
static void test_keys_against_standards(void **state)
{
	static const struct {
		uint32_t iterations;
		const char *aes128, *aes256;
	} cases[] = {
		{1, "42263c6e89f4fc28b8df68ee09799f15",
			"fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161"},
		{1200, "4c01cd46d632d01e6dbe230a01ed642a",
			"55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a"},
	};
	uint8_t key[32];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *salt = "ATHENA.MIT.EDUraeburn";
		assert_int_equal(
			kerberos_aes_key("password", salt, cases[i].iterations, key, 16), 0);
		assert_key(key, 16, cases[i].aes128);
		assert_int_equal(
			kerberos_aes_key("password", salt, cases[i].iterations, key, 32), 0);
		assert_key(key, 32, cases[i].aes256);
	}
	assert_int_equal(kerberos_rc4_key("password", key), 0);
	assert_key(key, 16, "8846f7eaee8fb117ad06bdd830b7586c");
	/* The G clef: outside the basic plane, so two UTF-16 units. SPEC: RFC 3962 B */
	assert_int_equal(
		kerberos_aes_key("\xf0\x9d\x84\x9e", "EXAMPLE.COMpianist", 50, key, 16), 0);
	assert_key(key, 16, "f149c1f2e154a73452d43e7fe62a56e5");
}

static void test_keys_against_vectors(void **state)
{
	(void)state;
	json_t *all =
		json_load_file(rig_vector("wsman/values/kerberos-rc4-masterkey.json"), 0, NULL);
	if (!all) {
		print_message("skipped: no vectors/wsman/values\n");
		skip();
	}
	json_t *one;
	size_t i;
	assert_true(json_array_size(all) >= 2);
	json_array_foreach(all, i, one)
	{
		uint8_t key[16];
		assert_int_equal(
			kerberos_rc4_key(json_string_value(json_object_get(one, "password")), key),
			0);
		assert_key(key, 16, json_string_value(json_object_get(one, "rc4_hmac_key_hex")));
	}
	json_decref(all);
}

static void test_kerberos_settings(void **state)
{
	struct krb_key keys[KRB_KEYS_MAX];
	(void)state;
	assert_int_equal(kerberos_keys(&rig.d, keys), 0);
	put_kerberos("", ""); /* no key */
	assert_string_equal(rig.fault, "SchemaValidationError");
	put_kerberos("<r:EncryptionAlgorithm>0</r:EncryptionAlgorithm>",
		"<r:MasterKey>AAAA</r:MasterKey><r:RealmName>EXAMPLE.COM</r:RealmName>");
	assert_string_equal(rig.fault, "SchemaValidationError");
	use_master_key();
	assert_int_equal(kerberos_keys(&rig.d, keys), 1);
	assert_int_equal(keys[0].enctype, KRB_RC4);
	put_kerberos("<r:IterationCount>4096</r:IterationCount><r:KeyVersion>3</r:KeyVersion>",
		"<r:Passphrase>secret</r:Passphrase><r:RealmName>EXAMPLE.COM</r:RealmName>"
		"<r:Salt>EXAMPLE.COMhostpc.example.com</r:Salt>");
	assert_string_equal(rig.fault, "");
	assert_int_equal(kerberos_keys(&rig.d, keys), 3);
	/* A release makes the keys of the types that its data names. */
	const struct personality *new = rig.d.as;
	rig.d.as = personality_find(&rig.set, "amt5");
	assert_int_equal(kerberos_keys(&rig.d, keys), 1);
	assert_int_equal(keys[0].enctype, KRB_RC4);
	rig.d.as = new;
	assert_int_equal(kerberos_kvno(&rig.d), 3);
	assert_string_equal(kerberos_realm(&rig.d), "EXAMPLE.COM");
	/* Secrets never come back. */
	rig_call(&rig, KRB, "Get", NULL, NULL);
	assert_null(xml_child(rig_body(&rig), "Passphrase"));
	assert_null(xml_child(rig_body(&rig), "Salt"));
	assert_null(xml_child(rig_body(&rig), "MasterKey"));
	assert_string_equal(rig_text(&rig, "RealmName"), "EXAMPLE.COM");
	/* One peer names it otherwise and reports a schema fault. SPEC: vectors INDEX.txt */
	rig_call(&rig, KRB, "SetCredentialCacheState", NULL, "<r:Enabled>true</r:Enabled>");
	assert_string_equal(rig.fault, "SchemaValidationError");
	assert_int_equal(call(KRB, "SetCredentialCacheState", "<r:Enable>true</r:Enable>"), 0);
	assert_int_equal(call(KRB, "GetCredentialCacheState", NULL), 0);
	assert_string_equal(rig_text(&rig, "Enabled"), "true");
}

/* A device that changed nothing holds nothing of its own. */
static void test_copy_on_write(void **state)
{
	(void)state;
	assert_int_equal(parts_bytes(&rig.d), 0);
	assert_int_equal(
		call(AUTHZ, "EnumerateUserAclEntries", "<r:StartIndex>1</r:StartIndex>"), 0);
	rig_call(&rig, KRB, "Get", NULL, NULL);
	assert_int_equal(parts_bytes(&rig.d), 0);
	assert_int_equal(add_digest("one", ""), 0);
	assert_int_equal(parts_bytes(&rig.d), sizeof(struct acl));
	/* The factory value has not changed. */
	assert_int_equal(acl_factory.entries[2].kind, ACL_FREE);
}

static void test_revocation_and_trust(void **state)
{
	(void)state;
	const char *crl = "<r:Url>http://pki.example.com/ca.crl</r:Url><r:SerialNumbers>AQ=="
			  "</r:SerialNumbers><r:SerialNumbers>Ag==</r:SerialNumbers>";
	assert_int_equal(call(TRUST, "AddCRL", crl), 0);
	assert_int_equal(call(TRUST, "AddCRL", crl), 2058);
	assert_int_equal(call(TRUST, "ResetCRLList", NULL), 0);
	assert_int_equal(call(TRUST, "AddCRL", crl), 0);
	/* Not while mutual authentication is on. */
	rig.d.committed.setting[TLS_REMOTE].mutual = true;
	assert_int_equal(call(TRUST, "AddTrustedRootCertificate",
				 "<r:CertificateBlob>MTIz</r:CertificateBlob>"),
		16);
}

/* What a generation lacks is data. */
static void test_absence(void **state)
{
	static const char *const names[] = {"CIM_SoftwareIdentity",
		"AMT_AuthorizationService.GetAdminAclEntry",
		"AMT_GeneralSettings.ThunderboltDockEnabled"};
	static const char *const unknown[] = {"AMT_GeneralSettings.Nonsense"};
	struct personality mine = *rig.d.as;
	struct error err = {0};
	(void)state;
	assert_true(absence_build(&mine.absent, unknown, 1, &err) < 0);
	assert_non_null(strstr(err.text, "Nonsense"));
	assert_int_equal(absence_build(&mine.absent, names, 3, &err), 0);
	rig.d.as = &mine;
	rig_call(&rig, CIM_URI "CIM_SoftwareIdentity", "Enumerate", NULL, "<n:Enumerate/>");
	assert_string_equal(rig.fault, "DestinationUnreachable");
	rig_call(&rig, AUTHZ, "GetAdminAclEntry", NULL, NULL);
	assert_string_equal(rig.fault, "ActionNotSupported");
	assert_int_equal(call(AUTHZ, "GetAdminAclEntryStatus", NULL), 0);
	rig_call(&rig, AMT_URI "AMT_GeneralSettings", "Get", NULL, NULL);
	assert_null(xml_child(rig_body(&rig), "ThunderboltDockEnabled"));
	rig_call(&rig, AMT_URI "AMT_GeneralSettings", "Put", NULL,
		"<r:AMT_GeneralSettings><r:PingResponseEnabled>true</r:PingResponseEnabled>"
		"<r:ThunderboltDockEnabled>0</r:ThunderboltDockEnabled>"
		"<r:WsmanOnlyMode>false</r:WsmanOnlyMode></r:AMT_GeneralSettings>");
	assert_string_equal(rig.fault, "SchemaValidationError");
	absence_free(mine.absent);
	rig.d.as = personality_find(&rig.set, "amt16");
}

static void test_flash_is_worn_out(void **state)
{
	(void)state;
	rig.d.n_flash = DEVICE_FLASH_MAX;
	assert_int_equal(add_digest("one", ""), 38);
	assert_null(acl_by_user(&rig.d, "one"));
	assert_int_equal(
		call(AUTHZ, "EnumerateUserAclEntries", "<r:StartIndex>1</r:StartIndex>"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_digest_entries, open16, shut),
		cmocka_unit_test_setup_teardown(test_refusals, open16, shut),
		cmocka_unit_test_setup_teardown(test_limits_and_pages, open16, shut),
		cmocka_unit_test_setup_teardown(test_domains, open16, shut),
		cmocka_unit_test(test_keys_against_standards),
		cmocka_unit_test(test_keys_against_vectors),
		cmocka_unit_test_setup_teardown(test_kerberos_settings, open16, shut),
		cmocka_unit_test_setup_teardown(test_copy_on_write, open16, shut),
		cmocka_unit_test_setup_teardown(test_revocation_and_trust, open16, shut),
		cmocka_unit_test_setup_teardown(test_absence, open16, shut),
		cmocka_unit_test_setup_teardown(test_flash_is_worn_out, open16, shut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
