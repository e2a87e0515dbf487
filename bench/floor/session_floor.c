/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under one provisioning: the same handshakes, exchanges and CA signatures over loopback
 * TCP with nothing around them: blocking sockets, no XML, no HTTP parser, no store, no log. What
 * the worker costs beyond this is ours. The client runs in one thread and its CPU time alone is
 * counted; the device's side runs in another.
 *
 *   session_floor COUNT SETUP SERVER EXCHANGES REQUEST_BYTES ANSWER_BYTES SIGNATURES [VARIANT]
 *
 * per COUNT sessions: SETUP handshakes as the variant says (mutual certificates, or PSK), SERVER
 * handshakes without client certificate, EXCHANGES of the two sizes, spread over the connections,
 * SIGNATURES certificates issued. Prints one line of JSON; limits.md 6 has the fit to expect.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY_MAX 65536
#define BITS     2048
#define CHAIN    6  /* longest on-die chain */
#define PSK_LEN  32 /* SPEC: tls.md, PPS */

/* How a setup session begins. */
struct variant {
	const char *name;
	int our_bits; /* provisioning key; 0 = PSK */
	int n_ondie;  /* certificates of the device's P-384 chain; 0 = self-signed RSA 2048 */
};

static const struct variant variants[] = {
	{"rsa2048", 2048, 0},
	{"rsa3072", 3072, 0},
	{"psk", 0, 0},
	{"ondie4", 2048, 4},
	{"ondie6", 2048, 6},
};

struct plan {
	long n_sessions, n_setup, n_server, n_exchanges, request_len, answer_len, n_signatures;
};

struct side {
	struct plan plan;
	SSL_CTX *setup, *server;
	int listen_fd;
	double cpu_us; /* of the device's side */
};

struct identity {
	EVP_PKEY *key;
	X509 *chain[CHAIN]; /* leaf first */
	int n;
};

static void die(const char *what)
{
	fprintf(stderr, "session_floor: %s\n", what);
	exit(1);
}

static double thread_cpu_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static X509 *make_certificate(EVP_PKEY *key, EVP_PKEY *ca_key, const char *cn)
{
	X509 *cert = X509_new();
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
		(const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	if (!X509_sign(cert, ca_key, EVP_sha256()))
		die("signing failed");
	return cert;
}

/* One self-signed RSA certificate, or a P-384 chain whose links sign each other. */
static struct identity make_identity(int bits, int n_chain, const char *cn)
{
	struct identity id = {.n = n_chain ? n_chain : 1};
	EVP_PKEY *keys[CHAIN] = {0};
	for (int i = 0; i < id.n; i++)
		keys[i] = n_chain ? EVP_EC_gen("P-384") : EVP_RSA_gen((unsigned)bits);
	for (int i = 0; i < id.n; i++)
		id.chain[i] = make_certificate(keys[i], keys[i + 1 < id.n ? i + 1 : i], cn);
	id.key = keys[0];
	for (int i = 1; i < id.n; i++)
		EVP_PKEY_free(keys[i]);
	return id;
}

/* What a client must do with a chain: check each signature. A single certificate is accepted by its
 * hash, as the worker does. */
static int accept_chain(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
	for (int i = 0; i + 1 < sk_X509_num(chain); i++)
		if (X509_verify(sk_X509_value(chain, i),
			    X509_get0_pubkey(sk_X509_value(chain, i + 1))) != 1)
			return 0;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static void use_identity(SSL_CTX *ctx, const struct identity *id)
{
	if (SSL_CTX_use_certificate(ctx, id->chain[0]) != 1 ||
		SSL_CTX_use_PrivateKey(ctx, id->key) != 1)
		die("certificate refused");
	for (int i = 1; i < id->n; i++)
		if (SSL_CTX_add1_chain_cert(ctx, id->chain[i]) != 1)
			die("chain refused");
}

static SSL_CTX *make_ctx(const SSL_METHOD *method, const struct identity *id, int ask)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256");
	SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384");
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_cert_verify_callback(ctx, accept_chain, NULL);
	SSL_CTX_set_verify(ctx, ask ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (id)
		use_identity(ctx, id);
	return ctx;
}

static unsigned int psk_client(SSL *ssl, const char *hint, char *identity,
	unsigned int identity_max, unsigned char *psk, unsigned int psk_max)
{
	(void)ssl, (void)hint;
	if (psk_max < PSK_LEN)
		return 0;
	snprintf(identity, identity_max, "AAAAAAAA");
	memset(psk, 1, PSK_LEN);
	return PSK_LEN;
}

static unsigned int psk_server(
	SSL *ssl, const char *identity, unsigned char *psk, unsigned int psk_max)
{
	(void)ssl, (void)identity;
	if (psk_max < PSK_LEN)
		return 0;
	memset(psk, 1, PSK_LEN);
	return PSK_LEN;
}

/* The PSK setup of old firmware: TLS 1.0, which the packaged OpenSSL allows at level 0 only. */
static void use_psk(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_cipher_list(ctx, "PSK-AES128-CBC-SHA");
	SSL_CTX_set_psk_client_callback(ctx, psk_client);
	SSL_CTX_set_psk_server_callback(ctx, psk_server);
}

static void read_all(SSL *ssl, char *buf, long len)
{
	while (len > 0) {
		int n = SSL_read(ssl, buf, (int)(len > BODY_MAX ? BODY_MAX : len));
		if (n <= 0)
			die("connection lost");
		len -= n;
	}
}

/* The exchanges of connection i of n. */
static long share(const struct plan *p, long i)
{
	long n = p->n_setup + p->n_server;
	return p->n_exchanges * (i + 1) / n - p->n_exchanges * i / n;
}

static void *device_side(void *arg)
{
	struct side *s = arg;
	const struct plan *p = &s->plan;
	static char buf[BODY_MAX];
	double start = thread_cpu_us();
	for (long k = 0; k < p->n_sessions; k++) {
		for (long i = 0; i < p->n_setup + p->n_server; i++) {
			int one = 1, fd = accept(s->listen_fd, NULL, NULL);
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			SSL *ssl = SSL_new(i < p->n_setup ? s->setup : s->server);
			SSL_set_fd(ssl, fd);
			if (SSL_accept(ssl) != 1)
				die("device side handshake failed");
			for (long e = 0; e < share(p, i); e++) {
				read_all(ssl, buf, p->request_len);
				if (SSL_write(ssl, buf, (int)p->answer_len) != p->answer_len)
					die("device side write failed");
			}
			SSL_free(ssl);
			close(fd);
		}
	}
	s->cpu_us = thread_cpu_us() - start;
	return NULL;
}

static void client_connection(const struct side *s, const struct sockaddr_in *to, long i)
{
	static char buf[BODY_MAX];
	const struct plan *p = &s->plan;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0)
		die("connect failed");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	SSL *ssl = SSL_new(i < p->n_setup ? s->setup : s->server);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1)
		die("handshake failed");
	for (long e = 0; e < share(p, i); e++) {
		if (SSL_write(ssl, buf, (int)p->request_len) != p->request_len)
			die("write failed");
		read_all(ssl, buf, p->answer_len);
	}
	SSL_free(ssl);
	close(fd);
}

static double client_side(const struct side *s, const struct sockaddr_in *to, EVP_PKEY *key)
{
	double start = thread_cpu_us();
	for (long k = 0; k < s->plan.n_sessions; k++) {
		for (long i = 0; i < s->plan.n_setup + s->plan.n_server; i++)
			client_connection(s, to, i);
		for (long i = 0; i < s->plan.n_signatures; i++)
			X509_free(make_certificate(key, key, "device.corp.example.com"));
	}
	return (thread_cpu_us() - start) / (double)s->plan.n_sessions;
}

static const struct variant *find_variant(const char *name)
{
	for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
		if (strcmp(variants[i].name, name) == 0)
			return &variants[i];
	die("no such variant: rsa2048, rsa3072, psk, ondie4, ondie6");
	return NULL;
}

static struct plan read_plan(char **argv)
{
	long v[7];
	for (int i = 0; i < 7; i++)
		v[i] = strtol(argv[i], NULL, 10);
	struct plan plan = {v[0], v[1], v[2], v[3], v[4], v[5], v[6]};
	if (plan.n_sessions < 1 || plan.n_setup + plan.n_server < 1 || plan.request_len < 1 ||
		plan.answer_len < 1 || plan.request_len > BODY_MAX || plan.answer_len > BODY_MAX)
		die("counts and sizes must be at least 1, sizes at most 65536");
	return plan;
}

int main(int argc, char **argv)
{
	if (argc != 8 && argc != 9)
		die("usage: session_floor COUNT SETUP SERVER EXCHANGES REQUEST_BYTES ANSWER_BYTES "
		    "SIGNATURES [VARIANT]");
	const struct plan plan = read_plan(argv + 1);
	const struct variant *v = find_variant(argc == 9 ? argv[8] : "rsa2048");

	const struct identity device = make_identity(BITS, 0, "device"),
			      in_setup = make_identity(BITS, v->n_ondie, "device in setup"),
			      us = make_identity(v->our_bits ? v->our_bits : BITS, 0, "us"),
			      ca = make_identity(BITS, 0, "issuer");
	struct side server = {.plan = plan,
		.setup = make_ctx(TLS_server_method(), &in_setup, v->our_bits != 0),
		.server = make_ctx(TLS_server_method(), &device, 0)};
	struct side client = {.plan = plan,
		.setup = make_ctx(TLS_client_method(), &us, v->our_bits != 0),
		.server = make_ctx(TLS_client_method(), NULL, 1)};
	if (!v->our_bits) {
		use_psk(server.setup);
		use_psk(client.setup);
	}
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t to_len = sizeof to;
	server.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server.listen_fd, (struct sockaddr *)&to, sizeof to) != 0 ||
		listen(server.listen_fd, 16) != 0 ||
		getsockname(server.listen_fd, (struct sockaddr *)&to, &to_len) != 0)
		die("cannot listen on loopback");

	pthread_t thread;
	if (pthread_create(&thread, NULL, device_side, &server) != 0)
		die("cannot start a thread");
	double cpu_us = client_side(&client, &to, ca.key);
	pthread_join(thread, NULL);
	printf("{\"variant\": \"%s\", \"cpu_us_per_session\": %.1f, \"device_us_per_session\": "
	       "%.1f, "
	       "\"sessions\": %ld, \"exchanges\": %ld, \"signatures\": %ld}\n",
		v->name, cpu_us, server.cpu_us / (double)plan.n_sessions, plan.n_sessions,
		plan.n_exchanges, plan.n_signatures);
	return 0;
}
