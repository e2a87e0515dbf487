/* SPDX-License-Identifier: Apache-2.0 */
/* Making the TLS object of a connection, and noting the alerts that pass it. Any thread. */
#include "common/net/conn_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "common/net/tls.h"

static int failure_index = -1; /* ex_data of SSL -> failure; app_data stays free for the owner */
static pthread_once_t failure_once = PTHREAD_ONCE_INIT;

static void make_index(void)
{
	tls_init();
	failure_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static void note_alert(const SSL *ssl, int where, int value)
{
	struct conn_failure *failure = SSL_get_ex_data(ssl, failure_index);

	if (!(where & SSL_CB_ALERT) || (value >> 8) != SSL3_AL_FATAL)
		return;
	if (where & SSL_CB_READ)
		failure->alert = value & 0xff;
	else
		failure->alert_sent = value & 0xff;
}

static int verify_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return 1;
	ERR_clear_error();
	return SSL_set1_host(ssl, name);
}

int conn_tls_new(SSL **out, int fd, const struct conn_opts *opts, bool server,
	struct conn_failure *failure, struct error *err)
{
	char text[200];

	pthread_once(&failure_once, make_index);
	SSL *ssl = *out = SSL_new(opts->tls);

	if (!ssl || SSL_set_ex_data(ssl, failure_index, failure) != 1 || SSL_set_fd(ssl, fd) != 1 ||
		(opts->sni && SSL_set_tlsext_host_name(ssl, opts->sni) != 1) ||
		(opts->verify_name && verify_name(ssl, opts->verify_name) != 1))
		return error_set(
			err, E_TLS, "cannot prepare TLS: %s", tls_error_text(text, sizeof text));
	SSL_set_info_callback(ssl, note_alert);
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	if (opts->ssl_setup && opts->ssl_setup(ssl, opts->setup_arg) < 0)
		return error_set(err, E_TLS, "TLS set-up hook refused the connection");
	return 0;
}
