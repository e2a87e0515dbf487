/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/site.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/secret.h"

#define REDIS_PASSWORD_MAX 512 /* bytes; Redis itself has no limit */
#define HOST_MAX           256

int site_open(struct site *s, const struct conf *conf, struct error *err)
{
	struct secret password = {0};
	*s = (struct site){0};
	uv_loop_init(&s->loop);
	if (*conf->redis.password_file)
		TRY(secret_read_file(
			&password, conf->redis.password_file, REDIS_PASSWORD_MAX, err));
	int rc = store_open(&s->store, &s->loop,
		&(struct store_opts){
			.redis = {.url = conf->redis.url,
				.user = conf->redis.user,
				.password = &password,
				.ca_file = conf->redis.ca_file,
				.client_name = "muster"},
			.partition = conf->redis.partition,
		},
		NULL, NULL, err);
	secret_free(&password);
	if (rc == 0)
		rc = redis_wait_up(store_redis(s->store), SITE_TIMEOUT_MS, err);
	if (rc < 0)
		error_prefix(err, "Redis at %s", conf->redis.url);
	return rc;
}

int site_load_keks(struct site *s, const struct conf *conf, struct error *err)
{
	return kek_ring_load(&s->keks, conf->keys.kek_dir, conf->keys.kek_current, err);
}

void site_close(struct site *s)
{
	store_close(s->store);
	kek_ring_free(s->keks);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
}

void site_note(struct answer *a, const struct error *err)
{
	a->done = true;
	if (err)
		a->err = *err;
}

void site_answered(const struct error *err, void *answer)
{
	site_note(answer, err);
}

int site_wait(struct site *s, int rc, struct answer *a, struct error *err)
{
	TRY(rc);
	TRY(redis_wait(store_redis(s->store), &a->done, SITE_TIMEOUT_MS, err));
	if (a->err.code < 0 && err)
		*err = a->err;
	return a->err.code;
}

const char *site_who(char *out, size_t out_len)
{
	char host[HOST_MAX] = "";
	const struct passwd *pw = getpwuid(geteuid());
	gethostname(host, sizeof host - 1);
	snprintf(out, out_len, "%s@%s", pw ? pw->pw_name : "unknown", host);
	return out;
}
