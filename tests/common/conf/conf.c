/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: layers and their order, every class of error with its place, printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/conf.h"
#include "common/conf/schema.h"

static struct conf conf, expected; /* too large for the stack */

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Every class of error: the text and what the message must hold, place first. */
static void test_errors_name_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *place, *says;
	} rows[] = {
		{"node:\n  listenrs: 1\n",
			"f:2:3: node: ", "unknown key \"listenrs\", did you mean \"listeners\"?"},
		{"nodes: {}\n", "f:1:1: ", "unknown key \"nodes\""},
		{"node:\n  workers: many\n",
			"f:2:12: node.workers: ", "not a number from 0 to 256"},
		{"node:\n  workers: 5x\n", "f:2:12: ", "\"5x\" is not a number"},
		{"node:\n  workers: 010\n", "f:2:12: ", "not a number"},
		{"node:\n  workers: -1\n", "f:2:12: ", "not a number"},
		{"node:\n  workers: 257\n", "f:2:12: ", "0 to 256"},
		{"node:\n  workers: 99999999999999999999\n", "f:2:12: ", "0 to 256"},
		{"node:\n  workers:\n", "f:2:11: ", "not a number"},
		{"node: 5\n", "f:1:7: node: ", "must be a section"},
		{"node:\n  workers: [1]\n", "f:2:12: ", "must be a single value"},
		{"listener:\n  addresses: x\n", "f:2:14: listener.addresses: ", "must be a list"},
		{"log:\n  level: loud\n", "f:2:10: log.level: ", "debug, info, warn, error"},
		{"bus: {curve: maybe}\n", "f:1:14: bus.curve: ", "not true or false"},
		{"node: {workers: 1}\nnode: {workers: 2}\n", "f:1:1: node: ", "given twice"},
		{"node:\n  workers: 1\n bad: 2\n", "f:3:2: ", "did not find expected key"},
		{"node: &a {workers: 1}\nlog: *a\n", "f:1:11: log: ", "unknown key"},
		{"node: {listeners: &a 1, workers: *a}\n", "f: YAML alias unsupported", "line: 1"},
		{"bus: {brokers: [{frnt: x}]}\n",
			"f:1:18: bus.brokers[0]: ", "unknown key \"frnt\""},
		{"bus: {brokers: [{front: 'tcp://a:1'}]}\n",
			"f:1:17: bus.brokers[0]: ", "front and back"},
		{"bus: {brokers: []}\n", "f:1:7: bus.brokers: ", "at least one"},
		{"redis: {url: 'http://x'}\n", "f:1:9: redis.url: ", "unix:///path"},
		{"redis: {url: 'redis://:secret@x:1'}\n", "f:1:9: redis.url: ", "password_file"},
		{"redis: {partition: 'a}b'}\n", "f:1:9: redis.partition: ", "letters"},
		{"listener: {addresses: ['[::]:1', 'x']}\n",
			"f:1:34: listener.addresses[1]: ", "ADDRESS:PORT"},
		{"listener: {addresses: ['1.2.3.4:65536']}\n", "f:1:24: ", "ADDRESS:PORT"},
		{"listener: {proxy_protocol: true}\n", "f:1:12: ", "proxy_addresses"},
		{"listener: {proxy_addresses: [10.0.0.0/33]}\n", "f:1:30: ", "ADDRESS/BITS"},
		{"worker: {retry_min_s: 1000}\n", "f:1:10: worker.retry_min_s: ", "above"},
		{"worker: {waits: {session_s: 10}}\n", "f:1:10: worker.waits.phase_a_s: ", "above"},
		{"worker: {provisioning: [{chain: x}]}\n", "f:1:25: ", "needs chain and key"},
		{"worker: {default_profile: ../x}\n", "f:1:10: ", "name of a profile"},
		{"worker: {hook: {url: 'http://10.1.2.3/'}}\n",
			"f:1:17: worker.hook.url: ", "https"},
		{"worker: {hook: {url: 'http://localhost.evil/'}}\n", "f:1:17: ", "https"},
		{"worker: {hook: {url: 'https://u:p@h/'}}\n", "f:1:17: ", "user or password"},
		{"worker: {hook: {url: 'https://h/', command: x}}\n", "f:1:17: ", "not both"},
		{"worker: {hooks: {on_failure: {url: 'https://h/'}}}\n", "f:1:", "secret_file"},
		{"worker: {hooks: {retry_min_s: 9000}}\n",
			"f:1:18: worker.hooks.retry_min_s: ", "above"},
		{"keys: {kek_current: a/b}\n", "f:1:8: keys.kek_current: ", "id of a key"},
		{"ca: {crl_url: 'https://x'}\n", "f:1:6: ca.crl_url: ", "http://"},
		{"directory: {servers: ['ldaps://dc1']}\n",
			"f:1:23: directory.servers[0]: ", "HOST:PORT"},
		{"directory: {servers: ['dc1:0x1']}\n", "f:1:23: ", "HOST:PORT"},
		{"directory: {servers: [dc1]}\n", "f:1:1: directory.ca_file: ", "needed"},
		{"directory: {servers: [dc1], ca_file: x, base: corp.example}\n",
			"f:1:1: directory.user: ", "needed"},
		{"directory: {base: corp.example}\n", "f:1:13: directory.base: ", "DC=corp"},
		{"test: {trace_header: true}\n", "f:1:8: test.trace_header: ", "0.0.0.0:9971"},
		{"- a\n", "f:1:1: ", "must be a section"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct error err = {0};
		int rc = conf_load_text(rows[i].text, "f", &conf, &err);
		if (rc != E_CONFIG ||
			strncmp(err.text, rows[i].place, strlen(rows[i].place)) != 0 ||
			!strstr(err.text, rows[i].says))
			fail_msg("%s gave %d \"%s\", expected \"%s\" and \"%s\"", rows[i].text, rc,
				err.text, rows[i].place, rows[i].says);
	}
}

static void test_long_text_is_refused(void **state)
{
	(void)state;
	struct error err = {0};
	char text[CONF_TEXT_MAX + 64];
	snprintf(text, sizeof text, "redis: {user: %0*d}\n", CONF_TEXT_MAX, 1);
	assert_int_equal(conf_load_text(text, "f", &conf, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "f:1:15: redis.user: 256 bytes long"));
}

static void test_nothing_means_defaults(void **state)
{
	(void)state;
	struct error err = {0};
	conf_defaults(&expected);
	assert_int_equal(conf_load_text("", "f", &conf, &err), 0);
	assert_memory_equal(&conf, &expected, sizeof conf);
	assert_int_equal(conf_load_text("# only words\n", "f", &conf, &err), 0);
	assert_memory_equal(&conf, &expected, sizeof conf);
}

/* Firmware that was asked for its password twice resets every connection for a minute: the shortest
 * back-offs of one job together are longer. SPEC: provisioning.md 5 */
static void test_a_frozen_device_is_outlasted(void **state)
{
	(void)state;
	conf_defaults(&conf);
	assert_true((conf.worker.max_attempts - 1) * conf.worker.retry_min_s > 60);
}

/* The example repeats every default: loading it changes nothing. */
static void test_example_holds_the_defaults(void **state)
{
	(void)state;
	struct error err = {0};
	conf_defaults(&expected);
	int rc = conf_load("deploy/muster.example.yaml", &conf, &err);
	if (rc < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(&conf, &expected, sizeof conf);
}

/* Counts the numbers of a section and of what is below it; each must have a range. */
static int numbers_below(const cyaml_schema_field_t *fields, const char *above)
{
	int n = 0;
	for (const cyaml_schema_field_t *f = fields; f->key; f++) {
		char path[YAML_PATH_MAX];
		snprintf(path, sizeof path, "%s%s%s", above, *above ? "." : "", f->key);
		if (f->value.type == CYAML_MAPPING)
			n += numbers_below(f->value.mapping.fields, path);
		if (f->value.type != CYAML_UINT)
			continue;
		n++;
		if (!yaml_range_find(&conf_schema, path))
			fail_msg("%s has no range", path);
	}
	return n;
}

static void test_every_number_has_a_range(void **state)
{
	(void)state;
	int n_ranges = 0;
	for (const struct yaml_range *r = conf_schema.ranges; r->path; r++)
		n_ranges++;
	assert_int_equal(numbers_below(conf_schema.top->mapping.fields, ""), n_ranges);
}

static void test_lists(void **state)
{
	(void)state;
	struct error err = {0};
	static const char text[] = "bus:\n  brokers:\n"
				   "    - {front: 'tcp://a:1', back: 'tcp://a:2'}\n"
				   "    - {front: 'tcp://b:1', back: 'tcp://b:2', run: false}\n"
				   "listener: {addresses: ['127.0.0.1:0']}\n"
				   "test: {trace_header: yes}\n";
	assert_int_equal(conf_load_text(text, "f", &conf, &err), 0);
	assert_int_equal(conf.bus.n_brokers, 2);
	assert_true(conf.bus.brokers[0].run); /* the default inside a list */
	assert_false(conf.bus.brokers[1].run);
	assert_string_equal(conf.bus.brokers[1].back, "tcp://b:2");
	assert_true(conf.bus.curve); /* a sibling keeps its default */
	assert_int_equal(conf.listener.n_addresses, 1);
	assert_true(conf.test.trace_header);
}

static void test_layers(void **state)
{
	(void)state;
	struct error err = {0};
	char dir[] = "/tmp/muster-conf-XXXXXX", path[128], conf_d[128];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/muster.yaml", dir);
	snprintf(conf_d, sizeof conf_d, "%s/conf.d", dir);
	assert_int_equal(mkdir(conf_d, 0700), 0);
	write_file(dir, "muster.yaml",
		"worker: {sessions: 1, max_lost: 2, waits: {connect_ms: 111}}\nnode: {workers: "
		"3}\n");
	write_file(conf_d, "10-a.yaml", "worker: {sessions: 10, max_lost: 10}\n");
	write_file(conf_d, "20-b.yaml", "worker: {sessions: 20}\n");
	write_file(conf_d, "30.yaml.bak", "nonsense\n");
	setenv("MUSTER_NODE_WORKERS", "4", 1);
	setenv("MUSTER_WORKER_WAITS_RUNG_MS", "77", 1);
	setenv("MUSTER_WORKER_HOOK_COMMAND", "/a b\"c: {\\", 1);
	setenv("MUSTER_LISTENER_ADDRESSES", "[\"127.0.0.1:5\"]", 1);
	setenv("MUSTER_LISTENER_PORT_9971_TCP", "tcp://1.2.3.4:9971", 1); /* Kubernetes */
	setenv("MUSTER_VECTORS_ELSEWHERE", "x", 1);                       /* not ours */
	if (conf_load(path, &conf, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(conf.worker.sessions, 20);
	assert_int_equal(conf.worker.max_lost, 10);
	assert_int_equal(conf.worker.waits.connect_ms, 111);
	assert_int_equal(conf.worker.waits.rung_ms, 77);
	assert_int_equal(conf.node.workers, 4);
	assert_string_equal(conf.worker.hook.command, "/a b\"c: {\\");
	assert_string_equal(conf.listener.addresses[0], "127.0.0.1:5");
	assert_int_equal(conf.listener.n_addresses, 1);

	setenv("MUSTER_NODE_WORKERS", "many", 1);
	assert_int_equal(conf_load(path, &conf, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "environment MUSTER_NODE_WORKERS: node.workers: "));
	unsetenv("MUSTER_NODE_WORKERS");
	setenv("MUSTER_NODE_WORKER", "1", 1);
	assert_int_equal(conf_load(path, &conf, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "MUSTER_NODE_WORKER: section node has no such key"));
	unsetenv("MUSTER_NODE_WORKER");
	unsetenv("MUSTER_WORKER_WAITS_RUNG_MS");
	unsetenv("MUSTER_WORKER_HOOK_COMMAND");
	unsetenv("MUSTER_LISTENER_ADDRESSES");
	unsetenv("MUSTER_LISTENER_PORT_9971_TCP");

	write_file(conf_d, "20-b.yaml", "worker: {sessions: 0}\n");
	assert_int_equal(conf_load(path, &conf, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "conf.d/20-b.yaml:1:20: worker.sessions: "));
	static const char *const files[] = {"20-b.yaml", "10-a.yaml", "30.yaml.bak"};
	for (size_t i = 0; i < 3; i++) {
		char file[256];
		snprintf(file, sizeof file, "%s/%s", conf_d, files[i]);
		unlink(file);
	}
	rmdir(conf_d);
	unlink(path);
	assert_int_equal(conf_load(path, &conf, &err), -2);
	assert_non_null(strstr(err.text, path));
	rmdir(dir);
}

static void test_print_loads_again(void **state)
{
	(void)state;
	struct error err = {0};
	struct buf out;
	buf_init(&out, 1 << 20);
	conf_defaults(&expected);
	expected.bus.brokers[1] = (struct conf_broker_end){"tcp://b:1", "ipc:///x y", false};
	expected.bus.n_brokers = 2;
	expected.log.format = CONF_LOG_JSON;
	snprintf(expected.redis.user, sizeof expected.redis.user, "a: \"b\" # c");
	expected.worker.n_provisioning = 1;
	snprintf(expected.worker.provisioning[0].chain, CONF_PATH_MAX, "/chain.pem");
	snprintf(expected.worker.provisioning[0].key, CONF_PATH_MAX, "/key.pem");
	assert_int_equal(conf_print(&expected, &out, &err), 0);
	if (conf_load_text(buf_cstr(&out), "printed", &conf, &err) < 0)
		fail_msg("%s\n%s", err.text, buf_cstr(&out));
	assert_memory_equal(&conf, &expected, sizeof conf);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_name_their_place),
		cmocka_unit_test(test_long_text_is_refused),
		cmocka_unit_test(test_nothing_means_defaults),
		cmocka_unit_test(test_a_frozen_device_is_outlasted),
		cmocka_unit_test(test_example_holds_the_defaults),
		cmocka_unit_test(test_every_number_has_a_range),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_print_loads_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
