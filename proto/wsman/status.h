/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices answer: ReturnValue codes and fault subcodes, each with its name and what to do.
 * Static tables. Threads: any. SPEC: wsman.md 5, 6
 */
#ifndef MUSTER_WSMAN_STATUS_H
#define MUSTER_WSMAN_STATUS_H

#include <stddef.h>
#include <stdint.h>

enum wsman_retry {
	WSMAN_RETRY_NEVER, /* fail the step with name and number */
	WSMAN_RETRY_SOON,  /* "not now": again after a pause of seconds */
	WSMAN_RETRY_LATE,  /* flash wear-out protection: again after hours */
};

struct wsman_status {
	uint32_t code;
	const char *name;
	enum wsman_retry retry;
};

/* Two lists share the numbers 0 to 6 and mean other things by them. */
enum wsman_status_list {
	WSMAN_STATUS_AMT, /* AMT_ and IPS_ methods */
	WSMAN_STATUS_CIM, /* RequestStateChange of any class, Wi-Fi methods, CIM_ classes */
};

/** Which list a method answers with. NULLs are taken as "". */
enum wsman_status_list wsman_status_list_of(const char *class_name, const char *method);

/** The row of a code; for an unknown one a row named "UNKNOWN" with code 0 and no retry. */
const struct wsman_status *wsman_status_find(enum wsman_status_list list, uint32_t code);

/** ReturnValues that the steps name. */
enum {
	WSMAN_RV_SUCCESS = 0,
	WSMAN_RV_INTERNAL_ERROR = 1,
	WSMAN_RV_NOT_READY = 2,
	WSMAN_RV_NOT_PERMITTED = 16,
	WSMAN_RV_MAX_LIMIT_REACHED = 23,
	WSMAN_RV_INVALID_INDEX = 35,
	WSMAN_RV_INVALID_PARAMETER = 36,
	WSMAN_RV_FLASH_WRITE_LIMIT_EXCEEDED = 38,
	WSMAN_RV_INVALID_HANDLE = 2053,
	WSMAN_RV_INVALID_PASSWORD = 2054,
	WSMAN_RV_DATA_MISSING = 2057,
	WSMAN_RV_DUPLICATE = 2058,
	WSMAN_RV_PKI_GENERATING_KEYS = 2061,
	WSMAN_RV_INVALID_KEY = 2062,
	WSMAN_RV_INVALID_CERT = 2063,
	WSMAN_RV_CERT_KEY_NOT_MATCH = 2064,
	WSMAN_RV_UNSUPPORTED = 2066,
	WSMAN_RV_NOT_FOUND = 2068,
	WSMAN_RV_BLOCKING_COMPONENT = 2076,
	WSMAN_RV_OPERATION_IN_PROGRESS = 2082,
	/* Of the CIM list. */
	WSMAN_RV_CIM_NOT_SUPPORTED = 1,
	WSMAN_RV_CIM_JOB_STARTED = 4096,
};

enum wsman_reaction {
	WSMAN_REACT_FAIL,    /* unknown subcode: fail the step with its text */
	WSMAN_REACT_ABSENT,  /* class, instance or method not on this firmware: skip the feature */
	WSMAN_REACT_SELECT,  /* instance gone or wrong selector: enumerate the class again */
	WSMAN_REACT_SCHEMA,  /* our body is wrong for this firmware: fail, log element names */
	WSMAN_REACT_EXISTS,  /* use Put, or take as done */
	WSMAN_REACT_DENIED,  /* no realm, or forbidden in this state: fail the step */
	WSMAN_REACT_BUSY,    /* 3 more tries with a pause */
	WSMAN_REACT_CONTEXT, /* enumeration expired: start at Enumerate */
	WSMAN_REACT_SMALLER, /* answer too big: pull fewer */
};

struct wsman_fault_row {
	const char *subcode; /* local part */
	enum wsman_reaction reaction;
};

/** What to do about a fault subcode (its local part; prefixes are ignored). */
enum wsman_reaction wsman_fault_reaction(const char *subcode);

/** "fail", "absent", ... for logs. */
const char *wsman_reaction_name(enum wsman_reaction reaction);

#endif
