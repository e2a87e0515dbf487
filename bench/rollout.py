# SPDX-License-Identifier: Apache-2.0
"""A wave while it runs and its report at the end: shared by the scenario and the end-to-end test."""
import json
import random
import re
import time

from estate import wait_for

NOWHERE = "127.250.0.1"  # an address that no device has
SAMPLE, FAILED = 20, 3   # wave.lua: fewer ended or failed jobs are no rate


def show(site, name):
    return json.loads(site.muster("wave", "show", name, "--json"))


def rate_reached(wave, why, stop, canary):
    """Whether a wave that says why it stopped had a reason to: its rate, of the canaries or of enough jobs."""
    said = re.fullmatch(r"error rate: (\d+) of the last (\d+) failed", why)
    bad, ended = (int(n) for n in said.groups()) if said else (0, 1)
    many = ended >= SAMPLE and bad >= FAILED
    return bool(said) and bad / ended >= stop and (many or wave["ok"] + wave["failed"] == canary)


class Follow:
    """Start a wave and see it through; whenever it has stopped and nothing is in flight any more, an operator resumes it.
    complaints: what it did that it may not do."""

    def __init__(self, site, name, devices, canary, in_flight, stop):
        self.site, self.name, self.devices, self.canary, self.in_flight, self.stop = site, name, devices, canary, in_flight, stop
        self.complaints, self.pauses = [], []

    def run(self, seconds):
        self.site.muster("wave", "start", self.name)
        return wait_for(self._over, seconds, f"the wave {self.name}", tick=0.1)

    def _over(self):
        w = show(self.site, self.name)
        if w["in_flight"] > self.in_flight:
            self.complaints.append(f"{w['in_flight']} in flight, at most {self.in_flight} may be")
        if w["state"] == "paused" and w["in_flight"] == 0:
            self.pauses.append(w["why"])
            if not rate_reached(w, w["why"], self.stop, self.canary):
                self.complaints.append(f"stopped without a reason: {w['why']}")
            if show(self.site, self.name)["left"] != w["left"]:
                self.complaints.append("it goes on while it is paused")
            self.site.muster("wave", "resume", self.name)
        return w if w["ok"] + w["failed"] + w["skipped"] == self.devices else None

    def differences(self, wave, kind):
        """Between the wave's report and the list of dead jobs of its kind, device by device."""
        dead = {j["device"]: j["reason"] for j in json.loads(self.site.muster("dead", "list", "--json")) if j["kind"] == kind}
        said = (wave["total"], wave["ok"], wave["failed"], wave["left"], wave["in_flight"], wave["skipped"])
        right = (self.devices, self.devices - len(dead), len(dead), 0, 0, 0)
        return [f"{uuid}: the wave says {wave['failures'].get(uuid)}, its job {dead.get(uuid)}"
                for uuid in sorted(wave["failures"].keys() | dead.keys()) if wave["failures"].get(uuid) != dead.get(uuid)] + (
                    [f"total, ok, failed, left, in flight, skipped: {said}, not {right}"] if said != right else [])


def visited(sim, offset):
    """Devices that had a session since this place of the ledger."""
    with open(sim.ledger, "rb") as ledger:
        ledger.seek(offset)
        return {json.loads(line)["d"] for line in ledger if b'"ev":"session"' in line and line.endswith(b"\n")}


def move_away(site, uuids):
    """The records lead to an address where the devices are not, as after a move without DNS: an operator said so."""
    for uuid in uuids:
        site.muster("job", "open", "inventory", uuid, "with", f"addr={NOWHERE}")
    wait_for(lambda: (lambda s: s.get("ready", 1) + s.get("leased", 1) == 0)(site.status() or {}), 300, "jobs that meet nobody")


def site_options(_words):
    """What Site is to be told: an unreachable device is given up soon."""
    return {"conf": {"worker": {"max_attempts": 2}}}


def play(site, sim, words, say):
    """Part "then: wave" of a scenario, after the first setups: (figures, complaints)."""
    uuids = sorted(json.loads(line)["uuid"] for line in site.muster("device", "export", "--json").split("\n") if line)
    away = random.Random(site.seed).sample(uuids, round(len(uuids) * words["failing"]))
    move_away(site, away)
    say(f"{len(away)} of {len(uuids)} devices are not where they were")
    stop, offset, start = words["stop_percent"] / 100, sim.ledger.stat().st_size, time.monotonic()
    site.muster("wave", "create", "all", "maintain", f"canary={words['canary']}", f"in-flight={words['in_flight']}",
                f"stop={words['stop_percent']}%", "for", "state=done")
    follow = Follow(site, "all", len(uuids), words["canary"], words["in_flight"], stop)
    wave = follow.run(words["seconds"])
    seconds = time.monotonic() - start
    by_ledger = set(uuids) - visited(sim, offset)
    complaints = follow.complaints + follow.differences(wave, "maintain")
    for name, others in (("that were away", set(away)), ("without a session in the ledger", by_ledger)):
        if set(wave["failures"]) != others:
            complaints.append(f"{len(wave['failures'])} failures are not the {len(others)} devices {name}")
    if not follow.pauses:
        complaints.append("it never stopped")
    return {"wave_s": round(seconds, 1), "jobs_per_s": round(len(uuids) / seconds, 1), "ok": wave["ok"], "failed": wave["failed"],
            "pauses": len(follow.pauses), "first_pause": follow.pauses[0] if follow.pauses else ""}, complaints
