/* SPDX-License-Identifier: Apache-2.0 */
/* Element writers and argument readers of the class handlers; see class.h. */
#include "bench/sim/classes/class.h"

#include "common/base/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A full buffer shows at the end: the answer is then an internal error (wsman.c). */
static void open_tag(struct writer *w, const char *name)
{
	(void)buf_addf(w->out, "<%c:%s>", w->prefix, name);
}

static void close_tag(struct writer *w, const char *name)
{
	(void)buf_addf(w->out, "</%c:%s>", w->prefix, name);
}

void w_text(struct writer *w, const char *name, const char *text)
{
	open_tag(w, name);
	(void)xml_escape(w->out, text);
	close_tag(w, name);
}

void w_uint(struct writer *w, const char *name, uint64_t value)
{
	(void)buf_addf(
		w->out, "<%c:%s>%" PRIu64 "</%c:%s>", w->prefix, name, value, w->prefix, name);
}

void w_bool(struct writer *w, const char *name, bool value)
{
	w_text(w, name, value ? "true" : "false");
}

void w_b64(struct writer *w, const char *name, const void *data, size_t len)
{
	open_tag(w, name);
	(void)base64_encode(w->out, data, len);
	close_tag(w, name);
}

void w_ref(struct writer *w, const char *name, const char *ns, const char *cls,
	const char *selector, const char *value)
{
	open_tag(w, name);
	(void)buf_addf(w->out,
		"<b:Address>" ANONYMOUS "</b:Address><b:ReferenceParameters><c:ResourceURI>%s%s"
		"</c:ResourceURI><c:SelectorSet><c:Selector Name=\"%s\">",
		ns, cls, selector);
	(void)xml_escape(w->out, value);
	(void)buf_adds(w->out, "</c:Selector></c:SelectorSet></b:ReferenceParameters>");
	close_tag(w, name);
}

/* Name space by the class's prefix. */
static const char *ns_of(const char *cls)
{
	return strncmp(cls, "AMT_", 4) == 0   ? NS_AMT
	       : strncmp(cls, "IPS_", 4) == 0 ? NS_IPS
					      : NS_CIM;
}

void w_refs(struct writer *w, const char *name, const char *text)
{
	size_t len = strcspn(text, ";");
	open_tag(w, name);
	(void)buf_addf(w->out,
		"<b:Address>" ANONYMOUS "</b:Address><b:ReferenceParameters><c:ResourceURI>%s%.*s"
		"</c:ResourceURI><c:SelectorSet>",
		ns_of(text), (int)len, text);
	for (text += len; *text == ';'; text += len) {
		text++;
		size_t key = strcspn(text, "=");
		len = strcspn(text, ";");
		char value[512];
		snprintf(value, sizeof value, "%.*s", (int)(len - key - 1), text + key + 1);
		(void)buf_addf(w->out, "<c:Selector Name=\"%.*s\">", (int)key, text);
		(void)xml_escape(w->out, value);
		(void)buf_adds(w->out, "</c:Selector>");
	}
	(void)buf_adds(w->out, "</c:SelectorSet></b:ReferenceParameters>");
	close_tag(w, name);
}

const char *arg_text(const struct call *c, size_t i)
{
	return c->args[i] ? c->args[i]->text : "";
}

uint64_t arg_uint(const struct call *c, size_t i, uint64_t otherwise)
{
	return c->args[i] ? strtoull(c->args[i]->text, NULL, 10) : otherwise;
}

bool arg_bool(const struct call *c, size_t i, bool otherwise)
{
	return c->args[i] ? strcmp(c->args[i]->text, "true") == 0 : otherwise;
}

bool arg_b64(const struct call *c, size_t i, struct buf *out)
{
	const char *text = arg_text(c, i);
	return base64_decode(out, text, strlen(text)) == 0;
}

const char *arg_ref(const struct call *c, size_t i, const char *cls, const char *selector)
{
	const struct xml_node *params =
		c->args[i] ? xml_child(c->args[i], "ReferenceParameters") : NULL;
	const struct xml_node *uri = xml_child(params, "ResourceURI");
	size_t cls_len = strlen(cls), uri_len = uri ? strlen(uri->text) : 0;
	if (uri_len <= cls_len || strcmp(uri->text + uri_len - cls_len, cls) != 0 ||
		uri->text[uri_len - cls_len - 1] != '/')
		return "";
	const struct xml_node *set = xml_child(params, "SelectorSet");
	for (const struct xml_node *s = set ? set->children : NULL; s; s = s->next)
		if (s->attr_name && strcmp(s->attr_name, selector) == 0)
			return s->text;
	return "";
}

bool arg_bytes(const struct call *c, size_t i, uint8_t *out, size_t len)
{
	struct buf raw;
	buf_init(&raw, 4096);
	bool good = c->args[i] && arg_b64(c, i, &raw) && raw.len == len;
	if (good)
		memcpy(out, raw.data, len);
	buf_wipe(&raw);
	return good;
}

size_t arg_uints(const struct call *c, size_t i, uint32_t *out, size_t max)
{
	size_t n = 0;
	for (const struct xml_node *x = c->args[i]; x; x = x->next)
		if (strcmp(x->name, c->args[i]->name) == 0) {
			if (n < max)
				out[n] = (uint32_t)strtoul(x->text, NULL, 10);
			n++;
		}
	return n;
}

const struct prop state_change_in[] = {
	{"RequestedState", PT_UINT, PF_REQ},
	{"TimeoutPeriod", PT_STR},
	{NULL},
};

bool arg_state(struct call *c, const uint32_t *allowed, uint32_t *wanted)
{
	*wanted = (uint32_t)arg_uint(c, 0, 0);
	if (c->args[1]) {
		c->rv = CIM_TIMEOUT_PARAMETER;
		return false;
	}
	for (; *allowed; allowed++)
		if (*allowed == *wanted) {
			snprintf(c->note, sizeof c->note, "state %u", *wanted);
			return true;
		}
	c->rv = CIM_INVALID_PARAMETER;
	return false;
}
