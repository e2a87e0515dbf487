# SPDX-License-Identifier: Apache-2.0
"""Whether two workers are twice one, and what coordination adds when there are more."""
from estate import Site, wait_for
from figures import Row
from measure import Used, discard, evidence, settled

NAME = "scale"
WHAT = "cost of a provisioning with 1 and 2 workers, and rate with up to 8 workers whose devices are slow"
LIMIT = "measured: the same with one worker; simulated: as many times one worker's rate"
LIMITED_BY = ("nothing shared but broker and Redis. 'Simulated' means: more workers than cores, but devices that think so long that the "
              "cores are nearly idle, each worker with few sessions. Then the rate is sessions by time per session (Little's law), and what "
              "is missing from n times one worker is the price of sharing broker and Redis. It says nothing of cores that are all busy.")
SESSIONS = 8       # of each worker in the simulated part
LATENCY_MS = 25    # of each answer: some 1.5 s a session
WORKERS = (1, 4, 8)


def play(ctx, devices, workers, *sim_options, sessions=2000):
    """(CPU us per device of worker, broker and Redis; devices per second between the 10th and the 90th percentile of the finishes)"""
    site = Site(ctx.build, devices=devices, listeners=1, workers=workers, conf={"worker": {"sessions": sessions}})
    try:
        site.start()
        used = Used(site, "worker", "broker", "redis")
        sim = site.start_sim(*sim_options)
        wait_for(lambda: settled(site, "done", "dead") >= devices, 240, f"{devices} devices", tick=0.2)
        us = used.us(per=devices)
        sim.stop()
        times = sorted(t for t, _ in evidence(sim.ledger).done_s)
        low, high = len(times) // 10, len(times) * 9 // 10
        return us, (high - low) / max(times[high] - times[low], 1e-9)
    finally:
        discard(site)


def run(ctx):
    rows, cpu, rate = [], {}, {}
    for workers in (1, 2):
        cpu[workers], _ = play(ctx, 500, workers)
    rows.append(Row("worker CPU per provisioning, 2 workers", cpu[2]["worker"], "us", cpu[1]["worker"], "the same with 1 worker", 1.2))
    shared = {w: cpu[w]["broker"] + cpu[w]["redis"] for w in cpu}
    rows.append(Row("broker and Redis CPU per provisioning, 2 workers", shared[2], "us", shared[1], "the same with 1 worker", 1.3))
    for workers in WORKERS:
        _, rate[workers] = play(ctx, workers * SESSIONS * 5, workers, "--latency", f"fixed:{LATENCY_MS}", "--deaf-ms", "50",
                                sessions=SESSIONS)
    rows += [Row(f"simulated: devices per second, {w} workers of {SESSIONS} sessions", rate[w], "1/s", w * rate[1],
                 f"{w} times one worker", 0.8, better="higher") for w in WORKERS[1:]]
    return rows
