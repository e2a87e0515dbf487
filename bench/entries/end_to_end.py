# SPDX-License-Identifier: Apache-2.0
"""A whole site: how many devices per second, and how long a device waits at a rate that it can carry."""
import os
import time

from estate import Site, wait_for
from figures import Row, percentile, windows
from measure import Used, discard, evidence, settled

NAME = "end-to-end"
WHAT = "devices done per second with everything on one machine, and Hello-to-done at 60 % of that rate"
LIMIT = "rate: all cores busy with these processes and nothing waiting; latency: the same provisioning alone on the machine"
LIMITED_BY = ("CPU: worker and simulator share the cores. Latency counts from the moment a Hello was due by the schedule (open loop), "
              "so a stall of any part shows in it.")
ROLES = ("listener", "broker", "worker", "redis", "ca", "sim")
CONCURRENCY = (4, 16, 64, 256, 1024)  # sessions of both workers, for the curve
SHARE = 0.6  # of the rate that was reached in closed loop


def play(ctx, devices, *sim_options, sessions=4000):
    """Provision so many; (seconds, CPU us per device, evidence, provisioned)"""
    site = Site(ctx.build, devices=devices, listeners=1, workers=2, conf={"worker": {"sessions": max(sessions // 2, 1)}})
    try:
        site.start()
        used = Used(site, *ROLES)
        start = time.monotonic()
        sim = site.start_sim(*sim_options)
        wait_for(lambda: settled(site, "done", "dead") >= devices, 240, f"{devices} devices", tick=0.1)
        seconds = time.monotonic() - start
        us = used.us(per=devices)
        sim.stop()
        provisioned = sim.verify()["provisioned"]
        return seconds, us, evidence(sim.ledger), provisioned
    finally:
        discard(site)


def open_loop(rate):
    """Options of muster-sim for devices that come at a rate, whatever the server does."""
    return ("--arrival", f"open:{rate:.2f}")


def run(ctx):
    devices = 1200
    seconds, us, _, provisioned = play(ctx, devices)
    rate, ideal = devices / seconds, os.cpu_count() * 1e6 / sum(us.values())
    split = ", ".join(f"{r} {v / 1000:.2f}" for r, v in us.items())
    _, _, alone, _ = play(ctx, 20, *open_loop(2))
    late = max(int(rate * SHARE * 15), 50)
    _, _, seen, done = play(ctx, late, *open_loop(rate * SHARE))
    single = percentile(alone.latency_s, 50)
    found = {p: percentile(seen.latency_s, p) for p in (50, 90, 99)}
    ctx.curve("latency", ["seconds", "p50", "p90", "p99"],
              [[t, *(percentile(v, p) for p in (50, 90, 99))] for t, v in windows(seen.done_s, 1)])
    if ctx.full or ctx.plots:
        points = []
        for sessions in CONCURRENCY:
            n = min(max(sessions * 4, 60), 800)
            took, _, _, _ = play(ctx, n, sessions=sessions)
            points.append([sessions, round(n / took, 1)])
        ctx.curve("throughput", ["sessions", "devices per second"], points)
    return [Row("devices done per second, all at once", rate, "1/s", ideal, f"all {os.cpu_count()} cores busy with these processes",
                better="higher", note=f"{provisioned} of {devices} provisioned; CPU ms per device: {split}"),
            Row("Hello to done, p50", found[50], "s", single, "p50 of the same, 2 devices a second",
                note=f"open loop at {rate * SHARE:.0f}/s for {late / rate / SHARE:.0f} s: {done} of {late} done; p90 {found[90]:.2f} s, "
                     f"p99 {found[99]:.2f} s, longest {max(seen.latency_s):.2f} s"),
            Row("Hello to done, p99", found[99], "s")]
