/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to answers; see wsman.h. */
#include "bench/sim/wsman.h"

#include "bench/sim/classes/class.h"
#include "bench/sim/quirk.h"
#include "common/base/codec.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_SOAP           "http://www.w3.org/2003/05/soap-envelope"
#define NS_ADDR           "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define NS_MAN            "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define NS_ENUM           "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define NS_TRAN           "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define REQUEST_ARENA_MAX (512u << 10) /* nodes and texts of one request */
/* Largest Pull, whatever MaxCharacters says. SPEC: wsman.md 4 Sizes */
#define PULL_CHARACTERS_MAX 99999

static const struct {
	const char *code;    /* Sender or Receiver */
	const char *subcode; /* with the prefix of fault_open() */
	const char *text;
} faults[WF_N] = {
	[WF_DESTINATION_UNREACHABLE] = {"Sender", "b:DestinationUnreachable",
		"No route can be determined to reach the destination role defined by the "
		"WS-Addressing To."},
	[WF_ACTION_NOT_SUPPORTED] = {"Sender", "b:ActionNotSupported",
		"The action is not supported by the service."},
	[WF_INVALID_SELECTORS] = {"Sender", "e:InvalidSelectors",
		"The Selectors for the resource are not valid."},
	[WF_SCHEMA] = {"Sender", "e:SchemaValidationError",
		"The supplied SOAP violates the corresponding XML Schema definition."},
	[WF_ALREADY_EXISTS] = {"Sender", "e:AlreadyExists",
		"The sender attempted to create a resource which already exists."},
	[WF_ACCESS_DENIED] = {"Sender", "e:AccessDenied",
		"The sender was not authorized to access the resource."},
	[WF_INTERNAL] = {"Receiver", "e:InternalError",
		"The service cannot comply with the request due to internal processing errors."},
	[WF_ENUM_CONTEXT] = {"Receiver", "c:InvalidEnumerationContext",
		"The supplied enumeration context is invalid."},
	[WF_HEADER] = {"Sender", "b:MessageInformationHeaderRequired",
		"A required header is missing."},
	[WF_NOT_UNDERSTOOD] = {"Sender", "a:MustUnderstand", "A header was not understood."},
};

struct request {
	const char *action, *uri, *message_id;
	const struct xml_node *selectors;
	const struct xml_node *body;  /* the Body element */
	const struct xml_node *first; /* its only child, or NULL */
};

/* ---- the request ---------------------------------------------------------------------------- */

/* Headers in the order in which all known peers send them. SPEC: wsman.md 4 */
enum { H_ACTION, H_TO, H_URI, H_ID, H_REPLY, H_MAX_SIZE, H_TIMEOUT, H_SELECTORS, H_N };
static const struct {
	const char *ns, *name;
	bool required;
} headers[H_N] = {
	[H_ACTION] = {NS_ADDR, "Action", true},
	[H_TO] = {NS_ADDR, "To", true},
	[H_URI] = {NS_MAN, "ResourceURI", true},
	[H_ID] = {NS_ADDR, "MessageID", true},
	[H_REPLY] = {NS_ADDR, "ReplyTo", true},
	[H_MAX_SIZE] = {NS_MAN, "MaxEnvelopeSize", false},
	[H_TIMEOUT] = {NS_MAN, "OperationTimeout", false},
	[H_SELECTORS] = {NS_MAN, "SelectorSet", false},
};

static enum wfault read_header(const struct xml_node *header, const struct xml_node *found[H_N])
{
	int at = 0;
	for (const struct xml_node *h = header->children; h; h = h->next) {
		int i = 0;
		while (i < H_N && !xml_is(h, headers[i].ns, headers[i].name))
			i++;
		if (i == H_N && h->must_understand)
			return WF_NOT_UNDERSTOOD;
		if (i == H_N)
			continue;
		if (i < at || found[i])
			return WF_SCHEMA;
		found[i] = h;
		at = i;
	}
	for (int i = 0; i < H_N; i++)
		if (headers[i].required && !found[i])
			return WF_HEADER;
	return WF_NONE;
}

static enum wfault read_request(const struct xml_node *root, struct request *rq)
{
	const struct xml_node *found[H_N] = {NULL};
	const struct xml_node *header = root->children, *body = header ? header->next : NULL;
	if (!body || body->next || !xml_is(root, NS_SOAP, "Envelope") ||
		!xml_is(header, NS_SOAP, "Header") || !xml_is(body, NS_SOAP, "Body"))
		return WF_SCHEMA;
	enum wfault f = read_header(header, found);
	rq->message_id = found[H_ID] ? found[H_ID]->text : "";
	if (f != WF_NONE)
		return f;
	if (!xml_is(found[H_REPLY]->children, NS_ADDR, "Address"))
		return WF_SCHEMA;
	rq->action = found[H_ACTION]->text;
	rq->uri = found[H_URI]->text;
	rq->selectors = found[H_SELECTORS];
	rq->body = body;
	rq->first = body->children;
	if (xml_count(body) > 1)
		return WF_SCHEMA;
	if (strstr(found[H_TO]->text, "/wsman") == NULL)
		return WF_DESTINATION_UNREACHABLE;
	return WF_NONE;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static unsigned answer_id; /* MessageID counter of the process */

/* Open the envelope: ns_g and ns_h are bound to the prefixes g and h (ns_h may be NULL). */
static void envelope_open(struct wsman_answer *a, const struct request *rq, const char *action,
	const char *suffix, const char *ns_g, const char *ns_h)
{
	(void)buf_addf(&a->body,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" NS_SOAP
		"\" xmlns:b=\"" NS_ADDR "\" xmlns:c=\"" NS_MAN
		"\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/02/trust\" "
		"xmlns:e=\"http://docs.oasis-open.org/wss/2004/01/"
		"oasis-200401-wss-wssecurity-secext-1.0.xsd\" "
		"xmlns:f=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\" "
		"xmlns:g=\"%s\"%s%s%s "
		"xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><a:Header><b:To>" ANONYMOUS
		"</b:To><b:RelatesTo>",
		ns_g, ns_h ? " xmlns:h=\"" : "", ns_h ? ns_h : "", ns_h ? "\"" : "");
	(void)xml_escape(&a->body, rq->message_id);
	(void)buf_addf(&a->body,
		"</b:RelatesTo><b:Action a:mustUnderstand=\"true\">%s%s</b:Action>"
		"<b:MessageID>uuid:00000000-8086-8086-8086-%012X</b:MessageID><c:ResourceURI>",
		action, suffix, ++answer_id);
	(void)xml_escape(&a->body, rq->uri);
	(void)buf_adds(&a->body, "</c:ResourceURI></a:Header><a:Body>");
}

static void envelope_close(struct wsman_answer *a)
{
	(void)buf_adds(&a->body, "</a:Body></a:Envelope>");
}

static void write_fault(struct wsman_answer *a, const struct request *rq, enum wfault f)
{
	a->status = 400;
	a->close = true;
	a->fault = faults[f].subcode + 2;
	buf_consume(&a->body, a->body.len);
	(void)buf_adds(&a->body,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope "
		"xmlns:g=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\" xmlns:e=\"" NS_MAN
		"\" xmlns:d=\"" NS_TRAN "\" xmlns:c=\"" NS_ENUM "\" xmlns:b=\"" NS_ADDR
		"\" xmlns:a=\"" NS_SOAP "\" "
		"xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><a:Header><b:To>" ANONYMOUS
		"</b:To><b:RelatesTo>");
	(void)xml_escape(&a->body, rq->message_id ? rq->message_id : "");
	(void)buf_addf(&a->body,
		"</b:RelatesTo><b:Action a:mustUnderstand=\"true\">"
		"http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</b:Action>"
		"<b:MessageID>uuid:00000000-8086-8086-8086-%012X</b:MessageID></a:Header><a:Body>"
		"<a:Fault><a:Code><a:Value>a:%s</a:Value><a:Subcode><a:Value>%s</a:Value>"
		"</a:Subcode></a:Code><a:Reason><a:Text xml:lang=\"en-US\">%s</a:Text></a:Reason>"
		"<a:Detail></a:Detail></a:Fault>",
		++answer_id, faults[f].code, faults[f].subcode, faults[f].text);
	envelope_close(a);
}

/* ---- operations ----------------------------------------------------------------------------- */

static enum wfault do_get(struct call *c, const struct request *rq, struct wsman_answer *a)
{
	char uri[CLASS_URI_MAX];
	if (rq->first)
		return WF_SCHEMA;
	if (c->cls->no_get)
		return WF_ACTION_NOT_SUPPORTED;
	enum wfault f = class_select(c->cls, c->d, rq->selectors, &c->instance);
	if (f != WF_NONE)
		return f;
	envelope_open(a, rq, rq->action, "Response", class_uri(c->cls, uri), NULL);
	(void)buf_addf(&a->body, "<g:%s>", c->cls->name);
	c->w.prefix = 'g';
	class_write(&c->w, c->cls, c->d, c->instance);
	(void)buf_addf(&a->body, "</g:%s>", c->cls->name);
	envelope_close(a);
	return WF_NONE;
}

/* The object of a Put or Create: one element named like the class. */
static enum wfault read_object(struct call *c, const struct request *rq)
{
	char uri[CLASS_URI_MAX];
	if (!xml_is(rq->first, class_uri(c->cls, uri), c->cls->name))
		return WF_SCHEMA;
	c->body = rq->first;
	return class_check(c->cls->props, absent_props(c->d->as->absent, c->id), c->cls->any_order,
		rq->first, uri, c->args);
}

static enum wfault do_put(struct call *c, const struct request *rq, struct wsman_answer *a)
{
	if (!c->cls->can_put)
		return WF_ACTION_NOT_SUPPORTED;
	enum wfault f = class_select(c->cls, c->d, rq->selectors, &c->instance);
	if (f == WF_NONE)
		f = read_object(c, rq);
	/* No source says how a Put tells that flash is worn out. */
	if (f == WF_NONE && !c->cls->staged && !device_flash(c->d))
		f = WF_INTERNAL;
	if (f == WF_NONE && c->cls->put)
		f = c->cls->put(c);
	if (f != WF_NONE)
		return f;
	if (class_store(c) < 0)
		return WF_INTERNAL;
	char uri[CLASS_URI_MAX];
	envelope_open(a, rq, rq->action, "Response", class_uri(c->cls, uri), NULL);
	(void)buf_addf(&a->body, "<g:%s>", c->cls->name);
	c->w.prefix = 'g';
	class_write(&c->w, c->cls, c->d, c->instance);
	(void)buf_addf(&a->body, "</g:%s>", c->cls->name);
	envelope_close(a);
	return WF_NONE;
}

static enum wfault do_create(struct call *c, const struct request *rq, struct wsman_answer *a)
{
	if (!c->cls->create)
		return WF_ACTION_NOT_SUPPORTED;
	enum wfault f = read_object(c, rq);
	if (f == WF_NONE)
		f = c->cls->create(c);
	if (f != WF_NONE)
		return f;
	(void)device_flash(c->d);
	envelope_open(a, rq, rq->action, "Response", NS_TRAN, NULL);
	(void)buf_addf(&a->body,
		"<g:ResourceCreated><b:Address>" ANONYMOUS
		"</b:Address><b:ReferenceParameters><c:ResourceURI>%s%s</c:ResourceURI>"
		"<c:SelectorSet>",
		c->cls->ns, c->cls->name);
	/* Key references of the new association, as selectors. */
	for (const struct prop *p = c->cls->props; p->name; p++) {
		struct buf inner;
		buf_init(&inner, 4096);
		struct writer w = {.out = &inner, .prefix = 'x'};
		p->value(&w, c->d, 0, p);
		const char *text = buf_cstr(&inner);
		const char *from = text ? strchr(text, '>') : NULL,
			   *to = from ? strrchr(text, '<') : NULL;
		if (to)
			(void)buf_addf(&a->body,
				"<c:Selector Name=\"%s\"><b:EndpointReference>%.*s"
				"</b:EndpointReference></c:Selector>",
				p->name, (int)(to - from - 1), from + 1);
		buf_free(&inner);
	}
	(void)buf_adds(&a->body, "</c:SelectorSet></b:ReferenceParameters></g:ResourceCreated>");
	envelope_close(a);
	return WF_NONE;
}

static enum wfault do_delete(struct call *c, const struct request *rq, struct wsman_answer *a)
{
	if (!c->cls->del)
		return WF_ACTION_NOT_SUPPORTED;
	if (rq->first)
		return WF_SCHEMA;
	enum wfault f = class_select(c->cls, c->d, rq->selectors, &c->instance);
	if (f == WF_NONE)
		f = c->cls->del(c);
	if (f != WF_NONE)
		return f;
	(void)device_flash(c->d);
	envelope_open(a, rq, rq->action, "Response", NS_TRAN, NULL);
	envelope_close(a);
	return WF_NONE;
}

static void write_context(struct wsman_answer *a, uint32_t id)
{
	/* Little-endian in front, as firmware shows its counter. */
	(void)buf_addf(&a->body,
		"<g:EnumerationContext>%02X%02X%02X%02X-0000-0000-0000-000000000000"
		"</g:EnumerationContext>",
		id & 255, (id >> 8) & 255, (id >> 16) & 255, id >> 24);
}

static enum wfault do_enumerate(struct call *c, const struct request *rq, struct wsman_answer *a)
{
	if (!xml_is(rq->first, NS_ENUM, "Enumerate") || rq->selectors)
		return WF_SCHEMA;
	struct device *d = c->d;
	d->enum_counter++;
	struct dev_enum *slot = &d->enums[d->enum_counter % DEVICE_ENUMS_MAX];
	*slot = (struct dev_enum){.id = d->enum_counter, .cls = c->cls};
	envelope_open(a, rq, rq->action, "Response", NS_ENUM, NULL);
	(void)buf_adds(&a->body, "<g:EnumerateResponse>");
	write_context(a, slot->id);
	(void)buf_adds(&a->body, "</g:EnumerateResponse>");
	envelope_close(a);
	return WF_NONE;
}

static struct dev_enum *find_context(struct call *c, const char *text)
{
	unsigned b[4];
	if (sscanf(text, "%2X%2X%2X%2X-0000-0000-0000-000000000000", &b[0], &b[1], &b[2], &b[3]) !=
		4)
		return NULL;
	uint32_t id = b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24;
	struct dev_enum *slot = &c->d->enums[id % DEVICE_ENUMS_MAX];
	return id && slot->id == id && slot->cls == c->cls ? slot : NULL;
}

/* Pull: EnumerationContext, MaxElements, MaxCharacters, in this order. */
static const struct prop pull_args[] = {
	{"EnumerationContext", PT_STR, PF_REQ, .max = 64},
	{"MaxElements", PT_UINT, 0},
	{"MaxCharacters", PT_UINT, 0},
	{NULL},
};

static void write_item(struct call *c, struct wsman_answer *a, int i)
{
	(void)buf_addf(&a->body, "<h:%s>", c->cls->name);
	class_write(&c->w, c->cls, c->d, i);
	(void)buf_addf(&a->body, "</h:%s>", c->cls->name);
}

static enum wfault do_pull(struct call *c, const struct request *rq, struct wsman_answer *a)
{
	char uri[CLASS_URI_MAX];
	if (!xml_is(rq->first, NS_ENUM, "Pull") ||
		class_check(pull_args, 0, false, rq->first, NS_ENUM, c->args) != WF_NONE)
		return WF_SCHEMA;
	struct dev_enum *slot = find_context(c, arg_text(c, 0));
	if (!slot)
		return WF_ENUM_CONTEXT;
	uint64_t elements = arg_uint(c, 1, 1), characters = arg_uint(c, 2, PULL_CHARACTERS_MAX);
	if (characters > PULL_CHARACTERS_MAX || elements == 0)
		return WF_SCHEMA;
	int n = class_count(c->cls, c->d), i = slot->next;
	envelope_open(a, rq, rq->action, "Response", NS_ENUM, class_uri(c->cls, uri));
	(void)buf_adds(&a->body, "<g:PullResponse><g:Items>");
	c->w.prefix = 'h';
	size_t start = a->body.len;
	for (; i < n && elements > 0 && a->body.len - start < characters; i++)
		if (class_exists(c->cls, c->d, i)) {
			write_item(c, a, i);
			elements--;
		}
	(void)buf_adds(&a->body, "</g:Items>");
	while (i < n && !class_exists(c->cls, c->d, i))
		i++;
	slot->next = i;
	if (i < n) {
		/* More to come: under a new context, which must be used from now on. */
		slot->id += DEVICE_ENUMS_MAX;
		write_context(a, slot->id);
		if (c->d->enum_counter < slot->id)
			c->d->enum_counter = slot->id;
	} else {
		slot->id = 0;
		(void)buf_adds(&a->body, "<g:EndOfSequence></g:EndOfSequence>");
	}
	(void)buf_adds(&a->body, "</g:PullResponse>");
	envelope_close(a);
	return WF_NONE;
}

static const struct method *find_method(const struct call *c, const char *action)
{
	const struct class_def *cls = c->cls;
	char uri[CLASS_URI_MAX];
	size_t len = strlen(class_uri(cls, uri));
	if (strncmp(action, uri, len) != 0 || action[len] != '/')
		return NULL;
	for (size_t i = 0; cls->methods && cls->methods[i].name; i++)
		if (strcmp(cls->methods[i].name, action + len + 1) == 0)
			return absent_method(c->d->as->absent, c->id, i) ? NULL : &cls->methods[i];
	return NULL;
}

static enum wfault do_invoke(struct call *c, const struct request *rq, struct wsman_answer *a)
{
	char uri[CLASS_URI_MAX], input[64];
	const struct method *m = c->method;
	enum wfault f = class_select(c->cls, c->d, rq->selectors, &c->instance);
	if (f != WF_NONE)
		return f;
	snprintf(input, sizeof input, "%s_INPUT", m->name);
	if (!xml_is(rq->first, class_uri(c->cls, uri), input))
		return WF_SCHEMA;
	c->body = rq->first;
	f = class_check(m->in, 0, m->any_order, rq->first, uri, c->args);
	if (f != WF_NONE)
		return f;
	envelope_open(a, rq, rq->action, "Response", uri, NULL);
	(void)buf_addf(&a->body, "<g:%s_OUTPUT>", m->name);
	c->w.prefix = 'g';
	bool writes = m->mutates && !m->no_flash;
	if (writes && !device_flash_left(c->d))
		c->rv = RV_FLASH;
	else
		f = m->fn(c);
	if (f != WF_NONE)
		return f;
	if (writes && c->rv == RV_OK)
		(void)device_flash(c->d);
	w_uint(&c->w, "ReturnValue", c->rv);
	(void)buf_addf(&a->body, "</g:%s_OUTPUT>", m->name);
	envelope_close(a);
	return WF_NONE;
}

static const struct operation {
	const char *action;
	const char *name; /* for the ledger */
	bool mutates;
	enum wfault (*fn)(struct call *c, const struct request *rq, struct wsman_answer *a);
} operations[] = {
	{NS_TRAN "/Get", "Get", false, do_get},
	{NS_TRAN "/Put", "Put", true, do_put},
	{NS_TRAN "/Create", "Create", true, do_create},
	{NS_TRAN "/Delete", "Delete", true, do_delete},
	{NS_ENUM "/Enumerate", "Enumerate", false, do_enumerate},
	{NS_ENUM "/Pull", "Pull", false, do_pull},
};

/* ---- the ledger ----------------------------------------------------------------------------- */

/* "job/fence/step" to members. */
static void write_trace(struct ledger *l, const char *trace)
{
	char job[64] = "", step[64] = "";
	unsigned long long fence = 0;
	if (!trace || sscanf(trace, "%63[^/]/%llu/%63s", job, &fence, step) < 2)
		return;
	ledger_str(l, "job", job);
	ledger_uint(l, "fence", fence);
	ledger_str(l, "step", step);
}

/* What no Get shows: which secrets this call has carried, as the first bytes of their SHA-256. */
static void write_secrets(struct ledger *l, const struct prop *props, const struct xml_node *body)
{
	enum { SHOWN = 8 };
	for (const struct xml_node *n = body ? body->children : NULL; n; n = n->next) {
		const struct prop *p = props;
		while (p && p->name && strcmp(p->name, n->name) != 0)
			p++;
		if (!p || !p->name)
			continue;
		if (p->type == PT_EMBEDDED)
			write_secrets(l, p->sub, n);
		if (!(p->flags & PF_SECRET) || !n->text || !*n->text)
			continue;
		uint8_t md[SHA256_DIGEST_LENGTH];
		char key[96], hex[2 * SHOWN + 1];
		SHA256((const uint8_t *)n->text, strlen(n->text), md);
		hex_encode(md, SHOWN, hex);
		snprintf(key, sizeof key, "secret.%s", n->name);
		ledger_str(l, key, hex);
	}
}

static void record(const struct call *c, const struct wsman_client *who, const char *call,
	unsigned generation, enum wfault f)
{
	struct ledger *l = c->d->ledger;
	ledger_begin(l, "call", c->d->id);
	ledger_uint(l, "s", who->session);
	ledger_uint(l, "attempt", who->attempt);
	ledger_uint(l, "gen", generation);
	ledger_str(l, "call", call);
	write_trace(l, who->trace);
	if (f != WF_NONE)
		ledger_str(l, "fault", faults[f].subcode + 2);
	else
		ledger_uint(l, "rv", c->rv);
	if (c->note[0])
		ledger_str(l, "note", c->note);
	if (f == WF_NONE && c->rv == RV_OK)
		write_secrets(l, c->method ? c->method->in : c->cls->props, c->body);
	if (c->cut || c->freeze)
		ledger_bool(l, "cut", true);
	ledger_end(l);
}

/* ---- entry ---------------------------------------------------------------------------------- */

static enum wfault dispatch(struct device *d, const struct wsman_client *who,
	const struct request *rq, struct wsman_answer *a)
{
	struct call c = {.d = d, .w = {.out = &a->body, .prefix = 'g'}};
	c.cls = class_find(d, rq->uri, &c.id);
	if (!c.cls)
		return WF_DESTINATION_UNREACHABLE;
	c.w.hide = absent_props(d->as->absent, c.id);
	const struct operation *op = NULL;
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
		if (strcmp(rq->action, operations[i].action) == 0)
			op = &operations[i];
	c.method = op ? NULL : find_method(&c, rq->action);
	if (!op && !c.method)
		return WF_ACTION_NOT_SUPPORTED;
	unsigned generation = d->generation; /* the call may begin a new one */
	snprintf(a->call, sizeof a->call, "%s.%s", c.cls->name, op ? op->name : c.method->name);
	enum wfault f = WF_NONE;
	if (quirk_before(&c, a->call)) {
		f = op ? op->fn(&c, rq, a) : do_invoke(&c, rq, a);
		quirk_after(&c, a->call);
	}
	if (op ? op->mutates : c.method->mutates || c.method->noted)
		record(&c, who, a->call, generation, f);
	a->slow_ms = c.slow_ms;
	a->deaf_ms = c.deaf_ms;
	a->freeze = c.freeze;
	a->close = c.close;
	a->cut = c.cut;
	a->acl_changed = c.acl_changed;
	a->configured = c.committed;
	a->setup_again = c.setup_again;
	a->restart = c.committed || c.setup_again;
	a->slow_key = c.method && f == WF_NONE && c.rv == 0 &&
		      strcmp(c.method->name, "GenerateKeyPair") == 0;
	return f;
}

void wsman_serve(struct device *d, const struct wsman_client *who, const char *body, size_t len,
	struct wsman_answer *out)
{
	struct arena mem;
	struct xml_node *root;
	struct request rq = {0};
	out->status = 200;
	arena_init(&mem, REQUEST_ARENA_MAX);
	if (xml_parse(&root, &mem, body, len, NULL) < 0) {
		out->status = 400;
		out->html = out->close = true;
		arena_reset(&mem);
		return;
	}
	enum wfault f = read_request(root, &rq);
	if (device_has(d, FAULT_ANSWER))
		f = WF_INTERNAL;
	if (f == WF_NONE)
		f = dispatch(d, who, &rq, out);
	if (f != WF_NONE)
		write_fault(out, &rq, f);
	arena_reset(&mem);
}
