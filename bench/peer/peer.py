#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same simulated devices provisioned by MeshCentral's bare-metal server and by Muster, in turns, in one run.

  python3 bench/peer/peer.py [--devices N] [--rounds R] [--json]

Compared is the setup session: from the first Hello until the last device has committed. After its commit
each device is deaf, so neither server's later work is in the figures. CPU is read from /proc of the
processes; their start-up is over before the first Hello."""
import argparse
import collections
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))
from estate import DOMAIN, Site, SiteError, wait_for  # noqa: E402
from meshcentral import DEVICE_PORT, MeshCentral, Unavailable  # noqa: E402

# 50 at once: of 200 MeshCentral left 22 unfinished in one run (their sessions fail and it does not begin again).
DEVICES, ROUNDS, SEED = 50, 3, 1
# What both can provision: TLS 1.2 with RSA key exchange, and clear ports that may be switched on.
MIX = "amt12=0.4,amt14=0.2,amt15=0.4"
FIRST_ADDRESS = "127.77.0.1"
LATENCY = "fixed:5"
DEAF_MS = 600000
FINISH_S = 300
# MeshCentral with what it cannot do without, with a password that the device takes, and without
# the management that it would begin after the commit.
REPAIRS = ("chain-order", "password-form", "no-management")
ROLES = ("worker", "ca", "redis", "broker", "listener")

Result = collections.namedtuple("Result", "cpu_ms calls connections wall_s by_role")


def cpu_ns(pid):
    """CPU time of all threads that live: exact, not in clock ticks."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total


def sim_options(latency):
    """What makes the estate: the same for both servers."""
    return ["--named", "--mix", MIX, "--latency", latency, "--first-address", FIRST_ADDRESS, "--deaf-ms", str(DEAF_MS)]


def counted(ledger):
    """(requests, connections) that the devices saw."""
    requests = connections = 0
    with open(ledger, encoding="utf-8") as f:
        for line in f:
            if '"ev":"close"' in line:
                n = json.loads(line)["requests"]
                requests += n
                connections += n > 0
    return requests, connections


def result(used_ns, devices, ledger, wall_s):
    requests, connections = counted(ledger)
    by_role = {role: ns / 1e6 / devices for role, ns in used_ns.items()}
    return Result(sum(by_role.values()), requests / devices, connections / devices, wall_s, by_role)


class Estate:
    """muster-sim against a server that is not ours; its progress is read line by line."""

    def __init__(self, build, server, devices, seed, options):
        self.program = str(pathlib.Path(build).resolve() / "bin/muster-sim")
        self.ledger = server.dir / "ledger.jsonl"
        self.popen = subprocess.Popen(
            [self.program, "run", "--devices", str(devices), "--seed", str(seed), "--domain", DOMAIN, "--listener",
             f"127.0.0.1:{server.hello_port}", "--port", str(DEVICE_PORT), "--roots", str(server.root), "--ledger", str(self.ledger),
             *options], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.progress = {}

    def wait(self, done, seconds, what):
        """Read progress until done(progress)."""
        deadline = time.monotonic() + seconds
        for line in self.popen.stdout:
            self.progress = json.loads(line)
            if done(self.progress):
                return self.progress
            if time.monotonic() > deadline:
                break
        raise SiteError(f"gave up after {seconds} s waiting for {what}; the estate says {self.progress}")

    def stop(self):
        self.popen.terminate()
        self.popen.communicate(timeout=60)

    def verify(self, *options):
        done = subprocess.run([self.program, "verify", "--ledger", str(self.ledger), "--json", *options],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return json.loads(done.stdout)


def meshcentral(build, devices, latency):
    server = MeshCentral(repairs=REPAIRS)
    try:
        server.start()
        server.settle()
        before, start = cpu_ns(server.process.pid), time.monotonic()
        estate = Estate(build, server, devices, SEED, sim_options(latency))
        try:
            estate.wait(lambda p: p["configured"] >= devices, FINISH_S, "MeshCentral")
            used, wall = cpu_ns(server.process.pid) - before, time.monotonic() - start
        finally:
            estate.stop()
        return result({"node": used}, devices, estate.ledger, wall)
    finally:
        server.stop()
        server.remove()


def muster(build, devices, latency):
    site = Site(build, devices=devices, seed=SEED, listeners=1, workers=1, profile=(HERE / "minimal.yaml").read_text(),
                conf={"worker": {"waits": {"reconnect_first_ms": 60000, "reconnect_ms": 60000}, "run_lease_ms": 120000}})
    try:
        site.start()
        wait_for(lambda: {"worker", "ca"} <= {r for _, r in site.children()}, 30, "worker and CA")
        pids = [(pid, role) for pid, role in site.children()] + [(site.redis.pid, "redis")]
        before, start = {pid: cpu_ns(pid) for pid, _ in pids}, time.monotonic()
        sim = site.start_sim(*sim_options(latency))
        wait_for(lambda: sim.progress.get("configured", 0) >= devices, FINISH_S, f"{devices} commits", tick=0.05)
        wall, used = time.monotonic() - start, collections.Counter()
        for pid, role in pids:
            used[role] += cpu_ns(pid) - before[pid]
        sim.stop()
        return result({r: used[r] for r in ROLES}, devices, sim.ledger, wall)
    finally:
        site.stop()
        site.remove()


def median(results):
    """Figure by figure: on a shared machine a single run says little."""
    roles = results[0].by_role
    return Result(*(statistics.median(getattr(r, f) for r in results) for f in ("cpu_ms", "calls", "connections", "wall_s")),
                  {role: statistics.median(r.by_role[role] for r in results) for role in roles})


def compare(build, devices=DEVICES, rounds=ROUNDS, latency=LATENCY):
    """Measure in turns. Returns {"meshcentral": Result, "muster": Result, "rounds": [[mc, ours], ...]}."""
    turns = [(meshcentral(build, devices, latency), muster(build, devices, latency)) for _ in range(rounds)]
    theirs, ours = zip(*turns)
    return {"devices": devices, "latency": latency, "mix": MIX, "meshcentral": median(theirs), "muster": median(ours),
            "rounds": [[round(t.cpu_ms, 3), round(o.by_role["worker"], 3)] for t, o in turns]}


def table(out):
    theirs, ours = out["meshcentral"], out["muster"]
    lines = [f"{'':34}{'MeshCentral':>14}{'Muster':>14}"]

    def line(name, a, b, form="{:.2f}"):
        lines.append(f"{name:34}{form.format(a):>14}{form.format(b) if b is not None else '':>14}")
    line("CPU ms per device, server process", theirs.cpu_ms, ours.by_role["worker"])
    line("CPU ms per device, all processes", theirs.cpu_ms, ours.cpu_ms)
    line("calls per device", theirs.calls, ours.calls, "{:.1f}")
    line("connections per device", theirs.connections, ours.connections, "{:.1f}")
    line("seconds for all", theirs.wall_s, ours.wall_s)
    lines.append("Muster by process: " + ", ".join(f"{r} {ms:.2f}" for r, ms in ours.by_role.items()))
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/release")
    p.add_argument("--devices", type=int, default=DEVICES)
    p.add_argument("--rounds", type=int, default=ROUNDS)
    p.add_argument("--latency", default=LATENCY)
    p.add_argument("--json", action="store_true")
    args = p.parse_args()
    try:
        out = compare(args.build, args.devices, args.rounds, args.latency)
    except (SiteError, Unavailable) as e:
        print(f"peer: {e}", file=sys.stderr)
        return 1
    plain = {k: v._asdict() if isinstance(v, Result) else v for k, v in out.items()}
    print(json.dumps(plain, indent=1) if args.json else table(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
