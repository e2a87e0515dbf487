/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote access: who may start a fast call, and how a device knows that it is at home. How it is
 * read, compared and written: setting.c. SPEC: provisioning.md 4 CIRA 6, 7
 */
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

bool user_interface_asked(const struct session *s)
{
	return s->profile->remote_access.user_interface != PROFILE_INTERFACE_KEEP;
}

void user_interface_wish(struct wishes *w)
{
	static const uint32_t states[] = {[PROFILE_INTERFACE_NONE] = 32768,
		[PROFILE_INTERFACE_BIOS] = 32769,
		[PROFILE_INTERFACE_OS] = 32770,
		[PROFILE_INTERFACE_BOTH] = 32771};
	wish_uint(w, "EnabledState", states[w->s->profile->remote_access.user_interface]);
}

bool environment_asked(const struct session *s)
{
	return s->profile->remote_access.state != PROFILE_KEEP;
}

/* No string at all: it believes that it is always at home. */
void environment_wish(struct wishes *w)
{
	const struct profile_remote_access *r = &w->s->profile->remote_access;
	wish_uint(w, "DetectionAlgorithm", 0);
	wish_list(w, "DetectionStrings", r->home_domains[0], sizeof r->home_domains[0],
		r->state == PROFILE_ON ? r->n_home_domains : 0);
}
