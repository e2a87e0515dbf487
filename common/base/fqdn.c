/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/fqdn.h"

#include <ctype.h>
#include <string.h>

#include "common/base/err.h"

static int label_check(const char *label, size_t len, struct error *err)
{
	ENSURE(len >= 1 && len <= FQDN_HOST_MAX, err, E_CONFIG,
		"a part of the name is empty or longer than 63 characters");
	ENSURE(label[0] != '-' && label[len - 1] != '-', err, E_CONFIG,
		"a part of the name begins or ends with a hyphen");
	for (size_t i = 0; i < len; i++)
		ENSURE(isalnum((unsigned char)label[i]) || label[i] == '-' || label[i] == '_', err,
			E_CONFIG, "the name holds a character that DNS does not carry");
	return 0;
}

int fqdn_set(char out[static FQDN_MAX + 1], const char *name, struct error *err)
{
	size_t len = strlen(name);
	if (len && name[len - 1] == '.')
		len--;
	ENSURE(len > 0 && len <= FQDN_MAX, err, E_CONFIG, "fqdn is empty or too long");
	const char *dot = memchr(name, '.', len);
	ENSURE(dot, err, E_CONFIG, "fqdn has no domain; write it as host.domain");
	ENSURE(len - (size_t)(dot + 1 - name) <= FQDN_DOMAIN_MAX, err, E_CONFIG,
		"the domain of fqdn is longer than %d characters", FQDN_DOMAIN_MAX);
	for (const char *p = name, *end = name + len; p <= end;) {
		const char *q = memchr(p, '.', (size_t)(end - p));
		if (!q)
			q = end;
		TRY(label_check(p, (size_t)(q - p), err));
		p = q + 1;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[len] = '\0';
	return 0;
}
