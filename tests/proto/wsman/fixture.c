/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/proto/wsman/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "proto/wsman/write.h"

int wsman_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	arena_init(&f->arena, WSMAN_ARENA_MAX);
	buf_init(&f->out, WSMAN_REQUEST_MAX);
	*state = f;
	return 0;
}

int wsman_teardown(void **state)
{
	struct fixture *f = *state;

	arena_reset(&f->arena);
	buf_free(&f->out);
	free(f);
	return 0;
}

int read_text(struct fixture *f, const char *text)
{
	f->err = (struct error){0};
	return wsman_read(&f->arena, text, strlen(text), &f->m, &f->err);
}
