/* SPDX-License-Identifier: Apache-2.0 */
/* TLS, HTTP and the faults; what is answered when nothing is wrong is in fake_answers.c. */
#include "tests/worker/fake_device.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/net/conn.h"
#include "common/net/listen.h"
#include "common/net/tls.h"
#include "proto/digest.h"
#include "tests/worker/fake_answers.h"
#include "tests/worker/fake_store.h"
#include "worker/plan.h"

static struct acceptor *acceptor;
static int silent[3] = {-1, -1, -1}; /* a listening socket whose queue is full, and what fills it */
static struct fake_pki *site;

#define REALM     "Digest:F3EB554784E729164447A89F60B641C5"
#define NONCE_LEN 8

struct peer {
	struct fake_device *d;
	struct conn *c;
	struct buf in;
	bool flood;
	unsigned n_requests;
	bool closed; /* said no and closes: what comes now finds nobody */
};

/* Takes our chain, or refuses a key that is too short for it. */
static int judge_chain(X509_STORE_CTX *ctx, void *arg)
{
	const struct fake_device *d = arg;
	EVP_PKEY *key = X509_get0_pubkey(X509_STORE_CTX_get0_cert(ctx));
	if (EVP_PKEY_get_bits(key) < d->chain_bits) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
		return 0;
	}
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static struct fake_device *psk_device;

static unsigned psk_server(SSL *ssl, const char *identity, unsigned char *key, unsigned max)
{
	(void)ssl;
	const struct fake_device *d = psk_device;
	size_t len = strlen(d->pps);
	if (strcmp(identity, d->pid) != 0 || len > max)
		return 0;
	memcpy(key, d->pps, len);
	return (unsigned)len;
}

/* No certificate at all. SPEC: psk.md 2 */
static SSL_CTX *make_psk_ctx(struct fake_device *d)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	psk_device = d;
	d->n_psk++;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	SSL_CTX_set_cipher_list(ctx, "PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA");
	SSL_CTX_set_psk_server_callback(ctx, psk_server);
	return ctx;
}

static SSL_CTX *make_ctx(struct fake_device *d)
{
	if (d->pid && !d->configured)
		return make_psk_ctx(d);
	SSL_CTX *ctx = NULL;
	struct error err;
	struct tls_identity id = {.leaf = site->self, .key = site->self_key};
	X509 *installed = NULL;
	if (d->configured && !d->self_signed) {
		const unsigned char *p = d->cert.data;
		id.leaf = installed = d2i_X509(NULL, &p, (long)d->cert.len);
		id.key = d->key;
	}
	if (!d->configured && d->on_die) {
		id.leaf = site->prov;
		id.key = site->prov_key;
	}
	int rc = tls_ctx_server(&ctx, &id, &err);
	X509_free(installed);
	if (rc < 0)
		return NULL;
	if (!d->configured && d->chain_file && /* the RSA certificate is there, but unused */
		(SSL_CTX_use_certificate_chain_file(ctx, d->chain_file) != 1 ||
			SSL_CTX_use_PrivateKey_file(ctx, d->key_file, SSL_FILETYPE_PEM) != 1 ||
			SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES256-GCM-SHA384") != 1 ||
			SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) != 1)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (!d->configured && !d->no_ask) {
		SSL_CTX_set_verify(ctx,
			SSL_VERIFY_PEER | (d->on_die ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT), NULL);
		SSL_CTX_set_cert_verify_callback(ctx, judge_chain, d);
	}
	if (d->sha1_only) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		SSL_CTX_set1_client_sigalgs_list(ctx, "RSA+SHA1");
		if (!d->configured)
			SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	if (d->tls11 || d->pid) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, TLS1_1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
		SSL_CTX_set_cipher_list(ctx, "AES128-SHA:AES256-SHA");
	}
	return ctx;
}

static void peer_free(struct peer *p)
{
	buf_free(&p->in);
	free(p);
}

static void peer_drop(struct peer *p)
{
	conn_close(p->c);
	peer_free(p);
}

static void send_http(struct peer *p, const char *status, const char *extra, const struct buf *body)
{
	char head[512];
	int n = snprintf(head, sizeof head,
		"HTTP/1.1 %s\r\nServer: Intel(R) Active Management Technology %s\r\n"
		"Content-Length: %zu\r\n%s\r\n",
		status, p->d->version ? p->d->version : "12.0.67.1579", body->len, extra);
	conn_write(p->c, head, (size_t)n);
	conn_write(p->c, body->data, body->len);
}

static void send_text(struct peer *p, const char *status, const char *extra, const char *text)
{
	struct buf b;
	buf_init(&b, 4096);
	buf_adds(&b, text);
	send_http(p, status, extra, &b);
	buf_free(&b);
}

/* Keep the pipe full: the client must give up, not we. */
static void on_drained(struct conn *c, void *arg)
{
	static char block[16384];
	struct peer *p = arg;
	while (p->flood && conn_pending(c) < sizeof block &&
		conn_write(c, block, sizeof block) == 0)
		if (conn_pending(c))
			return;
}

static void start_flood(struct peer *p, bool chunks)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char endless[] = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n<a>";
	p->flood = true;
	if (!chunks) {
		conn_write(p->c, endless, sizeof endless - 1);
		on_drained(p->c, p);
		return;
	}
	conn_write(p->c, head, sizeof head - 1);
	/* Whitespace in chunks of one byte: the reader's limits end it. */
	for (int i = 0; i < 40000; i++)
		if (conn_write(p->c, "0001\r\n \r\n", 9) < 0)
			return;
}

static bool fault_now(struct fake_device *d, const char *row)
{
	if (d->fault == FAKE_NONE || !d->at || strcmp(d->at, row) != 0)
		return false;
	if (d->times && --d->times == 0) {
		d->at = NULL;
		return true;
	}
	return true;
}

/* A refusal closes the connection, whether the header says so or not. SPEC: wsman.md 2 */
static const char *close_header(struct peer *p)
{
	p->closed = p->d->no_header;
	return p->d->no_header ? "" : "Connection: close\r\n";
}

static void challenge(struct peer *p)
{
	char extra[256];
	snprintf(extra, sizeof extra,
		"WWW-Authenticate: Digest realm=\"" REALM
		"\", nonce=\"%0*x\",stale=\"false\",qop=\"auth\"\r\n%s",
		NONCE_LEN, p->d->nonce, close_header(p));
	send_text(p, "401 Unauthorized", extra, "<html>no</html>");
}

void fake_device_password(struct fake_device *d, const char *password)
{
	digest_password("admin", REALM, password, d->password_b64);
}

/* HA1 is what SetAdminAclEntryEx gave: MD5(user:realm:password). */
static bool login_ok(struct fake_device *d, const char *value, size_t len)
{
	struct digest_authorization a;
	struct buf raw;
	char ha1[33], nonce[NONCE_LEN + 1];
	if (value && (++d->n_logins == d->reset_nonce ||
			     (d->reset_every && d->n_logins % d->reset_every < 2)))
		d->nonce++;
	snprintf(nonce, sizeof nonce, "%0*x", NONCE_LEN, d->nonce);
	buf_init(&raw, 64);
	bool ok = value && digest_parse_authorization(&a, value, len, NULL) == 0 &&
		  base64_decode(&raw, d->password_b64, strlen(d->password_b64)) == 0 &&
		  raw.len == 16;
	if (ok) {
		hex_encode(raw.data, 16, ha1);
		bool known = digest_authorization_ok(&a, ha1, "POST", NULL, 0);
		d->n_wrong += !known;
		ok = known && strcmp(a.nonce, nonce) == 0;
	}
	buf_free(&raw);
	return ok;
}

/* Whether a mutation came without a step() for its own row before it: must never happen. */
static void judge_step(struct fake_device *d, const char *row)
{
	const struct step *r = step_find(row);
	if (r && r->kind == KIND_CALL && r->effect != EFFECT_READ &&
		strcmp(fake_store.last_step, row) != 0)
		d->n_mutations_unstepped++;
}

static bool wrong_answer(struct peer *p, struct fake_request *rq)
{
	struct fake_device *d = p->d;
	enum fake_fault fault = fault_now(d, rq->row) ? d->fault : FAKE_NONE;
	struct buf b;
	buf_init(&b, 65536);
	switch (fault) {
	case FAKE_401: challenge(p); break;
	case FAKE_GONE: send_text(p, "404 Not Found", "", "<html>no</html>"); break;
	case FAKE_HTML: send_text(p, "400 Bad Request", close_header(p), "<html>bad</html>"); break;
	case FAKE_FLOOD: start_flood(p, false); break;
	case FAKE_CHUNKS: start_flood(p, true); break;
	case FAKE_SILENT: break;
	case FAKE_CUT: buf_free(&b); return false; /* the caller drops */
	case FAKE_FAULT: fake_fault_body(rq, "SchemaValidationError", &b); break;
	case FAKE_DENIED: fake_fault_body(rq, "AccessDenied", &b); break;
	case FAKE_ABSENT: fake_fault_body(rq, "DestinationUnreachable", &b); break;
	case FAKE_BUSY:
		if (rq->method[0])
			fake_output(rq, 2061, "", &b);
		else
			fake_fault_body(rq, "Concurrency", &b);
		break;
	case FAKE_WORN: fake_output(rq, 38, "", &b); break;
	case FAKE_REFUSED: fake_output(rq, 36, "", &b); break;
	case FAKE_2057: fake_output(rq, 2057, "", &b); break;
	case FAKE_NO_KEYGEN: fake_fault_body(rq, "ActionNotSupported", &b); break;
	case FAKE_2058:
		fake_answer(d, rq, &b);
		b.len = 0;
		fake_output(rq, 2058, "", &b);
		break;
	case FAKE_TRUNCATED:
		fake_answer(d, rq, &b);
		b.len /= 2;
		break;
	case FAKE_RELATES:
		rq->message_id = "999999";
		fake_answer(d, rq, &b);
		break;
	default: fake_answer(d, rq, &b); break;
	}
	if (b.len)
		send_http(p, rq->is_fault ? "400 Bad Request" : "200 OK",
			rq->is_fault ? close_header(p) : "", &b);
	buf_free(&b);
	return true;
}

static const char *header(const char *head, const char *name, size_t *len)
{
	const char *p = strcasestr(head, name);
	if (!p)
		return NULL;
	p += strlen(name);
	while (*p == ' ')
		p++;
	*len = strcspn(p, "\r\n");
	return p;
}

/* job/fence/step */
static void row_of(const char *head, char *out, size_t size)
{
	size_t len = 0;
	const char *p = header(head, "X-Muster-Trace:", &len);
	snprintf(out, size, "%.*s", (int)len, p ? p : "");
	char *slash = strrchr(out, '/');
	if (slash)
		memmove(out, slash + 1, strlen(slash));
}

/* Told to go, it goes when as many connections as the test wants have found it there. */
static void go(struct fake_device *d, bool connection)
{
	if (!d->told)
		return;
	if (d->lingers) {
		d->lingers -= connection;
		return;
	}
	d->told = d->configured = false;
	if (d->after != FAKE_TO_SETUP)
		fake_device_leave(d, d->after);
}

/* @return false: the peer is gone */
static bool one_request(struct peer *p, char *head, const uint8_t *body, size_t body_len)
{
	struct fake_device *d = p->d;
	struct fake_request rq = {.quotes = d->quotes};
	size_t auth_len = 0;
	row_of(head, rq.row, sizeof rq.row);
	snprintf(d->last_row, sizeof d->last_row, "%s", rq.row);
	d->n_requests++;
	judge_step(d, rq.row);
	const char *auth = header(head, "Authorization:", &auth_len);
	if (d->configured && d->tls13_drops && SSL_version(conn_ssl(p->c)) > TLS1_2_VERSION) {
		d->n_dropped++;
		peer_drop(p);
		return false;
	}
	if ((d->configured || d->setup_login) && !login_ok(d, auth, auth_len)) {
		challenge(p);
		return true;
	}
	arena_init(&rq.arena, WSMAN_ARENA_MAX);
	bool alive = true;
	if (wsman_read(&rq.arena, body, body_len, &rq.m, NULL) < 0) {
		send_text(p, "400 Bad Request", "", "<html>not XML</html>");
	} else {
		fake_request_names(&rq);
		alive = wrong_answer(p, &rq);
		if (d->committed) { /* the port restarts: the answer is cut off */
			d->committed = false;
			d->configured = true;
			alive = false;
		}
		if (d->told) {
			go(d, false);
			alive = false;
		}
	}
	arena_reset(&rq.arena);
	if (!alive)
		peer_drop(p);
	return alive;
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	(void)c;
	struct peer *p = arg;
	if (p->closed) {
		p->d->n_dead++;
		peer_drop(p);
		return;
	}
	buf_add(&p->in, data, len);
	for (;;) {
		const char *text = buf_cstr(&p->in);
		const char *end = text ? strstr(text, "\r\n\r\n") : NULL;
		size_t n = 0;
		const char *value = end ? header(text, "Content-Length:", &n) : NULL;
		if (!value)
			return;
		size_t head_len = (size_t)(end + 4 - text),
		       body_len = (size_t)strtoul(value, NULL, 10);
		if (p->in.len < head_len + body_len)
			return;
		if (++p->n_requests == p->d->cut_request) {
			peer_drop(p);
			return;
		}
		char head[4096];
		snprintf(head, sizeof head, "%.*s", (int)head_len, text);
		if (!one_request(p, head, p->in.data + head_len, body_len))
			return;
		buf_consume(&p->in, head_len + body_len);
	}
}

static void on_opened(struct conn *c, void *arg)
{
	struct peer *p = arg;
	p->d->n_tls13 += SSL_version(conn_ssl(c)) > TLS1_2_VERSION;
	const char *name = SSL_get_servername(conn_ssl(c), TLSEXT_NAMETYPE_host_name);
	char *out = p->d->configured ? p->d->sni_admin : p->d->sni_setup;
	snprintf(out, sizeof p->d->sni_setup, "%s", name ? name : "");
}

static void on_closed(struct conn *c, const struct error *err, void *arg)
{
	(void)c, (void)err;
	peer_free(arg);
}

static const struct conn_events events = {
	.opened = on_opened, .data = on_data, .drained = on_drained, .closed = on_closed};

static void on_accept(int fd, const struct net_addr *peer_addr, void *arg)
{
	struct fake_device *d = arg;
	go(d, true);
	if (d->configured && d->drop_admin) {
		d->drop_admin--;
		close(fd);
		return;
	}
	struct peer *p = calloc(1, sizeof *p);
	struct conn_opts o = {.addr = *peer_addr, .tls = make_ctx(d)};
	buf_init(&p->in, 1 << 20);
	p->d = d;
	d->n_connections++;
	if (conn_accept(&p->c, d->loop, fd, &o, &events, p, NULL) < 0)
		peer_free(p);
	SSL_CTX_free(o.tls);
}

void fake_device_leave(struct fake_device *d, enum fake_after how)
{
	acceptor_close(acceptor);
	acceptor = NULL;
	if (how != FAKE_IS_SILENT)
		return;
	struct listen_opts o = {.addr = d->addr, .backlog = 1};
	silent[0] = listen_socket(&o, NULL);
	for (int i = 1; i < 3; i++) {
		silent[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (silent[i] < 0 ||
			(connect(silent[i], &d->addr.sa, d->addr.len) < 0 && errno != EINPROGRESS))
			abort();
	}
}

static int come_back(struct fake_device *d)
{
	struct error err;
	struct listen_opts o = {.addr = d->addr};
	for (int i = 0; i < 3; i++) {
		if (silent[i] >= 0)
			close(silent[i]);
		silent[i] = -1;
	}
	if (acceptor)
		return 0;
	int fd = listen_socket(&o, &err);
	return fd < 0 ? fd : acceptor_start(&acceptor, d->loop, fd, on_accept, d, &err);
}

int fake_device_start(struct fake_device *d, uv_loop_t *loop, struct fake_pki *pki)
{
	struct error err;
	struct listen_opts o = {0};
	d->loop = loop;
	d->made = pki->device_key;
	d->self = pki->self;
	site = pki;
	TRY(net_addr_parse(&o.addr, "127.0.0.1:0", &err));
	int fd = listen_socket(&o, &err);
	TRY(fd);
	TRY(listen_address(fd, &d->addr));
	buf_init(&d->cert, 8192);
	return acceptor_start(&acceptor, loop, fd, on_accept, d, &err);
}

void fake_device_reset(struct fake_device *d)
{
	struct fake_device keep = *d;
	buf_free(&d->cert);
	EVP_PKEY_free(d->key);
	*d = (struct fake_device){.loop = keep.loop,
		.addr = keep.addr,
		.uuid = keep.uuid,
		.made = keep.made,
		.self = keep.self,
		.ping = "false",
		.redirection = "32768",
		.listener = "false",
		.consent = "4294967295",
		.opt_in_policy = "true",
		.webui = "3",
		.kvm = "3",
		.power = "S0"};
	buf_init(&d->cert, 8192);
	if (come_back(d) < 0)
		abort();
}

void fake_device_stop(struct fake_device *d)
{
	acceptor_close(acceptor);
	buf_free(&d->cert);
	EVP_PKEY_free(d->key);
	d->key = NULL;
}

/* ---- certificates ---------------------------------------------------------------------------- */

X509 *fake_cert(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *eku,
	bool ca, const char *dns)
{
	static long serial = 1000;
	X509 *x = X509_new();
	X509V3_CTX v3;
	char san[300];
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 300);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		(const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&v3, issuer ? issuer : x, x, NULL, NULL, 0);
	snprintf(san, sizeof san, "DNS:%s", dns ? dns : "");
	const struct {
		int nid;
		const char *value;
	} ext[] = {{NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE"},
		{NID_ext_key_usage, eku}, {NID_subject_alt_name, dns ? san : NULL}};
	for (size_t i = 0; i < sizeof ext / sizeof ext[0]; i++) {
		X509_EXTENSION *e =
			ext[i].value ? X509V3_EXT_conf_nid(NULL, &v3, ext[i].nid, ext[i].value)
				     : NULL;
		if (e)
			X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256());
	return x;
}

int fake_pki_make(struct fake_pki *p)
{
	p->prov_root_key = EVP_RSA_gen(2048);
	p->prov_key = EVP_RSA_gen(2048);
	p->ca_key = EVP_RSA_gen(2048);
	p->self_key = EVP_RSA_gen(2048);
	p->device_key = EVP_RSA_gen(2048);
	p->prov_root = fake_cert("test root", p->prov_root_key, NULL, NULL, NULL, true, NULL);
	p->prov = fake_cert("rcs.corp.example.com", p->prov_key, p->prov_root, p->prov_root_key,
		"serverAuth,2.16.840.1.113741.1.2.3", false, NULL);
	p->ca = fake_cert("test issuing", p->ca_key, NULL, NULL, NULL, true, NULL);
	p->self = fake_cert("AMT", p->self_key, NULL, NULL, NULL, false, NULL);
	return p->prov && p->ca && p->self ? 0 : -1;
}

void fake_pki_free(struct fake_pki *p)
{
	EVP_PKEY_free(p->prov_root_key);
	EVP_PKEY_free(p->prov_key);
	EVP_PKEY_free(p->ca_key);
	EVP_PKEY_free(p->self_key);
	EVP_PKEY_free(p->device_key);
	X509_free(p->prov_root);
	X509_free(p->prov);
	X509_free(p->ca);
	X509_free(p->self);
}
