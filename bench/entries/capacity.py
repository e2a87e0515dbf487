# SPDX-License-Identifier: Apache-2.0
"""The capacity model held against a run: costs measured in a small run must foretell a larger one."""
import json
import math
import platform
import time

from estate import Site, wait_for
from figures import Row
from measure import Used, discard, evidence, pids, processor, redis_cli, rss_kb, session_floor, settled
from report import number

NAME = "capacity"
WHAT = "muster plan-capacity, with costs measured in a small run, against a larger run"
LIMIT = "the plan: a ratio of 1 is a perfect prediction, 0.8 to 1.2 are asked for"
LIMITED_BY = ("what a model by averages leaves out: batches are larger at a higher rate, so broker and Redis cost less per device; memory "
              "that an idle process holds. The costs are kept in bench/costs.json by --store and built into the command.")
ROLES = ("listener", "broker", "worker", "redis", "ca")
LATENCY = ("--latency", "fixed:40", "--mix", "amt16=1")  # some 2.5 s a session, so that sessions overlap
SMALL = {"devices": 400, "rate": 40}
LARGE = {"devices": 900, "rate": 50}
WARM, WARM_SEED = 20, 99
IDLE_S = 3


def memory_of(site):
    return int(next(line for line in redis_cli(site, "INFO", "memory").split("\n") if line.startswith("used_memory:")).split(":")[1])


def writes_of(site):
    """Calls of functions and other commands that Redis has carried out."""
    stats = redis_cli(site, "INFO", "commandstats")
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in stats.split("\n") if line.startswith("cmdstat_fcall:"))


def idle_of(site):
    """Cores that each role keeps busy while nothing happens: timers, polls of Redis, signs of life."""
    used, start = Used(site, *ROLES), time.monotonic()
    time.sleep(IDLE_S)
    return {r: max(us / 1e6 / (time.monotonic() - start), 1e-6) for r, us in used.us().items()}


def warm_up(site):
    """A few devices first: what a process allocates once is not the price of a session."""
    sim = site.start_sim(*LATENCY, seed=WARM_SEED, devices=WARM)
    wait_for(lambda: settled(site, "done") >= WARM, 60, "the first devices", tick=0.2)
    sim.stop()


def play(ctx, devices, rate):
    """What a run costs: everything that costs.json holds, and what is compared."""
    site = Site(ctx.build, devices=devices, listeners=1, workers=1)
    try:
        more = site.run("muster-sim", "devices", "--devices", str(WARM), "--seed", str(WARM_SEED), "--profile", "default")
        site.start(more.split("\n", 1)[1])
        warm_up(site)
        base = {r: sum(rss_kb(p) for p in pids(site, r)) for r in ROLES if r != "redis"} | {"redis": rss_kb(site.redis.pid)}
        idle, memory, writes = idle_of(site), memory_of(site), writes_of(site)
        used, start, seen_open = Used(site, *ROLES), time.monotonic(), []
        [worker] = pids(site, "worker")
        sim = site.start_sim("--arrival", f"steady:{rate}", *LATENCY)

        def over():
            seen_open.append((time.monotonic() - start, sim.progress.get("in_session", 0), rss_kb(worker)))
            return sim.progress.get("configured", 0) >= devices
        wait_for(over, 180, f"{devices} devices", tick=0.2)
        wait_for(lambda: settled(site, "done", "dead") >= devices, 60, f"{devices} results", tick=0.5)
        seconds, us = time.monotonic() - start, used.us()
        # Between the rise and the fall.
        steady = [n for t, n, _ in seen_open if devices / rate * 0.4 <= t <= devices / rate]
        out = {"us": {r: us[r] - idle[r] * seconds * 1e6 for r in ROLES}, "idle": idle, "seconds": seconds, "base": base,
               "memory": memory_of(site) - memory, "writes": writes_of(site) - writes, "in_flight": sum(steady) / max(len(steady), 1),
               "worker_kib": max(kib for _, _, kib in seen_open), "peak": max(n for _, n, _ in seen_open),
               "hellos": sim.progress.get("hellos", devices)}
        sim.stop()
        seen = evidence(sim.ledger)
        return out | {"exchanges": seen.requests / devices, "connections": round(seen.connections / devices),
                      "session_s": sum(seen.latency_s) / max(len(seen.latency_s), 1)}
    finally:
        discard(site)


def costs_of(ctx, run, devices):
    """The form of bench/costs.json."""
    handshakes = session_floor(ctx, 0, run["connections"])["cpu_us_per_session"]
    out = {"measured": {"date": time.strftime("%Y-%m-%d"), "processor": processor(), "kernel": platform.release()},
           "exchanges": round(run["exchanges"], 2), "connections": run["connections"],
           "worker_exchange_us": round(max(run["us"]["worker"] / devices - handshakes, 1) / run["exchanges"], 2),
           "worker_session_kib": round(max(run["worker_kib"] - run["base"]["worker"], 1) / max(run["peak"], 1), 1),
           "redis_device_bytes": round(run["memory"] / devices), "redis_writes": round(run["writes"] / devices, 2)}
    out |= {f"{r}_us": round(run["us"][r] / (run["hellos"] if r == "listener" else devices), 2) for r in ROLES}
    out |= {f"{r}_idle_cores": round(run["idle"][r], 6) for r in ROLES}
    return out | {f"{r}_base_kib": run["base"][r] for r in ROLES}


def run(ctx):
    small, large = play(ctx, **SMALL), play(ctx, **LARGE)
    ctx.costs = costs_of(ctx, small, SMALL["devices"])
    hours = LARGE["devices"] / LARGE["rate"] / 3600
    plan = json.loads(ctx.plan_capacity("--devices", LARGE["devices"], "--hours", f"{hours:.9f}", "--session-s", f"{small['session_s']:.3f}",
                                        "--hellos", f"{large['hellos'] / LARGE['devices']:.3f}"))
    rows = []

    def compare(figure, measured, predicted, unit):
        # Too much and too little are equally wrong: what is judged is how far off the plan is.
        off = math.exp(abs(math.log(measured / predicted)))
        rows.append(Row(figure, off, "times off", 1, "a perfect plan", 1.2, watch=False,
                        note=f"planned {number(predicted)}, measured {number(measured)} {unit}"))
    for role in ("worker", "redis", "broker", "ca"):
        measured = large["us"][role] / large["seconds"] / 1e6 + large["idle"][role]
        predicted = (plan["roles"][role]["cores"] - small["idle"][role]) * (LARGE["devices"] / LARGE["rate"]) / large["seconds"]
        compare(f"{role}: cores busy", measured, predicted + small["idle"][role], "cores")
    compare("sessions in flight", large["in_flight"], plan["sessions_in_flight"], "sessions")
    compare("Redis memory", (large["memory"] / 1024 + large["base"]["redis"]) / 1024, plan["roles"]["redis"]["kib"] / 1024, "MiB")
    compare("worker memory", large["worker_kib"] / 1024, plan["roles"]["worker"]["kib"] / 1024, "MiB")
    compare("Redis writes per device", large["writes"] / LARGE["devices"], plan["redis_writes_per_s"] / plan["peak_rate"], "calls")
    return rows
