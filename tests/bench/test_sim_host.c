/* SPDX-License-Identifier: Apache-2.0 */
/* Power, boot, inventory, addresses and records of a simulated device. SPEC: maintenance.md 6, 7 */
#include "tests/bench/sim_test.h"

#include "bench/sim/classes/boot.h"
#include "bench/sim/classes/class.h"
#include "bench/sim/classes/record.h"
#include "bench/sim/judge.h"

#include <stdio.h>
#include <string.h>

#define POWER   CIM_URI "CIM_PowerManagementService"
#define STATE   CIM_URI "CIM_AssociatedPowerManagementService"
#define BOOT    AMT_URI "AMT_BootSettingData"
#define CONFIG  CIM_URI "CIM_BootConfigSetting"
#define SERVICE CIM_URI "CIM_BootService"
#define IPV6    IPS_URI "IPS_IPv6PortSettings"
#define HASH    AMT_URI "AMT_ProvisioningCertificateHash"
#define SETUP   AMT_URI "AMT_SetupAndConfigurationService"

#define REF(element, uri, selector, value)                                                       \
	"<r:" element "><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" uri \
	"</w:ResourceURI><w:SelectorSet><w:Selector Name=\"" selector "\">" value                \
	"</w:Selector></w:SelectorSet></a:ReferenceParameters></r:" element ">"

static struct rig rig;

static int open12(void **state)
{
	(void)state;
	rig_open(&rig, "amt12", NULL);
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

static int power(unsigned action, const char *host)
{
	char body[1024];
	snprintf(body, sizeof body,
		"<r:PowerState>%u</r:PowerState>" REF(
			"ManagedElement", CIM_URI "CIM_ComputerSystem", "Name", "%s"),
		action, host);
	return call(POWER, "RequestPowerStateChange", body);
}

static const char *power_state(void)
{
	const struct xml_node *items = rig_pull(&rig, STATE);
	return xml_child(items->children, "PowerState")->text;
}

static void test_power(void **state)
{
	(void)state;
	assert_string_equal(power_state(), "2");
	assert_int_equal(power(8, "Intel(r) AMT"), 5); /* the engine is not the host */
	assert_int_equal(power(8, "ManagedSystem"), 0);
	assert_string_equal(power_state(), "8");
	assert_int_equal(power(10, "ManagedSystem"), 4097); /* nothing to reset */
	assert_int_equal(power(3, "ManagedSystem"), 1);
	assert_int_equal(power(2, "ManagedSystem"), 0);
	assert_string_equal(power_state(), "2");
}

/* Options hold for one start; secure boot stays. */
static void test_boot(void **state)
{
	(void)state;
	char body[4096];
	rig_call(&rig, BOOT, "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "OptionsCleared"), "true");
	snprintf(body, sizeof body,
		"<r:AMT_BootSettingData><r:BIOSSetup>true</r:BIOSSetup>"
		"<r:EnforceSecureBoot>true</r:EnforceSecureBoot>"
		"<r:UseSOL>true</r:UseSOL></r:AMT_BootSettingData>");
	rig_call(&rig, BOOT, "Put", NULL, body);
	assert_string_equal(rig.fault, "");
	rig_call(&rig, BOOT, "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "BIOSSetup"), "true");
	assert_string_equal(rig_text(&rig, "OptionsCleared"), "false");
	const char *pxe = REF("Source", CIM_URI "CIM_BootSourceSetting", "InstanceID",
		"Intel(r) AMT: Force PXE Boot");
	assert_int_equal(call(CONFIG, "ChangeBootOrder", pxe), 0);
	assert_int_equal(call(CONFIG, "ChangeBootOrder",
				 REF("Source", CIM_URI "CIM_BootSourceSetting", "InstanceID",
					 "Intel(r) AMT: Force Tape Boot")),
		5);
	const char *role = REF("BootConfigSetting", CONFIG, "InstanceID",
		"Intel(r) AMT: Boot Configuration 0") "<r:Role>1</r:Role>";
	assert_int_equal(call(SERVICE, "SetBootConfigRole", role), 0);
	const struct boot *boot = part_read(&rig.d, PART_BOOT);
	assert_string_equal(boot->source, "Intel(r) AMT: Force PXE Boot");
	assert_int_equal(boot->role, 1);
	assert_int_equal(power(10, "ManagedSystem"), 0);
	rig_call(&rig, BOOT, "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "BIOSSetup"), "false");
	assert_string_equal(rig_text(&rig, "EnforceSecureBoot"), "true");
	boot = part_read(&rig.d, PART_BOOT);
	assert_string_equal(boot->source, "");
}

static void test_inventory(void **state)
{
	static const struct {
		const char *uri, *prop, *text;
		size_t n;
	} rows[] = {
		{CIM_URI "CIM_Chassis", "SerialNumber", "CH000000", 1},
		{CIM_URI "CIM_Card", "SerialNumber", "BB000000", 1},
		{CIM_URI "CIM_BIOSElement", "PrimaryBIOS", "true", 1},
		{CIM_URI "CIM_Processor", "DeviceID", "CPU 0", 1},
		{CIM_URI "CIM_Chip", "Tag", "CPU 0", 1},
		{CIM_URI "CIM_PhysicalMemory", "BankLabel", "BANK 0", 2},
		{CIM_URI "CIM_MediaAccessDevice", "DeviceID", "MEDIA DEV 0", 1},
		{IPS_URI "IPS_HostIPSettings", "DHCPEnabled", "true", 1},
		{AMT_URI "AMT_MessageLog", "CurrentNumberOfRecords", "0", 1},
		{AMT_URI "AMT_AuditLog", "CurrentNumberOfRecords", "0", 1},
	};
	(void)state;
	rig.d.index = 0;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct xml_node *items = rig_pull(&rig, rows[i].uri);
		assert_int_equal(xml_count(items), rows[i].n);
		assert_string_equal(xml_child(items->children, rows[i].prop)->text, rows[i].text);
		rig_call(&rig, rows[i].uri, "Put", NULL, "<r:x/>");
		assert_string_not_equal(rig.fault, "");
	}
}

static void test_ipv6(void **state)
{
	(void)state;
	const char *id = "<r:InstanceID>Intel(r) IPS IPv6 Settings 0</r:InstanceID>";
	char body[1024];
	snprintf(body, sizeof body,
		"<r:IPS_IPv6PortSettings><r:IPv6Address>2001:db8::7</r:IPv6Address>%s"
		"<r:InterfaceIDType>2</r:InterfaceIDType></r:IPS_IPv6PortSettings>",
		id);
	rig_call(&rig, IPV6, "Put", NULL, body);
	assert_string_equal(rig.fault, "");
	rig_call(&rig, IPV6, "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "IPv6Address"), "2001:db8::7");
	snprintf(body, sizeof body,
		"<r:IPS_IPv6PortSettings><r:IPv6Address>10.0.0.1</r:IPv6Address>%s"
		"</r:IPS_IPv6PortSettings>",
		id);
	rig_call(&rig, IPV6, "Put", NULL, body);
	assert_string_equal(rig.fault, "SchemaValidationError");
}

/* SPEC: hello.md 5.5 numbers the hashes; 12.0 lists no SHA-1. */
static void test_records(void **state)
{
	static const struct judge_hash root = {.sha256 = {1, 2, 3}};
	(void)state;
	rig.d.roots = &root;
	rig.d.n_roots = 1;
	const struct xml_node *items = rig_pull(&rig, HASH);
	const struct personality_hello *lists = &rig.d.as->hello;
	assert_int_equal(xml_count(items), lists->sha1 + lists->sha256 + lists->sha384);
	for (const struct xml_node *n = items->children; n; n = n->next)
		assert_string_equal(xml_child(n, "IsDefault")->text, "true");
	assert_int_equal(xml_count(rig_pull(&rig, IPS_URI "IPS_TLSProvisioningRecord")), 0);
	record_commit(&rig.d);
	items = rig_pull(&rig, IPS_URI "IPS_TLSProvisioningRecord");
	assert_int_equal(xml_count(items), 1);
	assert_string_equal(xml_child(items->children, "IsTimeValid")->text, "false");
	rig_call(&rig, IPS_URI "IPS_ProvisioningRecordLog", "Get", NULL, NULL);
	assert_string_equal(rig_text(&rig, "CurrentNumberOfRecords"), "1");
}

/* SPEC: maintenance.md 6 */
static void test_unprovision(void **state)
{
	(void)state;
	snprintf(rig.d.set.host, sizeof rig.d.set.host, "pc1");
	rig.d.set.ping = false;
	rig.d.state = DEV_POST;
	rig.d.faults = 1ull << FAULT_AUDIT_LOCK;
	assert_int_equal(call(SETUP, "PartialUnprovision", NULL), 2076);
	rig_call(&rig, SETUP, "GetUnprovisionBlockingComponents", NULL, NULL);
	assert_string_equal(rig_text(&rig, "Component"), "1");
	rig.d.faults = 0;
	assert_non_null(device_key_add(&rig.d));
	assert_non_null(part_write(&rig.d, PART_BOOT));
	rig.d.admin_default = false;
	assert_int_equal(call(SETUP, "PartialUnprovision", NULL), 0);
	assert_string_equal(rig.d.set.host, "pc1");
	assert_true(rig.d.set.ping);
	assert_false(rig.d.admin_default);
	assert_int_equal(xml_count(rig_pull(&rig, AMT_URI "AMT_PublicPrivateKeyPair")), 0);
	assert_int_equal(parts_bytes(&rig.d), 0);
	rig.d.state = DEV_POST;
	assert_int_equal(
		call(SETUP, "Unprovision", "<r:ProvisioningMode>1</r:ProvisioningMode>"), 0);
	assert_string_equal(rig.d.set.host, "");
	assert_true(rig.d.admin_default);
	assert_true(rig.last.deaf_ms > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_power, open12, shut),
		cmocka_unit_test_setup_teardown(test_boot, open12, shut),
		cmocka_unit_test_setup_teardown(test_inventory, open12, shut),
		cmocka_unit_test_setup_teardown(test_ipv6, open12, shut),
		cmocka_unit_test_setup_teardown(test_records, open12, shut),
		cmocka_unit_test_setup_teardown(test_unprovision, open12, shut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
