/* SPDX-License-Identifier: Apache-2.0 */
/* The ports of the devices; see ports.h. */
#include "bench/sim/faces/ports.h"

#include "bench/sim/estate.h"
#include "bench/sim/faces/redir.h"
#include "common/base/clock.h"
#include "common/net/listen.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Four free ports in a row are found at the first try unless the machine is crowded. */
#define TRIES_MAX 64

static const struct {
	int offset; /* from the port with TLS */
	bool tls, redirection;
} kinds[PORT_N] = {
	[PORT_CLEAR] = {-1, false, false},
	[PORT_TLS] = {0, true, false},
	[PORT_REDIR] = {1, false, true},
	[PORT_REDIR_TLS] = {2, true, true},
};

bool port_has_tls(enum port_kind kind)
{
	return kinds[kind].tls;
}

/* Something must want the redirection port: SOL or IDER, or KVM, and the listener is on. */
static bool redirection_on(const struct device *d)
{
	return d->set.redir_listener &&
	       (redir_allows(d, "SOL ") || redir_allows(d, "IDER") || redir_allows(d, "KVMR"));
}

bool port_listens(const struct device *d, enum port_kind kind)
{
	const struct tls_setting *tls = &d->committed.setting[TLS_REMOTE];
	if (d->state != DEV_POST)
		return kind == PORT_TLS;
	if (kinds[kind].redirection && !redirection_on(d))
		return false;
	if (kinds[kind].tls)
		return tls->enabled;
	return !tls->enabled || (tls->nonsecure && d->as->clear_ports);
}

/* ---- connections ---------------------------------------------------------------------------- */

static struct device *device_at(struct estate *e, int fd)
{
	struct sockaddr_in to = {0};
	socklen_t len = sizeof to;
	if (getsockname(fd, (struct sockaddr *)&to, &len) != 0)
		return NULL;
	uint32_t addr = ntohl(to.sin_addr.s_addr);
	struct device *d = estate_device(e, (addr - e->opts.first_address) % e->opts.n_devices);
	/* An address that the device has left, or never had: nobody is there. */
	return d && d->addr == addr ? d : NULL;
}

static void reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

static void on_accept(int fd, const struct net_addr *peer, void *arg)
{
	struct port *p = arg;
	struct device *d = device_at(p->e, fd);
	if (!d || device_has(d, FAULT_DEAF) || device_window_closed(d, clock_boot_ms()) ||
		clock_boot_ms() < d->deaf_until_ms || !port_listens(d, p->kind))
		reset(fd);
	else if (kinds[p->kind].redirection)
		redir_accept(p->e, d, fd, peer, kinds[p->kind].tls);
	else
		session_accept(p->e, d, fd, peer, kinds[p->kind].tls);
}

/* ---- listening sockets ---------------------------------------------------------------------- */

/* The sockets of a group are numbered in the order of their making, which is that of the processes:
 * the number is the device's index modulo the processes. */
static int steer(int fd, const struct estate_opts *o)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			(uint32_t)SKF_NET_OFF + offsetof(struct iphdr, daddr)),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, o->first_address),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)o->n_devices),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, o->processes),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
	int rc = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
	return rc < 0 ? -errno : 0;
}

static int listen_one(
	struct port_set *sets, enum port_kind kind, struct estate_opts *o, struct error *err)
{
	struct listen_opts lo = {.device = "lo", .reuse_port = o->processes > 1};
	const uint8_t any[4] = {0};
	for (unsigned i = 0; i < o->processes; i++) {
		int number = o->port + (kind == PORT_TLS ? 0 : kinds[kind].offset);
		ENSURE(number >= 0 && number <= UINT16_MAX, err, -EADDRNOTAVAIL,
			"port %u has no room for its neighbours", o->port);
		TRY(net_addr_from_bytes(&lo.addr, any, sizeof any, (uint16_t)number));
		int fd = sets[i].fd[kind] = listen_socket(&lo, err);
		if (fd < 0)
			return fd;
		struct net_addr at;
		if (kind == PORT_TLS && listen_address(fd, &at) == 0)
			o->port = net_addr_port(&at);
		if (i == 0 && o->processes > 1 && steer(fd, o) < 0)
			return error_set(
				err, -errno, "SO_ATTACH_REUSEPORT_CBPF: %s", strerror(errno));
	}
	return 0;
}

static int listen_all(struct port_set *sets, struct estate_opts *o, struct error *err)
{
	TRY(listen_one(sets, PORT_TLS, o, err));
	for (enum port_kind k = 0; k < PORT_N; k++)
		if (k != PORT_TLS)
			TRY(listen_one(sets, k, o, err));
	return 0;
}

void ports_unlisten(struct port_set *set)
{
	for (enum port_kind k = 0; k < PORT_N; k++)
		if (set->fd[k] >= 0) {
			close(set->fd[k]);
			set->fd[k] = -1;
		}
}

int ports_listen(struct port_set *sets, struct estate_opts *o, struct error *err)
{
	uint16_t base = o->port;
	int rc = -1;
	memset(sets, -1, o->processes * sizeof *sets); /* no descriptor */
	for (int i = 0; rc < 0 && i < (base == 0 ? TRIES_MAX : 1); i++) {
		o->port = base;
		rc = listen_all(sets, o, err);
		for (unsigned p = 0; rc < 0 && p < o->processes; p++)
			ports_unlisten(&sets[p]);
	}
	return rc;
}

int ports_open(struct estate *e, const struct port_set *set, struct error *err)
{
	int rc = 0;
	for (enum port_kind k = 0; k < PORT_N; k++) {
		struct port *p = &e->ports[k];
		*p = (struct port){.e = e, .kind = k};
		int one = acceptor_start(&p->acceptor, e->loop, set->fd[k], on_accept, p, err);
		rc = rc < 0 ? rc : one;
	}
	return rc;
}

void ports_close(struct estate *e)
{
	for (enum port_kind k = 0; k < PORT_N; k++) {
		acceptor_close(e->ports[k].acceptor);
		e->ports[k].acceptor = NULL;
	}
}
