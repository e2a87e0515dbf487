/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that are typed: never on the command line, where every process could read them. */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/secret.h"
#include "ctl/command.h"

#define LINE_MAX_LEN 256 /* of standard input */

int command_ask(struct secret *out, const char *what, struct error *err)
{
	char text[LINE_MAX_LEN];
	struct termios old, quiet;
	bool tty = tcgetattr(STDIN_FILENO, &old) == 0;
	if (tty) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
		fprintf(stderr, "%s: ", what);
	}
	char *got = fgets(text, sizeof text, stdin);
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	int rc = got ? secret_set(out, text, strcspn(text, "\r\n"))
		     : error_set(err, E_CONFIG, "standard input ended before the %s", what);
	explicit_bzero(text, sizeof text);
	return rc;
}
