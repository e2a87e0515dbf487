/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/harness.h"

static void tick_cb(uv_timer_t *timer)
{
	(void)timer;
}

void run_for(struct bench *t, uint64_t ms)
{
	uint64_t end = clock_boot_ms() + ms;
	while (clock_boot_ms() < end)
		uv_run(&t->loop, UV_RUN_ONCE);
}

size_t log_count(const struct bench *t, const char *event)
{
	char line[8192];
	size_t n = 0;
	FILE *f = fopen(t->log, "r");
	while (f && fgets(line, sizeof line, f))
		n += strstr(line, event) != NULL;
	if (f)
		fclose(f);
	return n;
}

static pid_t spawn(const struct bench *t, const char *program, char *const argv[])
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(t->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execvp(program, argv);
		_exit(127);
	}
	return pid;
}

void redis_start(struct bench *t)
{
	char *argv[] = {"redis-server", "--port", "0", "--unixsocket", t->redis_sock, "--dir",
		t->dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "", NULL};
	t->redis = spawn(t, "redis-server", argv);
}

void broker_start(struct bench *t, int i)
{
	char self[400], program[512], index[8];
	size_t before = log_count(t, "broker.ready");
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0'; /* build/x/tests */
	snprintf(program, sizeof program, "%s/../bin/muster-broker", self);
	snprintf(index, sizeof index, "%d", i);
	char *argv[] = {program, "--config", t->config, "--index", index, NULL};
	t->brokers[i] = spawn(t, program, argv);
	RUN_UNTIL(t, log_count(t, "broker.ready") > before);
}

int stop(struct bench *t, pid_t *pid, int signum)
{
	int status = 0;
	kill(*pid, signum);
	RUN_UNTIL(t, waitpid(*pid, &status, WNOHANG) == *pid);
	*pid = 0;
	return status;
}

void write_config(const struct bench *t, const char *options)
{
	FILE *f = fopen(t->config, "w");
	assert_non_null(f);
	fprintf(f,
		"log: {level: info, format: json}\n"
		"redis: {url: \"unix://%s\"}\n"
		"worker: {run_lease_ms: 5000, waits: {slow_exchange_ms: 1000}}\n"
		"bus:\n  curve: false\n  brokers:\n"
		"    - {front: \"ipc://%s/front0\", back: \"ipc://%s/back0\"}\n"
		"    - {front: \"ipc://%s/front1\", back: \"ipc://%s/back1\"}\n"
		"broker:\n  dispatch_lease_ms: 1000\n  grace_ms: 1000\n%s",
		t->redis_sock, t->dir, t->dir, t->dir, t->dir, options);
	fclose(f);
}

void begun_cb(const struct store_job *job, const struct store_device *dev, const struct error *err,
	void *arg)
{
	struct bench *t = arg;
	(void)job, (void)dev;
	*(err ? &t->n_begin_refused : &t->n_begun) += 1;
}

static void send_ack(struct bus_socket *s, const Muster__V1__Job *job, bool accepted)
{
	Muster__V1__JobAck ack = MUSTER__V1__JOB_ACK__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	ack.job = job->job;
	ack.fence = job->fence;
	ack.accepted = accepted;
	ack.reason = accepted ? "" : "test";
	e.body_case = MUSTER__V1__ENVELOPE__BODY_JOB_ACK;
	e.job_ack = &ack;
	assert_int_equal(bus_send(s, NULL, &e), 0);
}

void send_credit(struct peer *p, int broker, uint32_t slots)
{
	Muster__V1__Credit c = MUSTER__V1__CREDIT__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	c.slots = slots;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_CREDIT;
	e.credit = &c;
	assert_int_equal(bus_send(p->sockets[broker], NULL, &e), 0);
}

void send_done(struct peer *p, int broker, const struct got_job *j)
{
	Muster__V1__Done d = MUSTER__V1__DONE__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	d.job = (char *)(uintptr_t)j->job;
	d.fence = j->fence;
	d.outcome = "done";
	e.body_case = MUSTER__V1__ENVELOPE__BODY_DONE;
	e.done = &d;
	assert_int_equal(bus_send(p->sockets[broker], NULL, &e), 0);
}

static void on_job(struct peer *p, struct bus_socket *s, const Muster__V1__Job *job)
{
	struct error err;
	assert_true(p->n_jobs < MAX_JOBS);
	struct got_job *j = &p->jobs[p->n_jobs++];
	snprintf(j->job, sizeof j->job, "%s", job->job);
	snprintf(j->uuid, sizeof j->uuid, "%s", job->uuid);
	j->fence = job->fence;
	j->hello_len = job->hello.len;
	j->address_len = job->address.len;
	if (p->keep)
		return;
	send_ack(s, job, !p->refuse);
	if (p->refuse)
		return;
	const struct store_lease lease = {j->job, j->uuid, j->fence};
	assert_int_equal(store_begin(p->bench->store, &lease, bus_id(p->bus), 5000, begun_cb,
				 p->bench, &err),
		0);
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	struct peer *p = arg;
	(void)peer;
	switch (e->body_case) {
	case MUSTER__V1__ENVELOPE__BODY_WELCOME:
		*(e->welcome->accepted ? &p->n_welcome : &p->n_refused) += 1;
		snprintf(p->reason, sizeof p->reason, "%s", e->welcome->reason);
		break;
	case MUSTER__V1__ENVELOPE__BODY_VERDICT_BATCH:
		for (size_t i = 0; i < e->verdict_batch->n_verdicts; i++) {
			p->n_verdicts++;
			p->n_by_code[e->verdict_batch->verdicts[i]->code]++;
		}
		break;
	case MUSTER__V1__ENVELOPE__BODY_JOB: on_job(p, s, e->job); break;
	case MUSTER__V1__ENVELOPE__BODY_DRAIN: p->n_drain++; break;
	case MUSTER__V1__ENVELOPE__BODY_PING: bus_pong(s, NULL, e->ping->nonce); break;
	case MUSTER__V1__ENVELOPE__BODY_PONG: p->n_pong++; break;
	default: fail_msg("unexpected message");
	}
}

static void on_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	struct peer *p = arg;
	(void)detail;
	if (event != BUS_UP)
		return;
	p->n_up++;
	bus_register(s, p->worker ? MUSTER__V1__ROLE__ROLE_WORKER : MUSTER__V1__ROLE__ROLE_LISTENER,
		"test");
}

const struct bus_handler peer_handler = {on_message, on_event};

void peer_open(struct bench *t, struct peer *p, bool worker, int n_brokers)
{
	struct error err = {.text = ""};
	char endpoint[128];
	*p = (struct peer){.bench = t, .worker = worker};
	assert_int_equal(
		bus_open(&p->bus, &t->loop, worker ? "worker" : "listener", NULL, &err), 0);
	for (int i = 0; i < n_brokers; i++) {
		snprintf(endpoint, sizeof endpoint, "ipc://%s/%s%d", t->dir,
			worker ? "back" : "front", i);
		assert_int_equal(
			bus_dealer(&p->sockets[i], p->bus, endpoint, 4096, &peer_handler, p, &err),
			0);
	}
	RUN_UNTIL(t, p->n_welcome == (uint32_t)n_brokers);
}

void peer_close(struct peer *p)
{
	bus_close(p->bus);
	p->bus = NULL;
}

void say_hello(struct bench *t, int broker, uint32_t n)
{
	uint8_t raw[841] = {0, 0, 3}, address[4] = {10, 0, (uint8_t)(n >> 8), (uint8_t)n};
	uint8_t uuid[16] = {0x12, 0x34};
	Muster__V1__Hello h = MUSTER__V1__HELLO__INIT, *list[] = {&h};
	Muster__V1__HelloBatch batch = MUSTER__V1__HELLO_BATCH__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	memcpy(uuid + 12, &n, sizeof n);
	h.seq = ++t->next_seq;
	h.raw = (ProtobufCBinaryData){sizeof raw, raw};
	h.address = (ProtobufCBinaryData){sizeof address, address};
	h.uuid = (ProtobufCBinaryData){sizeof uuid, uuid};
	h.received_ms = clock_wall_ms();
	batch.n_hellos = 1;
	batch.hellos = list;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_HELLO_BATCH;
	e.hello_batch = &batch;
	assert_int_equal(bus_send(t->listener.sockets[broker], NULL, &e), 0);
}

uint32_t verdicts(const struct bench *t, Muster__V1__VerdictCode code)
{
	return t->listener.n_by_code[code];
}

static void finished_cb(const struct error *err, void *arg)
{
	struct bench *t = arg;
	if (err)
		fail_msg("finish: %s", err->text);
	t->n_finished++;
}

void finish(struct bench *t, const struct got_job *j)
{
	struct error err;
	const struct store_lease lease = {j->job, j->uuid, j->fence};
	assert_int_equal(
		store_finish(t->store, &lease, "configured", NULL, 0, finished_cb, t, &err), 0);
}

static void counts_cb(const struct store_counts *c, const struct error *err, void *arg)
{
	struct bench *t = arg;
	t->call_done = true;
	if (!err)
		t->counts = *c;
}

const struct store_counts *counts(struct bench *t)
{
	struct error err;
	t->call_done = false;
	memset(&t->counts, 0xff, sizeof t->counts);
	if (store_counts(t->store, counts_cb, t, &err) == 0)
		RUN_UNTIL(t, t->call_done);
	return &t->counts;
}

int bench_setup(void **state)
{
	struct bench *t = calloc(1, sizeof *t);
	struct error err = {.text = ""};
	uv_loop_init(&t->loop);
	uv_timer_init(&t->loop, &t->tick);
	uv_timer_start(&t->tick, tick_cb, 5, 5);
	snprintf(t->dir, sizeof t->dir, "/tmp/muster-broker-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->log, sizeof t->log, "%s/log", t->dir);
	snprintf(t->config, sizeof t->config, "%s/muster.yaml", t->dir);
	snprintf(t->redis_sock, sizeof t->redis_sock, "%s/redis.sock", t->dir);
	redis_start(t);
	write_config(t, "");
	char url[160];
	snprintf(url, sizeof url, "unix://%s", t->redis_sock);
	const struct store_opts opts = {.redis = {.url = url}};
	assert_int_equal(store_open(&t->store, &t->loop, &opts, NULL, NULL, &err), 0);
	if (redis_wait_up(store_redis(t->store), WAIT_MS, &err) < 0)
		fail_msg("%s", err.text);
	*state = t;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *t = *state;
	char command[128];
	peer_close(&t->listener);
	for (int i = 0; i < N_WORKERS; i++)
		peer_close(&t->workers[i]);
	store_close(t->store);
	for (int i = 0; i < N_BROKERS; i++) {
		if (t->brokers[i] <= 0)
			continue;
		kill(t->brokers[i], SIGKILL);
		waitpid(t->brokers[i], NULL, 0);
	}
	if (t->redis > 0) {
		kill(t->redis, SIGKILL);
		waitpid(t->redis, NULL, 0);
	}
	uv_close((uv_handle_t *)&t->tick, NULL);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	int rc = uv_loop_close(&t->loop);
	snprintf(command, sizeof command, "rm -r '%s'", t->dir);
	rc |= system(command);
	free(t);
	return rc;
}
