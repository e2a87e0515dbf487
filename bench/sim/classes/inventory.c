/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine is made of, and its addresses: read only, the same in every state. Two memory
 * chips and one disk; serial numbers and addresses are those of the device, the rest is one model.
 * SPEC: maintenance.md 7
 */
#include "bench/sim/classes/class.h"

#include <stdio.h>

#define HOST                                                                      \
	{"SystemCreationClassName", PT_STR, PF_RO, .text = "CIM_ComputerSystem"}, \
	{                                                                         \
		"SystemName", PT_STR, PF_RO, .text = "ManagedSystem"              \
	}
#define CONST(name_, text_)                             \
	{                                               \
		(name_), PT_STR, PF_RO, .text = (text_) \
	}
#define NUMBER(name_, text_)                             \
	{                                                \
		(name_), PT_UINT, PF_RO, .text = (text_) \
	}

/* A number on a label: what it is of, and the device's own. */
static void label(struct writer *w, const struct prop *p, const char *kind, const struct device *d)
{
	char text[32];
	snprintf(text, sizeof text, "%s%06zu", kind, d->index);
	w_text(w, p->name, text);
}

static void chassis_serial(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	label(w, p, "CH", d);
}

static void board_serial(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	label(w, p, "BB", d);
}

const struct class_def class_chassis = {
	.name = "CIM_Chassis",
	.ns = NS_CIM,
	.props = (const struct prop[]){NUMBER("ChassisPackageType", "0"),
		{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_Chassis"},
		CONST("ElementName", "Managed System Chassis"),
		CONST("Manufacturer", "Muster Simulated Systems"), CONST("Model", "SIM-1"),
		NUMBER("OperationalStatus", "0"), NUMBER("PackageType", "3"),
		{"SerialNumber", PT_STR, PF_RO, .value = chassis_serial},
		{"Tag", PT_STR, PF_RO | PF_ID, .text = "CIM_Chassis"}, CONST("Version", "1.0"),
		{NULL}},
};

const struct class_def class_card = {
	.name = "CIM_Card",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"CanBeFRUed", PT_BOOL, PF_RO, .text = "true"},
		{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_Card"},
		CONST("ElementName", "Managed System Base Board"),
		CONST("Manufacturer", "Muster Simulated Systems"), CONST("Model", "SIM-B1"),
		NUMBER("OperationalStatus", "0"), NUMBER("PackageType", "9"),
		{"SerialNumber", PT_STR, PF_RO, .value = board_serial},
		{"Tag", PT_STR, PF_RO | PF_ID, .text = "CIM_Card"}, CONST("Version", "1.0"),
		{NULL}},
};

const struct class_def class_bios = {
	.name = "CIM_BIOSElement",
	.ns = NS_CIM,
	.props = (const struct prop[]){CONST("ElementName", "Primary BIOS"),
		CONST("Manufacturer", "Muster Simulated Systems"),
		{"Name", PT_STR, PF_RO | PF_ID, .text = "Primary BIOS"},
		NUMBER("OperationalStatus", "0"), {"PrimaryBIOS", PT_BOOL, PF_RO, .text = "true"},
		{"ReleaseDate", PT_DATETIME, PF_RO, .text = "2024-01-15T00:00:00Z"},
		{"SoftwareElementID", PT_STR, PF_RO | PF_ID, .text = "SIM10.0001"},
		{"SoftwareElementState", PT_UINT, PF_RO | PF_ID, .text = "2"},
		{"TargetOperatingSystem", PT_UINT, PF_RO | PF_ID, .text = "66"},
		{"Version", PT_STR, PF_RO | PF_ID, .text = "SIM10.0001"}, {NULL}},
};

const struct class_def class_processor = {
	.name = "CIM_Processor",
	.ns = NS_CIM,
	.props = (const struct prop[]){NUMBER("CPUStatus", "1"),
		{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_Processor"},
		NUMBER("CurrentClockSpeed", "2400"),
		{"DeviceID", PT_STR, PF_RO | PF_ID, .text = "CPU 0"},
		CONST("ElementName", "Managed System CPU"), NUMBER("EnabledState", "2"),
		NUMBER("ExternalBusClockSpeed", "100"), NUMBER("Family", "198"),
		NUMBER("HealthState", "0"), NUMBER("MaxClockSpeed", "4800"),
		NUMBER("OperationalStatus", "0"), CONST("OtherFamilyDescription", ""),
		NUMBER("RequestedState", "12"), CONST("Role", "Central"), CONST("Stepping", "1"),
		HOST, NUMBER("UpgradeMethod", "52"), {NULL}},
};

const struct class_def class_chip = {
	.name = "CIM_Chip",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"CanBeFRUed", PT_BOOL, PF_RO, .text = "true"},
		{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_Chip"},
		CONST("ElementName", "Managed System Processor Chip"),
		CONST("Manufacturer", "Muster Simulated Systems"), NUMBER("OperationalStatus", "0"),
		{"Tag", PT_STR, PF_RO | PF_ID, .text = "CPU 0"},
		CONST("Version", "Simulated CPU @ 2.40GHz"), {NULL}},
};

/* ---- memory and disk ------------------------------------------------------------------------ */

#define MEMORY_CHIPS 2

static int memory_count(const struct device *d)
{
	(void)d;
	return MEMORY_CHIPS;
}

static void bank(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[16];
	(void)d;
	snprintf(text, sizeof text, "BANK %d", i);
	w_text(w, p->name, text);
}

static void memory_serial(struct writer *w, struct device *d, int i, const struct prop *p)
{
	label(w, p, i ? "M1" : "M0", d);
}

const struct class_def class_memory = {
	.name = "CIM_PhysicalMemory",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"BankLabel", PT_STR, PF_RO, .value = bank},
		NUMBER("Capacity", "17179869184"), NUMBER("ConfiguredMemoryClockSpeed", "3200"),
		{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_PhysicalMemory"},
		CONST("ElementName", "Managed System Memory Chip"), NUMBER("FormFactor", "13"),
		{"IsSpeedInMhz", PT_BOOL, PF_RO, .text = "true"},
		CONST("Manufacturer", "Muster Simulated Systems"), NUMBER("MaxMemorySpeed", "3200"),
		NUMBER("MemoryType", "26"), CONST("PartNumber", "SIM-16G"),
		{"SerialNumber", PT_STR, PF_RO, .value = memory_serial}, NUMBER("Speed", "0"),
		{"Tag", PT_STR, PF_RO | PF_ID, .value = memory_serial}, {NULL}},
	.count = memory_count,
};

const struct class_def class_media = {
	.name = "CIM_MediaAccessDevice",
	.ns = NS_CIM,
	.props = (const struct prop[]){NUMBER("Capabilities", "4"),
		{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_MediaAccessDevice"},
		{"DeviceID", PT_STR, PF_RO | PF_ID, .text = "MEDIA DEV 0"},
		CONST("ElementName", "Managed System Media Access Device"),
		NUMBER("EnabledDefault", "2"), NUMBER("EnabledState", "0"),
		NUMBER("MaxMediaSize", "960197124"), NUMBER("OperationalStatus", "0"),
		NUMBER("RequestedState", "12"), NUMBER("Security", "2"), HOST, {NULL}},
};

/* The UUID once more, as hex in the order of the wire. */
static void platform_guid(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[2 * sizeof d->uuid.b + 1];
	(void)i;
	for (size_t at = 0; at < sizeof d->uuid.b; at++)
		snprintf(text + 2 * at, 3, "%02X", d->uuid.b[at]);
	w_text(w, p->name, text);
}

const struct class_def class_system_package = {
	.name = "CIM_ComputerSystemPackage",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"Antecedent", PT_REF, PF_RO,
					       .text = "CIM_Chassis;CreationClassName=CIM_Chassis;"
						       "Tag=CIM_Chassis"},
		{"Dependent", PT_REF, PF_RO,
			.text = "CIM_ComputerSystem;CreationClassName=CIM_ComputerSystem;"
				"Name=ManagedSystem"},
		{"PlatformGUID", PT_STR, PF_RO, .value = platform_guid}, {NULL}},
};

/* ---- addresses ------------------------------------------------------------------------------ */

const struct class_def class_host_ip = {
	.name = "IPS_HostIPSettings",
	.ns = NS_IPS,
	.props = (const struct prop[]){{"DHCPEnabled", PT_BOOL, PF_RO, .off = SET(dhcp)},
		CONST("ElementName", "Intel(r) AMT: Host IP Settings"),
		{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT: Host IP Settings"},
		{NULL}},
};
