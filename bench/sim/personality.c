/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware generations; see personality.h. */
#include "bench/sim/personality.h"

#include "bench/sim/classes/class.h"
#include "common/conf/schema.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made from personalities/ by the build: name and text of each file, ended by NULL. */
extern const char *const personality_builtin[][2];

/* ---- tables --------------------------------------------------------------------------------- */

static const cyaml_strval_t version_words[] = {{"1.0", TLS1_VERSION}, {"1.1", TLS1_1_VERSION},
	{"1.2", TLS1_2_VERSION}, {"1.3", TLS1_3_VERSION}};
static const cyaml_strval_t setup_words[] = {
	{"rsa1024", SETUP_RSA1024},
	{"rsa2047", SETUP_RSA2047},
	{"rsa2048", SETUP_RSA2048},
	{"ondie4", SETUP_ONDIE4},
	{"ondie6", SETUP_ONDIE6},
};
static const cyaml_strval_t digest_words[] = {
	{"sha1", CHAIN_SHA1}, {"sha256", CHAIN_SHA256}, {"sha384", CHAIN_SHA384}};

static const cyaml_schema_value_t suite_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char, 0, PERSONALITY_TEXT_MAX - 1)};
static const cyaml_schema_value_t lacks_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char, 0, PERSONALITY_ENTRY_MAX - 1)};

static const cyaml_schema_field_t tls_rows[] = {
	ROW_ENUM(struct personality_tls, min, version_words),
	ROW_ENUM(struct personality_tls, max, version_words),
	ROW_LIST(struct personality_tls, suites, &suite_entry),
	ROW_BOOL(struct personality_tls, asks_certificate),
	ROW_BOOL(struct personality_tls, sha1_request),
	ROW_BOOL(struct personality_tls, drops_first_request),
	ROW_BOOL(struct personality_tls, psk),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t certificate_rows[] = {
	ROW_ENUM(struct personality_certificate, setup, setup_words),
	ROW_BOOL(struct personality_certificate, listed),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t chain_rows[] = {
	ROW_ENUM(struct personality_chain, digest, digest_words),
	ROW_UINT(struct personality_chain, bits),
	ROW_UINT(struct personality_chain, lenient_bits),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t hello_rows[] = {
	ROW_BOOL(struct personality_hello, sha1),
	ROW_BOOL(struct personality_hello, sha256),
	ROW_BOOL(struct personality_hello, sha384),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t http_rows[] = {
	ROW_TEXT(struct personality_http, server),
	ROW_UINT(struct personality_http, chunk),
	ROW_BOOL(struct personality_http, close_401),
	ROW_BOOL(struct personality_http, close_400),
	ROW_BOOL(struct personality_http, login_cache),
	ROW_BOOL(struct personality_http, auth_int),
	ROW_UINT(struct personality_http, nonce_uses),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t commit_rows[] = {
	ROW_BOOL(struct personality_commit, mebx),
	ROW_BOOL(struct personality_commit, cut),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t kerberos_rows[] = {
	ROW_BOOL(struct personality_kerberos, rc4),
	ROW_BOOL(struct personality_kerberos, aes128),
	ROW_BOOL(struct personality_kerberos, aes256),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t rows[] = {
	ROW_TEXT(struct personality, name),
	ROW_TEXT(struct personality, version),
	ROW_TEXT(struct personality, build),
	ROW_TEXT(struct personality, sku),
	ROW_UINT(struct personality, share),
	ROW_SECTION(struct personality, tls, tls_rows),
	ROW_SECTION(struct personality, certificate, certificate_rows),
	ROW_SECTION(struct personality, chain, chain_rows),
	ROW_SECTION(struct personality, hello, hello_rows),
	ROW_SECTION(struct personality, http, http_rows),
	ROW_SECTION(struct personality, commit, commit_rows),
	ROW_SECTION(struct personality, kerberos, kerberos_rows),
	ROW_BOOL(struct personality, clear_ports),
	ROW_BOOL(struct personality, sha1_csr),
	ROW_BOOL(struct personality, eoi),
	ROW_LIST(struct personality, lacks, &lacks_entry),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t top = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct personality, rows)};
static const struct yaml_range ranges[] = {
	{"share", 0, 100},
	{"chain.bits", 512, 8192},
	{"chain.lenient_bits", 512, 8192},
	{"http.chunk", 16, 65536},
	{"http.nonce_uses", 0, 1000000},
	{0},
};
static const struct yaml_schema schema = {.top = &top, .ranges = ranges};

/* ---- loading -------------------------------------------------------------------------------- */

/* What most releases have in common; a file names what differs. */
static const struct personality defaults = {
	.tls = {.min = TLS1_2_VERSION, .max = TLS1_2_VERSION, .asks_certificate = true},
	.certificate = {.setup = SETUP_RSA2048},
	.chain = {.digest = CHAIN_SHA256, .bits = 2048, .lenient_bits = 2048},
	.hello = {.sha256 = true},
	.http = {.chunk = 762, .close_401 = true, .close_400 = true, .login_cache = true},
	.kerberos = {.rc4 = true, .aes128 = true, .aes256 = true},
	.sha1_csr = true,
};

static int check(struct personality *p, const struct yaml_marks *marks, struct error *err)
{
	if (!p->name[0] || !p->version[0] || !p->build[0] || !p->sku[0] || !p->http.server[0])
		return yaml_error_at(
			marks, "name", err, "name, version, build, sku and http.server are needed");
	if (p->tls.max < p->tls.min || p->tls.n_suites == 0)
		return yaml_error_at(marks, "tls.max", err, "min, max and suites must fit");
	if (!p->hello.sha1 && !p->hello.sha256 && !p->hello.sha384)
		return yaml_error_at(marks, "hello", err, "the device lists no kind of hash");
	const char *names[PERSONALITY_LACKS_MAX];
	for (uint32_t i = 0; i < p->n_lacks; i++)
		names[i] = p->lacks[i];
	return p->n_lacks ? absence_build(&p->absent, names, p->n_lacks, err) : 0;
}

/* The text of a file, or the file itself when text is NULL. */
static int read_one(struct personality *p, const char *name, const char *text, struct error *err)
{
	struct yaml_marks marks;
	yaml_marks_init(&marks);
	*p = defaults;
	int rc = text ? yaml_overlay(&schema, text, strlen(text), name, true, &marks, p, err)
		      : yaml_overlay_file(&schema, name, &marks, p, err);
	if (rc == 0)
		rc = check(p, &marks, err);
	if (rc < 0)
		error_prefix(err, "personality %s", name);
	p->weight = p->share;
	yaml_marks_free(&marks);
	return rc;
}

static int load_builtin(struct personality_set *set, struct error *err)
{
	size_t n = 0;
	while (personality_builtin[n][0])
		n++;
	set->items = calloc(n + 1, sizeof *set->items); /* never a size of 0 */
	ENSURE(set->items, err, -ENOMEM, "no memory for personalities");
	for (; set->n < n; set->n++)
		TRY(read_one(&set->items[set->n], personality_builtin[set->n][0],
			personality_builtin[set->n][1], err));
	return 0;
}

static int is_yaml(const struct dirent *e)
{
	size_t len = strlen(e->d_name);
	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".yaml") == 0;
}

static int load_entries(struct personality_set *set, const char *dir, struct dirent **names,
	size_t n, struct error *err)
{
	ENSURE(n > 0, err, E_CONFIG, "%s: no *.yaml", dir);
	set->items = calloc(n, sizeof *set->items);
	ENSURE(set->items, err, -ENOMEM, "no memory for personalities");
	for (; set->n < n; set->n++) {
		char path[512];
		int len = snprintf(path, sizeof path, "%s/%s", dir, names[set->n]->d_name);
		ENSURE(len > 0 && (size_t)len < sizeof path, err, E_CONFIG, "%s: path too long",
			dir);
		TRY(read_one(&set->items[set->n], path, NULL, err));
	}
	return 0;
}

static int load_dir(struct personality_set *set, const char *dir, struct error *err)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_yaml, alphasort);
	ENSURE(n >= 0, err, -errno, "%s: %s", dir, strerror(errno));
	int rc = load_entries(set, dir, names, (size_t)n, err);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return rc;
}

int personality_load(struct personality_set *set, const char *dir, struct error *err)
{
	*set = (struct personality_set){0};
	int rc = dir ? load_dir(set, dir, err) : load_builtin(set, err);
	if (rc < 0)
		personality_free(set);
	return rc;
}

/* ---- the mix -------------------------------------------------------------------------------- */

int personality_mix(struct personality_set *set, const char *mix, struct error *err)
{
	char *copy = strdup(mix), *save = NULL;
	ENSURE(copy, err, -ENOMEM, "no memory");
	for (size_t i = 0; i < set->n; i++)
		set->items[i].weight = 0;
	int rc = 0;
	for (char *part = strtok_r(copy, ",", &save); part && rc == 0;
		part = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(part, '='), *end = NULL;
		if (eq)
			*eq = '\0';
		double share = eq ? strtod(eq + 1, &end) : 1.0;
		struct personality *p = (struct personality *)personality_find(set, part);
		if (!p || share < 0 || (end && *end))
			rc = error_set(err, E_CONFIG, "--mix: \"%s\" is not NAME=SHARE", part);
		else
			p->weight = share;
	}
	free(copy);
	return rc;
}

const struct personality *personality_pick(const struct personality_set *set, double unit)
{
	double total = 0, seen = 0;
	size_t last = set->n - 1;
	for (size_t i = 0; i < set->n; i++)
		total += set->items[i].weight;
	for (size_t i = 0; i < set->n; i++) {
		seen += set->items[i].weight;
		if (set->items[i].weight > 0)
			last = i;
		if (unit * total < seen)
			return &set->items[i];
	}
	return &set->items[last];
}

const struct personality *personality_find(const struct personality_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i];
	return NULL;
}

void personality_free(struct personality_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		absence_free(set->items[i].absent);
	free(set->items);
	*set = (struct personality_set){0};
}
