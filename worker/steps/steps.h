/* SPDX-License-Identifier: Apache-2.0 */
/* For steps/ only: the functions that the step table names, and small helpers to say verdicts. */
#ifndef MUSTER_WORKER_STEPS_H
#define MUSTER_WORKER_STEPS_H

#include <stdio.h>
#include <string.h>

#include "worker/session.h"

#define STEP_FN_(name)                                                        \
	enum build name##_build(struct session *s, struct wsman_request *rq); \
	struct verdict name##_read(struct session *s, const struct wsman_message *m)

STEP_FN_(general_get);
STEP_FN_(software_list);
STEP_FN_(state_get);
STEP_FN_(uuid_get);
enum build otp_build(struct session *s, struct wsman_request *rq);
/** Describe ExtendProvisioningPeriod for as long as it goes. */
enum build extend_ask(struct session *s, struct wsman_request *rq);
STEP_FN_(window_extend);
struct verdict window_extend_refused(struct session *s, uint32_t rv);
struct verdict window_extend_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(clock_get);
STEP_FN_(clock_set);
STEP_FN_(name_put);
struct verdict name_put_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(mebx_set);
struct verdict mebx_set_refused(struct session *s, uint32_t rv);
STEP_FN_(admin_set);
struct verdict password_refused(struct session *s, uint32_t rv);
enum build psk_make_build(struct session *s, struct wsman_request *rq);
enum build psk_store_build(struct session *s, struct wsman_request *rq);
STEP_FN_(psk_set);
struct verdict psk_set_refused(struct session *s, uint32_t rv);
struct verdict psk_set_fault(struct session *s, enum wsman_reaction reaction);
enum build psk_used_build(struct session *s, struct wsman_request *rq);
STEP_FN_(cert_list);
STEP_FN_(key_list);
STEP_FN_(context_list);
STEP_FN_(tls_list);
struct verdict tls_list_end(struct session *s);
enum build cert_decide_build(struct session *s, struct wsman_request *rq);
STEP_FN_(key_sweep);
STEP_FN_(key_generate);
struct verdict key_generate_refused(struct session *s, uint32_t rv);
struct verdict key_generate_fault(struct session *s, enum wsman_reaction reaction);
enum build key_make_build(struct session *s, struct wsman_request *rq);
STEP_FN_(key_add);
struct verdict key_add_refused(struct session *s, uint32_t rv);
STEP_FN_(key_read);
struct verdict key_read_end(struct session *s);
STEP_FN_(csr_sign);
struct verdict csr_sign_refused(struct session *s, uint32_t rv);
struct verdict csr_sign_fault(struct session *s, enum wsman_reaction reaction);
enum build cert_issue_build(struct session *s, struct wsman_request *rq);
STEP_FN_(extend);
struct verdict extend_refused(struct session *s, uint32_t rv);
struct verdict extend_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(cert_add);
struct verdict cert_add_refused(struct session *s, uint32_t rv);
STEP_FN_(cert_find);
struct verdict cert_find_end(struct session *s);
STEP_FN_(context_create);
struct verdict context_create_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(context_put);
STEP_FN_(tls_put);
struct verdict tls_put_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(commit);
struct verdict commit_refused(struct session *s, uint32_t rv);
STEP_FN_(adopt_state);
STEP_FN_(adopt_mode);
enum build adopt_name_build(struct session *s, struct wsman_request *rq);
enum build adopt_own_build(struct session *s, struct wsman_request *rq);
STEP_FN_(verify_state);
STEP_FN_(verify_general);
STEP_FN_(verify_admin);
STEP_FN_(promote);
STEP_FN_(clean_cert);
STEP_FN_(clean_key);
struct verdict clean_refused(struct session *s, enum wsman_reaction reaction);
enum build clean_again_build(struct session *s, struct wsman_request *rq);
enum build clean_decide_build(struct session *s, struct wsman_request *rq);
enum build general_compare_build(struct session *s, struct wsman_request *rq);
STEP_FN_(setting_get);
enum build setting_state_build(struct session *s, struct wsman_request *rq);
struct verdict setting_state_refused(struct session *s, uint32_t rv);
enum build setting_put_build(struct session *s, struct wsman_request *rq);
struct verdict setting_write_read(struct session *s, const struct wsman_message *m);
struct verdict setting_get_fault(struct session *s, enum wsman_reaction reaction);
struct verdict setting_put_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(setting_check);
STEP_FN_(acl_list);
struct verdict acl_list_refused(struct session *s, uint32_t rv);
STEP_FN_(acl_get);
struct verdict acl_get_refused(struct session *s, uint32_t rv);
STEP_FN_(acl_state);
struct verdict acl_state_refused(struct session *s, uint32_t rv);
enum build acl_decide_build(struct session *s, struct wsman_request *rq);
STEP_FN_(acl_remove);
struct verdict acl_remove_refused(struct session *s, uint32_t rv);
STEP_FN_(acl_update);
struct verdict acl_update_refused(struct session *s, uint32_t rv);
STEP_FN_(acl_add);
struct verdict acl_add_refused(struct session *s, uint32_t rv);
STEP_FN_(acl_switch);
STEP_FN_(acl_check_list);
enum build acl_check_build(struct session *s, struct wsman_request *rq);
enum build secrets_make_build(struct session *s, struct wsman_request *rq);
enum build secrets_promote_build(struct session *s, struct wsman_request *rq);
enum build kerberos_on_build(struct session *s, struct wsman_request *rq);
enum build kerberos_off_build(struct session *s, struct wsman_request *rq);
int kerberos_master_key(const struct secret *password, struct secret *out);
enum build tls_mutual_build(struct session *s, struct wsman_request *rq);
enum build unlock_get_build(struct session *s, struct wsman_request *rq);
enum build unlock_put_build(struct session *s, struct wsman_request *rq);
STEP_FN_(unlock_commit);
STEP_FN_(commit_b);
enum build reconnect_b_build(struct session *s, struct wsman_request *rq);
enum build committed_b_build(struct session *s, struct wsman_request *rq);
STEP_FN_(power_list);
struct verdict power_list_end(struct session *s);
STEP_FN_(power_current);
struct verdict power_current_end(struct session *s);
STEP_FN_(power_set);
struct verdict power_set_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(check_power);
struct verdict check_power_end(struct session *s);
enum build leaf_decide_build(struct session *s, struct wsman_request *rq);
enum build renew_decide_build(struct session *s, struct wsman_request *rq);
enum build renew_prove_build(struct session *s, struct wsman_request *rq);
enum build rotate_make_build(struct session *s, struct wsman_request *rq);
enum build unconfigure_ask_build(struct session *s, struct wsman_request *rq);
STEP_FN_(unconfigure_blocked);
struct verdict unconfigure_blocked_refused(struct session *s, uint32_t rv);
struct verdict unconfigure_blocked_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(unconfigure);
struct verdict unconfigure_refused(struct session *s, uint32_t rv);
STEP_FN_(unconfigure_state);
enum build revoke_build(struct session *s, struct wsman_request *rq);
enum build roots_decide_build(struct session *s, struct wsman_request *rq);
STEP_FN_(root_add);
struct verdict root_add_refused(struct session *s, uint32_t rv);
STEP_FN_(root_delete);
struct verdict root_delete_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(uefi_share);
struct verdict uefi_share_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(wifi_list);
struct verdict wifi_list_end(struct session *s);
STEP_FN_(wifi_identity);
enum build wifi_decide_build(struct session *s, struct wsman_request *rq);
STEP_FN_(wifi_delete);
struct verdict wifi_delete_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(wifi_update);
struct verdict wifi_update_refused(struct session *s, uint32_t rv);
struct verdict wifi_update_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(wifi_add);
STEP_FN_(wifi_check);
struct verdict wifi_check_end(struct session *s);
STEP_FN_(wired_certificates);
struct verdict wired_old_put_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(wired_old_check);
STEP_FN_(mps_list);
struct verdict mps_list_end(struct session *s);
/** Whether the release is older than remote access, which came with AMT 4.0. */
bool cira_lacking(const struct session *s);
STEP_FN_(policy_list);
STEP_FN_(applies_list);
enum build cira_decide_build(struct session *s, struct wsman_request *rq);
STEP_FN_(policy_delete);
STEP_FN_(mps_delete);
struct verdict cira_delete_fault(struct session *s, enum wsman_reaction reaction);
STEP_FN_(mps_add);
struct verdict mps_add_refused(struct session *s, uint32_t rv);
STEP_FN_(policy_add);
struct verdict policy_add_refused(struct session *s, uint32_t rv);
enum build cira_check_mps_build(struct session *s, struct wsman_request *rq);
enum build cira_check_policy_build(struct session *s, struct wsman_request *rq);
enum build cira_check_applies_build(struct session *s, struct wsman_request *rq);
enum build cira_check_build(struct session *s, struct wsman_request *rq);
enum build revoke_old_build(struct session *s, struct wsman_request *rq);
STEP_FN_(inventory);

/** Set names and ping as the profile says. @return 0 or -ENOMEM */
int name_apply(struct session *s, struct wsman_object *o);

static inline struct verdict v_next(void)
{
	return (struct verdict){.kind = VERDICT_NEXT};
}

static inline struct verdict v_goto(enum step_id id)
{
	return (struct verdict){.kind = VERDICT_GOTO, .target = (int)id};
}

static inline struct verdict v_plan(enum plan_id id)
{
	return (struct verdict){.kind = VERDICT_PLAN, .target = (int)id};
}

static inline struct verdict v_again(uint32_t after_ms)
{
	return (struct verdict){.kind = VERDICT_AGAIN, .after_ms = after_ms};
}

/* session_set_failure() and the verdict in one expression. */
#define v_fail(s, class, reason, ...) \
	(session_set_failure(s, class, reason, __VA_ARGS__), (struct verdict){.kind = VERDICT_FAIL})

/* The job waits in view for somebody else. */
#define v_wait(s, class, reason, ...) \
	(session_set_failure(s, class, reason, __VA_ARGS__), (struct verdict){.kind = VERDICT_WAIT})

/* The same from a build function. */
static inline enum build build_verdict(struct session *s, struct verdict v)
{
	s->verdict = v;
	return BUILD_VERDICT;
}

#define build_fail(s, class, reason, ...) build_verdict(s, v_fail(s, class, reason, __VA_ARGS__))

/** One of ours: no memory in a session. */
static inline enum build build_nomem(struct session *s)
{
	return build_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
}

/** A Put or Create of a kept object. */
static inline enum build build_object(struct wsman_request *rq, const struct wsman_object *o)
{
	rq->op = WSMAN_PUT;
	rq->object = o->root;
	return BUILD_SEND;
}

/** Keep a copy of an answer's object in the session. */
static inline int keep_object(
	struct session *s, struct wsman_object *o, const struct wsman_message *m)
{
	return wsman_object_copy(o, &s->keep, m->payload);
}

/** Copy a text of the device; too long is as good as absent. */
static inline void copy_text(char *out, size_t size, const char *in)
{
	out[0] = '\0';
	if (in && strlen(in) < size)
		memcpy(out, in, strlen(in) + 1);
}

/** The device says that something is there already, and it was not in its list: an answer that was
 * lost, or somebody else's work. @return whether to list again: once in a visit, or a firmware that
 * counts otherwise than we do would keep us in a circle */
static inline bool look_again(struct session *s, uint32_t rv)
{
	bool again = rv == WSMAN_RV_DUPLICATE && !s->looked_again;
	s->looked_again |= again;
	return again;
}

/** Base64 of a text into the lists arena; NULL when damaged or too large. */
const uint8_t *list_der(struct session *s, const char *base64, size_t *len);

/** The listed item with this handle, or with these bytes; NULL. */
struct listed *listed_by_handle(struct listed *list, const char *handle);
struct listed *listed_by_der(struct listed *list, const uint8_t *der, size_t len);

/** The public key inside a listed certificate equals this DERKey. */
bool cert_has_key(const struct listed *cert, const uint8_t *derkey, size_t len);

/** Describe a Delete of the instance with this key.
 * @param value must live until the answer */
enum build request_delete(
	struct session *s, struct wsman_request *rq, const char *key, const char *value);

/** A request parameter that holds binary: base64, good until the next call; NULL = memory. */
const char *request_base64(struct session *s, const void *data, size_t len);

#endif
