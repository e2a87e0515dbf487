/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: objects of a device that a profile has wishes about. One mechanism for all: read the
 * object, compare the wished properties, write the object only when one differs, read it again.
 * First setup, repair of drift and dry run are the same rows; a dry run does not send the writes.
 * To add one: a line in setting_table, its wish function, its rows in plan.c.
 * Glossary: a *wish* is a property and the value that the profile wants of it; a setting is
 * *lacking* when the firmware has no such class, and nothing is wished of it then.
 * SPEC: provisioning.md 4; wsman.md 4 "Put rule"
 */
#ifndef MUSTER_WORKER_SETTING_H
#define MUSTER_WORKER_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/secret.h"
#include "common/conf/profile.h"
#include "proto/wsman/object.h"

struct session;

enum setting_id {
	SETTING_GENERAL,
	SETTING_REDIRECTION,
	SETTING_KVM,
	SETTING_CONSENT,
	SETTING_KVM_POLICY,
	SETTING_WEBUI,
	SETTING_KERBEROS,
	SETTING_TLS,
	SETTING_PORT,
	SETTING_IPV6,
	SETTING_WIFI_PORT,
	SETTING_WIFI_SERVICE,
	SETTING_WIRED,
	SETTING_WIRED_OLD,
	SETTING_USER_INTERFACE,
	SETTING_ENVIRONMENT,
	N_SETTINGS
};

#define WISHES_MAX     16  /* properties of one object */
#define WISH_TEXTS_MAX 16  /* of one list */
#define DROPPED_MAX    4   /* properties of one object that no Put may carry */
#define VALUE_MAX      512 /* of a wish, for people: a list is cut there */

#define NOT_THERE "the firmware does not have it" /* the usual reason of a lack */

enum wish_kind {
	WISH_BOOL,
	WISH_UINT,
	WISH_TEXT,
	WISH_LIST,        /* the order does not matter */
	WISH_SECRET,      /* cannot be read back: the mark of the record decides */
	WISH_CERTIFICATE, /* a reference to one of the device, by its InstanceID */
	WISH_ALONG,       /* no wish: every Put carries it */
	WISH_DROP         /* no wish: a Put leaves the property out */
};

struct wish {
	const char *property;
	enum wish_kind kind;
	uint64_t want;    /* BOOL, UINT */
	const char *text; /* TEXT; LIST: the first of n, which are `stride` bytes apart */
	size_t stride, n;
	const struct secret *secret;
	const char *mark; /* SECRET: its name in the record; worker/marks.h */
	bool optional;    /* not every firmware has the property */
};

/* What a profile wants of one object, filled by a wish function. */
struct wishes {
	struct session *s;
	const struct wsman_node *have; /* the object as read */
	struct wish items[WISHES_MAX];
	size_t n;
	bool overfull; /* a wish function has more than fit: a mistake of ours */
};

struct setting {
	unsigned since; /* first AMT release that has the class; 0 = ask the device */
	bool (*asked)(const struct session *s); /* whether the profile needs it; NULL = always */
	void (*wish)(struct wishes *w);
	/** Why the object must stay as it is, or NULL; NULL function = it never must. */
	const char *(*fixed)(const struct wsman_node *have);
	/** What else the object tells, before it is compared; NULL = nothing. A Put has lost the
	 * dropped properties: what a wish depends on is noted here. */
	void (*note)(struct session *s, const struct wsman_node *have);
	const char *state;                /* property that RequestStateChange writes */
	const char *dropped[DROPPED_MAX]; /* read-only or secret: left out of a Put */
	const char *demanded; /* some firmware wants it in a Put without having sent it */
	bool kept;            /* a secret that a Put leaves out stays; else every Put carries it */
	struct wsman_selector by_id; /* one of several instances; name NULL = there is only one */
};

/* What a visit knows about one setting. */
struct setting_seen {
	struct wsman_object object; /* kept for Put */
	bool read, lacking;
	bool state_differs, put_differs;
	bool written; /* to be read again */
	uint32_t state;
};

extern const struct setting setting_table[N_SETTINGS];

/** Add a wish. */
void wish_bool(struct wishes *w, const char *property, bool want);
void wish_uint(struct wishes *w, const char *property, uint64_t want);

/** Texts must live as long as the session: the profile's, constants, or of its keep arena. A list
 * is an array of arrays, as profiles have them: texts[0], stride = sizeof texts[0]. */
void wish_text(struct wishes *w, const char *property, const char *want);
void wish_list(struct wishes *w, const char *property, const char *first, size_t stride, size_t n);

/** A value that no Get shows; NULL = leave it. What was set is known by its mark. */
void wish_secret(
	struct wishes *w, const char *property, const char *mark, const struct secret *want);

/** @param handle InstanceID of a certificate that the device has; NULL = leave it */
void wish_certificate(struct wishes *w, const char *property, const char *handle);

/** A text that belongs to a secret: with every Put, never compared. */
void wish_along(struct wishes *w, const char *property, const char *text);

/** Leave the property out of a Put. */
void wish_drop(struct wishes *w, const char *property);

/** The last wish is about a property that not every firmware has: without it, "not applicable". */
void wish_if_known(struct wishes *w);

/** The same for a number that the profile leaves alone with 0. */
void wish_optional(struct wishes *w, const char *property, uint64_t want);

/** The same for a switch that a profile may leave alone. */
void wish_switch(struct wishes *w, const char *property, enum profile_switch want);

/** The firmware lacks what the present row is about: record it with the reason. */
void setting_lacks(struct session *s, const char *reason);

/** Say that this device cannot have something, and why: "not applicable". */
void setting_not_here(
	struct session *s, const char *class_name, const char *property, const char *reason);

/** Take back a difference that was found: this device cannot have it. */
void setting_leave(struct session *s, enum setting_id id, const char *class_name, const char *why);

/** A line of the report: what differs, "class<TAB>property<TAB>have<TAB>want". What does not fit
 * is left out: a report is for people. Not of a first setup, where all differs; lacks are. */
void setting_report(struct session *s, const char *class_name, const char *property,
	const char *have, const char *want);

/* The wish functions and conditions that the table names. features.c */
void general_wish(struct wishes *w);
void redirection_wish(struct wishes *w);
void kvm_wish(struct wishes *w);
void consent_wish(struct wishes *w);
const char *consent_fixed(const struct wsman_node *have);
bool kvm_policy_asked(const struct session *s);
void kvm_policy_wish(struct wishes *w);
void kvm_policy_note(struct session *s, const struct wsman_node *have);
void webui_wish(struct wishes *w);

/* network.c */
void names_wish(struct wishes *w);
bool port_asked(const struct session *s);
void port_note(struct session *s, const struct wsman_node *have);
void port_wish(struct wishes *w);
bool ipv6_asked(const struct session *s);
void ipv6_wish(struct wishes *w);

/* wireless.c */
bool wifi_port_asked(const struct session *s);
void wifi_port_wish(struct wishes *w);
bool wifi_service_asked(const struct session *s);
void wifi_service_wish(struct wishes *w);

/* ieee8021x.c */
bool wired_asked(const struct session *s);
void wired_wish(struct wishes *w);
bool wired_old_asked(const struct session *s);
void wired_old_wish(struct wishes *w);

/* remote.c */
bool user_interface_asked(const struct session *s);
void user_interface_wish(struct wishes *w);
bool environment_asked(const struct session *s);
void environment_wish(struct wishes *w);

/* mutual.c */
bool tls_asked(const struct session *s);
void tls_wish(struct wishes *w);
void tls_note(struct session *s, const struct wsman_node *have);

/* kerberos.c */
bool kerberos_asked(const struct session *s);
void kerberos_wish(struct wishes *w);
void kerberos_note(struct session *s, const struct wsman_node *have);

#endif
