# SPDX-License-Identifier: Apache-2.0
"""Whether anything grows with what the store already holds."""
import json
import os
import signal
import subprocess

from estate import Site, wait_for
from figures import Row
from measure import Used, bus_flood, discard, pids, settled

NAME = "growth"
WHAT = "cost of a job with 10,000 and 100,000 known devices (1,000,000 with --full), and with 100,000 jobs queued"
LIMIT = "the same with 10,000 known devices and no queue"
LIMITED_BY = ("caches. No function does work in proportion to the number of devices, a queue is O(log n). Each figure is the best of four parts, because neighbours on the machine only ever add.")
KNOWN = (10000, 100000)
KNOWN_FULL = (10000, 100000, 1000000)
PARTS = 4
FLOOD = 10000  # Hellos of each part
DEVICES = 400  # devices of each part
QUEUE = 100000
# Copies of one finished device's record, as the functions wrote it.
COPY = ("local all = redis.call('HGETALL', KEYS[1]) for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do redis.call('HSET', "
        "string.format('muster:{0}:dev:%08x-0000-4000-8000-0000000000aa', i), unpack(all)) end return 0")


def preload(site, start, end):
    """Known devices in Redis."""
    source = f"muster:{{0}}:dev:{json.loads(site.muster('device', 'list', '--json', '--limit', '1'))[0]['uuid']}"
    for first in range(start, end, 5000):
        subprocess.run(["redis-cli", "-s", str(site.redis_socket), "EVAL", COPY, "1", source, str(first), str(min(first + 5000, end) - 1)],
                       capture_output=True, check=True)


def cheapest(runs):
    return {role: min(r[role] for r in runs) for role in runs[0]}


def jobs_cost(site):
    """CPU us per job that is admitted, claimed, begun and parked."""
    runs = []
    for seed in range(7, 7 + PARTS):
        before = settled(site, "waiting")
        used = Used(site, "redis", "broker", "worker")
        sim = site.start_sim(seed=seed, devices=DEVICES)
        # Devices of another seed: the table does not name them, so each job ends in view.
        wait_for(lambda b=before: settled(site, "waiting") >= b + DEVICES, 120, f"{DEVICES} devices to be asked about", tick=0.2)
        runs.append(used.us(per=DEVICES))
        sim.stop()
    return cheapest(runs)


def admit_cost(ctx, site, first):
    for pid in pids(site, "worker"):
        os.kill(pid, signal.SIGSTOP)
    runs = []
    for part in range(PARTS):
        used = Used(site, "redis", "broker")
        got = bus_flood(ctx, site, FLOOD, first=first + part * FLOOD)
        runs.append(used.us(per=max(got["new"], 1)))
    return cheapest(runs)


def run(ctx):
    jobs, hellos = {}, {}
    levels = KNOWN_FULL if ctx.full else KNOWN
    for number, known in enumerate(levels):
        site = Site(ctx.build, devices=1, listeners=1, workers=1, conf={"broker": {"max_waiting": 10000000}})
        try:
            site.start()
            first = site.start_sim(devices=1)
            wait_for(lambda s=site: settled(s, "done") >= 1, 60, "the first device", tick=0.2)
            first.stop()
            preload(site, 0, known)
            jobs[known] = jobs_cost(site)
            hellos[known] = admit_cost(ctx, site, 0)
            if number == 0:
                bus_flood(ctx, site, QUEUE - PARTS * FLOOD, first=PARTS * FLOOD)
                queued = admit_cost(ctx, site, QUEUE)
        finally:
            discard(site)
    small = levels[0]
    ctx.curve("growth", ["known", "Redis", "broker"], [[k, hellos[k]["redis"], hellos[k]["broker"]] for k in levels])
    rows = []
    for known in levels[1:]:
        rows += [Row(f"{role} CPU per Hello admitted, {known:,} known", hellos[known][role], "us", hellos[small][role],
                     f"the same with {small:,}", 1.25) for role in ("redis", "broker")]
        rows += [Row(f"{role} CPU per job admitted, claimed, begun, parked, {known:,} known", jobs[known][role], "us", jobs[small][role],
                     f"the same with {small:,}", 1.25) for role in ("redis", "broker", "worker")]
    rows += [Row(f"{role} CPU per Hello admitted, {QUEUE:,} jobs queued", queued[role], "us", hellos[small][role], "the same without a queue",
                 1.25) for role in ("redis", "broker")]
    return rows
