/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web page of a device: the pages that every release has, in their simplest form. It exists on
 * a configured device while AMT_WebUIService is enabled; else every page is 404.
 * Ownership: the page's buffer belongs to the caller. Threads: the loop's thread only.
 */
#ifndef MUSTER_SIM_WEB_H
#define MUSTER_SIM_WEB_H

#include "bench/sim/device.h"
#include "common/base/buf.h"

#include <stdbool.h>

struct web_page {
	int status;          /* 200, 303 or 404 */
	const char *headers; /* further header lines */
	struct buf html;     /* below the heading */
};

/** Whether this GET is answered without a login: the way to the login page, and a 404 while the
 * pages are switched off. */
bool web_public(const struct device *d, const char *url);

/** Answer a GET. The caller frees out->html. */
void web_serve(const struct device *d, const char *url, struct web_page *out);

#endif
