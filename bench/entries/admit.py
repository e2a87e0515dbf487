# SPDX-License-Identifier: Apache-2.0
"""What broker and Redis admit."""
import os

from figures import Row
from measure import Intake, Used, bus_flood, flood

NAME = "admit"
WHAT = "Hellos admitted per second through broker and Redis, durable before the answer"
LIMIT = "one core of Redis doing nothing else, from its CPU per Hello in the same run; over TCP: all cores busy"
LIMITED_BY = "the core of Redis, some 40 us a Hello: two hashes, a sorted set, an event, the append-only file and its sync."
COUNT = 100000


def run(ctx):
    with Intake(ctx.build) as site:
        used = Used(site, "broker", "redis")
        bus = bus_flood(ctx, site, COUNT)
        us = used.us(per=COUNT)
        jobs = site.status()["jobs"]
        used_tcp = Used(site, "listener", "broker", "redis")
        tcp = flood(ctx, site.listener_port, COUNT, concurrency=1024, first=COUNT)
        us_tcp = used_tcp.us(per=COUNT)
    total = sum(us_tcp.values()) + tcp["cpu_us_per_hello"]
    note = (f"{bus['new']} of {COUNT} NEW in {bus['elapsed_s']} s, {jobs} jobs; CPU us per Hello: broker {us['broker']:.1f}, "
            f"Redis {us['redis']:.1f}, generator {bus['cpu_us_per_hello']}")
    note_tcp = (f"{tcp['accepted']} of {COUNT} accepted, p99 {tcp['latency_us']['p99'] / 1000:.0f} ms; CPU us per Hello: listener "
                f"{us_tcp['listener']:.1f}, broker {us_tcp['broker']:.1f}, Redis {us_tcp['redis']:.1f}, generator "
                f"{tcp['cpu_us_per_hello']}: {total:.0f} us on {os.cpu_count()} cores")
    return [Row("admitted through broker and Redis, strict", bus["admitted_per_s"], "1/s", target=15000, better="higher", note=note),
            Row("share of one core of Redis", bus["admitted_per_s"], "1/s", 1e6 / max(us["redis"], 0.1),
                "one core of Redis alone", better="higher"),
            Row("the same over TCP, with listener and generator", tcp["accepted_per_s"], "1/s", os.cpu_count() * 1e6 / total,
                "all cores busy with these processes", better="higher", note=note_tcp),
            Row("broker CPU per Hello", us["broker"], "us", us["redis"], "Redis CPU for the same Hello", 1.0)]
