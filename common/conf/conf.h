/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration of all programs: one file, one struct with one nested struct per section. The order
 * of precedence is: defaults < the file < conf.d/<any>.yaml beside it (by name) < environment
 * variables MUSTER_<SECTION>_<KEY>, for example MUSTER_WORKER_WAITS_CONNECT_MS=2000. A later layer
 * replaces single keys; lists are replaced whole. Every key with its default and reason is in
 * deploy/muster.example.yaml.
 *
 * Ownership: struct conf holds no pointers; copy and drop it freely. It is about 60 KB: keep it in
 * static storage. No secret is in it: secrets are named by *_file keys. Threads: pure functions.
 * SPEC: architecture D27.
 */
#ifndef MUSTER_CONF_CONF_H
#define MUSTER_CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct error;

#define CONF_TEXT_MAX        256 /* names, addresses, URLs, with NUL */
#define CONF_PATH_MAX        512 /* file names, with NUL */
#define CONF_ADDRESSES_MAX   16  /* listening sockets of one listener */
#define CONF_PROXIES_MAX     64  /* balancers that may speak the PROXY protocol */
#define CONF_BROKERS_MAX     16  /* brokers of one site */
#define CONF_CHAINS_MAX      16  /* provisioning certificates of one site */
#define CONF_DIRECTORIES_MAX 8   /* directory servers of one site */

enum conf_log_level {
	CONF_LOG_DEBUG,
	CONF_LOG_INFO,
	CONF_LOG_WARN,
	CONF_LOG_ERROR
};                                                     /* values of enum log_level */
enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON }; /* values of enum log_format */
enum conf_durability { CONF_DURABILITY_STRICT, CONF_DURABILITY_FAST };
enum conf_hook_mode { CONF_HOOK_JSON, CONF_HOOK_ARGS };

struct conf_node {
	uint32_t listeners; /* processes that muster node starts */
	uint32_t workers;   /* 0 = one per core */
};

struct conf_log {
	enum conf_log_level level;
	enum conf_log_format format;
};

struct conf_redis {
	char url[CONF_TEXT_MAX]; /* unix:///path | redis://host:port | rediss://host:port */
	char user[CONF_TEXT_MAX];
	char password_file[CONF_PATH_MAX];
	char ca_file[CONF_PATH_MAX];   /* rediss: PEM; "" = the system's store */
	char partition[CONF_TEXT_MAX]; /* the {p} of every key */
	enum conf_durability durability;
};

struct conf_broker_end {
	char front[CONF_TEXT_MAX]; /* listeners connect here: tcp://host:port or ipc://path */
	char back[CONF_TEXT_MAX];  /* workers connect here */
	bool run;                  /* muster node starts this one on this host */
};

struct conf_bus {
	bool curve;
	char keys_dir[CONF_PATH_MAX];
	struct conf_broker_end brokers[CONF_BROKERS_MAX];
	uint32_t n_brokers;
};

struct conf_listener {
	char addresses[CONF_ADDRESSES_MAX][CONF_TEXT_MAX]; /* "0.0.0.0:9971", "[::]:9971" */
	uint32_t n_addresses;
	bool proxy_protocol;
	char proxy_addresses[CONF_PROXIES_MAX][CONF_TEXT_MAX]; /* address or address/prefix */
	uint32_t n_proxy_addresses;
	uint32_t max_connections;
	uint32_t max_per_source;  /* open connections per address (IPv6: /64); 0 = off */
	uint32_t rate_per_subnet; /* connections per second and /24 (IPv6: /56); 0 = off */
	uint32_t rate_burst;
	uint32_t message_timeout_ms;
	uint32_t verdict_timeout_ms;
	uint32_t window; /* Hellos in flight per broker */
	uint32_t retransmit_ms;
};

struct conf_broker {
	uint32_t admit_window; /* Hellos being admitted by Redis */
	uint32_t max_waiting;  /* jobs in wait:*, then BUSY */
	uint32_t cooldown_s;
	bool intake;
	char deny_file[CONF_PATH_MAX];
	uint32_t subnet_rate; /* sessions started per second and subnet; 0 = off */
	uint32_t
		setup_window_s; /* a device answers so long from its first Hello on; 0 = no guard */
	uint32_t dispatch_lease_ms;
	uint32_t grace_ms;
};

/* The calendar of upkeep; 0 = not by itself. SPEC: maintenance.md 8 */
struct conf_upkeep {
	uint32_t renew_before_days; /* before the end of a certificate */
	uint32_t rotate_days;       /* passwords */
	uint32_t maintain_days;     /* bring devices back to their profile */
	uint32_t inventory_days;
	uint32_t wear_hours; /* between two jobs that write to one device */
};

struct conf_hook {
	char command[CONF_PATH_MAX];     /* a program, or */
	char url[CONF_TEXT_MAX];         /* a web address; both "" = no hook */
	char secret_file[CONF_PATH_MAX]; /* web: signs the requests */
	char ca_file[CONF_PATH_MAX];     /* web: PEM; "" = the system's store */
	enum conf_hook_mode mode;        /* program */
	uint32_t timeout_s;
	uint32_t concurrency;
	uint32_t retries; /* web: more tries of one request */
};

/* The hooks of jobs; on-hello is worker.hook. */
struct conf_hooks {
	struct conf_hook after_configure, before_unconfigure, after_unconfigure, on_failure;
	uint32_t max_attempts; /* to tell a notice */
	uint32_t retry_min_s, retry_max_s;
};

struct conf_chain {
	char chain[CONF_PATH_MAX]; /* PEM, leaf and intermediates */
	char key[CONF_PATH_MAX];   /* PEM, mode 0600 */
	char key_password_file[CONF_PATH_MAX];
};

struct conf_waits {
	uint32_t connect_ms, handshake_ms, exchange_ms, slow_exchange_ms;
	uint32_t phase_a_s, session_s;
	uint32_t reconnect_first_ms, reconnect_ms, reconnect_tries;
	uint32_t not_now_ms, not_now_tries;
	uint32_t password_ms, rung_ms, ca_poll_ms, idle_close_ms, resolve_retry_ms, worn_ms;
};

struct conf_worker {
	uint32_t sessions;
	uint32_t device_port;
	char profiles_dir[CONF_PATH_MAX];
	char default_profile[CONF_TEXT_MAX]; /* "" = the source of names must say */
	char devices_file[CONF_PATH_MAX];    /* "" = no static table */
	char rules_file[CONF_PATH_MAX];      /* "" = no decision rules; common/conf/rules.h */
	bool reverse_dns;
	bool forward_dns; /* where a device in service is that does not answer */
	struct conf_hook hook;
	struct conf_hooks hooks;
	struct conf_chain provisioning[CONF_CHAINS_MAX];
	uint32_t n_provisioning;
	struct conf_chain console; /* what we show to devices with mutual TLS; chain "" = nothing */
	char odca_roots[CONF_PATH_MAX]; /* PEM: what on-die chains may end at; "" = none */
	bool legacy;
	uint32_t run_lease_ms;
	uint32_t max_attempts;
	uint32_t max_lost;
	uint32_t retry_min_s, retry_max_s;
	struct conf_waits waits;
};

struct conf_keys {
	char kek_dir[CONF_PATH_MAX];     /* <id>.key: 32 random bytes in base64, mode 0600 */
	char kek_current[CONF_TEXT_MAX]; /* id of the key that seals */
	char masters_dir[CONF_PATH_MAX]; /* <version>.key likewise, for derived passwords */
};

struct conf_ca {
	char socket[CONF_PATH_MAX];
	char dir[CONF_PATH_MAX]; /* root.pem issuing.pem issuing.key ledger.jsonl crl.pem */
	uint32_t validity_days;
	char crl_url[CONF_TEXT_MAX];
};

/* A directory that speaks LDAP as Active Directory does: names, OUs, groups. SPEC: directory.md */
struct conf_directory {
	char servers[CONF_DIRECTORIES_MAX][CONF_TEXT_MAX]; /* host or host:port, LDAPS; in order */
	uint32_t n_servers;                                /* 0 = no directory */
	char ca_file[CONF_PATH_MAX];                       /* PEM: what the servers' ends at */
	char base[CONF_TEXT_MAX];                          /* DN below which it is searched */
	char user[CONF_TEXT_MAX];                          /* name@domain, DOMAIN\name, or a DN */
	char password_file[CONF_PATH_MAX];
};

struct conf_test {
	bool trace_header;           /* SPEC: ruling 56 */
	char crashes[CONF_PATH_MAX]; /* worker/crash.h; only with trace_header; "" = none */
};

struct conf {
	struct conf_node node;
	struct conf_log log;
	struct conf_redis redis;
	struct conf_bus bus;
	struct conf_listener listener;
	struct conf_broker broker;
	struct conf_upkeep upkeep;
	struct conf_worker worker;
	struct conf_keys keys;
	struct conf_ca ca;
	struct conf_directory directory;
	struct conf_test test;
};

/** The defaults alone; no file is read. For tests and for programs without a file. */
void conf_defaults(struct conf *out);

/**
 * Load all layers and check them.
 *
 * @param path main file; conf.d is looked for in the same directory
 * @param out  filled only on success
 * @return 0; E_CONFIG with "FILE:LINE:COLUMN: section.key: what is wrong, what to do" (for the
 *         environment "environment MUSTER_X: ..."); -errno when a file cannot be read
 */
int conf_load(const char *path, struct conf *out, struct error *err);

/**
 * Load one text as the only file, without conf.d and environment. For tests and fuzzing.
 * @param name what errors call it
 */
int conf_load_text(const char *text, const char *name, struct conf *out, struct error *err);

/**
 * Append the whole configuration as YAML that conf_load() reads back to the same struct.
 * @return 0; -ENOMEM; the error of buf_add()
 */
int conf_print(const struct conf *conf, struct buf *out, struct error *err);

#endif
