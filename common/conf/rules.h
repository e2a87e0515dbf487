/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decision rules: which profile, OU, tags and wave a device gets, and whether somebody must approve
 * it. One YAML file (worker.rules_file), a list of rules that is read from the top: the first rule
 * all of whose conditions hold decides. A condition that is not written holds; a rule without
 * conditions takes every device. When no rule fits, the device waits in view.
 *
 * Ownership: rules_load() allocates, rules_free() frees. Threads: pure functions.
 */
#ifndef MUSTER_CONF_RULES_H
#define MUSTER_CONF_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf/conf.h"

struct error;

#define RULES_MAX       64 /* more are a table: let the hook or the device table say it */
#define RULE_NAME_MAX   64
#define RULE_UUIDS_MAX  64 /* in the rule itself; uuids_file has no limit */
#define RULE_LIST_MAX   16 /* entries of the other lists */
#define RULE_UUID_LEN   36
#define RULE_HASH_MAX   96 /* hex of a SHA-384 */
#define RULE_SUBNET_MAX 49 /* "IPv6/128" */
#define RULE_AMT_MAX    15
#define RULE_OU_MAX     511

struct rule {
	char name[RULE_NAME_MAX + 1];
	/* conditions */
	char uuids[RULE_UUIDS_MAX][RULE_UUID_LEN + 1];
	uint32_t n_uuids;
	char uuids_file[CONF_PATH_MAX]; /* one UUID per line, # begins a comment */
	char subnets[RULE_LIST_MAX][RULE_SUBNET_MAX + 1]; /* address/prefix */
	uint32_t n_subnets;
	char amt_from[RULE_AMT_MAX + 1], amt_before[RULE_AMT_MAX + 1]; /* "11.6" */
	char roots[RULE_LIST_MAX][RULE_HASH_MAX + 1]; /* begin of the hash of a root in the Hello */
	uint32_t n_roots;
	char domains[RULE_LIST_MAX][CONF_TEXT_MAX]; /* suffixes of the name that a source told */
	uint32_t n_domains;
	char ous[RULE_LIST_MAX][RULE_OU_MAX + 1]; /* ends of the OU that a source told */
	uint32_t n_ous;
	char profiles[RULE_LIST_MAX][RULE_NAME_MAX + 1]; /* that a source told */
	uint32_t n_profiles;
	char sources[RULE_LIST_MAX][RULE_NAME_MAX + 1]; /* import, table, hook, ... */
	uint32_t n_sources;
	char groups[RULE_LIST_MAX][RULE_OU_MAX + 1]; /* of the directory: name or DN */
	uint32_t n_groups;
	/* decision; "" = as the source said */
	char profile[RULE_NAME_MAX + 1];
	char ou[RULE_OU_MAX + 1];
	char tags[RULE_LIST_MAX][RULE_NAME_MAX + 1];
	uint32_t n_tags;
	char wave[RULE_NAME_MAX + 1];
	bool approve; /* waits until an operator kicks the job */
};

/* All tags of a rule in one text, separated by spaces. */
#define RULE_TAGS_TEXT_MAX (RULE_LIST_MAX * (RULE_NAME_MAX + 1) + 1)

struct rules;

/* What is known of a device; NULL or "" = not known. */
struct rule_facts {
	const char *uuid;         /* lower case */
	const char *address;      /* without port */
	const char *amt;          /* "11.8.92" */
	const char *const *roots; /* hex of the hashes of the Hello, lower case */
	size_t n_roots;
	const char *fqdn, *profile, *ou, *source; /* what a source told */
	const char *groups; /* of the directory: lines "sAMAccountName<TAB>DN"; "" = none */
};

/** Load and check a file. @return 0; E_CONFIG "FILE:LINE:COLUMN: key: ..."; -errno; -ENOMEM */
int rules_load(struct rules **out, const char *path, struct error *err);

/** NULL is allowed. */
void rules_free(struct rules *r);

/** Whether a rule looks at what only the directory may know: OUs, groups. */
bool rules_ask_directory(const struct rules *r);

/** Refuse conditions on groups where no directory is configured. @return 0; E_CONFIG */
int rules_check_directory(const struct rules *r, bool configured, struct error *err);

/** Rules in their order. */
size_t rules_count(const struct rules *r);
const struct rule *rules_at(const struct rules *r, size_t i);

/**
 * Why a rule does not fit a device.
 * @param out,out_len the first condition that does not hold, for people
 * @return out, or NULL: it fits
 */
const char *rules_misfit(
	const struct rules *r, size_t i, const struct rule_facts *facts, char *out, size_t out_len);

/** The first rule that fits, or NULL. */
const struct rule *rules_decide(const struct rules *r, const struct rule_facts *facts);

#endif
