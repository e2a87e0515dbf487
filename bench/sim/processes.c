/* SPDX-License-Identifier: Apache-2.0 */
/* One estate in several processes; see processes.h. */
#include "bench/sim/processes.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct processes {
	pid_t pids[ESTATE_PROCESSES_MAX];
	struct port_set ports[ESTATE_PROCESSES_MAX];
	unsigned n;
};

/* In the child: does not return. */
static void be_part(struct processes *ps, struct estate_opts o, unsigned part, pid_t parent)
{
	char ledger[PATH_MAX];
	struct error err = {0};
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1); /* it had gone before the line above */
	for (unsigned i = 0; i < o.processes; i++)
		if (i != part)
			ports_unlisten(&ps->ports[i]);
	o.part = part;
	o.ports = &ps->ports[part];
	if (o.ledger_file) {
		snprintf(ledger, sizeof ledger, "%s.%u", o.ledger_file, part);
		o.ledger_file = ledger;
	}
	int rc = estate_run(&o, &err);
	if (rc < 0)
		fprintf(stderr, "muster-sim: part %u: %s\n", part, err.text);
	exit(rc < 0 ? 1 : 0);
}

static void end_all(const struct processes *ps)
{
	for (unsigned i = 0; i < ps->n; i++)
		if (ps->pids[i] > 0)
			kill(ps->pids[i], SIGTERM);
}

/* Reap until none is left. @return whether all ended well */
static bool reap(struct processes *ps, const sigset_t *signals)
{
	bool well = true;
	for (unsigned left = ps->n; left > 0;) {
		int status, which = sigwaitinfo(signals, NULL);
		if (which == SIGTERM || which == SIGINT)
			end_all(ps);
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0; left--) {
			for (unsigned i = 0; i < ps->n; i++)
				if (ps->pids[i] == pid)
					ps->pids[i] = 0;
			if (status == 0)
				continue;
			well = false;
			end_all(ps);
		}
	}
	return well;
}

int processes_run(const struct estate_opts *opts, struct error *err)
{
	static struct processes ps;
	struct estate_opts o = *opts;
	struct keypool pool = {0};
	sigset_t signals, before;
	ENSURE(o.processes <= o.n_devices, err, E_CONFIG, "--processes: more than devices");
	/* The file of keys is made once, not by each. */
	TRY(keypool_open(&pool, o.keys_file, o.n_keys, err));
	keypool_close(&pool);
	TRY(ports_listen(ps.ports, &o, err));
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &before);
	pid_t parent = getpid();
	for (ps.n = 0; ps.n < o.processes; ps.n++) {
		pid_t pid = ps.pids[ps.n] = fork();
		if (pid == 0) {
			sigprocmask(SIG_SETMASK, &before, NULL);
			be_part(&ps, o, ps.n, parent);
		}
		if (pid < 0) {
			error_set(err, -errno, "fork: %s", strerror(errno));
			end_all(&ps);
			break;
		}
	}
	for (unsigned i = 0; i < o.processes; i++)
		ports_unlisten(&ps.ports[i]);
	bool well = reap(&ps, &signals);
	if (err->code)
		return err->code;
	ENSURE(well, err, E_PROTOCOL, "a process of the estate ended badly: see above");
	return 0;
}
