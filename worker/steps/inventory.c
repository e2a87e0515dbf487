/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device is: every scalar property of the classes that the plan lists, as lines of the
 * report. A class that a device lacks is left out. SPEC: maintenance.md 7
 */
#include "worker/steps/steps.h"

enum build inventory_build(struct session *s, struct wsman_request *rq)
{
	(void)s, (void)rq;
	return BUILD_SEND;
}

/* A device speaks: one line each, nothing that could end it. */
static int add_line(struct session *s, const struct wsman_node *property)
{
	TRY(buf_addf(&s->report, "%s.%s\t", s->row->class_name, property->name));
	for (const char *p = property->text; *p; p++)
		TRY(buf_add(&s->report, (unsigned char)*p < ' ' ? " " : p, 1));
	return buf_adds(&s->report, "\n");
}

struct verdict inventory_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));)
		for (const struct wsman_node *p = i->child; p; p = p->next)
			if (p->text && !p->child && add_line(s, p) < 0)
				return v_fail(s, FAIL_DEAD, "too_much",
					"the inventory is larger than any device's");
	return v_next();
}
