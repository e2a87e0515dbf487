/* SPDX-License-Identifier: Apache-2.0 */
/* Curve on the bus: an allow-list per role, reload, rotation of the broker's key, key files. */
#include "tests/common/bus/harness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/bus/curve.h"
#include "common/bus/zap.h"

struct site {
	char dir[64];
	char front_allow[128], back_allow[128];
	struct end front, back;
	struct zap *zap;
};

static void site_open(struct site *site)
{
	*site = (struct site){.zap = NULL};
	snprintf(site->dir, sizeof site->dir, "%s", scratch_dir());
	make_keys(site->dir);
	struct error err = {.text = ""};
	snprintf(site->front_allow, sizeof site->front_allow, "%s/allow/front.keys", site->dir);
	snprintf(site->back_allow, sizeof site->back_allow, "%s/allow/back.keys", site->dir);
	const struct zap_domain domains[] = {
		{"front", site->front_allow}, {"back", site->back_allow}};
	assert_int_equal(bus_open(&site->front.bus, &loop, "broker", site->dir, &err), 0);
	assert_int_equal(zap_open(&site->zap, site->front.bus, domains, 2, &err), 0);
	open_router(&site->front, "tcp://127.0.0.1:*", site->dir);
	assert_int_equal(bus_router(&site->back.socket, site->front.bus, "tcp://127.0.0.1:*",
				 "back", 64, &handler, &site->back, &err),
		0);
}

static void site_close(struct site *site)
{
	zap_close(site->zap);
	bus_close(site->front.bus);
	remove_dir(site->dir);
}

static void test_curve_roles(void **state)
{
	(void)state;
	struct site site;
	site_open(&site);
	struct end listener = {0}, worker = {0}, wrong = {0};
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_up == 1);
	open_dealer(&worker, "worker", bus_endpoint(site.back.socket), site.dir);
	RUN_UNTIL(worker.n_up == 1);
	assert_int_equal(zap_stats(site.zap)->accepted, 2);
	assert_int_equal(zap_stats(site.zap)->refused, 0);
	/* A listener's key at the workers' socket. */
	open_dealer(&wrong, "listener", bus_endpoint(site.back.socket), site.dir);
	RUN_UNTIL(wrong.n_refused > 0);
	assert_non_null(strstr(wrong.detail, "allow-list"));
	assert_int_equal(wrong.n_up, 0);
	assert_true(zap_stats(site.zap)->refused > 0);
	bus_close(wrong.bus);
	/* No Curve at all. */
	wrong = (struct end){0};
	open_dealer(&wrong, "listener", bus_endpoint(site.front.socket), NULL);
	RUN_UNTIL(site.front.n_refused > 0);
	assert_int_equal(wrong.n_up, 0);
	bus_close(wrong.bus);
	bus_close(listener.bus);
	bus_close(worker.bus);
	site_close(&site);
}

static void test_curve_reload(void **state)
{
	(void)state;
	struct site site;
	site_open(&site);
	struct end listener = {0};
	struct error err;
	/* An unreadable list changes nothing. */
	int fd = open(site.front_allow, O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "short\n", 6), 6);
	close(fd);
	assert_int_equal(zap_reload(site.zap, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "line 2"));
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_up == 1);
	bus_close(listener.bus);
	/* An empty list allows nobody. */
	assert_int_equal(truncate(site.front_allow, 0), 0);
	assert_int_equal(zap_reload(site.zap, &err), 0);
	listener = (struct end){0};
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_refused > 0);
	assert_int_equal(listener.n_up, 0);
	bus_close(listener.bus);
	site_close(&site);
}

static void test_curve_rotation(void **state)
{
	(void)state;
	struct site site;
	site_open(&site);
	/* The broker runs with its old key still; the new public key has been handed out. */
	char from[128], to[128];
	snprintf(from, sizeof from, "%s/broker.pub", site.dir);
	snprintf(to, sizeof to, "%s/broker.pub.old", site.dir);
	assert_int_equal(rename(from, to), 0);
	struct curve_pair fresh;
	struct error err;
	assert_int_equal(curve_pair_new(&fresh, &err), 0);
	assert_int_equal(curve_pair_write(site.dir, "broker", &fresh, &err), 0);
	curve_pair_free(&fresh);
	struct end listener = {0};
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_up == 1);
	assert_true(listener.n_refused >= 1);
	bus_close(listener.bus);
	site_close(&site);
}

static void test_echo_tcp_and_curve(void **state)
{
	(void)state;
	echo_run("tcp://127.0.0.1:*", NULL, "tcp");
	char *dir = scratch_dir();
	make_keys(dir);
	echo_run("tcp://127.0.0.1:*", dir, "tcp + Curve");
	remove_dir(dir);
}

static void test_key_files(void **state)
{
	(void)state;
	char *dir = scratch_dir(), path[128];
	make_keys(dir);
	struct curve_pair pair;
	struct error err;
	assert_int_equal(curve_pair_read(&pair, dir, "worker", &err), 0);
	assert_int_equal(strlen(pair.public_key), CURVE_TEXT_LEN);
	curve_pair_free(&pair);
	/* Readable by others. */
	snprintf(path, sizeof path, "%s/worker.key", dir);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(curve_pair_read(&pair, dir, "worker", &err), E_CONFIG);
	assert_non_null(strstr(err.text, "worker.key"));
	/* Halves of two pairs. */
	snprintf(path, sizeof path, "cp '%s/broker.pub' '%s/listener.pub'", dir, dir);
	assert_int_equal(system(path), 0);
	assert_int_equal(curve_pair_read(&pair, dir, "listener", &err), E_CONFIG);
	assert_non_null(strstr(err.text, "does not belong"));
	assert_int_equal(curve_pair_read(&pair, dir, "nobody", &err), -ENOENT);
	remove_dir(dir);
}

static void test_allow_list(void **state)
{
	(void)state;
	char *dir = scratch_dir(), path[128];
	snprintf(path, sizeof path, "%s/list", dir);
	struct curve_pair pair;
	uint8_t binary[CURVE_KEY_LEN], other[CURVE_KEY_LEN] = {1};
	struct error err;
	assert_int_equal(curve_pair_new(&pair, &err), 0);
	assert_non_null(zmq_z85_decode(binary, pair.public_key));
	assert_int_equal(curve_allow_append(path, "# listeners of site A", "", &err), 0);
	assert_int_equal(curve_allow_append(path, "", "", &err), 0);
	struct curve_allow allow;
	assert_int_equal(curve_allow_read(&allow, path, &err), E_CONFIG); /* " ": no key */
	assert_non_null(strstr(err.text, "line 2"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(curve_allow_append(path, "# listeners of site A", "", &err), 0);
	assert_int_equal(curve_allow_append(path, pair.public_key, "hall 3", &err), 0);
	curve_pair_free(&pair);
	assert_int_equal(curve_allow_read(&allow, path, &err), 0);
	assert_int_equal(allow.n_keys, 1);
	assert_true(curve_allow_has(&allow, binary));
	assert_false(curve_allow_has(&allow, other));
	curve_allow_free(&allow);
	assert_int_equal(curve_allow_read(&allow, "/nonexistent/list", &err), -ENOENT);
	remove_dir(dir);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, loop_setup, loop_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_curve_roles),
		CASE(test_curve_reload),
		CASE(test_curve_rotation),
		CASE(test_echo_tcp_and_curve),
		cmocka_unit_test(test_key_files),
		cmocka_unit_test(test_allow_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
