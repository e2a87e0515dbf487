/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one object of a JSON list is to a row: one function per format. Foreign formats are read by
 * the members that their sources show; all others are passed over.
 */
#ifndef MUSTER_CTL_IMPORT_OBJECT_H
#define MUSTER_CTL_IMPORT_OBJECT_H

#include <jansson.h>

#include "ctl/import/list.h"

/** Fill a row that has nothing yet, or refuse or skip it. */
typedef void (*import_object_fn)(struct import_row *row, const json_t *object);

/** A node as MeshCentral's `meshctrl ListDevices --json` or --dbexport writes it. */
void import_meshcentral(struct import_row *row, const json_t *node);

/** A device as MPS or Console of the Device Management Toolkit answer GET /api/v1/devices. */
void import_dmt(struct import_row *row, const json_t *device);

/** The text of a member; "" when it is absent or no text. */
const char *import_member(const json_t *object, const char *key);

/** Set a field from the text of a member, if it has one. */
void import_set_member(
	struct import_row *row, enum import_field field, const json_t *object, const char *key);

/** Set the tags from a list of texts. A tag is one word. */
void import_set_tags(struct import_row *row, const json_t *tags);

/** Whether a text is an IP address. */
bool import_is_address(const char *text);

#endif
