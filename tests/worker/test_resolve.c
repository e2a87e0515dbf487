/* SPDX-License-Identifier: Apache-2.0 */
/* Who is this device: table (CSV, YAML, reload), hook in every mood, sources in order. */
#include "tests/worker/worker_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/conf/conf.h"
#include "proto/hello.h"
#include "worker/connector.h"
#include "worker/resolve/resolve.h"
#include "worker/resolve/table.h"

#define UUID_A "939b524b-13d4-1d18-e487-1c697a6b7a2b"
#define UUID_B "11111111-2222-4333-8444-555555555555"

static char dir[64], path[128], out_path[128];

static void write_file(const char *name, const char *text)
{
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/muster-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

/* ---- names ------------------------------------------------------------------------------------
 */

static void test_names(void **state)
{
	(void)state;
	struct resolve_answer a = {0};
	struct error err = {0};
	assert_int_equal(fqdn_set(a.fqdn, "Host.Example.COM.", &err), 0);
	assert_string_equal(a.fqdn, "host.example.com");
	static const char *const bad[] = {"", ".", "host", "a..b", "-a.b", "a-.b", "a b.c", "a.b\n",
		"a.<b", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.b"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(fqdn_set(a.fqdn, bad[i], &err), E_CONFIG);
	assert_int_equal(resolve_set_field(&a, "otp", "AAECAwQFBgc=", &err), 0);
	assert_int_equal(a.otp_len, 8);
	assert_int_equal(resolve_set_field(&a, "otp", "AAEC", &err), E_CONFIG);
	char pin[97];
	memset(pin, 'a', sizeof pin);
	pin[96] = '\0';
	assert_int_equal(resolve_set_field(&a, "pin", pin, &err), 0); /* SHA-384 */
	assert_string_equal(a.pin, pin);
	assert_int_equal(resolve_set_field(&a, "pin", pin + 32, &err), 0); /* SHA-256 */
	assert_int_equal(strlen(a.pin), 64);
	assert_int_equal(resolve_set_field(&a, "pin", "", &err), 0); /* none */
	assert_int_equal(resolve_set_field(&a, "pin", pin + 33, &err), E_CONFIG);
	assert_int_equal(resolve_set_field(&a, "pin", pin + 56, &err), E_CONFIG); /* SHA-1 */
	pin[40] = 'g';
	assert_int_equal(resolve_set_field(&a, "pin", pin, &err), E_CONFIG);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static struct resolve_answer got;

static void on_told(const struct resolve_answer *a, void *arg)
{
	(void)arg;
	got = *a;
}

/* A list wins over the table at setup; in upkeep the table follows a name that moves. */
static void test_told(void **state)
{
	(void)state;
	struct resolver *r = NULL;
	struct error err = {0};
	static struct conf_worker table = {.default_profile = "default"};
	write_file("told.csv", "uuid,fqdn\n" UUID_A ",table.example.com\n");
	snprintf(table.devices_file, sizeof table.devices_file, "%s", path);
	assert_int_equal(resolver_open(&r, &table, NULL, NULL, &err), 0);
	struct resolve_facts facts = {.told = "by\timport\nfqdn\tlist.example.com\nou\tOU=x\n"};
	uuid_parse(&facts.uuid, UUID_A);
	assert_null(resolve_ask(r, &facts, on_told, NULL));
	assert_string_equal(got.source, "import");
	assert_string_equal(got.fqdn, "list.example.com");
	assert_string_equal(got.profile, "default");
	assert_string_equal(got.ou, "OU=x");
	facts.kind = JOB_MAINTAIN;
	assert_null(resolve_ask(r, &facts, on_told, NULL));
	assert_string_equal(got.fqdn, "table.example.com");
	uuid_parse(&facts.uuid, UUID_B); /* not in the table: better the list than reverse DNS */
	assert_null(resolve_ask(r, &facts, on_told, NULL));
	assert_string_equal(got.fqdn, "list.example.com");
	facts.kind = JOB_SETUP;
	facts.told = "by\tadopt\n"; /* names nothing */
	assert_null(resolve_ask(r, &facts, on_told, NULL));
	assert_int_equal(got.result, RESOLVE_WAIT);
	resolver_close(r);
}

/* ---- table --------------------------------------------------------------------------------------
 */

static bool find(struct table *t, const char *uuid, struct resolve_answer *a)
{
	struct uuid u;
	struct error err = {0};
	*a = (struct resolve_answer){0};
	assert_int_equal(uuid_parse(&u, uuid), 0);
	return table_find(t, &u, a, &err);
}

static void test_table_csv(void **state)
{
	(void)state;
	struct table *t = NULL;
	struct error err = {0};
	struct resolve_answer a;
	write_file("d.csv",
		"uuid,fqdn,profile,ou,otp\r\n# a comment\n" UUID_A
		",PC1.corp.example.com,kiosk,\"OU=a,DC=\"\"b\"\"\",AAECAwQFBgc=\n\n" UUID_B
		",pc2.corp.example.com,,,\n");
	assert_int_equal(table_open(&t, path, &err), 0);
	assert_int_equal(table_size(t), 2);
	assert_true(find(t, UUID_A, &a));
	assert_string_equal(a.fqdn, "pc1.corp.example.com");
	assert_string_equal(a.profile, "kiosk");
	assert_string_equal(a.ou, "OU=a,DC=\"b\"");
	assert_int_equal(a.otp_len, 8);
	assert_true(find(t, UUID_B, &a));
	assert_string_equal(a.profile, "");
	assert_false(find(t, "00000000-0000-4000-8000-000000000001", &a));
	/* A row that is missing is looked for in the file at once: written, kicked, found. */
	write_file(
		"d.csv", "uuid,fqdn\n00000000-0000-4000-8000-000000000001,late.corp.example.com\n");
	assert_true(find(t, "00000000-0000-4000-8000-000000000001", &a));
	/* Reloaded when changed; a broken version leaves the old one. */
	write_file("d.csv", "uuid,fqdn\n" UUID_B ",new.corp.example.com\n");
	table_touch(t);
	assert_false(find(t, UUID_A, &a));
	assert_true(find(t, UUID_B, &a));
	assert_string_equal(a.fqdn, "new.corp.example.com");
	write_file("d.csv", "uuid,fqdn\nnonsense,broken.corp.example.com\n");
	table_touch(t);
	struct uuid u;
	uuid_parse(&u, UUID_B);
	assert_true(table_find(t, &u, &a, &err));
	assert_non_null(strstr(err.text, "d.csv:2"));
	table_close(t);
}

static void test_table_yaml(void **state)
{
	(void)state;
	struct table *t = NULL;
	struct error err = {0};
	struct resolve_answer a;
	write_file("d.yaml", "- uuid: " UUID_A
			     "\n  fqdn: pc1.corp.example.com\n  profile: kiosk\n- {uuid: " UUID_B
			     ", fqdn: pc2.corp.example.com}\n");
	assert_int_equal(table_open(&t, path, &err), 0);
	assert_int_equal(table_size(t), 2);
	assert_true(find(t, UUID_A, &a));
	assert_string_equal(a.profile, "kiosk");
	table_close(t);
}

static void test_table_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *says;
	} rows[] = {
		{"a.csv", "uuid,name\n", "unknown column"},
		{"b.csv", "profile\n", "columns uuid and fqdn"},
		{"c.csv", "uuid,fqdn\n" UUID_A "\n", "c.csv:2"},
		{"d.csv", "uuid,fqdn\n" UUID_A ",a.b\n" UUID_A ",c.d\n", "second time"},
		{"e.csv", "uuid,fqdn\nx,a.b\n", "not a UUID"},
		{"f.csv", "uuid,fqdn\n" UUID_A ",\"a.b\"x\n", "f.csv:2"},
		{"g.yaml", "uuid: x\n", "list of maps"},
		{"h.yaml", "- {uuid: x}\n", "not a UUID"},
		{"i.yaml", "- [a]\n", "list inside"},
		{"j.yaml", "- {name: x}\n", "unknown key"},
		{"k.yaml", "- {uuid: \"x\n", "k.yaml:"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct table *t = NULL;
		struct error err = {0};
		write_file(rows[i].name, rows[i].text);
		assert_true(table_open(&t, path, &err) < 0);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].name, err.text,
				rows[i].says);
	}
}

/* ---- hook
 * ------------------------------------------------------------------------------------------ */

struct asked {
	bool done;
	struct resolve_answer a;
};

static void on_answer(const struct resolve_answer *a, void *arg)
{
	struct asked *x = arg;
	assert_false(x->done); /* exactly once */
	x->done = true;
	x->a = *a;
}

static const uint8_t hello_psk[32] = {1, 0, 2, 0, 3, 0, 0, 0, 0x4b, 0x52, 0x9b, 0x93, 0xd4, 0x13,
	0x18, 0x1d, 0xe4, 0x87, 0x1c, 0x69, 0x7a, 0x6b, 0x7a, 0x2b, '0', '0', '0', '1', '0', '0',
	'0', '4'};

static struct resolve_facts facts(void)
{
	struct resolve_facts f = {
		.hello = hello_psk, .hello_len = sizeof hello_psk, .amt = "12.0.67"};
	assert_int_equal(uuid_parse(&f.uuid, UUID_A), 0);
	assert_int_equal(net_addr_from_host(&f.address, "10.1.2.3", 16993, NULL), 0);
	return f;
}

static struct conf conf; /* 60 KB: not on the stack */

static struct asked run_hook(const char *mood, enum conf_hook_mode mode, uint32_t timeout_s)
{
	uv_loop_t loop;
	struct connector *c = NULL;
	struct resolver *r = NULL;
	struct error err = {0};
	struct asked x = {0};
	conf_defaults(&conf);
	conf.worker.hook.mode = mode;
	conf.worker.hook.timeout_s = timeout_s;
	snprintf(
		conf.worker.hook.command, sizeof conf.worker.hook.command, "tests/worker/hooks.sh");
	snprintf(conf.worker.default_profile, sizeof conf.worker.default_profile, "default");
	snprintf(out_path, sizeof out_path, "%s/seen", dir);
	setenv("MUSTER_HOOK_MOOD", mood, 1);
	setenv("MUSTER_HOOK_OUT", out_path, 1);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(connector_start(&c, &loop, &err), 0);
	assert_int_equal(resolver_open(&r, &conf.worker, c, NULL, &err), 0);
	struct resolve_facts f = facts();
	assert_non_null(resolve_ask(r, &f, on_answer, &x));
	RUN_UNTIL(&loop, x.done, 20000);
	connector_stop(c);
	resolver_close(r);
	worker_test_close(&loop);
	return x;
}

static char *seen(void)
{
	static char text[4096];
	FILE *f = fopen(out_path, "re");
	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void test_hook_json(void **state)
{
	(void)state;
	struct asked x = run_hook("json", CONF_HOOK_JSON, 30);
	assert_int_equal(x.a.result, RESOLVE_FOUND);
	assert_string_equal(x.a.fqdn, "pc1.corp.example.com");
	assert_string_equal(x.a.profile, "p1");
	assert_string_equal(x.a.ou, "OU=a");
	assert_int_equal(x.a.otp_len, 8);
	static const char *const keys[] = {"\"v\":1", "\"uuid\":\"" UUID_A "\"",
		"\"address\":\"10.1.2.3\"", "\"hello_version\":2", "\"pid\":\"00010004\"",
		"\"retry\":3", "\"hashes\":[]", "\"amt\":\"12.0.67\"", "\"kind\":\"setup\""};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (!strstr(seen(), keys[i]))
			fail_msg("the hook was not told %s but %s", keys[i], seen());
}

static void test_hook_args(void **state)
{
	(void)state;
	struct asked x = run_hook("args", CONF_HOOK_ARGS, 30);
	assert_int_equal(x.a.result, RESOLVE_FOUND);
	assert_string_equal(x.a.fqdn, "pc2.corp.example.com");
	assert_string_equal(x.a.profile, "p2");
	assert_string_equal(seen(),
		"uuid=" UUID_A "\naddress=10.1.2.3\nhello_version=2\npid=00010004\n"
		"amt=12.0.67\nkind=setup\n");
}

static void test_hook_moods(void **state)
{
	(void)state;
	static const struct {
		const char *mood;
		enum resolve_result result;
		const char *says;
		uint32_t timeout_s;
	} rows[] = {
		{"wait", RESOLVE_WAIT, "not in the book yet", 30},
		{"waitjson", RESOLVE_WAIT, "ask again", 30},
		{"hang", RESOLVE_FAILED, "timed_out: stopped at its time limit of 1 s", 1},
		{"crash", RESOLVE_FAILED, "crashed: ended by signal 11", 30},
		{"fail", RESOLVE_FAILED, "exit_status: exit status 3 no database", 30},
		{"flood", RESOLVE_FAILED, "flooded: it wrote more than 64 KiB", 30},
		{"nonsense", RESOLVE_FAILED, "nonsense: its answer is not a JSON object", 30},
		{"badname", RESOLVE_FAILED, "no domain", 30},
		{"noname", RESOLVE_FAILED, "no fqdn", 30},
		{"wrongtype", RESOLVE_FAILED, "must be text", 30},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t began = clock_boot_ms();
		struct asked x = run_hook(rows[i].mood, CONF_HOOK_JSON, rows[i].timeout_s);
		if (x.a.result != rows[i].result || !strstr(x.a.reason, rows[i].says))
			fail_msg("%s: %d \"%s\"", rows[i].mood, x.a.result, x.a.reason);
		assert_true(clock_boot_ms() - began < 15000);
	}
}

/* A child left behind is in the hook's group: it dies with it, and the answer does not wait. */
static void test_hook_fork(void **state)
{
	(void)state;
	uint64_t began = clock_boot_ms();
	struct asked x = run_hook("fork", CONF_HOOK_JSON, 60);
	assert_int_equal(x.a.result, RESOLVE_FOUND);
	assert_string_equal(x.a.profile, "default");
	assert_true(clock_boot_ms() - began < 15000);
}

/* Without any source the device waits, with words; a name without profile waits too. */
static void test_nobody(void **state)
{
	(void)state;
	uv_loop_t loop;
	struct connector *c = NULL;
	struct resolver *r = NULL;
	struct error err = {0};
	struct asked x = {0};
	struct resolve_facts f = facts();
	conf_defaults(&conf);
	write_file("t.csv", "uuid,fqdn\n" UUID_B ",pc2.corp.example.com\n");
	snprintf(conf.worker.devices_file, sizeof conf.worker.devices_file, "%s", path);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(connector_start(&c, &loop, &err), 0);
	assert_int_equal(resolver_open(&r, &conf.worker, c, NULL, &err), 0);
	assert_null(resolve_ask(r, &f, on_answer, &x));
	assert_true(x.done);
	assert_int_equal(x.a.result, RESOLVE_WAIT);
	assert_non_null(strstr(x.a.reason, "unknown device"));
	x = (struct asked){0};
	uuid_parse(&f.uuid, UUID_B);
	assert_null(resolve_ask(r, &f, on_answer, &x));
	assert_int_equal(x.a.result, RESOLVE_WAIT);
	assert_non_null(strstr(x.a.reason, "no profile"));
	connector_stop(c);
	resolver_close(r);
	worker_test_close(&loop);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_table_csv),
		cmocka_unit_test(test_table_yaml),
		cmocka_unit_test(test_table_refused),
		cmocka_unit_test(test_hook_json),
		cmocka_unit_test(test_hook_args),
		cmocka_unit_test(test_hook_moods),
		cmocka_unit_test(test_hook_fork),
		cmocka_unit_test(test_nobody),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
