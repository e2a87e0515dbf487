/* SPDX-License-Identifier: Apache-2.0 */
/* See sim_test.h. */
#include "tests/bench/sim_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_KEYS 3

void rig_open(struct rig *r, const char *personality, const char *ledger_path)
{
	struct error err = {0};
	memset(r, 0, sizeof *r);
	assert_int_equal(ledger_open(&r->ledger, ledger_path, &err), 0);
	assert_int_equal(keypool_open(&r->pool, NULL, POOL_KEYS, &err), 0);
	assert_int_equal(personality_load(&r->set, NULL, &err), 0);
	device_identity(&r->d, 7, 1, "corp.example.com");
	r->d.addr = 0x7F100002;
	r->d.pool = &r->pool;
	r->d.ledger = &r->ledger;
	r->d.as = personality_find(&r->set, personality);
	assert_non_null(r->d.as);
	assert_int_equal(
		keypool_prepare(&r->pool, (enum setup_cert)r->d.as->certificate.setup, &err), 0);
	device_start(&r->d);
	arena_init(&r->mem, 4u << 20);
}

void rig_close(struct rig *r)
{
	arena_reset(&r->mem);
	device_free(&r->d);
	keypool_close(&r->pool);
	personality_free(&r->set);
	ledger_close(&r->ledger);
}

void rig_send(struct rig *r, const char *envelope)
{
	struct wsman_client who = {.session = 1, .trace = "0198-job/7/STEP"};
	struct error err = {0};
	arena_reset(&r->mem);
	r->last = (struct wsman_answer){0};
	buf_init(&r->last.body, WSMAN_ANSWER_MAX);
	wsman_serve(&r->d, &who, envelope, strlen(envelope), &r->last);
	r->status = r->last.status;
	snprintf(r->fault, sizeof r->fault, "%s", r->last.fault ? r->last.fault : "");
	r->answer = NULL;
	if (!r->last.html && !r->last.cut && !r->last.freeze)
		assert_int_equal(xml_parse(&r->answer, &r->mem, (char *)r->last.body.data,
					 r->last.body.len, &err),
			0);
	buf_free(&r->last.body);
}

static const char *action_of(const char *uri, const char *operation, char out[static 256])
{
	static const char *const transfer[] = {"Get", "Put", "Create", "Delete"};
	for (size_t i = 0; i < 4; i++)
		if (strcmp(operation, transfer[i]) == 0) {
			snprintf(out, 256, "http://schemas.xmlsoap.org/ws/2004/09/transfer/%s",
				operation);
			return out;
		}
	if (strcmp(operation, "Enumerate") == 0 || strcmp(operation, "Pull") == 0)
		snprintf(out, 256, "http://schemas.xmlsoap.org/ws/2004/09/enumeration/%s",
			operation);
	else
		snprintf(out, 256, "%s/%s", uri, operation);
	return out;
}

void rig_call(struct rig *r, const char *uri, const char *operation, const char *selector,
	const char *body)
{
	char action[256], *text = NULL;
	size_t len = 0;
	bool invoke = strncmp(action_of(uri, operation, action), uri, strlen(uri)) == 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	fprintf(f,
		"<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\" "
		"xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
		"xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:r=\"%s\" "
		"xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\"><Header>"
		"<a:Action>%s</a:Action><a:To>/wsman</a:To><w:ResourceURI>%s</w:ResourceURI>"
		"<a:MessageID>42</a:MessageID><a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/"
		"2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"
		"<w:OperationTimeout>PT60S</w:OperationTimeout>",
		uri, action, uri);
	if (selector) {
		int name = (int)strcspn(selector, "=");
		fprintf(f,
			"<w:SelectorSet><w:Selector Name=\"%.*s\">%s</w:Selector></w:SelectorSet>",
			name, selector, selector + name + 1);
	}
	fprintf(f, "</Header><Body>");
	if (invoke)
		fprintf(f, "<r:%s_INPUT>%s</r:%s_INPUT>", operation, body ? body : "", operation);
	else
		fprintf(f, "%s", body ? body : "");
	fprintf(f, "</Body></Envelope>");
	fclose(f);
	rig_send(r, text);
	free(text);
}

static const struct xml_node *descend(const struct xml_node *n, const char *name)
{
	for (; n; n = n->next) {
		if (strcmp(n->name, name) == 0)
			return n;
		const struct xml_node *below = descend(n->children, name);
		if (below)
			return below;
	}
	return NULL;
}

const struct xml_node *rig_pull(struct rig *r, const char *uri)
{
	char body[256];
	rig_call(r, uri, "Enumerate", NULL, "<n:Enumerate/>");
	assert_string_equal(r->fault, "");
	snprintf(body, sizeof body,
		"<n:Pull><n:EnumerationContext>%s</n:EnumerationContext><n:MaxElements>999"
		"</n:MaxElements><n:MaxCharacters>99999</n:MaxCharacters></n:Pull>",
		rig_text(r, "EnumerationContext"));
	rig_call(r, uri, "Pull", NULL, body);
	assert_string_equal(r->fault, "");
	assert_non_null(descend(r->answer, "EndOfSequence"));
	return descend(r->answer, "Items");
}

const struct xml_node *rig_body(const struct rig *r)
{
	const struct xml_node *body = xml_child(r->answer, "Body");
	return body ? body->children : NULL;
}

const char *rig_text(const struct rig *r, const char *name)
{
	const struct xml_node *n = descend(r->answer, name);
	return n ? n->text : "";
}

int rig_rv(const struct rig *r)
{
	const struct xml_node *n = r->answer ? descend(r->answer, "ReturnValue") : NULL;
	return n ? atoi(n->text) : -1;
}

char *rig_file(const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	char *text = NULL;
	size_t cap = 0;
	ssize_t n = getdelim(&text, &cap, '\0', f);
	fclose(f);
	if (n < 0) {
		free(text);
		return NULL;
	}
	return text;
}

const char *rig_vector(const char *name)
{
	static char path[512];
	const char *dir = getenv("MUSTER_VECTORS");
	snprintf(path, sizeof path, "%s/%s", dir ? dir : "../shared/vectors", name);
	return path;
}
