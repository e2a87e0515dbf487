/* SPDX-License-Identifier: Apache-2.0 */
/* A device of the tests: TLS on loopback, answers written here from spec/, one thing wrong on
 * demand. It also makes the certificates of the whole test site. Threads: one. */
#ifndef MUSTER_TEST_FAKE_DEVICE_H
#define MUSTER_TEST_FAKE_DEVICE_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/uuid.h"
#include "common/net/addr.h"

enum fake_fault {
	FAKE_NONE,
	FAKE_FAULT,     /* SOAP fault SchemaValidationError */
	FAKE_DENIED,    /* SOAP fault AccessDenied */
	FAKE_ABSENT,    /* SOAP fault DestinationUnreachable */
	FAKE_BUSY,      /* ReturnValue 2061 (methods), fault Concurrency (others) */
	FAKE_REFUSED,   /* ReturnValue 36 (methods) */
	FAKE_WORN,      /* ReturnValue 38 (methods) */
	FAKE_401,       /* challenge, whatever the answer */
	FAKE_TRUNCATED, /* half of the XML */
	FAKE_HTML,      /* HTTP 400 with HTML */
	FAKE_GONE,      /* HTTP 404 */
	FAKE_FLOOD,     /* a body without end */
	FAKE_CHUNKS,    /* endless tiny chunks */
	FAKE_CUT,       /* connection closed instead of an answer */
	FAKE_SILENT,    /* nothing at all */
	FAKE_RELATES,   /* RelatesTo of another message */
	FAKE_STATE2,    /* ProvisioningState 2 */
	FAKE_UUID,      /* another UUID */
	FAKE_2057,      /* CommitChanges: DATA_MISSING */
	FAKE_NO_KEYGEN, /* GenerateKeyPair does not exist */
	FAKE_2058,      /* AddCertificate: DUPLICATE although just added */
};

/* What becomes of a device that is told to go. */
enum fake_after {
	FAKE_TO_SETUP,
	FAKE_REFUSES,   /* nobody listens */
	FAKE_IS_SILENT, /* no packet is answered */
};

/* Keys and certificates of the site. */
struct fake_pki {
	EVP_PKEY *prov_root_key, *prov_key, *ca_key, *self_key, *device_key;
	X509 *prov_root, *prov, *ca, *self;
};

struct fake_device {
	uv_loop_t *loop;
	struct net_addr addr;
	struct uuid uuid;
	X509 *self;     /* its own certificate; also what strays are */
	EVP_PKEY *made; /* what GenerateKeyPair takes: making one costs 150 ms and more */
	EVP_PKEY *key;  /* the one that GenerateKeyPair "makes"; also of AddKey */
	/* script */
	enum fake_fault fault;
	const char *at;   /* row name (X-Muster-Trace) at which the fault happens */
	unsigned times;   /* how often; 0 = always */
	bool self_signed; /* keeps its own certificate after the commit */
	bool no_ask;      /* no CertificateRequest in setup */
	bool on_die;      /* in setup: a leaf with another issuer, and no certificate is well too */
	int chain_bits;   /* refuses our leaf with alert 42 when its key has fewer bits */
	const char *chain_file; /* in setup: this on-die chain, with key_file */
	const char *key_file;
	bool tls11;       /* speaks TLS 1.1 only */
	bool no_header;   /* closes after 401 and 400 without saying so in the header */
	bool setup_login; /* asks for a login in setup too */
	bool old;         /* AMT 3 to 5: no IPS and KVM classes, keys come from outside */
	const char *pid;  /* PSK setup with this pair, TLS 1.1; NULL = PKI */
	const char *pps;
	bool psk_texts;        /* SetTLSPSK wants texts, not base64 */
	bool tls13_drops;      /* configured: speaks TLS 1.3 and drops the first request over it */
	bool wants_wsman_only; /* a Put without WsmanOnlyMode is refused, though a Get has none */
	bool sha1_only; /* wants RSA with SHA-1 only, and goes on with an empty certificate */
	bool no_plain;  /* 16.1 and later: NonSecureConnectionsSupported is shown */
	bool mebx_kvm_off;
	bool power_two_keys;   /* SetPowerScheme wants both keys as selectors */
	bool consent_fixed;    /* CanModifyOptInPolicy is 0 */
	bool acl_full;         /* lists no user and calls every new one a duplicate */
	unsigned state_rv;     /* what RequestStateChange answers; 1 does nothing */
	bool forgets_name;     /* the commit loses host and domain name */
	bool no_context_names; /* the list of contexts tells no InstanceID */
	bool quotes;           /* faults quote the request */
	bool other_realm;      /* configured: not the one of the setup */
	bool swapped;          /* another device answers here now */
	const char *version;   /* Server header; NULL = 12.0.67.1579 */
	unsigned lingers;      /* told to go: so many more connections find it as it was */
	enum fake_after after;
	unsigned unprovision_rv;
	bool mebx_once;         /* MEBx is set once over the network, then 16 */
	unsigned blocked_by;    /* Component that blocks an unprovision; 0 = it tells none */
	unsigned keep_password; /* so many SetAdminAclEntryEx are answered and not obeyed */
	unsigned reset_nonce;   /* the n-th request with an answer meets a new nonce; 0 = none */
	unsigned reset_every;   /* likewise two in a row of every so many; 0 = none */
	unsigned cut_request;   /* each connection dies at its n-th request; 0 = none */
	unsigned drop_admin;    /* configured: so many connections are closed in the handshake */
	/* state */
	bool configured, committed, told; /* told to go */
	bool has_key, has_context, tls_on;
	struct buf cert;       /* DER as added */
	char password_b64[64]; /* DigestPassword */
	char host[64], domain[200], ping[8], redirection[8], listener[8], consent[16];
	char opt_in_policy[8], webui[8], kvm[8], power[8];
	char rfb[16], mebx[64];
	unsigned n_mebx; /* SetMEBxPassword, obeyed or not */
	int clock_off_s; /* of a configured one */
	unsigned n_clock_sets;
	unsigned n_requests, n_connections, n_commits, n_generates, n_mutations_unstepped;
	unsigned n_unprovisions;
	unsigned n_plain;   /* Puts of AcceptNonSecureConnections to a no_plain device */
	unsigned n_deletes; /* of certificates */
	unsigned stray_certs,
		stray_keys; /* nothing refers to them, and the store is full of them */
	char sni_setup[256], sni_admin[256];
	char next_pid[16], next_pps[48]; /* SetTLSPSK, effective after an unprovision */
	char extended[8];                /* ExtendProvisioningPeriod, hours */
	unsigned n_dropped;              /* requests over TLS 1.3 */
	unsigned n_tls13;                /* connections over TLS 1.3 */
	unsigned n_psk;                  /* PSK handshakes that were begun */
	unsigned nonce;                  /* number of the present one */
	unsigned n_logins;               /* requests with an answer to a challenge */
	unsigned n_wrong;                /* of these with a wrong password */
	unsigned n_dead;                 /* requests on a connection that was closed */
	char last_row[64];
};

int fake_pki_make(struct fake_pki *p);
void fake_pki_free(struct fake_pki *p);

/** A certificate signed by key of issuer (self-signed when issuer is NULL). */
X509 *fake_cert(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *eku,
	bool ca, const char *dns);

/** Give the device a password, as if it had been set before. */
void fake_device_password(struct fake_device *d, const char *password);

/** Nobody listens at its address any more, or no packet is answered; fake_device_reset() ends it.
 */
void fake_device_leave(struct fake_device *d, enum fake_after how);

int fake_device_start(struct fake_device *d, uv_loop_t *loop, struct fake_pki *pki);
void fake_device_reset(struct fake_device *d);
void fake_device_stop(struct fake_device *d);

#endif
