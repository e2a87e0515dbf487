/* SPDX-License-Identifier: Apache-2.0 */
/* On-die chains of four and six, whole, cut, mixed and out of date. SPEC: tls.md 6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/pki/odca.h"
#include "tests/proto/vectors.h"

#define NOW_S  INT64_C(1767225600) /* 2026-01-01 */
#define DEVICE "tests/data/pki/device"

static struct odca *root_only, *with_issuing;
static char bundle[] = "/tmp/muster-odca-XXXXXX";

static STACK_OF(X509) * load(const char *name)
{
	struct buf pem;
	X509 *x;
	STACK_OF(X509) *chain = sk_X509_new_null();
	vectors_load(&pem, DEVICE, name);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		sk_X509_push(chain, x);
	BIO_free(bio);
	buf_free(&pem);
	return chain;
}

static void drop(STACK_OF(X509) * chain)
{
	sk_X509_pop_free(chain, X509_free);
}

/* odca5 is the root, odca3 the issuing CA of the vectors. */
static int setup(void **state)
{
	(void)state;
	struct error err = {0};
	int fd = mkstemp(bundle);
	static const char *const files[] = {"odca5.pem", "odca3.pem"};
	for (size_t i = 0; i < 2; i++) {
		struct buf pem;
		vectors_load(&pem, DEVICE, files[i]);
		assert_int_equal(write(fd, pem.data, pem.len), pem.len);
		buf_free(&pem);
	}
	close(fd);
	if (odca_load(&root_only, DEVICE "/odca5.pem", &err) < 0 ||
		odca_load(&with_issuing, bundle, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	odca_free(root_only);
	odca_free(with_issuing);
	return unlink(bundle);
}

static void refused(struct odca *o, STACK_OF(X509) * chain, int64_t now_s, const char *words)
{
	struct error err = {0};
	assert_int_equal(odca_check(o, chain, now_s, &err), E_TLS);
	if (!strstr(err.text, words))
		fail_msg("expected \"%s\": %s", words, err.text);
	drop(chain);
}

static void test_six(void **state)
{
	(void)state;
	struct error err = {0};
	for (uint64_t i = 0; i < 3; i++) {
		STACK_OF(X509) *chain = load("odca-chain6.pem");
		assert_int_equal(sk_X509_num(chain), 6);
		if (odca_check(root_only, chain, NOW_S, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(odca_cache_hits(root_only), i); /* the top is verified once */
		drop(chain);
	}
}

/* Issuing and intermediate CA are not on the wire: they must be configured. */
static void test_four(void **state)
{
	(void)state;
	struct error err = {0};
	STACK_OF(X509) *chain = load("odca-chain4.pem");
	assert_int_equal(sk_X509_num(chain), 4);
	if (odca_check(with_issuing, chain, NOW_S, &err) < 0)
		fail_msg("%s", err.text);
	refused(root_only, chain, NOW_S, "certificate 3");
}

static STACK_OF(X509) * without(const char *name, int index)
{
	STACK_OF(X509) *chain = load(name);
	X509_free(sk_X509_delete(chain, index));
	return chain;
}

static void test_faults(void **state)
{
	(void)state;
	refused(with_issuing, load("setup-self.pem"), NOW_S, "no on-die chain");
	refused(with_issuing, without("odca-chain6.pem", 1), NOW_S, "certificate 0");
	refused(with_issuing, without("odca-chain6.pem", 0), NOW_S, "remote configuration");
	refused(with_issuing, load("odca-chain6.pem"), INT64_C(4102444800), "not in date");
	refused(with_issuing, load("odca-chain6.pem"), INT64_C(1000000000), "not in date");
	/* Somebody else's top over a good lower part, and the other way round. */
	STACK_OF(X509) *chain = without("odca-chain6.pem", 5);
	STACK_OF(X509) *other = load("setup-self.pem");
	sk_X509_push(chain, sk_X509_value(other, 0));
	X509_up_ref(sk_X509_value(other, 0));
	drop(other);
	refused(root_only, chain, NOW_S, "certificate 4");
	/* A signature that does not fit: the remembered top must not help the lower part. */
	chain = load("odca-chain6.pem");
	ASN1_BIT_STRING *signature = NULL;
	X509_get0_signature((const ASN1_BIT_STRING **)&signature, NULL, sk_X509_value(chain, 2));
	signature->data[signature->length - 1] ^= 1;
	refused(root_only, chain, NOW_S, "certificate 2");
}

static void test_anchors(void **state)
{
	(void)state;
	struct odca *o = NULL;
	struct error err = {0};
	assert_int_equal(odca_load(&o, DEVICE "/odca-leaf.pem", &err), E_CONFIG);
	assert_int_equal(odca_load(&o, DEVICE "/odca-leaf.key", &err), E_CONFIG);
	assert_true(odca_load(&o, DEVICE "/absent.pem", &err) < 0);
	assert_non_null(strstr(err.text, "absent.pem"));
	assert_null(o);
	odca_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_six),
		cmocka_unit_test(test_four),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_anchors),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
