/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes as tables: properties in the order in which firmware sends them (alphabetical, upper case
 * first), their types, where the value is kept, and the methods with their arguments in order. One
 * table drives Get, Pull, the check of a Put and the check of a method's body.
 *
 * What a release lacks (classes, methods, properties) is data of its personality ("lacks").
 *
 * To add a class: write its properties and a struct class_def in a file here, and name it in
 * CLASSES below. Values that few devices change live in a part (parts.h), copied on the first
 * write.
 *
 * Ownership: tables are static. Threads: read-only. SPEC: wsman.md 4, provisioning.md 3, 4
 */
#ifndef MUSTER_SIM_CLASS_H
#define MUSTER_SIM_CLASS_H

#include "bench/sim/device.h"
#include "bench/sim/parts.h"
#include "bench/sim/xml.h"
#include "common/base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define NS_AMT    "http://intel.com/wbem/wscim/1/amt-schema/1/"
#define NS_CIM    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define NS_IPS    "http://intel.com/wbem/wscim/1/ips-schema/1/"
#define NS_COMMON "http://schemas.dmtf.org/wbem/wscim/1/common"
#define ANONYMOUS "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"

#define CLASS_URI_MAX  128
#define CLASS_ARGS_MAX 64 /* properties or arguments of one table: one bit each in absence */

/* Faults that the device answers with. SPEC: wsman.md 5 */
enum wfault {
	WF_NONE,
	WF_DESTINATION_UNREACHABLE,
	WF_ACTION_NOT_SUPPORTED,
	WF_INVALID_SELECTORS,
	WF_SCHEMA,
	WF_ALREADY_EXISTS,
	WF_ACCESS_DENIED,
	WF_INTERNAL,
	WF_ENUM_CONTEXT,
	WF_HEADER,
	WF_NOT_UNDERSTOOD,
	WF_N,
};

/* ReturnValues of AMT and IPS methods. SPEC: wsman.md 6 */
enum {
	RV_OK = 0,
	RV_INTERNAL = 1,
	RV_INVALID_NAME = 12,
	RV_NOT_PERMITTED = 16,
	RV_MAX_LIMIT = 23,
	RV_INVALID_AUTH_TYPE = 24,
	RV_INVALID_STATE = 32,
	RV_INVALID_TIME = 34,
	RV_INVALID_INDEX = 35,
	RV_INVALID_PARAMETER = 36,
	RV_FLASH = 38,
	RV_PID_FORMAT = 42,
	RV_PPS_FORMAT = 43,
	RV_INVALID_HANDLE = 2053,
	RV_INVALID_PASSWORD = 2054,
	RV_INVALID_REALM = 2055,
	RV_DATA_MISSING = 2057,
	RV_DUPLICATE = 2058,
	RV_GENERATING_KEYS = 2061,
	RV_INVALID_KEY = 2062,
	RV_INVALID_CERT = 2063,
	RV_CERT_KEY_NOT_MATCH = 2064,
	RV_KERB_DOMAINS = 2065,
	RV_UNSUPPORTED = 2066,
	RV_NOT_FOUND = 2068,
	RV_BLOCKING_COMPONENT = 2076,
};

/* ReturnValues of CIM style methods. SPEC: wsman.md 6 */
enum {
	CIM_NOT_SUPPORTED = 1,
	CIM_FAILED = 2,
	CIM_INVALID = 3,
	CIM_INVALID_REFERENCE = 4,
	CIM_INVALID_PARAMETER = 5,
	CIM_TRANSITION = 4097,
	CIM_TIMEOUT_PARAMETER = 4098,
};

enum ptype {
	PT_STR,
	PT_BOOL,
	PT_UINT,
	PT_B64,
	PT_REF,      /* an endpoint reference; its text is "CLASS;Selector=Value;..." */
	PT_DATETIME, /* CIM datetime: an element of its own inside */
	PT_EMBEDDED, /* an instance of the class whose properties are in sub */
};

/* A number that was never set: not shown under PF_HIDE_EMPTY. */
#define UINT_UNSET UINT32_MAX

enum {
	PF_ID = 1,          /* names the instance (PF_KEY is a name of the system) */
	PF_RO = 2,          /* a Put may carry it, its value is ignored */
	PF_REQ = 4,         /* a Put or call without it is refused */
	PF_ARRAY = 8,       /* may repeat */
	PF_HIDE_EMPTY = 16, /* not sent while empty */
	PF_STORE = 32,      /* a Put stores it by itself (off, max, cap) */
	PF_SECRET = 64,     /* taken, never sent */
};

struct writer;
struct call;

struct prop {
	const char *name;
	enum ptype type;
	unsigned flags;
	const char *text; /* constant value, or NULL; of an array: values apart by spaces */
	size_t off; /* value in the object given by class_def.object (PF_STORE, or text NULL) */
	size_t max; /* PT_STR: longest text; PT_UINT: greatest value (0 = any) */
	size_t cap; /* PF_ARRAY | PF_STORE: elements; stored as uint32_t n, then the elements */
	const struct prop *sub; /* PT_EMBEDDED */
	const char *sub_uri;
	/* value that is worked out; wins over text and off */
	void (*value)(struct writer *w, struct device *d, int instance, const struct prop *p);
};

struct method {
	const char *name;
	const struct prop *in; /* ended by a NULL name; NULL = no arguments */
	bool mutates;          /* goes to the ledger */
	bool noted;            /* changes nothing, and goes to the ledger all the same */
	bool no_flash;         /* mutates, but not what is kept in flash */
	bool any_order;        /* firmware takes the arguments in any order */
	/* Fill out parameters through call->w and set call->rv. */
	enum wfault (*fn)(struct call *c);
};

struct class_def {
	const char *name;
	const char *ns;
	const struct prop *props;     /* ended by a NULL name */
	const struct method *methods; /* ended by a NULL name, or NULL */
	/* Instances are 0 .. n-1; NULL = one. An instance may be absent (exists). */
	int (*count)(const struct device *d);
	bool (*exists)(const struct device *d, int instance);
	/* Whether this machine has the hardware for it; NULL = yes. What a release lacks is data.
	 */
	bool (*present)(const struct device *d);
	/* The struct that prop.off is an offset in: stride * instance + base of a part */
	enum part part;
	size_t base, stride;
	/* ... or what this gives. */
	void *(*object)(struct device *d, int instance);
	bool no_get;    /* enumerable only */
	bool can_put;   /* Put is supported */
	bool any_order; /* a Put may carry the properties in any order */
	bool staged;    /* a Put is in memory until CommitChanges: no flash write */
	/* Called before a Put is stored; args as in struct call. NULL = nothing to check. */
	enum wfault (*put)(struct call *c);
	enum wfault (*create)(struct call *c);
	enum wfault (*del)(struct call *c);
};

/* All classes: the name of the definition, class_NAME. */
/* clang-format off */
#define CLASSES(X) \
	X(general_settings) X(software_identity) X(setup_and_configuration) \
	X(time_synchronization) X(authorization) X(kerberos) X(certificate) X(key_pair) \
	X(key_management) X(key_capabilities) X(tls_credential) X(tls_setting) \
	X(tls_collection) X(redirection) X(kvm_sap) X(kvm_setting) X(opt_in) X(web_ui) \
	X(power_scheme) X(element_setting) X(ethernet_port) X(host_based_setup) \
	X(wifi_port) X(wifi_endpoint) X(wifi_endpoint_capabilities) X(wifi_profile) \
	X(wifi_dot1x) X(credential_context) X(wifi_service) X(wired_settings) \
	X(wired_profile) X(wired_context) X(mps) X(mps_login) X(remote_rule) \
	X(remote_applies) X(remote_service) X(remote_capabilities) X(user_connection) \
	X(environment) X(associated_power) X(power_service) X(os_power_service) \
	X(power_capabilities) X(boot_setting) X(boot_capabilities) X(boot_source) \
	X(boot_config) X(boot_service) X(chassis) X(card) X(bios) X(processor) X(chip) \
	X(memory) X(media) X(system_package) X(host_ip) X(ipv6_port) X(provisioning_hash) \
	X(record_log) X(tls_record) X(admin_record) X(audit_log) X(message_log)
/* clang-format on */

enum class_id {
#define X(name) CLASS_##name,
	CLASSES(X)
#undef X
		CLASS_N
};

/* Writes properties with the prefix of the class. */
struct writer {
	struct buf *out;
	char prefix;   /* 'g' or 'h' */
	uint64_t hide; /* properties that this generation lacks, a bit per place in the table */
};

/* One request being served. */
struct call {
	struct device *d;
	const struct class_def *cls;
	const struct method *method; /* NULL for Get, Put ... */
	int instance;
	const struct xml_node *body;                 /* object of a Put, or arguments */
	const struct xml_node *args[CLASS_ARGS_MAX]; /* first element of each, or NULL */
	enum class_id id;
	struct writer w;
	uint32_t rv;
	uint32_t slow_ms; /* this answer takes so much longer */
	double deaf_ms;   /* ports are closed for so long */
	bool close;       /* the device closes after the answer */
	bool cut;         /* the answer is not sent, the connection dies */
	bool freeze;      /* the answer is not sent, the connection stays open */
	bool acl_changed; /* login caches are dropped */
	bool committed;   /* this call was a commit that counted */
	bool setup_again; /* this call put the device into setup */
	char note[96];    /* for the ledger */
};

/* ---- table.c ------------------------------------------------------------------------------ */

/** Class of a ResourceURI on this device, or NULL. id may be NULL. */
const struct class_def *class_find(const struct device *d, const char *uri, enum class_id *id);

/* What a generation lacks, by name. Owned by its personality. */
struct absence;

/**
 * Build from names: "AMT_Class" (DestinationUnreachable), "AMT_Class.Method" (ActionNotSupported),
 * "AMT_Class.Property" (not shown; a Put with it is refused).
 * @return 0; E_CONFIG naming an unknown name; -ENOMEM
 */
int absence_build(struct absence **out, const char *const *names, size_t n, struct error *err);
/** Free. NULL is fine. */
void absence_free(struct absence *a);
/** Whether the class, its property or its method is absent; a may be NULL. */
bool absent_class(const struct absence *a, enum class_id id);
uint64_t absent_props(const struct absence *a, enum class_id id);
bool absent_method(const struct absence *a, enum class_id id, size_t method);

/** "ns" + "name" into out. */
const char *class_uri(const struct class_def *cls, char out[static CLASS_URI_MAX]);

/** All classes by id, ended by NULL. */
extern const struct class_def *const class_table[];

/* ---- rules.c ------------------------------------------------------------------------------ */

int class_count(const struct class_def *cls, const struct device *d);
bool class_exists(const struct class_def *cls, const struct device *d, int instance);

/** Write all properties of one instance. */
void class_write(struct writer *w, const struct class_def *cls, struct device *d, int instance);

/** Instance that a SelectorSet names (NULL = none given); WF_INVALID_SELECTORS when none does. */
enum wfault class_select(const struct class_def *cls, struct device *d,
	const struct xml_node *selectors, int *instance);

/** Check children of body against a table and fill args. hidden: a bit for each property that this
 * release lacks, so neither takes nor demands. */
enum wfault class_check(const struct prop *props, uint64_t hidden, bool any_order,
	const struct xml_node *body, const char *ns,
	const struct xml_node *args[static CLASS_ARGS_MAX]);

/** Store what a Put carries into the object of the instance. @return 0 or -ENOMEM */
int class_store(struct call *c);

/** Store checked elements into an object: what class_store() and methods with embedded instances
 * do. Arrays that do not occur become empty. */
void object_store(void *object, const struct prop *props, const struct xml_node *body);

/* ---- write.c ------------------------------------------------------------------------------ */

void w_text(struct writer *w, const char *name, const char *text);
void w_uint(struct writer *w, const char *name, uint64_t value);
void w_bool(struct writer *w, const char *name, bool value);
void w_b64(struct writer *w, const char *name, const void *data, size_t len);
/** A reference: address and one selector. */
void w_ref(struct writer *w, const char *name, const char *ns, const char *cls,
	const char *selector, const char *value);
/** A reference from "CLASS;Selector=Value;...". */
void w_refs(struct writer *w, const char *name, const char *text);

/* ---- for method handlers ------------------------------------------------------------------ */

/** Text of an argument by its place in the table, "" when absent. */
const char *arg_text(const struct call *c, size_t i);
/** Number of an argument (checked before), or the default when absent. */
uint64_t arg_uint(const struct call *c, size_t i, uint64_t otherwise);
bool arg_bool(const struct call *c, size_t i, bool otherwise);
/** Decode a base64 argument. @return false when it is not base64 */
bool arg_b64(const struct call *c, size_t i, struct buf *out);
/** InstanceID (or other selector) inside a reference argument; "" when there is none of cls. */
const char *arg_ref(const struct call *c, size_t i, const char *cls, const char *selector);

/** Whether an argument is a base64 text of exactly len bytes; they go to out. */
bool arg_bytes(const struct call *c, size_t i, uint8_t *out, size_t len);
/** Values of an array argument, in order. @return how many there are (may exceed max) */
size_t arg_uints(const struct call *c, size_t i, uint32_t *out, size_t max);

/* Arguments of every RequestStateChange. */
extern const struct prop state_change_in[];
/** The state that RequestStateChange wants, when it is in the list (ended by 0); else c->rv. */
bool arg_state(struct call *c, const uint32_t *allowed, uint32_t *wanted);

/* ---- certs.c ------------------------------------------------------------------------------ */

#define CERT_PREFIX "Intel(r) AMT Certificate: Handle: "

/** Handle of the certificate that a reference names, -1 when there is none such. */
int arg_cert(const struct call *c, size_t i);

/* CIM boilerplate of every service. */
#define PROPS_SERVICE(cls_, name_)                                    \
	{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = (cls_)}, \
	{                                                             \
		"ElementName", PT_STR, PF_RO, .text = (name_)         \
	}
#define PROPS_SYSTEM                                                                      \
	{"SystemCreationClassName", PT_STR, PF_RO | PF_ID, .text = "CIM_ComputerSystem"}, \
	{                                                                                 \
		"SystemName", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT"               \
	}
#define SET(field) offsetof(struct settings, field)

#endif
