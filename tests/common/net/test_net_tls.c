/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS against other implementations: openssl s_server, s_client and gnutls-serv as children on
 * loopback. The ladder is walked with real failures, and the proof is read from real handshakes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/net/conn.h"
#include "common/net/listen.h"
#include "common/net/tls.h"
#include "tests/common/net/net_test.h"

#define WAIT_MS  20000
#define ARGS_MAX 40
#define STEPS    8

static char dir[] = "/tmp/net-test-XXXXXX";

/* ---- children ---- */

static pid_t spawn(const char *const *argv)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	int null = open("/dev/null", O_RDWR);

	if (chdir(dir) < 0)
		_exit(126);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool have(const char *program)
{
	const char *argv[] = {program, "--version", NULL};
	int status;
	pid_t pid = spawn(argv);

	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 127)
		return true;
	print_message("SKIP: %s is not installed\n", program);
	return false;
}

/* A port that was free a moment ago, below the range from which the kernel gives ports to whoever
 * connects: else a client elsewhere, or our own, may take it before the child listens. */
static struct net_addr free_port(char text[static 8])
{
	enum { FIRST = 20000, COUNT = 12000 };
	static unsigned next;

	next = next ? next : (unsigned)getpid();
	for (int i = 0; i < COUNT; i++) {
		struct listen_opts opts = {.backlog = 1};
		unsigned port = FIRST + next++ * 37 % COUNT;
		char place[32];

		snprintf(place, sizeof place, "127.0.0.1:%u", port);
		assert_int_equal(net_addr_parse(&opts.addr, place, NULL), 0);
		int fd = listen_socket(&opts, NULL);

		if (fd < 0)
			continue;
		close(fd);
		snprintf(text, 8, "%u", port);
		return opts.addr;
	}
	fail_msg("no free port");
	return (struct net_addr){0};
}

/* ---- one connection ---- */

struct visit {
	struct tls_attempt attempt;
	bool opened, over;
	int code;
	char text[ERROR_TEXT_MAX], version[16];
	const struct tls_psk *psk;
};

static void visit_opened(struct conn *c, void *arg)
{
	struct visit *v = arg;

	snprintf(v->version, sizeof v->version, "%s", SSL_get_version(conn_ssl(c)));
	v->opened = v->over = true;
	conn_close(c);
}

static void visit_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	(void)c;
	(void)data;
	(void)len;
	(void)arg;
}

static void visit_closed(struct conn *c, const struct error *err, void *arg)
{
	struct visit *v = arg;

	v->attempt.failure = *conn_failure(c);
	v->code = err->code;
	snprintf(v->text, sizeof v->text, "%s", err->text);
	v->over = true;
}

static const struct conn_events visit_events = {
	.opened = visit_opened, .data = visit_data, .closed = visit_closed};

static int visit_setup(SSL *ssl, void *arg)
{
	struct visit *v = arg;

	tls_proof_attach(ssl, &v->attempt.proof);
	if (v->psk)
		tls_psk_attach(ssl, v->psk);
	return 0;
}

/* Connect once; while the child is still starting the port refuses, and we ask again. */
static void visit(struct visit *v, const struct net_addr *addr, enum tls_profile profile,
	const struct tls_identity *id)
{
	uint64_t until_ms = clock_boot_ms() + WAIT_MS;
	struct conn_opts opts = {.addr = *addr, .ssl_setup = visit_setup, .setup_arg = v};

	assert_int_equal(tls_ctx_new(&opts.tls, profile, id, NULL), 0);
	do {
		uv_loop_t loop;
		struct conn *c;

		v->opened = v->over = false;
		v->code = 0;
		v->attempt.profile = profile;
		v->attempt.identity = id != NULL;
		uv_loop_init(&loop);
		assert_int_equal(conn_open(&c, &loop, &opts, &visit_events, v, NULL), 0);
		run_until(&loop, &v->over, WAIT_MS);
		loop_finish(&loop);
		assert_true(clock_boot_ms() < until_ms);
	} while (v->code == -ECONNREFUSED);
	SSL_CTX_free(opts.tls);
}

/* Walk the ladder; the profiles visited as text, "M L" or "M M0!" (! = success). */
static const char *walk(struct visit *v, const struct net_addr *addr)
{
	static char path[64];
	enum tls_profile profile = TLS_PROFILE_M;

	path[0] = '\0';
	*v = (struct visit){.attempt.legacy = true};
	for (int i = 0; i < STEPS; i++) {
		visit(v, addr, profile, test_identity());
		snprintf(path + strlen(path), sizeof path - strlen(path), "%s%s%s", i ? " " : "",
			tls_profile_name(profile), v->opened ? "!" : "");
		if (v->opened)
			return path;
		struct tls_next next = tls_ladder(&v->attempt);

		if (next.verdict != TLS_TRY_PROFILE)
			return path;
		profile = next.profile;
	}
	return path;
}

/* ---- openssl s_server ---- */

static const struct peer {
	const char *name;
	const char *args[12];
	const char *path; /* of the ladder */
	const char *version;
	bool asked, sent;
	int check; /* of tls_proof_check() */
} openssl_peers[] = {
	{"asks for a certificate", {"-tls1_2", "-Verify", "1"}, "M!", "TLSv1.2", true, true, 0},
	{"does not ask", {"-tls1_2"}, "M!", "TLSv1.2", false, false, E_TLS},
	{"offers 1.3 as well", {"-Verify", "1"}, "M!", "TLSv1.2", true, true, 0},
	{"SHA-1 signatures only", {"-tls1_2", "-Verify", "1", "-client_sigalgs", "RSA+SHA1"},
		"M M0!", "TLSv1.2", true, true, 0},
	{"RSA key exchange", {"-tls1_2", "-Verify", "1", "-cipher", "AES128-SHA:@SECLEVEL=0"}, "M!",
		"TLSv1.2", true, true, 0},
	{"TLS 1.1", {"-tls1_1", "-Verify", "1"}, "M L!", "TLSv1.1", true, true, 0},
	{"TLS 1.0", {"-tls1", "-Verify", "1"}, "M L!", "TLSv1", true, true, 0},
	{"no common suite", {"-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305:@SECLEVEL=0"},
		"M L L0", NULL, false, false, E_TLS},
};

static void meet_openssl(const struct peer *peer)
{
	const char *argv[ARGS_MAX] = {"openssl", "s_server", "-accept", NULL, "-cert", "cert.pem",
		"-key", "key.pem", "-www", "-cipher", "ALL:@SECLEVEL=0"};
	char port[8], target[32];
	struct net_addr addr = free_port(port);
	struct visit v;
	int n = 11;

	snprintf(target, sizeof target, "127.0.0.1:%s", port);
	argv[3] = target;
	for (int i = 0; peer->args[i]; i++)
		argv[n++] = peer->args[i];
	pid_t pid = spawn(argv);
	const char *path = walk(&v, &addr);

	reap(pid);
	if (strcmp(path, peer->path) != 0)
		print_error("%s: %s: %s\n", peer->name, path, v.text);
	assert_string_equal(path, peer->path);
	assert_int_equal(v.attempt.proof.asked, peer->asked);
	assert_int_equal(v.attempt.proof.cert_len > 100, peer->sent);
	assert_int_equal(tls_proof_check(&v.attempt.proof, NULL), peer->check);
	assert_false(v.attempt.proof.malformed);
	if (peer->version)
		assert_string_equal(v.version, peer->version);
}

static void ladder_with_openssl(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof openssl_peers / sizeof openssl_peers[0]; i++)
		meet_openssl(&openssl_peers[i]);
}

/* The trap of tls.md 3.1: a server that merely asks lets the empty certificate pass, and only the
 * proof tells. */
static void silently_empty_certificate(void **state)
{
	const char *argv[] = {"openssl", "s_server", "-accept", NULL, "-cert", "cert.pem", "-key",
		"key.pem", "-www", "-cipher", "ALL:@SECLEVEL=0", "-tls1_2", "-verify", "1",
		"-client_sigalgs", "RSA+SHA1", NULL};
	char port[8], target[32];
	struct net_addr addr = free_port(port);
	struct visit v = {0};

	(void)state;
	snprintf(target, sizeof target, "127.0.0.1:%s", port);
	argv[3] = target;
	pid_t pid = spawn(argv);

	visit(&v, &addr, TLS_PROFILE_M, test_identity());
	reap(pid);
	assert_true(v.opened);
	assert_true(tls_proof_empty(&v.attempt.proof));
	assert_int_equal(v.attempt.proof.cert_len, 7);
	assert_true(tls_proof_sha1_only(&v.attempt.proof));
	struct error err;

	assert_int_equal(tls_proof_check(&v.attempt.proof, &err), E_TLS);
	assert_non_null(strstr(err.text, "empty certificate"));
}

/* ---- gnutls-serv ---- */

#define OLD  "+RSA:+SHA1:%DISABLE_SAFE_RENEGOTIATION"
#define VERS "NORMAL:-VERS-ALL:"

/* Certificate and key that the next gnutls-serv shows. */
static const char *gnutls_cert = "cert.pem", *gnutls_key = "key.pem";

static pid_t spawn_gnutls(const char *priority, const char *port, bool psk)
{
	const char *plain[] = {"gnutls-serv", "--echo", "--port", port, "--priority", priority,
		"--x509certfile", gnutls_cert, "--x509keyfile", gnutls_key, NULL};
	const char *keys[] = {"gnutls-serv", "--echo", "--port", port, "--priority", priority,
		"--pskpasswd", "psk.txt", NULL};

	return spawn(psk ? keys : plain);
}

static void ladder_with_gnutls(void **state)
{
	static const struct {
		const char *priority, *path, *version;
	} peers[] = {
		{VERS "+VERS-TLS1.2:+RSA", "M!", "TLSv1.2"},
		{VERS "+VERS-TLS1.2:" OLD, "M L!", "TLSv1.2"},
		{VERS "+VERS-TLS1.0:+VERS-TLS1.1:" OLD, "M L!", "TLSv1.1"},
		{VERS "+VERS-TLS1.0:" OLD, "M L!", "TLSv1"},
	};

	(void)state;
	if (!have("gnutls-serv"))
		skip();
	for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
		char port[8];
		struct net_addr addr = free_port(port);
		pid_t pid = spawn_gnutls(peers[i].priority, port, false);
		struct visit v;
		const char *path = walk(&v, &addr);

		reap(pid);
		if (strcmp(path, peers[i].path) != 0)
			print_error("%s: %s: %s\n", peers[i].priority, path, v.text);
		assert_string_equal(path, peers[i].path);
		assert_string_equal(v.version, peers[i].version);
	}
}

/* The same devices once they are configured. */
static void configured_without_secure_renegotiation(void **state)
{
	static const char *const versions[] = {
		"+VERS-TLS1.2:", "+VERS-TLS1.0:+VERS-TLS1.1:", "+VERS-TLS1.0:"};

	(void)state;
	if (!have("gnutls-serv"))
		skip();
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
		char port[8], priority[128];
		struct net_addr addr = free_port(port);
		struct visit v = {.attempt.legacy = true};

		snprintf(priority, sizeof priority, "%s%s%s", VERS, versions[i], OLD);
		pid_t pid = spawn_gnutls(priority, port, false);

		visit(&v, &addr, TLS_PROFILE_V, NULL);
		assert_false(v.opened);
		assert_int_equal(tls_ladder(&v.attempt).profile, TLS_PROFILE_VL);
		visit(&v, &addr, TLS_PROFILE_VL, NULL);
		assert_true(v.opened);
		visit(&v, &addr, TLS_PROFILE_L0, NULL); /* TLS 1.0 alone, without our extensions */
		assert_int_equal(v.opened, i > 0);
		reap(pid);
	}
}

/* The keys that old firmware makes for itself. SPEC: tls.md 2, 3.1 */
static void short_device_keys(void **state)
{
	static const struct {
		const char *name, *priority, *path;
	} rows[] = {
		{"setup-self-1024", VERS "+VERS-TLS1.0:" OLD, "M L!"},
		{"setup-self-2047", VERS "+VERS-TLS1.0:+VERS-TLS1.1:" OLD, "M L!"},
		{"setup-self-1024", VERS "+VERS-TLS1.2:+RSA", "M!"},
		{"setup-self-2047", VERS "+VERS-TLS1.2:+RSA", "M!"},
	};

	(void)state;
	if (!have("gnutls-serv"))
		skip();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char port[8], cert[PATH_MAX], key[PATH_MAX], text[128];
		struct net_addr addr = free_port(port);
		struct visit v;

		snprintf(text, sizeof text, "tests/data/pki/device/%s.pem", rows[i].name);
		assert_non_null(realpath(text, cert));
		snprintf(text, sizeof text, "tests/data/pki/device/%s.key", rows[i].name);
		assert_non_null(realpath(text, key));
		gnutls_cert = cert;
		gnutls_key = key;
		pid_t pid = spawn_gnutls(rows[i].priority, port, false);
		const char *path = walk(&v, &addr);

		reap(pid);
		gnutls_cert = "cert.pem";
		gnutls_key = "key.pem";
		if (strcmp(path, rows[i].path) != 0)
			fail_msg("%s %s: %s: %s", rows[i].name, rows[i].priority, path, v.text);
	}
}

/* M itself, to see the very symptom that the ladder acts on. */
static void no_secure_renegotiation(void **state)
{
	char port[8];
	struct net_addr addr = free_port(port);
	struct visit v = {.attempt.legacy = true};

	(void)state;
	if (!have("gnutls-serv"))
		skip();
	pid_t pid = spawn_gnutls(VERS "+VERS-TLS1.2:" OLD, port, false);

	visit(&v, &addr, TLS_PROFILE_M, test_identity());
	reap(pid);
	assert_int_equal(v.code, E_TLS);
	assert_int_equal(v.attempt.failure.ssl_reason, SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED);
	assert_non_null(strstr(v.text, "unsafe legacy renegotiation disabled"));
	assert_int_equal(tls_ladder(&v.attempt).profile, TLS_PROFILE_L);
	v.attempt.legacy = false;
	assert_int_equal(tls_ladder(&v.attempt).verdict, TLS_STOP);
}

static void psk_with_gnutls(void **state)
{
	static const struct {
		const char *identity, *key;
		bool good;
	} rows[] = {{"4444-444", "0123456789abcdef0123456789abcdef", true},
		{"4444-444", "wrong456789abcdef0123456789abcde", false},
		{"5555-555", "0123456789abcdef0123456789abcdef", false}};
	char port[8], path[64];
	struct net_addr addr = free_port(port);

	(void)state;
	if (!have("gnutls-serv"))
		skip();
	snprintf(path, sizeof path, "%s/psk.txt", dir);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	/* gnutls wants the key in hex: our key bytes are the ASCII characters */
	fprintf(f, "4444-444:");
	for (const char *p = rows[0].key; *p; p++)
		fprintf(f, "%02x", (unsigned)(unsigned char)*p);
	fprintf(f, "\n");
	fclose(f);
	pid_t pid = spawn_gnutls(
		VERS "+VERS-TLS1.0:+VERS-TLS1.1:-KX-ALL:+PSK:+AES-128-CBC:+SHA1", port, true);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tls_psk psk = {
			rows[i].identity, (const uint8_t *)rows[i].key, strlen(rows[i].key)};
		struct visit v = {.attempt.legacy = true, .psk = &psk};

		visit(&v, &addr, TLS_PROFILE_P, NULL);
		assert_int_equal(v.opened, rows[i].good);
		if (!rows[i].good)
			assert_string_equal(tls_ladder(&v.attempt).name, "psk_mismatch");
	}
	reap(pid);
	unlink(path);
}

/* ---- our own server ---- */

struct host {
	uv_loop_t loop;
	SSL_CTX *tls;
	struct acceptor *acceptor;
	struct net_addr addr;
	bool opened, over;
	int code;
};

static void host_opened(struct conn *c, void *arg)
{
	(void)c;
	((struct host *)arg)->opened = true;
}

static void host_closed(struct conn *c, const struct error *err, void *arg)
{
	struct host *h = arg;

	(void)c;
	h->over = true;
	h->code = err->code;
}

static const struct conn_events host_events = {
	.opened = host_opened, .data = visit_data, .closed = host_closed};

static void host_accept(int fd, const struct net_addr *peer, void *arg)
{
	struct host *h = arg;
	struct conn_opts opts = {.addr = *peer, .tls = h->tls};
	struct conn *c;

	assert_int_equal(conn_accept(&c, &h->loop, fd, &opts, &host_events, h, NULL), 0);
}

static void host_start(struct host *h, const struct tls_identity *id)
{
	memset(h, 0, sizeof *h);
	uv_loop_init(&h->loop);
	assert_int_equal(tls_ctx_server(&h->tls, id, NULL), 0);
	int fd = listen_any(&h->addr, 0);

	assert_int_equal(acceptor_start(&h->acceptor, &h->loop, fd, host_accept, h, NULL), 0);
}

static void host_stop(struct host *h)
{
	acceptor_close(h->acceptor);
	loop_finish(&h->loop);
	SSL_CTX_free(h->tls);
}

static void server_with_s_client(void **state)
{
	static const char *const versions[] = {"-tls1_2", "-tls1_3"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct host h;
		char target[NET_ADDR_TEXT_MAX];

		host_start(&h, test_identity());
		const char *argv[] = {"openssl", "s_client", "-connect",
			net_addr_text(&h.addr, target), versions[i], NULL};
		pid_t pid = spawn(argv);

		run_until(&h.loop, &h.over, WAIT_MS);
		assert_true(h.opened);
		assert_int_equal(h.code, 0);
		waitpid(pid, NULL, 0);
		host_stop(&h);
	}
}

/* A device may send eight certificates, not nine. */
static void chain_limit(void **state)
{
	(void)state;
	for (int n = 8; n <= 9; n++) {
		struct tls_identity id = *test_identity();
		struct visit v = {0};
		struct host h;

		id.chain = sk_X509_new_null();
		for (int i = 1; i < n; i++)
			sk_X509_push(id.chain, id.leaf);
		host_start(&h, &id);
		SSL_CTX *tls;

		assert_int_equal(tls_ctx_new(&tls, TLS_PROFILE_V, NULL, NULL), 0);
		struct conn_opts opts = {.addr = h.addr, .tls = tls};
		struct conn *c;

		assert_int_equal(conn_open(&c, &h.loop, &opts, &visit_events, &v, NULL), 0);
		run_until(&h.loop, &v.over, WAIT_MS);
		run_until(&h.loop, &h.over, WAIT_MS);
		assert_int_equal(v.opened, n == 8);
		assert_int_equal(v.code, n == 8 ? 0 : E_TLS);
		host_stop(&h);
		SSL_CTX_free(tls);
		sk_X509_free(id.chain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ladder_with_openssl),
		cmocka_unit_test(silently_empty_certificate),
		cmocka_unit_test(ladder_with_gnutls),
		cmocka_unit_test(configured_without_secure_renegotiation),
		cmocka_unit_test(short_device_keys),
		cmocka_unit_test(no_secure_renegotiation),
		cmocka_unit_test(psk_with_gnutls),
		cmocka_unit_test(server_with_s_client),
		cmocka_unit_test(chain_limit),
	};
	char path[64];

	tls_init();
	if (!mkdtemp(dir)) {
		perror("mkdtemp");
		return 1;
	}
	test_identity_save(dir);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	snprintf(path, sizeof path, "%s/key.pem", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/cert.pem", dir);
	unlink(path);
	rmdir(dir);
	test_identity_free();
	return rc;
}
