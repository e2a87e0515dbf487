/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WIFI: the administrator's profiles. They are listed and matched by name; one that differs is
 * updated where it stands, because the session itself may run over it. What the profile does not
 * list, or wants with another network or priority, is deleted, then what is missing is added: an
 * update could meet the priority of a neighbour. So is one with a text of 802.1x that is not wanted
 * any more: nobody knows whether an update without it takes it away. Profiles of the device's user
 * have priority 0 and stay. Keys and passwords cannot be read back: a mark says what was given.
 * SPEC: provisioning.md 4 WIFI; maintenance.md 2.7
 */
#include <strings.h>

#include "common/base/buf.h"
#include "worker/passwords.h"
#include "worker/steps/ieee8021x.h"
#include "worker/steps/roots.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define CLASS            "CIM_WiFiEndpointSettings"
#define ENDPOINT         "WiFi Endpoint 0"
#define ID_PREFIX        "Intel(r) AMT:WiFi Endpoint Settings "
#define DOT1X_ID         "Intel(r) AMT:IEEE 802.1x Settings "
#define ALL_MAX          512 /* text over which a mark goes */
#define DESCRIBE_MAX     96
#define PROTOCOL_UNKNOWN UINT64_MAX
#define RV_CIM_MAX       5 /* not supported, failed, invalid in some way: no better next time */

/* An administrator's profile that the device lists. In the keep arena. */
struct wifi_entry {
	const char *id, *name, *ssid;
	uint64_t authentication, encryption, priority;
	const struct profile_wifi *want;
	/* CIM_IEEE8021xSettings of the same name; NULL = not listed, or not shown */
	const char *username, *roaming, *server;
	uint64_t protocol; /* PROTOCOL_UNKNOWN likewise */
	bool written;      /* by this visit: a mark that found no room must not write it again */
	bool replace;      /* the device refuses to update it */
	struct wifi_entry *next;
};

static const uint32_t authentications[] = {
	[PROFILE_WIFI_WPA_PSK] = 4,
	[PROFILE_WIFI_WPA_8021X] = 5,
	[PROFILE_WIFI_WPA2_PSK] = 6,
	[PROFILE_WIFI_WPA2_8021X] = 7,
	[PROFILE_WIFI_WPA3_SAE] = 32768,
	[PROFILE_WIFI_OWE] = 32769,
};
static const uint32_t encryptions[] = {
	[PROFILE_CIPHER_CCMP] = 4, [PROFILE_CIPHER_TKIP] = 3, [PROFILE_CIPHER_GCMP256] = 32768};

static bool by_8021x(const struct profile_wifi *w)
{
	return w->security == PROFILE_WIFI_WPA_8021X || w->security == PROFILE_WIFI_WPA2_8021X;
}

static bool by_certificate(const struct profile_wifi *w)
{
	return by_8021x(w) && !w->ieee8021x.password_file[0];
}

static void mark_name(const struct profile_wifi *w, char out[static SECRET_NAME_MAX + 1])
{
	snprintf(out, SECRET_NAME_MAX + 1, SECRET_WIFI "%u", w->priority);
}

/* Everything that no Get shows, for the mark. @return 0 or -ENOMEM */
static int hidden(const struct session *s, const struct profile_wifi *w, struct secret *out)
{
	char name[SECRET_NAME_MAX + 1];
	struct buf text;
	const struct profile_8021x *x = &w->ieee8021x;
	mark_name(w, name);
	const struct secret *key = passwords_get(s, name);
	const char *root = by_8021x(w) ? root_handle(s, x->root_file) : NULL;
	buf_init(&text, ALL_MAX + 2 * CONF_TEXT_MAX + 2 * CHECKPOINT_HANDLE_MAX);
	int rc = buf_addf(&text, "%s", key ? secret_text(key) : "");
	if (rc == 0 && by_8021x(w))
		rc = buf_addf(&text, "|%d|%s|%d|%s|%d|%s|%s", x->protocol, ieee8021x_username(s, x),
			x->roaming_identity, x->server_name, x->server_match, root ? root : "",
			by_certificate(w) ? s->o.context_cert : "");
	if (rc == 0)
		rc = secret_set(out, text.data, text.len);
	buf_wipe(&text);
	buf_free(&text);
	return rc;
}

static bool hidden_same(const struct session *s, const struct profile_wifi *w)
{
	struct secret value = {0};
	char name[SECRET_NAME_MAX + 1];
	mark_name(w, name);
	bool same = hidden(s, w, &value) == 0 && (value.len == 0 || marks_has(s, name, &value));
	secret_free(&value);
	return same;
}

/* What is shown of its 802.1x, compared; of the rest the mark tells. */
static bool identity_differs(const struct session *s, const struct wifi_entry *e)
{
	const struct profile_8021x *x = &e->want->ieee8021x;
	const char *roaming = x->roaming_identity ? IEEE8021X_ANONYMOUS : "";
	if (!by_8021x(e->want))
		return false;
	return (e->protocol != PROTOCOL_UNKNOWN && e->protocol != ieee8021x_protocol(x)) ||
	       (e->username && strcasecmp(e->username, ieee8021x_username(s, x)) != 0) ||
	       (e->roaming && strcmp(e->roaming, roaming) != 0) ||
	       (e->server && strcmp(e->server, x->server_name) != 0);
}

static bool leftover(const struct wifi_entry *e)
{
	const struct profile_8021x *x = &e->want->ieee8021x;
	return (e->roaming && !x->roaming_identity) || (e->server && !x->server_name[0]);
}

static bool differs(const struct session *s, const struct wifi_entry *e)
{
	const struct profile_wifi *w = e->want;
	if (e->written)
		return false;
	return identity_differs(s, e) || strcmp(e->ssid, w->ssid) != 0 ||
	       e->priority != w->priority || e->authentication != authentications[w->security] ||
	       e->encryption != encryptions[w->encryption] || !hidden_same(s, w);
}

/* Its network, and its place among the others. */
static bool placed(const struct wifi_entry *e)
{
	return strcmp(e->ssid, e->want->ssid) == 0 && e->priority == e->want->priority;
}

static bool to_update(const struct session *s, const struct wifi_entry *e)
{
	return e->want && !e->replace && placed(e) && !leftover(e) && differs(s, e);
}

static bool to_delete(const struct session *s, const struct wifi_entry *e)
{
	if (e->want)
		return differs(s, e) && !to_update(s, e);
	return s->profile->wireless.others == PROFILE_OTHERS_REMOVE;
}

static struct wifi_entry *first(
	const struct session *s, bool (*fn)(const struct session *s, const struct wifi_entry *e))
{
	struct wifi_entry *e = s->o.wifi;
	while (e && !fn(s, e))
		e = e->next;
	return e;
}

static const struct profile_wifi *to_add(const struct session *s)
{
	for (uint32_t i = 0; s->o.wifi_listed && i < s->profile->wireless.n_profiles; i++) {
		const struct wifi_entry *e = s->o.wifi;
		while (e && e->want != &s->profile->wireless.profiles[i])
			e = e->next;
		if (!e)
			return &s->profile->wireless.profiles[i];
	}
	return NULL;
}

/* ---- the list ----------------------------------------------------------------------------------
 */

enum build wifi_list_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	s->o.wifi = NULL;
	s->o.wifi_listed = false;
	if (!wifi_port_asked(s))
		return BUILD_SKIP;
	if (!s->o.settings[SETTING_WIFI_PORT].lacking)
		return BUILD_SEND;
	setting_lacks(s, NOT_THERE);
	return BUILD_SKIP;
}

static const char *kept_text(struct session *s, const struct wsman_node *i, const char *name)
{
	const char *text = wsman_node_text(i, name);
	return arena_strdup(&s->keep, text ? text : "");
}

static const struct profile_wifi *profile_of(const struct session *s, const char *name)
{
	for (uint32_t i = 0; i < s->profile->wireless.n_profiles; i++)
		if (strcmp(s->profile->wireless.profiles[i].name, name) == 0)
			return &s->profile->wireless.profiles[i];
	return NULL;
}

struct verdict wifi_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		uint64_t priority = 0;
		wsman_node_uint(i, "Priority", &priority);
		if (priority == 0 || !wsman_node_text(i, "InstanceID"))
			continue; /* the user's */
		struct wifi_entry *e = arena_alloc(&s->keep, sizeof *e);
		if (!e || !(e->id = kept_text(s, i, "InstanceID")) ||
			!(e->name = kept_text(s, i, "ElementName")) ||
			!(e->ssid = kept_text(s, i, "SSID")))
			return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
		wsman_node_uint(i, "AuthenticationMethod", &e->authentication);
		wsman_node_uint(i, "EncryptionMethod", &e->encryption);
		e->priority = priority;
		e->protocol = PROTOCOL_UNKNOWN;
		e->want = profile_of(s, e->name);
		e->next = s->o.wifi;
		s->o.wifi = e;
	}
	return v_next();
}

struct verdict wifi_list_end(struct session *s)
{
	s->o.wifi_listed = true;
	return v_next();
}

enum build wifi_identity_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	for (const struct wifi_entry *e = s->o.wifi; e; e = e->next)
		if (e->want && by_8021x(e->want))
			return BUILD_SEND;
	return BUILD_SKIP;
}

/* @return false without memory; out stays NULL for a text that is not shown */
static bool shown(struct session *s, const struct wsman_node *i, const char *name, const char **out)
{
	const char *text = wsman_node_text(i, name);
	*out = text && text[0] ? arena_strdup(&s->keep, text) : NULL;
	return *out || !text || !text[0];
}

struct verdict wifi_identity_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		const char *name = wsman_node_text(i, "ElementName");
		struct wifi_entry *e = s->o.wifi;
		while (e && (!name || strcmp(e->name, name) != 0))
			e = e->next;
		if (!e)
			continue;
		wsman_node_uint(i, "AuthenticationProtocol", &e->protocol);
		if (!shown(s, i, "Username", &e->username) ||
			!shown(s, i, "RoamingIdentity", &e->roaming) ||
			!shown(s, i, "ServerCertificateName", &e->server))
			return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	}
	return v_next();
}

static void describe(const struct profile_wifi *w, char out[static DESCRIBE_MAX])
{
	snprintf(out, DESCRIBE_MAX, "%s authentication %u encryption %u priority %u", w->ssid,
		authentications[w->security], encryptions[w->encryption], w->priority);
}

/* Say what the rows that follow write. */
enum build wifi_decide_build(struct session *s, struct wsman_request *rq)
{
	char have[DESCRIBE_MAX], want[DESCRIBE_MAX];
	(void)rq;
	for (const struct wifi_entry *e = s->o.wifi; e; e = e->next) {
		if (!to_update(s, e) && !to_delete(s, e))
			continue;
		want[0] = '\0';
		if (e->want)
			describe(e->want, want);
		snprintf(have, sizeof have, "%.32s authentication %u encryption %u priority %u",
			e->ssid, (unsigned)e->authentication, (unsigned)e->encryption,
			(unsigned)e->priority);
		setting_report(s, CLASS, e->name, have,
			strcmp(have, want) == 0 ? "(another identity or secret)" : want);
	}
	for (uint32_t i = 0; s->o.wifi_listed && i < s->profile->wireless.n_profiles; i++) {
		const struct profile_wifi *w = &s->profile->wireless.profiles[i];
		const struct wifi_entry *e = s->o.wifi;
		while (e && e->want != w)
			e = e->next;
		describe(w, want);
		if (!e)
			setting_report(s, CLASS, w->name, "", want);
	}
	return BUILD_SKIP;
}

/* ---- writes ------------------------------------------------------------------------------------
 */

enum build wifi_delete_build(struct session *s, struct wsman_request *rq)
{
	const struct wifi_entry *e = first(s, to_delete);
	return e ? request_delete(s, rq, "InstanceID", e->id) : BUILD_SKIP;
}

static struct verdict gone(struct session *s)
{
	const struct wifi_entry *e = first(s, to_delete);
	struct wifi_entry **at = &s->o.wifi;
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	s->o.wifi_written = true;
	return v_again(0);
}

struct verdict wifi_delete_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	return gone(s);
}

/* Somebody has deleted it since it was listed. */
struct verdict wifi_delete_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_SELECT && reaction != WSMAN_REACT_ABSENT)
		return (struct verdict){.kind = VERDICT_FAIL};
	return gone(s);
}

/* Parameters of one AddWiFiSettings or UpdateWiFiSettings. In the keep arena. */
struct wifi_body {
	struct wsman_param params[5], settings[7], ieee8021x[9];
	struct wsman_epr target;
	struct wsman_selector by;
};

/* In the order of the class reference. SPEC: wsman.md 4 */
static size_t add_8021x(
	struct session *s, const struct profile_wifi *w, struct wifi_body *b, const char *password)
{
	const struct profile_8021x *x = &w->ieee8021x;
	size_t n = 0;
	b->ieee8021x[n++] = WSMAN_TEXT("ElementName", w->name);
	b->ieee8021x[n++] =
		WSMAN_TEXT("InstanceID", arena_printf(&s->keep, DOT1X_ID "%s", w->name));
	b->ieee8021x[n++] = WSMAN_TEXT(
		"AuthenticationProtocol", arena_printf(&s->keep, "%u", ieee8021x_protocol(x)));
	if (x->roaming_identity)
		b->ieee8021x[n++] = WSMAN_TEXT("RoamingIdentity", IEEE8021X_ANONYMOUS);
	if (x->server_match != PROFILE_MATCH_NONE) {
		b->ieee8021x[n++] = WSMAN_TEXT("ServerCertificateName", x->server_name);
		b->ieee8021x[n++] = WSMAN_TEXT("ServerCertificateNameComparison",
			arena_printf(&s->keep, "%u", ieee8021x_match(x)));
	}
	b->ieee8021x[n++] = WSMAN_TEXT("Username", ieee8021x_username(s, x));
	b->ieee8021x[n++] = WSMAN_TEXT("Password", password);
	return n;
}

/* The settings themselves. BSSType must not be sent. */
static size_t add_settings(struct session *s, const struct profile_wifi *w, struct wifi_body *b,
	const char *id, const char *psk)
{
	size_t n = 0;
	b->settings[n++] = WSMAN_TEXT("ElementName", w->name);
	b->settings[n++] = WSMAN_TEXT("InstanceID", id);
	b->settings[n++] = WSMAN_TEXT(
		"AuthenticationMethod", arena_printf(&s->keep, "%u", authentications[w->security]));
	b->settings[n++] = WSMAN_TEXT(
		"EncryptionMethod", arena_printf(&s->keep, "%u", encryptions[w->encryption]));
	b->settings[n++] = WSMAN_TEXT("SSID", w->ssid);
	b->settings[n++] = WSMAN_TEXT("Priority", arena_printf(&s->keep, "%u", w->priority));
	b->settings[n++] = WSMAN_TEXT("PSKPassPhrase", psk);
	return n;
}

/* What Add and Update send alike, after their target. */
static enum build all_of(struct session *s, struct wsman_request *rq, const struct profile_wifi *w,
	struct wifi_body *b, const char *id)
{
	char name[SECRET_NAME_MAX + 1];
	size_t n = 1;
	mark_name(w, name);
	const struct secret *key = passwords_get(s, name);
	if (!id || (key && secret_set(&s->param, key->data, key->len) < 0))
		return build_nomem(s);
	const char *text = key ? secret_text(&s->param) : NULL;
	b->params[n++] = WSMAN_EMBEDDED("WiFiEndpointSettingsInput", CLASS, b->settings,
		add_settings(s, w, b, id, by_8021x(w) ? NULL : text));
	if (by_8021x(w)) {
		b->params[n++] = WSMAN_EMBEDDED("IEEE8021xSettingsInput", "CIM_IEEE8021xSettings",
			b->ieee8021x, add_8021x(s, w, b, text));
		if (by_certificate(w))
			b->params[n++] = WSMAN_EPR(
				"ClientCredential", certificate_epr(s, s->o.context_cert));
		b->params[n++] = WSMAN_EPR(
			"CACredential", certificate_epr(s, root_handle(s, w->ieee8021x.root_file)));
		if (!b->params[n - 1].epr)
			return build_nomem(s);
	}
	rq->op = WSMAN_INVOKE;
	rq->params = b->params;
	rq->n_params = n;
	return BUILD_SEND;
}

static void target(struct wifi_body *b, const char *param, const char *class_name, const char *key,
	const char *value)
{
	b->by = (struct wsman_selector){.name = key, .text = value};
	b->target =
		(struct wsman_epr){.class_name = class_name, .selectors = &b->by, .n_selectors = 1};
	b->params[0] = WSMAN_EPR(param, &b->target);
}

enum build wifi_update_build(struct session *s, struct wsman_request *rq)
{
	const struct wifi_entry *e = first(s, to_update);
	struct wifi_body *b = e ? arena_alloc(&s->keep, sizeof *b) : NULL;
	if (!e)
		return BUILD_SKIP;
	if (!b)
		return build_nomem(s);
	target(b, "WiFiEndpointSettings", CLASS, "InstanceID", e->id);
	rq->method = "UpdateWiFiSettings";
	return all_of(s, rq, e->want, b, e->id);
}

enum build wifi_add_build(struct session *s, struct wsman_request *rq)
{
	const struct profile_wifi *w = to_add(s);
	struct wifi_body *b = w ? arena_alloc(&s->keep, sizeof *b) : NULL;
	if (!w)
		return BUILD_SKIP;
	if (!b)
		return build_nomem(s);
	target(b, "WiFiEndpoint", "CIM_WiFiEndpoint", "Name", ENDPOINT);
	rq->method = "AddWiFiSettings";
	return all_of(s, rq, w, b, arena_printf(&s->keep, ID_PREFIX "%s", w->name));
}

/* The device has it as the profile wants it. */
static struct verdict given(struct session *s, struct wifi_entry *e, const struct profile_wifi *w)
{
	struct secret value = {0};
	char name[SECRET_NAME_MAX + 1];
	mark_name(w, name);
	if (hidden(s, w, &value) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	if (value.len)
		marks_set(s, name, &value);
	secret_free(&value);
	e->written = true;
	s->o.wifi_written = true;
	return v_again(0);
}

struct verdict wifi_update_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	struct wifi_entry *e = first(s, to_update);
	return given(s, e, e->want);
}

/* Then as if it had another place: it goes and comes again. */
static struct verdict replace(struct session *s)
{
	first(s, to_update)->replace = true;
	return v_goto(STEP_WIFI_DELETE);
}

struct verdict wifi_update_refused(struct session *s, uint32_t rv)
{
	return rv <= RV_CIM_MAX ? replace(s) : (struct verdict){.kind = VERDICT_FAIL};
}

struct verdict wifi_update_fault(struct session *s, enum wsman_reaction reaction)
{
	if (reaction != WSMAN_REACT_SELECT && reaction != WSMAN_REACT_ABSENT)
		return (struct verdict){.kind = VERDICT_FAIL};
	return replace(s);
}

struct verdict wifi_add_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	const struct profile_wifi *w = to_add(s);
	struct wifi_entry *e = arena_alloc(&s->keep, sizeof *e);
	if (!e)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	*e = (struct wifi_entry){.name = w->name, .want = w, .next = s->o.wifi};
	s->o.wifi = e;
	return given(s, e, w);
}

/* ---- VERIFY_B ----------------------------------------------------------------------------------
 */

enum build wifi_check_build(struct session *s, struct wsman_request *rq)
{
	return s->o.wifi_written ? wifi_list_build(s, rq) : BUILD_SKIP;
}

struct verdict wifi_check_read(struct session *s, const struct wsman_message *m)
{
	return wifi_list_read(s, m);
}

struct verdict wifi_check_end(struct session *s)
{
	s->o.wifi_listed = true;
	const struct wifi_entry *e = first(s, to_update);
	if (!e)
		e = first(s, to_delete);
	const struct profile_wifi *w = to_add(s);
	if (!e && !w)
		return v_next();
	return v_fail(s, FAIL_RETRY, "not_taken",
		"the wireless profiles were written and accepted, but the device shows %.40s "
		"otherwise",
		e ? e->name : w->name);
}
