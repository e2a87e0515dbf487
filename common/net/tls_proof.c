/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof of what a handshake did about our certificate. OpenSSL sends an empty Certificate message
 * when its security level forbids to sign, and says nothing; only the wire tells. SPEC: tls.md 3.1,
 * 4.4
 */
#include "common/base/err.h"
#include "common/net/tls.h"

enum { MSG_CERTIFICATE = 11, MSG_CERTIFICATE_REQUEST = 13 };
enum { SIGALG_RSA_SHA1 = 0x0201, SIG_RSA = 1, HASH_SHA512 = 6 };

#define MSG_HEADER_LEN        4 /* type and three bytes of length */
#define EMPTY_CERTIFICATE_LEN 7 /* header and an empty list's three bytes of length */

struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

/* A length of n bytes, then so many bytes: returns them as a cursor of their own. */
static struct cursor cursor_block(struct cursor *c, size_t n)
{
	size_t len = 0;
	struct cursor block = {c->p, c->p, true};

	if ((size_t)(c->end - c->p) >= n) {
		for (size_t i = 0; i < n; i++)
			len = len << 8 | c->p[i];
		if ((size_t)(c->end - c->p) - n >= len) {
			block = (struct cursor){c->p + n, c->p + n + len, false};
			c->p = block.end;
		}
	}
	c->bad |= block.bad;
	return block;
}

/* CertificateRequest of TLS 1.0 to 1.2: types, signature algorithms (1.2), names. RFC 5246 7.4.4 */
static void read_request(struct tls_proof *proof, int version, const uint8_t *msg, size_t len)
{
	struct cursor c = {msg + MSG_HEADER_LEN, msg + len, false};

	proof->asked = true;
	if (version > TLS1_2_VERSION)
		return; /* TLS 1.3 has another form; setup sessions never offer it */
	cursor_block(&c, 1);
	if (version == TLS1_2_VERSION) {
		struct cursor algs = cursor_block(&c, 2);

		for (; algs.end - algs.p >= 2; algs.p += 2) {
			if (proof->n_sigalgs < TLS_PROOF_SIGALGS)
				proof->sigalgs[proof->n_sigalgs] =
					(uint16_t)(algs.p[0] << 8 | algs.p[1]);
			proof->n_sigalgs++;
		}
	}
	struct cursor names = cursor_block(&c, 2);

	while (!names.bad && names.p < names.end) {
		cursor_block(&names, 2);
		proof->n_ca_names++;
	}
	proof->malformed = c.bad || names.bad;
}

static void record(int outgoing, int version, int content_type, const void *data, size_t len,
	SSL *ssl, void *arg)
{
	struct tls_proof *proof = arg;
	const uint8_t *msg = data;

	(void)ssl;
	if (content_type != SSL3_RT_HANDSHAKE || len < MSG_HEADER_LEN)
		return;
	if (!outgoing && msg[0] == MSG_CERTIFICATE_REQUEST)
		read_request(proof, version, msg, len);
	else if (outgoing && msg[0] == MSG_CERTIFICATE)
		proof->cert_len = len;
}

void tls_proof_attach(SSL *ssl, struct tls_proof *proof)
{
	*proof = (struct tls_proof){0};
	SSL_set_msg_callback(ssl, record);
	SSL_set_msg_callback_arg(ssl, proof);
}

bool tls_proof_empty(const struct tls_proof *proof)
{
	return proof->cert_len == EMPTY_CERTIFICATE_LEN;
}

/* PSS codes 0x0804 to 0x080b without the two of EdDSA between them. */
static bool alg_is_pss(uint16_t alg)
{
	return alg >= 0x0804 && alg <= 0x080b && alg != 0x0807 && alg != 0x0808;
}

/* Other key types do not help an RSA key, so only what RSA can serve is looked at. */
bool tls_proof_sha1_only(const struct tls_proof *proof)
{
	bool sha1 = false;

	for (unsigned i = 0; i < proof->n_sigalgs; i++) {
		if (i >= TLS_PROOF_SIGALGS)
			return false;
		uint16_t alg = proof->sigalgs[i];

		if (alg == SIGALG_RSA_SHA1)
			sha1 = true;
		else if (alg_is_pss(alg) || (alg >> 8 <= HASH_SHA512 && (alg & 0xff) == SIG_RSA))
			return false;
	}
	return sha1;
}

int tls_proof_check(const struct tls_proof *proof, struct error *err)
{
	ENSURE(proof->asked, err, E_TLS,
		"device did not ask for our certificate: it will not authorise the setup");
	ENSURE(!tls_proof_empty(proof), err, E_TLS,
		"an empty certificate was sent: the security level forbids our key or the device's "
		"signature algorithms (%u asked for)",
		proof->n_sigalgs);
	return 0;
}
