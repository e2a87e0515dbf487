/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small piece of work, many times, to be counted in instructions by valgrind's callgrind:
 *
 *   micro NAME N
 *
 * runs NAME N times. The driver runs it with two different N and takes the difference, so that
 * what happens once (the fetch of an algorithm) does not count. Instructions are the same on every
 * machine with the same compiler and libraries; microseconds are not. Without arguments it lists
 * the names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/flood/message.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/digest.h"
#include "proto/hello.h"
#include "proto/pkcs10.h"
#include "proto/wsman/read.h"
#include "proto/wsman/write.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* An answer of the size and form that firmware sends most: 1.6 KB, 25 properties. */
#define ROW(name, value) "<g:" name ">" value "</g:" name ">"
static const char answer[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" WSMAN_NS_SOAP "\""
	" xmlns:b=\"" WSMAN_NS_ADDR "\" xmlns:c=\"" WSMAN_NS_WSMAN "\" xmlns:g=\"" WSMAN_NS_AMT
	"AMT_GeneralSettings\"><a:Header><b:To>" WSMAN_ROLE_ANONYMOUS "</b:To>"
	"<b:RelatesTo>7</b:RelatesTo><b:Action a:mustUnderstand=\"true\">" WSMAN_NS_TRANSFER
	"/GetResponse</b:Action><b:MessageID>uuid:00000000-8086-8086-8086-000000000007</"
	"b:MessageID>"
	"<c:ResourceURI>" WSMAN_NS_AMT "AMT_GeneralSettings</c:ResourceURI></a:Header><a:Body>"
	"<g:AMT_GeneralSettings>" ROW("AMTNetworkEnabled", "1") ROW("DDNSPeriodicUpdateInterval",
		"1440") ROW("DDNSTTL", "900") ROW("DDNSUpdateByDHCPServerEnabled",
		"true") ROW("DDNSUpdateEnabled", "false") ROW("DHCPv6ConfigurationTimeout",
		"0") ROW("DigestRealm", "Digest:A4070000000000000000000000000000") ROW("DomainName",
		"corp.example.com") ROW("ElementName", "Intel(r) AMT: General Settings")
		ROW("HostName", "pc0001") ROW("HostOSFQDN", "") ROW("IdleWakeTimeout", "65535")
			ROW("InstanceID", "Intel(r) AMT: General Settings") ROW(
				"NetworkInterfaceEnabled", "true") ROW("PingResponseEnabled",
				"true") ROW("PowerSource", "0") ROW("PreferredAddressFamily",
				"0") ROW("PresenceNotificationInterval", "0") ROW("PrivacyLevel",
				"0") ROW("RmcpPingResponseEnabled", "true") ROW("SharedFQDN",
				"true") ROW("ThunderboltDockEnabled", "0") ROW("WsmanOnlyMode",
				"false") "</g:AMT_GeneralSettings></a:Body></a:Envelope>";

static const char challenge[] =
	"Digest realm=\"Digest:A4070000000000000000000000000000\", "
	"nonce=\"Vv8+AAAAAADXTw4QnmhPdA2ulQjV6cMY\",stale=\"false\",qop=\"auth\"";

struct state {
	struct buf out, hello;
	struct arena arena;
	struct wsman_reader *reader;
	struct digest_state digest;
	EVP_PKEY *key;
	uint8_t derkey[512];
	size_t derkey_len;
	size_t turn;
};

static int do_write(struct state *s, struct error *err)
{
	const struct wsman_param params[] = {WSMAN_TEXT("AdminAclEntryUserName", "admin"),
		WSMAN_TEXT("DigestPassword", "Q4i5mDtlVv2cKi5Eu+yyRA==")};
	const struct wsman_request rq = {.op = WSMAN_INVOKE,
		.class_name = "AMT_AuthorizationService",
		.method = "SetAdminAclEntryEx",
		.message_id = s->turn,
		.params = params,
		.n_params = 2};
	buf_consume(&s->out, s->out.len);
	return wsman_write(&s->out, &rq, err);
}

static int do_read(struct state *s, struct error *err)
{
	struct wsman_message msg;
	arena_reset(&s->arena);
	TRY(wsman_reader_begin(s->reader, &s->arena, err));
	TRY(wsman_reader_feed(s->reader, answer, sizeof answer - 1, err));
	TRY(wsman_reader_end(s->reader, &msg, err));
	ENSURE(wsman_message_item(&msg, NULL), err, E_PARSE, "the answer has no object");
	return 0;
}

static int do_hello(struct state *s, struct error *err)
{
	struct hello_parser p;
	hello_parser_init(&p);
	ENSURE(hello_parser_feed(&p, s->hello.data, s->hello.len, NULL) == HELLO_DONE, err, E_PARSE,
		"the Hello was refused");
	return 0;
}

static int do_authorize(struct state *s, struct error *err)
{
	const struct digest_request rq = {.user = "admin",
		.password = "P@ssw0rd12345678",
		.method = "POST",
		.uri = "/wsman",
		.cnonce = "0123456789abcdef"};
	buf_consume(&s->out, s->out.len);
	return digest_authorize(&s->digest, &rq, &s->out, err);
}

static int do_derkey(struct state *s, struct error *err)
{
	EVP_PKEY *key = NULL;
	TRY(pkcs10_read_derkey(&key, s->derkey, s->derkey_len, err));
	EVP_PKEY_free(key);
	return 0;
}

static int do_pkcs10(struct state *s, struct error *err)
{
	static const char *const names[] = {"pc0001.corp.example.com"};
	const struct pkcs10_names n = {.common_name = names[0],
		.dns_names = names,
		.n_dns_names = 1,
		.server_auth = true,
		.client_auth = true,
		.key_usage = true};
	buf_consume(&s->out, s->out.len);
	return pkcs10_build_info(&s->out, &n, s->key, err);
}

static const struct micro {
	const char *name;
	int (*fn)(struct state *s, struct error *err);
} micros[] = {
	{"envelope-write", do_write},
	{"envelope-read", do_read},
	{"hello-parse", do_hello},
	{"digest-authorize", do_authorize},
	{"derkey-read", do_derkey},
	{"pkcs10-build", do_pkcs10},
};
#define N_MICROS (sizeof micros / sizeof micros[0])

/* A public key of 2048 bits whose modulus is no product of primes: nothing here needs the private
 * half, and making a real key would take minutes under callgrind. */
static void make_derkey(struct state *s)
{
	static const uint8_t head[] = {0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00},
			     tail[] = {0x02, 0x03, 0x01, 0x00, 0x01};
	memcpy(s->derkey, head, sizeof head);
	for (size_t i = 0; i < 256; i++)
		s->derkey[sizeof head + i] = (uint8_t)(0xc5 + 2 * i);
	memcpy(s->derkey + sizeof head + 256, tail, sizeof tail);
	s->derkey_len = sizeof head + 256 + sizeof tail;
}

static int open_state(struct state *s, struct error *err)
{
	buf_init(&s->out, WSMAN_REQUEST_MAX);
	arena_init(&s->arena, WSMAN_ARENA_MAX);
	TRY(message_make(&s->hello));
	TRY(wsman_reader_new(&s->reader, err));
	TRY(digest_state_challenged(&s->digest, challenge, sizeof challenge - 1, false, err));
	make_derkey(s);
	return pkcs10_read_derkey(&s->key, s->derkey, s->derkey_len, err);
}

/* Callgrind counts inside this function only (--toggle-collect): keys and tables are made outside.
 */
__attribute__((noinline)) int run_many(
	struct state *s, const struct micro *m, size_t n, struct error *err);

int run_many(struct state *s, const struct micro *m, size_t n, struct error *err)
{
	for (s->turn = 0; s->turn < n; s->turn++)
		TRY(m->fn(s, err));
	return 0;
}

static int run(const struct micro *m, size_t n, struct error *err)
{
	static struct state s;
	TRY(open_state(&s, err));
	TRY(run_many(&s, m, n, err));
	wsman_reader_free(s.reader);
	arena_reset(&s.arena);
	EVP_PKEY_free(s.key);
	buf_free(&s.hello);
	buf_free(&s.out);
	return 0;
}

int main(int argc, char **argv)
{
	struct error err = {0};
	for (size_t i = 0; i < N_MICROS; i++) {
		if (argc != 3)
			puts(micros[i].name);
		else if (strcmp(argv[1], micros[i].name) == 0)
			return run(&micros[i], strtoul(argv[2], NULL, 10), &err) == 0
				       ? 0
				       : (fprintf(stderr, "micro: %s\n", err.text), 1);
	}
	return argc == 1 ? 0 : 2;
}
