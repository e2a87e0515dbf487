/* SPDX-License-Identifier: Apache-2.0 */
/* The directory among the sources of names, and beside them: which of them is asked, and what its
 * answers and failures lead to. directory_ask() is replaced; the real one meets a real directory in
 * tests/e2e/test_directory.py. */
#include "tests/worker/worker_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/conf/conf.h"
#include "worker/connector.h"
#include "worker/directory/directory.h"
#include "worker/resolve/resolve.h"

#define UUID_A "939b524b-13d4-1d18-e487-1c697a6b7a2b"
#define DN     "CN=PC1,OU=AMT,DC=corp,DC=example"
#define TOLD   "by\timport\nfqdn\tlist.example.com\n"

/* What the fake says, and what it was asked. */
static int rc;
static const char *fqdn;
static unsigned asked;
static char asked_fqdn[FQDN_MAX + 1];
static bool asked_groups;

void directory_ask(struct directory *d, struct directory_query *q)
{
	(void)d;
	asked++;
	snprintf(asked_fqdn, sizeof asked_fqdn, "%s", q->fqdn);
	asked_groups = q->groups;
	q->rc = rc < 0 ? error_set(&q->err, rc, "the directory says so") : 0;
	if (rc == 0) {
		snprintf(q->found.dn, sizeof q->found.dn, "%s", DN);
		snprintf(q->found.fqdn, sizeof q->found.fqdn, "%s", fqdn);
		snprintf(q->found.groups, sizeof q->found.groups, "Labs\tCN=Labs\n");
	}
	q->done(q);
}

struct outcome {
	bool done;
	struct resolve_answer a;
	struct directory_computer host; /* only if it was asked */
	bool has_host;
};

static void on_answer(const struct resolve_answer *a, void *arg)
{
	struct outcome *o = arg;
	assert_false(o->done); /* exactly once */
	o->done = true;
	o->a = *a;
	o->has_host = a->host != NULL;
	if (a->host)
		o->host = *a->host;
}

static struct outcome ask(enum job_kind kind, const char *told, bool host, const char *hook_mood)
{
	static struct conf conf;
	uv_loop_t loop;
	struct connector *c = NULL;
	struct resolver *r = NULL;
	struct error err = {0};
	struct outcome o = {0};
	struct resolve_facts f = {.hello = (const uint8_t *)"", .kind = kind, .told = told};
	f.host = host;
	uuid_parse(&f.uuid, UUID_A);
	conf_defaults(&conf);
	snprintf(conf.worker.default_profile, sizeof conf.worker.default_profile, "default");
	if (hook_mood) {
		snprintf(conf.worker.hook.command, sizeof conf.worker.hook.command,
			"tests/worker/hooks.sh");
		setenv("MUSTER_HOOK_MOOD", hook_mood, 1);
		setenv("MUSTER_HOOK_OUT", "/dev/null", 1);
	}
	asked = 0;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(connector_start(&c, &loop, &err), 0);
	assert_int_equal(resolver_open(&r, &conf.worker, c, (struct directory *)&loop, &err), 0);
	resolve_ask(r, &f, on_answer, &o);
	RUN_UNTIL(&loop, o.done, 20000);
	connector_stop(c);
	resolver_close(r);
	worker_test_close(&loop);
	return o;
}

static void test_it_names(void **state)
{
	(void)state;
	rc = 0;
	fqdn = "pc1.corp.example";
	struct outcome o = ask(JOB_SETUP, NULL, false, NULL);
	assert_int_equal(o.a.result, RESOLVE_FOUND);
	assert_string_equal(o.a.source, "directory");
	assert_string_equal(o.a.fqdn, "pc1.corp.example");
	assert_string_equal(o.a.ou, "OU=AMT,DC=corp,DC=example");
	assert_string_equal(o.a.profile, "default");
	assert_string_equal(o.host.dn, DN);
	assert_string_equal(asked_fqdn, "");
	assert_false(asked_groups);
	assert_int_equal(asked, 1);
	ask(JOB_SETUP, NULL, true, NULL);
	assert_true(asked_groups);
	assert_int_equal(asked, 1);
	fqdn = "";
	o = ask(JOB_SETUP, NULL, false, NULL);
	assert_int_equal(o.a.result, RESOLVE_WAIT);
	assert_non_null(strstr(o.a.reason, DN));
}

static void test_it_has_no_answer(void **state)
{
	(void)state;
	static const struct {
		int rc;
		enum resolve_result result;
		const char *says;
	} rows[] = {
		{-ENOENT, RESOLVE_WAIT, "not in the directory"},
		{E_STATE, RESOLVE_FAILED, "says so"}, /* twins */
		{E_LIMIT, RESOLVE_FAILED, "says so"},
		{E_CLOSED, RESOLVE_AWAY, "says so"},
		{-ETIMEDOUT, RESOLVE_AWAY, "says so"},
		{E_AUTH, RESOLVE_AWAY, "says so"},
		{E_CONFIG, RESOLVE_AWAY, "says so"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		rc = rows[i].rc;
		struct outcome o = ask(JOB_SETUP, NULL, true, NULL);
		assert_int_equal(o.a.result, rows[i].result);
		assert_non_null(strstr(o.a.reason, rows[i].says));
		assert_false(o.has_host);
		/* Beside another source: a computer that it does not know is in no group; else
		 * nothing is decided. */
		o = ask(JOB_SETUP, TOLD, true, NULL);
		assert_int_equal(o.a.result, rc == -ENOENT ? RESOLVE_FOUND : rows[i].result);
		assert_int_equal(o.has_host, rc == -ENOENT);
	}
}

static void test_beside_a_list(void **state)
{
	(void)state;
	rc = 0;
	fqdn = "other.corp.example";
	struct outcome o = ask(JOB_SETUP, TOLD, true, NULL);
	assert_string_equal(o.a.source, "import");
	assert_string_equal(o.a.fqdn, "list.example.com");
	assert_string_equal(o.a.ou, "OU=AMT,DC=corp,DC=example");
	assert_string_equal(o.host.groups, "Labs\tCN=Labs\n");
	assert_string_equal(asked_fqdn, "list.example.com");
	o = ask(JOB_SETUP, TOLD "ou\tOU=told\n", true, NULL);
	assert_string_equal(o.a.ou, "OU=told");
	o = ask(JOB_SETUP, TOLD, false, NULL);
	assert_int_equal(o.a.result, RESOLVE_FOUND);
	assert_int_equal(asked, 0);
}

static void test_beside_a_hook(void **state)
{
	(void)state;
	rc = 0;
	fqdn = "other.corp.example";
	struct outcome o = ask(JOB_SETUP, NULL, true, "json");
	assert_string_equal(o.a.source, "hook");
	assert_string_equal(o.a.fqdn, "pc1.corp.example.com");
	assert_string_equal(o.host.dn, DN);
	assert_string_equal(asked_fqdn, "pc1.corp.example.com");
	o = ask(JOB_SETUP, NULL, true, "wait"); /* the hook's word counts */
	assert_int_equal(o.a.result, RESOLVE_WAIT);
	assert_int_equal(asked, 0);
}

/* In upkeep the list stands behind the directory, which follows a name that moves. */
static void test_upkeep(void **state)
{
	(void)state;
	rc = 0;
	fqdn = "moved.corp.example";
	struct outcome o = ask(JOB_MAINTAIN, TOLD, false, NULL);
	assert_string_equal(o.a.fqdn, "moved.corp.example");
	rc = -ENOENT;
	o = ask(JOB_MAINTAIN, TOLD, false, NULL);
	assert_string_equal(o.a.fqdn, "list.example.com");
	rc = E_CLOSED;
	o = ask(JOB_MAINTAIN, TOLD, false, NULL);
	assert_int_equal(o.a.result, RESOLVE_AWAY);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_names),
		cmocka_unit_test(test_it_has_no_answer),
		cmocka_unit_test(test_beside_a_list),
		cmocka_unit_test(test_beside_a_hook),
		cmocka_unit_test(test_upkeep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
