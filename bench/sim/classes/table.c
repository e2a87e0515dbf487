/* SPDX-License-Identifier: Apache-2.0 */
/* The list of classes and what the tables drive; see class.h. */
#include "bench/sim/classes/class.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct class_def class_general_settings, class_software_identity,
	class_setup_and_configuration, class_time_synchronization, class_authorization,
	class_certificate, class_key_pair, class_key_management, class_key_capabilities,
	class_tls_credential, class_tls_setting, class_tls_collection, class_redirection,
	class_kvm_sap, class_kvm_setting, class_opt_in, class_web_ui, class_power_scheme,
	class_element_setting, class_ethernet_port, class_host_based_setup;

const struct class_def *const class_table[] = {
	&class_general_settings,
	&class_software_identity,
	&class_setup_and_configuration,
	&class_time_synchronization,
	&class_authorization,
	&class_certificate,
	&class_key_pair,
	&class_key_management,
	&class_key_capabilities,
	&class_tls_credential,
	&class_tls_setting,
	&class_tls_collection,
	&class_redirection,
	&class_kvm_sap,
	&class_kvm_setting,
	&class_opt_in,
	&class_web_ui,
	&class_power_scheme,
	&class_element_setting,
	&class_ethernet_port,
	&class_host_based_setup,
	NULL,
};

const char *class_uri(const struct class_def *cls, char out[static CLASS_URI_MAX])
{
	snprintf(out, CLASS_URI_MAX, "%s%s", cls->ns, cls->name);
	return out;
}

const struct class_def *class_find(const struct device *d, const char *uri)
{
	for (size_t i = 0; class_table[i]; i++) {
		const struct class_def *cls = class_table[i];
		size_t ns_len = strlen(cls->ns);
		if (strncmp(uri, cls->ns, ns_len) == 0 && strcmp(uri + ns_len, cls->name) == 0)
			return !cls->present || cls->present(d) ? cls : NULL;
	}
	return NULL;
}

int class_count(const struct class_def *cls, const struct device *d)
{
	return cls->count ? cls->count(d) : 1;
}

bool class_exists(const struct class_def *cls, const struct device *d, int instance)
{
	return !cls->exists || cls->exists(d, instance);
}

static void *object_of(const struct class_def *cls, struct device *d, int instance)
{
	return cls->object ? cls->object(d, instance) : (void *)&d->set;
}

static void write_stored(struct writer *w, const struct prop *p, const void *at)
{
	switch (p->type) {
	case PT_STR:
		if (!(p->flags & PF_HIDE_EMPTY) || *(const char *)at)
			w_text(w, p->name, at);
		break;
	case PT_BOOL: w_bool(w, p->name, *(const bool *)at); break;
	case PT_UINT: w_uint(w, p->name, *(const uint32_t *)at); break;
	case PT_B64:
	case PT_REF: break; /* always by prop.value */
	}
}

void class_write(struct writer *w, const struct class_def *cls, struct device *d, int instance)
{
	const uint8_t *object = object_of(cls, d, instance);
	for (const struct prop *p = cls->props; p->name; p++) {
		if (p->value)
			p->value(w, d, instance, p);
		else if (p->text)
			w_text(w, p->name, p->text);
		else
			write_stored(w, p, object + p->off);
	}
}

/* The value of a key property, read back from what Get would show. */
static bool key_is(const struct class_def *cls, struct device *d, int instance,
	const struct prop *p, const char *wanted)
{
	char text[2 * DEVICE_FQDN_MAX];
	struct buf b;
	buf_init(&b, sizeof text - 1);
	struct writer w = {.out = &b, .prefix = 'g'};
	if (p->value)
		p->value(&w, d, instance, p);
	else if (p->text)
		w_text(&w, p->name, p->text);
	else
		write_stored(&w, p, (uint8_t *)object_of(cls, d, instance) + p->off);
	const char *shown = buf_cstr(&b), *start = shown ? strchr(shown, '>') : NULL;
	const char *end = start ? strrchr(shown, '<') : NULL;
	size_t len = end && end > start ? (size_t)(end - start - 1) : 0;
	bool same = start && strlen(wanted) == len && memcmp(start + 1, wanted, len) == 0;
	buf_free(&b);
	return same;
}

/* Keys are texts; an association is named by its references. */
static const struct prop *key_named(const struct class_def *cls, const char *name)
{
	for (const struct prop *p = cls->props; p->name; p++)
		if (((p->flags & PF_KEY) || p->type == PT_REF) && strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static bool selected(const struct class_def *cls, struct device *d, int instance,
	const struct xml_node *selectors)
{
	for (const struct xml_node *s = selectors->children; s; s = s->next) {
		const struct prop *p = key_named(cls, s->attr_name);
		if (!p || (p->type == PT_REF) != (s->children != NULL))
			return false;
		/* Associations here have one instance: its references need no comparison. */
		if (p->type != PT_REF && !key_is(cls, d, instance, p, s->text))
			return false;
	}
	return true;
}

enum wfault class_select(const struct class_def *cls, struct device *d,
	const struct xml_node *selectors, int *instance)
{
	int n = class_count(cls, d);
	if (!selectors || !selectors->children) {
		/* Only what exists once needs no selector. */
		*instance = 0;
		return !cls->count && class_exists(cls, d, 0) ? WF_NONE : WF_INVALID_SELECTORS;
	}
	for (const struct xml_node *s = selectors->children; s; s = s->next)
		if (strcmp(s->name, "Selector") != 0 || !s->attr_name)
			return WF_INVALID_SELECTORS;
	for (int i = 0; i < n; i++)
		if (class_exists(cls, d, i) && selected(cls, d, i, selectors)) {
			*instance = i;
			return WF_NONE;
		}
	return WF_INVALID_SELECTORS;
}

static bool uint_ok(const struct prop *p, const char *text)
{
	if (*text < '0' || *text > '9')
		return false;
	char *end;
	uint64_t v = strtoull(text, &end, 10);
	return *end == '\0' && v <= (p->max ? p->max : UINT32_MAX);
}

/* The alphabet only: what does not decode is answered by the method's ReturnValue. */
static bool b64_ok(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/= \t\r\n";
	return text[strspn(text, alphabet)] == '\0';
}

/* An endpoint reference: Address, then ReferenceParameters with ResourceURI and SelectorSet. */
static bool ref_ok(const struct xml_node *n)
{
	const char *adr = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
	const char *man = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
	const struct xml_node *a = n->children, *p = a ? a->next : NULL;
	const struct xml_node *uri = p ? p->children : NULL;
	return uri && xml_is(a, adr, "Address") && xml_is(p, adr, "ReferenceParameters") &&
	       xml_is(uri, man, "ResourceURI") && xml_is(uri->next, man, "SelectorSet");
}

static bool value_ok(const struct prop *p, const struct xml_node *n)
{
	if (p->type == PT_REF)
		return ref_ok(n);
	if (n->children)
		return false;
	switch (p->type) {
	case PT_STR: return p->max == 0 || strlen(n->text) <= p->max;
	case PT_BOOL: return strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0;
	case PT_UINT: return uint_ok(p, n->text);
	case PT_B64: return b64_ok(n->text);
	case PT_REF: break;
	}
	return false;
}

/* Place of a name in the table at or after from; -1 when it is not there. */
static int place(const struct prop *props, int from, const char *name)
{
	for (int i = 0; props && props[i].name; i++)
		if (strcmp(props[i].name, name) == 0)
			return i >= from ? i : -1;
	return -1;
}

enum wfault class_check(const struct prop *props, bool any_order, const struct xml_node *body,
	const char *ns, const struct xml_node *args[static CLASS_ARGS_MAX])
{
	int at = 0;
	for (const struct xml_node *n = body->children; n; n = n->next) {
		int i = strcmp(n->ns, ns) == 0 ? place(props, any_order ? 0 : at, n->name) : -1;
		if (i < 0 || i >= CLASS_ARGS_MAX || !value_ok(&props[i], n))
			return WF_SCHEMA;
		if (args[i] && !(props[i].flags & PF_ARRAY))
			return WF_SCHEMA;
		if (!args[i])
			args[i] = n;
		at = i;
	}
	for (int i = 0; props && props[i].name; i++)
		if ((props[i].flags & PF_REQ) && !args[i])
			return WF_SCHEMA;
	return WF_NONE;
}

void class_store(struct call *c)
{
	uint8_t *object = object_of(c->cls, c->d, c->instance);
	const struct prop *props = c->cls->props;
	for (const struct xml_node *n = c->body->children; n; n = n->next) {
		int i = place(props, 0, n->name);
		if (i < 0 || !(props[i].flags & PF_STORE))
			continue;
		uint8_t *at = object + props[i].off;
		if (props[i].type == PT_BOOL)
			*(bool *)at = strcmp(n->text, "true") == 0;
		else if (props[i].type == PT_UINT)
			*(uint32_t *)at = (uint32_t)strtoul(n->text, NULL, 10);
		else if (props[i].type == PT_STR)
			memcpy(at, n->text, strlen(n->text) + 1);
	}
}
