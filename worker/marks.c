/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/marks.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "worker/session.h"

/* The realm and the name end with NUL, so no two of (realm, name, value) are one text. */
static bool hash(const struct session *s, const char *name, const struct secret *value,
	char out[static MARK_HEX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	const struct secret *key = &s->secrets.dek.key;
	struct buf text;
	buf_init(&text, sizeof s->ck.realm + SECRET_NAME_MAX + SECRET_LEN_MAX + 2);
	bool ok = key->len && buf_add(&text, s->ck.realm, strlen(s->ck.realm) + 1) == 0 &&
		  buf_add(&text, name, strlen(name) + 1) == 0 &&
		  buf_add(&text, value->data, value->len) == 0 &&
		  HMAC(EVP_sha256(), key->data, (int)key->len, text.data, text.len, md, &len) &&
		  len >= MARK_HEX / 2;
	buf_wipe(&text);
	if (ok)
		hex_encode(md, MARK_HEX / 2, out);
	return ok;
}

static size_t find(const struct marks *m, const char *name)
{
	size_t i = 0;
	while (i < m->n && strcmp(m->items[i].name, name) != 0)
		i++;
	return i;
}

bool marks_has(const struct session *s, const char *name, const struct secret *value)
{
	char text[MARK_HEX + 1];
	size_t i = find(&s->marks, name);
	return i < s->marks.n && hash(s, name, value, text) &&
	       strcmp(s->marks.items[i].hash, text) == 0;
}

static void drop(struct marks *m, size_t i)
{
	m->items[i] = m->items[--m->n];
	m->dirty = true;
}

void marks_set(struct session *s, const char *name, const struct secret *value)
{
	struct marks *m = &s->marks;
	size_t i = find(m, name);
	if (i < m->n)
		drop(m, i);
	if (m->n == MARKS_MAX || strlen(name) > SECRET_NAME_MAX ||
		!hash(s, name, value, m->items[m->n].hash))
		return;
	snprintf(m->items[m->n].name, sizeof m->items[m->n].name, "%s", name);
	m->n++;
	m->dirty = true;
}

void marks_clear(struct session *s, const char *name)
{
	struct marks *m = &s->marks;
	size_t i = name ? find(m, name) : m->n;
	if (i < m->n)
		drop(m, i);
	m->dirty |= !name && m->n > 0;
	if (!name)
		m->n = 0;
}

void marks_read(struct marks *m, const char *text)
{
	*m = (struct marks){0};
	while (*text && m->n < MARKS_MAX) {
		size_t len = strcspn(text, "\n");
		const char *name = text + MARK_HEX + 1;
		size_t name_len = len > MARK_HEX + 1 ? len - MARK_HEX - 1 : 0;
		if (name_len && name_len <= SECRET_NAME_MAX && text[MARK_HEX] == ' ') {
			snprintf(m->items[m->n].hash, MARK_HEX + 1, "%s", text);
			snprintf(m->items[m->n].name, name_len + 1, "%s", name);
			m->n++;
		}
		text += len + (text[len] == '\n');
	}
}

void marks_text(const struct marks *m, char out[static MARKS_TEXT_MAX + 1])
{
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < m->n; i++)
		len += (size_t)snprintf(out + len, MARKS_TEXT_MAX + 1 - len, "%s %s\n",
			m->items[i].hash, m->items[i].name);
}
