/* SPDX-License-Identifier: Apache-2.0 */
/* The ports of the devices; see ports.h. */
#include "bench/sim/faces/ports.h"

#include "bench/sim/estate.h"
#include "bench/sim/faces/redir.h"
#include "common/base/clock.h"
#include "common/net/listen.h"

#include <errno.h>
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
	struct device *d = &e->devices[(addr - e->opts.first_address) % e->opts.n_devices];
	/* An address that the device has left, or never had: nobody is there. */
	return d->addr == addr ? d : NULL;
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
	if (!d || device_has(d, FAULT_DEAF) || clock_boot_ms() < d->deaf_until_ms ||
		!port_listens(d, p->kind))
		reset(fd);
	else if (kinds[p->kind].redirection)
		redir_accept(p->e, d, fd, peer, kinds[p->kind].tls);
	else
		session_accept(p->e, d, fd, peer, kinds[p->kind].tls);
}

/* ---- listening sockets ---------------------------------------------------------------------- */

static int open_one(struct estate *e, enum port_kind kind, uint16_t number, struct error *err)
{
	struct listen_opts lo = {.device = "lo"};
	const uint8_t any[4] = {0};
	struct port *p = &e->ports[kind];
	*p = (struct port){.e = e, .kind = kind};
	TRY(net_addr_from_bytes(&lo.addr, any, sizeof any, number));
	int fd = listen_socket(&lo, err);
	if (fd < 0)
		return fd;
	struct net_addr at;
	if (kind == PORT_TLS && listen_address(fd, &at) == 0)
		e->opts.port = net_addr_port(&at);
	return acceptor_start(&p->acceptor, e->loop, fd, on_accept, p, err);
}

static int open_all(struct estate *e, uint16_t base, struct error *err)
{
	TRY(open_one(e, PORT_TLS, base, err));
	for (enum port_kind k = 0; k < PORT_N; k++) {
		int number = e->opts.port + kinds[k].offset;
		ENSURE(number > 0 && number <= UINT16_MAX, err, -EADDRNOTAVAIL,
			"port %u has no room for its neighbours", e->opts.port);
		if (k != PORT_TLS)
			TRY(open_one(e, k, (uint16_t)number, err));
	}
	return 0;
}

int ports_open(struct estate *e, struct error *err)
{
	uint16_t base = e->opts.port;
	int rc = open_all(e, base, err);
	for (int i = 0; rc < 0 && base == 0 && i < TRIES_MAX; i++) {
		ports_close(e);
		rc = open_all(e, base, err);
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
