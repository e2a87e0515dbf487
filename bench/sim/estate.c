/* SPDX-License-Identifier: Apache-2.0 */
/* The estate: start, shared port, progress, end; see estate.h. */
#include "bench/sim/estate.h"

#include "bench/sim/quirk.h"
#include "common/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROGRESS_MS 500
#define QUIET_MS    1000 /* --until-configured: nothing happened for so long */

void estate_defaults(struct estate_opts *o)
{
	*o = (struct estate_opts){
		.n_devices = 100,
		.processes = 1,
		.seed = 1,
		.port = 16993,
		.first_address = 0x7F100001, /* 127.16.0.1 */
		.domain = "corp.example.com",
		.n_keys = 32,
		.laws = laws_default,
	};
}

/* ---- set-up --------------------------------------------------------------------------------- */

static int load_roots(struct estate *e, struct error *err)
{
	const char *path = e->opts.roots_file;
	ENSURE(path, err, E_CONFIG, "--roots FILE is needed: what the devices trust");
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	for (X509 *x; e->n_roots < ESTATE_ROOTS_MAX && (x = PEM_read_X509(f, NULL, NULL, NULL));) {
		bool ok = judge_hash_root(&e->roots[e->n_roots++], x);
		X509_free(x);
		if (!ok)
			break;
	}
	fclose(f);
	ENSURE(e->n_roots > 0, err, E_CONFIG, "%s: no certificate in PEM form", path);
	return 0;
}

static void write_device(struct estate *e, const struct device *d)
{
	struct ledger *l = &e->ledger;
	char addr[16], names[1024] = "";
	snprintf(addr, sizeof addr, "%u.%u.%u.%u", d->addr >> 24, (d->addr >> 16) & 255,
		(d->addr >> 8) & 255, d->addr & 255);
	for (int f = 0; f < FAULT_N; f++)
		if (device_has(d, (enum fault)f)) {
			size_t at = strlen(names);
			snprintf(names + at, sizeof names - at, "%s%s/%u", at ? " " : "",
				fault_name((enum fault)f), fault_info((enum fault)f)->version);
		}
	ledger_begin(l, "device", d->id);
	ledger_uint(l, "index", d->index);
	ledger_str(l, "uuid", d->uuid_text);
	ledger_str(l, "addr", addr);
	ledger_str(l, "fqdn", d->fqdn);
	ledger_str(l, "amt", d->as->name);
	ledger_str(l, "faults", names);
	ledger_end(l);
}

struct device *estate_device(const struct estate *e, size_t index)
{
	bool ours = index % e->opts.processes == e->opts.part;
	return ours ? &e->devices[index / e->opts.processes] : NULL;
}

static int make_devices(struct estate *e, struct error *err)
{
	const struct estate_opts *o = &e->opts;
	size_t n = (o->n_devices - o->part + o->processes - 1) / o->processes;
	e->n_devices = n;
	e->devices = calloc(n, sizeof *e->devices);
	e->open = calloc(n, sizeof(struct session *));
	ENSURE(e->devices && e->open, err, -ENOMEM, "no memory for %zu devices", n);
	for (size_t slot = 0; slot < n; slot++) {
		struct device *d = &e->devices[slot];
		size_t i = slot * o->processes + o->part;
		device_identity(d, e->opts.seed, i, e->opts.domain);
		d->laws = &e->opts.laws;
		d->addr = e->opts.first_address + (uint32_t)i;
		d->pool = &e->pool;
		d->roots = e->roots;
		d->n_roots = e->n_roots;
		d->ledger = &e->ledger;
		d->as = personality_pick(&e->personalities, rng_unit(&d->rng));
		dev_psk_make(&d->psk, o->seed, i, d->as->tls.psk ? o->psk : 0);
		d->faults = fault_choose(&e->opts.faults, e->opts.seed, i, d->fault_values);
	}
	for (size_t slot = n; slot-- > 0;) {
		struct device before, *d = &e->devices[slot];
		size_t neighbour = d->index ? d->index - 1 : o->n_devices - 1;
		device_identity(&before, o->seed, neighbour, o->domain);
		quirk_identity(d, &before);
	}
	for (size_t i = 0; i < n; i++) {
		write_device(e, &e->devices[i]);
		device_start(&e->devices[i]);
		if (e->opts.named)
			device_name(&e->devices[i]);
	}
	return 0;
}

/* Two descriptors per device at most: its session and its Hello. */
static void raise_files(size_t n_devices)
{
	struct rlimit lim;
	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return;
	rlim_t want = 2 * n_devices + 256;
	lim.rlim_cur = want < lim.rlim_max ? want : lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim);
}

static void on_prepare(uv_prepare_t *p)
{
	ledger_flush(&((struct estate *)p->data)->ledger);
}

int estate_start(
	struct estate *e, uv_loop_t *loop, const struct estate_opts *opts, struct error *err)
{
	*e = (struct estate){.opts = *opts, .loop = loop, .start_ms = clock_boot_ms()};
	e->ledger.fd = -1;
	raise_files(opts->n_devices);
	TRY(personality_load(&e->personalities, opts->personalities, err));
	if (opts->mix)
		TRY(personality_mix(&e->personalities, opts->mix, err));
	TRY(load_roots(e, err));
	TRY(keypool_open(&e->pool, opts->keys_file, opts->n_keys, err));
	TRY(tlsd_start(e, err));
	TRY(ledger_open(&e->ledger, opts->ledger_file, err));
	ledger_begin(&e->ledger, "run", NULL);
	ledger_uint(&e->ledger, "devices", opts->n_devices);
	ledger_uint(&e->ledger, "part", opts->part);
	ledger_uint(&e->ledger, "seed", opts->seed);
	ledger_str(&e->ledger, "scenario", opts->scenario);
	ledger_uint(&e->ledger, "wall_ms", clock_wall_ms());
	ledger_end(&e->ledger);
	TRY(make_devices(e, err));
	struct port_set own;
	if (!opts->ports)
		TRY(ports_listen(&own, &e->opts, err));
	TRY(ports_open(e, opts->ports ? opts->ports : &own, err));
	uv_prepare_init(loop, &e->flush);
	e->flush.data = e;
	uv_prepare_start(&e->flush, on_prepare);
	return hello_start(e, err);
}

void estate_stop(struct estate *e)
{
	if (e->stopping)
		return;
	e->stopping = true;
	hello_stop(e);
	ports_close(e);
	for (size_t i = 0; i < e->n_devices; i++)
		session_drop_all(e, &e->devices[i], NULL);
	for (size_t i = 0; i < e->n_devices; i++)
		device_final(&e->devices[i]);
	ledger_begin(&e->ledger, "end", NULL);
	ledger_uint(&e->ledger, "hellos", e->counts.hellos);
	ledger_uint(&e->ledger, "late_ms_max", e->counts.late_ms_max);
	ledger_uint(&e->ledger, "cpu_us", clock_cpu_us());
	ledger_end(&e->ledger);
	ledger_flush(&e->ledger);
	uv_prepare_stop(&e->flush);
	uv_close((uv_handle_t *)&e->flush, NULL);
}

void estate_free(struct estate *e)
{
	hello_free(e);
	tlsd_free(e);
	for (size_t i = 0; e->devices && i < e->n_devices; i++)
		device_free(&e->devices[i]);
	free(e->devices);
	free(e->open);
	ledger_close(&e->ledger);
	keypool_close(&e->pool);
	personality_free(&e->personalities);
}

/* ---- run ------------------------------------------------------------------------------------ */

static void print_progress(const struct estate *e, const char *event)
{
	const struct estate_counts *c = &e->counts;
	printf("{%s%s%s\"part\":%u,\"t\":%.3f,\"hellos\":%" PRIu64 ",\"accepted\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"in_session\":%" PRIu64
	       ",\"configured\":%" PRIu64 ",\"cert_refusals\":%" PRIu64
	       ",\"failed_logins\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"violations\":%" PRIu64
	       "}\n",
		event ? "\"event\":\"" : "", event ? event : "", event ? "\"," : "", e->opts.part,
		(double)(clock_boot_ms() - e->start_ms) / 1e3, c->hellos, c->accepted, c->refused,
		c->unanswered, c->in_session, c->configured, c->refusals, c->failed_logins,
		c->requests, c->violations);
	fflush(stdout);
}

static void close_run(struct estate *e)
{
	estate_stop(e);
	print_progress(e, "sim.end");
	uv_close((uv_handle_t *)&e->progress, NULL);
	uv_close((uv_handle_t *)&e->sig_term, NULL);
	uv_close((uv_handle_t *)&e->sig_int, NULL);
}

static void on_progress(uv_timer_t *t)
{
	struct estate *e = t->data;
	print_progress(e, NULL);
	if (!e->opts.until_configured)
		return;
	bool all = e->counts.configured >= e->n_devices && e->counts.in_session == 0;
	if (!all)
		e->quiet_since_ms = 0;
	else if (e->quiet_since_ms == 0)
		e->quiet_since_ms = clock_boot_ms();
	else if (clock_boot_ms() - e->quiet_since_ms >= QUIET_MS)
		close_run(e);
}

static void on_signal(uv_signal_t *s, int number)
{
	struct estate *e = s->data;
	(void)number;
	if (!e->stopping)
		close_run(e);
}

int estate_run(const struct estate_opts *opts, struct error *err)
{
	static struct estate e;
	uv_loop_t loop;
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&loop);
	int rc = estate_start(&e, &loop, opts, err);
	if (rc < 0)
		return rc; /* the program ends: the system frees what is half made */
	uv_timer_init(&loop, &e.progress);
	uv_signal_init(&loop, &e.sig_term);
	uv_signal_init(&loop, &e.sig_int);
	e.progress.data = e.sig_term.data = e.sig_int.data = &e;
	uv_timer_start(&e.progress, on_progress, PROGRESS_MS, PROGRESS_MS);
	uv_signal_start(&e.sig_term, on_signal, SIGTERM);
	uv_signal_start(&e.sig_int, on_signal, SIGINT);
	print_progress(&e, "sim.ready");
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	estate_free(&e);
	return 0;
}
