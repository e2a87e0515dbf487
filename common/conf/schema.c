/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the configuration file, their ranges and their defaults: three tables, nothing else.
 * deploy/muster.example.yaml repeats the defaults with their reasons; a test holds them together.
 */
#include "common/conf/schema.h"

#include "common/conf/conf.h"

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char[CONF_TEXT_MAX], 0, CONF_TEXT_MAX - 1)};

static const cyaml_schema_field_t node_rows[] = {
	ROW_UINT(struct conf_node, listeners),
	ROW_UINT(struct conf_node, workers),
	CYAML_FIELD_END,
};

static const cyaml_strval_t level_words[] = {
	{"debug", CONF_LOG_DEBUG},
	{"info", CONF_LOG_INFO},
	{"warn", CONF_LOG_WARN},
	{"error", CONF_LOG_ERROR},
};
static const cyaml_strval_t format_words[] = {{"text", CONF_LOG_TEXT}, {"json", CONF_LOG_JSON}};
static const cyaml_schema_field_t log_rows[] = {
	ROW_ENUM(struct conf_log, level, level_words),
	ROW_ENUM(struct conf_log, format, format_words),
	CYAML_FIELD_END,
};

static const cyaml_strval_t durability_words[] = {
	{"strict", CONF_DURABILITY_STRICT},
	{"fast", CONF_DURABILITY_FAST},
};
static const cyaml_schema_field_t redis_rows[] = {
	ROW_TEXT(struct conf_redis, url),
	ROW_TEXT(struct conf_redis, user),
	ROW_TEXT(struct conf_redis, password_file),
	ROW_TEXT(struct conf_redis, ca_file),
	ROW_TEXT(struct conf_redis, partition),
	ROW_ENUM(struct conf_redis, durability, durability_words),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t broker_end_rows[] = {
	ROW_TEXT(struct conf_broker_end, front),
	ROW_TEXT(struct conf_broker_end, back),
	ROW_BOOL(struct conf_broker_end, run),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t broker_end = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct conf_broker_end, broker_end_rows)};
static const cyaml_schema_field_t bus_rows[] = {
	ROW_BOOL(struct conf_bus, curve),
	ROW_TEXT(struct conf_bus, keys_dir),
	ROW_LIST(struct conf_bus, brokers, &broker_end),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t listener_rows[] = {
	ROW_LIST(struct conf_listener, addresses, &text_entry),
	ROW_BOOL(struct conf_listener, proxy_protocol),
	ROW_LIST(struct conf_listener, proxy_addresses, &text_entry),
	ROW_UINT(struct conf_listener, max_connections),
	ROW_UINT(struct conf_listener, max_per_source),
	ROW_UINT(struct conf_listener, rate_per_subnet),
	ROW_UINT(struct conf_listener, rate_burst),
	ROW_UINT(struct conf_listener, message_timeout_ms),
	ROW_UINT(struct conf_listener, verdict_timeout_ms),
	ROW_UINT(struct conf_listener, window),
	ROW_UINT(struct conf_listener, retransmit_ms),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t broker_rows[] = {
	ROW_UINT(struct conf_broker, admit_window),
	ROW_UINT(struct conf_broker, max_waiting),
	ROW_UINT(struct conf_broker, cooldown_s),
	ROW_BOOL(struct conf_broker, intake),
	ROW_TEXT(struct conf_broker, deny_file),
	ROW_UINT(struct conf_broker, subnet_rate),
	ROW_UINT(struct conf_broker, setup_window_s),
	ROW_UINT(struct conf_broker, dispatch_lease_ms),
	ROW_UINT(struct conf_broker, grace_ms),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t upkeep_rows[] = {
	ROW_UINT(struct conf_upkeep, renew_before_days),
	ROW_UINT(struct conf_upkeep, rotate_days),
	ROW_UINT(struct conf_upkeep, maintain_days),
	ROW_UINT(struct conf_upkeep, inventory_days),
	ROW_UINT(struct conf_upkeep, wear_hours),
	CYAML_FIELD_END,
};

static const cyaml_strval_t hook_mode_words[] = {
	{"json", CONF_HOOK_JSON},
	{"args", CONF_HOOK_ARGS},
};
static const cyaml_schema_field_t hook_rows[] = {
	ROW_TEXT(struct conf_hook, command),
	ROW_TEXT(struct conf_hook, url),
	ROW_TEXT(struct conf_hook, secret_file),
	ROW_TEXT(struct conf_hook, ca_file),
	ROW_ENUM(struct conf_hook, mode, hook_mode_words),
	ROW_UINT(struct conf_hook, timeout_s),
	ROW_UINT(struct conf_hook, concurrency),
	ROW_UINT(struct conf_hook, retries),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t hooks_rows[] = {
	ROW_SECTION(struct conf_hooks, after_configure, hook_rows),
	ROW_SECTION(struct conf_hooks, before_unconfigure, hook_rows),
	ROW_SECTION(struct conf_hooks, after_unconfigure, hook_rows),
	ROW_SECTION(struct conf_hooks, on_failure, hook_rows),
	ROW_UINT(struct conf_hooks, max_attempts),
	ROW_UINT(struct conf_hooks, retry_min_s),
	ROW_UINT(struct conf_hooks, retry_max_s),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t chain_rows[] = {
	ROW_TEXT(struct conf_chain, chain),
	ROW_TEXT(struct conf_chain, key),
	ROW_TEXT(struct conf_chain, key_password_file),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t chain = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct conf_chain, chain_rows)};
static const cyaml_schema_field_t waits_rows[] = {
	ROW_UINT(struct conf_waits, connect_ms),
	ROW_UINT(struct conf_waits, handshake_ms),
	ROW_UINT(struct conf_waits, exchange_ms),
	ROW_UINT(struct conf_waits, slow_exchange_ms),
	ROW_UINT(struct conf_waits, phase_a_s),
	ROW_UINT(struct conf_waits, session_s),
	ROW_UINT(struct conf_waits, reconnect_first_ms),
	ROW_UINT(struct conf_waits, reconnect_ms),
	ROW_UINT(struct conf_waits, reconnect_tries),
	ROW_UINT(struct conf_waits, not_now_ms),
	ROW_UINT(struct conf_waits, not_now_tries),
	ROW_UINT(struct conf_waits, password_ms),
	ROW_UINT(struct conf_waits, rung_ms),
	ROW_UINT(struct conf_waits, ca_poll_ms),
	ROW_UINT(struct conf_waits, idle_close_ms),
	ROW_UINT(struct conf_waits, resolve_retry_ms),
	ROW_UINT(struct conf_waits, worn_ms),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t worker_rows[] = {
	ROW_UINT(struct conf_worker, sessions),
	ROW_UINT(struct conf_worker, device_port),
	ROW_TEXT(struct conf_worker, profiles_dir),
	ROW_TEXT(struct conf_worker, default_profile),
	ROW_TEXT(struct conf_worker, devices_file),
	ROW_TEXT(struct conf_worker, rules_file),
	ROW_BOOL(struct conf_worker, reverse_dns),
	ROW_BOOL(struct conf_worker, forward_dns),
	ROW_SECTION(struct conf_worker, hook, hook_rows),
	ROW_SECTION(struct conf_worker, hooks, hooks_rows),
	ROW_LIST(struct conf_worker, provisioning, &chain),
	ROW_SECTION(struct conf_worker, console, chain_rows),
	ROW_TEXT(struct conf_worker, odca_roots),
	ROW_BOOL(struct conf_worker, legacy),
	ROW_UINT(struct conf_worker, run_lease_ms),
	ROW_UINT(struct conf_worker, max_attempts),
	ROW_UINT(struct conf_worker, max_lost),
	ROW_UINT(struct conf_worker, retry_min_s),
	ROW_UINT(struct conf_worker, retry_max_s),
	ROW_SECTION(struct conf_worker, waits, waits_rows),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t keys_rows[] = {
	ROW_TEXT(struct conf_keys, kek_dir),
	ROW_TEXT(struct conf_keys, kek_current),
	ROW_TEXT(struct conf_keys, masters_dir),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t ca_rows[] = {
	ROW_TEXT(struct conf_ca, socket),
	ROW_TEXT(struct conf_ca, dir),
	ROW_UINT(struct conf_ca, validity_days),
	ROW_TEXT(struct conf_ca, crl_url),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t directory_rows[] = {
	ROW_LIST(struct conf_directory, servers, &text_entry),
	ROW_TEXT(struct conf_directory, ca_file),
	ROW_TEXT(struct conf_directory, base),
	ROW_TEXT(struct conf_directory, user),
	ROW_TEXT(struct conf_directory, password_file),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t test_rows[] = {
	ROW_BOOL(struct conf_test, trace_header),
	ROW_TEXT(struct conf_test, crashes),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t conf_rows[] = {
	ROW_SECTION(struct conf, node, node_rows),
	ROW_SECTION(struct conf, log, log_rows),
	ROW_SECTION(struct conf, redis, redis_rows),
	ROW_SECTION(struct conf, bus, bus_rows),
	ROW_SECTION(struct conf, listener, listener_rows),
	ROW_SECTION(struct conf, broker, broker_rows),
	ROW_SECTION(struct conf, upkeep, upkeep_rows),
	ROW_SECTION(struct conf, worker, worker_rows),
	ROW_SECTION(struct conf, keys, keys_rows),
	ROW_SECTION(struct conf, ca, ca_rows),
	ROW_SECTION(struct conf, directory, directory_rows),
	ROW_SECTION(struct conf, test, test_rows),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t conf_top = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct conf, conf_rows)};

/* Upper ends are where a number stops making sense, mostly a slip of a digit or of the unit. */
static const struct yaml_range conf_ranges[] = {
	{"node.listeners", 0, 64},
	{"node.workers", 0, 256},
	{"listener.max_connections", 1, 1000000},
	{"listener.max_per_source", 0, 1000000},
	{"listener.rate_per_subnet", 0, 1000000},
	{"listener.rate_burst", 1, 1000000},
	{"listener.message_timeout_ms", 100, 60000},
	{"listener.verdict_timeout_ms", 100, 60000},
	{"listener.window", 1, 65536},
	{"listener.retransmit_ms", 50, 60000},
	{"broker.admit_window", 1, 65536},
	{"broker.max_waiting", 0, 10000000},
	{"broker.cooldown_s", 0, 86400},
	{"broker.subnet_rate", 0, 100000},
	{"broker.setup_window_s", 0, 918000},
	{"broker.dispatch_lease_ms", 500, 60000},
	{"broker.grace_ms", 0, 60000},
	{"upkeep.renew_before_days", 0, 3650},
	{"upkeep.rotate_days", 0, 3650},
	{"upkeep.maintain_days", 0, 3650},
	{"upkeep.inventory_days", 0, 3650},
	{"upkeep.wear_hours", 0, 8760},
	{"worker.sessions", 1, 100000},
	{"worker.device_port", 1, 65535},
	{"worker.hook.timeout_s", 1, 600},
	{"worker.hook.concurrency", 1, 1024},
	{"worker.hook.retries", 0, 10},
	{"worker.hooks.after_configure.timeout_s", 1, 600},
	{"worker.hooks.after_configure.concurrency", 1, 1024},
	{"worker.hooks.after_configure.retries", 0, 10},
	{"worker.hooks.before_unconfigure.timeout_s", 1, 600},
	{"worker.hooks.before_unconfigure.concurrency", 1, 1024},
	{"worker.hooks.before_unconfigure.retries", 0, 10},
	{"worker.hooks.after_unconfigure.timeout_s", 1, 600},
	{"worker.hooks.after_unconfigure.concurrency", 1, 1024},
	{"worker.hooks.after_unconfigure.retries", 0, 10},
	{"worker.hooks.on_failure.timeout_s", 1, 600},
	{"worker.hooks.on_failure.concurrency", 1, 1024},
	{"worker.hooks.on_failure.retries", 0, 10},
	{"worker.hooks.max_attempts", 1, 1000},
	{"worker.hooks.retry_min_s", 1, 86400},
	{"worker.hooks.retry_max_s", 1, 86400},
	{"worker.run_lease_ms", 1000, 600000},
	{"worker.max_attempts", 1, 1000},
	{"worker.max_lost", 1, 1000},
	{"worker.retry_min_s", 1, 86400},
	{"worker.retry_max_s", 1, 86400},
	{"worker.waits.connect_ms", 50, 120000},
	{"worker.waits.handshake_ms", 100, 120000},
	{"worker.waits.exchange_ms", 100, 300000},
	{"worker.waits.slow_exchange_ms", 100, 300000},
	{"worker.waits.phase_a_s", 1, 86400},
	{"worker.waits.session_s", 1, 86400},
	{"worker.waits.reconnect_first_ms", 0, 600000},
	{"worker.waits.reconnect_ms", 0, 600000},
	{"worker.waits.reconnect_tries", 1, 1000},
	{"worker.waits.not_now_ms", 0, 600000},
	{"worker.waits.not_now_tries", 1, 1000},
	{"worker.waits.password_ms", 0, 600000},
	{"worker.waits.rung_ms", 0, 600000},
	{"worker.waits.ca_poll_ms", 10, 86400000},
	{"worker.waits.idle_close_ms", 100, 600000},
	{"worker.waits.resolve_retry_ms", 10, 86400000},
	{"worker.waits.worn_ms", 10, 172800000},
	{"ca.validity_days", 1, 3650},
	{0},
};

static const struct conf_broker_end broker_end_default = {.run = true};
static const struct yaml_entry_defaults conf_entry_defaults[] = {
	{"bus.brokers", &broker_end_default},
	{0},
};

const struct yaml_schema conf_schema = {
	.top = &conf_top, .ranges = conf_ranges, .entry_defaults = conf_entry_defaults};

#define HOOK_DEFAULTS                                                                    \
	{                                                                                \
		.mode = CONF_HOOK_JSON, .timeout_s = 60, .concurrency = 16, .retries = 2 \
	}

static const struct conf defaults = {
	.node = {.listeners = 1, .workers = 0},
	.log = {.level = CONF_LOG_INFO, .format = CONF_LOG_TEXT},
	.redis = {.url = "unix:///run/muster/redis.sock",
		.partition = "0",
		.durability = CONF_DURABILITY_STRICT},
	.bus = {.curve = true,
		.keys_dir = "/etc/muster/bus",
		.brokers = {{"tcp://127.0.0.1:9981", "tcp://127.0.0.1:9982", true}},
		.n_brokers = 1},
	.listener = {.addresses = {"0.0.0.0:9971", "[::]:9971"},
		.n_addresses = 2,
		.max_connections = 20000,
		.max_per_source = 32,
		.rate_per_subnet = 100,
		.rate_burst = 400,
		.message_timeout_ms = 10000,
		.verdict_timeout_ms = 10000,
		.window = 4096,
		.retransmit_ms = 1000},
	.upkeep = {.renew_before_days = 30, .wear_hours = 24},
	.broker = {.admit_window = 4096,
		.max_waiting = 100000,
		.cooldown_s = 120,
		.intake = true,
		.setup_window_s = 21600,
		.dispatch_lease_ms = 5000,
		.grace_ms = 5000},
	.worker = {.sessions = 5000,
		.device_port = 16993,
		.profiles_dir = "/etc/muster/profiles",
		.hook = HOOK_DEFAULTS,
		.hooks = {.after_configure = HOOK_DEFAULTS,
			.before_unconfigure = HOOK_DEFAULTS,
			.after_unconfigure = HOOK_DEFAULTS,
			.on_failure = HOOK_DEFAULTS,
			.max_attempts = 12,
			.retry_min_s = 10,
			.retry_max_s = 3600},
		.legacy = true,
		.run_lease_ms = 30000,
		.max_attempts = 8,
		.max_lost = 5,
		.retry_min_s = 15,
		.retry_max_s = 900,
		.waits = {.connect_ms = 5000,
			.handshake_ms = 15000,
			.exchange_ms = 30000,
			.slow_exchange_ms = 60000,
			.phase_a_s = 300,
			.session_s = 900,
			.reconnect_first_ms = 5000,
			.reconnect_ms = 10000,
			.reconnect_tries = 6,
			.not_now_ms = 10000,
			.not_now_tries = 20,
			.password_ms = 20000,
			.rung_ms = 1000,
			.ca_poll_ms = 60000,
			.idle_close_ms = 20000,
			.resolve_retry_ms = 30000,
			.worn_ms = 86400000}},
	.keys = {.kek_dir = "/etc/muster/kek",
		.kek_current = "1",
		.masters_dir = "/etc/muster/masters"},
	.ca = {.socket = "/run/muster/ca.sock", .dir = "/var/lib/muster/ca", .validity_days = 730},
};

void conf_defaults(struct conf *out)
{
	*out = defaults;
}
