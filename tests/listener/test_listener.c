/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real muster-listener between devices (sockets of this test) and brokers (ROUTERs of this
 * test): what is accepted closes with FIN, everything else with RST, and every case is counted.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>

#include "tests/listener/harness.h"

#define N_IDLE      10000
#define IDLE_RSS_KB (96 * 1024) /* 10 000 connections; a sanitizer doubles it */
#define IDLE_FDS    (N_IDLE + 200)

/* ---- every vector -------------------------------------------------------------------------- */

struct expected {
	long n_new, n_port_check;
	long malformed[HELLO_N_CODES];
};

enum way { WAY_WHOLE, WAY_SPLIT, WAY_BYTES, N_WAYS };

static enum ending say_bytes(struct bench *t, const uint8_t *data, size_t len, enum way way)
{
	int fd = device_connect(t, NULL);
	size_t piece = way == WAY_WHOLE ? len : way == WAY_SPLIT ? len / 2 + 1 : 1;
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		if (send(fd, data + at, n, MSG_NOSIGNAL) < 0) {
			assert_int_equal(errno, ECONNRESET); /* refused already; said only once */
			close(fd);
			return END_RST;
		}
		if (way == WAY_SPLIT)
			uv_run(&t->loop, UV_RUN_ONCE);
	}
	shutdown(fd, SHUT_WR);
	return device_wait(t, fd);
}

static enum hello_code code_by_name(const char *name)
{
	for (int i = 0; i < HELLO_N_CODES; i++)
		if (strcmp(hello_code_name((enum hello_code)i), name) == 0)
			return (enum hello_code)i;
	fail_msg("unknown reason %s", name);
	return HELLO_N_CODES;
}

static void try_vector(struct bench *t, const char *dir, const char *name, struct expected *want)
{
	static uint8_t data[32768];
	static char hex[sizeof data * 2 + 2];
	char path[600];
	snprintf(path, sizeof path, "%s/%s.hex", dir, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t hex_len = fread(hex, 1, sizeof hex, f);
	fclose(f);
	while (hex_len > 0 && strchr("\r\n ", hex[hex_len - 1]))
		hex_len--;
	int len = hex_decode(hex, hex_len, data, sizeof data);
	assert_true(len >= 0);
	snprintf(path, sizeof path, "%s/%s.json", dir, name);
	json_t *json = json_load_file(path, 0, NULL);
	assert_non_null(json);
	bool accept = json_is_true(json_object_get(json, "accept"));
	const char *reason = json_string_value(json_object_get(json, "reason"));
	enum hello_code code = accept ? HELLO_DONE : code_by_name(reason);
	json_decref(json);
	for (enum way way = WAY_WHOLE; way < N_WAYS; way++) {
		/* What comes after a complete message and an empty socket is not read (ruling 8).
		 */
		if (code == HELLO_TRAILING_DATA && way != WAY_WHOLE)
			continue;
		enum ending end = say_bytes(t, data, (size_t)len, way);
		if (end != (accept ? END_FIN : END_RST))
			fail_msg("%s, way %d: %s", name, way, end == END_FIN ? "FIN" : "RST");
		if (accept)
			want->n_new++;
		else if (len == 0)
			want->n_port_check++;
		else
			want->malformed[code]++;
	}
}

static void test_vectors(void **state)
{
	struct bench *t = *state;
	const char *root = getenv("MUSTER_VECTORS");
	char dir[512], key[64];
	struct expected want = {0};
	int n = 0;
	snprintf(dir, sizeof dir, "%s/hello", root ? root : "../shared/vectors");
	DIR *d = opendir(dir);
	if (!d) {
		print_message(
			"SKIPPED: the real captures: no vectors at %s (set MUSTER_VECTORS)\n", dir);
		snprintf(dir, sizeof dir, "tests/data/hello");
		d = opendir(dir);
	}
	assert_non_null(d);
	broker_start(t, 0);
	listener_start(t, "");
	for (struct dirent *de; (de = readdir(d));) {
		size_t len = strlen(de->d_name);
		if (len < 5 || strcmp(de->d_name + len - 4, ".hex") != 0)
			continue;
		de->d_name[len - 4] = '\0';
		try_vector(t, dir, de->d_name, &want);
		n++;
	}
	closedir(d);
	assert_true(n >= 49);
	report(t);
	assert_int_equal(log_number(t, "listener.counters", "new"), want.n_new);
	assert_int_equal(log_number(t, "listener.counters", "port_check"), want.n_port_check);
	for (int i = HELLO_MORE + 1; i < HELLO_N_CODES; i++) {
		snprintf(key, sizeof key, "malformed.%s", hello_code_name((enum hello_code)i));
		assert_int_equal(log_number(t, "listener.counters", key), want.malformed[i]);
	}
	print_message("%d vectors, %ld accepted\n", n, want.n_new);
}

/* ---- verdicts and closes ------------------------------------------------------------------- */

static void test_verdicts(void **state)
{
	struct bench *t = *state;
	static const struct {
		Muster__V1__VerdictCode code;
		enum ending end;
		const char *counter;
	} rows[] = {
		{MUSTER__V1__VERDICT_CODE__VERDICT_NEW, END_FIN, "new"},
		{MUSTER__V1__VERDICT_CODE__VERDICT_DUP, END_FIN, "dup"},
		{MUSTER__V1__VERDICT_CODE__VERDICT_IGN, END_FIN, "ign"},
		{MUSTER__V1__VERDICT_CODE__VERDICT_DENY, END_RST, "deny"},
		{MUSTER__V1__VERDICT_CODE__VERDICT_BUSY, END_RST, "busy"},
	};
	broker_start(t, 0);
	listener_start(t, "");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		t->brokers[0].code = rows[i].code;
		assert_int_equal(device_wait(t, device_say(t, NULL)), rows[i].end);
		assert_int_equal(counter(t, rows[i].counter), 1);
	}
	/* The device need not wait for the end: it closes after sending (hello.md 1). */
	t->brokers[0].code = MUSTER__V1__VERDICT_CODE__VERDICT_NEW;
	close(device_say(t, NULL));
	RUN_UNTIL(t, t->brokers[0].n_hellos == 6);
	RUN_UNTIL(t, counter(t, "new") == 2);
	assert_int_equal(t->brokers[0].last_raw_len, HELLO_LEN);
}

static void test_no_verdict(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	t->brokers[0].silent = true;
	listener_start(t, "  verdict_timeout_ms: 1000\n");
	assert_int_equal(device_wait(t, device_say(t, NULL)), END_RST);
	assert_int_equal(counter(t, "no_verdict"), 1);
	/* An answer that comes too late belongs to nobody. */
	answer_held(&t->brokers[0], MUSTER__V1__VERDICT_CODE__VERDICT_NEW);
	t->brokers[0].silent = false;
	assert_int_equal(device_wait(t, device_say(t, NULL)), END_FIN);
	assert_int_equal(counter(t, "new"), 1);
	assert_true(log_number(t, "listener.uplink", "stray_verdicts") >= 1);
}

static void test_killed_listener_resets(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	t->brokers[0].silent = true;
	listener_start(t, "");
	int fd = device_say(t, NULL);
	shutdown(fd, SHUT_WR);
	RUN_UNTIL(t, t->brokers[0].n_hellos == 1);
	listener_stop(t, SIGKILL);
	assert_int_equal(device_wait(t, fd), END_RST); /* SPEC: ruling 9 */
}

static void test_slow_sender(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	listener_start(t, "  message_timeout_ms: 1000\n");
	uint64_t start = clock_boot_ms();
	int fd = device_connect(t, NULL);
	assert_int_equal(send(fd, "\0", 1, 0), 1);
	/* One good byte now and then does not prolong the time. */
	static const uint8_t head[] = {0, 0, 3, 0, 0, 0, 0, 0};
	enum ending end = END_OPEN;
	size_t sent = 1;
	while (end == END_OPEN && clock_boot_ms() - start < WAIT_MS) {
		if (sent < sizeof head && clock_boot_ms() - start >= sent * 200)
			assert_int_equal(send(fd, &head[sent++], 1, MSG_NOSIGNAL), 1);
		uv_run(&t->loop, UV_RUN_ONCE);
		end = device_state(fd);
	}
	close(fd);
	assert_int_equal(end, END_RST);
	assert_true(sent >= 4);
	assert_in_range(clock_boot_ms() - start, 900, 5000);
	assert_int_equal(counter(t, "timeout"), 1);
	/* Others are served meanwhile and after. */
	assert_int_equal(device_wait(t, device_say(t, NULL)), END_FIN);
}

static void test_repeated_hello_is_remembered(void **state)
{
	struct bench *t = *state;
	uint8_t bytes[HELLO_LEN];
	broker_start(t, 0);
	listener_start(t, "");
	size_t len = make_hello(t, bytes);
	for (int i = 0; i < 3; i++) {
		int fd = device_connect(t, "127.8.0.1");
		assert_int_equal(send(fd, bytes, len, 0), (ssize_t)len);
		assert_int_equal(device_wait(t, fd), END_FIN);
	}
	assert_int_equal(t->brokers[0].n_hellos, 1);
	assert_int_equal(counter(t, "cached"), 2);
	/* The same UUID from elsewhere is for the store to judge. SPEC: ruling 3 */
	int fd = device_connect(t, "127.8.0.2");
	assert_int_equal(send(fd, bytes, len, 0), (ssize_t)len);
	assert_int_equal(device_wait(t, fd), END_FIN);
	assert_int_equal(t->brokers[0].n_hellos, 2);
}

/* ---- limits -------------------------------------------------------------------------------- */

static void test_limits(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	t->brokers[0].silent = true;
	listener_start(t, "  max_per_source: 2\n  rate_per_subnet: 1\n  rate_burst: 4\n");
	int fds[4];
	for (int i = 0; i < 3; i++)
		fds[i] = device_say(t, "127.8.1.1");
	assert_int_equal(device_wait(t, fds[2]), END_RST);
	assert_int_equal(counter(t, "shed_source"), 1);
	/* Others of the /24 still have two tokens. */
	int other = device_say(t, "127.8.1.2"), more = device_say(t, "127.8.1.3");
	RUN_UNTIL(t, t->brokers[0].n_held == 4);
	fds[3] = device_say(t, "127.8.1.4");
	assert_int_equal(device_wait(t, fds[3]), END_RST);
	assert_int_equal(counter(t, "shed_subnet"), 1);
	int far = device_say(t, "127.8.2.1"); /* another /24 */
	RUN_UNTIL(t, t->brokers[0].n_held == 5);
	answer_held(&t->brokers[0], MUSTER__V1__VERDICT_CODE__VERDICT_NEW);
	assert_int_equal(device_wait(t, fds[0]), END_FIN);
	assert_int_equal(device_wait(t, fds[1]), END_FIN);
	assert_int_equal(device_wait(t, other), END_FIN);
	assert_int_equal(device_wait(t, more), END_FIN);
	assert_int_equal(device_wait(t, far), END_FIN);
}

static long rss_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = -1;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static void test_ten_thousand_idle(void **state)
{
	struct bench *t = *state;
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < IDLE_FDS) {
		print_message("SKIPPED: needs %d descriptors, may have %lu\n", IDLE_FDS,
			(unsigned long)limit.rlim_max);
		skip();
	}
	broker_start(t, 0);
	listener_start(
		t, "  max_per_source: 0\n  rate_per_subnet: 0\n  message_timeout_ms: 60000\n");
	wait_brokers(t, 1);
	long before = rss_kb(t->pid);
	int *fds = calloc(N_IDLE, sizeof *fds);
	for (int i = 0; i < N_IDLE; i++) {
		fds[i] = device_connect(t, NULL);
		assert_int_equal(send(fds[i], "\0", 1, MSG_NOSIGNAL), 1);
		if (i % 1000 == 999)
			RUN_UNTIL(t, counter(t, "accepted") == i + 1);
	}
	long after = rss_kb(t->pid);
	print_message("%d idle connections: %ld KiB more, %ld KiB in all\n", N_IDLE, after - before,
		after);
	assert_true(after > 0 && after < IDLE_RSS_KB);
	/* A Hello still gets through. */
	assert_int_equal(device_wait(t, device_say(t, NULL)), END_FIN);
	for (int i = 0; i < N_IDLE; i++)
		close(fds[i]);
	free(fds);
	RUN_UNTIL(t, counter(t, "malformed.truncated") == N_IDLE);
}

/* ---- brokers come and go ------------------------------------------------------------------- */

static void test_no_broker(void **state)
{
	struct bench *t = *state;
	listener_start(t, "");
	int fd = device_say(t, NULL); /* into the kernel's queue */
	assert_int_equal(counter(t, "accepted"), 0);
	assert_int_equal(device_state(fd), END_OPEN);
	broker_start(t, 1);
	assert_int_equal(device_wait(t, fd), END_FIN);
	/* And again after the broker was away. */
	broker_stop(t, 1);
	RUN_UNTIL(t, log_line(t, "broker.lost"));
	fd = device_say(t, NULL);
	assert_int_equal(counter(t, "accepted"), 1);
	broker_start(t, 1);
	assert_int_equal(device_wait(t, fd), END_FIN);
}

static void test_full_window_stops_accepting(void **state)
{
	struct bench *t = *state;
	enum { N = 40, WINDOW = 8 };
	int fds[N];
	broker_start(t, 0);
	t->brokers[0].silent = true;
	listener_start(t, "  window: 8\n  retransmit_ms: 10000\n  max_per_source: 0\n");
	wait_brokers(t, 1);
	for (int i = 0; i < WINDOW; i++)
		fds[i] = device_say(t, NULL);
	RUN_UNTIL(t, t->brokers[0].n_held == WINDOW);
	for (int i = WINDOW; i < N; i++)
		fds[i] = device_say(t, NULL);
	report(t);
	assert_int_equal(log_number(t, "listener.counters", "accepted"), WINDOW);
	assert_int_equal(t->brokers[0].n_hellos, WINDOW);
	t->brokers[0].silent = false;
	answer_held(&t->brokers[0], MUSTER__V1__VERDICT_CODE__VERDICT_NEW);
	for (int i = 0; i < N; i++)
		assert_int_equal(device_wait(t, fds[i]), END_FIN);
	assert_int_equal(counter(t, "new"), N);
}

static void test_silent_broker_is_passed_by(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	broker_start(t, 1);
	t->brokers[0].silent = true;
	listener_start(t, "");
	wait_brokers(t, 2);
	for (int i = 0; i < 4; i++)
		assert_int_equal(device_wait(t, device_say(t, NULL)), END_FIN);
	assert_true(t->brokers[0].n_hellos >= 1);
	assert_int_equal(t->brokers[1].n_hellos, 4);
	report(t);
	assert_true(log_number(t, "listener.uplink", "retransmitted") >= 1);
	assert_int_equal(log_number(t, "listener.counters", "new"), 4);
}

static void test_killed_broker(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	t->brokers[0].silent = true;
	listener_start(t, "");
	wait_brokers(t, 1);
	int fd = device_say(t, NULL);
	RUN_UNTIL(t, t->brokers[0].n_hellos == 1);
	broker_stop(t, 0);
	broker_start(t, 1);
	assert_int_equal(device_wait(t, fd), END_FIN);
	assert_int_equal(t->brokers[1].n_hellos, 1);
}

/* ---- PROXY protocol ------------------------------------------------------------------------ */

/* @return false when the connection was reset meanwhile */
static bool proxy_say(int fd, const uint8_t *body, size_t len, bool local)
{
	uint8_t header[28] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54,
		0x0a, 0x21, 0x11, 0, 12, 10, 1, 2, 3, 10, 9, 9, 9, 0x30, 0x39, 0x26, 0xf3};
	if (local)
		header[12] = 0x20;
	assert_int_equal(send(fd, header, 7, 0), 7); /* in pieces */
	assert_int_equal(send(fd, header + 7, sizeof header - 7, 0), sizeof header - 7);
	/* A source over its limit is reset as soon as the header is read. */
	ssize_t sent = send(fd, body, len, 0);
	assert_true(sent == (ssize_t)len || errno == ECONNRESET || errno == EPIPE);
	return sent >= 0;
}

static void test_proxy(void **state)
{
	struct bench *t = *state;
	uint8_t bytes[HELLO_LEN];
	broker_start(t, 0);
	listener_start(t, "  proxy_protocol: true\n  proxy_addresses: [\"127.7.0.0/16\"]\n"
			  "  max_per_source: 1\n");
	size_t len = make_hello(t, bytes);
	int fd = device_connect(t, "127.7.0.1");
	proxy_say(fd, bytes, len, false);
	assert_int_equal(device_wait(t, fd), END_FIN);
	assert_int_equal(t->brokers[0].last_address_len, 4);
	assert_memory_equal(t->brokers[0].last_address, "\x0a\x01\x02\x03", 4);
	/* The balancer is exempt from the limit, the device behind it is not. SPEC: ruling 10 */
	t->brokers[0].silent = true;
	int first = device_connect(t, "127.7.0.1"), second = device_connect(t, "127.7.0.1");
	len = make_hello(t, bytes);
	proxy_say(first, bytes, len, false);
	RUN_UNTIL(t, t->brokers[0].n_held == 1);
	if (proxy_say(second, bytes, len, false)) /* else that was the reset */
		assert_int_equal(device_wait(t, second), END_RST);
	assert_int_equal(counter(t, "shed_source"), 1);
	answer_held(&t->brokers[0], MUSTER__V1__VERDICT_CODE__VERDICT_NEW);
	assert_int_equal(device_wait(t, first), END_FIN);
	t->brokers[0].silent = false;
	/* A balancer without a header; a device that comes directly. */
	fd = device_connect(t, "127.7.0.1");
	assert_int_equal(send(fd, bytes, len, 0), (ssize_t)len);
	assert_int_equal(device_wait(t, fd), END_RST);
	assert_int_equal(counter(t, "bad_proxy"), 1);
	assert_int_equal(device_wait(t, device_say(t, "127.6.0.1")), END_FIN);
	assert_memory_equal(t->brokers[0].last_address, "\x7f\x06\x00\x01", 4);
	/* The balancer's own health check: LOCAL, then nothing. */
	fd = device_connect(t, "127.7.0.1");
	proxy_say(fd, bytes, 0, true);
	shutdown(fd, SHUT_WR);
	assert_int_equal(device_wait(t, fd), END_RST);
	assert_int_equal(counter(t, "port_check"), 1);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void test_drain(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	t->brokers[0].silent = true;
	listener_start(t, "");
	int fd = device_say(t, NULL);
	RUN_UNTIL(t, t->brokers[0].n_held == 1);
	kill(t->pid, SIGTERM);
	RUN_UNTIL(t, log_line(t, "listener.draining"));
	int late = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(t->port)};
	RUN_UNTIL(t, connect(late, (struct sockaddr *)&a, sizeof a) < 0 && errno == ECONNREFUSED);
	close(late);
	assert_int_equal(device_state(fd), END_OPEN);
	answer_held(&t->brokers[0], MUSTER__V1__VERDICT_CODE__VERDICT_NEW);
	assert_int_equal(device_wait(t, fd), END_FIN);
	int status = -1;
	RUN_UNTIL(t, waitpid(t->pid, &status, WNOHANG) == t->pid);
	t->pid = 0;
	assert_int_equal(status, 0);
	assert_int_equal(log_number(t, "listener.counters", "new"), 1);
}

static void test_second_signal_ends_at_once(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	t->brokers[0].silent = true;
	listener_start(t, "");
	int fd = device_say(t, NULL);
	RUN_UNTIL(t, t->brokers[0].n_held == 1);
	kill(t->pid, SIGTERM);
	RUN_UNTIL(t, log_line(t, "listener.draining"));
	assert_int_equal(listener_stop(t, SIGTERM), 0);
	assert_int_equal(device_wait(t, fd), END_RST);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_vectors),
		CASE(test_verdicts),
		CASE(test_no_verdict),
		CASE(test_killed_listener_resets),
		CASE(test_slow_sender),
		CASE(test_repeated_hello_is_remembered),
		CASE(test_limits),
		CASE(test_ten_thousand_idle),
		CASE(test_no_broker),
		CASE(test_full_window_stops_accepting),
		CASE(test_silent_broker_is_passed_by),
		CASE(test_killed_broker),
		CASE(test_proxy),
		CASE(test_drain),
		CASE(test_second_signal_ends_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
