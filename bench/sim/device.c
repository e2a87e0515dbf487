/* SPDX-License-Identifier: Apache-2.0 */
/* State of one simulated device; see device.h. */
#include "bench/sim/device.h"

#include "bench/sim/classes/class.h"
#include "bench/sim/quirk.h"
#include "bench/sim/rng.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "proto/digest.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Factory password of the admin user. SPEC: wsman.md 3.1 */
#define DEFAULT_PASSWORD "admin"
#define DAY_MS           86400000.0 /* period of the flash wear-out protection */

bool device_has(const struct device *d, enum fault f)
{
	return (d->faults >> f) & 1u;
}

bool device_window_closed(const struct device *d, uint64_t now_ms)
{
	return d->state != DEV_POST && d->window_until_ms && now_ms > d->window_until_ms;
}

bool device_has_kvm(const struct device *d)
{
	return !absent_class(d->as->absent, CLASS_kvm_sap);
}

bool device_mobile(const struct device *d)
{
	return d->index % 2;
}

void device_identity(struct device *d, uint64_t seed, size_t index, const char *domain)
{
	d->index = index;
	static const char *const uses[DRAW_N] = {[DRAW_HELLO] = "hello",
		[DRAW_LATENCY] = "latency",
		[DRAW_LOSS] = "loss",
		[DRAW_ADDRESS] = "address",
		[DRAW_NONCE] = "nonce",
		[DRAW_RESET] = "reset"};
	uint64_t own = rng_device_seed(seed, index);
	rng_seed(&d->rng, own, "device");
	for (int i = 0; i < DRAW_N; i++)
		rng_seed(&d->draws[i], own, uses[i]);
	rng_bytes(&d->rng, d->uuid.b, sizeof d->uuid.b);
	d->uuid.b[6] = (uint8_t)((d->uuid.b[6] & 0x0f) | 0x40); /* a random UUID */
	d->uuid.b[8] = (uint8_t)((d->uuid.b[8] & 0x3f) | 0x80);
	uuid_text(&d->uuid, d->uuid_text);
	snprintf(d->id, sizeof d->id, "%s", d->uuid_text);
	snprintf(d->fqdn, sizeof d->fqdn, "pc%06zu.%s", index, domain);
	snprintf(d->suffix, sizeof d->suffix, "%s", domain);
}

static void new_realm(struct device *d)
{
	uint8_t raw[16];
	char hex[2 * sizeof raw + 1];
	rng_bytes(&d->rng, raw, sizeof raw);
	for (size_t i = 0; i < sizeof raw; i++)
		snprintf(hex + 2 * i, 3, "%02X", raw[i]);
	snprintf(d->realm, sizeof d->realm, "Digest:%s", hex);
}

/* The firmware's, or what was typed together with PID and PPS. */
static void first_password(struct device *d)
{
	const char *password = d->psk.typed ? d->psk.mebx : DEFAULT_PASSWORD;
	char hex[DIGEST_HEX_MAX + 1] = "";
	if (digest_ha1(DIGEST_MD5, "admin", d->realm, password, hex) == 0)
		(void)hex_decode(hex, strlen(hex), d->ha1, sizeof d->ha1);
	d->admin_default = !d->psk.typed;
	if (d->psk.typed)
		device_set_mebx(d, password);
}

static void address_text(uint32_t a, char out[static 16])
{
	snprintf(out, 16, "%u.%u.%u.%u", a >> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255);
}

void device_set_address(struct device *d, uint32_t addr)
{
	d->addr = addr;
	address_text(addr, d->set.ip);
	ledger_begin(d->ledger, "address", d->id);
	ledger_uint(d->ledger, "hello", d->n_hellos);
	ledger_str(d->ledger, "addr", d->set.ip);
	ledger_end(d->ledger);
}

static void factory_settings(struct device *d)
{
	d->set = (struct settings){
		.shared_fqdn = true,
		.ping = true,
		.rmcp_ping = true,
		.ddns_by_dhcp = true,
		.network_enabled = 1,
		.idle_wake = 1,
		.ddns_interval = 1440,
		.ddns_ttl = 900,
		.redir_state = 32768,
		.kvm_state = 3,
		.kvm_optin = true,
		.kvm_optin_timeout = 300,
		.kvm_session_timeout = 3,
		.optin_required = 0xFFFFFFFFu,
		.optin_code_timeout = 120,
		.optin_display_timeout = 300,
		.webui_state = 2,
		.power_scheme = d->index % 2,
		.dhcp = true,
		.ip_sync = true,
		.link_policy = {1, 14},
		.n_link_policy = 2,
	};
	address_text(d->addr, d->set.ip);
	snprintf(d->set.mask, sizeof d->set.mask, "255.0.0.0");
	snprintf(d->set.gateway, sizeof d->set.gateway, "127.0.0.1");
	snprintf(d->set.dns1, sizeof d->set.dns1, "127.0.0.1");
}

static void drop_store(struct device *d)
{
	for (size_t i = 0; i < DEVICE_KEYS_MAX; i++)
		device_key_drop(&d->keys[i]);
	for (size_t i = 0; i < DEVICE_CERTS_MAX; i++)
		device_cert_drop(&d->certs[i]);
	d->next_key = d->next_cert = 0;
}

/* The self-signed certificate: of its kind, or of the usual one behind an on-die chain. */
static const struct pool_self *own_certificate(const struct device *d)
{
	int kind = d->as->certificate.setup;
	return &d->pool->self[kind < SETUP_SELF_N ? kind : SETUP_RSA2048][d->self];
}

static void default_certificate(struct device *d)
{
	if (!d->as->certificate.listed)
		return;
	const struct pool_self *self = own_certificate(d);
	struct dev_cert *c = device_cert_add(d);
	c->x509 = self->x509;
	X509_up_ref(c->x509);
	c->der_len = self->der_len;
	c->der = malloc(c->der_len);
	if (c->der)
		memcpy(c->der, self->der, c->der_len);
	c->readonly = true;
}

void device_enter_setup(struct device *d, bool full)
{
	ledger_begin(d->ledger, "state", d->id);
	ledger_uint(d->ledger, "from", d->state);
	d->state = DEV_IN;
	d->generation++;
	ledger_uint(d->ledger, "to", d->state);
	ledger_uint(d->ledger, "gen", d->generation);
	ledger_end(d->ledger);
	/* A partial one keeps the admin, the PSK pair and the names. SPEC: maintenance.md 6 */
	struct settings before = d->set;
	drop_store(d);
	parts_free(d);
	factory_settings(d);
	default_certificate(d);
	if (full) {
		new_realm(d);
		d->psk.typed = d->psk.typed && d->generation == 1;
		d->next_psk.typed = false;
		d->mebx_digest[0] = '\0';
		first_password(d);
		quirk_factory(d);
	} else {
		memcpy(d->set.host, before.host, sizeof before.host);
		memcpy(d->set.domain, before.domain, sizeof before.domain);
	}
	if (d->next_psk.typed)
		d->psk = d->next_psk;
	d->staged = (struct tls_conf){.cert = -1};
	d->staged.setting[TLS_LOCAL].nonsecure = true;
	d->staged.setting[TLS_REMOTE].nonsecure = d->as->clear_ports;
	d->committed = d->staged;
	d->clock_set = false;
	d->n_commits = d->n_commit_calls = d->n_genkey = d->n_not_now = d->n_binds = 0;
	d->n_admin_sets = 0;
	d->hello_accepted = false;
}

void device_set_mebx(struct device *d, const char *password)
{
	char text[UUID_TEXT_LEN + 1 + 33];
	uint8_t sha[SHA256_DIGEST_LENGTH];
	int len = snprintf(text, sizeof text, "%s:%s", d->uuid_text, password);
	SHA256((const uint8_t *)text, (size_t)len, sha);
	hex_encode(sha, sizeof sha, d->mebx_digest);
	OPENSSL_cleanse(text, sizeof text);
}

void device_start(struct device *d)
{
	for (size_t i = 0; i < DEVICE_KEYS_MAX; i++)
		d->keys[i].handle = -1;
	for (size_t i = 0; i < DEVICE_CERTS_MAX; i++)
		d->certs[i].handle = -1;
	d->self = (unsigned)(d->index % KEYPOOL_SELF);
	d->n_addresses = 1;
	if (!d->laws)
		d->laws = &laws_default;
	/* Clocks of stored machines are off by up to a day. */
	d->clock_offset_s = (int64_t)(rng_unit(&d->rng) * 172800.0) - 86400;
	d->power = POWER_ON;
	device_enter_setup(d, true);
}

void device_name(struct device *d)
{
	size_t len = strcspn(d->fqdn, ".");
	snprintf(d->set.host, sizeof d->set.host, "%.*s", (int)len, d->fqdn);
	snprintf(d->set.domain, sizeof d->set.domain, "%s", d->fqdn[len] ? d->fqdn + len + 1 : "");
}

void device_free(struct device *d)
{
	drop_store(d);
	parts_free(d);
	OPENSSL_free(d->rom);
}

int64_t device_time(const struct device *d)
{
	return (int64_t)(clock_wall_ms() / 1000) + d->clock_offset_s;
}

bool device_flash_left(const struct device *d)
{
	bool worn = device_has(d, FAULT_FLASH_WEAR) && clock_boot_ms() < d->flash_day_end_ms &&
		    d->n_flash_day >= d->fault_values[FAULT_FLASH_WEAR];
	return !worn && d->n_flash < DEVICE_FLASH_MAX;
}

bool device_flash(struct device *d)
{
	uint64_t now = clock_boot_ms();
	if (!device_flash_left(d))
		return false;
	if (now >= d->flash_day_end_ms) {
		d->n_flash_day = 0;
		d->flash_day_end_ms = now + (uint64_t)laws_compressed(d->laws, DAY_MS);
	}
	d->n_flash++;
	d->n_flash_day++;
	return true;
}

struct dev_key *device_key(struct device *d, int handle)
{
	for (size_t i = 0; i < DEVICE_KEYS_MAX && handle >= 0; i++)
		if (d->keys[i].handle == handle)
			return &d->keys[i];
	return NULL;
}

struct dev_cert *device_cert(struct device *d, int handle)
{
	for (size_t i = 0; i < DEVICE_CERTS_MAX && handle >= 0; i++)
		if (d->certs[i].handle == handle)
			return &d->certs[i];
	return NULL;
}

struct dev_key *device_cert_key(struct device *d, const struct dev_cert *c)
{
	/* The bits of an RSA SubjectPublicKeyInfo are its PKCS#1 RSAPublicKey. */
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(c->x509);
	int len = ASN1_STRING_length(bits);
	for (size_t i = 0; i < DEVICE_KEYS_MAX; i++) {
		struct dev_key *k = &d->keys[i];
		if (k->handle >= 0 && k->der_len == (size_t)len &&
			memcmp(k->der, ASN1_STRING_get0_data(bits), k->der_len) == 0)
			return k;
	}
	return NULL;
}

struct dev_key *device_key_add(struct device *d)
{
	for (size_t i = 0; i < DEVICE_KEYS_MAX; i++)
		if (d->keys[i].handle < 0) {
			d->keys[i] = (struct dev_key){.handle = d->next_key++};
			return &d->keys[i];
		}
	return NULL;
}

struct dev_cert *device_cert_add(struct device *d)
{
	for (size_t i = 0; i < DEVICE_CERTS_MAX; i++)
		if (d->certs[i].handle < 0) {
			d->certs[i] = (struct dev_cert){.handle = d->next_cert++};
			return &d->certs[i];
		}
	return NULL;
}

void device_key_drop(struct dev_key *k)
{
	if (k->owned) {
		EVP_PKEY_free(k->pkey);
		OPENSSL_free((void *)k->der);
	}
	*k = (struct dev_key){.handle = -1};
}

void device_cert_drop(struct dev_cert *c)
{
	X509_free(c->x509);
	free(c->der);
	*c = (struct dev_cert){.handle = -1};
}

int device_handle(const char *instance_id, const char *prefix)
{
	size_t len = strlen(prefix);
	if (strncmp(instance_id, prefix, len) != 0 || instance_id[len] == '\0')
		return -1;
	char *end;
	long n = strtol(instance_id + len, &end, 10);
	return *end == '\0' && n >= 0 && n < 1000000 ? (int)n : -1;
}

void device_commit(struct device *d)
{
	d->committed = d->staged;
	if (d->state != DEV_IN)
		return;
	d->n_commits++;
	ledger_begin(d->ledger, "state", d->id);
	ledger_uint(d->ledger, "from", d->state);
	d->state = DEV_POST;
	ledger_uint(d->ledger, "to", d->state);
	ledger_uint(d->ledger, "gen", d->generation);
	ledger_end(d->ledger);
	quirk_configured(d);
}

void device_reboot(struct device *d)
{
	/* Not in flash until CommitChanges. SPEC: provisioning.md 3 TLS */
	d->staged = d->committed;
	if (d->state == DEV_IN)
		d->n_binds = 0; /* to bind again is no fault then */
	memset(d->enums, 0, sizeof d->enums);
}

/* Leaf, AMT CA, Kernel CA, ROM CA of this machine, and the two above it. SPEC: tls.md 6 */
static void show_ondie(struct device *d, struct shown *out)
{
	const struct ondie *o = &d->pool->ondie;
	const struct ondie_set *s = &o->sets[d->index % ONDIE_SETS];
	if (!d->rom)
		d->rom = ondie_rom(o, d->index, &d->uuid, &d->rom_len);
	const unsigned char *at = d->rom;
	out->rom = at ? d2i_X509(NULL, &at, (long)d->rom_len) : NULL;
	out->cert = s->leaf;
	out->key = s->leaf_key;
	X509 *const chain[] = {s->amt, s->kernel, out->rom, o->issuing, o->intermediate};
	memcpy(out->chain, chain, sizeof chain);
	out->n_chain = !out->rom ? 2 : d->as->certificate.setup == SETUP_ONDIE4 ? 3 : 5;
}

void device_shown(struct device *d, struct shown *out)
{
	const struct pool_self *self = own_certificate(d);
	*out = (struct shown){.cert = self->x509, .key = self->pkey};
	if (d->state != DEV_POST && d->as->certificate.setup >= SETUP_SELF_N)
		show_ondie(d, out);
	if (d->state != DEV_POST || device_has(d, FAULT_WRONG_CERT))
		return;
	struct dev_cert *c = device_cert(d, d->committed.cert);
	struct dev_key *k = c ? device_cert_key(d, c) : NULL;
	if (k) {
		out->cert = c->x509;
		out->key = k->pkey;
	}
}

void shown_free(struct shown *s)
{
	X509_free(s->rom);
	s->rom = NULL;
}

static void final_store(struct device *d, struct ledger *l)
{
	unsigned n_keys = 0, n_certs = 0, stray_keys = 0, stray_certs = 0;
	for (size_t i = 0; i < DEVICE_KEYS_MAX; i++) {
		if (d->keys[i].handle < 0)
			continue;
		n_keys++;
		bool used = false;
		for (size_t j = 0; j < DEVICE_CERTS_MAX; j++)
			used |= d->certs[j].handle >= 0 &&
				device_cert_key(d, &d->certs[j]) == &d->keys[i];
		stray_keys += !used;
	}
	for (size_t j = 0; j < DEVICE_CERTS_MAX; j++) {
		const struct dev_cert *c = &d->certs[j];
		if (c->handle < 0)
			continue;
		n_certs++;
		stray_certs += !c->trusted && !c->readonly && c->handle != d->committed.cert;
	}
	ledger_uint(l, "keys", n_keys);
	ledger_uint(l, "certs", n_certs);
	ledger_uint(l, "stray_keys", stray_keys);
	ledger_uint(l, "stray_certs", stray_certs);
}

static void final_certificate(struct device *d, struct ledger *l)
{
	struct dev_cert *c = device_cert(d, d->committed.cert);
	if (!c) {
		ledger_str(l, "cert_fp", NULL);
		return;
	}
	uint8_t sha[SHA256_DIGEST_LENGTH];
	char hex[2 * sizeof sha + 1];
	SHA256(c->der, c->der_len, sha);
	hex_encode(sha, sizeof sha, hex);
	ledger_str(l, "cert_fp", hex);
	struct buf b64;
	buf_init(&b64, 8192);
	if (base64_encode(&b64, c->der, c->der_len) == 0 && buf_cstr(&b64))
		ledger_str(l, "cert", buf_cstr(&b64));
	buf_free(&b64);
}

void device_final(struct device *d)
{
	struct ledger *l = d->ledger;
	const struct settings *s = &d->set;
	const struct tls_setting *t = &d->committed.setting[TLS_REMOTE];
	char ha1[33];
	hex_encode(d->ha1, sizeof d->ha1, ha1);
	ledger_begin(l, "final", d->id);
	ledger_uint(l, "state", d->state);
	ledger_uint(l, "gen", d->generation);
	ledger_str(l, "realm", d->realm);
	ledger_str(l, "ha1", ha1);
	ledger_bool(l, "admin_default", d->admin_default);
	ledger_str(l, "mebx_sha256", d->mebx_digest[0] ? d->mebx_digest : NULL);
	ledger_str(l, "host", s->host);
	ledger_str(l, "domain", s->domain);
	ledger_bool(l, "ping", s->ping);
	ledger_bool(l, "tls", t->enabled);
	ledger_bool(l, "mutual", t->mutual);
	ledger_uint(l, "redir_state", s->redir_state);
	ledger_bool(l, "redir_listener", s->redir_listener);
	ledger_bool(l, "kvm_class", device_has_kvm(d));
	ledger_uint(l, "kvm_state", s->kvm_state);
	ledger_bool(l, "optin_class", !absent_class(d->as->absent, CLASS_opt_in));
	ledger_uint(l, "optin", s->optin_required);
	ledger_uint(l, "webui_state", s->webui_state);
	ledger_uint(l, "power_scheme", s->power_scheme);
	ledger_uint(l, "clock_off_s",
		(uint64_t)(d->clock_offset_s < 0 ? -d->clock_offset_s : d->clock_offset_s));
	ledger_bool(l, "clock_set", d->clock_set);
	final_certificate(d, l);
	final_store(d, l);
	ledger_uint(l, "commits", d->n_commits);
	ledger_uint(l, "commit_calls", d->n_commit_calls);
	ledger_uint(l, "genkeys", d->n_genkey);
	ledger_uint(l, "binds", d->n_binds);
	ledger_uint(l, "flash", d->n_flash);
	ledger_uint(l, "sessions", d->n_sessions);
	ledger_uint(l, "requests", d->n_requests);
	ledger_uint(l, "hellos", d->n_hellos);
	ledger_end(l);
}
