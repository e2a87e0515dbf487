/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook program prints, first byte even: JSON, odd: lines. A name that is found is one that
 * DNS and AMT can carry; a refusal is one printable line. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/resolve/hook_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_found(const struct resolve_answer *a)
{
	size_t len = strlen(a->fqdn);
	require(len > 2 && len <= RESOLVE_FQDN_MAX && strchr(a->fqdn, '.'));
	for (size_t i = 0; i < len; i++) {
		char c = a->fqdn[i];
		require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			c == '.');
		require(c != '.' || (i > 0 && i + 1 < len && a->fqdn[i - 1] != '.'));
	}
	require(strcspn(a->fqdn, ".") <= RESOLVE_HOST_MAX);
	require(a->otp_len <= RESOLVE_OTP_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolve_answer a = {0};

	if (size == 0)
		return 0;
	(data[0] & 1 ? hook_parse_lines : hook_parse_json)((const char *)data + 1, size - 1, &a);
	require(a.source && strcmp(a.source, "hook") == 0);
	if (a.result == RESOLVE_FOUND) {
		check_found(&a);
	} else {
		require(a.reason[0] != '\0');
		for (const char *p = a.reason; *p; p++)
			require(isprint((unsigned char)*p));
	}
	return 0;
}
