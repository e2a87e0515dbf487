/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the simulator share: a device without sockets, requests, answers. */
#ifndef MUSTER_TESTS_SIM_TEST_H
#define MUSTER_TESTS_SIM_TEST_H

/* cmocka.h wants these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/sim/device.h"
#include "bench/sim/wsman.h"
#include "bench/sim/xml.h"

#define AMT_URI "http://intel.com/wbem/wscim/1/amt-schema/1/"
#define CIM_URI "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define IPS_URI "http://intel.com/wbem/wscim/1/ips-schema/1/"

struct rig {
	struct keypool pool;
	struct personality_set set;
	struct ledger ledger;
	struct device d;
	struct arena mem;        /* of the last answer */
	struct xml_node *answer; /* root of the last answer */
	int status;
	char fault[64]; /* subcode of the last answer, "" = none */
	struct wsman_answer last;
};

/** One device of this personality; ledger_path may be NULL. */
void rig_open(struct rig *r, const char *personality, const char *ledger_path);
void rig_close(struct rig *r);

/** Send an envelope; the answer is parsed into r. */
void rig_send(struct rig *r, const char *envelope);

/** Build and send: operation "Get", "Put", "Enumerate", ... or a method; selector "Name=Value" or
 * NULL; body is what stands inside Body (for a method: inside METHOD_INPUT). Class with its
 * namespace URI; the prefix r is bound to it. */
void rig_call(struct rig *r, const char *uri, const char *operation, const char *selector,
	const char *body);

/** Enumerate and Pull; the Items element. */
const struct xml_node *rig_pull(struct rig *r, const char *uri);

/** The element inside Body of the last answer. */
const struct xml_node *rig_body(const struct rig *r);

/** Text of a descendant element of the last answer, "" when absent. */
const char *rig_text(const struct rig *r, const char *name);

/** ReturnValue of the last answer; -1 when there is none. */
int rig_rv(const struct rig *r);

/** A whole file, NUL-terminated; NULL when it cannot be read. Free it. */
char *rig_file(const char *path);

/** $MUSTER_VECTORS or ../shared/vectors plus "/" and name, in a static buffer. */
const char *rig_vector(const char *name);

#endif
