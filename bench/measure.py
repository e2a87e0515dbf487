# SPDX-License-Identifier: Apache-2.0
"""What the entries of the bench share: CPU and memory of the roles, the floods, the floors.

CPU time is read from /proc: on shared machines time on a core says more than time on a clock."""
import collections
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

from estate import Process, Site, SiteError, free_port, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What the wire carries on average in one exchange of a provisioning, for the floor (limits.md 6).
REQUEST_BYTES, ANSWER_BYTES = 1800, 2600
DATA = pathlib.Path(__file__).parent / "sim"


class Context:
    """What an entry gets: where the programs are, how much is asked for, where curves go."""

    def __init__(self, build, full=False, plots=False):
        self.build, self.full, self.plots = build, full, plots
        self.curves = {}
        self.costs = None  # what the entry capacity measured, for bench/costs.json

    def program(self, name):
        path = pathlib.Path(self.build) / "bin" / name
        if not path.exists():
            raise SiteError(f"{path} is missing: ./run build release")
        return str(path)

    def run(self, name, *args, allowed=(0,)):
        """Run one of our programs that prints one line of JSON."""
        done = subprocess.run([self.program(name), *map(str, args)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        lines = done.stdout.strip().split("\n")
        if done.returncode not in allowed or not lines[-1]:
            raise SiteError(f"{name}: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(lines[-1])

    def plan_capacity(self, *args):
        """muster plan-capacity --json with the costs that were just measured."""
        costs = pathlib.Path(self.build) / f"costs.{os.getpid()}.json"
        costs.write_text(json.dumps(self.costs))
        try:
            done = subprocess.run([self.program("muster"), "plan-capacity", "--json", "--costs", str(costs), *map(str, args)],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SiteError(done.stderr.strip())
            return done.stdout
        finally:
            costs.unlink()

    def curve(self, name, columns, rows):
        """Points for --plots: columns are headings, the first one is the x axis."""
        self.curves[name] = {"columns": columns, "rows": rows}


def processor():
    return next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")


# ---- processes ---------------------------------------------------------------------------------

def cpu(site, role):
    site.sample()
    return site.usage.cpu(role)


class Used:
    """CPU of roles between two moments: used = Used(site, "worker"); ...; used.us(per=1000)."""

    def __init__(self, site, *roles):
        self.site, self.roles = site, roles
        self.before = {r: cpu(site, r) for r in roles}

    def us(self, per=1):
        return {r: (cpu(self.site, r) - self.before[r]) * 1e6 / per for r in self.roles}


def pids(site, role):
    return [pid for pid, r in site.children() if r == role]


def rss_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.split("\n") if line.startswith("VmRSS")).split()[1])


def threads_cpu_ns(pid):
    """Exact CPU time of a process whose threads all live: for intervals too short for clock ticks."""
    return sum(int((t / "schedstat").read_text().split()[0]) for t in pathlib.Path(f"/proc/{pid}/task").iterdir())


def discard(site):
    """End a site whose orderly end nobody needs."""
    for sim in site.sims:
        sim.popen.kill()
    for pid, _ in site.children():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    site.stop()
    site.remove()


def settled(site, *states):
    status = site.status() or {}
    return sum(status.get(s, 0) for s in states)


def redis_cli(site, *args):
    return subprocess.run(["redis-cli", "-s", str(site.redis_socket), *map(str, args)], capture_output=True, text=True, check=True).stdout


def log_events(site, event, offset=0):
    """Events of the node's log (JSON lines) from an offset in bytes on."""
    with open(site.dir / "node.log", encoding="utf-8", errors="replace") as f:
        f.seek(offset)
        for line in f:
            if f'"{event}"' in line:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def log_size(site):
    return (site.dir / "node.log").stat().st_size


def loop_lag(site, worker):
    """Lateness of a worker's loop since the last question: {"p50_us": ..., "p99_us": ..., "max_us": ...}."""
    offset = log_size(site)
    os.kill(worker, signal.SIGUSR1)
    return wait_for(lambda: next(log_events(site, "worker.counters", offset), None), 60, "the worker's counters")


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
        for pid in pids(self.site, "worker"):
            os.kill(pid, signal.SIGSTOP)
        return self.site

    def __exit__(self, *exc):
        for pid in pids(self.site, "worker"):
            os.kill(pid, signal.SIGKILL)
        self.site.stop()
        self.site.remove()


# ---- floods and floors -------------------------------------------------------------------------

def flood(ctx, port, count, concurrency=256, first=0):
    return ctx.run("muster-flood", "--target", f"127.0.0.1:{port}", "--count", count, "--concurrency", concurrency, "--first", first,
                   allowed=(0, 3))


def bus_flood(ctx, site, count, first=0):
    return ctx.run("muster-bus-flood", "--config", site.config, "--count", count, "--first", first)


def hello_floor(ctx, count):
    """CPU per Hello of a bare accept-read-close loop under the same flood, and the flood's report."""
    port = free_port()
    log = pathlib.Path(f"{ctx.build}/hello_floor.{os.getpid()}.log")
    log.unlink(missing_ok=True)
    floor = Process([ctx.program("hello_floor"), str(port)], log)
    try:
        wait_for(lambda: listening(port), 30, "hello_floor")
        report = flood(ctx, port, count)
    finally:
        floor.stop()
    bare = json.loads(log.read_text())["cpu_us_per_hello"]
    log.unlink()
    return bare, report


def listening(port):
    """Whether a port of loopback is listened on, without connecting to it (state 0A)."""
    wanted = f":{port:04X} "
    return any(wanted in line and " 0A " in line for line in open("/proc/net/tcp", encoding="ascii"))


def session_floor(ctx, exchanges, connections, signatures=0, variant="rsa2048", sessions=300):
    """CPU of the same handshakes and exchanges with nothing around them, both sides: {"cpu_us_per_session", "device_us_per_session"}."""
    return ctx.run("session_floor", sessions, 1, max(connections - 1, 1), exchanges, REQUEST_BYTES, ANSWER_BYTES, signatures, variant)


def store_costs(ctx, durability, count, depth=256):
    """Each function of the store alone in a fresh Redis: {name: {"redis_us", "client_us", "per_s"}}; and SET as a yardstick."""
    site = Site(ctx.build, devices=1, durability=durability)
    try:
        site.start_redis()
        got = ctx.run("store_load", f"unix://{site.redis_socket}", site.redis.pid, count, depth)
        before = threads_cpu_ns(site.redis.pid)
        redis_benchmark(site, count)
        out = {f["name"]: f for f in got["functions"]}
        out["SET"] = {"redis_us": (threads_cpu_ns(site.redis.pid) - before) / 1e3 / count}
        return out
    finally:
        site.stop()
        site.remove()


def redis_benchmark(site, count):
    """SETs of 500 bytes, pipelined: what Redis itself costs for a command of the size of ours."""
    value = b"x" * 500
    blob = b"".join(b"*3\r\n$3\r\nSET\r\n$10\r\nkey%07d\r\n$500\r\n%s\r\n" % (i, value) for i in range(count))
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(site.redis_socket))
        sender = threading.Thread(target=s.sendall, args=(blob,))
        sender.start()
        left = count * len(b"+OK\r\n")
        while left > 0:
            got = len(s.recv(65536))
            if not got:
                raise SiteError("redis closed the connection")
            left -= got
        sender.join()


# ---- the evidence of the devices ---------------------------------------------------------------

Evidence = collections.namedtuple("Evidence", "requests connections latency_s done_s")


def evidence(ledger):
    """What a ledger tells: requests, connections, and for each configured device the seconds from the moment its first Hello was
    due (not from when it could be sent) to its last call, with the moment of it."""
    n_requests = n_connections = 0
    due, last, state = {}, {}, {}
    with open(ledger, encoding="utf-8") as f:
        for line in f:
            # Most lines are not needed: json.loads() of all would take longer than the run.
            ev = re.search(r'"ev":"(\w+)"', line)
            if not ev or ev[1] not in ("close", "hello", "state", "call"):
                continue
            o = json.loads(line)
            if ev[1] == "close":
                n_requests += o["requests"]
                n_connections += 1
            elif ev[1] == "hello":
                due.setdefault(o["d"], o.get("due", o["sent"]))
            else:
                last[o["d"]] = o["t"]
                if ev[1] == "state":
                    state[o["d"]] = o["to"]
    done = [(last[d] / 1e6, (last[d] - due[d]) / 1e6) for d, s in state.items() if s == 2 and d in due]
    return Evidence(n_requests, n_connections, [latency for _, latency in done], done)


def personalities():
    """The generations that muster-sim knows, by name."""
    return {p.stem for p in (DATA / "personalities").glob("*.yaml")}
