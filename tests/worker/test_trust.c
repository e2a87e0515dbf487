/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device shows in setup and after it: on-die chains, pins, a machine that is not the one of
 * before, TLS 1.3 by switch. SPEC: tls.md 2, 6; rulings 2, 36
 */
#include "tests/worker/site.h"

#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ODCA "tests/data/pki/device/odca"

static struct profile *profile(void)
{
	return w.profiles.items[0];
}

static void fresh_on_die(const char *chain)
{
	fresh();
	dev.chain_file = chain;
	dev.key_file = ODCA "-leaf.key";
}

static void fingerprint_of(const char *path, int index, const EVP_MD *alg, char *out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	for (int i = 0; i <= index; i++) {
		X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
		assert_non_null(x);
		X509_digest(x, alg, md, &len);
		X509_free(x);
	}
	fclose(f);
	for (unsigned i = 0; i < len; i++) {
		out[2 * i] = hex[md[i] >> 4];
		out[2 * i + 1] = hex[md[i] & 15];
	}
	out[2 * (size_t)len] = '\0';
}

/* Any certificate is taken, and what proves the machine is kept. */
static void test_on_die_by_hash(void **state)
{
	(void)state;
	static const char *const chains[] = {ODCA "-chain4.pem", ODCA "-chain6.pem"};
	for (size_t i = 0; i < 2; i++) {
		char leaf[100], rom[100];
		fresh_on_die(chains[i]);
		visit();
		assert_provisioned();
		fingerprint_of(chains[i], 0, EVP_sha256(), leaf);
		fingerprint_of(chains[i], 3, EVP_sha256(), rom);
		assert_string_equal(fake_store.setup_fp, leaf);
		assert_string_equal(fake_store.setup_fp3, rom);
	}
}

/* The same UUID with another ROM CA: another machine. An operator's kick accepts it. */
static void test_rom_ca_changed(void **state)
{
	(void)state;
	fresh_on_die(ODCA "-chain6.pem");
	memset(fake_store.setup_fp3, 'a', 64);
	visit();
	assert_end("park", "rom_ca_changed");
	assert_string_equal(fake_store.quarantine, "rom_ca_changed");
	assert_int_equal(dev.n_requests, 0);
	visit();
	assert_provisioned();
	/* A leaf may change: firmware makes a self-signed one whenever setup starts. */
	fresh();
	memset(fake_store.setup_fp, 'a', 64);
	memset(fake_store.setup_fp3, 'a', 64);
	visit();
	assert_provisioned();
}

static void load_roots(const char *path)
{
	struct error err = {0};
	odca_free(w.odca);
	w.odca = NULL;
	if (path && odca_load(&w.odca, path, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_on_die_verified(void **state)
{
	(void)state;
	fresh_on_die(ODCA "-chain6.pem");
	profile()->tls.setup_trust = PROFILE_TRUST_ODCA;
	visit();
	assert_end("park", "no_odca_roots");
	assert_int_equal(dev.n_connections, 0);
	load_roots(ODCA "5.pem");
	visit();
	assert_provisioned();
	uint64_t hits = odca_cache_hits(w.odca);
	fresh_on_die(ODCA "-chain6.pem");
	profile()->tls.setup_trust = PROFILE_TRUST_ODCA;
	visit();
	assert_provisioned();
	assert_true(odca_cache_hits(w.odca) > hits);
	fresh_on_die(ODCA "-chain4.pem"); /* its issuing CA is not configured */
	profile()->tls.setup_trust = PROFILE_TRUST_ODCA;
	visit();
	assert_end("dead", "untrusted_device");
	assert_int_equal(dev.n_requests, 0);
	fresh(); /* self-signed */
	profile()->tls.setup_trust = PROFILE_TRUST_ODCA;
	visit();
	assert_end("dead", "untrusted_device");
	load_roots(NULL);
}

/* A table cannot hold a hash that an agent has just learnt: a hook tells it. */
static void hook_says(const char *pin)
{
	char path[] = "/tmp/muster-pin-XXXXXX";
	int fd = mkstemp(path);
	dprintf(fd,
		"#!/bin/sh\necho '{\"fqdn\":\"pc1.corp.example.com\",\"profile\":\"p\"%s%s%s}'\n",
		pin[0] ? ",\"pin\":\"" : "", pin, pin[0] ? "\"" : "");
	fchmod(fd, 0700);
	close(fd);
	snprintf(conf.worker.hook.command, sizeof conf.worker.hook.command, "%s", path);
	conf.worker.devices_file[0] = '\0';
	resolver_close(w.resolver);
	assert_int_equal(resolver_open(&w.resolver, &conf.worker, w.connector, NULL, NULL), 0);
	profile()->tls.setup_trust = PROFILE_TRUST_PINNED;
	visit();
	unlink(path);
}

static void test_pinned(void **state)
{
	(void)state;
	char pin[100];
	struct conf keep = conf;
	fresh_on_die(ODCA "-chain6.pem");
	hook_says("");
	assert_end("park", "no_pin");
	assert_int_equal(dev.n_connections, 0);
	fresh_on_die(ODCA "-chain6.pem");
	fingerprint_of(ODCA "-chain6.pem", 0, EVP_sha384(), pin);
	hook_says(pin);
	assert_provisioned();
	fresh_on_die(ODCA "-chain6.pem");
	fingerprint_of(ODCA "-chain6.pem", 0, EVP_sha256(), pin);
	hook_says(pin);
	assert_provisioned();
	fresh_on_die(ODCA "-chain6.pem");
	pin[0] = pin[0] == '0' ? '1' : '0';
	hook_says(pin);
	assert_end("dead", "pin_mismatch");
	assert_int_equal(dev.n_requests, 0);
	conf = keep;
	resolver_close(w.resolver);
	assert_int_equal(resolver_open(&w.resolver, &conf.worker, w.connector, NULL, NULL), 0);
}

/* Two chains: the device refuses the first with an alert about certificates, the next one fits. All
 * refused: a name, and another attempt later (its clock may have been wrong). SPEC: tls.md 5.4, 12
 */
static void test_next_chain(void **state)
{
	(void)state;
	site_second_chain(true);
	fresh();
	dev.chain_bits = 3072;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
	fresh();
	dev.chain_bits = 4096;
	visit();
	assert_end("retry", "chain_refused");
	assert_int_equal(dev.n_connections, 2); /* each chain once: no lower rung */
	assert_int_equal(dev.n_requests, 0);
	site_second_chain(false);
}

/* AMT 21: offers TLS 1.3 and drops the first request over it. Setup never offers it. SPEC: tls.md 2
 */
static void test_tls13(void **state)
{
	(void)state;
	fresh();
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_tls13, 0); /* default off */
	fresh();
	profile()->tls.tls13 = true;
	visit();
	assert_provisioned();
	assert_true(dev.n_tls13 > 0);
	fresh();
	profile()->tls.tls13 = true;
	dev.tls13_drops = true;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_dropped, 1); /* once, then TLS 1.2 for the rest of the visit */
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_die_by_hash),
		cmocka_unit_test(test_rom_ca_changed),
		cmocka_unit_test(test_on_die_verified),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_next_chain),
		cmocka_unit_test(test_tls13),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
