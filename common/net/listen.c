/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets and the acceptor. See listen.h. */
#include "common/net/listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/net/timer.h"

#define ACCEPTS_PER_TURN 64  /* keeps the loop fair under a flood */
#define REST_MS          100 /* without descriptors: time for connections to end */

struct acceptor {
	uv_poll_t poll;
	struct boot_timer rest;
	int fd; /* -1 once closed */
	bool paused;
	unsigned handles; /* still to close before the memory goes */
	uint64_t failures;
	accept_fn fn;
	void *arg;
};

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int set_options(int fd, const struct listen_opts *opts)
{
	if (opts->addr.sa.sa_family == AF_UNIX)
		return 0;
	TRY(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	if (opts->addr.sa.sa_family == AF_INET6)
		TRY(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	if (opts->reuse_port)
		TRY(set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	if (opts->defer_s)
		TRY(set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, (int)opts->defer_s));
	if (opts->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opts->device,
				    (socklen_t)strlen(opts->device)) < 0)
		return -errno;
	return 0;
}

/* A unix socket file that nobody listens on is left over from a process that died. */
static void remove_stale(const struct net_addr *addr)
{
	struct stat st;
	int fd;

	if (lstat(addr->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, &addr->sa, addr->len) < 0 && errno == ECONNREFUSED)
		unlink(addr->un.sun_path);
	close(fd);
}

static int bind_address(int fd, const struct listen_opts *opts)
{
	if (opts->addr.sa.sa_family != AF_UNIX)
		return bind(fd, &opts->addr.sa, opts->addr.len) < 0 ? -errno : 0;
	remove_stale(&opts->addr);
	/* The mode is set before listen(), so nobody connects under a wider one. */
	if (bind(fd, &opts->addr.sa, opts->addr.len) < 0 ||
		chmod(opts->addr.un.sun_path, opts->unix_mode ? opts->unix_mode : 0600) < 0)
		return -errno;
	return 0;
}

int listen_socket(const struct listen_opts *opts, struct error *err)
{
	char text[NET_ADDR_TEXT_MAX];
	const char *what = "socket";
	int fd = socket(opts->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : 0;

	if (rc == 0) {
		what = "socket options";
		rc = set_options(fd, opts);
	}
	if (rc == 0) {
		what = "bind";
		rc = bind_address(fd, opts);
	}
	if (rc == 0) {
		what = "listen";
		rc = listen(fd, opts->backlog ? opts->backlog : LISTEN_BACKLOG) < 0 ? -errno : 0;
	}
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return error_set(err, rc, "cannot listen on %s: %s: %s", net_addr_text(&opts->addr, text),
		what, strerror(-rc));
}

int listen_address(int fd, struct net_addr *out)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	net_addr_set(out, (struct sockaddr *)&ss, len);
	return 0;
}

static void acceptor_poll(struct acceptor *a);

/* One accept. @return 1 = again, 0 = enough for this turn */
static int accept_one(struct acceptor *a)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof ss;
	struct net_addr peer;
	int fd = accept4(a->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		net_addr_set(&peer, (struct sockaddr *)&ss, len);
		a->fn(fd, &peer, a->arg);
		return 1;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		a->failures++;
		boot_timer_set_in(&a->rest, REST_MS);
		acceptor_poll(a);
		return 0;
	}
	/* Others are errors of one connection that ended in the queue. accept(2) */
	return errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF && errno != EINVAL;
}

static void acceptor_ready(uv_poll_t *poll, int status, int events)
{
	struct acceptor *a = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN && a->fd >= 0 && !a->paused; i++) {
		if (!accept_one(a))
			break;
	}
}

static void acceptor_poll(struct acceptor *a)
{
	if (a->fd < 0)
		return;
	if (a->paused || boot_timer_active(&a->rest))
		uv_poll_stop(&a->poll);
	else
		uv_poll_start(&a->poll, UV_READABLE, acceptor_ready);
}

static void acceptor_rested(struct boot_timer *t, void *arg)
{
	(void)t;
	acceptor_poll(arg);
}

int acceptor_start(
	struct acceptor **out, uv_loop_t *loop, int fd, accept_fn fn, void *arg, struct error *err)
{
	struct acceptor *a = calloc(1, sizeof *a);
	int rc = a ? uv_poll_init(loop, &a->poll, fd) : -ENOMEM;

	if (rc < 0) {
		free(a);
		close(fd);
		return error_set(err, rc, "cannot watch listening socket: %s", uv_strerror(rc));
	}
	a->poll.data = a;
	a->fd = fd;
	a->fn = fn;
	a->arg = arg;
	a->handles = 2;
	boot_timer_init(&a->rest, loop, acceptor_rested, a);
	acceptor_poll(a);
	*out = a;
	return 0;
}

void acceptor_pause(struct acceptor *a, bool paused)
{
	a->paused = paused;
	acceptor_poll(a);
}

uint64_t acceptor_failures(const struct acceptor *a)
{
	return a->failures;
}

static void acceptor_unref(struct acceptor *a)
{
	if (--a->handles == 0)
		free(a);
}

static void acceptor_poll_closed(uv_handle_t *h)
{
	acceptor_unref(h->data);
}

static void acceptor_rest_closed(struct boot_timer *t, void *arg)
{
	(void)t;
	acceptor_unref(arg);
}

void acceptor_close(struct acceptor *a)
{
	if (!a || a->fd < 0)
		return;
	uv_close((uv_handle_t *)&a->poll, acceptor_poll_closed);
	boot_timer_close(&a->rest, acceptor_rest_closed);
	close(a->fd);
	a->fd = -1;
}
