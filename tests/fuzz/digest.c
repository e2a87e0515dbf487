/* SPDX-License-Identifier: Apache-2.0 */
/* Digest headers of both directions: what we can parse we can answer, and the answer is right. */
#include "proto/digest.h"
#include "common/base/buf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest_state st = {0};
	struct digest_authorization a;
	struct digest_request rq = {.user = "admin",
		.password = "P@ssw0rd",
		.method = "POST",
		.uri = "/wsman",
		.cnonce = "0a4f113b",
		.body = data,
		.body_len = size};
	struct buf out;
	char ha1[DIGEST_HEX_MAX + 1];
	digest_parse_authorization(&a, (const char *)data, size, NULL);
	if (digest_state_challenged(&st, (const char *)data, size, false, NULL) != DIGEST_RETRY)
		return 0;
	buf_init(&out, DIGEST_HEADER_MAX);
	if (digest_authorize(&st, &rq, &out, NULL) < 0 ||
		digest_parse_authorization(&a, (const char *)out.data, out.len, NULL) < 0 ||
		strcmp(a.realm, st.challenge.realm) != 0 ||
		strcmp(a.nonce, st.challenge.nonce) != 0 ||
		digest_ha1(a.alg, "admin", a.realm, "P@ssw0rd", ha1) < 0 ||
		!digest_authorization_ok(&a, ha1, "POST", data, size))
		abort();
	buf_free(&out);
	return 0;
}
