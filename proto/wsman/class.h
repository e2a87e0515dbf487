/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of WS-Management: namespaces, action URIs, and the classes that the product uses with the
 * URI of each. Everything is static and constant. Threads: any.
 */
#ifndef MUSTER_WSMAN_CLASS_H
#define MUSTER_WSMAN_CLASS_H

#include <stddef.h>

/* SPEC: wsman.md 4 */
#define WSMAN_NS_SOAP     "http://www.w3.org/2003/05/soap-envelope"
#define WSMAN_NS_ADDR     "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define WSMAN_NS_WSMAN    "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define WSMAN_NS_TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define WSMAN_NS_ENUM     "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define WSMAN_NS_IDENTITY "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
#define WSMAN_NS_COMMON   "http://schemas.dmtf.org/wbem/wscim/1/common"
#define WSMAN_NS_XML      "http://www.w3.org/XML/1998/namespace"

#define WSMAN_NS_AMT "http://intel.com/wbem/wscim/1/amt-schema/1/"
#define WSMAN_NS_IPS "http://intel.com/wbem/wscim/1/ips-schema/1/"
#define WSMAN_NS_CIM "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"

#define WSMAN_ROLE_ANONYMOUS WSMAN_NS_ADDR "/role/anonymous"
#define WSMAN_ACTION_FAULT   "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"

enum wsman_op {
	WSMAN_GET,
	WSMAN_PUT,
	WSMAN_CREATE,
	WSMAN_DELETE,
	WSMAN_ENUMERATE,
	WSMAN_PULL,
	WSMAN_INVOKE,   /* action = class URI "/" method */
	WSMAN_IDENTIFY, /* no header at all */
};

struct wsman_class {
	const char *name; /* "AMT_GeneralSettings" */
	const char *uri;  /* its namespace, which is also its ResourceURI */
};

/**
 * A class of the product's table by its exact name.
 * @return the row, or NULL: a class that we never name ourselves (a device may still send it)
 */
const struct wsman_class *wsman_class_find(const char *name);

/** All rows, sorted by name; *n is their number. */
const struct wsman_class *wsman_class_table(size_t *n);

/**
 * The part of a class URI before the name, chosen by the prefix AMT_, IPS_ or CIM_.
 * @return WSMAN_NS_AMT, WSMAN_NS_IPS, WSMAN_NS_CIM, or NULL for any other name
 */
const char *wsman_class_base(const char *name);

/** The class name inside a ResourceURI: what follows the last '/'; the whole text without one. */
const char *wsman_class_of_uri(const char *uri);

/**
 * The action URI of a request.
 * @return static text; NULL for WSMAN_INVOKE and WSMAN_IDENTIFY, which have no fixed one
 */
const char *wsman_action(enum wsman_op op);

/**
 * The operation of a request's action URI; an invoke is any action that no table row matches.
 * The empty action is WSMAN_IDENTIFY.
 */
enum wsman_op wsman_op_of_action(const char *action);

#endif
