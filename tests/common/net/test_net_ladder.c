/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS ladder, rule by rule, and the choice of the first profile. tls.md 3.3, 3.5, 12 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/objects.h>
#include <openssl/sslerr.h>

#include "common/base/err.h"
#include "common/net/tls.h"

enum { M = TLS_PROFILE_M, M0, L, L0, P, V, VL, V3 };
enum {
	LEGACY = 1,
	SEEN12 = 2,
	ID = 4,
	SENT = 8,
	EMPTY = 16,
	ONLY_SHA1 = 32,
	EOF_ = 64,
	LATE = 128
};
#define SETUP (LEGACY | ID)

static const struct {
	const char *rule;
	int profile, phase, alert, reason, flags;
	int verdict, next;
} rows[] = {
	{"refused connection is no matter of TLS", M, 0, -1, 0, SETUP, TLS_STOP, M},
	{"silence is no rung", M, 1, -1, 0, SETUP | LATE, TLS_STOP, M},
	/* 3.5: M to L */
	{"alert 70", M, 1, 70, 0, SETUP, TLS_TRY_PROFILE, L},
	{"alert 40 before our certificate", M, 1, 40, 0, SETUP, TLS_TRY_PROFILE, L},
	{"unsupported protocol", M, 1, -1, SSL_R_UNSUPPORTED_PROTOCOL, SETUP, TLS_TRY_PROFILE, L},
	{"no RFC 5746", M, 1, -1, SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, SETUP,
		TLS_TRY_PROFILE, L},
	{"closed in the handshake", M, 1, -1, 0, SETUP | EOF_, TLS_TRY_PROFILE, L},
	/* 3.5 and 12: to L0 */
	{"alert 20 on M", M, 1, 20, 0, SETUP, TLS_TRY_PROFILE, L0},
	{"alert 20 on L", L, 1, 20, 0, SETUP, TLS_TRY_PROFILE, L0},
	{"alert 50 on L", L, 1, 50, 0, SETUP, TLS_TRY_PROFILE, L0},
	{"closed again on L", L, 1, -1, 0, SETUP | EOF_, TLS_TRY_PROFILE, L0},
	{"alert 40 on L", L, 1, 40, 0, SETUP, TLS_TRY_PROFILE, L0},
	{"alert 70 on L: L0 has no other version", L, 1, 70, 0, SETUP, TLS_STOP, L},
	/* 3.5: give up */
	{"L0 is last", L0, 1, 20, 0, SETUP, TLS_STOP, L0},
	{"L0 is last", L0, 1, -1, 0, SETUP | EOF_, TLS_STOP, L0},
	/* certificate alerts: chain, never rung */
	{"alert 42", M, 1, 42, 0, SETUP | SENT, TLS_TRY_CHAIN, M},
	{"alert 43", M, 1, 43, 0, SETUP | SENT, TLS_TRY_CHAIN, M},
	{"alert 44", L, 1, 44, 0, SETUP | SENT, TLS_TRY_CHAIN, L},
	{"alert 45", L0, 1, 45, 0, SETUP | SENT, TLS_TRY_CHAIN, L0},
	{"alert 46", M0, 1, 46, 0, SETUP | SENT, TLS_TRY_CHAIN, M0},
	{"alert 47", M, 1, 47, 0, SETUP | SENT, TLS_TRY_CHAIN, M},
	{"alert 48", M, 1, 48, 0, SETUP | SENT, TLS_TRY_CHAIN, M},
	{"alert 48 when first seen by a read", M, 2, 48, 0, SETUP | SENT, TLS_TRY_CHAIN, M},
	{"alert 41 is not ours to guess", M, 1, 41, 0, SETUP | SENT, TLS_STOP, M},
	{"alert 49 likewise", M, 1, 49, 0, SETUP | SENT, TLS_STOP, M},
	/* ruling 31 */
	{"alert 40 after our certificate", M, 1, 40, 0, SETUP | SENT, TLS_TRY_CHAIN, M},
	{"closed after our certificate", M, 1, -1, 0, SETUP | SENT | EOF_, TLS_TRY_CHAIN, M},
	{"closed on the first request", M, 2, -1, 0, SETUP | SENT | EOF_, TLS_TRY_CHAIN, M},
	/* ruling 30 */
	{"SHA-1 only and empty", M, 1, 40, 0, SETUP | EMPTY | ONLY_SHA1, TLS_TRY_PROFILE, M0},
	{"the same, closed later", M, 2, -1, 0, SETUP | EMPTY | ONLY_SHA1 | EOF_, TLS_TRY_PROFILE,
		M0},
	{"only once", M0, 1, 40, 0, SETUP | EMPTY | ONLY_SHA1, TLS_STOP, M0},
	{"not without legacy", M, 1, 40, 0, ID | EMPTY | ONLY_SHA1, TLS_STOP, M},
	{"seen at 1.2 does not forbid M0", M, 1, 40, 0, SETUP | SEEN12 | EMPTY | ONLY_SHA1,
		TLS_TRY_PROFILE, M0},
	{"empty for another reason", M, 1, 40, 0, SETUP | EMPTY, TLS_STOP, M},
	{"empty on L", L, 1, 40, 0, SETUP | EMPTY | ONLY_SHA1, TLS_STOP, L},
	/* ruling 29, tls.md 9 downgrade */
	{"legacy off", M, 1, 70, 0, ID, TLS_STOP, M},
	{"seen at 1.2", M, 1, 70, 0, SETUP | SEEN12, TLS_STOP, M},
	{"seen at 1.2", M, 1, 20, 0, SETUP | SEEN12, TLS_STOP, M},
	/* configured devices */
	{"V to VL", V, 1, 70, 0, LEGACY, TLS_TRY_PROFILE, VL},
	{"V to VL only with legacy", V, 1, 70, 0, 0, TLS_STOP, V},
	{"VL to L0", VL, 1, 20, 0, LEGACY, TLS_TRY_PROFILE, L0},
	{"no chain to try", V, 1, 42, 0, LEGACY, TLS_STOP, V},
	/* TLS 1.3 after configuration, AMT 21: tls.md 2 */
	{"1.3 refused", V3, 1, 70, 0, 0, TLS_TRY_PROFILE, V},
	{"1.3 garbled", V3, 1, 20, 0, 0, TLS_TRY_PROFILE, V},
	{"first request over 1.3 dropped", V3, 2, -1, 0, EOF_, TLS_TRY_PROFILE, V},
	{"V3 falls to V even when seen at 1.2", V3, 1, 40, 0, SEEN12, TLS_TRY_PROFILE, V},
	/* PSK */
	{"wrong PPS", P, 1, 20, 0, LEGACY, TLS_STOP, P},
	{"wrong PPS", P, 1, 51, 0, LEGACY, TLS_STOP, P},
	{"unknown PID", P, 1, 115, 0, LEGACY, TLS_STOP, P},
};

static struct tls_attempt attempt(size_t i)
{
	int f = rows[i].flags;
	struct tls_attempt a = {
		.profile = (enum tls_profile)rows[i].profile,
		.failure = {.phase = (enum conn_phase)rows[i].phase,
			.alert = rows[i].alert,
			.alert_sent = -1,
			.ssl_reason = rows[i].reason,
			.eof = f & EOF_,
			.timed_out = f & LATE},
		.identity = f & ID,
		.legacy = f & LEGACY,
		.seen12 = f & SEEN12,
	};

	a.proof.asked = f & (SENT | EMPTY);
	a.proof.cert_len = f & SENT ? 1500 : f & EMPTY ? 7 : 0;
	a.proof.n_sigalgs = 1;
	a.proof.sigalgs[0] = f & ONLY_SHA1 ? 0x0201 : 0x0401;
	return a;
}

static void every_rule_of_the_ladder(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tls_attempt a = attempt(i);
		struct tls_next n = tls_ladder(&a);

		if ((int)n.verdict != rows[i].verdict || (int)n.profile != rows[i].next)
			print_error("row %zu: %s: %s\n", i, rows[i].rule, n.reason);
		assert_int_equal(n.verdict, rows[i].verdict);
		assert_int_equal(n.profile, rows[i].next);
		assert_non_null(n.reason);
	}
}

/* The words that an operator reads, and whether another attempt is worth it. */
static void stops_have_names(void **state)
{
	static const struct {
		int profile, alert, reason, flags;
		const char *name;
		bool final;
	} cases[] = {
		{M, 70, 0, ID, "legacy_off", true},
		{M, -1, SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, ID, "legacy_off", true},
		{M, -1, 0, ID | EOF_, "legacy_off", false}, /* may be the network */
		{M, -1, 0, ID | EOF_ | LEGACY | SEEN12, "handshake", false}, /* busy: it hangs */
		{M, 40, 0, ID | EMPTY | ONLY_SHA1, "legacy_off", true},
		{M, 40, 0, SETUP | EMPTY, "security_level", true},
		{M, 48, 0, SETUP | SENT, "chain_refused", false},
		{L0, 20, 0, SETUP, "handshake", false},
		{P, 20, 0, LEGACY, "psk_mismatch", false},
		{P, 51, 0, LEGACY, "psk_mismatch", false},
		{P, 115, 0, LEGACY, "psk_mismatch", false},
		{P, -1, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, LEGACY, "psk_mismatch", false},
		{P, 40, 0, LEGACY, "handshake", false}, /* suites: no word about the pair */
		{P, -1, 0, LEGACY | EOF_, "handshake", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int f = cases[i].flags;
		struct tls_attempt a = {.profile = (enum tls_profile)cases[i].profile,
			.failure = {.phase = CONN_PHASE_HANDSHAKE,
				.alert = cases[i].alert,
				.alert_sent = -1,
				.ssl_reason = cases[i].reason,
				.eof = f & EOF_},
			.identity = f & ID,
			.legacy = f & LEGACY,
			.seen12 = f & SEEN12};

		a.proof.cert_len = f & SENT ? 1500 : f & EMPTY ? 7 : 0;
		a.proof.n_sigalgs = 1;
		a.proof.sigalgs[0] = f & ONLY_SHA1 ? 0x0201 : 0x0401;
		struct tls_next n = tls_ladder(&a);

		if (!n.name || strcmp(n.name, cases[i].name) != 0 || n.final != cases[i].final)
			fail_msg("case %zu: %s, final %d: %s", i, n.name, n.final, n.reason);
	}
}

/* Whatever the device does, a ladder ends: no profile is ever visited twice. */
static void the_ladder_ends(void **state)
{
	(void)state;
	for (int alert = -1; alert < 121; alert++) {
		for (int start = 0; start < TLS_PROFILES; start++) {
			struct tls_attempt a = {.profile = (enum tls_profile)start, .legacy = true};
			unsigned seen = 0;

			a.failure = (struct conn_failure){
				.phase = CONN_PHASE_HANDSHAKE, .alert = alert, .eof = alert < 0};
			for (;;) {
				struct tls_next n = tls_ladder(&a);

				assert_false(seen & 1u << a.profile);
				seen |= 1u << a.profile;
				if (n.verdict != TLS_TRY_PROFILE)
					break;
				a.profile = n.profile;
			}
		}
	}
}

static void sha1_only_is_judged_by_what_rsa_can_use(void **state)
{
	static const struct {
		uint16_t algs[4];
		bool sha1_only;
	} cases[] = {
		{{0x0201}, true},
		{{0x0201, 0x0203, 0x0403}, true}, /* ECDSA does not help an RSA key */
		{{0x0201, 0x0807, 0x0808}, true},
		{{0x0201, 0x0401}, false},
		{{0x0201, 0x0804}, false},
		{{0x0401}, false},
		{{0x0203}, false},
		{{0}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tls_proof proof = {0};

		while (proof.n_sigalgs < 4 && cases[i].algs[proof.n_sigalgs]) {
			proof.sigalgs[proof.n_sigalgs] = cases[i].algs[proof.n_sigalgs];
			proof.n_sigalgs++;
		}
		assert_int_equal(tls_proof_sha1_only(&proof), cases[i].sha1_only);
	}
}

static void the_first_profile(void **state)
{
	static const struct {
		struct tls_device dev;
		int rc, profile;
	} cases[] = {
		{{.hello_version = 1}, 0, M},
		{{.hello_version = 1, .legacy = true}, 0, M},
		{{.hello_version = 1, .legacy = true, .sha1_hashes_only = true}, 0, L},
		{{.hello_version = 1, .sha1_hashes_only = true}, 0, M},
		{{.hello_version = 2, .legacy = true}, 0, P},
		{{.hello_version = 2}, E_REFUSED, 0},
		{{.hello_version = 2,
			 .stored = true,
			 .stored_profile = TLS_PROFILE_M,
			 .legacy = true},
			0, P}, /* was set up by PKI before: this Hello decides */
		{{.hello_version = 3,
			 .stored = true,
			 .stored_profile = TLS_PROFILE_P,
			 .legacy = true},
			0, M},
		{{.hello_version = 1,
			 .stored = true,
			 .stored_profile = TLS_PROFILE_M,
			 .legacy = true},
			0, M},
		{{.hello_version = 1,
			 .stored = true,
			 .stored_profile = TLS_PROFILE_L0,
			 .legacy = true},
			0, L0},
		{{.hello_version = 1, .stored = true, .stored_profile = TLS_PROFILE_L0}, 0, M},
		{{0}, 0, M},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum tls_profile p = TLS_PROFILES;

		assert_int_equal(tls_first_profile(&p, &cases[i].dev, NULL), cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(p, cases[i].profile);
	}
}

static void profile_names(void **state)
{
	static const int after[] = {V, V, VL, L0, VL, V, VL, V3};
	enum tls_profile p;

	(void)state;
	for (int i = 0; i < TLS_PROFILES; i++) {
		assert_int_equal(tls_profile_parse(&p, tls_profile_name((enum tls_profile)i)), 0);
		assert_int_equal(p, i);
		assert_int_equal(tls_profile_after((enum tls_profile)i), after[i]);
		assert_int_equal(
			tls_profile_is_legacy((enum tls_profile)i), i != M && i != V && i != V3);
	}
	assert_int_equal(tls_profile_parse(&p, "m"), E_PARSE);
}

static void every_profile_makes_a_context(void **state)
{
	(void)state;
	for (int i = 0; i < TLS_PROFILES; i++) {
		struct error err = {0};
		SSL_CTX *ctx = NULL;

		if (tls_ctx_new(&ctx, (enum tls_profile)i, NULL, &err) < 0)
			print_error("%s\n", err.text);
		assert_non_null(ctx);
		assert_int_equal(SSL_CTX_get_session_cache_mode(ctx), SSL_SESS_CACHE_OFF);
		assert_true(SSL_CTX_get_options(ctx) & SSL_OP_NO_TICKET);
		STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(ctx);

		for (int s = 0; s < sk_SSL_CIPHER_num(suites); s++)
			assert_int_not_equal(
				SSL_CIPHER_get_kx_nid(sk_SSL_CIPHER_value(suites, s)), NID_kx_dhe);
		SSL_CTX_free(ctx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_of_the_ladder),
		cmocka_unit_test(stops_have_names),
		cmocka_unit_test(the_ladder_ends),
		cmocka_unit_test(sha1_only_is_judged_by_what_rsa_can_use),
		cmocka_unit_test(the_first_profile),
		cmocka_unit_test(profile_names),
		cmocka_unit_test(every_profile_makes_a_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
