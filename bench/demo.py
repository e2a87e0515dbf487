#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: a whole Muster on loopback provisions a simulated estate, and the ledger is closed.

Exit status 0 only if every device was provisioned exactly once and no invariant was broken."""
import argparse
import json
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from estate import Chaos, Site, SiteError  # noqa: E402

# Longest silence (no device finished) before the demo gives up.
STALL_S = 120
# With --chaos: each device answers slowly and the Hellos are spread, so that sessions are open while
# processes die.
CHAOS_SIM = ["--latency", "lognormal:80:0.5", "--spread-s", "14"]


def arguments():
    p = argparse.ArgumentParser(prog="./run demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/release", help=argparse.SUPPRESS)
    p.add_argument("--devices", type=int, help="simulated devices (default 1000; 500 with --chaos)")
    p.add_argument("--seed", type=int, default=1, help="seed of the estate and of the chaos (default 1)")
    p.add_argument("--report", metavar="FILE.json", help="write the report there")
    p.add_argument("--chaos", action="store_true", help="kill a random process every second for 20 s, and Redis twice")
    p.add_argument("--keep", action="store_true", help="keep the temporary folder and say where it is")
    p.add_argument("--stay", action="store_true", help="when all is done, keep the site and its devices up until Ctrl-C, to try the command muster; no report")
    args = p.parse_args()
    args.devices = args.devices or (500 if args.chaos else 1000)
    if not 1 <= args.devices <= 200000:
        p.error(f"--devices {args.devices}: from 1 to 200000")
    return args


def progress_line(sim, status, elapsed, devices):
    done = status.get("done", 0)
    rate = done / elapsed if elapsed > 0 else 0
    left = f"{(devices - done) / rate:.0f} s" if rate else "?"
    return (f"{elapsed:6.1f} s  hellos {sim.progress.get('hellos', 0)}  admitted {status.get('jobs', 0)}  "
            f"in session {status.get('leased', 0)}  waiting {status.get('ready', 0) + status.get('waiting', 0)}  done {done}  "
            f"failed {status.get('dead', 0)}  {rate:.0f}/s  finish in {left}")


def watch(site, sim, chaos, devices):
    """Follow the run until every device has its result; returns the seconds it took."""
    start = last_change = time.monotonic()
    last, tty = None, sys.stderr.isatty()
    next_line = start
    while True:
        status = site.status() or last or {}
        site.sample()
        now = time.monotonic()
        counts = (status.get("done", 0), status.get("dead", 0))
        if not last or counts != (last.get("done", 0), last.get("dead", 0)):
            last_change = now
        last = status
        if tty or now >= next_line:
            print(progress_line(sim, status, now - start, devices), file=sys.stderr, end="\r" if tty else "\n", flush=True)
            next_line = now + 5
        settled = sum(counts) >= devices and not (chaos and chaos.is_alive())
        if settled or now - last_change > STALL_S or not sim.alive() or not site.node.alive():
            if tty:
                print(file=sys.stderr)
            return now - start
        time.sleep(0.25)


def complete(report, site, elapsed, chaos):
    """Add what only the driver knows: time, CPU and memory by role."""
    done = max(report["provisioned"], 1)
    cpu = site.usage.cpu
    report.update({
        "elapsed_s": round(elapsed, 3), "provisions_per_s": round(report["provisioned"] / elapsed, 1),
        "worker_cpu_ms_per_provision": round(cpu("worker") * 1e3 / done, 3),
        "listener_cpu_us_per_hello": round(cpu("listener") * 1e6 / max(report["hellos_sent"], 1), 1),
        "broker_cpu_us_per_job": round(cpu("broker") * 1e6 / done, 1),
        "sim_cpu_ms_per_provision": round(cpu("sim") * 1e3 / done, 3),
        "redis_cpu_us_per_provision": round(cpu("redis") * 1e6 / done, 1),
        "ca_cpu_us_per_provision": round(cpu("ca") * 1e6 / done, 1),
        "peak_rss_kb": dict(sorted(site.usage.rss_kb.items())), "seed": site.seed,
    })
    if chaos:
        report["kills"] = dict(chaos.kills)


def show(report):
    print("\n  Muster demo")
    for key, value in report.items():
        if key == "violations_list":
            continue
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"  {key:<30} {text}")
    for violation in report.get("violations_list", [])[:20]:
        print(f"  violation: {violation['fqdn']} {violation['uuid']}: {violation['rule']}: {violation['text']}")


def stay(site):
    print(f"  the site is up; Ctrl-C ends it. Try:\n    export MUSTER_CONFIG={site.config} PATH={site.bin}:$PATH\n    muster device list", flush=True)
    try:
        while site.node.alive():
            time.sleep(1)
    except KeyboardInterrupt:
        print()
    return 0


def demo(args):
    site = Site(args.build, devices=args.devices, seed=args.seed, workers=2 if args.chaos else 0)
    try:
        site.start()
        sim = site.start_sim(*(CHAOS_SIM if args.chaos else []))
        chaos = Chaos(site, random.Random(args.seed)) if args.chaos else None
        if chaos:
            chaos.start()
        elapsed = watch(site, sim, chaos, args.devices)
        if chaos:
            chaos.join()
            if chaos.error:
                raise SiteError(f"the chaos driver failed: {chaos.error}")
        if args.stay:
            return stay(site)  # what people have done since is not in the ledger's rules
        sim.stop()
        report = sim.verify()
        complete(report, site, elapsed, chaos)
        show(report)
        if args.report:
            pathlib.Path(args.report).write_text(json.dumps(report, indent=1) + "\n")
        closed = (report["provisioned"] == args.devices and report["lost"] == report["doubled"] == 0
                  and report["violations"] == 0)
        if not closed:
            print("\n  the ledger does not close; what the server says of the rest:")
            print(site.muster("dead", "list", check=False)[:4000])
        return 0 if closed else 1
    finally:
        site.stop()
        if args.keep:
            print(f"  kept: {site.dir}")
        else:
            site.remove()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = arguments()
    try:
        return demo(args)
    except SiteError as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
