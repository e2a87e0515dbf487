/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "common/base/err.h"
#include "worker/plan.h"

#define CHECKPOINT_SCHEMA 1
#define PUBLIC_KEY_MAX    1024
#define CERTIFICATE_MAX   8192

void checkpoint_init(struct checkpoint *ck)
{
	*ck = (struct checkpoint){0};
	buf_init(&ck->public_key, PUBLIC_KEY_MAX);
	buf_init(&ck->certificate, CERTIFICATE_MAX);
}

void checkpoint_free(struct checkpoint *ck)
{
	buf_free(&ck->public_key);
	buf_free(&ck->certificate);
}

static ProtobufCBinaryData bytes(const struct buf *b)
{
	return (ProtobufCBinaryData){.len = b->len, .data = b->data};
}

int checkpoint_pack(const struct checkpoint *ck, struct buf *out)
{
	Muster__V1__Checkpoint m = MUSTER__V1__CHECKPOINT__INIT;
	m.schema = CHECKPOINT_SCHEMA;
	m.fqdn = (char *)ck->fqdn;
	m.profile = (char *)ck->profile;
	m.ou = (char *)ck->ou;
	m.realm = (char *)ck->realm;
	m.key_handle = (char *)ck->key_handle;
	m.public_key = bytes(&ck->public_key);
	m.ca_state = ck->ca_state;
	m.ca_pending_id = (char *)ck->ca_pending_id;
	m.certificate = bytes(&ck->certificate);
	m.cert_handle = (char *)ck->cert_handle;
	m.passwords_sent = ck->passwords_sent;
	m.commits = ck->commits;
	m.amt = (char *)ck->amt;
	m.n_skipped = ck->n_skipped;
	m.skipped = (char **)ck->skipped;
	m.psk_next = (char *)ck->psk_next;
	m.psk_sent = ck->psk_sent;
	m.psk_tries = ck->psk_tries;
	m.mebx = ck->mebx;
	size_t len = muster__v1__checkpoint__get_packed_size(&m);
	uint8_t *at = buf_reserve(out, len);
	if (!at)
		return E_LIMIT;
	out->len += muster__v1__checkpoint__pack(&m, at);
	return 0;
}

static void text(char *out, size_t size, const char *in)
{
	if (strlen(in) < size) /* a text that does not fit is not one of ours */
		memcpy(out, in, strlen(in) + 1);
}

int checkpoint_unpack(struct checkpoint *ck, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	Muster__V1__Checkpoint *m =
		len <= CHECKPOINT_MAX ? muster__v1__checkpoint__unpack(NULL, len, data) : NULL;
	if (!m || m->schema != CHECKPOINT_SCHEMA) {
		if (m)
			muster__v1__checkpoint__free_unpacked(m, NULL);
		return E_PARSE;
	}
	text(ck->fqdn, sizeof ck->fqdn, m->fqdn);
	text(ck->profile, sizeof ck->profile, m->profile);
	text(ck->ou, sizeof ck->ou, m->ou);
	text(ck->realm, sizeof ck->realm, m->realm);
	text(ck->key_handle, sizeof ck->key_handle, m->key_handle);
	text(ck->ca_pending_id, sizeof ck->ca_pending_id, m->ca_pending_id);
	text(ck->cert_handle, sizeof ck->cert_handle, m->cert_handle);
	text(ck->amt, sizeof ck->amt, m->amt);
	text(ck->psk_next, sizeof ck->psk_next, m->psk_next);
	ck->psk_sent = m->psk_sent;
	ck->psk_tries = m->psk_tries;
	ck->mebx = m->mebx;
	ck->ca_state = m->ca_state;
	ck->passwords_sent = m->passwords_sent;
	ck->commits = m->commits;
	int rc = buf_add(&ck->public_key, m->public_key.data, m->public_key.len);
	if (rc == 0)
		rc = buf_add(&ck->certificate, m->certificate.data, m->certificate.len);
	for (size_t i = 0; i < m->n_skipped; i++) {
		const struct step *row = step_find(m->skipped[i]);
		if (row)
			checkpoint_skip(ck, row->name);
	}
	muster__v1__checkpoint__free_unpacked(m, NULL);
	if (rc == 0)
		return 0;
	checkpoint_free(ck);
	checkpoint_init(ck);
	return E_PARSE;
}

void checkpoint_drop_key(struct checkpoint *ck)
{
	ck->key_handle[0] = ck->cert_handle[0] = ck->ca_pending_id[0] = '\0';
	ck->public_key.len = ck->certificate.len = 0;
	ck->ca_state = MUSTER__V1__CA_STATE__CA_STATE_NONE;
}

void checkpoint_skip(struct checkpoint *ck, const char *step)
{
	for (size_t i = 0; i < ck->n_skipped; i++)
		if (ck->skipped[i] == step)
			return;
	if (ck->n_skipped < CHECKPOINT_SKIPPED)
		ck->skipped[ck->n_skipped++] = step;
}
