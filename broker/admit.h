/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: the front socket. Hellos go to the store as they come (the store writes one batch per
 * turn of the loop); a verdict goes back only after the store's answer, which is durable. When the
 * window is full or the store is away the front is not read: back-pressure up to the device.
 * SPEC: architecture D10, D15, D17; rulings 3, 4, 11
 * Threads: the loop's.
 */
#ifndef MUSTER_BROKER_ADMIT_H
#define MUSTER_BROKER_ADMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/bus/bus.h"
#include "common/conf/conf.h"
#include "common/store/store.h"

struct admit;
struct error;

struct admit_events {
	void (*new_job)(void *arg); /* a job became due, maybe */
	void (*idle)(void *arg);    /* after admit_drain(): no answer is outstanding; every turn */
};

/**
 * Bind the front socket; it is read only after admit_gate().
 * @param conf, store, bus must outlive it
 * @return 0; the errors of bus_router() and deny_load()
 */
int admit_open(struct admit **out, struct bus *bus, const char *endpoint, const struct conf *conf,
	struct store *store, const struct admit_events *events, void *arg, struct error *err);

/** Take Hellos (true) or leave them where they are. */
void admit_gate(struct admit *a, bool open);

/** Read the deny-file again; on an error the former list stays. */
int admit_reload(struct admit *a, struct error *err);

/** The endpoint as bound, with its real port. */
const char *admit_endpoint(const struct admit *a);

/** Hellos that wait for the store. */
uint32_t admit_in_flight(const struct admit *a);

/** Tell the listeners, read no more, call idle() when the last verdict is out. */
void admit_drain(struct admit *a);

/** Call after store_close(), which answers what is outstanding, and before bus_close(). NULL is
 * fine. */
void admit_close(struct admit *a);

#endif
