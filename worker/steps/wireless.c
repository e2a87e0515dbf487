/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WIFI: the wireless port and the service that keeps its profiles. Desktops have neither. Whether
 * they may be shared with the system's firmware, that firmware says by AMT_BootCapabilities. How it
 * is read, compared and written: setting.c. SPEC: provisioning.md 4 WIFI
 */
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define SERVICE    "AMT_WiFiPortConfigurationService"
#define UEFI_SHARE "UEFIWiFiProfileShareEnabled"

/* Also before profiles are listed: a machine without the port may well have an empty list. */
bool wifi_port_asked(const struct session *s)
{
	return s->profile->wireless.state != PROFILE_WIFI_KEEP || s->profile->wireless.n_profiles;
}

void wifi_port_wish(struct wishes *w)
{
	static const uint32_t states[] = {
		[PROFILE_WIFI_OFF] = 3, [PROFILE_WIFI_S0] = 32768, [PROFILE_WIFI_ALWAYS] = 32769};
	if (w->s->profile->wireless.state != PROFILE_WIFI_KEEP)
		wish_uint(w, "EnabledState", states[w->s->profile->wireless.state]);
}

bool wifi_service_asked(const struct session *s)
{
	const struct profile_wireless *p = &s->profile->wireless;
	return p->sync != PROFILE_SYNC_KEEP || p->uefi_share != PROFILE_KEEP;
}

void wifi_service_wish(struct wishes *w)
{
	static const uint32_t syncs[] = {
		[PROFILE_SYNC_OFF] = 0, [PROFILE_SYNC_USER] = 1, [PROFILE_SYNC_ALL] = 3};
	const struct profile_wireless *p = &w->s->profile->wireless;
	if (p->sync != PROFILE_SYNC_KEEP) {
		wish_uint(w, "localProfileSynchronizationEnabled", syncs[p->sync]);
		wish_if_known(w);
	}
	if (w->s->o.uefi_share)
		wish_switch(w, UEFI_SHARE, p->uefi_share);
}

enum build uefi_share_build(struct session *s, struct wsman_request *rq)
{
	s->o.uefi_share = false;
	rq->op = WSMAN_GET;
	return s->profile->wireless.uefi_share == PROFILE_KEEP ? BUILD_SKIP : BUILD_SEND;
}

static struct verdict uefi_share_lacking(struct session *s)
{
	setting_not_here(s, SERVICE, UEFI_SHARE, NOT_THERE);
	return v_next();
}

struct verdict uefi_share_read(struct session *s, const struct wsman_message *m)
{
	bool can = false;
	wsman_node_bool(m->payload, "UEFIWiFiCoExistenceAndProfileShare", &can);
	s->o.uefi_share = can;
	return can ? v_next() : uefi_share_lacking(s);
}

struct verdict uefi_share_fault(struct session *s, enum wsman_reaction reaction)
{
	return reaction == WSMAN_REACT_ABSENT ? uefi_share_lacking(s)
					      : (struct verdict){.kind = VERDICT_FAIL};
}
