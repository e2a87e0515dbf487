/* SPDX-License-Identifier: Apache-2.0 */
/* Escaping, limits, hostile documents, objects and tables; no recorded data needed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/wsman/object.h"
#include "proto/wsman/read.h"
#include "proto/wsman/status.h"
#include "proto/wsman/write.h"

#define X "urn:x"
#define ENVELOPE \
	"<s:Envelope xmlns:s=\"" WSMAN_NS_SOAP "\" xmlns:a=\"" WSMAN_NS_ADDR "\" xmlns:x=\"" X "\">"
#define IN_BODY(s) ENVELOPE "<s:Body>" s "</s:Body></s:Envelope>"

struct fixture {
	struct arena arena;
	struct buf out;
	struct wsman_message m;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	arena_init(&f->arena, WSMAN_ARENA_MAX);
	buf_init(&f->out, WSMAN_REQUEST_MAX);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_reset(&f->arena);
	buf_free(&f->out);
	free(f);
	return 0;
}

static int read_text(struct fixture *f, const char *text)
{
	f->err = (struct error){0};
	return wsman_read(&f->arena, text, strlen(text), &f->m, &f->err);
}

/* --- writer --- */

/* Every value comes back as it went in, and none changes the structure. */
static void test_values_cannot_inject(void **state)
{
	static const char *const values[] = {"plain", "", "a&b<c>d\"e'f", "]]></r:Password><r:X>",
		"&amp;", "&#65;", " leading and trailing ", "tab\tline\nreturn\rend",
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91", "<!-- --><![CDATA[x]]>", "\x7f"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		const struct wsman_selector selector = {.name = values[i], .text = values[i]};
		const struct wsman_param params[] = {
			WSMAN_TEXT("Password", values[i]), WSMAN_TEXT("After", "1")};
		const struct wsman_request req = {.op = WSMAN_INVOKE,
			.class_name = "AMT_SetupAndConfigurationService",
			.method = "SetMEBxPassword",
			.selectors = &selector,
			.n_selectors = 1,
			.params = params,
			.n_params = 2};
		f->out.len = 0;
		assert_int_equal(wsman_write(&f->out, &req, &f->err), 0);
		assert_int_equal(wsman_read(&f->arena, f->out.data, f->out.len, &f->m, &f->err), 0);
		assert_string_equal(wsman_node_text(f->m.payload, "Password"), values[i]);
		assert_string_equal(f->m.payload->child->next->name, "After");
		assert_null(f->m.payload->child->next->next);
		assert_string_equal(wsman_node_selector(f->m.selectors, values[i]), values[i]);
		assert_int_equal(wsman_message_op(&f->m), WSMAN_INVOKE);
		assert_string_equal(f->m.class_name, "AMT_SetupAndConfigurationService");
		assert_string_equal(f->m.body_name, "SetMEBxPassword");
	}
}

static void test_unwritable_values(void **state)
{
	static const char *const values[] = {"\x01", "a\x0b", "\x1f", "\x80", "\xc0\x80",
		"\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xef\xbf\xbe", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "cut \xe2\x82", "\xff"};
	struct fixture *f = *state;

	assert_int_equal(buf_adds(&f->out, "before"), 0);
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		const struct wsman_param param = WSMAN_TEXT("Password", values[i]);
		const struct wsman_request req = {.op = WSMAN_INVOKE,
			.class_name = "AMT_SetupAndConfigurationService",
			.method = "SetMEBxPassword",
			.params = &param,
			.n_params = 1};
		assert_int_equal(wsman_write(&f->out, &req, &f->err), E_PARSE);
		assert_non_null(strstr(f->err.text, "Password"));
		assert_int_equal(f->out.len, 6);
	}
}

static void test_wrong_descriptions(void **state)
{
	struct fixture *f = *state;
	const struct wsman_epr epr = {.class_name = "AMT_NoSuchClass"};
	const struct wsman_param param = WSMAN_EPR("KeyPair", &epr);
	const struct wsman_selector empty = {.name = "Name"};
	struct wsman_node *other = wsman_node_new(&f->arena, X, "AMT_TLSSettingData");
	const struct wsman_request wrong[] = {
		{.op = WSMAN_GET, .class_name = "AMT_GeneralSetting"},
		{.op = WSMAN_GET},
		{.op = WSMAN_INVOKE, .class_name = "AMT_GeneralSettings"},
		{.op = WSMAN_PULL, .class_name = "AMT_GeneralSettings"},
		{.op = WSMAN_PUT, .class_name = "AMT_GeneralSettings"},
		{.op = WSMAN_PUT, .class_name = "AMT_TLSSettingData", .object = other},
		{.op = WSMAN_INVOKE,
			.class_name = "AMT_GeneralSettings",
			.method = "M",
			.params = &param,
			.n_params = 1},
		{.op = WSMAN_GET,
			.class_name = "AMT_GeneralSettings",
			.selectors = &empty,
			.n_selectors = 1},
		{.op = (enum wsman_op)99, .class_name = "AMT_GeneralSettings"},
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(wsman_write(&f->out, &wrong[i], &f->err), E_STATE);
		assert_int_equal(f->out.len, 0);
	}
}

static void test_request_too_big(void **state)
{
	struct fixture *f = *state;
	char *blob = arena_alloc(&f->arena, WSMAN_REQUEST_MAX + 1);
	const struct wsman_param param = WSMAN_TEXT("CertificateBlob", blob);
	const struct wsman_request req = {.op = WSMAN_INVOKE,
		.class_name = "AMT_PublicKeyManagementService",
		.method = "AddCertificate",
		.params = &param,
		.n_params = 1};

	memset(blob, 'A', WSMAN_REQUEST_MAX);
	assert_int_equal(wsman_write(&f->out, &req, &f->err), E_LIMIT);
	assert_int_equal(f->out.len, 0);
}

static void test_repeated_and_left_out(void **state)
{
	static const char *const realms[] = {"2", "5"};
	struct fixture *f = *state;
	const struct wsman_param params[] = {WSMAN_TEXT("Absent", NULL),
		WSMAN_REPEATED("Realms", realms, 2), WSMAN_REPEATED("None", NULL, 0)};
	const struct wsman_request req = {.op = WSMAN_INVOKE,
		.class_name = "AMT_AuthorizationService",
		.method = "AddUserAclEntryEx",
		.message_id = UINT64_MAX,
		.timeout_s = 30,
		.params = params,
		.n_params = 3};

	assert_int_equal(wsman_write(&f->out, &req, &f->err), 0);
	assert_int_equal(wsman_read(&f->arena, f->out.data, f->out.len, &f->m, &f->err), 0);
	assert_string_equal(f->m.message_id, "18446744073709551615");
	assert_string_equal(wsman_node_text(f->m.header, "OperationTimeout"), "PT30S");
	const struct wsman_node *realm = f->m.payload->child;
	assert_string_equal(realm->text, "2");
	assert_string_equal(wsman_node_again(realm)->text, "5");
	assert_null(wsman_node_again(wsman_node_again(realm)));
	assert_int_equal(realm->next->next == NULL, 1);
}

static void test_selector_with_reference(void **state)
{
	struct fixture *f = *state;
	const struct wsman_selector name = {.name = "Name", .text = "Server 0"};
	const struct wsman_epr epr = {.class_name = "AMT_ManagementPresenceRemoteSAP",
		.selectors = &name,
		.n_selectors = 1};
	const struct wsman_selector selector = {.name = "ManagedElement", .epr = &epr};
	const struct wsman_request req = {.op = WSMAN_GET,
		.class_name = "AMT_RemoteAccessPolicyAppliesToMPS",
		.selectors = &selector,
		.n_selectors = 1};

	assert_int_equal(wsman_write(&f->out, &req, &f->err), 0);
	assert_int_equal(wsman_read(&f->arena, f->out.data, f->out.len, &f->m, &f->err), 0);
	assert_string_equal(wsman_node_selector(f->m.selectors, "ManagedElement"), "Server 0");
	const struct wsman_node *s = wsman_node_selector_node(f->m.selectors, NULL);
	assert_string_equal(
		wsman_class_of_uri(wsman_node_epr_uri(s)), "AMT_ManagementPresenceRemoteSAP");
	assert_int_equal(wsman_message_op(&f->m), WSMAN_GET);
	assert_null(f->m.payload);
}

static void test_identify(void **state)
{
	struct fixture *f = *state;
	const struct wsman_request req = {.op = WSMAN_IDENTIFY};

	assert_int_equal(wsman_write(&f->out, &req, &f->err), 0);
	assert_int_equal(wsman_read(&f->arena, f->out.data, f->out.len, &f->m, &f->err), 0);
	assert_true(wsman_node_is(f->m.payload, WSMAN_NS_IDENTITY, "Identify"));
	assert_null(f->m.header->child);
	assert_int_equal(wsman_message_op(&f->m), WSMAN_IDENTIFY);
}

/* Out of memory at any place: an error, the buffer as before, nothing leaks. */
static void test_small_buffers(void **state)
{
	struct fixture *f = *state;
	const struct wsman_request req = {.op = WSMAN_GET, .class_name = "AMT_GeneralSettings"};

	assert_int_equal(wsman_write(&f->out, &req, &f->err), 0);
	for (size_t max = 0; max < f->out.len; max++) {
		struct buf small;
		buf_init(&small, max);
		assert_int_equal(wsman_write(&small, &req, NULL), E_LIMIT);
		assert_int_equal(small.len, 0);
		buf_free(&small);
	}
}

/* --- reader --- */

static void test_hostile_documents(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *says;
	} rows[] = {
		{"", E_PARSE, "no element"},
		{" <?xml version=\"1.0\"?>" IN_BODY(""), E_PARSE, "declaration"},
		{ENVELOPE "<s:Body>", E_PARSE, "no element"},
		{ENVELOPE "<s:Body></s:Envelope>", E_PARSE, "mismatched"},
		{IN_BODY("") IN_BODY(""), E_PARSE, "junk"},
		{"<!DOCTYPE s [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
		 "\"&a;&a;&a;&a;&a;&a;&a;&a;\">]>" IN_BODY("&b;"),
			E_PARSE, "DOCTYPE"},
		{"<!DOCTYPE s SYSTEM \"file:///etc/passwd\">" IN_BODY(""), E_PARSE, "DOCTYPE"},
		{IN_BODY("&unknown;"), E_PARSE, "entity"},
		{IN_BODY("<x:A>\xff</x:A>"), E_PARSE, "not well-formed"},
		{IN_BODY("<x:A>\xed\xa0\x80</x:A>"), E_PARSE, "not well-formed"},
		{IN_BODY("<x:A>&#0;</x:A>"), E_PARSE, "character"},
		{IN_BODY("<y:A/>"), E_PARSE, "prefix"},
		{IN_BODY("<x:A b=\"1\" b=\"2\"/>"), E_PARSE, "duplicate"},
		{"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" IN_BODY(""), E_PARSE, "UTF-8"},
		{"<?xml version=\"1.0\" encoding=\"UTF-16\"?>" IN_BODY(""), E_PARSE, "UTF-8"},
		{"<html><body/></html>", E_PROTOCOL, "html"},
		{"<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body/></Envelope>",
			E_PROTOCOL, "SOAP 1.2"},
		{ENVELOPE "<Body/></s:Envelope>", E_PROTOCOL, "Body"},
		{ENVELOPE "<s:Body/><s:Body/></s:Envelope>", E_PROTOCOL, "two elements Body"},
		{ENVELOPE "<s:Header/><s:Header/><s:Body/></s:Envelope>", E_PROTOCOL,
			"two elements"},
		{ENVELOPE "<s:Header><a:RelatesTo>1</a:RelatesTo><a:RelatesTo>2</a:RelatesTo>"
			  "</s:Header><s:Body/></s:Envelope>",
			E_PROTOCOL, "RelatesTo"},
		{IN_BODY("<x:A/><x:B/>"), E_PROTOCOL, "more than one"},
		{IN_BODY("<x:M_OUTPUT><x:ReturnValue>0</x:ReturnValue><x:ReturnValue>1</"
			 "x:ReturnValue>"
			 "</x:M_OUTPUT>"),
			E_PROTOCOL, "two ReturnValues"},
		{IN_BODY("<x:M_OUTPUT><x:ReturnValue>-1</x:ReturnValue></x:M_OUTPUT>"), E_PROTOCOL,
			"not a number"},
		{IN_BODY("<x:M_OUTPUT><x:ReturnValue/></x:M_OUTPUT>"), E_PROTOCOL, "not a number"},
		{IN_BODY("<x:M_OUTPUT><x:ReturnValue>4294967296</x:ReturnValue></x:M_OUTPUT>"),
			E_PROTOCOL, "not a number"},
		{IN_BODY("<x:M_OUTPUT><x:ReturnValue>99999999999999999999</x:ReturnValue></"
			 "x:M_OUTPUT>"),
			E_PROTOCOL, "not a number"},
		{IN_BODY("<x:A q=\"\" b=\"\" c=\"\" d=\"\" e=\"\" f=\"\" g=\"\" h=\"\" i=\"\" "
			 "j=\"\" k=\"\""
			 " l=\"\" m=\"\" n=\"\" o=\"\" p=\"\" r=\"\"/>"),
			E_LIMIT, "attributes"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int rc = read_text(f, rows[i].text);
		if (rc != rows[i].rc || !strstr(f->err.text, rows[i].says))
			fail_msg("row %zu: %d %s", i, rc, f->err.text);
		assert_int_equal(f->err.code, rc);
	}
}

static void test_depth_limit(void **state)
{
	struct fixture *f = *state;

	for (int extra = 0; extra < 2; extra++) {
		struct buf doc;
		buf_init(&doc, WSMAN_BYTES_MAX);
		buf_adds(&doc, ENVELOPE "<s:Body>");
		for (int i = 0; i < WSMAN_DEPTH_MAX - 2 + extra; i++)
			buf_adds(&doc, "<x:A>");
		for (int i = 0; i < WSMAN_DEPTH_MAX - 2 + extra; i++)
			buf_adds(&doc, "</x:A>");
		buf_adds(&doc, "</s:Body></s:Envelope>");
		assert_int_equal(read_text(f, buf_cstr(&doc)), extra ? E_LIMIT : 0);
		buf_free(&doc);
	}
	assert_non_null(strstr(f->err.text, "nested too deep"));
}

static void test_element_limit(void **state)
{
	struct fixture *f = *state;

	for (int extra = 0; extra < 2; extra++) {
		struct buf doc;
		buf_init(&doc, WSMAN_BYTES_MAX);
		buf_adds(&doc, ENVELOPE "<s:Body><x:P>");
		for (int i = 0; i < WSMAN_ELEMENTS_MAX - 3 + extra; i++)
			buf_adds(&doc, "<x:A/>");
		buf_adds(&doc, "</x:P></s:Body></s:Envelope>");
		arena_reset(&f->arena);
		assert_int_equal(read_text(f, buf_cstr(&doc)), extra ? E_LIMIT : 0);
		buf_free(&doc);
	}
	assert_non_null(strstr(f->err.text, "too many elements"));
}

/* One MiB of text is read, one byte more is refused, whatever the split; endless feeding too. */
static void test_size_limit(void **state)
{
	static const char head[] = ENVELOPE "<s:Body><x:A>",
			  tail[] = "</x:A></s:Body></s:Envelope>";
	struct fixture *f = *state;
	struct wsman_reader *r;
	size_t room = WSMAN_BYTES_MAX - strlen(head) - strlen(tail);

	assert_int_equal(wsman_reader_new(&r, &f->err), 0);
	for (size_t step = 1000; step <= 100000; step *= 100) {
		char *block = arena_alloc(&f->arena, step);
		memset(block, 'x', step);
		assert_int_equal(wsman_reader_begin(r, &f->arena, &f->err), 0);
		assert_int_equal(wsman_reader_feed(r, head, strlen(head), &f->err), 0);
		for (size_t at = 0; at < room; at += step)
			assert_int_equal(wsman_reader_feed(r, block,
						 room - at < step ? room - at : step, &f->err),
				0);
		assert_int_equal(wsman_reader_feed(r, tail, strlen(tail), &f->err), 0);
		assert_int_equal(wsman_reader_end(r, &f->m, &f->err), 0);
		assert_int_equal(f->m.payload->text_len, room);
	}
	assert_int_equal(wsman_reader_begin(r, &f->arena, &f->err), 0);
	int rc = wsman_reader_feed(r, head, strlen(head), &f->err);
	for (size_t i = 0; rc == 0 && i < 2000; i++)
		rc = wsman_reader_feed(r, head, 1000 % strlen(head), &f->err);
	assert_int_equal(rc, E_PARSE); /* a second root element inside the text */
	assert_int_equal(wsman_reader_feed(r, "x", 1, &f->err), E_STATE);
	assert_int_equal(wsman_reader_end(r, &f->m, &f->err), E_STATE);
	assert_int_equal(wsman_reader_begin(r, &f->arena, &f->err), 0);
	rc = wsman_reader_feed(r, head, strlen(head), &f->err);
	for (size_t i = 0; rc == 0 && i <= WSMAN_BYTES_MAX; i++)
		rc = wsman_reader_feed(r, "xxxxxxxxxxxxxxxx", 16, &f->err);
	assert_int_equal(rc, E_LIMIT);
	assert_non_null(strstr(f->err.text, "1048576"));
	wsman_reader_free(r);
}

/* Every ceiling of memory from nothing to enough: refused with a reason, never a crash. */
static void test_small_arenas(void **state)
{
	static const char doc[] = ENVELOPE
		"<s:Header><a:Action> padded </a:Action></s:Header><s:Body><x:M_OUTPUT b=\"1\">"
		"<x:ReturnValue>0</x:ReturnValue></x:M_OUTPUT></s:Body></s:Envelope>";
	struct fixture *f = *state;
	int rc = E_LIMIT;
	size_t max = 0;

	for (; rc != 0 && max < 65536; max += 16) {
		struct arena small;
		arena_init(&small, max);
		rc = wsman_read(&small, doc, strlen(doc), &f->m, &f->err);
		if (rc != 0) {
			assert_int_equal(rc, E_LIMIT);
			assert_non_null(strstr(f->err.text, "memory"));
		}
		arena_reset(&small);
	}
	assert_int_equal(rc, 0);
	assert_true(max > 500);
}

static void test_reader_is_reusable(void **state)
{
	struct fixture *f = *state;
	struct wsman_reader *r;
	const char *good = IN_BODY("<x:M_OUTPUT><x:ReturnValue> 36 </x:ReturnValue></x:M_OUTPUT>");

	assert_int_equal(wsman_reader_new(&r, &f->err), 0);
	assert_int_equal(wsman_reader_feed(r, good, 1, &f->err), E_STATE);
	assert_int_equal(wsman_reader_end(r, &f->m, &f->err), E_STATE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wsman_reader_begin(r, &f->arena, &f->err), 0);
		assert_int_equal(wsman_reader_feed(r, "<oops></x>", 10, &f->err), E_PARSE);
		assert_int_equal(wsman_reader_begin(r, &f->arena, &f->err), 0);
		assert_int_equal(wsman_reader_feed(r, good, 40, &f->err), 0); /* left unfinished */
		assert_int_equal(wsman_reader_begin(r, &f->arena, &f->err), 0);
		assert_int_equal(wsman_reader_feed(r, good, strlen(good), &f->err), 0);
		assert_int_equal(wsman_reader_end(r, &f->m, &f->err), 0);
		assert_true(f->m.has_return_value);
		assert_int_equal(f->m.return_value, 36);
	}
	wsman_reader_free(r);
	wsman_reader_free(NULL);
}

/* Same local names in foreign namespaces mean nothing. */
static void test_foreign_namespaces(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		read_text(f, ENVELOPE "<s:Header><x:Action>evil</x:Action></s:Header>"
				      "<s:Body><x:Fault><x:Code/></x:Fault></s:Body></s:Envelope>"),
		0);
	assert_string_equal(f->m.action, "");
	assert_false(f->m.fault.present);
	assert_int_equal(
		read_text(f, IN_BODY("<x:PullResponse><x:EndOfSequence/></x:PullResponse>")), 0);
	assert_false(f->m.end_of_sequence);
	assert_ptr_equal(wsman_message_item(&f->m, NULL), f->m.payload);
	assert_null(wsman_message_item(&f->m, f->m.payload));
}

static void test_fault_view(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		read_text(
			f, IN_BODY("<s:Fault><s:Code><s:Value>s:Sender</"
				   "s:Value><s:Subcode><s:Value> w:First </s:Value>"
				   "<s:Subcode><s:Value>a:DestinationUnreachable</s:Value></"
				   "s:Subcode></s:Subcode></s:Code>"
				   "<s:Reason><s:Text xml:lang=\"en\">No route</s:Text></s:Reason>"
				   "<s:Detail><x:D><x:E>deep</x:E></x:D></s:Detail></s:Fault>")),
		0);
	assert_true(f->m.fault.present);
	assert_string_equal(f->m.fault.code, "Sender");
	assert_string_equal(f->m.fault.subcode, "DestinationUnreachable");
	assert_string_equal(f->m.fault.reason, "No route");
	assert_string_equal(f->m.fault.detail, "deep");
	assert_null(wsman_message_item(&f->m, NULL));
	assert_int_equal(wsman_fault_reaction(f->m.fault.subcode), WSMAN_REACT_ABSENT);
	assert_int_equal(read_text(f, IN_BODY("<s:Fault/>")), 0);
	assert_true(f->m.fault.present);
	assert_string_equal(f->m.fault.subcode, "");
	assert_int_equal(wsman_fault_reaction(f->m.fault.subcode), WSMAN_REACT_FAIL);
}

static void test_text_forms(void **state)
{
	struct fixture *f = *state;
	bool flag;
	uint64_t number;

	assert_int_equal(
		read_text(f, "\xef\xbb\xbf" IN_BODY(
				     "<x:P><x:A>a<!-- no -->b<![CDATA[<c>]]>&lt;&#x41;</x:A><x:T> "
				     "true\n</x:T><x:O>0</x:O>"
				     "<x:N> 18446744073709551615 "
				     "</x:N><x:F>truely</x:F><x:H>0x10</x:H></x:P>")),
		0);
	assert_string_equal(wsman_node_text(f->m.payload, "A"), "ab<c><A");
	assert_int_equal(wsman_node_bool(f->m.payload, "T", &flag), 0);
	assert_true(flag);
	assert_int_equal(wsman_node_bool(f->m.payload, "O", &flag), 0);
	assert_false(flag);
	assert_int_equal(wsman_node_bool(f->m.payload, "F", &flag), E_PARSE);
	assert_int_equal(wsman_node_uint(f->m.payload, "N", &number), 0);
	assert_true(number == UINT64_MAX);
	assert_int_equal(wsman_node_uint(f->m.payload, "H", &number), E_PARSE);
}

/* --- objects --- */

static void assert_children(const struct wsman_object *o, const char *expected)
{
	char have[512] = "";

	for (const struct wsman_node *c = o->root->child; c; c = c->next) {
		assert_int_equal(c->next == NULL, c == o->root->last_child);
		strcat(strcat(strcat(strcat(have, c->name), "="), wsman_node_flat(c)), " ");
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

/* --- tables --- */

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
			code == 4099 ? WSMAN_RETRY_SOON : WSMAN_RETRY_NEVER);
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_values_cannot_inject),
		TEST(test_unwritable_values),
		TEST(test_wrong_descriptions),
		TEST(test_request_too_big),
		TEST(test_repeated_and_left_out),
		TEST(test_selector_with_reference),
		TEST(test_identify),
		TEST(test_small_buffers),
		TEST(test_hostile_documents),
		TEST(test_depth_limit),
		TEST(test_element_limit),
		TEST(test_size_limit),
		TEST(test_small_arenas),
		TEST(test_reader_is_reusable),
		TEST(test_foreign_namespaces),
		TEST(test_fault_view),
		TEST(test_text_forms),
		TEST(test_object_edits),
		TEST(test_object_keeps_the_unknown),
		TEST(test_object_memory),
		TEST(test_classes),
		TEST(test_status),
		TEST(test_fault_reactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
