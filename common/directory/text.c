/* SPDX-License-Identifier: Apache-2.0 */
#include "common/directory/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/uuid.h"

#define SID_PARTS_MAX 15

int directory_add_value(struct buf *out, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	for (size_t i = 0; i < len; i++)
		TRY(buf_addf(out, "\\%02x", b[i]));
	return 0;
}

int directory_add_uuid(struct buf *out, const struct uuid *uuid)
{
	uint8_t wire[sizeof uuid->b];
	uuid_to_wire(uuid, wire);
	TRY(buf_adds(out, "(|(netbootGUID="));
	TRY(directory_add_value(out, wire, sizeof wire));
	TRY(buf_adds(out, ")(netbootGUID="));
	TRY(directory_add_value(out, uuid->b, sizeof uuid->b));
	return buf_adds(out, "))");
}

const char *directory_parent(const char *dn)
{
	for (; *dn; dn++) {
		if (*dn == ',')
			return dn + 1;
		if (*dn == '\\' && dn[1])
			dn++;
	}
	return dn;
}

int directory_sid_text(char out[static DIRECTORY_SID_TEXT_MAX], const void *sid, size_t len)
{
	const uint8_t *b = sid;
	if (len < 8 || b[0] != 1 || b[1] > SID_PARTS_MAX || len != 8 + 4u * b[1])
		return E_PARSE;
	uint64_t authority = 0;
	for (int i = 2; i < 8; i++)
		authority = authority << 8 | b[i];
	int n = snprintf(out, DIRECTORY_SID_TEXT_MAX, "S-1-%llu", (unsigned long long)authority);
	for (const uint8_t *p = b + 8; p < b + len; p += 4) {
		uint32_t part =
			p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		n += snprintf(out + n, (size_t)(DIRECTORY_SID_TEXT_MAX - n), "-%u", part);
	}
	return 0;
}

int directory_name_parse(struct directory_name *out, const char *text, struct error *err)
{
	*out = (struct directory_name){.account = text, .account_len = strlen(text)};
	const char *slash = strchr(text, '\\'), *at = strrchr(text, '@');
	if (strchr(text, '=')) {
		out->dn = true;
	} else if (slash) {
		out->netbios = text;
		out->netbios_len = (size_t)(slash - text);
		out->account = slash + 1;
		out->account_len = strlen(slash + 1);
	} else if (at) {
		out->account_len = (size_t)(at - text);
		out->domain = at + 1;
	}
	ENSURE(out->account_len && (!slash || out->dn || out->netbios_len) && (!at || *(at + 1)),
		err, E_CONFIG, "\"%.80s\" is not NAME, CORP\\NAME, name@domain or a DN", text);
	return 0;
}
