/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device answers beside WS-Man, and on which ports: rules and damaged input. That foreign
 * programs can use it is shown end to end. SPEC: eoi.md 3; wsman.md 7, 8
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/auth.h"
#include "bench/sim/faces/eoi.h"
#include "bench/sim/faces/face.h"
#include "bench/sim/faces/negotiate.h"
#include "bench/sim/faces/ports.h"
#include "bench/sim/faces/web.h"
#include "common/base/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_RC  "http://schemas.intel.com/platform/client/RemoteControl/2004/01"
#define NS_NET "http://schemas.intel.com/platform/client/NetworkAdministration/2004/01"

static struct rig rig;

static int open_old(void **state)
{
	(void)state;
	rig_open(&rig, "amt6", NULL);
	device_commit(&rig.d);
	return 0;
}

static int open_new(void **state)
{
	(void)state;
	rig_open(&rig, "amt16", NULL);
	device_commit(&rig.d);
	return 0;
}

static int shut(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* ---- ports ---------------------------------------------------------------------------------- */

/* One letter for each port that listens: clear, TLS, redirection, redirection with TLS. */
static const char *listening(void)
{
	static char text[PORT_N + 1];
	for (enum port_kind k = 0; k < PORT_N; k++)
		text[k] = port_listens(&rig.d, k) ? "ctrs"[k] : '-';
	return text;
}

static void test_ports(void **state)
{
	struct tls_setting *tls = &rig.d.committed.setting[TLS_REMOTE];
	(void)state;
	rig.d.state = DEV_IN;
	assert_string_equal(listening(), "-t--");
	rig.d.state = DEV_POST;
	*tls = (struct tls_setting){.enabled = false};
	assert_string_equal(listening(), "c---");
	*tls = (struct tls_setting){.enabled = true};
	assert_string_equal(listening(), "-t--");
	rig.d.set.redir_listener = true;
	assert_string_equal(listening(), "-t--"); /* no service is on */
	rig.d.set.redir_state = 32768 + 2;
	assert_string_equal(listening(), "-t-s");
	tls->nonsecure = true;
	assert_string_equal(listening(), "ctrs");
	rig.d.set.redir_listener = false;
	assert_string_equal(listening(), "ct--");
}

static void test_ports_of_new_release(void **state)
{
	(void)state;
	rig.d.committed.setting[TLS_REMOTE] =
		(struct tls_setting){.enabled = true, .nonsecure = true};
	rig.d.set.redir_listener = true;
	rig.d.set.redir_state = 32771;
	assert_string_equal(listening(), "-t-s");
}

/* ---- web page ------------------------------------------------------------------------------- */

static int web_status(const char *url)
{
	struct web_page p;
	web_serve(&rig.d, url, &p);
	buf_free(&p.html);
	return p.status;
}

static void test_web_page(void **state)
{
	(void)state;
	rig.d.set.webui_state = 2;
	assert_int_equal(web_status("/"), 303);
	assert_int_equal(web_status("/logon.htm"), 200);
	assert_int_equal(web_status("/index.htm"), 200);
	assert_int_equal(web_status("/none.htm"), 404);
	assert_true(web_public(&rig.d, "/logon.htm"));
	assert_false(web_public(&rig.d, "/index.htm"));
	rig.d.set.webui_state = 3;
	assert_int_equal(web_status("/index.htm"), 404);
	assert_true(web_public(&rig.d, "/index.htm"));
	rig.d.set.webui_state = 2;
	rig.d.state = DEV_IN;
	assert_int_equal(web_status("/index.htm"), 404);
}

static void test_web_page_escapes(void **state)
{
	struct web_page p;
	(void)state;
	snprintf(rig.d.set.host, sizeof rig.d.set.host, "<script>");
	web_serve(&rig.d, "/index.htm", &p);
	assert_null(strstr(buf_cstr(&p.html), "<script>"));
	assert_non_null(strstr(buf_cstr(&p.html), "&lt;script&gt;"));
	buf_free(&p.html);
}

static int face(bool post, const char *url, uint32_t realms)
{
	struct buf out;
	char line[32];
	const struct face_request rq = {
		.post = post, .url = url, .realms = realms, .body = "", .body_len = 0};
	buf_init(&out, 65536);
	int status = face_serve(&rig.d, &rq, &out);
	snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
	assert_memory_equal(buf_cstr(&out), line, strlen(line));
	buf_free(&out);
	return status;
}

static void test_realms_open_faces(void **state)
{
	(void)state;
	assert_int_equal(face(false, "/index.htm", 1u << REALM_GENERAL_INFO), 200);
	assert_int_equal(face(false, "/index.htm", 1u << REALM_ADMINISTRATION), 200);
	assert_int_equal(face(false, "/index.htm", 1u << REALM_REDIRECTION), 403);
	assert_int_equal(face(false, "/logon.htm", 0), 200);
	assert_int_equal(face(true, "/RemoteControlService", 1u << REALM_GENERAL_INFO), 403);
	assert_int_equal(face(true, "/RemoteControlService", 1u << REALM_REMOTE_CONTROL), 500);
	assert_int_equal(face(true, "/NoService", UINT32_MAX), 404);
}

/* ---- the SOAP of the first releases --------------------------------------------------------- */

static char answer[EOI_ANSWER_MAX];

static int eoi(const char *url, const char *ns, const char *operation, const char *args)
{
	struct buf out;
	char text[2048];
	snprintf(text, sizeof text,
		"<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>"
		"<%s xmlns=\"%s\">%s</%s></s:Body></s:Envelope>",
		operation, ns, args, operation);
	buf_init(&out, EOI_ANSWER_MAX);
	int status = eoi_serve(&rig.d, 1, url, text, strlen(text), &out);
	snprintf(answer, sizeof answer, "%s", buf_cstr(&out));
	buf_free(&out);
	return status;
}

/* Status of a RemoteControl call; -1 = a SOAP fault. */
static int control(const char *args)
{
	if (eoi("/RemoteControlService", NS_RC, "RemoteControl", args) != 200)
		return -1;
	const char *at = strstr(answer, "Status>");
	assert_non_null(at);
	return atoi(at + strlen("Status>"));
}

static void test_eoi_power(void **state)
{
	static const struct {
		const char *args;
		int status;
		uint32_t power; /* afterwards */
	} calls[] = {
		{"<Command>17</Command><IanaOemNumber>343</IanaOemNumber>", 16, POWER_ON},
		{"<Command>18</Command><IanaOemNumber>343</IanaOemNumber>", 0, POWER_OFF},
		{"<Command>16</Command><IanaOemNumber>343</IanaOemNumber>", 16, POWER_OFF},
		{"<Command>17</Command><IanaOemNumber>344</IanaOemNumber>", 0x801, POWER_OFF},
		{"<Command>17</Command><IanaOemNumber>343</IanaOemNumber>"
		 "<SpecialCommand>6</SpecialCommand>",
			0x804, POWER_OFF},
		{"<Command>20</Command><IanaOemNumber>343</IanaOemNumber>", 0x803, POWER_OFF},
		{"<IanaOemNumber>343</IanaOemNumber><Command>17</Command>", -1, POWER_OFF},
		{"<Command>17</Command>", -1, POWER_OFF},
		{"<Command>17</Command><IanaOemNumber>343</IanaOemNumber><More>1</More>", -1,
			POWER_OFF},
		{"<Command>17</Command><IanaOemNumber>343</IanaOemNumber>"
		 "<SpecialCommand>1</SpecialCommand>",
			0, POWER_ON},
	};
	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		assert_int_equal(control(calls[i].args), calls[i].status);
		assert_int_equal(rig.d.power, calls[i].power);
	}
}

static void test_eoi_network(void **state)
{
	static const char *const url = "/NetworkAdministrationService";
	(void)state;
	assert_int_equal(
		eoi(url, NS_NET, "SetInterfaceSettings",
			"<InterfaceHandle>0</InterfaceHandle><InterfaceDescriptor>"
			"<InterfaceMode>SEPARATE_MAC_ADDRESS</InterfaceMode><LinkPolicy>1"
			"</LinkPolicy><IPv4Parameters><LocalAddress>3232235777</LocalAddress>"
			"<SubnetMask>4294967040</SubnetMask><DefaultGatewayAddress>0"
			"</DefaultGatewayAddress><PrimaryDnsAddress>0</PrimaryDnsAddress>"
			"<SecondaryDnsAddress>0</SecondaryDnsAddress></IPv4Parameters>"
			"</InterfaceDescriptor>"),
		200);
	assert_string_equal(rig.d.set.ip, "192.168.1.1");
	assert_string_equal(rig.d.set.mask, "255.255.255.0");
	assert_false(rig.d.set.dhcp);
	assert_int_equal(
		eoi(url, NS_NET, "GetInterfaceSettings", "<InterfaceHandle>1</InterfaceHandle>"),
		200);
	assert_non_null(strstr(answer, "Status>2053<"));
	assert_int_equal(eoi(url, NS_RC, "GetHostName", ""), 500); /* another namespace */
	assert_int_equal(eoi(url, NS_NET, "GetSystemPowerState", ""), 500);
	struct buf out;
	buf_init(&out, EOI_ANSWER_MAX);
	assert_int_equal(eoi_serve(&rig.d, 1, url, "<cut", 4, &out), 500);
	buf_free(&out);
}

static void test_eoi_presence(void **state)
{
	(void)state;
	assert_true(eoi_present(&rig.d, "/RemoteControlService"));
	assert_false(eoi_present(&rig.d, "/RedirectionService"));
	assert_false(eoi_present(&rig.d, "/RemoteControl"));
	assert_false(eoi_present(&rig.d, "/RemoteControlServices"));
	rig.d.set.wsman_only = true;
	assert_false(eoi_present(&rig.d, "/RemoteControlService"));
}

static void test_eoi_is_gone(void **state)
{
	(void)state;
	assert_false(eoi_present(&rig.d, "/RemoteControlService"));
}

/* ---- SIDs of a ticket ----------------------------------------------------------------------- */

struct blob {
	uint8_t data[512];
	size_t len;
};

static void zeros(struct blob *b, size_t n)
{
	b->len += n;
}

static void u32(struct blob *b, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		b->data[b->len++] = (uint8_t)(v >> 8 * i);
}

/* KERB_VALIDATION_INFO of user 1104 with groups 513 and 1111, without any text (MS-PAC 2.5). */
static void validation_info(struct blob *b)
{
	static const uint8_t domain[] = {
		1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0};
	*b = (struct blob){.len = 0};
	zeros(b, 16);
	u32(b, 0x20000);
	zeros(b, 48 + 6 * 8 + 4);
	u32(b, 1104);
	u32(b, 513);
	u32(b, 2);
	u32(b, 0x20004);
	zeros(b, 4 + 16 + 2 * 8);
	u32(b, 0x20008);
	zeros(b, 40 + 8 + 12);
	u32(b, 2);
	u32(b, 513);
	u32(b, 7);
	u32(b, 1111);
	u32(b, 7);
	u32(b, 4);
	memcpy(b->data + b->len, domain, sizeof domain);
	b->len += sizeof domain;
}

static void add_sid(uint32_t rid, const char *realm)
{
	uint8_t sid[28] = {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9};
	struct buf text;
	char body[256];
	sid[24] = (uint8_t)rid;
	sid[25] = (uint8_t)(rid >> 8);
	buf_init(&text, 64);
	assert_int_equal(base64_encode(&text, sid, sizeof sid), 0);
	snprintf(body, sizeof body,
		"<r:KerberosUserSid>%s</r:KerberosUserSid><r:AccessPermission>2"
		"</r:AccessPermission><r:Realms>%s</r:Realms>",
		buf_cstr(&text), realm);
	buf_free(&text);
	rig_call(&rig, AMT_URI "AMT_KerberosSettingData", "Put", NULL,
		"<r:AMT_KerberosSettingData><r:InstanceID>Intel (r) AMT: Kerberos Settings"
		"</r:InstanceID><r:IterationCount>4096</r:IterationCount><r:KrbEnabled>true"
		"</r:KrbEnabled><r:Passphrase>P@ssw0rd</r:Passphrase><r:RealmName>A.EXAMPLE"
		"</r:RealmName><r:Salt>A.EXAMPLEhost</r:Salt></r:AMT_KerberosSettingData>");
	assert_string_equal(rig.fault, "");
	rig_call(&rig, AMT_URI "AMT_AuthorizationService", "AddUserAclEntryEx", NULL, body);
	assert_int_equal(rig_rv(&rig), 0);
}

static void test_sids(void **state)
{
	struct blob b;
	(void)state;
	validation_info(&b);
	assert_int_equal(negotiate_realms(&rig.d, b.data, b.len), 0);
	add_sid(1112, "4");
	assert_int_equal(negotiate_realms(&rig.d, b.data, b.len), 0);
	add_sid(1111, "5");
	assert_int_equal(negotiate_realms(&rig.d, b.data, b.len), 1 << 5);
	add_sid(1104, "2");
	assert_int_equal(negotiate_realms(&rig.d, b.data, b.len), 1 << 5 | 1 << 2);
	/* Cut anywhere it is refused, and nothing is read behind the cut. */
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *cut = malloc(n ? n : 1);
		assert_non_null(cut);
		memcpy(cut, b.data, n);
		assert_int_equal(negotiate_realms(&rig.d, cut, n), E_PARSE);
		free(cut);
	}
}

static void test_sids_of_damaged_tickets(void **state)
{
	struct blob b, bad;
	(void)state;
	add_sid(1104, "2");
	validation_info(&b);
	for (size_t i = 0; i < b.len; i++)
		for (unsigned v = 1; v < 256; v += 127) {
			bad = b;
			bad.data[i] ^= (uint8_t)v;
			int64_t realms = negotiate_realms(&rig.d, bad.data, bad.len);
			assert_true(realms == E_PARSE || realms == 0 || realms == 1 << 2);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ports, open_old, shut),
		cmocka_unit_test_setup_teardown(test_ports_of_new_release, open_new, shut),
		cmocka_unit_test_setup_teardown(test_web_page, open_new, shut),
		cmocka_unit_test_setup_teardown(test_web_page_escapes, open_new, shut),
		cmocka_unit_test_setup_teardown(test_realms_open_faces, open_old, shut),
		cmocka_unit_test_setup_teardown(test_eoi_power, open_old, shut),
		cmocka_unit_test_setup_teardown(test_eoi_network, open_old, shut),
		cmocka_unit_test_setup_teardown(test_eoi_presence, open_old, shut),
		cmocka_unit_test_setup_teardown(test_eoi_is_gone, open_new, shut),
		cmocka_unit_test_setup_teardown(test_sids, open_new, shut),
		cmocka_unit_test_setup_teardown(test_sids_of_damaged_tickets, open_new, shut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
