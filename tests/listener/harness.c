/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/listener/harness.h"

static void send_verdict(struct fake_broker *b, uint64_t seq, Muster__V1__VerdictCode code)
{
	Muster__V1__Verdict v = MUSTER__V1__VERDICT__INIT, *list[] = {&v};
	Muster__V1__VerdictBatch batch = MUSTER__V1__VERDICT_BATCH__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	v.seq = seq;
	v.code = code;
	batch.n_verdicts = 1;
	batch.verdicts = list;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_VERDICT_BATCH;
	e.verdict_batch = &batch;
	bus_send(b->socket, b->last_peer, &e);
}

void answer_held(struct fake_broker *b, Muster__V1__VerdictCode code)
{
	for (uint32_t i = 0; i < b->n_held; i++)
		send_verdict(b, b->held[i], code);
	b->n_held = 0;
}

static void on_hello(struct fake_broker *b, const Muster__V1__Hello *h)
{
	b->n_hellos++;
	b->last_raw_len = h->raw.len;
	b->last_address_len = h->address.len;
	memcpy(b->last_address, h->address.data, h->address.len);
	assert_int_equal(h->uuid.len, 16);
	if (!b->silent)
		send_verdict(b, h->seq, b->code);
	else if (b->n_held < 64)
		b->held[b->n_held++] = h->seq;
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	struct fake_broker *b = arg;
	snprintf(b->last_peer, sizeof b->last_peer, "%s", peer);
	if (e->body_case == MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER) {
		Muster__V1__Welcome w = MUSTER__V1__WELCOME__INIT;
		Muster__V1__Envelope out = MUSTER__V1__ENVELOPE__INIT;
		assert_int_equal(e->register_peer->role, MUSTER__V1__ROLE__ROLE_LISTENER);
		w.accepted = true;
		out.body_case = MUSTER__V1__ENVELOPE__BODY_WELCOME;
		out.welcome = &w;
		bus_send(s, peer, &out);
	} else if (e->body_case == MUSTER__V1__ENVELOPE__BODY_HELLO_BATCH) {
		assert_true(e->hello_batch->n_hellos <= 16);
		for (size_t i = 0; i < e->hello_batch->n_hellos; i++)
			on_hello(b, e->hello_batch->hellos[i]);
	}
}

static const struct bus_handler handler = {.message = on_message};

static void tick_cb(uv_timer_t *timer)
{
	(void)timer;
}

void broker_start(struct bench *t, int i)
{
	struct fake_broker *b = &t->brokers[i];
	struct error err = {.text = ""};
	b->code = MUSTER__V1__VERDICT_CODE__VERDICT_NEW;
	if (bus_open(&b->bus, &t->loop, "broker", NULL, &err) != 0 ||
		bus_router(&b->socket, b->bus, b->endpoint, "front", 8192, &handler, b, &err) != 0)
		fail_msg("%s", err.text);
}

void broker_stop(struct bench *t, int i)
{
	bus_close(t->brokers[i].bus);
	t->brokers[i].bus = NULL;
}

const char *log_line(const struct bench *t, const char *event)
{
	static char found[8192];
	char line[8192];
	FILE *f = fopen(t->log, "r");
	found[0] = '\0';
	while (f && fgets(line, sizeof line, f))
		if (strstr(line, event))
			memcpy(found, line, sizeof found);
	if (f)
		fclose(f);
	return found[0] ? found : NULL;
}

long log_number(const struct bench *t, const char *event, const char *key)
{
	const char *line = log_line(t, event);
	json_t *json = line ? json_loads(line, 0, NULL) : NULL;
	json_t *value = json ? json_object_get(json, key) : NULL;
	long n = json_is_integer(value) ? (long)json_integer_value(value) : 0;
	json_decref(json);
	return n;
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

void report(struct bench *t)
{
	size_t before = log_count(t, "listener.uplink");
	kill(t->pid, SIGUSR1);
	RUN_UNTIL(t, log_count(t, "listener.uplink") > before);
}

long counter(struct bench *t, const char *key)
{
	report(t);
	return log_number(t, "listener.counters", key);
}

void listener_start(struct bench *t, const char *options)
{
	char config[256], self[400], program[512];
	snprintf(config, sizeof config, "%s/muster.yaml", t->dir);
	FILE *f = fopen(config, "w");
	assert_non_null(f);
	fprintf(f,
		"log: {level: info, format: json}\n"
		"bus:\n  curve: false\n  brokers:\n"
		"    - {front: \"%s\", back: \"ipc:///nowhere/a\"}\n"
		"    - {front: \"%s\", back: \"ipc:///nowhere/b\"}\n"
		"listener:\n  addresses: [\"127.0.0.1:0\"]\n%s",
		t->brokers[0].endpoint, t->brokers[1].endpoint, options);
	fclose(f);
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0'; /* build/x/tests */
	snprintf(program, sizeof program, "%s/../bin/muster-listener", self);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0) {
		int fd = open(t->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, STDERR_FILENO);
		execl(program, program, "--config", config, (char *)NULL);
		_exit(127);
	}
	RUN_UNTIL(t, log_line(t, "listener.ready"));
	t->port = (uint16_t)log_number(t, "listener.ready", "port");
	assert_true(t->port > 0);
}

void wait_brokers(struct bench *t, size_t n)
{
	RUN_UNTIL(t, log_count(t, "broker.ready") >= n);
}

int listener_stop(struct bench *t, int signum)
{
	int status = 0;
	if (t->pid <= 0)
		return 0;
	kill(t->pid, signum);
	RUN_UNTIL(t, waitpid(t->pid, &status, WNOHANG) == t->pid);
	t->pid = 0;
	return status;
}

int bench_setup(void **state)
{
	struct bench *t = calloc(1, sizeof *t);
	uv_loop_init(&t->loop);
	uv_timer_init(&t->loop, &t->tick);
	uv_timer_start(&t->tick, tick_cb, 5, 5);
	snprintf(t->dir, sizeof t->dir, "/tmp/muster-listener-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->log, sizeof t->log, "%s/log", t->dir);
	for (int i = 0; i < N_BROKERS; i++)
		snprintf(t->brokers[i].endpoint, sizeof t->brokers[i].endpoint, "ipc://%s/front%d",
			t->dir, i);
	*state = t;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *t = *state;
	char command[128];
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	for (int i = 0; i < N_BROKERS; i++)
		bus_close(t->brokers[i].bus);
	uv_close((uv_handle_t *)&t->tick, NULL);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	int rc = uv_loop_close(&t->loop);
	snprintf(command, sizeof command, "rm -r '%s'", t->dir);
	rc |= system(command);
	free(t);
	return rc;
}

int device_connect(struct bench *t, const char *from)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET};
	uint32_t n = t->next_device++;
	a.sin_addr.s_addr = from ? inet_addr(from) : htonl(0x7f090001u + n);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(t->port);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

enum ending device_state(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
	assert_int_not_equal(n, 1); /* never a byte. SPEC: ruling 9 */
	if (n == 0)
		return END_FIN;
	return errno == EAGAIN ? END_OPEN : END_RST;
}

enum ending device_wait(struct bench *t, int fd)
{
	enum ending e;
	RUN_UNTIL(t, (e = device_state(fd)) != END_OPEN);
	close(fd);
	return e;
}

size_t make_hello(struct bench *t, uint8_t out[static HELLO_LEN])
{
	uint8_t hash[32] = {7};
	struct hello_hash hashes[24];
	struct hello h = {.version = HELLO_V_PKI, .uuid = {.b = {9, 9}}};
	struct buf buf;
	memcpy(h.uuid.b + 8, &t->next_device, sizeof t->next_device);
	for (int i = 0; i < 24; i++)
		hashes[i] = (struct hello_hash){HELLO_SHA256, sizeof hash, hash};
	buf_init(&buf, HELLO_LEN);
	assert_int_equal(hello_encode(&buf, &h, hashes, 24, NULL), 0);
	size_t len = buf.len;
	memcpy(out, buf.data, len);
	buf_free(&buf);
	return len;
}

int device_say(struct bench *t, const char *from)
{
	uint8_t bytes[HELLO_LEN];
	size_t len = make_hello(t, bytes);
	int fd = device_connect(t, from);
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
	return fd;
}
