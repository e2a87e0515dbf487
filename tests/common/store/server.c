/* SPDX-License-Identifier: Apache-2.0 */
/* See server.h. */
#include "tests/common/store/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define START_MS 20000 /* loading under a sanitizer's load */

bool server_available(void)
{
	if (system("command -v redis-server >/dev/null") == 0)
		return true;
	printf("SKIPPED: there is no redis-server in PATH\n");
	return false;
}

void server_init(struct server *s, const char *conf)
{
	memset(s, 0, sizeof *s);
	s->conf = conf;
	snprintf(s->dir, sizeof s->dir, "/tmp/muster-store-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->url, sizeof s->url, "unix://%s/s", s->dir);
}

static void server_exec(const struct server *s)
{
	char sock[96], log[96];
	const char *argv[16 + SERVER_EXTRA_MAX] = {
		"redis-server", s->conf, "--dir", s->dir, "--unixsocket", sock, "--logfile", log};
	int n = 8;
	snprintf(sock, sizeof sock, "%s/s", s->dir);
	snprintf(log, sizeof log, "%s/log", s->dir);
	for (int i = 0; i < SERVER_EXTRA_MAX && s->extra[i]; i++)
		argv[n++] = s->extra[i];
	argv[n] = NULL;
	/* A test that crashes must not leave a server behind, nor a pipe that a reader waits on. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	execvp("redis-server", (char **)(uintptr_t)argv);
	_exit(127);
}

/* Connected means: it listens; loading is the client's matter. */
static bool server_answers(const struct server *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/s", s->dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
	close(fd);
	return ok;
}

void server_start(struct server *s)
{
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		server_exec(s);
	uint64_t end = clock_boot_ms() + START_MS;
	while (!server_answers(s)) {
		int status = 0;
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			fail_msg("redis-server ended at once: see %s/log", s->dir);
		if (clock_boot_ms() > end)
			fail_msg("redis-server does not answer: see %s/log", s->dir);
		usleep(5000); /* polling with a deadline */
	}
}

void server_kill(struct server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void server_stop(struct server *s)
{
	char command[128];
	server_kill(s);
	if (strncmp(s->dir, "/tmp/muster-store-", 18) != 0)
		return;
	snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
	if (system(command) != 0)
		printf("cannot remove %s\n", s->dir);
}

uint16_t server_free_port(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof addr;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	close(fd);
	return ntohs(addr.sin_port);
}

uint64_t server_cpu_us(const struct server *s)
{
	char path[64];
	unsigned long user = 0, system_time = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)s->pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	int n = fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		&system_time);
	fclose(f);
	return n == 2 ? (user + system_time) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK) : 0;
}
