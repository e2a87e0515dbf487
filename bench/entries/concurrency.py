# SPDX-License-Identifier: Apache-2.0
"""What many open sessions of slow devices cost one worker: memory, and how late its loop gets."""
import math
import time

from estate import Site, SiteError, wait_for
from figures import Row, bucket_percentile
from measure import discard, loop_lag, pids, rss_kb

NAME = "concurrency"
WHAT = "memory per open session and lateness of the loop, with 5,000 and with 18,000 slow devices in one worker"
LIMIT = "20 KiB that the TLS library holds for an idle connection (measured for itself); for lateness the target alone"
LIMITED_BY = ("buffers of TLS and HTTP and what a session knows of its device. Lateness comes from handshakes: one costs a millisecond of "
              "public-key work that nothing interrupts, and the simulator beside it wants the same cores.")
LEVELS = (5000, 18000)
TLS_KIB = 20         # libssl heap of an idle connection with SSL_MODE_RELEASE_BUFFERS
TARGET_KIB = 64
SETTLE_S = 5         # the loop is watched so long while all wait for their devices
ANSWER_MS = 10000    # so slow are the devices: the first is not over before the last has come
CLIMB_S = 150
BOUNDS_MS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000)  # common/net/lag.c
WAITS = {"exchange_ms": 60000, "slow_exchange_ms": 60000, "handshake_ms": 60000, "session_s": 1800, "phase_a_s": 1200}


def counts_of(event):
    return [int(n) for n in event["loop_lag_counts"].split(",")]


def climb(site, sim, worker, total, empty_kb):
    """Wait until so many sessions are open. Returns [(sessions, KiB)] on the way up."""
    points = [(0, empty_kb)]

    def enough():
        now = sim.progress.get("in_session", 0)
        if now > points[-1][0]:
            points.append((now, rss_kb(worker)))
        return now >= total * 0.99
    try:
        wait_for(enough, CLIMB_S, f"{total} open sessions", tick=0.5)
    except SiteError:
        pass  # as many as there were: the note says so
    return points


def play(ctx, level):
    """(points of climb(), p50, p99 and longest lateness in ms)"""
    site = Site(ctx.build, devices=level, listeners=1, workers=1,
                conf={"worker": {"sessions": level, "waits": WAITS, "run_lease_ms": 30000}})
    try:
        site.start()
        [worker] = pids(site, "worker")
        empty = rss_kb(worker)
        sim = site.start_sim("--latency", f"fixed:{ANSWER_MS}")
        points = climb(site, sim, worker, level, empty)
        before = counts_of(loop_lag(site, worker))
        time.sleep(SETTLE_S)
        after = loop_lag(site, worker)
        fresh = [b - a for a, b in zip(before, counts_of(after))]
        longest = after["loop_lag_max_us"] / 1000
        late = [bucket_percentile(BOUNDS_MS, fresh, p) for p in (50, 99)]
        return points, *(v if v is not None and math.isfinite(v) else longest for v in late), longest
    finally:
        discard(site)


def run(ctx):
    rows, lags, points = [], [], []
    for level in LEVELS:
        points, p50, p99, longest = play(ctx, level)
        empty, (now, kb) = points[0][1], points[-1]
        lags.append([now, p50, p99, longest])
        note = f"{now} open at once in a worker of {kb} KiB, {empty} KiB without any"
        rows += [Row(f"memory per session, {level:,} open", (kb - empty) / max(now, 1), "KiB", TLS_KIB, "TLS library alone",
                     TARGET_KIB / TLS_KIB, note=note),
                 Row(f"event latency p99, {level:,} open", p99, "ms", target=100,
                     note=f"p50 at most {p50:g} ms, longest {longest:.0f} ms in {SETTLE_S} s")]
    ctx.curve("memory", ["sessions", "MiB"], [[n, round(kb / 1024, 1)] for n, kb in points])
    ctx.curve("lag", ["sessions", "p50", "p99", "longest"], lags)
    return rows
