# SPDX-License-Identifier: Apache-2.0
"""What a slow hook does to the intake: nothing, it is said; this measures it."""
import pathlib
import tempfile

from estate import Site
from figures import Row
from measure import Used, discard, settled

NAME = "hooks"
WHAT = "intake at 1,000 Hellos per second while the on-hello hook takes 200 ms for each device"
LIMIT = "the same flood into the same site without a hook"
LIMITED_BY = ("nothing of the hook: it runs on the worker's second loop, so many at a time, and the Hello was answered before. What is left "
              "is that its processes want the same cores.")
RATE, SECONDS = 1000, 10
TIMES = 2  # in turns; the quieter one of each kind counts, because neighbours of the machine only add
HOOK = "#!/bin/sh\nsleep 0.2\necho '{\"wait\": true, \"reason\": \"not in the book\"}'\n"


def play(ctx, hook):
    """(flood's report, CPU in us per Hello by role, hooks that were answered)"""
    worker = {"devices_file": "", "default_profile": "", "hook": {"command": str(hook or "")}, "waits": {"resolve_retry_ms": 3600000}}
    site = Site(ctx.build, devices=1, listeners=1, brokers=1, workers=1, conf={
        "listener": {"max_connections": 4000, "max_per_source": 4000}, "worker": worker, "broker": {"max_waiting": 10000000}})
    try:
        site.start()
        used = Used(site, "listener", "broker")
        got = ctx.run("muster-flood", "--target", f"127.0.0.1:{site.listener_port}", "--rate", RATE, "--count", RATE * SECONDS,
                      allowed=(0, 3))
        return got, used.us(per=got["sent"]), settled(site, "waiting")
    finally:
        discard(site)


def quietest(runs):
    return min(runs, key=lambda run: run[1]["listener"])


def run(ctx):
    with tempfile.TemporaryDirectory() as folder:
        hook = pathlib.Path(folder) / "hook.sh"
        hook.write_text(HOOK)
        hook.chmod(0o755)
        plays = [(play(ctx, None), play(ctx, hook)) for _ in range(TIMES)]
    (bare, bare_us, _), (slow, slow_us, asked) = (quietest(runs) for runs in zip(*plays))
    note = (f"{slow['sent']} Hellos, {slow['accepted']} accepted ({bare['accepted']} without), {asked} jobs had their answer at the end; "
            f"p99 of a Hello {slow['latency_us']['p99'] / 1000:.1f} ms ({bare['latency_us']['p99'] / 1000:.1f} without)")
    name = "without a hook"
    return [
        Row("Hellos accepted of those offered", 100 * slow["accepted"] / slow["sent"], "%", 100 * bare["accepted"] / bare["sent"], name,
            0.999, better="higher", note=note),
        Row("listener CPU per Hello", slow_us["listener"], "us", bare_us["listener"], name, 1.15, watch=False),
        Row("broker CPU per Hello", slow_us["broker"], "us", bare_us["broker"], name, 1.15, watch=False,
            note="it also hands out the jobs"),
    ]
