/* SPDX-License-Identifier: Apache-2.0 */
/* Quirks of calls and identities; see quirk.h. */
#include "bench/sim/quirk.h"

#include "bench/sim/auth.h"
#include "bench/sim/classes/class.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <string.h>

/* ---- calls ---------------------------------------------------------------------------------- */

/* The second time in one setup the firmware hangs, all of it, and carries nothing out. */
static bool admin_before(struct call *c)
{
	struct device *d = c->d;
	d->n_admin_sets++;
	if (!device_has(d, FAULT_ADMIN_FREEZE) || d->state != DEV_IN || d->n_admin_sets != 2)
		return true;
	c->freeze = true;
	c->deaf_ms = laws_compressed(d->laws, d->fault_values[FAULT_ADMIN_FREEZE]);
	snprintf(c->note, sizeof c->note, "frozen");
	return false;
}

static void admin_after(struct call *c)
{
	struct device *d = c->d;
	if (!device_has(d, FAULT_ADMIN_LOST) || d->admin_lost || c->rv != 0)
		return;
	d->admin_lost = c->cut = true;
}

static void tls_put(struct call *c)
{
	if (device_has(c->d, FAULT_TLS_SLOW))
		c->slow_ms +=
			(uint32_t)laws_compressed(c->d->laws, c->d->fault_values[FAULT_TLS_SLOW]);
}

static void ethernet_put(struct call *c)
{
	if (!device_has(c->d, FAULT_ETHERNET_DEAF))
		return;
	c->cut = true;
	c->deaf_ms = laws_compressed(c->d->laws, c->d->fault_values[FAULT_ETHERNET_DEAF]);
}

static const struct {
	const char *call;
	bool (*before)(struct call *c);
	void (*after)(struct call *c);
} hooks[] = {
	{"AMT_AuthorizationService.SetAdminAclEntryEx", admin_before, admin_after},
	{"IPS_HostBasedSetupService.AdminSetup", admin_before, admin_after},
	{"AMT_TLSSettingData.Put", NULL, tls_put},
	{"AMT_EthernetPortSettings.Put", NULL, ethernet_put},
};

bool quirk_before(struct call *c, const char *name)
{
	for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++)
		if (hooks[i].before && strcmp(hooks[i].call, name) == 0)
			return hooks[i].before(c);
	return true;
}

void quirk_after(struct call *c, const char *name)
{
	for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++)
		if (hooks[i].after && strcmp(hooks[i].call, name) == 0)
			hooks[i].after(c);
}

/* ---- identity ------------------------------------------------------------------------------- */

/* 03000200-0400-0500-0006-000700080009. SPEC: hello.md 3 */
static const struct uuid placeholder = {{3, 0, 2, 0, 4, 0, 5, 0, 0, 6, 0, 7, 0, 8, 0, 9}};

void quirk_identity(struct device *d, const struct device *before)
{
	static const struct uuid zero;
	const struct uuid *take = NULL;
	if (device_has(d, FAULT_ZERO_UUID))
		take = &zero;
	else if (device_has(d, FAULT_PLACEHOLDER_UUID))
		take = &placeholder;
	else if (device_has(d, FAULT_SHARED_UUID))
		take = &before->uuid;
	if (!take)
		return;
	d->uuid = *take;
	/* The server's table knows one name for a UUID. */
	if (take == &before->uuid)
		memcpy(d->fqdn, before->fqdn, sizeof d->fqdn);
	uuid_text(&d->uuid, d->uuid_text);
	snprintf(d->id, sizeof d->id, "%s#%zu", d->uuid_text, d->index);
}

void quirk_factory(struct device *d)
{
	if (!device_has(d, FAULT_FOREIGN_PASSWORD))
		return;
	rng_bytes(&d->rng, d->ha1, sizeof d->ha1);
	d->admin_default = false;
}

/* ---- logins --------------------------------------------------------------------------------- */

void quirk_configured(struct device *d)
{
	if (device_has(d, FAULT_LOCK_OUT))
		auth_failures(d, d->fault_values[FAULT_LOCK_OUT]);
}

bool quirk_nonce_reset(struct device *d)
{
	uint32_t mean = d->fault_values[FAULT_NONCE_RESET];
	if (!device_has(d, FAULT_NONCE_RESET) || mean == 0 || d->n_requests < d->nonce_reset_at)
		return false;
	bool first = d->nonce_reset_at == 0;
	d->nonce_reset_at =
		d->n_requests + 1 + (unsigned)(rng_next(&d->draws[DRAW_RESET]) % (2 * mean - 1));
	return !first;
}
