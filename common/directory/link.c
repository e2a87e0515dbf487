/* SPDX-License-Identifier: Apache-2.0 */
/* Connect, TLS, bind, search, each under the watchdog. See link.h. */
#include "common/directory/link.h"

#include <errno.h>
#include <fcntl.h>
#include <openldap.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/net/addr.h"

#define PASSWORD_MAX 256 /* bytes: AD takes 127 characters */

struct directory_link {
	LDAP *ld;                   /* NULL = not connected */
	char server[CONF_TEXT_MAX]; /* for texts */
	pthread_t watchdog;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	int fd; /* a descriptor of our own for the connection; -1 = none */
	bool armed;
	struct timespec deadline; /* CLOCK_MONOTONIC */
	bool expired;             /* the deadline has passed since it was armed */
	bool cut, ends;
};

void directory_init(void)
{
	setenv("LDAPNOINIT", "1", 1);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- watchdog ------------------------------------------------------------------------------- */

static void *watch(void *arg)
{
	struct directory_link *l = arg;
	pthread_mutex_lock(&l->lock);
	while (!l->ends) {
		if (!l->armed) {
			pthread_cond_wait(&l->changed, &l->lock);
		} else if (pthread_cond_timedwait(&l->changed, &l->lock, &l->deadline) ==
				   ETIMEDOUT &&
			   l->armed) {
			l->armed = false;
			l->expired = true;
			shutdown(l->fd, SHUT_RDWR);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void arm(struct directory_link *l, unsigned ms)
{
	pthread_mutex_lock(&l->lock);
	clock_gettime(CLOCK_MONOTONIC, &l->deadline);
	l->deadline.tv_sec += ms / 1000;
	l->deadline.tv_nsec += (long)(ms % 1000) * 1000000;
	if (l->deadline.tv_nsec >= 1000000000) {
		l->deadline.tv_nsec -= 1000000000;
		l->deadline.tv_sec++;
	}
	l->armed = true;
	l->expired = false;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

/* @return whether the deadline had passed */
static bool disarm(struct directory_link *l)
{
	pthread_mutex_lock(&l->lock);
	l->armed = false;
	bool expired = l->expired;
	pthread_mutex_unlock(&l->lock);
	return expired;
}

/* The watchdog has a descriptor of its own: libldap closes its one when it likes, and the number
 * may then be another connection's. */
static int watch_over(struct directory_link *l, int fd)
{
	pthread_mutex_lock(&l->lock);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	int rc = l->cut || (fd >= 0 && l->fd < 0) ? E_CLOSED : 0;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

void directory_link_cut(struct directory_link *l)
{
	pthread_mutex_lock(&l->lock);
	l->cut = true;
	if (l->fd >= 0)
		shutdown(l->fd, SHUT_RDWR);
	pthread_mutex_unlock(&l->lock);
}

/* ---- what went wrong ------------------------------------------------------------------------ */

static const struct {
	int code, rc;
	const char *says;
} faults[] = {
	{LDAP_SERVER_DOWN, E_CLOSED, "the connection was lost"},
	{LDAP_CONNECT_ERROR, E_CLOSED, "the connection was lost"},
	{LDAP_TIMEOUT, -ETIMEDOUT, "it does not answer"},
	{LDAP_OPERATIONS_ERROR, E_CLOSED, "it does not know the login any more"},
	{LDAP_TIMELIMIT_EXCEEDED, E_CLOSED, "it is too busy"},
	{LDAP_ADMINLIMIT_EXCEEDED, E_CLOSED, "it is too busy"},
	{LDAP_BUSY, E_CLOSED, "it is too busy"},
	{LDAP_UNAVAILABLE, E_CLOSED, "it is not available now"},
	{LDAP_SIZELIMIT_EXCEEDED, E_LIMIT, "more entries than it gives at once"},
	{LDAP_STRONG_AUTH_REQUIRED, E_CONFIG, "it takes no simple login, not even over TLS"},
	{LDAP_REFERRAL, E_CONFIG, "directory.base is of another domain"},
	{LDAP_NO_SUCH_OBJECT, -ENOENT, "there is no such entry; is directory.base right?"},
	{LDAP_INVALID_DN_SYNTAX, E_CONFIG, "that is not a DN; is directory.base right?"},
	{LDAP_INSUFFICIENT_ACCESS, E_CONFIG, "directory.user may not read there"},
};

/* The code behind "data" in the text of a refused login. */
static const struct {
	const char *data, *says;
} logins[] = {
	{"data 525", "there is no such user"},
	{"data 52e", "directory.user or its password is wrong"},
	{"data 530", "directory.user may not log in at this hour"},
	{"data 531", "directory.user may not log in from here"},
	{"data 532", "the password of directory.user has expired"},
	{"data 533", "directory.user is disabled"},
	{"data 701", "directory.user has expired"},
	{"data 773", "the password of directory.user must be changed first"},
	{"data 775", "directory.user is locked out"},
};

static const char *refusal(const char *text)
{
	for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++)
		if (strstr(text, logins[i].data))
			return logins[i].says;
	return "directory.user or its password is wrong";
}

/* An answer of libldap as our error. */
static int fault(const struct directory_link *l, int code, struct error *err)
{
	char *text = NULL;
	int rc = E_PROTOCOL;
	const char *says = ldap_err2string(code);
	ldap_get_option(l->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		if (faults[i].code == code) {
			rc = faults[i].rc;
			says = faults[i].says;
		}
	if (code == LDAP_INVALID_CREDENTIALS) {
		rc = E_AUTH;
		says = refusal(text ? text : "");
	}
	rc = error_set(err, rc, "directory %.80s: %s (%d%s%.100s)", l->server, says, code,
		text && *text ? ", " : "", text ? text : "");
	ldap_memfree(text);
	return rc;
}

/* ---- open ----------------------------------------------------------------------------------- */

static int await_connect(int fd, const struct net_addr *to)
{
	int status = 0;
	socklen_t len = sizeof status;
	if (connect(fd, &to->sa, to->len) < 0 && errno != EINPROGRESS)
		return -errno;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int n;
	do
		n = poll(&p, 1, DIRECTORY_CONNECT_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &status, &len);
	return -status;
}

/* A connected, blocking socket. */
static int dial(struct directory_link *l, struct error *err)
{
	char host[CONF_TEXT_MAX];
	struct net_addr to;
	unsigned port = DIRECTORY_PORT;
	const char *bare = l->server + (l->server[0] == '[');
	size_t len = strcspn(bare, l->server[0] == '[' ? "]" : ":");
	snprintf(host, sizeof host, "%.*s", (int)len, bare);
	const char *colon = strchr(bare + len, ':');
	if (colon)
		port = (unsigned)strtoul(colon + 1, NULL, 10);
	if (net_addr_resolve(&to, host, (uint16_t)port, err) < 0)
		return error_prefix(err, "directory %.80s", l->server);
	int fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ENSURE(fd >= 0, err, -errno, "directory: %s", strerror(errno));
	int rc = watch_over(l, fd);
	if (rc == 0)
		rc = await_connect(fd, &to);
	if (rc < 0) {
		close(fd);
		return error_set(err, rc, "directory %.80s: cannot be reached: %s", l->server,
			strerror(rc == E_CLOSED ? ECANCELED : -rc));
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); /* libldap wants to block in TLS */
	return fd;
}

static int set_options(LDAP *ld, const char *ca_file)
{
	static const int v3 = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND,
			 tls12 = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
	const struct {
		int option;
		const void *value;
	} options[] = {
		{LDAP_OPT_PROTOCOL_VERSION, &v3}, {LDAP_OPT_REFERRALS, LDAP_OPT_OFF},
		{LDAP_OPT_RESTART, LDAP_OPT_ON}, {LDAP_OPT_X_TLS_CACERTFILE, ca_file},
		{LDAP_OPT_X_TLS_REQUIRE_CERT, &demand}, {LDAP_OPT_X_TLS_PROTOCOL_MIN, &tls12},
		{LDAP_OPT_X_TLS_NEWCTX, &client}, /* last: it reads the CA file */
	};
	int rc = LDAP_SUCCESS;
	for (size_t i = 0; rc == LDAP_SUCCESS && i < sizeof options / sizeof options[0]; i++)
		rc = ldap_set_option(ld, options[i].option, options[i].value);
	return rc;
}

static int log_in(struct directory_link *l, const struct conf_directory *conf,
	const struct secret *password, struct error *err)
{
	struct berval cred = {.bv_len = password->len, .bv_val = (char *)password->data};
	ENSURE(set_options(l->ld, conf->ca_file) == LDAP_SUCCESS, err, E_CONFIG,
		"directory.ca_file: %.200s cannot be read as certificates", conf->ca_file);
	arm(l, DIRECTORY_LOGIN_MS);
	int tls = ldap_install_tls(l->ld);
	int code = tls == LDAP_SUCCESS ? ldap_sasl_bind_s(l->ld, conf->user, LDAP_SASL_SIMPLE,
						 &cred, NULL, NULL, NULL)
				       : tls;
	if (disarm(l))
		return error_set(err, -ETIMEDOUT, "directory %.80s: no answer to %s within %d s",
			l->server, tls == LDAP_SUCCESS ? "the login" : "TLS",
			DIRECTORY_LOGIN_MS / 1000);
	if (tls != LDAP_SUCCESS) {
		fault(l, tls, err);
		return error_set(err, E_TLS,
			"directory %.80s: TLS failed: is that name in the server's certificate, "
			"and does directory.ca_file hold the certificate's root?",
			l->server);
	}
	return code == LDAP_SUCCESS ? 0 : fault(l, code, err);
}

static void hang_up(struct directory_link *l)
{
	if (l->ld) {
		arm(l, DIRECTORY_CLOSE_MS);
		ldap_unbind_ext(l->ld, NULL, NULL);
		disarm(l);
	}
	l->ld = NULL;
	watch_over(l, -1);
}

int directory_link_open(struct directory_link *l, const struct conf_directory *conf,
	uint32_t server, struct error *err)
{
	char url[CONF_TEXT_MAX + 16];
	struct secret password = {0};
	hang_up(l);
	snprintf(l->server, sizeof l->server, "%s", conf->servers[server]);
	snprintf(url, sizeof url, "ldaps://%s", l->server); /* a name only: TLS compares it */
	/* It refuses an empty file: a bind without password would be an anonymous one. */
	int rc = secret_read_file(&password, conf->password_file, PASSWORD_MAX, err);
	if (rc < 0)
		return error_prefix(err, "directory.password_file");
	int fd = dial(l, err);
	if (fd >= 0 && ldap_init_fd(fd, LDAP_PROTO_TCP, url, &l->ld) != LDAP_SUCCESS) {
		close(fd);
		fd = error_set(err, -ENOMEM, "directory %.80s: no memory", l->server);
	}
	rc = fd < 0 ? fd : log_in(l, conf, &password, err);
	secret_free(&password);
	if (rc < 0)
		hang_up(l);
	return rc;
}

/* ---- use ------------------------------------------------------------------------------------ */

int directory_link_search(struct directory_link *l, const char *base, int scope, const char *filter,
	const char *const *attributes, LDAPMessage **out, struct error *err)
{
	*out = NULL;
	ENSURE(l->ld, err, E_CLOSED, "directory: not connected");
	arm(l, DIRECTORY_SEARCH_MS);
	int code = ldap_search_ext_s(l->ld, base, scope, filter, (char **)(uintptr_t)attributes, 0,
		NULL, NULL, NULL, LDAP_NO_LIMIT, out);
	bool expired = disarm(l);
	if (code == LDAP_SUCCESS)
		return 0;
	int rc = expired ? error_set(err, -ETIMEDOUT, "directory %.80s: no answer within %d s",
				   l->server, DIRECTORY_SEARCH_MS / 1000)
			 : fault(l, code, err);
	ldap_msgfree(*out);
	*out = NULL;
	if (rc == E_CLOSED || rc == -ETIMEDOUT)
		hang_up(l);
	return rc;
}

LDAP *directory_link_ldap(struct directory_link *l)
{
	return l->ld;
}

bool directory_link_is_open(const struct directory_link *l)
{
	return l->ld != NULL;
}

int directory_link_new(struct directory_link **out, struct error *err)
{
	pthread_condattr_t monotonic;
	struct directory_link *l = calloc(1, sizeof *l);
	ENSURE(l, err, -ENOMEM, "no memory for the directory");
	l->fd = -1;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int rc = -pthread_create(&l->watchdog, NULL, watch, l);
	if (rc < 0) {
		free(l);
		return error_set(err, rc, "no thread for the directory: %s", strerror(-rc));
	}
	*out = l;
	return 0;
}

void directory_link_free(struct directory_link *l)
{
	if (!l)
		return;
	hang_up(l);
	pthread_mutex_lock(&l->lock);
	l->ends = true;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->watchdog, NULL);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
