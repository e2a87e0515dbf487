/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under a Hello: accept, read to the end, close, and nothing else; one thread, epoll.
 * What the listener costs beyond this is ours. On SIGTERM it prints its CPU time per connection as
 * JSON.
 *
 *   hello_floor PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG         4096
#define EVENTS_PER_TURN 512
#define READ_MAX        4096

static volatile sig_atomic_t stopped;

static void on_term(int signum)
{
	(void)signum;
	stopped = 1;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, BACKLOG) != 0) {
		perror("hello_floor");
		exit(1);
	}
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: hello_floor PORT\n", stderr);
		return 64;
	}
	struct sigaction act = {.sa_handler = on_term};
	sigaction(SIGTERM, &act, NULL);
	int listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10)), epoll = epoll_create1(0);
	struct epoll_event events[EVENTS_PER_TURN];
	char bytes[READ_MAX];
	unsigned long n_done = 0;
	watch(epoll, listener);
	while (!stopped) {
		int n = epoll_wait(epoll, events, EVENTS_PER_TURN, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener) {
				for (int c;
					(c = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;)
					watch(epoll, c);
				continue;
			}
			ssize_t got;
			while ((got = read(fd, bytes, sizeof bytes)) > 0)
				;
			if (got == 0 || errno != EAGAIN) {
				close(fd);
				n_done++;
			}
		}
	}
	printf("{\"cpu_us_per_hello\": %.2f, \"hellos\": %lu}\n",
		(double)clock() * 1e6 / CLOCKS_PER_SEC / (double)(n_done ? n_done : 1), n_done);
	return 0;
}
