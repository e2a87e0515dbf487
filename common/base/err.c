/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Texts quote what a peer, a file or a device said: no line break of theirs gets into ours. */
static void keep_one_line(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

void error_set_text(struct error *err, int code, const char *fmt, ...)
{
	if (!err)
		return;
	err->code = code;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	keep_one_line(err->text);
}

int error_prefix(struct error *err, const char *fmt, ...)
{
	if (!err)
		return 0;
	char head[ERROR_TEXT_MAX], tail[ERROR_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	keep_one_line(head);
	memcpy(tail, err->text, sizeof tail);
	/* A text that no longer fits is cut at its end: the context matters most. */
	int n = snprintf(err->text, sizeof err->text, "%s: ", head);
	if (n >= 0 && (size_t)n < sizeof err->text)
		strncat(err->text, tail, sizeof err->text - (size_t)n - 1);
	return err->code;
}

const char *error_name(int code)
{
	static const char *const own[] = {"E_PARSE", "E_LIMIT", "E_PROTOCOL", "E_TLS", "E_AUTH",
		"E_CONFIG", "E_STALE", "E_STATE", "E_CRYPTO", "E_REFUSED", "E_CLOSED"};
	if (code == 0)
		return "OK";
	if (code <= E_PARSE && code >= E_CLOSED)
		return own[E_PARSE - code];
	const char *name = strerrorname_np(-code);
	return name ? name : "UNKNOWN";
}
