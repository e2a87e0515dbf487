/* SPDX-License-Identifier: Apache-2.0 */
/* The SOAP of the first releases; see eoi.h. Names marked there as unproven are our choice. */
#include "bench/sim/faces/eoi.h"

#include "bench/sim/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_SOAP11         "http://schemas.xmlsoap.org/soap/envelope/"
#define NS_CLIENT         "http://schemas.intel.com/platform/client/"
#define REQUEST_ARENA_MAX (128u << 10)
#define IANA_INTEL        343
#define HANDLE_WIRED      "0"
#define SPECIAL_OEM_SETUP 0xC1 /* amttool's "bios" */
#define SPECIAL_LAST      5    /* CD */

/* Status values. SPEC: wsman.md 6, eoi.md 4 */
enum {
	ST_OK = 0,
	ST_NOT_PERMITTED = 16,
	ST_INVALID_IP = 27,
	ST_INVALID_PARAMETER = 36,
	ST_OEM_NUMBER = 0x801,
	ST_COMMAND = 0x803,
	ST_SPECIAL = 0x804,
	ST_HANDLE = 0x805,
};

#define ARGS_MAX 6

struct eoi_call {
	struct device *d;
	const struct xml_node *args[ARGS_MAX]; /* as in operation.in; NULL = left out */
	struct buf out;                        /* what follows Status */
};

static void put(struct eoi_call *c, const char *name, const char *text)
{
	(void)buf_addf(&c->out, "<b:%s>", name);
	(void)xml_escape(&c->out, text);
	(void)buf_addf(&c->out, "</b:%s>", name);
}

static void put_uint(struct eoi_call *c, const char *name, uint32_t value)
{
	(void)buf_addf(&c->out, "<b:%s>%u</b:%s>", name, value, name);
}

static uint32_t number(const struct eoi_call *c, int i, uint32_t otherwise)
{
	return c->args[i] ? (uint32_t)strtoul(c->args[i]->text, NULL, 10) : otherwise;
}

/* ---- SecurityAdministration, NetworkAdministration ------------------------------------------ */

static uint32_t core_version(struct eoi_call *c)
{
	put(c, "Version", c->d->as->version);
	return ST_OK;
}

static uint32_t host_name(struct eoi_call *c)
{
	put(c, "HostName", c->d->set.host);
	return ST_OK;
}

static uint32_t domain_name(struct eoi_call *c)
{
	put(c, "DomainName", c->d->set.domain);
	return ST_OK;
}

static uint32_t enumerate_interfaces(struct eoi_call *c)
{
	put(c, "InterfaceHandle", HANDLE_WIRED);
	return ST_OK;
}

/* Dotted text to the number with the first octet on top; 0 when it is none. */
static uint32_t address_number(const char *text)
{
	unsigned a, b, c, d;
	char tail;
	if (sscanf(text, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &tail) != 4)
		return 0;
	return a << 24 | b << 16 | c << 8 | d;
}

static void address_text(char out[static 16], uint32_t a)
{
	snprintf(out, 16, "%u.%u.%u.%u", a >> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255);
}

/* The five addresses, in order. */
static const struct {
	const char *name;
	size_t off;
} addresses[] = {
	{"LocalAddress", offsetof(struct settings, ip)},
	{"SubnetMask", offsetof(struct settings, mask)},
	{"DefaultGatewayAddress", offsetof(struct settings, gateway)},
	{"PrimaryDnsAddress", offsetof(struct settings, dns1)},
	{"SecondaryDnsAddress", offsetof(struct settings, dns2)},
};
#define N_ADDRESSES (sizeof addresses / sizeof addresses[0])

static uint32_t interface_settings(struct eoi_call *c)
{
	const struct settings *s = &c->d->set;
	if (strcmp(c->args[0]->text, HANDLE_WIRED) != 0)
		return ST_HANDLE;
	(void)buf_adds(&c->out, "<b:InterfaceDescriptor>");
	put(c, "InterfaceMode", s->dhcp ? "SHARED_MAC_ADDRESS" : "SEPARATE_MAC_ADDRESS");
	put_uint(c, "LinkPolicy", s->n_link_policy ? s->link_policy[0] : 0);
	(void)buf_adds(&c->out, "<b:IPv4Parameters>");
	for (size_t i = 0; i < N_ADDRESSES; i++)
		put_uint(c, addresses[i].name, address_number((const char *)s + addresses[i].off));
	(void)buf_adds(&c->out, "</b:IPv4Parameters></b:InterfaceDescriptor>");
	return ST_OK;
}

static uint32_t static_addresses(struct settings *s, const struct xml_node *ipv4)
{
	if (!ipv4)
		return ST_INVALID_PARAMETER;
	for (size_t i = 0; i < N_ADDRESSES; i++)
		if (!xml_child(ipv4, addresses[i].name))
			return ST_INVALID_PARAMETER;
	if (strtoul(xml_child(ipv4, "LocalAddress")->text, NULL, 10) == 0)
		return ST_INVALID_IP;
	for (size_t i = 0; i < N_ADDRESSES; i++) {
		const char *text = xml_child(ipv4, addresses[i].name)->text;
		address_text((char *)s + addresses[i].off, (uint32_t)strtoul(text, NULL, 10));
	}
	return ST_OK;
}

static uint32_t set_interface(struct eoi_call *c)
{
	const struct xml_node *mode = xml_child(c->args[1], "InterfaceMode");
	const struct xml_node *policy = xml_child(c->args[1], "LinkPolicy");
	struct settings *s = &c->d->set;
	if (strcmp(c->args[0]->text, HANDLE_WIRED) != 0)
		return ST_HANDLE;
	if (!mode || !policy)
		return ST_INVALID_PARAMETER;
	bool shared = strcmp(mode->text, "SHARED_MAC_ADDRESS") == 0;
	if (!shared && strcmp(mode->text, "SEPARATE_MAC_ADDRESS") != 0)
		return ST_INVALID_PARAMETER;
	uint32_t st = shared ? ST_OK : static_addresses(s, xml_child(c->args[1], "IPv4Parameters"));
	if (st != ST_OK)
		return st;
	s->dhcp = shared;
	s->link_policy[0] = (uint32_t)strtoul(policy->text, NULL, 10);
	s->n_link_policy = 1;
	(void)device_flash(c->d);
	return ST_OK;
}

/* ---- RemoteControl -------------------------------------------------------------------------- */

/* Low four bits: the ACPI state. */
static uint32_t power_state(struct eoi_call *c)
{
	static const struct {
		uint32_t cim, acpi;
	} states[] = {{POWER_ON, 0}, {POWER_SLEEP, 3}, {POWER_HIBERNATE, 4}, {POWER_OFF, 5}};
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (states[i].cim == c->d->power)
			put_uint(c, "SystemPowerState", states[i].acpi);
	return ST_OK;
}

static uint32_t capabilities(struct eoi_call *c)
{
	put_uint(c, "IanaOemNumber", IANA_INTEL);
	put_uint(c, "OemDefinedCapabilities", 0x1F); /* IDE-R, SOL, BIOS reflash, set-up, pause */
	put_uint(c, "SpecialCommandsSupported", 0x1F00); /* PXE, disk, safe, diagnostics, CD */
	put_uint(c, "SystemCapabilitiesSupported", 0x0F);
	put_uint(c, "SystemFirmwareCapabilities", 0);
	return ST_OK;
}

static uint32_t remote_control(struct eoi_call *c)
{
	static const struct {
		uint32_t command;
		bool needs_on;
		enum power_state after;
	} commands[] = {{16, true, POWER_ON}, {17, false, POWER_ON}, {18, true, POWER_OFF},
		{19, true, POWER_ON}};
	uint32_t special = number(c, 2, 0);
	if (number(c, 1, 0) != IANA_INTEL)
		return ST_OEM_NUMBER;
	if (special > SPECIAL_LAST && special != SPECIAL_OEM_SETUP)
		return ST_SPECIAL;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (commands[i].command != number(c, 0, 0))
			continue;
		if (commands[i].needs_on != (c->d->power == POWER_ON))
			return ST_NOT_PERMITTED;
		c->d->power = commands[i].after;
		return ST_OK;
	}
	return ST_COMMAND;
}

/* ---- operations ----------------------------------------------------------------------------- */

static const struct operation {
	const char *interface, *name;
	bool mutates;
	const char *in[ARGS_MAX]; /* in order; those from n_required on may be left out */
	int n_required;
	uint32_t (*fn)(struct eoi_call *c);
} operations[] = {
	{"SecurityAdministration", "GetCoreVersion", .fn = core_version},
	{"NetworkAdministration", "GetHostName", .fn = host_name},
	{"NetworkAdministration", "GetDomainName", .fn = domain_name},
	{"NetworkAdministration", "EnumerateInterfaces", .fn = enumerate_interfaces},
	{"NetworkAdministration", "GetInterfaceSettings", .in = {"InterfaceHandle"},
		.n_required = 1, .fn = interface_settings},
	{"NetworkAdministration", "SetInterfaceSettings", .mutates = true,
		.in = {"InterfaceHandle", "InterfaceDescriptor"}, .n_required = 2,
		.fn = set_interface},
	{"RemoteControl", "GetSystemPowerState", .fn = power_state},
	{"RemoteControl", "GetRemoteControlCapabilities", .fn = capabilities},
	{"RemoteControl", "RemoteControl", .mutates = true,
		.in = {"Command", "IanaOemNumber", "SpecialCommand", "SpecialCommandParameter",
			"BootOptions", "OEMparameters"},
		.n_required = 2, .fn = remote_control},
};
#define N_OPERATIONS (sizeof operations / sizeof operations[0])

/* Children of the operation's element against its table: known names, in order, no twice. */
static bool read_args(
	const struct operation *op, const struct xml_node *body, const char *ns, struct eoi_call *c)
{
	int i = 0;
	for (const struct xml_node *x = body->children; x; x = x->next, i++) {
		while (i < ARGS_MAX && op->in[i] && strcmp(op->in[i], x->name) != 0)
			i++;
		if (i == ARGS_MAX || !op->in[i] || strcmp(x->ns, ns) != 0)
			return false;
		c->args[i] = x;
	}
	for (i = 0; i < op->n_required; i++)
		if (!c->args[i])
			return false;
	return true;
}

/* The interface's name inside "/NameService"; length, or 0. */
static size_t interface_of(const char *url, const char **name)
{
	const char *end = url[0] == '/' ? strstr(url, "Service") : NULL;
	*name = url + 1;
	return end && end[7] == '\0' ? (size_t)(end - *name) : 0;
}

static bool is_interface(const struct operation *op, const char *name, size_t len)
{
	return strlen(op->interface) == len && memcmp(op->interface, name, len) == 0;
}

bool eoi_present(const struct device *d, const char *url)
{
	const char *name;
	size_t len = interface_of(url, &name);
	if (d->state != DEV_POST || d->set.wsman_only || !d->as->eoi)
		return false;
	for (size_t i = 0; i < N_OPERATIONS; i++)
		if (is_interface(&operations[i], name, len))
			return true;
	return false;
}

static int fault(struct buf *out, const char *why)
{
	(void)buf_addf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" NS_SOAP11
		"\"><a:Body><a:Fault><faultcode>a:Client</faultcode><faultstring>%s</faultstring>"
		"</a:Fault></a:Body></a:Envelope>",
		why);
	return 500;
}

static void record(
	const struct operation *op, const struct eoi_call *c, unsigned session, uint32_t status)
{
	struct ledger *l = c->d->ledger;
	ledger_begin(l, "eoi", c->d->id);
	ledger_uint(l, "s", session);
	ledger_str(l, "call", op->name);
	ledger_uint(l, "status", status);
	ledger_uint(l, "power", c->d->power);
	ledger_end(l);
}

static int run(const struct operation *op, struct eoi_call *c, unsigned session, struct buf *out)
{
	buf_init(&c->out, EOI_ANSWER_MAX / 2);
	uint32_t status = op->fn(c);
	if (op->mutates)
		record(op, c, session, status);
	(void)buf_addf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" NS_SOAP11
		"\" xmlns:b=\"" NS_CLIENT "%s/2004/01\"><a:Body><b:%sResponse><b:Status>%u"
		"</b:Status>",
		op->interface, op->name, status);
	(void)buf_add(out, c->out.data, c->out.len);
	(void)buf_addf(out, "</b:%sResponse></a:Body></a:Envelope>", op->name);
	buf_free(&c->out);
	return 200;
}

static int dispatch(struct device *d, unsigned session, const char *url,
	const struct xml_node *root, struct buf *out)
{
	const char *name;
	char ns[128];
	size_t len = interface_of(url, &name);
	const struct xml_node *body =
		xml_is(root, NS_SOAP11, "Envelope") ? xml_child(root, "Body") : NULL;
	const struct xml_node *call = body ? body->children : NULL;
	if (!xml_is(body, NS_SOAP11, "Body") || !call || call->next)
		return fault(out, "Not a call");
	snprintf(ns, sizeof ns, NS_CLIENT "%.*s/2004/01", (int)len, name);
	for (size_t i = 0; i < N_OPERATIONS; i++) {
		struct eoi_call c = {.d = d};
		if (!is_interface(&operations[i], name, len) ||
			!xml_is(call, ns, operations[i].name))
			continue;
		if (!read_args(&operations[i], call, ns, &c))
			return fault(out, "Wrong parameters");
		return run(&operations[i], &c, session, out);
	}
	return fault(out, "No such operation");
}

int eoi_serve(struct device *d, unsigned session, const char *url, const char *body, size_t len,
	struct buf *out)
{
	struct arena mem;
	struct xml_node *root;
	arena_init(&mem, REQUEST_ARENA_MAX);
	int status = xml_parse(&root, &mem, body, len, NULL) < 0
			     ? fault(out, "Not well-formed")
			     : dispatch(d, session, url, root, out);
	arena_reset(&mem);
	return status;
}
