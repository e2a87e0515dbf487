/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated devices on real sockets, looked at by foreign programs: curl with digest, openssl
 * s_client, and a listener that reads the Hello. The estate runs in this process; the foreign
 * programs are children. SPEC: hello.md 2, 5; wsman.md 2, 3
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/estate.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/net/listen.h"
#include "proto/digest.h"
#include "proto/hello.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS  20000
#define PASSWORD "P@ssw0rd1!"

static struct estate e;
static uv_loop_t loop;
static char dir[] = "/tmp/muster-sim-XXXXXX";
static char roots[64];

static int make_dir(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(roots);
	return rmdir(dir);
}

/* Any certificate serves as the root that the devices list. */
static void write_root(void)
{
	struct keypool pool;
	struct error err = {0};
	snprintf(roots, sizeof roots, "%s/root.pem", dir);
	assert_int_equal(keypool_open(&pool, NULL, 1, &err), 0);
	FILE *f = fopen(roots, "we");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, pool.self[SETUP_RSA2048][0].x509), 1);
	fclose(f);
	keypool_close(&pool);
}

static void start(const struct net_addr *listener)
{
	struct estate_opts o;
	struct error err = {0};
	estate_defaults(&o);
	write_root();
	o.n_devices = 2;
	o.n_keys = 2;
	o.port = 0; /* any */
	o.mix = "amt16";
	o.roots_file = roots;
	if (listener) {
		o.listeners[0] = *listener;
		o.n_listeners = 1;
	}
	uv_loop_init(&loop);
	if (estate_start(&e, &loop, &o, &err) < 0)
		fail_msg("%s", err.text);
}

static void finish(void)
{
	estate_stop(&e);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	estate_free(&e);
}

/* Run the loop until done() or the deadline. */
static bool run_until(bool (*done)(void *), void *arg)
{
	uint64_t deadline = clock_boot_ms() + WAIT_MS;
	while (!done(arg) && clock_boot_ms() < deadline)
		uv_run(&loop, UV_RUN_ONCE);
	return done(arg);
}

/* ---- Hello ---------------------------------------------------------------------------------- */

struct catch
{
	struct acceptor *acceptor;
	int fds[4];
	struct net_addr from[4];
	unsigned n;
};

static void caught(int fd, const struct net_addr *peer, void *arg)
{
	struct catch *c = arg;
	if (c->n == 4) {
		close(fd);
		return;
	}
	c->from[c->n] = *peer;
	c->fds[c->n++] = fd;
}

static bool two_caught(void *arg)
{
	return ((struct catch *)arg)->n >= 2;
}

static bool two_judged(void *arg)
{
	(void)arg;
	return e.counts.accepted + e.counts.refused >= 2;
}

struct reading {
	int fd;
	uint8_t raw[HELLO_MAX_LEN + 1];
	size_t len;
	bool eof;
};

static bool read_all(void *arg)
{
	struct reading *r = arg;
	while (!r->eof) {
		ssize_t n = recv(r->fd, r->raw + r->len, sizeof r->raw - r->len, MSG_DONTWAIT);
		if (n < 0)
			return false;
		r->eof = n == 0;
		r->len += (size_t)n;
	}
	return true;
}

/* The message is complete, comes from the device's own address, and FIN and RST are told apart. */
static void test_hello(void **state)
{
	(void)state;
	struct listen_opts lo = {0};
	struct error err = {0};
	static struct catch c;
	assert_int_equal(net_addr_parse(&lo.addr, "127.0.0.1:0", &err), 0);
	int fd = listen_socket(&lo, &err);
	assert_true(fd >= 0);
	struct net_addr at;
	assert_int_equal(listen_address(fd, &at), 0);
	start(&at);
	assert_int_equal(acceptor_start(&c.acceptor, &loop, fd, caught, &c, &err), 0);
	assert_true(run_until(two_caught, &c));
	for (unsigned i = 0; i < 2; i++) {
		struct reading r = {.fd = c.fds[i]};
		struct hello h;
		size_t len, offset = 0;
		struct hello_hash hash;
		assert_true(run_until(read_all, &r));
		assert_int_equal(hello_decode(r.raw, r.len, &h), HELLO_DONE);
		assert_int_equal(h.version, HELLO_V_PKI);
		assert_int_equal(h.retry_count, 0);
		const uint8_t *ip = net_addr_bytes(&c.from[i], &len);
		assert_int_equal(len, 4);
		assert_int_equal(ip[0], 127);
		assert_int_equal(ip[1], 16);
		const struct device *d = &e.devices[ip[3] - 1];
		assert_memory_equal(h.uuid.b, d->uuid.b, 16);
		assert_true(hello_next_hash(&h, &offset, &hash));
		assert_memory_equal(hash.hash, e.roots[0].sha256, 32);
		struct linger reset = {.l_onoff = 1, .l_linger = 0};
		if (i == 1)
			setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(r.fd);
	}
	assert_true(run_until(two_judged, NULL));
	assert_int_equal(e.counts.accepted, 1);
	assert_int_equal(e.counts.refused, 1);
	acceptor_close(c.acceptor);
	finish();
}

/* ---- foreign programs ----------------------------------------------------------------------- */

struct child {
	pid_t pid;
	int out;
	char text[65536];
	size_t len;
	bool ended;
	int status;
};

static void spawn(struct child *c, const char *const *argv)
{
	int pipes[2];
	memset(c, 0, sizeof *c);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(pipes[1]);
	c->out = pipes[0];
	fcntl(c->out, F_SETFL, O_NONBLOCK);
}

static bool child_ended(void *arg)
{
	struct child *c = arg;
	ssize_t n;
	while (c->len < sizeof c->text - 1 &&
		(n = read(c->out, c->text + c->len, sizeof c->text - 1 - c->len)) > 0)
		c->len += (size_t)n;
	if (!c->ended && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->ended = true;
	return c->ended;
}

/* A repeating timer keeps the loop turning while a child is waited for. */
static void nothing(uv_timer_t *t)
{
	(void)t;
}

static const char *run_program(const char *const *argv, struct child *c)
{
	uv_timer_t tick;
	uv_timer_init(&loop, &tick);
	uv_timer_start(&tick, nothing, 10, 10);
	spawn(c, argv);
	bool ended = run_until(child_ended, c);
	if (!ended) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	(void)child_ended(c);
	c->text[c->len] = '\0';
	close(c->out);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_true(ended);
	if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 127) {
		print_message("skipped: %s is not installed\n", argv[0]);
		finish();
		skip();
	}
	return c->text;
}

/* As after a provisioning: password, certificate, TLS on. */
static void configure(struct device *d)
{
	char hex[DIGEST_HEX_MAX + 1];
	assert_int_equal(digest_ha1(DIGEST_MD5, "admin", d->realm, PASSWORD, hex), 0);
	assert_int_equal(hex_decode(hex, 32, d->ha1, 16), 16);
	d->admin_default = false;
	d->staged.setting[TLS_REMOTE].enabled = true;
	device_commit(d);
	assert_int_equal(d->state, DEV_POST);
}

static void url_of(char out[static 64])
{
	snprintf(out, 64, "https://127.16.0.1:%u/wsman", e.opts.port);
}

static void test_curl_digest(void **state)
{
	static struct child c;
	char url[64];
	(void)state;
	start(NULL);
	configure(&e.devices[0]);
	url_of(url);
	char *request = rig_file(rig_vector("wsman/requests/amt_generalsettings_get.xml"));
	if (!request) {
		finish();
		print_message("skipped: no vectors/wsman/requests\n");
		skip();
	}
	const char *good[] = {"curl", "-ksi", "--max-time", "15", "--digest", "-u",
		"admin:" PASSWORD, "--data-binary", request, url, NULL};
	const char *text = run_program(good, &c);
	assert_non_null(strstr(text, "HTTP/1.1 401"));
	assert_non_null(strstr(text, "HTTP/1.1 200 OK"));
	assert_non_null(strstr(text, "Server: Intel(R) Active Management Technology 16.1.25.2124"));
	assert_non_null(strstr(text, "GetResponse"));
	assert_non_null(strstr(text, e.devices[0].realm));
	const char *bad[] = {"curl", "-ksi", "--max-time", "15", "--digest", "-u",
		"admin:Wr0ng!pass", "--data-binary", request, url, NULL};
	text = run_program(bad, &c);
	assert_null(strstr(text, "HTTP/1.1 200"));
	assert_int_equal(e.counts.failed_logins, 1);
	free(request);
	finish();
}

static void test_openssl_client(void **state)
{
	static struct child c;
	char peer[64];
	(void)state;
	start(NULL);
	snprintf(peer, sizeof peer, "127.16.0.2:%u", e.opts.port);
	/* In setup the device insists on our chain. */
	const char *argv[] = {"openssl", "s_client", "-tls1_2", "-connect", peer, NULL};
	const char *text = run_program(argv, &c);
	assert_non_null(strstr(text, "alert handshake failure"));
	configure(&e.devices[1]);
	text = run_program(argv, &c);
	assert_non_null(strstr(text, "amt-setup-1"));
	assert_non_null(strstr(text, "Protocol  : TLSv1.2"));
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_curl_digest),
		cmocka_unit_test(test_openssl_client),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
