/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/deny.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define DENY_MAX  1000000 /* 16 MB; a longer list is a mistake */
#define LINE_MAX_ 512

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

static int deny_add(struct deny *d, size_t *cap, const char *text)
{
	if (d->n == DENY_MAX)
		return E_LIMIT;
	if (d->n == *cap) {
		size_t grown = *cap ? *cap * 2 : 64;
		struct uuid *uuids = realloc(d->uuids, grown * sizeof *uuids);
		if (!uuids)
			return -ENOMEM;
		d->uuids = uuids;
		*cap = grown;
	}
	if (strlen(text) != UUID_TEXT_LEN || uuid_parse(&d->uuids[d->n], text) < 0)
		return E_CONFIG;
	d->n++;
	return 0;
}

int deny_load(struct deny *d, const char *path, struct error *err)
{
	struct deny fresh = {.uuids = NULL};
	if (path[0] != '\0') {
		FILE *f = fopen(path, "re");
		ENSURE(f, err, -errno, "cannot open the deny-file %s: %s", path, strerror(errno));
		char line[LINE_MAX_];
		size_t cap = 0;
		int rc = 0;
		for (unsigned number = 1; rc == 0 && fgets(line, sizeof line, f); number++) {
			line[strcspn(line, " \t,;\r\n")] = '\0';
			if (line[0] == '\0' || line[0] == '#')
				continue;
			rc = deny_add(&fresh, &cap, line);
			if (rc < 0)
				error_set(err, rc, "%s line %u: %s", path, number,
					rc == E_CONFIG ? "a UUID expected" : "too many lines");
		}
		fclose(f);
		if (rc < 0) {
			deny_free(&fresh);
			return rc;
		}
		if (fresh.n > 0)
			qsort(fresh.uuids, fresh.n, sizeof *fresh.uuids, by_bytes);
	}
	deny_free(d);
	*d = fresh;
	return 0;
}

bool deny_has(const struct deny *d, const struct uuid *uuid)
{
	return d->n > 0 && bsearch(uuid, d->uuids, d->n, sizeof *uuid, by_bytes);
}

void deny_free(struct deny *d)
{
	free(d->uuids);
	*d = (struct deny){.uuids = NULL};
}
