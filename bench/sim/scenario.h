/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario as a file: shares of generations, quirks and laws, so that a run has one name. The
 * format is in docs/simulator.md. Options of the command line that come later win.
 * Ownership: what the options point to lives as long as the program. Threads: none.
 */
#ifndef MUSTER_SIM_SCENARIO_H
#define MUSTER_SIM_SCENARIO_H

#include "bench/sim/estate.h"

/** Lay a YAML file over the options. @return 0; E_CONFIG naming file, line and key; -errno */
int scenario_load(struct estate_opts *opts, const char *path, struct error *err);

/** The same from a text; name is for errors. */
int scenario_load_text(
	struct estate_opts *opts, const char *text, const char *name, struct error *err);

#endif
