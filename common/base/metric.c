/* SPDX-License-Identifier: Apache-2.0 */
/* The registry is a list ordered by family, because the text format wants all series of one name
 * together below one HELP and TYPE line. A mutex guards the list; values are relaxed atomics. */
#include "common/base/metric.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *registry;

void metric_register(struct metric *m)
{
	pthread_mutex_lock(&registry_lock);
	struct metric **link = &registry, **after_family = NULL;
	int known = 0;
	for (; *link && !known; link = &(*link)->next) {
		known = *link == m;
		if (strcmp((*link)->name, m->name) == 0)
			after_family = &(*link)->next;
	}
	if (!known) {
		struct metric **at = after_family ? after_family : link;
		m->next = *at;
		*at = m;
	}
	pthread_mutex_unlock(&registry_lock);
}

void metric_add(struct metric *m, int64_t delta)
{
	__atomic_fetch_add(&m->value, delta, __ATOMIC_RELAXED);
}

void metric_set(struct metric *m, int64_t value)
{
	__atomic_store_n(&m->value, value, __ATOMIC_RELAXED);
}

void metric_observe(struct metric *m, uint64_t value)
{
	__atomic_fetch_add(&m->sum, value, __ATOMIC_RELAXED);
	__atomic_fetch_add(&m->count, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < METRIC_BUCKETS_MAX && m->bounds[i]; i++) {
		if (value <= m->bounds[i]) {
			__atomic_fetch_add(&m->buckets[i], 1, __ATOMIC_RELAXED);
			return;
		}
	}
}

static int print_value(struct buf *out, struct metric *m)
{
	const char *open = m->labels ? "{" : "", *close = m->labels ? "}" : "";
	return buf_addf(out, "%s%s%s%s %" PRId64 "\n", m->name, open, m->labels ? m->labels : "",
		close, __atomic_load_n(&m->value, __ATOMIC_RELAXED));
}

static int print_histogram(struct buf *out, struct metric *m)
{
	const char *labels = m->labels ? m->labels : "", *comma = m->labels ? "," : "";
	uint64_t below = 0;
	for (int i = 0; i < METRIC_BUCKETS_MAX && m->bounds[i]; i++) {
		below += __atomic_load_n(&m->buckets[i], __ATOMIC_RELAXED);
		TRY(buf_addf(out, "%s_bucket{%s%sle=\"%" PRIu64 "\"} %" PRIu64 "\n", m->name,
			labels, comma, m->bounds[i], below));
	}
	/* An observation of another thread may be half done: a bucket must never exceed the total.
	 */
	uint64_t count = __atomic_load_n(&m->count, __ATOMIC_RELAXED);
	if (count < below)
		count = below;
	TRY(buf_addf(
		out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", m->name, labels, comma, count));
	const char *open = m->labels ? "{" : "", *close = m->labels ? "}" : "";
	TRY(buf_addf(out, "%s_sum%s%s%s %" PRIu64 "\n", m->name, open, labels, close,
		__atomic_load_n(&m->sum, __ATOMIC_RELAXED)));
	return buf_addf(out, "%s_count%s%s%s %" PRIu64 "\n", m->name, open, labels, close, count);
}

static int print_all(struct buf *out)
{
	static const char *const type_names[] = {"counter", "gauge", "histogram"};
	const char *family = "";
	for (struct metric *m = registry; m; m = m->next) {
		if (strcmp(family, m->name) != 0) {
			family = m->name;
			TRY(buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
				type_names[m->type]));
		}
		TRY(m->type == METRIC_HISTOGRAM ? print_histogram(out, m) : print_value(out, m));
	}
	return 0;
}

int metric_print(struct buf *out)
{
	pthread_mutex_lock(&registry_lock);
	int rc = print_all(out);
	pthread_mutex_unlock(&registry_lock);
	return rc;
}
