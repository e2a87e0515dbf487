/* SPDX-License-Identifier: Apache-2.0 */
/* Copy on write of device parts; see parts.h. */
#include "bench/sim/parts.h"

#include "bench/sim/classes/acl.h"
#include "bench/sim/classes/boot.h"
#include "bench/sim/classes/ipv6.h"
#include "bench/sim/classes/kerberos.h"
#include "bench/sim/classes/record.h"
#include "bench/sim/classes/remote.h"
#include "bench/sim/classes/trust.h"
#include "bench/sim/classes/wifi.h"
#include "bench/sim/device.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	size_t size;
	const void *factory;
} parts[PART_N] = {
	[PART_ACL] = {sizeof(struct acl), &acl_factory},
	[PART_KERBEROS] = {sizeof(struct kerberos), &kerberos_factory},
	[PART_TRUST] = {sizeof(struct trust), &trust_factory},
	[PART_WIFI] = {sizeof(struct wifi), &wifi_factory},
	[PART_WIRED] = {sizeof(struct wired), &wired_factory},
	[PART_REMOTE] = {sizeof(struct remote), &remote_factory},
	[PART_NETWORK] = {sizeof(struct ipv6), &ipv6_factory},
	[PART_BOOT] = {sizeof(struct boot), &boot_factory},
	[PART_RECORD] = {sizeof(struct record), &record_factory},
};

const void *part_read(const struct device *d, enum part p)
{
	if (p == PART_SETTINGS)
		return &d->set;
	return d->parts[p] ? d->parts[p] : parts[p].factory;
}

void *part_write(struct device *d, enum part p)
{
	if (p == PART_SETTINGS)
		return &d->set;
	if (!d->parts[p]) {
		d->parts[p] = malloc(parts[p].size);
		if (d->parts[p])
			memcpy(d->parts[p], parts[p].factory, parts[p].size);
	}
	return d->parts[p];
}

void part_reset(struct device *d, enum part p)
{
	if (!d->parts[p])
		return;
	OPENSSL_cleanse(d->parts[p], parts[p].size);
	free(d->parts[p]);
	d->parts[p] = NULL;
}

void parts_free(struct device *d)
{
	for (int p = 0; p < PART_N; p++)
		part_reset(d, (enum part)p);
}

size_t parts_bytes(const struct device *d)
{
	size_t n = 0;
	for (int p = 0; p < PART_N; p++)
		n += d->parts[p] ? parts[p].size : 0;
	return n;
}
