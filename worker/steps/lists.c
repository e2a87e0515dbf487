/* SPDX-License-Identifier: Apache-2.0 */
/* What the device lists: certificates and keys, copied into the lists arena, and comparisons. */
#include <openssl/x509.h>

#include "common/base/cert.h"
#include "common/base/codec.h"
#include "worker/steps/steps.h"

#define LISTED_DER_MAX 8192 /* AMT stores 4100 bytes at most */

const uint8_t *list_der(struct session *s, const char *base64, size_t *len)
{
	struct buf raw;
	uint8_t *copy = NULL;
	buf_init(&raw, LISTED_DER_MAX);
	*len = 0;
	if (base64 && base64_decode(&raw, base64, strlen(base64)) == 0 &&
		(copy = arena_alloc(&s->lists, raw.len + 1))) {
		memcpy(copy, raw.data, raw.len);
		*len = raw.len;
	}
	buf_free(&raw);
	return copy;
}

static struct listed *add(
	struct session *s, struct listed **list, const struct wsman_node *i, const char *der_name)
{
	const char *handle = wsman_node_text(i, "InstanceID");
	struct listed *l = arena_alloc(&s->lists, sizeof *l);
	if (!l || !handle || strlen(handle) > CHECKPOINT_HANDLE_MAX)
		return NULL;
	l->handle = arena_strdup(&s->lists, handle);
	l->der = list_der(s, wsman_node_text(i, der_name), &l->der_len);
	if (!l->handle || !l->der)
		return NULL;
	l->next = *list;
	*list = l;
	return l;
}

enum build cert_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	arena_reset(&s->lists);
	s->o.certs = s->o.keys = NULL;
	return BUILD_SEND;
}

struct verdict cert_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		struct listed *l = add(s, &s->o.certs, i, "X509Certificate");
		if (!l)
			return v_fail(s, FAIL_RETRY, "bad_list",
				"an AMT_PublicKeyCertificate that cannot be read or is too large");
		/* The misspelt name is the firmware's. */
		wsman_node_bool(i, "TrustedRootCertficate", &l->root);
		wsman_node_bool(i, "ReadOnlyCertificate", &l->readonly);
	}
	return v_next();
}

enum build key_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.keys = NULL;
	return BUILD_SEND;
}

struct verdict key_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));)
		if (!add(s, &s->o.keys, i, "DERKey"))
			return v_fail(s, FAIL_RETRY, "bad_list",
				"an AMT_PublicPrivateKeyPair that cannot be read or is too large");
	return v_next();
}

struct listed *listed_by_handle(struct listed *list, const char *handle)
{
	while (list && strcmp(list->handle, handle) != 0)
		list = list->next;
	return list;
}

struct listed *listed_by_der(struct listed *list, const uint8_t *der, size_t len)
{
	while (list && (list->der_len != len || memcmp(list->der, der, len) != 0))
		list = list->next;
	return list;
}

/* Both forms of DERKey end with the RSAPublicKey that the certificate holds as its key bits. */
bool cert_has_key(const struct listed *cert, const uint8_t *derkey, size_t len)
{
	const unsigned char *bits = NULL;
	int n_bits = 0;
	X509 *x = cert_parse(cert->der, cert->der_len);
	bool same = x &&
		    X509_PUBKEY_get0_param(NULL, &bits, &n_bits, NULL, X509_get_X509_PUBKEY(x)) &&
		    n_bits > 0 && (size_t)n_bits <= len &&
		    memcmp(derkey + len - (size_t)n_bits, bits, (size_t)n_bits) == 0;
	X509_free(x);
	return same;
}

const char *request_base64(struct session *s, const void *data, size_t len)
{
	s->blob.len = 0;
	return base64_encode(&s->blob, data, len) == 0 ? buf_cstr(&s->blob) : NULL;
}

enum build request_delete(
	struct session *s, struct wsman_request *rq, const char *key, const char *value)
{
	struct wsman_selector *sel = arena_alloc(&s->keep, sizeof *sel);
	if (!sel)
		return build_nomem(s);
	*sel = (struct wsman_selector){.name = key, .text = value};
	rq->op = WSMAN_DELETE;
	rq->selectors = sel;
	rq->n_selectors = 1;
	return BUILD_SEND;
}
