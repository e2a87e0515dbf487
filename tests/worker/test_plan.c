/* SPDX-License-Identifier: Apache-2.0 */
/* The tables themselves: every row whole, every plan sound, the printed forms; checkpoint; lease.
 */
#include "tests/worker/worker_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "worker/checkpoint.h"
#include "worker/lease.h"
#include "worker/plan.h"
#include "worker/steps/steps.h"

static void test_rows(void **state)
{
	(void)state;
	for (int i = 0; i < N_STEPS; i++) {
		const struct step *row = &step_table[i];
		assert_non_null(row->name);
		assert_ptr_equal(step_find(row->name), row); /* names are unique */
		if (row->kind == KIND_CALL || row->kind == KIND_LIST) {
			assert_non_null(wsman_class_find(row->class_name));
			assert_non_null(row->build);
			assert_non_null(row->interpret);
		}
		if (row->kind == KIND_LIST)
			assert_int_equal(row->effect, EFFECT_READ);
		if (row->effect == EFFECT_ONCE) /* D8: observe-before and verify-after */
			assert_true(row->cut == CUT_IS_FINE || row->doubt != 0);
		bool used = false;
		for (int p = 0; p < N_PLANS; p++)
			used |= plan_index(&plan_table[p], (enum step_id)i) >= 0;
		assert_true(used);
	}
	assert_null(step_find("no.such.row"));
}

/* SPEC: provisioning.md 2: the order of phase A */
static void test_order(void **state)
{
	(void)state;
	static const enum step_id order[] = {STEP_CONNECT_SETUP, STEP_STATE_GET, STEP_UUID_GET,
		STEP_OTP, STEP_CLOCK_SET, STEP_NAME_PUT, STEP_MEBX_SET, STEP_ADMIN_SET,
		STEP_KEY_GENERATE, STEP_CERT_ADD, STEP_CONTEXT_CREATE, STEP_TLS_PUT, STEP_COMMIT};
	for (size_t i = 1; i < sizeof order / sizeof order[0]; i++)
		assert_true(plan_index(&plan_table[PLAN_SETUP], order[i - 1]) <
			    plan_index(&plan_table[PLAN_SETUP], order[i]));
	/* A row of doubt is in the same plan, before its row. */
	for (int p = 0; p < N_PLANS; p++) {
		const struct plan *plan = &plan_table[p];
		for (size_t i = 0; i < plan->n_steps; i++) {
			const struct step *row = &step_table[plan->steps[i]];
			if (row->effect == EFFECT_ONCE && row->cut != CUT_IS_FINE) {
				int at = plan_index(plan, row->doubt);
				assert_true(at >= 0 && (size_t)at < i);
			}
		}
	}
}

static void test_print(void **state)
{
	(void)state;
	struct buf text, dot;
	buf_init(&text, 65536);
	buf_init(&dot, 65536);
	assert_int_equal(plan_print_text(&text), 0);
	assert_int_equal(plan_print_dot(&dot), 0);
	assert_non_null(strstr(buf_cstr(&text), "key.generate"));
	assert_non_null(strstr(buf_cstr(&dot), "\"setup/commit\" -> \"admin/verify.connect\""));
	buf_free(&text);
	buf_free(&dot);
}

static void test_checkpoint(void **state)
{
	(void)state;
	struct checkpoint a, b;
	struct buf out;
	buf_init(&out, CHECKPOINT_MAX);
	checkpoint_init(&a);
	checkpoint_init(&b);
	snprintf(a.fqdn, sizeof a.fqdn, "pc1.corp.example.com");
	snprintf(a.key_handle, sizeof a.key_handle, "Intel(r) AMT Key: Handle: 0");
	assert_int_equal(buf_adds(&a.public_key, "key"), 0);
	assert_int_equal(buf_adds(&a.certificate, "cert"), 0);
	a.passwords_sent = true;
	a.commits = 1;
	a.mebx = MEBX_SENT;
	checkpoint_skip(&a, step_table[STEP_KVM_GET].name);
	checkpoint_skip(&a, step_table[STEP_KVM_GET].name);
	assert_int_equal(checkpoint_pack(&a, &out), 0);
	assert_int_equal(checkpoint_unpack(&b, out.data, out.len), 0);
	assert_string_equal(b.fqdn, a.fqdn);
	assert_string_equal(b.key_handle, a.key_handle);
	assert_int_equal(b.certificate.len, 4);
	assert_true(b.passwords_sent);
	assert_int_equal(b.commits, 1);
	assert_int_equal(b.mebx, MEBX_SENT);
	assert_int_equal(b.n_skipped, 1);
	assert_ptr_equal(b.skipped[0], step_table[STEP_KVM_GET].name);
	checkpoint_drop_key(&b);
	assert_int_equal(b.certificate.len + b.public_key.len, 0);
	checkpoint_free(&b);
	/* Every truncation is refused or harmless. */
	for (size_t n = 1; n < out.len; n++) {
		checkpoint_init(&b);
		int rc = checkpoint_unpack(&b, out.data, n);
		assert_true(rc == 0 || rc == E_PARSE);
		checkpoint_free(&b);
	}
	checkpoint_free(&a);
	buf_free(&out);
}

/* What an interrupted renewal has made and not used yet is no stray. SPEC: maintenance.md 2 Resume
 */
static void test_key_of_ours(void **state)
{
	(void)state;
	static const uint8_t key[] = "key";
	struct listed listed = {.handle = "Key 1", .der = key, .der_len = sizeof key};
	struct session *s = calloc(1, sizeof *s);
	struct wsman_request rq = {0};
	assert_non_null(s);
	checkpoint_init(&s->ck);
	arena_init(&s->keep, 4096);
	s->plan = PLAN_RENEW;
	s->o.keys = &listed;
	snprintf(s->o.context_cert, sizeof s->o.context_cert, "Cert 1");
	assert_int_equal(clean_key_build(s, &rq), BUILD_SEND);
	assert_string_equal(s->o.clean_handle, "Key 1");
	assert_int_equal(buf_add(&s->ck.public_key, key, sizeof key), 0);
	assert_int_equal(clean_key_build(s, &rq), BUILD_SKIP);
	arena_reset(&s->keep);
	checkpoint_free(&s->ck);
	free(s);
}

/* SPEC: architecture D13.4, ruling 12 */
static void test_lease(void **state)
{
	(void)state;
	struct lease l = {0};
	assert_false(lease_may_write(&l, 0)); /* never held */
	lease_granted(&l, 1000, 30000);
	assert_true(lease_may_write(&l, 1000 + 30000 - LEASE_GUARD_MS - 1));
	assert_false(lease_may_write(&l, 1000 + 30000 - LEASE_GUARD_MS));
	lease_granted(&l, 2000, 3000); /* never shortens */
	assert_true(lease_may_write(&l, 28000));
	lease_granted(&l, 50000, 1000); /* shorter than the guard: no right at all */
	assert_false(lease_may_write(&l, 50000));
	assert_int_equal(lease_ttl(30000, 5000), 30000);
	assert_int_equal(lease_ttl(30000, 60000), 65000);
}

/* SPEC: directory.md 4.4, verified there against the tickets of a KDC */
static void test_kerberos_master_key(void **state)
{
	(void)state;
	struct secret key = {0}, password = {.data = (uint8_t *)"Obj-Passw0rd-1", .len = 14};
	assert_int_equal(kerberos_master_key(&password, &key), 0);
	assert_string_equal(secret_text(&key), "przbJu68WdjloUUxEi2fqQ==");
	secret_free(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kerberos_master_key),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_checkpoint),
		cmocka_unit_test(test_key_of_ours),
		cmocka_unit_test(test_lease),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
