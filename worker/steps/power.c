/* SPDX-License-Identifier: Apache-2.0 */
/* POWER: the power package by its description, never by GUID (desktop and mobile differ).
 * SPEC: provisioning.md 4 POWER */
#include "worker/steps/steps.h"

#define IS_CURRENT 1 /* CIM_ElementSettingData.IsCurrent: 1 is current, 2 is not */

/* "Desktop: ON in S0" against "Desktop: ON in S0, ME Wake in S3, S4-5". Before AMT 6.0 there are up
 * to seven, "ON in S0, S3, ME WoL in S3, S4-5, OFF After Power Loss" among them: of those that work
 * in S3 the one that sleeps least surprisingly. @return how well it fits, 0 = not */
static int fitness(const struct session *s, const char *description)
{
	bool s3 = strstr(description, "S3") != NULL, deep = strstr(description, "S4") != NULL;
	bool wakes = strcasestr(description, "Wake") || strcasestr(description, "WoL");
	bool stays_off = strcasestr(description, "OFF After Power Loss") != NULL;
	if (s->profile->power != PROFILE_POWER_ALWAYS)
		return strstr(description, "S0") && !s3 && !deep;
	return s3 ? 1 + 4 * deep + 2 * !stays_off + wakes : 0;
}

enum build power_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.scheme_want[0] = s->o.scheme_now[0] = s->o.scheme_guid[0] = '\0';
	s->o.scheme_fit = 0;
	return BUILD_SEND;
}

struct verdict power_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		const char *about = wsman_node_text(i, "Description");
		int fit = about ? fitness(s, about) : 0;
		if (fit <= s->o.scheme_fit)
			continue;
		s->o.scheme_fit = fit;
		copy_text(s->o.scheme_want, sizeof s->o.scheme_want,
			wsman_node_text(i, "InstanceID"));
		copy_text(s->o.scheme_guid, sizeof s->o.scheme_guid,
			wsman_node_text(i, "SchemeGUID"));
	}
	return v_next();
}

/* Without such a package it stays as it is. */
struct verdict power_list_end(struct session *s)
{
	if (!s->o.scheme_want[0])
		setting_lacks(s, "no such power package");
	return v_next();
}

enum build power_current_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	return s->o.scheme_want[0] ? BUILD_SEND : BUILD_SKIP;
}

struct verdict power_current_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		const struct wsman_node *data = wsman_node_child(i, "SettingData");
		const char *uri = wsman_node_epr_uri(data);
		uint64_t current = 0;
		wsman_node_uint(i, "IsCurrent", &current);
		if (uri && current == IS_CURRENT &&
			strcmp(wsman_class_of_uri(uri), "AMT_SystemPowerScheme") == 0)
			copy_text(s->o.scheme_now, sizeof s->o.scheme_now,
				wsman_node_selector(data, "InstanceID"));
	}
	return v_next();
}

struct verdict power_current_end(struct session *s)
{
	if (strcmp(s->o.scheme_want, s->o.scheme_now) != 0)
		setting_report(s, "AMT_SystemPowerScheme", "InstanceID", s->o.scheme_now,
			s->o.scheme_want);
	return v_next();
}

enum build power_set_build(struct session *s, struct wsman_request *rq)
{
	if (!s->o.scheme_want[0] || strcmp(s->o.scheme_want, s->o.scheme_now) == 0)
		return BUILD_SKIP;
	struct wsman_selector *sel = arena_alloc(&s->keep, 2 * sizeof *sel);
	if (!sel)
		return build_nomem(s);
	sel[0] = (struct wsman_selector){.name = "InstanceID", .text = s->o.scheme_want};
	sel[1] = (struct wsman_selector){.name = "SchemeGUID", .text = s->o.scheme_guid};
	rq->op = WSMAN_INVOKE;
	rq->method = "SetPowerScheme";
	rq->selectors = sel;
	rq->n_selectors = s->tries && s->o.scheme_guid[0] ? 2 : 1;
	return BUILD_SEND;
}

struct verdict power_set_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	s->o.power_written = true;
	return v_next();
}

/* Some firmware wants both keys as selectors. */
struct verdict power_set_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_SELECT || s->tries || !s->o.scheme_guid[0])
		return (struct verdict){.kind = VERDICT_FAIL};
	s->tries++;
	return v_again(0);
}

enum build check_power_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->o.power_written)
		return BUILD_SKIP;
	s->o.scheme_now[0] = '\0';
	return BUILD_SEND;
}

struct verdict check_power_read(struct session *s, const struct wsman_message *m)
{
	return power_current_read(s, m);
}

struct verdict check_power_end(struct session *s)
{
	if (strcmp(s->o.scheme_want, s->o.scheme_now) == 0)
		return v_next();
	return v_fail(s, FAIL_RETRY, "not_taken",
		"SetPowerScheme was accepted, but another power scheme is current");
}
