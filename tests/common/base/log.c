/* SPDX-License-Identifier: Apache-2.0 */
/* The log through a pipe in the place of standard error: formats, redaction, drops, rate. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/secret.h"

#define CAPTURE_MAX (8 * 1024 * 1024)

static int pipe_read, saved_stderr;
static char *text;
static size_t text_len;

static void capture_start(void)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	pipe_read = fds[0];
	text_len = 0;
	text = malloc(CAPTURE_MAX);
	assert_non_null(text);
}

/* Reads to the end of the pipe: the last writer is gone when stderr is itself again. */
static void *drain(void *arg)
{
	(void)arg;
	ssize_t n;
	while ((n = read(pipe_read, text + text_len, CAPTURE_MAX - 1 - text_len)) > 0)
		text_len += (size_t)n;
	text[text_len] = '\0';
	return NULL;
}

static void capture_end(void)
{
	pthread_t reader;
	assert_int_equal(pthread_create(&reader, NULL, drain, NULL), 0);
	log_stop();
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	pthread_join(reader, NULL);
	close(pipe_read);
}

static void test_before_start(void **state)
{
	(void)state;
	capture_start();
	LOG_INFO("early.event", KV_STR("a", "b c"), KV_INT("n", -5));
	LOG_DEBUG("hidden.event", KV_INT("n", 1));
	capture_end();
	assert_non_null(strstr(text, " early.event a=\"b c\" n=-5\n"));
	assert_null(strstr(text, "hidden"));
	free(text);
}

static void test_text(void **state)
{
	(void)state;
	struct secret s = {0};
	assert_int_equal(secret_set(&s, "hunter2", 7), 0);
	capture_start();
	log_start("tester", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
	LOG_DEBUG("one.two", KV_STR("plain", "x"), KV_STR("empty", NULL), KV_SECRET("pw", &s),
		KV_STR("evil", "a\nb\"c"), KV_BOOL("ok", 1), KV_UINT("big", UINT64_MAX));
	capture_end();
	assert_non_null(strstr(text, "debug tester["));
	assert_non_null(strstr(text, "] one.two plain=x empty=\"\" pw=<redacted> "
				     "evil=\"a\\u000ab\\\"c\" ok=true big=18446744073709551615\n"));
	assert_null(strstr(text, "hunter2"));
	secret_free(&s);
	free(text);
}

static void test_json_is_valid(void **state)
{
	(void)state;
	char all[256], huge[20000];
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	memset(huge, '"', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	capture_start();
	log_start("tester", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	LOG_WARN("all.bytes", KV_STR("v", all), KV_SECRET("s", NULL), KV_INT("pid", 7),
		KV_STR("role", "mine"), KV_STR("utf8", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
	LOG_INFO("too.long", KV_STR("a", huge), KV_STR("b", huge), KV_STR("c", huge),
		KV_STR("d", huge), KV_STR("e", huge), KV_STR("f", huge));
	capture_end();
	int n = 0;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save), n++) {
		json_error_t why;
		json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, &why);
		if (!o)
			fail_msg("%s: %s", why.text, line);
		assert_string_equal(json_string_value(json_object_get(o, "role")), "tester");
		if (n == 0) {
			assert_string_equal(
				json_string_value(json_object_get(o, "event")), "all.bytes");
			assert_string_equal(json_string_value(json_object_get(o, "role_")), "mine");
			assert_string_equal(
				json_string_value(json_object_get(o, "s")), "<redacted>");
			assert_string_equal(json_string_value(json_object_get(o, "utf8")),
				"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
		} else {
			assert_true(json_is_true(json_object_get(o, "truncated")));
		}
		json_decref(o);
	}
	assert_int_equal(n, 2);
	free(text);
}

static size_t count_lines(const char *needle)
{
	size_t n = 0;
	for (const char *p = text; (p = strstr(p, needle)); p++)
		n++;
	return n;
}

/* A writer that starts late tells of its losses at more than one swap. */
static size_t sum_dropped(void)
{
	static const char needle[] = "log.dropped lines=";
	size_t sum = 0, n = 0;
	for (const char *p = text; (p = strstr(p, needle)); n++) {
		p += sizeof needle - 1;
		sum += strtoul(p, NULL, 10);
	}
	assert_true(n > 0);
	return sum;
}

/* Nobody reads: the writer blocks on the pipe, callers never do, and what is lost is told. */
static void test_drops_are_counted(void **state)
{
	(void)state;
	enum { N = 1500 };
	char pad[1000];
	memset(pad, 'x', sizeof pad - 1);
	pad[sizeof pad - 1] = '\0';
	capture_start();
	log_start("tester", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	for (int i = 0; i < N; i++)
		LOG_INFO("flood.line", KV_INT("i", i), KV_STR("pad", pad));
	capture_end();
	assert_int_equal(count_lines("flood.line") + sum_dropped(), N);
	free(text);
}

static void test_rate_limit(void **state)
{
	(void)state;
	enum { N = 20000 };
	capture_start();
	pthread_t reader;
	assert_int_equal(pthread_create(&reader, NULL, drain, NULL), 0);
	log_start("tester", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	for (int i = 0; i < N; i++)
		LOG_INFO("storm.line", KV_INT("i", i));
	LOG_INFO("other.line", KV_INT("i", 1));
	log_stop();
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	pthread_join(reader, NULL);
	close(pipe_read);
	size_t n = count_lines("storm.line i=");
	assert_true(n >= 2000 && n < N); /* a slow machine may see more than one second */
	assert_int_equal(count_lines("other.line"), 1);
	free(text);
}

static void test_levels(void **state)
{
	(void)state;
	enum log_level level;
	assert_int_equal(log_level_parse("warn", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("loud", &level), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_start),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json_is_valid),
		cmocka_unit_test(test_drops_are_counted),
		cmocka_unit_test(test_rate_limit),
		cmocka_unit_test(test_levels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
