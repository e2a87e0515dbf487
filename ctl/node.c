/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster node: the supervisor of one host, and the container's entry point. It starts the CA, the
 * brokers, the listeners and the workers that the configuration asks for, starts again what ends,
 * with a growing pause, and passes on SIGHUP. On SIGTERM it drains: listeners and workers first,
 * then brokers, then the CA, because a session that still runs may need them. A second SIGTERM is
 * passed to all at once. Children get SIGTERM from the kernel if the supervisor itself is killed.
 * SPEC: architecture D1, D22
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "ctl/command.h"

#define ARGS_MAX         8
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   5000
#define HEALTHY_MS       10000 /* a child that lived this long starts again without a pause */

/* In the order in which they are stopped. */
enum stage { STAGE_FRONT, STAGE_BROKER, STAGE_CA, N_STAGES };

struct child {
	char name[32];
	char program[PATH_MAX];
	char *argv[ARGS_MAX + 1];
	char texts[2][PATH_MAX]; /* arguments made for this child */
	enum stage stage;
	pid_t pid; /* 0 = not running */
	uint64_t started_ms;
	uint32_t backoff_ms;
	uv_timer_t timer;
	struct node *node;
};

struct node {
	uv_loop_t loop;
	struct child *children;
	size_t n_children;
	char bin_dir[PATH_MAX];
	const char *config;
	int n_terms; /* SIGTERMs received */
	uv_signal_t sigchld, sigterm, sigint, sighup;
};

static void start_child(struct child *c)
{
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() == parent)
			execv(c->program, c->argv);
		_exit(127);
	}
	if (pid < 0) {
		LOG_ERROR("node.fork_failed", KV_STR("child", c->name),
			KV_STR("why", strerror(errno)));
		return;
	}
	c->pid = pid;
	c->started_ms = clock_boot_ms();
	LOG_INFO("node.started", KV_STR("child", c->name), KV_INT("pid", pid));
}

static void on_restart(uv_timer_t *timer)
{
	struct child *c = timer->data;
	if (!c->node->n_terms)
		start_child(c);
}

static void signal_stage(struct node *n, enum stage stage, int signum)
{
	for (size_t i = 0; i < n->n_children; i++) {
		if (n->children[i].stage == stage && n->children[i].pid)
			kill(n->children[i].pid, signum);
	}
}

static bool stage_running(const struct node *n, enum stage stage)
{
	for (size_t i = 0; i < n->n_children; i++) {
		if (n->children[i].stage == stage && n->children[i].pid)
			return true;
	}
	return false;
}

/* While draining: the first stage that still runs is the one that must go now. */
static void drain(struct node *n)
{
	for (int stage = STAGE_FRONT; stage < N_STAGES; stage++) {
		if (stage_running(n, (enum stage)stage)) {
			signal_stage(n, (enum stage)stage, SIGTERM);
			return;
		}
	}
	uv_stop(&n->loop);
}

static void child_ended(struct child *c, int status)
{
	uint64_t lived_ms = clock_boot_ms() - c->started_ms;
	bool draining = c->node->n_terms > 0;
	c->pid = 0;
	LOG_EVENT_(draining ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "node.ended",
		KV_STR("child", c->name),
		KV_INT("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
		KV_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
		KV_UINT("lived_ms", lived_ms));
	if (draining) {
		if (!stage_running(c->node, c->stage))
			drain(c->node);
		return;
	}
	if (lived_ms >= HEALTHY_MS)
		c->backoff_ms = 0;
	uint32_t pause = c->backoff_ms;
	c->backoff_ms = pause ? (pause * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pause * 2)
			      : BACKOFF_FIRST_MS;
	uv_timer_start(&c->timer, on_restart, pause, 0);
}

static void on_sigchld(uv_signal_t *handle, int signum)
{
	(void)signum;
	struct node *n = handle->data;
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (size_t i = 0; i < n->n_children; i++) {
			if (n->children[i].pid == pid)
				child_ended(&n->children[i], status);
		}
	}
}

static void on_sigterm(uv_signal_t *handle, int signum)
{
	struct node *n = handle->data;
	n->n_terms++;
	LOG_INFO("node.draining", KV_INT("signal", signum), KV_INT("times", n->n_terms));
	if (n->n_terms == 1) {
		drain(n);
		return;
	}
	for (int stage = STAGE_FRONT; stage < N_STAGES; stage++)
		signal_stage(n, (enum stage)stage, SIGTERM);
}

static void on_sighup(uv_signal_t *handle, int signum)
{
	struct node *n = handle->data;
	for (int stage = STAGE_FRONT; stage < N_STAGES; stage++)
		signal_stage(n, (enum stage)stage, signum);
}

/* ---- which children ------------------------------------------------------------------------- */

static struct child *add_child(struct node *n, enum stage stage, const char *role, unsigned number)
{
	struct child *c = &n->children[n->n_children++];
	c->stage = stage;
	c->node = n;
	snprintf(c->name, sizeof c->name, "%s-%u", role, number);
	return c;
}

static void add_program(
	struct node *n, enum stage stage, const char *role, unsigned number, const char *option)
{
	struct child *c = add_child(n, stage, role, number);
	snprintf(c->program, sizeof c->program, "%.*s/muster-%s", PATH_MAX - 32, n->bin_dir, role);
	snprintf(c->texts[0], sizeof c->texts[0], "%u", number);
	char *args[] = {
		c->program, (char *)"--config", (char *)(uintptr_t)n->config, NULL, NULL, NULL};
	if (option) {
		args[3] = (char *)(uintptr_t)option;
		args[4] = option[2] == 'i' ? c->texts[0] : c->name;
	}
	memcpy(c->argv, args, sizeof args);
}

static void add_ca(struct node *n)
{
	struct child *c = add_child(n, STAGE_CA, "ca", 0);
	snprintf(c->program, sizeof c->program, "%.*s/muster", PATH_MAX - 32, n->bin_dir);
	char *args[] = {c->program, (char *)"ca", (char *)"serve", (char *)"--config",
		(char *)(uintptr_t)n->config, NULL};
	memcpy(c->argv, args, sizeof args);
}

static int add_children(struct node *n, const struct conf *conf)
{
	long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t n_workers =
		conf->node.workers ? conf->node.workers : (uint32_t)(n_cores > 0 ? n_cores : 1);
	n->children = calloc(
		1 + conf->bus.n_brokers + conf->node.listeners + n_workers, sizeof *n->children);
	if (!n->children)
		return -ENOMEM;
	add_ca(n);
	for (uint32_t i = 0; i < conf->bus.n_brokers; i++) {
		if (conf->bus.brokers[i].run)
			add_program(n, STAGE_BROKER, "broker", i, "--index");
	}
	for (uint32_t i = 0; i < n_workers; i++)
		add_program(n, STAGE_FRONT, "worker", i, NULL);
	for (uint32_t i = 0; i < conf->node.listeners; i++)
		add_program(n, STAGE_FRONT, "listener", i, "--name");
	return 0;
}

static int find_bin_dir(struct node *n)
{
	ssize_t len = readlink("/proc/self/exe", n->bin_dir, sizeof n->bin_dir - 1);
	if (len <= 0)
		return -errno;
	n->bin_dir[len] = '\0';
	char *slash = strrchr(n->bin_dir, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

static void watch_signal(struct node *n, uv_signal_t *handle, uv_signal_cb cb, int signum)
{
	uv_signal_init(&n->loop, handle);
	handle->data = n;
	uv_signal_start(handle, cb, signum);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

int command_node(const struct command_line *line, const struct conf *conf)
{
	struct node n = {.config = line->config};
	log_start("node", (enum log_level)conf->log.level, (enum log_format)conf->log.format);
	uv_loop_init(&n.loop);
	if (find_bin_dir(&n) < 0 || add_children(&n, conf) < 0) {
		LOG_ERROR("node.failed", KV_STR("why", strerror(errno)));
		log_stop();
		return COMMAND_FAILED;
	}
	watch_signal(&n, &n.sigchld, on_sigchld, SIGCHLD);
	watch_signal(&n, &n.sigterm, on_sigterm, SIGTERM);
	watch_signal(&n, &n.sigint, on_sigterm, SIGINT);
	watch_signal(&n, &n.sighup, on_sighup, SIGHUP);
	for (size_t i = 0; i < n.n_children; i++) {
		uv_timer_init(&n.loop, &n.children[i].timer);
		n.children[i].timer.data = &n.children[i];
		start_child(&n.children[i]);
	}
	uv_run(&n.loop, UV_RUN_DEFAULT);
	uv_walk(&n.loop, close_handle, NULL);
	uv_run(&n.loop, UV_RUN_DEFAULT);
	uv_loop_close(&n.loop);
	free(n.children);
	LOG_INFO("node.stopped", KV_INT("pid", getpid()));
	log_stop();
	return COMMAND_OK;
}
