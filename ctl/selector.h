/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices: words that must all fit, as every command takes them.
 *
 *   all | UUID | state=done tag=lab profile=office subnet=10.1.0.0/16 amt=16 error=unreachable
 *
 * amt fits a release or the beginning of one (16, 16.1); error is the reason word of the device's
 * last failure, error= alone means "none". Ownership: values point into the words.
 * Threads: none.
 */
#ifndef MUSTER_CTL_SELECTOR_H
#define MUSTER_CTL_SELECTOR_H

#include "common/store/store.h"
#include "ctl/site.h"

#define SELECTOR_TERMS 8 /* the keys above, some twice */

struct selector {
	bool one; /* uuid only */
	char uuid[UUID_TEXT_LEN + 1];
	struct selector_term {
		int key;
		const char *value;
	} terms[SELECTOR_TERMS];
	size_t n_terms;
};

/**
 * Read a selector from the first words.
 * @param used how many words it took: one for a UUID or "all", else all up to the word "with";
 *        this word is taken too
 * @return 0; E_CONFIG names the word
 */
int selector_parse(
	struct selector *out, char *const *words, size_t n_words, size_t *used, struct error *err);

/** Whether this is a state of a device. @return 0; E_CONFIG names those that are */
int selector_state(const char *want, struct error *err);

/** Whether the device fits. */
bool selector_fits(const struct selector *s, const struct store_device *dev);

/** Called with each device that fits; the record is valid during the call, which must not wait for
 * the store. */
typedef int (*selector_fn)(const struct store_device *dev, void *arg);

/** Call fn for every device that fits, each once; stops at its first non-zero result.
 * @return 0; fn's; what the store says */
int selector_each(
	struct site *site, const struct selector *s, selector_fn fn, void *arg, struct error *err);

/* UUIDs that a selector found. */
struct selection {
	char (*uuids)[UUID_TEXT_LEN + 1];
	size_t n, room;
};

/** The UUIDs of all devices that fit; free uuids. @return 0; -ENOMEM; what the store says */
int selector_collect(
	struct site *site, const struct selector *s, struct selection *out, struct error *err);

#endif
