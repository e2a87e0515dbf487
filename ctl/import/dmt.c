/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of the Device Management Toolkit (open-amt-cloud-toolkit): guid, hostname, dnsSuffix,
 * tags, deviceInfo.ipAddress, and of Console also username, password, useTLS and certHash. Console
 * keeps passwords encrypted by a key of its own.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/fqdn.h"
#include "common/crypto/password.h"
#include "ctl/import/object.h"

static void set_name(struct import_row *row, const json_t *device)
{
	char name[2 * FQDN_MAX];
	const char *host = import_member(device, "hostname");
	const char *suffix = import_member(device, "dnsSuffix");
	if (import_is_address(host)) /* Console takes one in place of a name */
		return;
	bool short_name = *host && !strchr(host, '.') && *suffix;
	int len = snprintf(
		name, sizeof name, "%s%s%s", host, short_name ? "." : "", short_name ? suffix : "");
	if (len >= (int)sizeof name)
		import_refuse(row, "name", "shorten it", "longer than %zu bytes", sizeof name - 1);
	else if (len > 0)
		import_set(row, IMPORT_NAME, name, (size_t)len);
}

/* AMT takes 32 characters; what Console encrypted is never below 36 bytes, in base64. */
static void set_password(struct import_row *row, const json_t *device)
{
	const json_t *password = json_object_get(device, "password");
	const char *user = import_member(device, "username");
	if (json_string_length(password) > PASSWORD_AMT_MAX)
		import_refuse(row, "password", "give it in clear in a CSV, or leave it out",
			"longer than any of Intel AMT: Console has encrypted it");
	else if (json_string_length(password) && *user && strcmp(user, "admin") != 0)
		import_refuse(row, "password", "give the password of admin in a CSV",
			"it is that of the account %.40s, not of admin", user);
	else if (json_string_length(password))
		import_set_member(row, IMPORT_PASSWORD, device, "password");
	else
		snprintf(row->why, sizeof row->why,
			"no password in the export: it is taken when it says Hello after it was "
			"deactivated; to adopt it, give its password in a CSV");
}

void import_dmt(struct import_row *row, const json_t *device)
{
	const json_t *info = json_object_get(device, "deviceInfo");
	const char *ip = import_member(info, "ipAddress");
	import_set_member(row, IMPORT_UUID, device, "guid");
	set_name(row, device);
	import_set_tags(row, json_object_get(device, "tags"));
	if (import_is_address(ip) && strcmp(ip, "0.0.0.0") != 0)
		import_set(row, IMPORT_ADDRESS, ip, strlen(ip));
	else if (import_is_address(import_member(device, "hostname")))
		import_set_member(row, IMPORT_ADDRESS, device, "hostname");
	import_set_member(row, IMPORT_FINGERPRINT, device, "certHash");
	if (json_is_false(json_object_get(device, "useTLS")))
		import_set(row, IMPORT_TLS, "no", 2);
	set_password(row, device);
}
