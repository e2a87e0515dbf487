/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shipped examples load with the files that they name: /etc/muster becomes a folder of the
 * test, in which every file that an example names is made. Of everything.yaml also what stands
 * behind a # is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "common/base/err.h"
#include "common/conf/profile.h"

#define PREFIX   "/etc/muster/"
#define PATH_LEN 256
#define LINE_LEN 512
#define MADE_MAX 16
#define SECRET   "Muster-1pass" /* fits the rule of every file: 8 to 16, all kinds of characters */

static char dir[64];
static char made[MADE_MAX][PATH_LEN];
static size_t n_made;

static void make_root(FILE *f)
{
	X509 *x = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	assert_non_null(x);
	assert_non_null(key);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(f, x), 1);
	EVP_PKEY_free(key);
	X509_free(x);
}

/* The file that a line names: a root or a secret, by its folder. */
static void make_file(const char *name)
{
	char path[PATH_LEN];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	for (size_t i = 0; i < n_made; i++)
		if (strcmp(made[i], path) == 0)
			return;
	assert_true(n_made < MADE_MAX);
	snprintf(made[n_made++], PATH_LEN, "%s", path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	if (strncmp(name, "roots/", strlen("roots/")) == 0)
		make_root(f);
	else
		fputs(SECRET, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

/* A line with its path moved into the folder of the test. */
static void copy_line(const char *line, FILE *out)
{
	const char *at;
	while ((at = strstr(line, PREFIX))) {
		size_t len = strcspn(at + strlen(PREFIX), ",]} \n");
		char name[PATH_LEN];
		snprintf(name, sizeof name, "%.*s", (int)len, at + strlen(PREFIX));
		make_file(name);
		fprintf(out, "%.*s%s/%s", (int)(at - line), line, dir, name);
		line = at + strlen(PREFIX) + len;
	}
	fputs(line, out);
}

/* @param live also what stands behind a # below the head of the file */
static void load(const char *source, const char *name, bool live, struct profile *p)
{
	char from[PATH_LEN], to[PATH_LEN], line[LINE_LEN];
	struct error err = {0};
	snprintf(from, sizeof from, "%s/%s.yaml", source, name);
	snprintf(to, sizeof to, "%s/%s.yaml", dir, name);
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	assert_non_null(in);
	assert_non_null(out);
	bool head = true;
	while (fgets(line, sizeof line, in)) {
		head = head && line[0] == '#';
		copy_line(line + (live && !head && line[0] == '#'), out);
	}
	fclose(in);
	fclose(out);
	if (profile_load_file(p, to, dir, &err) < 0)
		fail_msg("%s", err.text);
	unlink(to);
}

static struct profile p;

static void test_office(void **state)
{
	(void)state;
	load("deploy/profiles/examples", "office", false, &p);
	assert_int_equal(p.kerberos.state, PROFILE_ON);
	assert_int_equal(p.acl.n_users, 3);
	assert_true(p.features.kvm);
}

static void test_laptops(void **state)
{
	(void)state;
	load("deploy/profiles/examples", "laptops", false, &p);
	assert_int_equal(p.wireless.n_profiles, 2);
	assert_int_equal(p.wireless.profiles[0].security, PROFILE_WIFI_WPA2_8021X);
	assert_int_equal(p.wired.state, PROFILE_ON);
}

static void test_outside(void **state)
{
	(void)state;
	load("deploy/profiles/examples", "outside", false, &p);
	assert_int_equal(p.remote_access.n_servers, 2);
	assert_int_equal(p.remote_access.n_policies, 2);
}

static void test_everything(void **state)
{
	char parent[PATH_LEN], line[LINE_LEN];
	(void)state;
	snprintf(parent, sizeof parent, "%s/default.yaml", dir);
	FILE *in = fopen("deploy/profiles/default.yaml", "r"), *out = fopen(parent, "w");
	assert_non_null(in);
	assert_non_null(out);
	while (fgets(line, sizeof line, in))
		fputs(line, out);
	fclose(in);
	fclose(out);
	load("deploy/profiles", "everything", false, &p);
	assert_false(p.tls.mutual);
	load("deploy/profiles", "everything", true, &p);
	unlink(parent);
	assert_true(p.tls.mutual);
	assert_int_equal(p.kerberos.state, PROFILE_ON);
	assert_int_equal(p.acl.n_users, 4);
	assert_int_equal(p.wireless.n_profiles, 1);
	assert_int_equal(p.wired.state, PROFILE_ON);
	assert_int_equal(p.remote_access.n_policies, 1);
	assert_int_equal(p.remote_access.n_home_domains, 1);
}

int main(void)
{
	char roots[PATH_LEN], secrets[PATH_LEN];
	snprintf(dir, sizeof dir, "/tmp/muster-examples-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(roots, sizeof roots, "%s/roots", dir);
	snprintf(secrets, sizeof secrets, "%s/secrets", dir);
	if (mkdir(roots, 0700) < 0 || mkdir(secrets, 0700) < 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_office),
		cmocka_unit_test(test_laptops),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_everything),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	while (n_made)
		unlink(made[--n_made]);
	rmdir(roots);
	rmdir(secrets);
	rmdir(dir);
	return rc;
}
