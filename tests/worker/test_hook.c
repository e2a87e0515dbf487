/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks by themselves: programs that cannot start, the end of a pool, and web hooks against a small
 * server of this file, which checks the signature by itself. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/hmac.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/base/metric.h"
#include "tests/worker/worker_test.h"
#include "worker/hook/hook.h"

#define SECRET "0123456789abcdef0123456789abcdef"

struct asked {
	int n;
	enum hook_end end;
	char out[256], why[512];
};

static void on_end(const struct hook_outcome *o, void *arg)
{
	struct asked *x = arg;
	x->n++;
	x->end = o->end;
	snprintf(x->out, sizeof x->out, "%s", o->out);
	snprintf(x->why, sizeof x->why, "%s", o->why);
}

static uv_loop_t loop;
static struct conf_hook conf;

static int setup(void **state)
{
	(void)state;
	conf = (struct conf_hook){.timeout_s = 20, .concurrency = 1};
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	worker_test_close(&loop);
	return 0;
}

/* Each way to end has a counter of its own. */
static void assert_counted(enum hook_moment moment, enum hook_end end)
{
	static unsigned runs[N_HOOK_MOMENTS][N_HOOK_ENDS];
	char line[160];
	struct buf out;
	buf_init(&out, 65536);
	assert_int_equal(metric_print(&out), 0);
	snprintf(line, sizeof line, "muster_worker_hook_runs_total{moment=\"%s\",end=\"%s\"} %u\n",
		hook_moment_name(moment), hook_end_name(end), ++runs[moment][end]);
	if (!strstr(buf_cstr(&out), line))
		fail_msg("no line %s", line);
	buf_free(&out);
}

static struct asked run(enum hook_moment moment)
{
	struct hook_pool *p = NULL;
	struct error err = {0};
	struct asked x = {0};
	json_t *told = json_pack("{s:s}", "uuid", "u-1");
	if (hook_pool_open(&p, &loop, moment, &conf, &err) < 0)
		fail_msg("%s", err.text);
	hook_start(p, told, "delivery-1", on_end, &x);
	json_decref(told);
	RUN_UNTIL(&loop, x.n, 60000);
	hook_pool_close(p);
	assert_int_equal(x.n, 1);
	assert_counted(moment, x.end);
	return x;
}

/* ---- programs -------------------------------------------------------------------------------- */

static void test_missing(void **state)
{
	(void)state;
	snprintf(conf.command, sizeof conf.command, "/nonexistent/hook");
	struct asked x = run(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_NOT_STARTED);
	assert_non_null(strstr(x.why, "not_started: /nonexistent/hook: no such file"));
}

static void test_not_executable(void **state)
{
	(void)state;
	snprintf(conf.command, sizeof conf.command, "tests/worker/test_hook.c");
	struct asked x = run(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_NOT_STARTED);
	assert_non_null(strstr(x.why, "permission denied"));
}

/* What the worker was started with is not the hook's. */
static void test_environment(void **state)
{
	(void)state;
	setenv("MUSTER_HOOK_MOOD", "env", 1);
	setenv("MUSTER_KEPT_BACK", "seen", 1);
	setenv("HOME", "/", 0);
	snprintf(conf.command, sizeof conf.command, "tests/worker/hooks.sh");
	struct asked x = run(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_ANSWERED);
	assert_string_equal(x.out, "{\"none\":\"home\"}");
}

/* Stopping with a hook that hangs: answered at once, nothing left behind. */
static void test_stop(void **state)
{
	(void)state;
	struct hook_pool *p = NULL;
	struct error err = {0};
	struct asked x[3] = {{0}};
	json_t *told = json_object();
	setenv("MUSTER_HOOK_MOOD", "hang", 1);
	snprintf(conf.command, sizeof conf.command, "tests/worker/hooks.sh");
	assert_int_equal(hook_pool_open(&p, &loop, HOOK_ON_HELLO, &conf, &err), 0);
	for (int i = 0; i < 3; i++)
		hook_start(p, told, "d", on_end, &x[i]);
	json_decref(told);
	assert_int_equal(x[0].n, 0);
	hook_pool_close(p);
	RUN_UNTIL(&loop, x[0].n && x[1].n && x[2].n, 60000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(x[i].end, HOOK_STOPPED);
}

/* ---- a server -------------------------------------------------------------------------------- */

static struct {
	uv_tcp_t listener, client;
	const char *answers[4]; /* one a connection; NULL = silence */
	int n;                  /* requests */
	char text[8192];
	size_t len;
} web;

static void on_client_closed(uv_handle_t *h)
{
	(void)h;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	(void)h, (void)suggested;
	*b = uv_buf_init(web.text + web.len, (unsigned)(sizeof web.text - 1 - web.len));
}

static void on_written(uv_write_t *w, int status)
{
	(void)status;
	uv_close((uv_handle_t *)w->handle, on_client_closed);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	(void)b;
	static uv_write_t write;
	if (n < 0) {
		if (!uv_is_closing((uv_handle_t *)s))
			uv_close((uv_handle_t *)s, on_client_closed);
		return;
	}
	web.len += (size_t)n;
	web.text[web.len] = '\0';
	const char *body = strstr(web.text, "\r\n\r\n");
	if (!body || !strchr(body, '}'))
		return;
	const char *answer = web.answers[web.n++];
	if (!answer)
		return;
	uv_read_stop(s);
	uv_buf_t out = uv_buf_init((char *)answer, (unsigned)strlen(answer));
	uv_write(&write, s, &out, 1, on_written);
}

static void on_client(uv_stream_t *s, int status)
{
	assert_int_equal(status, 0);
	web.len = 0;
	uv_tcp_init(&loop, &web.client);
	assert_int_equal(uv_accept(s, (uv_stream_t *)&web.client), 0);
	uv_read_start((uv_stream_t *)&web.client, on_alloc, on_read);
}

static void serve(const char *a, const char *b, const char *c)
{
	struct sockaddr_in at;
	int len = sizeof at;
	char path[] = "/tmp/muster-test-XXXXXX";
	memset(&web, 0, sizeof web);
	web.answers[0] = a, web.answers[1] = b, web.answers[2] = c;
	uv_ip4_addr("127.0.0.1", 0, &at);
	uv_tcp_init(&loop, &web.listener);
	assert_int_equal(uv_tcp_bind(&web.listener, (struct sockaddr *)&at, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&web.listener, 8, on_client), 0);
	uv_tcp_getsockname(&web.listener, (struct sockaddr *)&at, &len);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	ssize_t n = write(fd, SECRET "\n", strlen(SECRET) + 1);
	assert_int_equal(close(fd), 0);
	assert_true(n > 0);
	snprintf(conf.secret_file, sizeof conf.secret_file, "%s", path);
	snprintf(conf.url, sizeof conf.url, "http://127.0.0.1:%u/hook", ntohs(at.sin_port));
}

static struct asked ask(enum hook_moment moment)
{
	struct asked x = run(moment);
	unlink(conf.secret_file);
	uv_close((uv_handle_t *)&web.listener, NULL);
	if (web.n && !uv_is_closing((uv_handle_t *)&web.client))
		uv_close((uv_handle_t *)&web.client, NULL);
	return x;
}

static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"a\":\"b\"}\r\n";
static const char broken[] = "HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n";
static const char absent[] = "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n";

static void header(const char *name, char *out, size_t size)
{
	char head[64];
	snprintf(head, sizeof head, "\r\n%s: ", name);
	const char *p = strstr(web.text, head);
	if (!p)
		fail_msg("no header %s in %s", name, web.text);
	p += strlen(head);
	snprintf(out, size, "%.*s", (int)strcspn(p, "\r"), p);
}

static void test_signed(void **state)
{
	(void)state;
	char value[256], hex[65], text[512];
	unsigned char mac[32];
	serve(fine, NULL, NULL);
	struct asked x = ask(HOOK_AFTER_CONFIGURE);
	assert_int_equal(x.end, HOOK_ANSWERED);
	assert_string_equal(x.out, "{\"a\":\"b\"}\r\n");
	assert_memory_equal(web.text, "POST /hook HTTP/1.1\r\n", 21);
	header("Muster-Moment", value, sizeof value);
	assert_string_equal(value, "after-configure");
	header("Muster-Delivery", value, sizeof value);
	assert_string_equal(value, "delivery-1");
	header("Muster-Signature", value, sizeof value);
	assert_memory_equal(value, "t=", 2);
	char *v1 = strstr(value, ",v1=");
	assert_non_null(v1);
	*v1 = '\0';
	assert_true(labs(time(NULL) - atol(value + 2)) < 600);
	snprintf(text, sizeof text, "%s.{\"uuid\":\"u-1\"}\n", value + 2);
	HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (unsigned char *)text, strlen(text), mac,
		NULL);
	hex_encode(mac, sizeof mac, hex);
	assert_string_equal(v1 + 4, hex);
}

static void test_tries_again(void **state)
{
	(void)state;
	serve(broken, broken, fine);
	conf.retries = 2;
	struct asked x = ask(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_ANSWERED);
	assert_int_equal(web.n, 3);
}

static void test_gives_up(void **state)
{
	(void)state;
	serve(broken, broken, fine);
	conf.retries = 1;
	struct asked x = ask(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_HTTP_STATUS);
	assert_string_equal(x.why, "http_status: HTTP status 503 ");
	assert_int_equal(web.n, 2);
}

/* A refusal of the service will be the same in a second. */
static void test_status_is_not_repeated(void **state)
{
	(void)state;
	serve(absent, fine, NULL);
	conf.retries = 2;
	assert_int_equal(ask(HOOK_ON_HELLO).end, HOOK_HTTP_STATUS);
	assert_int_equal(web.n, 1);
}

static void test_silence(void **state)
{
	(void)state;
	serve(NULL, NULL, NULL);
	conf.timeout_s = 1;
	struct asked x = ask(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_TIMED_OUT);
	assert_non_null(strstr(x.why, "timed_out: stopped at its time limit of 1 s"));
}

static void test_flood(void **state)
{
	(void)state;
	static char flood[100 * 1024];
	int n = snprintf(flood, sizeof flood, "HTTP/1.1 200 OK\r\n\r\n");
	memset(flood + n, 'x', sizeof flood - 1 - (size_t)n);
	serve(flood, NULL, NULL);
	struct asked x = ask(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_FLOODED);
}

static void test_nobody_there(void **state)
{
	(void)state;
	serve(NULL, NULL, NULL);
	snprintf(conf.url, sizeof conf.url, "http://127.0.0.1:1/");
	struct asked x = ask(HOOK_ON_HELLO);
	assert_int_equal(x.end, HOOK_UNREACHABLE);
	assert_int_equal(web.n, 0);
}

static void test_short_secret(void **state)
{
	(void)state;
	struct hook_pool *p = NULL;
	struct error err = {0};
	serve(NULL, NULL, NULL);
	assert_int_equal(truncate(conf.secret_file, 15), 0);
	assert_int_equal(hook_pool_open(&p, &loop, HOOK_ON_HELLO, &conf, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "16 bytes"));
	unlink(conf.secret_file);
	uv_close((uv_handle_t *)&web.listener, NULL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		T(test_missing),
		T(test_not_executable),
		T(test_environment),
		T(test_stop),
		T(test_signed),
		T(test_tries_again),
		T(test_gives_up),
		T(test_status_is_not_repeated),
		T(test_silence),
		T(test_flood),
		T(test_nobody_there),
		T(test_short_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
