/* SPDX-License-Identifier: Apache-2.0 */
/* The reader: hostile documents, limits, reuse, foreign namespaces, forms of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "proto/wsman/read.h"
#include "proto/wsman/status.h"
#include "tests/proto/wsman/fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WSMAN_TEST(test_hostile_documents),
		WSMAN_TEST(test_depth_limit),
		WSMAN_TEST(test_element_limit),
		WSMAN_TEST(test_size_limit),
		WSMAN_TEST(test_small_arenas),
		WSMAN_TEST(test_reader_is_reusable),
		WSMAN_TEST(test_foreign_namespaces),
		WSMAN_TEST(test_fault_view),
		WSMAN_TEST(test_text_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
