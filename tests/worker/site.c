/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/worker/site.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/net/tls.h"

#define FQDN "pc1.corp.example.com"

uv_loop_t loop;
struct conf conf;
struct worker w;
struct fake_device dev;
uint8_t hello[SITE_HELLO_MAX];
size_t hello_len;
bool over;
char outcome[16];
unsigned ca_calls;
enum ca_result ca_result;
static struct fake_pki pki;
static char dir[64];

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
		X509 *x = fake_cert(call->common_name, key, pki.ca, pki.ca_key,
			call->client_auth ? "serverAuth,clientAuth" : "serverAuth", false,
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

static int load_chain(struct provcert **out, X509 *leaf, EVP_PKEY *key, struct error *err)
{
	static char chain[16384], pem[4096];
	struct provcert_report *report = calloc(1, sizeof *report);
	size_t chain_len = pem_of(leaf, pki.prov_root, NULL, chain, sizeof chain);
	size_t key_len = pem_of(NULL, NULL, key, pem, sizeof pem);
	int rc = provcert_load_pem(out, chain, chain_len, pem, key_len, NULL,
		(int64_t)(clock_wall_ms() / 1000), report, err);
	free(report);
	return rc;
}

void site_second_chain(bool load)
{
	struct error err = {0};
	while (w.env.n_certs > 1) {
		size_t i = --w.env.n_certs;
		for (int p = 0; p < TLS_PROFILES; p++) {
			SSL_CTX_free(w.env.setup[i][p]);
			w.env.setup[i][p] = NULL;
		}
		provcert_free(w.env.certs[i]);
	}
	if (!load)
		return;
	EVP_PKEY *key = EVP_RSA_gen(3072);
	X509 *leaf = fake_cert("rcs.corp.example.com", key, pki.prov_root, pki.prov_root_key,
		"serverAuth,2.16.840.1.113741.1.2.3", false, NULL);
	if (load_chain(&w.env.certs[1], leaf, key, &err) < 0)
		fail_msg("%s", err.text);
	w.env.n_certs = 2;
	X509_free(leaf);
	EVP_PKEY_free(key);
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

int site_setup(void **state)
{
	(void)state;
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
	w.profiles.items[0] = calloc(1, sizeof *w.profiles.items[0]);
	w.profiles.n = 1;
	w.env.loop = &loop;
	w.env.conf = &conf.worker;
	w.env.opening_max = DEVICE_OPENING_MAX;
	TAILQ_INIT(&w.env.waiting);
	if (load_chain(&w.env.certs[0], pki.prov, pki.prov_key, &err) < 0)
		fail_msg("%s", err.text);
	w.env.n_certs = 1;
	assert_int_equal(devcert_ca_new(&w.device_ca, &pki.ca, 1, &err), 0);
	assert_int_equal(connector_start(&w.connector, &loop, &err), 0);
	assert_int_equal(resolver_open(&w.resolver, &conf.worker, w.connector, NULL, &err), 0);
	assert_int_equal(fake_device_start(&dev, &loop, &pki), 0);
	uuid_parse(&dev.uuid, UUID_TEXT);
	conf.worker.device_port = net_addr_port(&dev.addr);
	return 0;
}

int site_teardown(void **state)
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

void site_give_leaf(long from_days, long till_days, bool ours)
{
	char fp[DEVCERT_FP_HEX + 1];
	unsigned char *der = NULL;
	X509 *x = fake_cert(
		FQDN, dev.key, ours ? pki.ca : pki.prov_root, NULL, "serverAuth", false, FQDN);
	X509_gmtime_adj(X509_getm_notBefore(x), from_days * 86400);
	X509_gmtime_adj(X509_getm_notAfter(x), till_days * 86400);
	X509_sign(x, ours ? pki.ca_key : pki.prov_root_key, EVP_sha256());
	int len = i2d_X509(x, &der);
	dev.cert.len = 0;
	assert_int_equal(buf_add(&dev.cert, der, (size_t)len), 0);
	assert_int_equal(devcert_fingerprint(x, fp), 0);
	fake_store_set("cert_fp", fp, strlen(fp));
	OPENSSL_free(der);
	X509_free(x);
}

void site_name_device(const char *fqdn)
{
	char text[200];
	struct error err = {0};
	snprintf(text, sizeof text, "uuid,fqdn,profile\n" UUID_TEXT ",%s,p\n", fqdn ? fqdn : FQDN);
	write_text("devices.csv", text);
	resolver_close(w.resolver);
	assert_int_equal(
		resolver_open(&w.resolver, &conf.worker, w.connector, w.directory, &err), 0);
}

void fresh(void)
{
	struct profile *p = w.profiles.items[0];
	profile_defaults(p, "p");
	p->refs = 1;
	p->features = (struct profile_features){true, true, true, true, true, true};
	p->user_consent = PROFILE_CONSENT_NONE;
	p->power = PROFILE_POWER_ALWAYS;
	fake_device_reset(&dev);
	fake_store_reset(&loop);
	ca_result = CA_RESULT_ISSUED;
	ca_calls = 0;
}

/* One visit, to its end. */
void visit(void)
{
	visit_with(NULL);
}

void visit_with(const char *args)
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
		.hello_len = hello_len,
		.args = args};
	over = false;
	fake_store_next_visit();
	if (session_start(&w, &job, &err) < 0)
		fail_msg("%s", err.text);
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_int_equal(w.n_sessions, 0);
	assert_int_equal(dev.n_mutations_unstepped, 0); /* D13.3, in every test */
}

/* What every good end has. */
static void assert_ended_well(void)
{
	if (strcmp(fake_store.end, "finish") != 0)
		fail_msg("ended %s at %s: %s: %s", fake_store.end, fake_store.end_step,
			fake_store.err, fake_store.txt);
	assert_true(dev.configured);
}

void assert_finished(void)
{
	assert_ended_well();
	assert_int_equal(dev.n_commits, 1);
}

void assert_provisioned(void)
{
	assert_ended_well();
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

void assert_end(const char *how, const char *reason)
{
	if (strcmp(fake_store.end, how) != 0 || strcmp(fake_store.err, reason) != 0)
		fail_msg("expected %s/%s, ended %s/%s at %s: %s", how, reason, fake_store.end,
			fake_store.err, fake_store.end_step, fake_store.txt);
	assert_true(fake_store.txt[0] != '\0');
}

void upkeep(const char *kind, const char *args)
{
	fake_store.checkpoint.len = 0;
	upkeep_again(kind, args);
}

void upkeep_again(const char *kind, const char *args)
{
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct error err = {0};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 9,
		.address = address,
		.address_len = 4,
		.kind = kind,
		.args = args};
	over = false;
	fake_store_next_visit();
	fake_store.n_steps = 0;
	fake_store.reads_only = strcmp(kind, "check") == 0;
	if (session_start(&w, &job, &err) < 0)
		fail_msg("%s", err.text);
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_int_equal(w.n_sessions, 0);
	assert_int_equal(dev.n_mutations_unstepped, 0);
}

void in_service(void)
{
	fresh();
	visit();
	assert_provisioned();
	assert_string_equal(fake_store_field("profile"), "p");
}
