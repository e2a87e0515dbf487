/* SPDX-License-Identifier: Apache-2.0 */
/* Private to common/conf: the checks that the tables cannot express. */
#ifndef MUSTER_CONF_CHECK_H
#define MUSTER_CONF_CHECK_H

struct conf;
struct error;
struct yaml_marks;

/** Forms of addresses and names, and keys that must fit each other. @return 0 or E_CONFIG */
int conf_check(const struct conf *c, const struct yaml_marks *marks, struct error *err);

#endif
