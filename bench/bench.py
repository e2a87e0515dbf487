#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bench: what Muster costs, each figure beside its limit, both measured in the same run.

  ./run bench                 all entries
  ./run bench session hello   some of them
  ./run bench --json          machine-readable

Machines are noisy: read CPU per operation and the ratios, not rates. bench/RESULTS.md keeps the
figures with the command that made them."""
import argparse
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from estate import Process, Site, SiteError, free_port, wait_for  # noqa: E402

# What the wire carries on average in one exchange of a provisioning, for the floor (limits.md 6).
REQUEST_BYTES, ANSWER_BYTES = 1800, 2600


def row(name, value, unit, limit=None, limit_name="", target=None, better="lower", note=""):
    """One figure. ratio = value / limit; ok compares the ratio (or, without a limit, the value) with the target."""
    ratio = round(value / limit, 3) if limit else None
    judged = ratio if limit else value
    ok = None if target is None else (judged <= target if better == "lower" else judged >= target)
    return {"name": name, "value": round(value, 2), "unit": unit, "limit": round(limit, 2) if limit else None,
            "limit_name": limit_name, "ratio": ratio, "target": target, "ok": ok, "note": note}


def flood(build, port, count, concurrency=256, first=0):
    done = subprocess.run([f"{build}/bin/muster-flood", "--target", f"127.0.0.1:{port}", "--count", str(count),
                           "--concurrency", str(concurrency), "--first", str(first)],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if not done.stdout.strip():
        raise SiteError(f"muster-flood: {done.stderr.strip()}")
    return json.loads(done.stdout)


def cpu(site, role):
    site.sample()
    return site.usage.cpu(role)


class Intake:
    """A site that only admits: no worker may touch the jobs of the flood."""

    def __init__(self, build, durability="strict"):
        self.site = Site(build, devices=1, listeners=1, brokers=1, workers=1, durability=durability, conf={
            "listener": {"max_connections": 4000, "max_per_source": 4000},
            # Nobody is named, so jobs would wait in view; the cap must not answer BUSY.
            "worker": {"sessions": 1, "devices_file": "", "default_profile": ""},
            "broker": {"max_waiting": 10000000}})

    def __enter__(self):
        self.site.start()
        for pid, role in self.site.children():
            if role == "worker":
                os.kill(pid, signal.SIGSTOP)
        return self.site

    def __exit__(self, *exc):
        for pid, role in self.site.children():
            if role == "worker":
                os.kill(pid, signal.SIGKILL)
        self.site.stop()
        self.site.remove()


def bench_hello(build):
    """CPU of the listener per Hello against a bare accept-read-close loop under the same flood."""
    count = 60000
    port = free_port()
    log = pathlib.Path(f"/tmp/muster-floor-{os.getpid()}.log")
    floor = Process([f"{build}/bin/hello_floor", str(port)], log)
    try:
        wait_for(lambda: log.exists(), 5, "hello_floor")
        time.sleep(0.2)
        bare_flood = flood(build, port, count)
    finally:
        floor.stop()
    bare = json.loads(log.read_text())["cpu_us_per_hello"]
    log.unlink()
    with Intake(build) as site:
        before = cpu(site, "listener")
        got = flood(build, site.listener_port, count)
        used = (cpu(site, "listener") - before) * 1e6 / count
    return [row("listener CPU per Hello", used, "us", bare, "bare accept-read-close loop", 1.5,
                note=f"{count} Hellos of 841 bytes, {got['accepted']} accepted; bare loop {bare_flood['accepted_per_s']}/s")]


def bus_flood(build, site, count, first=0):
    done = subprocess.run([f"{build}/bin/muster-bus-flood", "--config", str(site.config), "--count", str(count), "--first",
                           str(first)], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if not done.stdout.strip():
        raise SiteError(f"muster-bus-flood: {done.stderr.strip()}")
    return json.loads(done.stdout)


def bench_admit(build):
    """Hellos admitted per second through broker and Redis (strict), 24-hash messages, Curve; and over TCP."""
    count = 100000
    with Intake(build) as site:
        before = {r: cpu(site, r) for r in ("broker", "redis")}
        bus = bus_flood(build, site, count)
        used = {r: (cpu(site, r) - before[r]) * 1e6 / count for r in before}
        jobs = site.status()["jobs"]
        before = {r: cpu(site, r) for r in ("listener", "broker", "redis")}
        tcp = flood(build, site.listener_port, count, concurrency=1024)
        used_tcp = {r: (cpu(site, r) - before[r]) * 1e6 / count for r in before}
    total = sum(used_tcp.values()) + tcp["cpu_us_per_hello"]
    note = (f"{bus['new']} of {count} NEW in {bus['elapsed_s']} s, {jobs} jobs; CPU us per Hello: broker {used['broker']:.1f}, "
            f"Redis {used['redis']:.1f}, generator {bus['cpu_us_per_hello']}; the limit is one core of Redis")
    note_tcp = (f"{tcp['accepted']} of {count} accepted, p99 {tcp['latency_us']['p99'] / 1000:.0f} ms; CPU us per Hello: listener "
                f"{used_tcp['listener']:.1f}, broker {used_tcp['broker']:.1f}, Redis {used_tcp['redis']:.1f}, generator "
                f"{tcp['cpu_us_per_hello']}: {total:.0f} us on {os.cpu_count()} cores")
    return [row("admitted through broker and Redis, strict", bus["admitted_per_s"], "1/s", target=15000, better="higher", note=note),
            row("share of what one core of Redis can do", bus["admitted_per_s"], "1/s", 1e6 / max(used["redis"], 0.1),
                "one core of Redis alone"),
            row("the same over TCP, with listener and generator", tcp["accepted_per_s"], "1/s", os.cpu_count() * 1e6 / total,
                "all cores busy with these processes", note=note_tcp)]


def requests_of(ledger):
    """(requests, connections) that the devices saw."""
    n_requests = n_sessions = 0
    with open(ledger, encoding="utf-8") as f:
        for line in f:
            if '"ev":"close"' in line:
                n_requests += json.loads(line)["requests"]
                n_sessions += 1
    return n_requests, n_sessions


def bench_session(build):
    """Worker CPU per full provisioning against the floor: same handshakes, exchanges, signatures."""
    devices = 1000
    site = Site(build, devices=devices, listeners=1, workers=1)
    try:
        site.start()
        time.sleep(1)
        before = {r: cpu(site, r) for r in ("worker", "ca", "redis", "broker")}
        sim = site.start_sim()
        wait_for(lambda: sum((site.status() or {}).get(k, 0) for k in ("done", "dead")) >= devices, 180, f"{devices} devices",
                 tick=0.5)
        used = {r: (cpu(site, r) - before[r]) * 1e6 / devices for r in before}
        sim.stop()
        report = sim.verify()
        n_requests, n_sessions = requests_of(sim.ledger)
    finally:
        site.stop()
        site.remove()
    exchanges, per_device = round(n_requests / devices), round(n_sessions / devices)

    def floor(signatures):
        out = subprocess.run([f"{build}/bin/session_floor", "300", "1", str(max(per_device - 1, 1)), str(exchanges),
                              str(REQUEST_BYTES), str(ANSWER_BYTES), str(signatures)], capture_output=True, text=True, check=True)
        return json.loads(out.stdout)["cpu_us_per_session"]
    with_ca, without = floor(1), floor(0)
    note = (f"{report['provisioned']} of {devices} provisioned, {exchanges} exchanges and {per_device} connections each; "
            f"CPU us per provisioning elsewhere: CA {used['ca']:.0f}, Redis {used['redis']:.0f}, broker {used['broker']:.0f}")
    return [row("worker and CA CPU per provisioning", used["worker"] + used["ca"], "us", with_ca,
                "floor: handshakes, exchanges, one CA signature", 2.0, note=note),
            row("worker CPU per provisioning", used["worker"], "us", without, "floor without the CA signature")]


def bench_concurrency(build):
    """Memory of one worker with 5,000 open sessions of slow devices."""
    devices = 5000
    site = Site(build, devices=devices, listeners=1, workers=1, conf={"worker": {
        "sessions": devices, "waits": {"exchange_ms": 30000, "slow_exchange_ms": 60000, "handshake_ms": 60000,
                                       "session_s": 900, "phase_a_s": 600}, "run_lease_ms": 30000}})
    try:
        site.start()
        worker = next(pid for pid, role in site.children() if role == "worker")

        def rss_kb():
            text = pathlib.Path(f"/proc/{worker}/status").read_text()
            return int(next(l for l in text.split("\n") if l.startswith("VmRSS")).split()[1])
        time.sleep(0.5)
        empty = rss_kb()
        sim = site.start_sim("--latency", "fixed:4000")
        peak = {"in_session": 0, "kb": 0}

        def enough():
            now = sim.progress.get("in_session", 0)
            if now >= peak["in_session"]:
                peak.update(in_session=now, kb=rss_kb())
            return now >= devices * 0.99
        try:
            wait_for(enough, 90, f"{devices} open sessions", tick=0.5)
        except SiteError:
            pass
        per_session = (peak["kb"] - empty) / max(peak["in_session"], 1)
        for s in site.sims:
            s.popen.kill()
    finally:
        for pid, role in site.children():
            os.kill(pid, signal.SIGKILL)
        site.stop()
        site.remove()
    return [row("memory per open session", per_session, "KiB", target=64,
                note=f"{peak['in_session']} sessions open at once in one worker of {peak['kb']} KiB, {empty} KiB without any")]


def preload(site, devices):
    """Known devices in Redis, as the functions write them: copies of one finished device's record."""
    source = f"muster:{{0}}:dev:{json.loads(site.muster('device', 'list', '--json', '--limit', '1'))[0]['uuid']}"
    script = ("local all = redis.call('HGETALL', KEYS[1]) for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do redis.call('HSET', "
              "string.format('muster:{0}:dev:%08x-0000-4000-8000-0000000000aa', i), unpack(all)) end return 0")
    for start in range(0, devices, 5000):
        subprocess.run(["redis-cli", "-s", str(site.redis_socket), "EVAL", script, "1", source, str(start),
                        str(min(start + 5000, devices) - 1)], capture_output=True, check=True)


def bench_growth(build):
    """The way of a job with 10,000 and with 500,000 known devices: nothing may grow."""
    costs = {}
    for known in (10000, 500000):
        devices = 2000
        site = Site(build, devices=devices, listeners=1, workers=1)
        try:
            site.start()
            first = site.start_sim(devices=1)
            wait_for(lambda s=site: (s.status() or {}).get("done", 0) >= 1, 60, "the first device", tick=0.2)
            first.stop()
            preload(site, known)
            roles = ("redis", "broker", "worker")
            before = {r: cpu(site, r) for r in roles}
            sim = site.start_sim(seed=7)
            # Devices of another seed: the table does not name them, so each job ends in view.
            wait_for(lambda s=site: (s.status() or {}).get("waiting", 0) >= devices, 120, f"{devices} devices to be asked about",
                     tick=0.2)
            costs[known] = {f"{r} CPU per job admitted, claimed, begun and parked": (cpu(site, r) - before[r]) * 1e6 / devices
                            for r in roles}
            sim.stop()
            for pid, role in site.children():
                if role == "worker":
                    os.kill(pid, signal.SIGSTOP)
            before = {r: cpu(site, r) for r in ("redis", "broker")}
            got = bus_flood(build, site, 100000)
            costs[known] |= {f"{r} CPU per Hello admitted": (cpu(site, r) - before[r]) * 1e6 / max(got["new"], 1)
                             for r in ("redis", "broker")}
        finally:
            for pid, role in site.children():
                os.kill(pid, signal.SIGKILL)
            site.stop()
            site.remove()
    small, large = costs[10000], costs[500000]
    return [row(f"{key}, 500,000 known devices", large[key], "us", small[key], "the same with 10,000", 1.25) for key in small]


ENTRIES = {"hello": bench_hello, "admit": bench_admit, "session": bench_session, "concurrency": bench_concurrency,
           "growth": bench_growth}


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo", encoding="utf-8") if l.startswith("model name")), "?")
    return {"processor": model, "cores": os.cpu_count(), "kernel": platform.release(), "date": time.strftime("%Y-%m-%d"),
            "load": round(os.getloadavg()[0], 2)}


def show(name, rows):
    print(f"\n{name}: {ENTRIES[name].__doc__}")
    for r in rows:
        line = f"  {r['name']}: {r['value']} {r['unit']}"
        if r["limit"]:
            line += f"  limit {r['limit']} ({r['limit_name']})  ratio {r['ratio']}"
        if r["target"] is not None:
            line += f"  target {r['target']}: {'met' if r['ok'] else 'MISSED'}"
        print(line)
        if r["note"]:
            print(f"    {r['note']}")


def main():
    p = argparse.ArgumentParser(prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/release", help=argparse.SUPPRESS)
    p.add_argument("--json", action="store_true", help="print JSON")
    p.add_argument("names", nargs="*", metavar="NAME", help=f"entries: {', '.join(ENTRIES)}")
    args = p.parse_args()
    unknown = [n for n in args.names if n not in ENTRIES]
    if unknown:
        p.error(f"no entry {', '.join(unknown)}; there are {', '.join(ENTRIES)}")
    out, failed = {"machine": machine(), "entries": {}}, False
    for name in args.names or ENTRIES:
        try:
            rows = ENTRIES[name](args.build)
        except (SiteError, subprocess.CalledProcessError) as e:
            print(f"bench {name}: {e}", file=sys.stderr)
            failed = True
            continue
        out["entries"][name] = rows
        if not args.json:
            show(name, rows)
    if args.json:
        print(json.dumps(out, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
