/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: an event name and key=value pairs, as readable text or JSON lines on standard error. A call
 * never blocks: lines go into a bounded ring that a writer thread empties; when it is full the line
 * is dropped and counted (event "log.dropped" tells how many). Secrets cannot be printed: KV_SECRET
 * writes <redacted>. Only programs log; libraries in proto/ and common/ return errors instead.
 *
 *   LOG_INFO("session.done", KV_STR("uuid", text), KV_UINT("ms", took));
 */
#ifndef MUSTER_BASE_LOG_H
#define MUSTER_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

struct secret;

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_kv {
	const char *key;
	enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_UINT, LOG_KV_BOOL, LOG_KV_SECRET } type;
	union {
		const char *str; /* NULL prints as empty */
		int64_t i;
		uint64_t u;
		const struct secret *secret; /* never read: prints <redacted> */
	};
};

#define KV_STR(k, v)    ((struct log_kv){.key = (k), .type = LOG_KV_STR, .str = (v)})
#define KV_INT(k, v)    ((struct log_kv){.key = (k), .type = LOG_KV_INT, .i = (int64_t)(v)})
#define KV_UINT(k, v)   ((struct log_kv){.key = (k), .type = LOG_KV_UINT, .u = (uint64_t)(v)})
#define KV_BOOL(k, v)   ((struct log_kv){.key = (k), .type = LOG_KV_BOOL, .u = (v) ? 1u : 0u})
#define KV_SECRET(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_SECRET, .secret = (v)})

/**
 * Start logging.
 * @param role name of the program, printed in every line ("listener", "worker", ...)
 */
void log_start(const char *role, enum log_level level, enum log_format format);

/** Change the level at run time (SIGHUP). */
void log_set_level(enum log_level level);

/** Write out what is buffered and stop the writer thread. */
void log_stop(void);

/** Whether a line of this level would be written. */
int log_enabled(enum log_level level);

/** One event. Use the macros below. Before log_start() it writes text to stderr directly. */
void log_event(enum log_level level, const char *event, const struct log_kv *kv, size_t n_kv);

/** Parse "debug" | "info" | "warn" | "error". @return 0 or -1 */
int log_level_parse(const char *text, enum log_level *out);

#define LOG_EVENT_(level, event, ...)                                                         \
	do {                                                                                  \
		if (log_enabled(level)) {                                                     \
			const struct log_kv log_kv_[] = {__VA_ARGS__};                        \
			log_event(level, event, log_kv_, sizeof log_kv_ / sizeof log_kv_[0]); \
		}                                                                             \
	} while (0)

/* At least one key=value pair is required. */
#define LOG_DEBUG(event, ...) LOG_EVENT_(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define LOG_INFO(event, ...)  LOG_EVENT_(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define LOG_WARN(event, ...)  LOG_EVENT_(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define LOG_ERROR(event, ...) LOG_EVENT_(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
