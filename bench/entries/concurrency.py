# SPDX-License-Identifier: Apache-2.0
"""What many open sessions of slow devices cost one worker: memory, and how late its loop gets."""
import math
import time

from estate import Site, SiteError, wait_for
from figures import Row, bucket_percentile
from measure import discard, loop_lag, pids, rss_kb

NAME = "concurrency"
WHAT = "memory per open session and lateness of the loop, with 5,000 and then 18,000 slow devices in one worker"
LIMIT = "20 KiB that the TLS library holds for an idle connection (measured for itself); for lateness the target alone"
LIMITED_BY = ("buffers of TLS and HTTP and what a session knows of its device. Lateness comes from handshakes: one costs a millisecond of "
              "public-key work that nothing interrupts, and the simulator beside it wants the same cores.")
LEVELS = (5000, 18000)
TLS_KIB = 20           # libssl heap of an idle connection with SSL_MODE_RELEASE_BUFFERS
FIRST_ADDRESSES = ("127.16.0.1", "127.64.0.1")
SETTLE_S = 6           # the loop is watched so long while all wait for their devices
BOUNDS_MS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000)  # common/net/lag.c
CONF = {"worker": {"sessions": LEVELS[-1],
                   "waits": {"exchange_ms": 60000, "slow_exchange_ms": 60000, "handshake_ms": 60000, "session_s": 1800,
                             "phase_a_s": 1200},
                   "run_lease_ms": 30000}}


def lag_of(site, worker, before):
    """(counts now, percentiles in ms of what came since before, longest in ms)"""
    event = loop_lag(site, worker)
    counts = [int(n) for n in event["loop_lag_counts"].split(",")]
    fresh = [a - b for a, b in zip(counts, before)] if before else counts
    return counts, {p: bucket_percentile(BOUNDS_MS, fresh, p) for p in (50, 99)}, event["loop_lag_max_us"] / 1000


def climb(site, worker, total, points, empty_kb):
    """Wait until so many sessions are open; notes memory on the way. Returns (sessions, KiB)."""
    best = [0, empty_kb]

    def enough():
        now = sum(s.progress.get("in_session", 0) for s in site.sims)
        if now >= best[0]:
            best[:] = [now, rss_kb(worker)]
            points.append([now, round(best[1] / 1024, 1)])
        return now >= total * 0.99
    try:
        wait_for(enough, 150, f"{total} open sessions", tick=0.5)
    except SiteError:
        pass  # as many as there were: the note says so
    return tuple(best)


def run(ctx):
    site = Site(ctx.build, devices=LEVELS[0], listeners=1, workers=1, conf=CONF)
    rows, points, lags, counts = [], [], [], None
    try:
        # The devices of both estates are named in one table.
        more = site.run("muster-sim", "devices", "--devices", str(LEVELS[1] - LEVELS[0]), "--seed", "2", "--profile", "default")
        site.start(more.split("\n", 1)[1])
        [worker] = pids(site, "worker")
        wait_for(lambda: rss_kb(worker) > 0, 10, "the worker")
        empty = rss_kb(worker)
        for seed, level in enumerate(LEVELS, 1):
            site.start_sim("--latency", "fixed:8000", "--first-address", FIRST_ADDRESSES[seed - 1], seed=seed,
                           devices=level - (LEVELS[seed - 2] if seed > 1 else 0))
            now, kb = climb(site, worker, level, points, empty)
            counts, _, _ = lag_of(site, worker, counts)
            time.sleep(SETTLE_S)
            counts, late, longest = lag_of(site, worker, counts)
            lags.append([now, late[50], late[99], longest])
            note = f"{now} open at once in a worker of {kb} KiB, {empty} KiB without any"
            p99 = late[99] if late[99] is not None and math.isfinite(late[99]) else longest
            rows += [Row(f"memory per session, {level:,} open", (kb - empty) / max(now, 1), "KiB", TLS_KIB,
                         "TLS library alone", 64 / TLS_KIB, note=note),
                     Row(f"event latency p99, {level:,} open", p99, "ms", target=100,
                         note=f"p50 at most {late[50]} ms, longest {longest:.0f} ms in {SETTLE_S} s")]
    finally:
        discard(site)
    ctx.curve("memory", ["sessions", "MiB"], points)
    ctx.curve("lag", ["sessions", "p50", "p99", "longest"], lags)
    return rows
