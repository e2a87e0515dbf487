/* SPDX-License-Identifier: Apache-2.0 */
/* Power management and boot classes; see boot.h. */
#include "bench/sim/classes/boot.h"

#include "bench/sim/classes/class.h"

#include <stdio.h>
#include <string.h>

#define POWER_SERVICE "Intel(r) AMT Power Management Service"
#define ROLE_NEXT     1
#define ROLE_NOT      32768

const struct boot boot_factory = {.role = ROLE_NOT};

static const struct boot *boot_of(const struct device *d)
{
	return part_read(d, PART_BOOT);
}

/* ---- power ----------------------------------------------------------------------------------- */

/* What an action does, and from where; a start uses up the boot options. */
static const struct {
	uint32_t action, to;
	bool when_on, when_off, starts;
} actions[] = {
	{2, POWER_ON, true, true, true},
	{4, POWER_SLEEP, true, false, false},
	{5, POWER_ON, true, false, true},
	{7, POWER_HIBERNATE, true, false, false},
	{8, POWER_OFF, true, true, false},
	{10, POWER_ON, true, false, true},
	{11, POWER_ON, true, false, false},
	{12, POWER_OFF, true, false, false},
	{14, POWER_ON, true, false, true},
};

/* A start takes the options, once; enforcing secure boot stays. */
static void use_up(struct device *d)
{
	bool secure = boot_of(d)->secure_boot;
	part_reset(d, PART_BOOT);
	struct boot *b = secure ? part_write(d, PART_BOOT) : NULL;
	if (b)
		b->secure_boot = true;
}

uint32_t boot_request(struct device *d, uint32_t action)
{
	bool on = d->power == POWER_ON;
	size_t i = 0, n = sizeof actions / sizeof actions[0];
	while (i < n && actions[i].action != action)
		i++;
	if (i == n)
		return CIM_NOT_SUPPORTED;
	if (on ? !actions[i].when_on : !actions[i].when_off)
		return CIM_TRANSITION;
	if (actions[i].starts && !(on && action == 2))
		use_up(d);
	d->power = actions[i].to;
	return RV_OK;
}

/* State numbers that can be asked for now. */
static void available(struct writer *w, struct device *d, int i, const struct prop *p)
{
	static const uint32_t when_on[] = {10, 8, 5, 11, 4, 7, 14, 12};
	(void)i;
	if (d->power != POWER_ON) {
		w_uint(w, p->name, 2);
		return;
	}
	for (size_t k = 0; k < sizeof when_on / sizeof when_on[0]; k++)
		w_uint(w, p->name, when_on[k]);
}

static void power_state(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	w_uint(w, p->name, d->power);
}

const struct class_def class_associated_power = {
	.name = "CIM_AssociatedPowerManagementService",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"AvailableRequestedPowerStates", PT_UINT, PF_RO | PF_ARRAY,
					       .value = available},
		{"PowerState", PT_UINT, PF_RO, .value = power_state},
		{"ServiceProvided", PT_REF, PF_RO,
			.text = "CIM_PowerManagementService;"
				"CreationClassName=CIM_PowerManagementService;"
				"Name=" POWER_SERVICE ";SystemCreationClassName=CIM_ComputerSystem;"
				"SystemName=Intel(r) AMT"},
		{"UserOfService", PT_REF, PF_RO,
			.text = "CIM_ComputerSystem;CreationClassName=CIM_ComputerSystem;"
				"Name=ManagedSystem"},
		{NULL}},
};

static enum wfault request_power(struct call *c)
{
	uint32_t action = (uint32_t)arg_uint(c, 0, 0);
	const char *host = arg_ref(c, 1, "CIM_ComputerSystem", "Name");
	c->rv = strcmp(host, "ManagedSystem") == 0 ? boot_request(c->d, action)
						   : CIM_INVALID_PARAMETER;
	snprintf(c->note, sizeof c->note, "power %u", action);
	return WF_NONE;
}

static const struct prop power_props[] = {
	PROPS_SERVICE("CIM_PowerManagementService", POWER_SERVICE),
	{"EnabledState", PT_UINT, PF_RO, .text = "5"},
	{"Name", PT_STR, PF_RO | PF_ID, .text = POWER_SERVICE},
	{"RequestedState", PT_UINT, PF_RO, .text = "12"},
	PROPS_SYSTEM,
	{NULL},
};

const struct class_def class_power_service = {
	.name = "CIM_PowerManagementService",
	.ns = NS_CIM,
	.props = power_props,
	.methods =
		(const struct method[]){
			{"RequestPowerStateChange",
				(const struct prop[]){{"PowerState", PT_UINT, PF_REQ},
					{"ManagedElement", PT_REF, PF_REQ}, {NULL}},
				.mutates = true, .no_flash = true, .fn = request_power},
			{NULL}},
};

const struct class_def class_os_power_service = {
	.name = "IPS_PowerManagementService",
	.ns = NS_IPS,
	.props = (const struct prop[]){PROPS_SERVICE("IPS_PowerManagementService", POWER_SERVICE),
		{"EnabledState", PT_UINT, PF_RO, .text = "5"},
		{"Name", PT_STR, PF_RO | PF_ID, .text = POWER_SERVICE},
		{"RequestedState", PT_UINT, PF_RO, .text = "12"}, PROPS_SYSTEM,
		{"OSPowerSavingState", PT_UINT, PF_RO, .text = "2"}, {NULL}},
};

const struct class_def class_power_capabilities = {
	.name = "CIM_PowerManagementCapabilities",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"ElementName", PT_STR, PF_RO,
					       .text = "Power Management Capabilities"},
		{"InstanceID", PT_STR, PF_RO | PF_ID,
			.text = "Intel(r) AMT:PowerManagementCapabilities 0"},
		{"OtherPowerChangeCapabilities", PT_STR, PF_RO, .text = ""},
		{"PowerChangeCapabilities", PT_UINT, PF_RO | PF_ARRAY, .text = "2 3 4 7 8"},
		{"PowerStatesSupported", PT_UINT, PF_RO | PF_ARRAY, .text = "5 8 2 10 11 12 14"},
		{"RequestedPowerStatesSupported", PT_UINT, PF_RO | PF_ARRAY,
			.text = "5 8 2 10 11 12 14"},
		{NULL}},
};

/* ---- AMT_BootSettingData, AMT_BootCapabilities ------------------------------------------------
 */

#define B(field) offsetof(struct boot, field)

/* Whether a start has used the options up. */
static void options_cleared(struct writer *w, struct device *d, int i, const struct prop *p)
{
	const struct boot *b = boot_of(d);
	bool set = b->bios_pause || b->bios_setup || b->use_ider || b->use_sol || b->reflash ||
		   b->secure_erase || b->platform_erase || b->safe_mode || b->password_bypass;
	(void)i;
	w_bool(w, p->name, !set);
}

static const struct prop boot_props[] = {
	{"BIOSLastStatus", PT_UINT, PF_RO | PF_ARRAY, .text = "2 0"},
	{"BIOSPause", PT_BOOL, PF_STORE, .off = B(bios_pause)},
	{"BIOSSetup", PT_BOOL, PF_STORE, .off = B(bios_setup)},
	{"BootMediaIndex", PT_UINT, PF_STORE, .off = B(media_index), .max = 65535},
	{"BootguardStatus", PT_UINT, PF_RO, .text = "127"},
	{"ConfigurationDataReset", PT_BOOL, PF_STORE, .off = B(data_reset)},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Boot Configuration Settings"},
	{"EnforceSecureBoot", PT_BOOL, PF_STORE, .off = B(secure_boot)},
	{"FirmwareVerbosity", PT_UINT, PF_STORE, .off = B(verbosity), .max = 3},
	{"ForcedProgressEvents", PT_BOOL, PF_STORE, .off = B(progress_events)},
	{"IDERBootDevice", PT_UINT, PF_STORE, .off = B(ider_device), .max = 1},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT:BootSettingData 0"},
	{"LockKeyboard", PT_BOOL, PF_STORE, .off = B(lock_keyboard)},
	{"LockPowerButton", PT_BOOL, PF_STORE, .off = B(lock_power)},
	{"LockResetButton", PT_BOOL, PF_STORE, .off = B(lock_reset)},
	{"LockSleepButton", PT_BOOL, PF_STORE, .off = B(lock_sleep)},
	{"OptionsCleared", PT_BOOL, PF_RO, .value = options_cleared},
	{"OwningEntity", PT_STR, PF_RO, .text = "Intel(r) AMT"},
	{"PlatformErase", PT_BOOL, PF_STORE, .off = B(platform_erase)},
	{"RPEEnabled", PT_BOOL, PF_RO, .text = "true"},
	{"RSEPassword", PT_STR, PF_STORE | PF_SECRET | PF_HIDE_EMPTY, .off = B(erase_password),
		.max = BOOT_PASSWORD_MAX},
	{"ReflashBIOS", PT_BOOL, PF_STORE, .off = B(reflash)},
	{"SecureBootControlEnabled", PT_BOOL, PF_RO, .text = "true"},
	{"SecureErase", PT_BOOL, PF_STORE, .off = B(secure_erase)},
	{"UEFIHTTPSBootEnabled", PT_BOOL, PF_RO, .text = "true"},
	{"UEFILocalPBABootEnabled", PT_BOOL, PF_RO, .text = "true"},
	{"UefiBootNumberOfParams", PT_UINT, PF_STORE, .off = B(n_params), .max = 32},
	{"UseIDER", PT_BOOL, PF_STORE, .off = B(use_ider)},
	{"UseSOL", PT_BOOL, PF_STORE, .off = B(use_sol)},
	{"UseSafeMode", PT_BOOL, PF_STORE, .off = B(safe_mode)},
	{"UserPasswordBypass", PT_BOOL, PF_STORE, .off = B(password_bypass)},
	{"WinREBootEnabled", PT_BOOL, PF_RO, .text = "true"},
	{NULL},
};

const struct class_def class_boot_setting = {
	.name = "AMT_BootSettingData",
	.ns = NS_AMT,
	.props = boot_props,
	.part = PART_BOOT,
	.can_put = true,
};

#define CAN(name_)                                      \
	{                                               \
		(name_), PT_BOOL, PF_RO, .text = "true" \
	}
#define CANNOT(name_)                                    \
	{                                                \
		(name_), PT_BOOL, PF_RO, .text = "false" \
	}
#define UEFI_SHARE "UEFIWiFiCoExistenceAndProfileShare"

const struct class_def class_boot_capabilities = {
	.name = "AMT_BootCapabilities",
	.ns = NS_AMT,
	.props = (const struct prop[]){CANNOT("BIOSPause"), CAN("BIOSReflash"),
		CAN("BIOSSecureBoot"), CAN("BIOSSetup"), CANNOT("ConfigurationDataReset"),
		{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT: Boot Capabilities"},
		CAN("ForceCDorDVDBoot"), CANNOT("ForceDiagnosticBoot"), CAN("ForceHardDriveBoot"),
		CANNOT("ForceHardDriveSafeModeBoot"), CAN("ForcePXEBoot"),
		CAN("ForcedProgressEvents"), CAN("IDER"),
		{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT:BootCapabilities 0"},
		CAN("KeyboardLock"), CANNOT("PowerButtonLock"), CANNOT("ResetButtonLock"),
		CAN("SOL"), CANNOT("SecureErase"), CANNOT("SleepButtonLock"), CAN(UEFI_SHARE),
		CAN("UserPasswordBypass"), CANNOT("VerbosityQuiet"), CANNOT("VerbosityScreenBlank"),
		CANNOT("VerbosityVerbose"), {NULL}},
};

bool boot_shares_wifi(const struct device *d)
{
	const struct prop *p = class_boot_capabilities.props;
	size_t i = 0;
	while (strcmp(p[i].name, UEFI_SHARE) != 0)
		i++;
	return !(absent_props(d->as->absent, CLASS_boot_capabilities) >> i & 1u);
}

/* ---- CIM_BootService, CIM_BootConfigSetting, CIM_BootSourceSetting ----------------------------
 */

static const struct {
	const char *id, *string;
} sources[] = {
	{"Intel(r) AMT: Force Hard-drive Boot", "CIM:Hard-Disk:1"},
	{"Intel(r) AMT: Force PXE Boot", "CIM:Network:1"},
	{"Intel(r) AMT: Force CD/DVD Boot", "CIM:CD/DVD:1"},
};
#define N_SOURCES (sizeof sources / sizeof sources[0])
#define CONFIG    "Intel(r) AMT: Boot Configuration 0"

static int source_count(const struct device *d)
{
	(void)d;
	return N_SOURCES;
}

static void source_id(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d;
	w_text(w, p->name, sources[i].id);
}

static void source_string(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d;
	w_text(w, p->name, sources[i].string);
}

const struct class_def class_boot_source = {
	.name = "CIM_BootSourceSetting",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"ElementName", PT_STR, PF_RO,
					       .text = "Intel(r) AMT: Boot Source"},
		{"FailThroughSupported", PT_UINT, PF_RO, .text = "2"},
		{"InstanceID", PT_STR, PF_RO | PF_ID, .value = source_id},
		{"StructuredBootString", PT_STR, PF_RO, .value = source_string}, {NULL}},
	.count = source_count,
};

/* One source, or none: then the order is cleared. */
static enum wfault change_order(struct call *c)
{
	const char *id = c->args[0] ? arg_ref(c, 0, "CIM_BootSourceSetting", "InstanceID") : "";
	size_t i = 0;
	while (i < N_SOURCES && strcmp(sources[i].id, id) != 0)
		i++;
	if (c->args[0] && i == N_SOURCES) {
		c->rv = CIM_INVALID_PARAMETER;
		return WF_NONE;
	}
	struct boot *b = part_write(c->d, PART_BOOT);
	if (!b)
		return WF_INTERNAL;
	snprintf(b->source, sizeof b->source, "%s", id);
	return WF_NONE;
}

const struct class_def class_boot_config = {
	.name = "CIM_BootConfigSetting",
	.ns = NS_CIM,
	.props = (const struct prop[]){{"ElementName", PT_STR, PF_RO,
					       .text = "Intel(r) AMT: Boot Configuration"},
		{"InstanceID", PT_STR, PF_RO | PF_ID, .text = CONFIG}, {NULL}},
	.methods =
		(const struct method[]){
			{"ChangeBootOrder", (const struct prop[]){{"Source", PT_REF}, {NULL}},
				.mutates = true, .no_flash = true, .fn = change_order},
			{NULL}},
};

static enum wfault set_role(struct call *c)
{
	uint64_t role = arg_uint(c, 1, 0);
	if (strcmp(arg_ref(c, 0, "CIM_BootConfigSetting", "InstanceID"), CONFIG) != 0 ||
		(role != ROLE_NEXT && role != ROLE_NOT)) {
		c->rv = CIM_INVALID_PARAMETER;
		return WF_NONE;
	}
	struct boot *b = part_write(c->d, PART_BOOT);
	if (!b)
		return WF_INTERNAL;
	b->role = (uint32_t)role;
	return WF_NONE;
}

const struct class_def class_boot_service = {
	.name = "CIM_BootService",
	.ns = NS_CIM,
	.props =
		(const struct prop[]){PROPS_SERVICE("CIM_BootService", "Intel(r) AMT Boot Service"),
			{"EnabledState", PT_UINT, PF_RO, .text = "2"},
			{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT Boot Service"},
			{"OperationalStatus", PT_UINT, PF_RO, .text = "0"},
			{"RequestedState", PT_UINT, PF_RO, .text = "12"}, PROPS_SYSTEM, {NULL}},
	.methods =
		(const struct method[]){
			{"SetBootConfigRole",
				(const struct prop[]){{"BootConfigSetting", PT_REF, PF_REQ},
					{"Role", PT_UINT, PF_REQ}, {NULL}},
				.mutates = true, .no_flash = true, .fn = set_role},
			{NULL}},
};
