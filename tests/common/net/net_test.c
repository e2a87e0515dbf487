/* SPDX-License-Identifier: Apache-2.0 */
/* See net_test.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "common/base/clock.h"
#include "common/net/listen.h"
#include "tests/common/net/net_test.h"

#define LOOK_MS 20

static void look_again(uv_timer_t *t)
{
	(void)t;
}

void run_until(uv_loop_t *loop, const bool *flag, uint64_t wait_ms)
{
	uint64_t until = clock_boot_ms() + wait_ms;
	uv_timer_t timer;

	uv_timer_init(loop, &timer);
	uv_update_time(loop);
	/* A timer may set the flag before the loop goes to sleep: look again soon. */
	uv_timer_start(&timer, look_again, LOOK_MS, LOOK_MS);
	while (!*flag && clock_boot_ms() < until)
		uv_run(loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	assert_true(*flag);
}

void loop_finish(uv_loop_t *loop)
{
	uint64_t until = clock_boot_ms() + 5000;

	while (uv_loop_close(loop) == UV_EBUSY) {
		assert_true(clock_boot_ms() < until);
		uv_run(loop, UV_RUN_NOWAIT);
	}
}

int listen_any(struct net_addr *bound, int backlog)
{
	struct listen_opts opts = {.backlog = backlog};
	int fd;

	assert_int_equal(net_addr_parse(&opts.addr, "127.0.0.1:0", NULL), 0);
	fd = listen_socket(&opts, NULL);
	assert_true(fd >= 0);
	assert_int_equal(listen_address(fd, bound), 0);
	return fd;
}

static struct tls_identity identity;

const struct tls_identity *test_identity(void)
{
	if (identity.leaf)
		return &identity;
	identity.key = EVP_RSA_gen(2048);
	identity.leaf = X509_new();
	assert_true(identity.key && identity.leaf);
	X509_set_version(identity.leaf, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(identity.leaf), 7);
	X509_gmtime_adj(X509_getm_notBefore(identity.leaf), -3600);
	X509_gmtime_adj(X509_getm_notAfter(identity.leaf), 86400);
	X509_set_pubkey(identity.leaf, identity.key);
	X509_NAME *name = X509_get_subject_name(identity.leaf);

	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"test.example", -1, -1, 0);
	X509_set_issuer_name(identity.leaf, name);
	assert_true(X509_sign(identity.leaf, identity.key, EVP_sha256()) > 0);
	return &identity;
}

void test_identity_save(const char *dir)
{
	char path[256];
	FILE *f;

	test_identity();
	snprintf(path, sizeof path, "%s/key.pem", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	PEM_write_PrivateKey(f, identity.key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	snprintf(path, sizeof path, "%s/cert.pem", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	PEM_write_X509(f, identity.leaf);
	fclose(f);
}

void test_identity_free(void)
{
	X509_free(identity.leaf);
	EVP_PKEY_free(identity.key);
	identity = (struct tls_identity){0};
}
