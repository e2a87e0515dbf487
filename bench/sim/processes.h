/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One estate in several processes: device i is in process i modulo their number. They share the
 * ports of all devices; a filter in the kernel gives each connection to the process that has the
 * device of its address, so the processes need not speak to each other.
 * Threads: called before there is a loop.
 */
#ifndef MUSTER_SIM_PROCESSES_H
#define MUSTER_SIM_PROCESSES_H

#include "bench/sim/estate.h"

/**
 * Run an estate in opts->processes children, until all have ended; SIGTERM and SIGINT are passed
 * on. Process k of n writes the ledger FILE.k and progress lines with "part":k, from 0. When one
 * ends before it was asked to, the others are ended too.
 *
 * @return 0; E_CONFIG, -errno, or E_PROTOCOL when a child ended badly
 */
int processes_run(const struct estate_opts *opts, struct error *err);

#endif
