/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks before use: the configuration and what it points at, provisioning certificates.
 * Each prints one line per finding, says what to do, and exits 1 when something must be changed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/secret.h"
#include "common/bus/curve.h"
#include "common/conf/profile.h"
#include "common/crypto/seal.h"
#include "common/directory/lookup.h"
#include "common/pki/domain.h"
#include "common/pki/provcert.h"
#include "ctl/args.h"
#include "ctl/command.h"

#define PASSWORD_MAX_LEN 256

/* A key that others can read is nobody's. @return 0, also when it cannot be looked at */
static int private_key(const char *path, struct error *err)
{
	struct stat st;
	ENSURE(stat(path, &st) < 0 || (st.st_mode & 077) == 0, err, E_CONFIG,
		"%s: readable by group or others; run chmod 600 on it", path);
	return 0;
}

/* ---- cert check ----------------------------------------------------------------------------- */

static json_t *report_json(const struct provcert_report *report, const struct provcert *pc)
{
	json_t *findings = json_array();
	for (size_t i = 0; i < report->n_findings; i++) {
		const struct provcert_finding *f = &report->findings[i];
		json_array_append_new(findings,
			json_pack("{s:s, s:s, s:s}", "code", provcert_code_name(f->code), "kind",
				f->code < PROVCERT_N_DEFECTS ? "defect" : "warning", "text",
				f->text));
	}
	return json_pack("{s:b, s:s, s:b, s:s, s:i, s:o}", "accept", report->n_defects == 0,
		"verdict", provcert_code_name(provcert_verdict(report)), "sorted", report->sorted,
		"cn", pc ? provcert_cn(pc) : "", "certificates",
		pc ? (int)provcert_chain_len(pc) : 0, "findings", findings);
}

static void report_text(const struct provcert_report *report, const struct provcert *pc)
{
	if (pc)
		printf("%s, %zu certificates%s\n", provcert_cn(pc), provcert_chain_len(pc),
			report->sorted ? " (sorted into leaf, intermediates, root)" : "");
	for (size_t i = 0; i < report->n_findings; i++) {
		const struct provcert_finding *f = &report->findings[i];
		printf("%-8s %-20s %s\n", f->code < PROVCERT_N_DEFECTS ? "refused" : "warning",
			provcert_code_name(f->code), f->text);
	}
	if (report->n_defects == 0)
		puts("accepted");
}

static bool fits_domain(const struct provcert *pc, const char *suffix, json_t *out)
{
	bool relaxed = domain_match(provcert_cn(pc), suffix, DOMAIN_RELAXED);
	bool strict = domain_match(provcert_cn(pc), suffix, DOMAIN_STRICT);
	if (out)
		json_object_set_new(out, "domain",
			json_pack("{s:s, s:b, s:b}", "suffix", suffix, "relaxed", relaxed, "strict",
				strict));
	else
		printf("a device with suffix %s would %s it (releases before 2.6: %s)\n", suffix,
			relaxed ? "take" : "refuse", strict ? "take" : "refuse");
	return relaxed;
}

int command_cert_check(const struct command_line *line, const struct conf *conf)
{
	(void)conf;
	struct error err = {0};
	struct secret password = {0};
	struct provcert *pc = NULL;
	struct provcert_report report = {0};
	if (!line->key) {
		fputs("usage: muster cert check CHAIN.pem --key KEY.pem [--password-file FILE] "
		      "[--domain SUFFIX]\n",
			stderr);
		return COMMAND_USAGE;
	}
	if (line->password_file &&
		secret_read_file(&password, line->password_file, PASSWORD_MAX_LEN, &err) < 0)
		return command_fail(&err);
	if (private_key(line->key, &err) < 0)
		fprintf(stderr, "muster: warning: %s\n", err.text);
	err = (struct error){0};
	int rc = provcert_load(&pc, line->args[0], line->key,
		line->password_file ? &password : NULL, time(NULL), &report, &err);
	secret_free(&password);
	if (rc < 0 && report.n_findings == 0)
		return command_fail(&err);
	bool good = report.n_defects == 0;
	if (line->json) {
		json_t *out = report_json(&report, pc);
		if (line->domain && pc)
			good = fits_domain(pc, line->domain, out) && good;
		command_print_json(out);
	} else {
		report_text(&report, pc);
		if (line->domain && pc)
			good = fits_domain(pc, line->domain, NULL) && good;
	}
	provcert_free(pc);
	return good ? COMMAND_OK : COMMAND_FAILED;
}

/* ---- the configuration and what it points at ------------------------------------------------ */

typedef int (*conf_check_fn)(const struct conf *conf, struct error *err);

static const char *checked_config; /* the file that is being checked */

static int check_profiles(const struct conf *conf, struct error *err)
{
	struct profile_set set = {0};
	TRY(profile_set_load(&set, conf->worker.profiles_dir, conf->keys.masters_dir, err));
	const char *name = conf->worker.default_profile;
	bool found = !*name || profile_set_find(&set, name);
	profile_set_free(&set);
	ENSURE(found, err, E_CONFIG, "worker.default_profile: there is no profile \"%s\" in %s",
		name, conf->worker.profiles_dir);
	return 0;
}

static int check_keks(const struct conf *conf, struct error *err)
{
	struct kek_ring *ring = NULL;
	TRY(kek_ring_load(&ring, conf->keys.kek_dir, conf->keys.kek_current, err));
	kek_ring_free(ring);
	return 0;
}

static int check_provisioning(const struct conf *conf, struct error *err)
{
	ENSURE(conf->worker.n_provisioning, err, E_CONFIG,
		"worker.provisioning: no provisioning certificate; devices that trust by "
		"certificate cannot be set up");
	for (size_t i = 0; i < conf->worker.n_provisioning; i++) {
		const struct conf_chain *c = &conf->worker.provisioning[i];
		struct provcert *pc = NULL;
		struct provcert_report report = {0};
		struct secret password = {0};
		if (*c->key_password_file)
			TRY(secret_read_file(
				&password, c->key_password_file, PASSWORD_MAX_LEN, err));
		int rc = private_key(c->key, err);
		if (rc == 0)
			rc = provcert_load(&pc, c->chain, c->key, password.len ? &password : NULL,
				time(NULL), &report, err);
		secret_free(&password);
		provcert_free(pc);
		TRY(rc);
	}
	return 0;
}

/* What is told of a file that cannot be read: that it is absent is another matter than that this
 * user may not. */
static int check_readable(const char *path, const char *made_by, struct error *err)
{
	if (access(path, R_OK) == 0)
		return 0;
	if (errno == ENOENT)
		return error_set(err, E_CONFIG, "%s is missing; make it with: %s", path, made_by);
	return error_set(err, E_CONFIG, "%s: %s; run this as the user of the programs", path,
		strerror(errno));
}

static int check_bus_keys(const struct conf *conf, struct error *err)
{
	static const char *const roles[] = {"broker", "listener", "worker"};
	static const char *const lists[] = {"front", "back"};
	static const char make[] = "muster keys new";
	char path[PATH_MAX];
	for (size_t i = 0; conf->bus.curve && i < sizeof roles / sizeof roles[0]; i++) {
		struct curve_pair pair;
		snprintf(path, sizeof path, "%s/%s.key", conf->bus.keys_dir, roles[i]);
		TRY(check_readable(path, make, err));
		TRY(curve_pair_read(&pair, conf->bus.keys_dir, roles[i], err));
		curve_pair_free(&pair);
	}
	for (size_t i = 0; conf->bus.curve && i < sizeof lists / sizeof lists[0]; i++) {
		struct curve_allow allow;
		snprintf(path, sizeof path, "%s/allow/%s.keys", conf->bus.keys_dir, lists[i]);
		TRY(check_readable(path, make, err));
		TRY(curve_allow_read(&allow, path, err));
		curve_allow_free(&allow);
	}
	return 0;
}

static int check_ca(const struct conf *conf, struct error *err)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/issuing.pem", conf->ca.dir);
	return check_readable(path, "muster ca init", err);
}

static int check_rules(const struct conf *conf, struct error *err)
{
	struct rules *r = NULL;
	int rc = conf->worker.rules_file[0] ? rules_load(&r, conf->worker.rules_file, err) : 0;
	if (rc == 0 && r)
		rc = args_rules(r, conf, err);
	rules_free(r);
	return rc;
}

static int check_hooks(const struct conf *conf, struct error *err)
{
	const struct conf_hooks *h = &conf->worker.hooks;
	const struct {
		const char *name;
		const struct conf_hook *hook;
	} all[] = {{"hook", &conf->worker.hook}, {"hooks.after_configure", &h->after_configure},
		{"hooks.before_unconfigure", &h->before_unconfigure},
		{"hooks.after_unconfigure", &h->after_unconfigure},
		{"hooks.on_failure", &h->on_failure}};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const char *command = all[i].hook->command;
		ENSURE(!command[0] || access(command, X_OK) == 0, err, E_CONFIG,
			"worker.%s.command: %s: %s", all[i].name, command, strerror(errno));
	}
	return 0;
}

/* The worker itself loads all that a worker loads: what it would not start with is told by it. */
static int check_worker(const struct conf *conf, struct error *err)
{
	(void)conf;
	char program[PATH_MAX], said[ERROR_TEXT_MAX] = "";
	int out[2], status = 0;
	ssize_t len = readlink("/proc/self/exe", program, sizeof program - sizeof "-worker");
	ENSURE(len > 0 && pipe(out) == 0, err, -errno, "muster-worker cannot be run: %s",
		strerror(errno));
	memcpy(program + len, "-worker", sizeof "-worker");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(out[1], STDERR_FILENO);
		execl(program, "muster-worker", "--check", "--config", checked_config, NULL);
		_exit(127);
	}
	close(out[1]);
	size_t n = 0;
	for (ssize_t got;
		n < sizeof said - 1 && (got = read(out[0], said + n, sizeof said - 1 - n)) > 0;)
		n += (size_t)got;
	close(out[0]);
	ENSURE(pid > 0 && waitpid(pid, &status, 0) == pid, err, -errno,
		"muster-worker cannot be run: %s", strerror(errno));
	said[strcspn(said, "\n")] = '\0';
	const char *text = strstr(said, ": ");
	ENSURE(status == 0, err, E_CONFIG, "%s",
		text ? text + 2 : "muster-worker --check has failed");
	return 0;
}

/* Each server, one login each; a refused one ends it, so that no account gets locked. */
static int check_directory(const struct conf *conf, struct error *err)
{
	struct directory_link *link;
	int rc = 0;
	directory_init();
	TRY(directory_link_new(&link, err));
	for (uint32_t i = 0; rc == 0 && i < conf->directory.n_servers; i++)
		rc = directory_try(link, &conf->directory, i, err);
	directory_link_free(link);
	return rc;
}

int command_config_check(const struct command_line *line, const struct conf *conf)
{
	static const struct {
		const char *what;
		conf_check_fn fn;
	} checks[] = {{"profiles", check_profiles}, {"key-encryption keys", check_keks},
		{"provisioning certificates", check_provisioning}, {"bus keys", check_bus_keys},
		{"certificate authority", check_ca}, {"rules", check_rules}, {"hooks", check_hooks},
		{"worker", check_worker}, {"directory", check_directory}};
	json_t *findings = json_array();
	bool good = true;
	checked_config = line->config;
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		struct error err = {0};
		bool ok = checks[i].fn(conf, &err) == 0;
		good = good && ok;
		json_array_append_new(
			findings, json_pack("{s:s, s:b, s:s}", "check", checks[i].what, "accept",
					  ok, "text", ok ? "" : err.text));
		if (!line->json)
			printf("%-26s %s\n", checks[i].what, ok ? "good" : err.text);
	}
	if (line->json)
		command_print_json(json_pack("{s:b, s:o}", "accept", good, "findings", findings));
	else
		json_decref(findings);
	return good ? COMMAND_OK : COMMAND_FAILED;
}
