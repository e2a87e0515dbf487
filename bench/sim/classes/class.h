/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes as tables: properties in the order in which firmware sends them (alphabetical, upper case
 * first), their types, where the value is kept, and the methods with their arguments in order. One
 * table drives Get, Pull, the check of a Put and the check of a method's body.
 *
 * To add a class: write its properties and a struct class_def in a file here, and name it in
 * class_table of table.c.
 *
 * Ownership: tables are static. Threads: read-only. SPEC: wsman.md 4, provisioning.md 3, 4
 */
#ifndef MUSTER_SIM_CLASS_H
#define MUSTER_SIM_CLASS_H

#include "bench/sim/device.h"
#include "bench/sim/xml.h"
#include "common/base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define NS_AMT    "http://intel.com/wbem/wscim/1/amt-schema/1/"
#define NS_CIM    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define NS_IPS    "http://intel.com/wbem/wscim/1/ips-schema/1/"
#define ANONYMOUS "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"

#define CLASS_URI_MAX  128
#define CLASS_ARGS_MAX 32 /* properties or arguments of one table */

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

enum ptype { PT_STR, PT_BOOL, PT_UINT, PT_B64, PT_REF };

enum {
	PF_KEY = 1,         /* names the instance */
	PF_RO = 2,          /* a Put may carry it, its value is ignored */
	PF_REQ = 4,         /* a Put or call without it is refused */
	PF_ARRAY = 8,       /* may repeat */
	PF_HIDE_EMPTY = 16, /* not sent while empty */
	PF_STORE = 32,      /* a Put stores it by itself (off, max) */
};

struct writer;
struct call;

struct prop {
	const char *name;
	enum ptype type;
	unsigned flags;
	const char *text; /* constant value, or NULL */
	size_t off; /* value in the object given by class_def.object (PF_STORE, or text NULL) */
	size_t max; /* PT_STR: longest text; PT_UINT: greatest value (0 = any) */
	/* value that is worked out; wins over text and off */
	void (*value)(struct writer *w, struct device *d, int instance, const struct prop *p);
};

struct method {
	const char *name;
	const struct prop *in; /* ended by a NULL name; NULL = no arguments */
	bool mutates;
	bool any_order; /* firmware takes the arguments in any order */
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
	/* Whether this device has the class at all; NULL = yes. */
	bool (*present)(const struct device *d);
	/* The struct that prop.off is an offset in; NULL = device.set */
	void *(*object)(struct device *d, int instance);
	bool no_get;  /* enumerable only */
	bool can_put; /* Put is supported */
	/* Called before a Put is stored; args as in struct call. NULL = nothing to check. */
	enum wfault (*put)(struct call *c);
	enum wfault (*create)(struct call *c);
	enum wfault (*del)(struct call *c);
};

/* Writes properties with the prefix of the class. */
struct writer {
	struct buf *out;
	char prefix; /* 'g' or 'h' */
};

/* One request being served. */
struct call {
	struct device *d;
	const struct class_def *cls;
	const struct method *method; /* NULL for Get, Put ... */
	int instance;
	const struct xml_node *body;                 /* object of a Put, or arguments */
	const struct xml_node *args[CLASS_ARGS_MAX]; /* first element of each, or NULL */
	struct writer w;
	uint32_t rv;
	uint32_t slow_ms; /* this answer takes at least so long */
	bool close;       /* the device closes after the answer */
	bool cut;         /* the answer is not sent */
	bool acl_changed; /* login caches are dropped */
	bool committed;   /* this call was a commit that counted */
	bool setup_again; /* this call put the device into setup */
	char note[96];    /* for the ledger */
};

/* ---- table.c ------------------------------------------------------------------------------ */

/** Class of a ResourceURI on this device, or NULL. */
const struct class_def *class_find(const struct device *d, const char *uri);

/** "ns" + "name" into out. */
const char *class_uri(const struct class_def *cls, char out[static CLASS_URI_MAX]);

/** All classes, ended by NULL. */
extern const struct class_def *const class_table[];

int class_count(const struct class_def *cls, const struct device *d);
bool class_exists(const struct class_def *cls, const struct device *d, int instance);

/** Write all properties of one instance. */
void class_write(struct writer *w, const struct class_def *cls, struct device *d, int instance);

/** Instance that a SelectorSet names (NULL = none given); WF_INVALID_SELECTORS when none does. */
enum wfault class_select(const struct class_def *cls, struct device *d,
	const struct xml_node *selectors, int *instance);

/** Check children of body against a table and fill args. */
enum wfault class_check(const struct prop *props, bool any_order, const struct xml_node *body,
	const char *ns, const struct xml_node *args[static CLASS_ARGS_MAX]);

/** Store what a Put carries into the object of the instance. */
void class_store(struct call *c);

/* ---- write.c ------------------------------------------------------------------------------ */

void w_text(struct writer *w, const char *name, const char *text);
void w_uint(struct writer *w, const char *name, uint64_t value);
void w_bool(struct writer *w, const char *name, bool value);
void w_b64(struct writer *w, const char *name, const void *data, size_t len);
/** A reference: address and one selector. */
void w_ref(struct writer *w, const char *name, const char *ns, const char *cls,
	const char *selector, const char *value);

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

/* CIM boilerplate of every service. */
#define PROPS_SERVICE(cls_, name_)                            \
	{"CreationClassName", PT_STR, PF_RO, .text = (cls_)}, \
	{                                                     \
		"ElementName", PT_STR, PF_RO, .text = (name_) \
	}
#define PROPS_SYSTEM                                                              \
	{"SystemCreationClassName", PT_STR, PF_RO, .text = "CIM_ComputerSystem"}, \
	{                                                                         \
		"SystemName", PT_STR, PF_RO, .text = "Intel(r) AMT"               \
	}
#define SET(field) offsetof(struct settings, field)

#endif
