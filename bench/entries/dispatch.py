# SPDX-License-Identifier: Apache-2.0
"""The way of a job from the queue to its end, without a device."""
from figures import Row
from measure import Intake, Used, bus_flood, store_costs

NAME = "dispatch"
WHAT = "jobs claimed, sent over the bus, begun and finished per second, by a worker without devices"
LIMIT = "store_load: claim, begin and finish of the same jobs in Redis alone, pipelined"
LIMITED_BY = "the core of Redis: three functions, each with its line in the append-only file. The broker adds its messages and a sixth of the CPU."
COUNT = 30000
PARTS = ("claim", "begin", "finish")


def run(ctx):
    alone = store_costs(ctx, "strict", COUNT)
    seconds = sum(1 / alone[p]["per_s"] for p in PARTS)
    redis_us = sum(alone[p]["redis_us"] for p in PARTS)
    with Intake(ctx.build) as site:
        bus_flood(ctx, site, COUNT)
        used = Used(site, "broker", "redis")
        got = ctx.run("muster-bus-worker", "--config", site.config, "--count", COUNT)
        us = used.us(per=COUNT)
    note = (f"{got['finished']} of {COUNT} finished in {got['elapsed_s']} s; CPU us per job: broker {us['broker']:.1f}, Redis "
            f"{us['redis']:.1f}, the worker without devices {got['cpu_us_per_job']}")
    return [Row("jobs claimed, begun, finished per second", got["jobs_per_s"], "1/s", 1 / seconds, "the three functions in Redis alone",
                0.5, better="higher", note=note),
            Row("Redis CPU per job", us["redis"], "us", redis_us, "the three functions in Redis alone", 1.5),
            Row("broker CPU per job", us["broker"], "us", us["redis"], "Redis CPU for the same job", 1.0)]
