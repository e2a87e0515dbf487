/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of a job, as an operator writes them behind the devices. Whatever a kind does not
 * take is refused by name: a mistyped word must not become another job. Threads: none.
 */
#ifndef MUSTER_CTL_ARGS_H
#define MUSTER_CTL_ARGS_H

#include "common/base/err.h"
#include "common/base/job_kind.h"
#include "common/conf/conf.h"
#include "common/conf/rules.h"

/**
 * Check the words and join them into the text that the job carries.
 * @param one  the job is for one device, by UUID: addr=A is allowed
 * @param conf where profiles are
 * @param args JOB_ARGS_MAX + 1 bytes
 * @return 0; E_CONFIG names the word and what the kind takes
 */
int args_read(enum job_kind kind, char *const *words, size_t n_words, bool one,
	const struct conf *conf, char *args, struct error *err);

/** Whether there is a profile of this name, good for use. @return 0; E_CONFIG */
int args_profile(const struct conf *conf, const char *name, struct error *err);

/** Whether every profile that the rules name is there. @return 0; E_CONFIG names the rule */
int args_rules(const struct rules *r, const struct conf *conf, struct error *err);

/** A number written as nothing but digits. @return 0; E_CONFIG with the word */
int args_number(const char *word, const char *text, unsigned long max, unsigned long *out,
	struct error *err);

#endif
