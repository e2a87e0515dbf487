/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions against a device of our own (fake_device.c) and a store in memory (fake_store.c):
 * the good way, resume, passwords, and every row of the step table with every kind of bad answer.
 */
#include "tests/worker/worker_test.h"

#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/net/tls.h"
#include "tests/worker/fake_device.h"
#include "tests/worker/fake_store.h"
#include "worker/session.h"
#include "worker/worker.h"

#define UUID_TEXT "939b524b-13d4-1d18-e487-1c697a6b7a2b"
#define JOB_TEXT  "01a20a56-846e-7a1b-ba95-69476a530de8"
#define FQDN      "pc1.corp.example.com"
#define LONG_MS   20000

static uv_loop_t loop;
static struct conf conf;
static struct worker w;
static struct fake_pki pki;
static struct fake_device dev;
static char dir[64];
static uint8_t hello[1024];
static size_t hello_len;
static bool over;
static char outcome[16];
static unsigned ca_calls;
static enum ca_result ca_result;

/* ---- an authority in the test ------------------------------------------------------------------
 */

static void ca_submit(struct ca *ca, struct ca_call *call)
{
	(void)ca;
	const unsigned char *p = call->der;
	EVP_PKEY *key = NULL;
	ca_calls++;
	if (call->is_csr) {
		X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)call->der_len);
		key = X509_REQ_get_pubkey(req);
		X509_REQ_free(req);
	} else {
		key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)call->der_len);
	}
	call->result = ca_result;
	snprintf(call->text, sizeof call->text, "test authority");
	call->retry_ms = 1;
	if (ca_result == CA_RESULT_ISSUED) {
		X509 *x = fake_cert(call->common_name, key, pki.ca, pki.ca_key, "serverAuth", false,
			call->common_name);
		unsigned char *out = call->cert;
		call->cert_len = (size_t)i2d_X509(x, &out);
		X509_free(x);
	}
	EVP_PKEY_free(key);
	call->done(call);
}

static const struct ca_ops test_ca = {.name = "test", .submit = ca_submit, .poll = ca_submit};

/* ---- the site -----------------------------------------------------------------------------------
 */

static void write_text(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

static void make_hello(void)
{
	struct buf b;
	unsigned char hash[32], *der = NULL;
	unsigned n = 0;
	int len = i2d_X509(pki.prov_root, &der);
	EVP_Digest(der, (size_t)len, hash, &n, EVP_sha256(), NULL);
	OPENSSL_free(der);
	struct hello h = {.version = HELLO_V_PKI};
	struct hello_hash hh = {.alg = HELLO_SHA256, .len = 32, .hash = hash};
	uuid_parse(&h.uuid, UUID_TEXT);
	buf_init(&b, sizeof hello);
	assert_int_equal(hello_encode(&b, &h, &hh, 1, NULL), 0);
	memcpy(hello, b.data, b.len);
	hello_len = b.len;
	buf_free(&b);
}

static size_t pem_of(X509 *a, X509 *b, EVP_PKEY *key, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	if (a)
		PEM_write_bio_X509(bio, a);
	if (b)
		PEM_write_bio_X509(bio, b);
	if (key)
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	int n = BIO_read(bio, out, (int)size);
	BIO_free(bio);
	return n > 0 ? (size_t)n : 0;
}

static void on_over(const char *job, uint64_t fence, const char *how, void *arg)
{
	(void)job, (void)fence, (void)arg;
	over = true;
	snprintf(outcome, sizeof outcome, "%s", how);
}

bool redis_is_up(const struct redis *r)
{
	(void)r;
	return true;
}

static void make_conf(void)
{
	struct conf_waits *t = &conf.worker.waits;
	conf_defaults(&conf);
	conf.test.trace_header = true;
	conf.worker.run_lease_ms = 30000;
	t->connect_ms = 2000;
	t->handshake_ms = 4000;
	t->exchange_ms = t->slow_exchange_ms = 400;
	t->reconnect_first_ms = t->reconnect_ms = t->not_now_ms = t->password_ms = t->rung_ms = 5;
	t->reconnect_tries = t->not_now_tries = 3;
	snprintf(conf.worker.devices_file, sizeof conf.worker.devices_file, "%s/devices.csv", dir);
}

static int setup(void **state)
{
	(void)state;
	static char chain[16384], key[4096];
	struct provcert_report *report = calloc(1, sizeof *report);
	struct error err = {0};
	tls_init();
	log_start("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	snprintf(dir, sizeof dir, "/tmp/muster-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(fake_pki_make(&pki), 0);
	write_text("devices.csv", "uuid,fqdn,profile\n" UUID_TEXT "," FQDN ",p\n");
	make_conf();
	make_hello();
	assert_int_equal(uv_loop_init(&loop), 0);
	fake_store_reset(&loop);
	w = (struct worker){.loop = &loop, .conf = &conf, .owner = "test", .ca_ops = &test_ca};
	w.on_over = on_over;
	TAILQ_INIT(&w.sessions);
	assert_int_equal(key_file_make(dir, "k1", &err), 0);
	assert_int_equal(kek_ring_load(&w.kek, dir, "k1", &err), 0);
	w.profiles.items = calloc(1, sizeof *w.profiles.items);
	w.profiles.n = 1;
	w.env.loop = &loop;
	w.env.conf = &conf.worker;
	size_t chain_len = pem_of(pki.prov, pki.prov_root, NULL, chain, sizeof chain);
	size_t key_len = pem_of(NULL, NULL, pki.prov_key, key, sizeof key);
	if (provcert_load_pem(&w.env.certs[0], chain, chain_len, key, key_len, NULL,
		    (int64_t)(clock_wall_ms() / 1000), report, &err) < 0)
		fail_msg("%s", err.text);
	free(report);
	w.env.n_certs = 1;
	assert_int_equal(devcert_ca_new(&w.device_ca, &pki.ca, 1, &err), 0);
	assert_int_equal(connector_start(&w.connector, &loop, &err), 0);
	assert_int_equal(resolver_open(&w.resolver, &conf.worker, w.connector, &err), 0);
	assert_int_equal(fake_device_start(&dev, &loop, &pki), 0);
	uuid_parse(&dev.uuid, UUID_TEXT);
	conf.worker.device_port = net_addr_port(&dev.addr);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char cmd[128];
	fake_device_stop(&dev);
	connector_stop(w.connector);
	resolver_close(w.resolver);
	profile_set_free(&w.profiles);
	kek_ring_free(w.kek);
	devcert_ca_free(w.device_ca);
	device_env_close(&w.env);
	uv_run(&loop, UV_RUN_DEFAULT);
	fake_store_reset(&loop);
	fake_pki_free(&pki);
	assert_int_equal(uv_loop_close(&loop), 0);
	log_stop();
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static void fresh(void)
{
	struct profile *p = &w.profiles.items[0];
	profile_defaults(p, "p");
	p->features = (struct profile_features){true, true, true, true, true};
	p->user_consent = PROFILE_CONSENT_NONE;
	p->power = PROFILE_POWER_ALWAYS;
	fake_device_reset(&dev);
	fake_store_reset(&loop);
	ca_result = CA_RESULT_ISSUED;
	ca_calls = 0;
}

/* One visit, to its end. */
static void visit(void)
{
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct error err = {0};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	over = false;
	fake_store_next_visit();
	if (session_start(&w, &job, &err) < 0)
		fail_msg("%s", err.text);
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_int_equal(w.n_sessions, 0);
	assert_int_equal(dev.n_mutations_unstepped, 0); /* D13.3, in every test */
}

static void assert_provisioned(void)
{
	if (strcmp(fake_store.end, "finish") != 0)
		fail_msg("ended %s at %s: %s: %s", fake_store.end, fake_store.end_step,
			fake_store.err, fake_store.txt);
	assert_true(dev.configured);
	assert_true(dev.tls_on);
	assert_true(fake_store.cur.len > 0);
	assert_int_equal(fake_store.pend.len, 0);
	assert_string_equal(dev.host, "pc1");
	assert_string_equal(dev.domain, "corp.example.com");
	assert_string_equal(dev.redirection, "32771");
	assert_string_equal(dev.listener, "true");
	assert_string_equal(dev.consent, "0");
	assert_string_equal(dev.webui, "2");
	assert_string_equal(dev.kvm, "2");
	assert_string_equal(dev.power, "S3");
	assert_string_equal(dev.ping, "true");
}

static void assert_end(const char *how, const char *reason)
{
	if (strcmp(fake_store.end, how) != 0 || strcmp(fake_store.err, reason) != 0)
		fail_msg("expected %s/%s, ended %s/%s at %s: %s", how, reason, fake_store.end,
			fake_store.err, fake_store.end_step, fake_store.txt);
	assert_true(fake_store.txt[0] != '\0');
}

/* ---- tests
 * ----------------------------------------------------------------------------------------- */

static void test_good(void **state)
{
	(void)state;
	fresh();
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
	assert_int_equal(dev.n_generates, 1);
	assert_int_equal(ca_calls, 1);
	assert_true(fake_store.pend_before_secret);
	/* One connection a phase; the challenge of the first admin request costs one more. */
	assert_int_equal(dev.n_connections, 3);
	unsigned first = dev.n_requests;
	visit(); /* again: everything is there; phase B only, and nothing to write */
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
	assert_true(dev.n_requests - first < 30);
}

static void test_pkcs10(void **state)
{
	(void)state;
	fresh();
	w.profiles.items[0].tls.issue = PROFILE_ISSUE_PKCS10;
	visit();
	assert_provisioned();
}

/* SPEC: ruling 41: no GenerateKeyPair -> AddKey with a key of ours */
static void test_addkey(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_NO_KEYGEN;
	dev.at = "key.generate";
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_generates, 0);
}

static void test_duplicate_certificate(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_2058;
	dev.at = "cert.add";
	visit();
	assert_provisioned();
}

/* 2057 once: everything again, one more commit; twice: dead with the check-list. */
static void test_data_missing(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_2057;
	dev.at = "commit";
	dev.times = 1;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
	assert_int_equal(dev.n_generates, 1); /* the key of the first round is used */
	fresh();
	dev.fault = FAKE_2057;
	dev.at = "commit";
	visit();
	assert_end("dead", "data_missing");
}

static void test_identity(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_STATE2;
	visit();
	assert_end("dead", "already_configured"); /* ruling 18 */
	fresh();
	dev.fault = FAKE_UUID;
	visit();
	assert_end("park", "uuid_mismatch"); /* ruling 2 */
	assert_string_equal(fake_store.why, "manual");
	assert_false(fake_store.poll);
	fresh();
	w.profiles.items[0].otp = true;
	visit();
	assert_end("park", "otp_unknown");
	fresh();
	dev.no_ask = true;
	visit();
	assert_end("retry", "not_in_setup");
	assert_int_equal(dev.n_requests, 0); /* nothing is said to a device that did not ask */
}

static void test_psk(void **state)
{
	(void)state;
	static const uint8_t psk[32] = {1, 0, 2, 0, 0, 0, 0, 0, 0x4b, 0x52, 0x9b, 0x93, 0xd4, 0x13,
		0x18, 0x1d, 0xe4, 0x87, 0x1c, 0x69, 0x7a, 0x6b, 0x7a, 0x2b, '0', '0', '0', '1', '0',
		'0', '0', '4'};
	uint8_t keep[sizeof hello];
	size_t keep_len = hello_len;
	memcpy(keep, hello, sizeof keep);
	fresh();
	memcpy(hello, psk, sizeof psk);
	hello_len = sizeof psk;
	visit();
	memcpy(hello, keep, sizeof keep);
	hello_len = keep_len;
	assert_end("dead", "psk_not_supported_yet");
}

/* Never a password, nor any request, to a configured device with the wrong leaf. SPEC: tls.md 8 */
static void test_wrong_leaf(void **state)
{
	(void)state;
	fresh();
	dev.self_signed = true; /* the credential context "did not take" */
	visit();
	/* Looked at again from the setup side, once: there it does not ask for our certificate. */
	assert_end("retry", "not_in_setup");
	assert_true(strncmp(dev.last_row, "verify", 6) != 0);
}

/* A crash at any row: the next visit uses the same password, key and certificate. SPEC: P 7 */
static void test_resume(void **state)
{
	(void)state;
	for (size_t i = 0; i < plan_table[PLAN_SETUP].n_steps; i++) {
		const struct step *row = &step_table[plan_table[PLAN_SETUP].steps[i]];
		if (row->effect == EFFECT_READ)
			continue;
		fresh();
		fake_store.stale_at = row->name; /* as if killed right before this row */
		visit();
		if (fake_store.n_steps == 0 || strcmp(outcome, "lost") != 0)
			continue; /* the row is not reached in this plan */
		fake_store.stale_at = NULL;
		char password[64];
		snprintf(password, sizeof password, "%s", dev.password_b64);
		visit();
		assert_provisioned();
		if (password[0])
			assert_string_equal(password, dev.password_b64);
		assert_int_equal(dev.n_commits, 1);
	}
}

/* Killed after step(commit) and before the bytes: the record says "committed", the device is still
 * in setup and refuses whoever shows no certificate. */
static void test_commit_not_sent(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_CUT;
	dev.at = "commit";
	conf.worker.waits.reconnect_tries = 1;
	visit();
	assert_string_equal(fake_store.end, "retry");
	conf.worker.waits.reconnect_tries = 3;
	dev.fault = FAKE_NONE;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* The connection dies right after each mutating row was sent; outcome unknown. */
static void test_cut_everywhere(void **state)
{
	(void)state;
	for (int p = 0; p < N_PLANS; p++)
		for (size_t i = 0; i < plan_table[p].n_steps; i++) {
			const struct step *row = &step_table[plan_table[p].steps[i]];
			if (row->kind != KIND_CALL)
				continue;
			fresh();
			dev.fault = FAKE_CUT;
			dev.at = row->name;
			dev.times = 1;
			visit();
			assert_provisioned();
			assert_int_equal(dev.n_commits, 1); /* also when the commit was cut */
		}
}

/* Rows that live with a fault or a refusal. */
static bool tolerates(const struct step *row)
{
	return row->absent == ABSENT_SKIP || row->fault || row->refused;
}

/* Every row with every bad answer: the job ends, names the row, and nothing else happens. */
static void test_bad_answers(void **state)
{
	(void)state;
	static const enum fake_fault faults[] = {FAKE_FAULT, FAKE_ABSENT, FAKE_BUSY, FAKE_TRUNCATED,
		FAKE_HTML, FAKE_401, FAKE_RELATES};
	for (int i = 0; i < N_STEPS; i++) {
		const struct step *row = &step_table[i];
		if (row->kind != KIND_CALL && row->kind != KIND_LIST)
			continue;
		for (size_t f = 0; f < sizeof faults / sizeof faults[0]; f++) {
			fresh();
			dev.fault = faults[f];
			dev.at = row->name;
			visit();
			if (strcmp(fake_store.end, "finish") == 0) {
				bool reached =
					dev.at == NULL || strcmp(dev.last_row, row->name) != 0;
				assert_true(reached);
				continue; /* not reached in this plan, or tolerated by the row */
			}
			assert_true(strcmp(fake_store.end, "dead") == 0 ||
				    strcmp(fake_store.end, "retry") == 0);
			if (!tolerates(row) && strcmp(fake_store.end_step, row->name) != 0)
				fail_msg("%s with fault %d ended at %s: %s", row->name,
					(int)faults[f], fake_store.end_step, fake_store.txt);
			assert_true(fake_store.txt[0] != '\0');
		}
	}
}

/* Bodies without end and silence: bounded by limits and time. */
static void test_endless(void **state)
{
	(void)state;
	static const struct {
		enum fake_fault fault;
		const char *at, *reason;
	} rows[] = {
		{FAKE_FLOOD, "identify.general", "garbage"},
		{FAKE_CHUNKS, "identify.general", "garbage"},
		{FAKE_SILENT, "identify.state", "cut"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fresh();
		dev.fault = rows[i].fault;
		dev.at = rows[i].at;
		/* The limits end the first two, not the clock. */
		conf.worker.waits.exchange_ms = rows[i].fault == FAKE_SILENT ? 400 : LONG_MS / 2;
		visit();
		conf.worker.waits.exchange_ms = 400;
		assert_string_equal(fake_store.end, "retry");
		if (strcmp(fake_store.err, rows[i].reason) != 0)
			fail_msg("fault %d: %s: %s", (int)rows[i].fault, fake_store.err,
				fake_store.txt);
	}
}

/* Wrong passwords: three at most, each counted, then dead. SPEC: wsman.md 3.3, ruling 17 */
static void test_passwords(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_401;
	dev.at = "verify.state";
	visit();
	assert_end("dead", "unknown_password");
	assert_true(dev.n_requests < 60);
}

static void test_authority(void **state)
{
	(void)state;
	static const struct {
		enum ca_result result;
		const char *end, *reason;
	} rows[] = {
		{CA_RESULT_RETRY, "park", "ca_unreachable"},
		{CA_RESULT_PENDING, "park", "ca_pending"},
		{CA_RESULT_DENIED, "dead", "ca_denied"},
		{CA_RESULT_FATAL, "dead", "ca_failed"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fresh();
		ca_result = rows[i].result;
		visit();
		assert_end(rows[i].end, rows[i].reason);
		if (rows[i].end[0] == 'p')
			assert_string_equal(fake_store.why, "ca");
		ca_result = CA_RESULT_ISSUED;
		if (rows[i].end[0] ==
			'p') { /* when it answers, the key of the first visit is used */
			visit();
			assert_provisioned();
			assert_int_equal(dev.n_generates, 1);
		}
	}
}

/* The store is away for a while: nothing is sent meanwhile, then the session goes on. */
static void test_store_down(void **state)
{
	(void)state;
	fresh();
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	over = false;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	RUN_UNTIL(&loop, strcmp(dev.last_row, "clock.get") == 0 || over, LONG_MS);
	fake_store.down = 2;
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_provisioned();
	assert_int_equal(fake_store.down, 0);
	assert_int_equal(dev.n_mutations_unstepped, 0);
}

/* Drain: the session stops between two rows and gives the job back. SPEC: D22 */
static void test_drain(void **state)
{
	(void)state;
	fresh();
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	over = false;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	RUN_UNTIL(&loop, strcmp(dev.last_row, "admin.set") == 0 || over, LONG_MS);
	worker_stop_sessions(&w);
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_string_equal(fake_store.end, "release");
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* Delivered twice: one session. A newer fence: the old session ends, the new one does the work. */
static void test_delivered_twice(void **state)
{
	(void)state;
	fresh();
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	over = false;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_int_equal(w.n_sessions, 1);
	RUN_UNTIL(&loop, strcmp(dev.last_row, "clock.get") == 0 || over, LONG_MS);
	job.fence = 8;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_true(over);
	assert_string_equal(outcome, "lost");
	assert_int_equal(w.n_sessions, 1);
	over = false;
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* A profile or a name that is missing waits in view and is asked for again. */
static void test_waits(void **state)
{
	(void)state;
	fresh();
	snprintf(w.profiles.items[0].name, sizeof w.profiles.items[0].name, "other");
	visit();
	assert_end("park", "no_profile");
	assert_true(fake_store.poll);
	assert_int_equal(dev.n_connections, 0);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_pkcs10),
		cmocka_unit_test(test_addkey),
		cmocka_unit_test(test_duplicate_certificate),
		cmocka_unit_test(test_data_missing),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_psk),
		cmocka_unit_test(test_wrong_leaf),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_commit_not_sent),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_authority),
		cmocka_unit_test(test_store_down),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_delivered_twice),
		cmocka_unit_test(test_waits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
