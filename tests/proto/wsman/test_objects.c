/* SPDX-License-Identifier: Apache-2.0 */
/* Objects for Put, and the static tables: classes, ReturnValues, faults. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "proto/wsman/object.h"
#include "proto/wsman/status.h"
#include "tests/proto/wsman/fixture.h"

static void assert_children(const struct wsman_object *o, const char *expected)
{
	char have[512] = "";
	size_t len = 0;

	for (const struct wsman_node *c = o->root->child; c; c = c->next) {
		assert_int_equal(c->next == NULL, c == o->root->last_child);
		len += (size_t)snprintf(
			have + len, sizeof have - len, "%s=%s ", c->name, wsman_node_flat(c));
		assert_true(len < sizeof have);
	}
	assert_string_equal(have, expected);
}

/* SPEC: wsman.md 4 "Put rule" */
static void test_object_edits(void **state)
{
	static const char *const two[] = {"7", "8"}, *const three[] = {"1", "2", "3"};
	struct fixture *f = *state;
	const struct wsman_selector s = {.name = "InstanceID", .text = "handle"};
	const struct wsman_epr epr = {
		.class_name = "AMT_PublicKeyCertificate", .selectors = &s, .n_selectors = 1};
	const struct wsman_epr bad = {.class_name = "AMT_Nothing"};
	struct wsman_object o;

	assert_int_equal(
		read_text(f, IN_BODY("<x:C><x:B>1</x:B><x:D>2</x:D><x:D>3</x:D><x:Z>4</x:Z>"
				     "<x:a>5</x:a></x:C>")),
		0);
	assert_int_equal(wsman_object_copy(&o, &f->arena, f->m.payload), 0);
	assert_int_equal(wsman_object_set(&o, "Z", "9"), 0);
	assert_int_equal(wsman_object_set(&o, "C", "new"), 0);
	assert_int_equal(wsman_object_set(&o, "A", "first"), 0);
	assert_int_equal(wsman_object_set(&o, "b", "last"), 0);
	assert_children(&o, "A=first B=1 C=new D=2 D=3 Z=9 a=5 b=last ");
	assert_int_equal(wsman_object_set_list(&o, "D", three, 3), 0);
	assert_int_equal(wsman_object_set_list(&o, "c", two, 2), 0);
	assert_children(&o, "A=first B=1 C=new D=1 D=2 D=3 Z=9 a=5 b=last c=7 c=8 ");
	assert_int_equal(wsman_object_set(&o, "D", "one"), 0);
	assert_int_equal(wsman_object_set_list(&o, "c", NULL, 0), 0);
	wsman_object_remove(&o, "A");
	wsman_object_remove(&o, "absent");
	assert_int_equal(wsman_object_set_epr(&o, "B", &epr), 0);
	assert_int_equal(wsman_object_set_epr(&o, "B", &bad), E_STATE);
	assert_children(&o, "B=handle C=new D=one Z=9 a=5 b=last ");
	assert_string_equal(wsman_object_get(&o, "a"), "5");
	assert_null(wsman_object_get(&o, "A"));
	assert_string_equal(wsman_node_text(f->m.payload, "Z"), "4"); /* the answer is untouched */
	wsman_object_remove(&o, "b");
	assert_int_equal(wsman_object_set(&o, "z", "end"), 0);
	assert_children(&o, "B=handle C=new D=one Z=9 a=5 z=end ");
}

/* Namespaces, attributes and unknown properties of a received object are sent back. */
static void test_object_keeps_the_unknown(void **state)
{
	struct fixture *f = *state;
	struct wsman_object o;
	const struct wsman_request req = {.op = WSMAN_PUT, .class_name = "AMT_GeneralSettings"};
	struct wsman_request put = req;

	assert_int_equal(
		read_text(f, IN_BODY("<g:AMT_GeneralSettings xmlns:g=\"" WSMAN_NS_AMT
				     "AMT_GeneralSettings\" xmlns:k=\"urn:k\">"
				     "<g:New lang=\"x&lt;y\" k:odd=\"1\" "
				     "xml:lang=\"en\"><k:Deep><k:er>1</k:er><x:Y/></k:Deep>"
				     "<Bare "
				     "xmlns=\"\"><g:In>2</g:In></Bare></g:New></"
				     "g:AMT_GeneralSettings>")),
		0);
	const struct wsman_node *first = f->m.payload;
	assert_int_equal(wsman_object_copy(&o, &f->arena, first), 0);
	put.object = o.root;
	assert_int_equal(wsman_write(&f->out, &put, &f->err), 0);
	assert_int_equal(wsman_read(&f->arena, f->out.data, f->out.len, &f->m, &f->err), 0);
	const struct wsman_node *new = wsman_node_child(f->m.payload, "New");
	assert_string_equal(wsman_node_attr(new, "lang"), "x<y");
	assert_string_equal(new->attrs->next->ns, "urn:k");
	assert_string_equal(new->attrs->next->value, "1");
	assert_string_equal(new->attrs->next->next->ns, WSMAN_NS_XML);
	assert_true(wsman_node_is(new->child, "urn:k", "Deep"));
	assert_true(wsman_node_is(new->child->child, "urn:k", "er"));
	assert_true(wsman_node_is(new->child->child->next, X, "Y"));
	assert_true(wsman_node_is(new->child->next, "", "Bare"));
	assert_true(
		wsman_node_is(new->child->next->child, WSMAN_NS_AMT "AMT_GeneralSettings", "In"));

	/* An embedded value echoed as a method's parameter. */
	const struct wsman_param param = {
		.name = "Copy", .kind = WSMAN_PARAM_NODE, .node = wsman_node_child(first, "New")};
	const struct wsman_request invoke = {.op = WSMAN_INVOKE,
		.class_name = "AMT_GeneralSettings",
		.method = "M",
		.params = &param,
		.n_params = 1};
	f->out.len = 0;
	assert_int_equal(wsman_write(&f->out, &invoke, &f->err), 0);
	assert_int_equal(wsman_read(&f->arena, f->out.data, f->out.len, &f->m, &f->err), 0);
	const struct wsman_node *copy = wsman_node_child(f->m.payload, "Copy");
	assert_true(wsman_node_is(copy->child, "urn:k", "Deep"));
}

static void test_object_memory(void **state)
{
	struct fixture *f = *state;
	struct wsman_object o;
	struct arena small;

	assert_int_equal(wsman_object_new(&o, &f->arena, "AMT_Nothing"), E_STATE);
	assert_int_equal(read_text(f, IN_BODY("<x:C b=\"1\"><x:A>text</x:A></x:C>")), 0);
	int rc = -ENOMEM;
	size_t max = 0;
	for (; rc != 0 && max < 4096; max += 16) {
		arena_init(&small, max);
		rc = wsman_object_copy(&o, &small, f->m.payload);
		if (rc == 0)
			rc = wsman_object_set(&o, "B", "value");
		if (rc != 0)
			assert_int_equal(rc, -ENOMEM);
		arena_reset(&small);
	}
	assert_int_equal(rc, 0);
	assert_true(max > 100);
}

static void test_classes(void **state)
{
	size_t n;
	const struct wsman_class *rows = wsman_class_table(&n);
	char uri[256];

	(void)state;
	assert_true(n > 30);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || strcmp(rows[i - 1].name, rows[i].name) < 0);
		assert_ptr_equal(wsman_class_find(rows[i].name), &rows[i]);
		snprintf(uri, sizeof uri, "%s%s", wsman_class_base(rows[i].name), rows[i].name);
		assert_string_equal(uri, rows[i].uri);
		assert_string_equal(wsman_class_of_uri(rows[i].uri), rows[i].name);
	}
	assert_null(wsman_class_find("AMT_"));
	assert_null(wsman_class_find(NULL));
	assert_null(wsman_class_base("XYZ_Class"));
	assert_string_equal(wsman_class_of_uri("no slash"), "no slash");
	for (int op = WSMAN_GET; op <= WSMAN_PULL; op++)
		assert_int_equal(wsman_op_of_action(wsman_action((enum wsman_op)op)), op);
	assert_null(wsman_action(WSMAN_INVOKE));
	assert_int_equal(wsman_op_of_action("urn:any/Method"), WSMAN_INVOKE);
}

/* SPEC: wsman.md 6: the retryable codes are these and no others. */
static void test_status(void **state)
{
	static const uint32_t soon[] = {2, 47, 48, 2061, 2082, 4099};

	(void)state;
	for (uint32_t code = 0; code < 5000; code++) {
		enum wsman_retry expected = code == 38 ? WSMAN_RETRY_LATE : WSMAN_RETRY_NEVER;
		for (size_t i = 0; i < sizeof soon / sizeof soon[0]; i++)
			if (soon[i] == code)
				expected = WSMAN_RETRY_SOON;
		assert_int_equal(wsman_status_find(WSMAN_STATUS_AMT, code)->retry, expected);
		assert_int_equal(wsman_status_find(WSMAN_STATUS_CIM, code)->retry,
			code == 4099 ? WSMAN_RETRY_SOON
			: code == 38 ? WSMAN_RETRY_LATE
				     : WSMAN_RETRY_NEVER);
	}
	assert_string_equal(
		wsman_status_find(WSMAN_STATUS_AMT, WSMAN_RV_DATA_MISSING)->name, "DATA_MISSING");
	assert_string_equal(
		wsman_status_find(WSMAN_STATUS_AMT, WSMAN_RV_NOT_PERMITTED)->name, "NOT_PERMITTED");
	assert_string_equal(wsman_status_find(WSMAN_STATUS_CIM, 2)->name, "FAILED");
	assert_string_equal(wsman_status_find(WSMAN_STATUS_AMT, 9999)->name, "UNKNOWN");
	assert_int_equal(wsman_status_list_of("AMT_RedirectionService", "RequestStateChange"),
		WSMAN_STATUS_CIM);
	assert_int_equal(
		wsman_status_list_of("AMT_WiFiPortConfigurationService", "AddWiFiSettings"),
		WSMAN_STATUS_CIM);
	assert_int_equal(wsman_status_list_of("AMT_SetupAndConfigurationService", "CommitChanges"),
		WSMAN_STATUS_AMT);
	assert_int_equal(wsman_status_list_of(NULL, NULL), WSMAN_STATUS_AMT);
}

/* SPEC: wsman.md 5 */
static void test_fault_reactions(void **state)
{
	static const struct {
		const char *subcode;
		enum wsman_reaction reaction;
		const char *name;
	} rows[] = {
		{"a:DestinationUnreachable", WSMAN_REACT_ABSENT, "absent"},
		{"ActionNotSupported", WSMAN_REACT_ABSENT, "absent"},
		{"InvalidSelectors", WSMAN_REACT_SELECT, "select"},
		{"e:SchemaValidationError", WSMAN_REACT_SCHEMA, "schema"},
		{"AlreadyExists", WSMAN_REACT_EXISTS, "exists"},
		{"AccessDenied", WSMAN_REACT_DENIED, "denied"},
		{"InternalError", WSMAN_REACT_BUSY, "busy"},
		{"TimedOut", WSMAN_REACT_BUSY, "busy"},
		{"Concurrency", WSMAN_REACT_BUSY, "busy"},
		{"InvalidEnumerationContext", WSMAN_REACT_CONTEXT, "context"},
		{"EncodingLimit", WSMAN_REACT_SMALLER, "smaller"},
		{"NeverHeardOf", WSMAN_REACT_FAIL, "fail"},
		{"", WSMAN_REACT_FAIL, "fail"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum wsman_reaction reaction = wsman_fault_reaction(rows[i].subcode);
		assert_int_equal(reaction, rows[i].reaction);
		assert_string_equal(wsman_reaction_name(reaction), rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WSMAN_TEST(test_object_edits),
		WSMAN_TEST(test_object_keeps_the_unknown),
		WSMAN_TEST(test_object_memory),
		WSMAN_TEST(test_classes),
		WSMAN_TEST(test_status),
		WSMAN_TEST(test_fault_reactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
