/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope writer: escaping, refusals, limits, shapes that no vector has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "proto/wsman/write.h"
#include "tests/proto/wsman/fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WSMAN_TEST(test_values_cannot_inject),
		WSMAN_TEST(test_unwritable_values),
		WSMAN_TEST(test_wrong_descriptions),
		WSMAN_TEST(test_request_too_big),
		WSMAN_TEST(test_repeated_and_left_out),
		WSMAN_TEST(test_selector_with_reference),
		WSMAN_TEST(test_identify),
		WSMAN_TEST(test_small_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
