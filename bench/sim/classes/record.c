/* SPDX-License-Identifier: Apache-2.0 */
/* Records of provisioning, hashes of roots, logs; see record.h. */
#include "bench/sim/classes/record.h"

#include "bench/sim/classes/class.h"
#include "bench/sim/judge.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

const struct record record_factory = {.made = false};

static const struct record *record_of(const struct device *d)
{
	return part_read(d, PART_RECORD);
}

void record_chain(struct device *d, STACK_OF(X509) * chain)
{
	struct record *r = part_write(d, PART_RECORD);
	if (!r || sk_X509_num(chain) == 0)
		return;
	*r = record_factory;
	X509 *leaf = sk_X509_value(chain, 0), *root = sk_X509_value(chain, sk_X509_num(chain) - 1);
	(void)X509_NAME_get_text_by_NID(
		X509_get_subject_name(leaf), NID_commonName, r->server, sizeof r->server);
	(void)X509_digest(root, EVP_sha256(), r->root, NULL);
}

void record_commit(struct device *d)
{
	struct record *r = part_write(d, PART_RECORD);
	if (!r)
		return;
	r->made = true;
	r->time_valid = d->clock_set;
}

/* ---- AMT_ProvisioningCertificateHash --------------------------------------------------------- */

enum { HASH_KINDS = 3 };

static const struct {
	unsigned type; /* as in a Hello */
	size_t off, len;
} kinds[HASH_KINDS] = {
	{1, offsetof(struct judge_hash, sha1), sizeof(((struct judge_hash *)0)->sha1)},
	{2, offsetof(struct judge_hash, sha256), sizeof(((struct judge_hash *)0)->sha256)},
	{3, offsetof(struct judge_hash, sha384), sizeof(((struct judge_hash *)0)->sha384)},
};

static int hash_count(const struct device *d)
{
	return (int)d->n_roots * HASH_KINDS;
}

static bool hash_exists(const struct device *d, int i)
{
	const struct personality_hello *lists = &d->as->hello;
	const bool listed[HASH_KINDS] = {lists->sha1, lists->sha256, lists->sha384};
	return listed[i % HASH_KINDS];
}

static void hash_data(struct writer *w, struct device *d, int i, const struct prop *p)
{
	const uint8_t *root = (const uint8_t *)&d->roots[i / HASH_KINDS];
	w_b64(w, p->name, root + kinds[i % HASH_KINDS].off, kinds[i % HASH_KINDS].len);
}

static void hash_type(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)d;
	w_uint(w, p->name, kinds[i % HASH_KINDS].type);
}

static void hash_id(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[48];
	(void)d;
	snprintf(text, sizeof text, "Intel(r) AMT Certificate Hash %d", i);
	w_text(w, p->name, text);
}

static void hash_name(struct writer *w, struct device *d, int i, const struct prop *p)
{
	char text[32];
	(void)d;
	snprintf(text, sizeof text, "Simulated root %d", i / HASH_KINDS);
	w_text(w, p->name, text);
}

const struct class_def class_provisioning_hash = {
	.name = "AMT_ProvisioningCertificateHash",
	.ns = NS_AMT,
	.props =
		(const struct prop[]){{"ElementName", PT_STR, PF_RO,
					      .text = "Intel(r) AMT Provisioning Certificate Hash"},
			{"Enabled", PT_BOOL, PF_RO, .text = "true"},
			{"HashData", PT_B64, PF_RO, .value = hash_data},
			{"HashType", PT_UINT, PF_RO, .value = hash_type},
			{"InstanceID", PT_STR, PF_RO | PF_ID, .value = hash_id},
			{"IsDefault", PT_BOOL, PF_RO, .text = "true"},
			{"Name", PT_STR, PF_RO, .value = hash_name}, {NULL}},
	.count = hash_count,
	.exists = hash_exists,
};

/* ---- records of provisioning ----------------------------------------------------------------- */

static int records(const struct device *d)
{
	return record_of(d)->made;
}

static int no_records(const struct device *d)
{
	(void)d;
	return 0;
}

static void record_number(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	w_uint(w, p->name, record_of(d)->made);
}

#define LOG_NAME "Intel(r) AMT Provisioning Record Log"

const struct class_def class_record_log = {
	.name = "IPS_ProvisioningRecordLog",
	.ns = NS_IPS,
	.props = (const struct prop[]){{"CurrentNumberOfRecords", PT_UINT, PF_RO,
					       .value = record_number},
		{"ElementName", PT_STR, PF_RO, .text = LOG_NAME},
		{"EnabledState", PT_UINT, PF_RO, .text = "2"},
		{"HealthState", PT_UINT, PF_RO, .text = "0"},
		{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT: RecordLog 1"},
		{"LogState", PT_UINT, PF_RO, .text = "4"},
		{"MaxNumberOfRecords", PT_UINT, PF_RO, .text = "1"},
		{"Name", PT_STR, PF_RO, .text = LOG_NAME},
		{"OverwritePolicy", PT_UINT, PF_RO, .text = "2"},
		{"RequestedState", PT_UINT, PF_RO, .text = "12"}, {NULL}},
};

static void root_hash(struct writer *w, struct device *d, int i, const struct prop *p)
{
	(void)i;
	w_b64(w, p->name, record_of(d)->root, sizeof record_of(d)->root);
}

const struct class_def class_tls_record = {
	.name = "IPS_TLSProvisioningRecord",
	.ns = NS_IPS,
	.props = (const struct prop[]){{"HashIsOemDefault", PT_BOOL, PF_RO, .text = "true"},
		{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT: TLS Record 1"},
		{"IsTimeValid", PT_BOOL, PF_RO, .off = offsetof(struct record, time_valid)},
		{"ProvServerFQDN", PT_STR, PF_RO, .off = offsetof(struct record, server)},
		{"SelectedHashData", PT_B64, PF_RO, .value = root_hash},
		{"SelectedHashType", PT_UINT, PF_RO, .text = "2"}, {NULL}},
	.part = PART_RECORD,
	.count = records,
};

/* Written by an upgrade from client control mode, which devices of ours never make. */
const struct class_def class_admin_record = {
	.name = "IPS_AdminProvisioningRecord",
	.ns = NS_IPS,
	.props = (const struct prop[]){{"InstanceID", PT_STR, PF_RO | PF_ID,
					       .text = "Intel(r) AMT: Admin Record 1"},
		{NULL}},
	.count = no_records,
};

/* ---- logs: both are there and empty ------------------------------------------------------------
 */

const struct class_def class_audit_log = {
	.name = "AMT_AuditLog",
	.ns = NS_AMT,
	.props = (const struct prop[]){{"AuditState", PT_UINT, PF_RO, .text = "16"},
		{"CurrentNumberOfRecords", PT_UINT, PF_RO, .text = "0"},
		{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT Audit Log"},
		{"EnabledState", PT_UINT, PF_RO, .text = "2"},
		{"MaxAllowedAuditors", PT_UINT, PF_RO, .text = "1"},
		{"MaxNumberOfRecords", PT_UINT, PF_RO, .text = "0"},
		{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT:Audit Log"},
		{"OverwritePolicy", PT_UINT, PF_RO, .text = "2"},
		{"PercentageFree", PT_UINT, PF_RO, .text = "100"},
		{"RequestedState", PT_UINT, PF_RO, .text = "2"},
		{"StoragePolicy", PT_UINT, PF_RO, .text = "1"},
		{"TimeOfLastRecord", PT_DATETIME, PF_RO, .text = "2004-01-01T00:00:00Z"}, {NULL}},
};

const struct class_def class_message_log = {
	.name = "AMT_MessageLog",
	.ns = NS_AMT,
	.props =
		(const struct prop[]){
			{"Capabilities", PT_UINT, PF_RO | PF_ARRAY, .text = "5 6 8 7"},
			{"CharacterSet", PT_UINT, PF_RO, .text = "10"},
			{"CreationClassName", PT_STR, PF_RO | PF_ID, .text = "AMT_MessageLog"},
			{"CurrentNumberOfRecords", PT_UINT, PF_RO, .text = "0"},
			{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT:MessageLog 1"},
			{"EnabledDefault", PT_UINT, PF_RO, .text = "2"},
			{"EnabledState", PT_UINT, PF_RO, .text = "2"},
			{"HealthState", PT_UINT, PF_RO, .text = "5"},
			{"IsFrozen", PT_BOOL, PF_RO, .text = "false"},
			{"LastChange", PT_UINT, PF_RO, .text = "0"},
			{"LogState", PT_UINT, PF_RO, .text = "4"},
			{"MaxLogSize", PT_UINT, PF_RO, .text = "0"},
			{"MaxNumberOfRecords", PT_UINT, PF_RO, .text = "390"},
			{"MaxRecordSize", PT_UINT, PF_RO, .text = "21"},
			{"Name", PT_STR, PF_RO | PF_ID, .text = "Intel(r) AMT:MessageLog 1"},
			{"OperationalStatus", PT_UINT, PF_RO, .text = "2"},
			{"OverwritePolicy", PT_UINT, PF_RO, .text = "2"},
			{"PercentageNearFull", PT_UINT, PF_RO, .text = "100"},
			{"RequestedState", PT_UINT, PF_RO, .text = "12"},
			{"SizeOfHeader", PT_UINT, PF_RO, .text = "0"},
			{"SizeOfRecordHeader", PT_UINT, PF_RO, .text = "0"},
			{"Status", PT_STR, PF_RO, .text = "OK"}, {NULL}},
};
