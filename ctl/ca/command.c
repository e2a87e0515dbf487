/* SPDX-License-Identifier: Apache-2.0 */
/* muster ca init | show | serve. */
#include <openssl/bn.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/log.h"
#include "ctl/ca/authority.h"
#include "ctl/ca/serve.h"
#include "ctl/command.h"

static void open_opts(struct authority_opts *opts, const struct conf *conf)
{
	*opts = (struct authority_opts){.dir = conf->ca.dir,
		.validity_days = conf->ca.validity_days,
		.crl_url = conf->ca.crl_url};
}

static json_t *certificate_json(X509 *cert)
{
	unsigned char fp[EVP_MAX_MD_SIZE];
	unsigned fp_len = 0;
	char hex[2 * EVP_MAX_MD_SIZE + 1], subject[256], not_after[64] = "";
	X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
	X509_digest(cert, EVP_sha256(), fp, &fp_len);
	hex_encode(fp, fp_len, hex);
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio && ASN1_TIME_print(bio, X509_get0_notAfter(cert))) {
		int n = BIO_read(bio, not_after, sizeof not_after - 1);
		not_after[n > 0 ? n : 0] = '\0';
	}
	BIO_free(bio);
	return json_pack(
		"{s:s, s:s, s:s}", "subject", subject, "sha256", hex, "not_after", not_after);
}

int command_ca_show(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct authority *a = NULL;
	struct authority_opts opts;
	uint64_t n_issued = 0, n_revoked = 0;
	open_opts(&opts, conf);
	if (authority_open(&a, &opts, &err) < 0)
		return command_fail(&err);
	authority_counts(a, &n_issued, &n_revoked);
	json_t *out = json_pack("{s:s, s:o, s:o, s:I, s:I}", "dir", conf->ca.dir, "root",
		certificate_json(authority_root(a)), "issuing",
		certificate_json(authority_issuing(a)), "issued", (json_int_t)n_issued, "revoked",
		(json_int_t)n_revoked);
	authority_close(a);
	if (line->json)
		return command_print_json(out);
	static const char *const which[] = {"root", "issuing"};
	for (size_t i = 0; i < 2; i++) {
		json_t *c = json_object_get(out, which[i]);
		printf("%-8s %s\n         sha256 %s\n         until  %s\n", which[i],
			json_string_value(json_object_get(c, "subject")),
			json_string_value(json_object_get(c, "sha256")),
			json_string_value(json_object_get(c, "not_after")));
	}
	printf("issued   %llu, revoked %llu\n", (unsigned long long)n_issued,
		(unsigned long long)n_revoked);
	json_decref(out);
	return COMMAND_OK;
}

int command_ca_init(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	if (authority_create(conf->ca.dir, &err) < 0)
		return command_fail(&err);
	if (!line->json)
		printf("made %s; keep root.key offline: it is needed only to renew the issuing "
		       "CA\n",
			conf->ca.dir);
	return command_ca_show(line, conf);
}

int command_ca_serve(const struct command_line *line, const struct conf *conf)
{
	(void)line;
	struct error err = {0};
	struct authority *a = NULL;
	struct authority_opts opts;
	open_opts(&opts, conf);
	log_start("ca", (enum log_level)conf->log.level, (enum log_format)conf->log.format);
	int rc = authority_open(&a, &opts, &err);
	if (rc == 0)
		rc = ca_serve(a, conf->ca.socket, &err);
	authority_close(a);
	if (rc < 0)
		LOG_ERROR("ca.failed", KV_STR("why", err.text));
	log_stop();
	return rc < 0 ? COMMAND_FAILED : COMMAND_OK;
}
