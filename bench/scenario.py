# SPDX-License-Identifier: Apache-2.0
"""./run bench scenario NAME: play a file of bench/scenarios and let the judge speak.

A scenario says what the estate does (mix, quirks and laws of muster-sim), what the cluster is (overrides of the
configuration), what follows the first setups (`then`), and what the end must be. It runs against a private cluster on this
machine."""
import argparse
import json
import os
import pathlib
import signal
import sys
import threading
import time

import rollout
import timewarp
from estate import Site, SiteError, merged
from figures import percentile
from measure import discard, evidence, pids, settled

FOLDER = pathlib.Path(__file__).parent / "scenarios"
KEYS = {"about", "devices", "seed", "period_s", "estate", "cluster", "then", "expect"}
CLUSTER = {"listeners", "brokers", "workers", "durability", "conf", "throttle"}
EXPECT = {"max_drop_percent", "violations"}
THEN = {"wave": rollout, "years": timewarp}  # site_options(words), play(site, sim, words, say): (figures, complaints)
STALL_S = 180  # longest silence (no device finished) before it gives up
REPORT_S = 5


def load(name):
    """The scenario as a dictionary; a key that nobody reads is an error."""
    try:
        import yaml  # pylint: disable=import-outside-toplevel  # Debian package python3-yaml; scenarios alone need it
    except ImportError as e:
        raise SiteError("scenarios need YAML: apt-get install python3-yaml") from e
    path = pathlib.Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not path.exists():
        raise SiteError(f"no scenario {name}; there are {', '.join(sorted(p.stem for p in FOLDER.glob('*.yaml')))}")
    s = yaml.safe_load(path.read_text())
    for keys, allowed, where in ((s, KEYS, ""), (s.get("cluster", {}), CLUSTER, "cluster."), (s.get("expect", {}), EXPECT, "expect."),
                                 (s.get("then", {}), set(THEN), "then.")):
        unknown = set(keys) - allowed
        if unknown:
            raise SiteError(f"{path}: {where}{', '.join(sorted(unknown))}: unknown; there are {', '.join(sorted(allowed))}")
    s["name"] = path.stem
    return s


def estate_file(scenario, devices, path):
    """The estate section as a scenario file of muster-sim (JSON is YAML). Rates shrink with the number of devices, so that a
    scaled run takes as long and has the same shape."""
    estate = json.loads(json.dumps(scenario.get("estate", {})))
    laws = estate.get("laws", {})
    if "arrival" in laws:
        laws["arrival"] = scaled_arrival(laws["arrival"], devices / scenario["devices"])
    path.write_text(json.dumps(estate | {"name": scenario["name"], "devices": devices}, indent=1) + "\n")
    return path


def scaled_arrival(law, scale):
    """"open:200" of half as many devices is "open:100"; a burst stays as long as it is."""
    word, *numbers = law.split(":")
    if word in ("steady", "ramp", "open"):
        numbers[0] = f"{float(numbers[0]) * scale:g}"
    return ":".join([word, *numbers])


def drop_percent(report, devices):
    return 100 * (devices - report["provisioned"]) / devices


def verdict(expect, report, devices):
    """What the expectation says of the report: a list of complaints."""
    bad = []
    allowed = expect.get("max_drop_percent", 0)
    if drop_percent(report, devices) > allowed:
        bad.append(f"{drop_percent(report, devices):.2f} % of the devices were not provisioned, at most {allowed} % may")
    if report["violations"] > expect.get("violations", 0):
        bad.append(f"{report['violations']} violations")
    if report["lost"] or report["doubled"]:
        bad.append(f"{report['lost']} lost, {report['doubled']} doubled")
    return bad


class Throttle(threading.Thread):
    """A role that runs for a while and stands still for a while: a slow CA, a starved broker."""

    def __init__(self, site, role, run_s, stop_s):
        super().__init__(daemon=True)
        self.site, self.role, self.run_s, self.stop_s = site, role, run_s, stop_s
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(self.run_s):
            stopped = pids(self.site, self.role)
            for pid in stopped:
                self.send(pid, signal.SIGSTOP)
            self.over.wait(self.stop_s)
            for pid in stopped:
                self.send(pid, signal.SIGCONT)

    @staticmethod
    def send(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def end(self):
        self.over.set()
        self.join()


def follow(site, sim, devices, quiet):
    """Until every device has its result, or nothing moves any more; returns the seconds it took."""
    start = changed = line = time.monotonic()
    last = -1
    while True:
        status = site.status() or {}
        site.sample()
        over = sum(status.get(k, 0) for k in ("done", "dead"))
        now = time.monotonic()
        if over != last:
            last, changed = over, now
        if not quiet and now >= line:
            print(f"{now - start:6.1f} s  hellos {sim.progress.get('hellos', 0)}  in session {sim.progress.get('in_session', 0)}  "
                  f"done {status.get('done', 0)}  dead {status.get('dead', 0)}  waiting {status.get('waiting', 0)}", file=sys.stderr)
            line = now + REPORT_S
        held = settled(site, "waiting") if over + status.get("waiting", 0) >= devices else 0
        if over + held >= devices or now - changed > STALL_S or not sim.alive() or not site.node.alive():
            return now - start
        time.sleep(0.5)


def play(build, scenario, devices, seed, quiet):
    cluster, then = scenario.get("cluster", {}), scenario.get("then", {})
    options = {"conf": cluster.get("conf", {})}
    for name, words in then.items():
        options = merged(options, THEN[name].site_options(words))
    site = Site(build, devices=devices, seed=seed, listeners=cluster.get("listeners", 2), brokers=cluster.get("brokers", 1),
                workers=cluster.get("workers", 2), durability=cluster.get("durability", "strict"), **options)
    try:
        site.start()
        sim = site.start_sim("--scenario", str(estate_file(scenario, devices, site.dir / "scenario.yaml")))
        throttle = Throttle(site, **cluster["throttle"]) if "throttle" in cluster else None
        if throttle:
            throttle.start()
        seconds = follow(site, sim, devices, quiet)
        if throttle:
            throttle.end()
        more, complaints = {}, []
        for name, words in then.items():
            figures, bad = THEN[name].play(site, sim, words, (lambda line: None) if quiet else lambda line: print(line, file=sys.stderr))
            more, complaints = more | figures, complaints + bad
        site.sample()
        sim.stop()
        report = sim.verify()
        seen = evidence(sim.ledger)
        cpu_s = {r: site.usage.cpu(r) for r in ("listener", "broker", "worker", "redis", "ca", "sim")}
        report |= {"elapsed_s": round(seconds, 1), "provisions_per_s": round(report["provisioned"] / seconds, 2),
                   "peak_rss_kb": dict(sorted(site.usage.rss_kb.items()))}
        if then:  # the ledger and the CPU time are of more than first setups
            report |= {"cpu_s": {r: round(s, 1) for r, s in cpu_s.items()}}
        else:
            report |= {"due_to_done_s": {f"p{p}": round(percentile(seen.latency_s, p) or 0, 2) for p in (50, 90, 99, 100)},
                       "cpu_ms_per_provision": {r: round(s * 1e3 / max(report["provisioned"], 1), 3) for r, s in cpu_s.items()}}
        return report | more | {"complaints": complaints}
    finally:
        discard(site)


def main(argv, store):
    """store(name, about, figures, complaints): what --store does."""
    p = argparse.ArgumentParser(prog="./run bench scenario", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/release", help=argparse.SUPPRESS)
    p.add_argument("--devices", type=int, help="scale it down (or up) to so many; rates shrink alike")
    p.add_argument("--seed", type=int, help="instead of the file's")
    p.add_argument("--json", action="store_true", help="print the report as JSON")
    p.add_argument("--store", action="store_true", help="keep the figures, for bench/RESULTS.md")
    p.add_argument("name", help="a file of bench/scenarios without .yaml, or a path")
    args = p.parse_args(argv)
    try:
        scenario = load(args.name)
        devices = args.devices or scenario["devices"]
        report = play(args.build, scenario, devices, args.seed or scenario.get("seed", 1), args.json)
    except SiteError as e:
        print(f"scenario: {e}", file=sys.stderr)
        return 1
    bad = verdict(scenario.get("expect", {}), report, devices) + report.pop("complaints")
    if args.store:
        store(args.name, scenario["about"], {k: v for k, v in report.items() if k != "violations_list"}, bad)
    if args.json:
        print(json.dumps(report | {"complaints": bad}, indent=1))
    else:
        print(f"\n  {args.name}: {scenario['about'].strip()}")
        for key, value in report.items():
            if key != "violations_list":
                print(f"  {key:<24} {', '.join(f'{k} {v}' for k, v in value.items()) if isinstance(value, dict) else value}")
        for violation in report.get("violations_list", [])[:20]:
            print(f"  violation: {violation['fqdn']} {violation['uuid']}: {violation['rule']}: {violation['text']}")
        print("  verdict: " + ("; ".join(bad) if bad else "as expected"))
    return 1 if bad else 0
