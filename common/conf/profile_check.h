/* SPDX-License-Identifier: Apache-2.0 */
/* Private to common/conf: what the files of the checks of a profile share. */
#ifndef MUSTER_CONF_PROFILE_CHECK_H
#define MUSTER_CONF_PROFILE_CHECK_H

#include "common/conf/profile_schema.h"

struct checker {
	const struct yaml_marks *marks;
	const char *masters_dir; /* NULL: do not look at files */
	struct error *err;
};

/* What a secret of a file must be. */
struct secret_rule {
	size_t min, max; /* bytes */
	bool amt;        /* the rule of Intel AMT's passwords holds. SPEC: wsman.md 7 */
	const char *says;
};

/** An error at a key below a section ("tls", "key_bits"; the key may be "" = the section).
 * @return E_CONFIG */
int check_fail(const struct checker *c, const char *section, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** A file with a secret, mode 0600, that fits the rule; not looked at without masters_dir. */
int check_secret_file(const struct checker *c, const char *section, const char *key,
	const char *path, const struct secret_rule *rule);

/** A PEM file whose first certificate can be read; not looked at without masters_dir. */
int check_root_file(
	const struct checker *c, const char *section, const char *key, const char *path);

/** network, wireless, wired, remote_access: profile_check_net.c */
int check_networks(const struct checker *c, const struct profile *p);

#endif
