# SPDX-License-Identifier: Apache-2.0
"""Years of upkeep with the real programs: jump to what is due next, let brokers and workers do it, look, jump again.

The wall clock of Redis, node and simulator is libfaketime's (clock.py). It never jumps while a job is ready or leased, so
leases, time-outs and waits are those of every day. What is asserted comes from the devices' side: the simulator's ledger, the
certificate that a device shows, and at the end a login by curl."""
import collections
import json
import socket
import ssl
import subprocess

from estate import ROOT, SiteError, wait_for

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
KINDS = ("renew", "rotate", "maintain", "inventory")
KEY = "muster:{0}:"
# pump.lua: unused rate is kept for 20 minutes, and the rate is 1.4 times the mean but at least a job an hour. A longer
# jump would make the calendar late, which it is not where time passes by itself.
BURST_MS, SPARE, LEAST_MS = 20 * MINUTE_MS, 1.4, HOUR_MS
LOOK = f"FCALL muster_v1_pump 2 {KEY}waves {KEY}ev 64 {KEY}"  # what each broker says once a second
SETTLE_S = 120           # real time for the jobs of one moment
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: the driver's own clock is the real one
CHANGES_CERTIFICATE = {"AMT_TLSCredentialContext.Create", "AMT_TLSCredentialContext.Put"}
GET = """<?xml version="1.0" encoding="utf-8"?><Envelope xmlns="http://www.w3.org/2003/05/soap-envelope" \
xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><Header>\
<a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action><a:To>/wsman</a:To><w:ResourceURI>\
http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings</w:ResourceURI><a:MessageID>1</a:MessageID><a:ReplyTo><a:Address>\
http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo></Header><Body/></Envelope>"""


def site_options(policy):
    """What Site is to be told of life_days, rotate_days, maintain_days."""
    profile = (ROOT / "deploy/profiles/default.yaml").read_text()
    assert "validity_days: 730" in profile
    return {"warp": True, "profile": profile.replace("validity_days: 730", f"validity_days: {policy['life_days']}"), "conf": {
        "ca": {"validity_days": policy["life_days"]},
        "upkeep": {"rotate_days": policy["rotate_days"], "maintain_days": policy["maintain_days"]}}}


class Store:
    """The private Redis, read with one round trip for several commands: polled too often for a process each."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def ask(self, *commands):
        words = [[str(w).encode() for w in c.split()] for c in commands]
        self.socket.sendall(b"".join(b"*%d\r\n" % len(c) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in c) for c in words))
        return [self._reply() for _ in commands]

    def _reply(self):
        kind, rest = (lambda line: (line[:1], line[1:-2]))(self.file.readline())
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode() if rest != b"-1" else None
        if kind == b":":
            return int(rest)
        if kind != b"+":
            raise SiteError(f"Redis: {rest.decode()}")
        return rest.decode()

    def close(self):
        self.file.close()
        self.socket.close()


class Device:
    def __init__(self, line):
        self.address, self.fqdn = line["addr"], line["fqdn"]
        self.begins_ms = self.ends_ms = self.rotated_ms = 0
        self.looks = 0  # sessions in the ledger to come that are our own


class Witness:
    """What the devices saw, from the simulator's ledger, and what they show."""

    def __init__(self, site, ledger):
        self.site, self.ledger = site, open(ledger, "rb")
        self.part = b""
        self.devices, self.changed, self.visited = {}, set(), set()
        self.counts = collections.Counter()
        self.authority = site.dir / "authority.pem"
        self.authority.write_text("".join((site.dir / "ca" / name).read_text() for name in ("root.pem", "issuing.pem")))
        self.tls = ssl.create_default_context(cafile=str(self.authority))
        self.tls.set_ciphers("DEFAULT")  # old devices exchange keys by RSA
        self.tls.verify_flags |= NO_CHECK_TIME

    def read(self, now_ms):
        """The lines since the last call: all of this moment."""
        lines = (self.part + self.ledger.read()).split(b"\n")
        self.part = lines.pop()
        for line in map(json.loads, lines):
            device = self.devices.get(line.get("d"))
            if line["ev"] == "device":
                self.devices[line["d"]] = Device(line)
            elif line["ev"] == "session" and device.looks > 0:
                device.looks -= 1
            elif line["ev"] == "session":
                self.visited.add(line["d"])
            elif line["ev"] == "login_failed":
                self.counts["logins_refused"] += 1
            elif line["ev"] == "call" and line.get("rv") == 0:
                self._call(line["d"], device, line["call"], now_ms)

    def _call(self, uuid, device, call, now_ms):
        if call in CHANGES_CERTIFICATE:
            self.changed.add(uuid)
            self.counts["certificates"] += 1
        elif call == "AMT_AuthorizationService.SetAdminAclEntryEx":
            device.rotated_ms = now_ms
            self.counts["passwords"] += 1

    def look(self, uuids):
        """The certificates that devices show, to OpenSSL by Python: chain and name are checked here, the dates are kept."""
        for uuid in sorted(uuids):
            d = self.devices[uuid]
            shown = wait_for(lambda d=d: self._shown(d), SETTLE_S, f"{d.fqdn} to show its certificate")
            d.looks += 1
            d.begins_ms, d.ends_ms = (ssl.cert_time_to_seconds(shown[k]) * 1000 for k in ("notBefore", "notAfter"))

    def _shown(self, device):
        """None where it resets: its ports are closed for a while after a commit."""
        try:
            with socket.create_connection((device.address, self.site.device_port), 30) as tcp:
                with self.tls.wrap_socket(tcp, server_hostname=device.fqdn, do_handshake_on_connect=False) as s:
                    s.do_handshake()
                    return s.getpeercert()
        except ConnectionError:
            return None

    def login(self, uuid, password):
        """curl, with the site's clock, chain and name checked: the status of an answer to a login, 0 without one."""
        d = self.devices[uuid]
        d.looks += 1
        asked = subprocess.run(
            ["curl", "-sS", "-K", "-", "--digest", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(self.authority),
             "--resolve", f"{d.fqdn}:{self.site.device_port}:{d.address}", "-H", "Content-Type: application/soap+xml;charset=UTF-8",
             "--data-binary", GET, f"https://{d.fqdn}:{self.site.device_port}/wsman"],
            input=f'user = "admin:{password}"\n', capture_output=True, text=True, env=self.site.env, timeout=60, check=False)
        return int(asked.stdout or 0)

    def close(self):
        self.ledger.close()


class Warp:
    """days of upkeep for the devices of a simulator whose first setup is over. rotate_days: when a password must be new,
    and how much later it may be. eager: look at the calendar after each jump, as a broker that does not wait for its second;
    a jump takes 40 ms then, not 100. complaints: what an operator would have complained about."""

    def __init__(self, site, sim, rotate_days, late_days, eager=False):
        self.site, self.clock, self.store, self.eager = site, site.clock, Store(site.redis_socket), eager
        self.witness = Witness(site, sim.ledger)
        self.oldest_ms = (rotate_days + late_days) * DAY_MS
        self.complaints, self.per_hour = [], collections.Counter()
        self.jumps, self.age_ms, self.least_left_ms = 0, 0, float("inf")

    def run(self, days, report=lambda line: None):
        w, start = self.witness, self.clock.now_ms()
        w.read(start)
        w.look(w.devices)
        w.visited.clear()
        w.changed.clear()
        end, day = start + days * DAY_MS, 0
        self.settle(None)
        while (now := self.clock.now_ms()) < end:
            looked = self.jump(end)
            now = self.clock.now_ms()
            if now >= start + (day + 1) * DAY_MS:
                day = int((now - start) // DAY_MS)
                self.check(day, now)
                report(f"day {day}: {sum(self.per_hour.values())} visits, {self.jumps} jumps, {len(self.complaints)} complaints")
            self.settle(looked if now < end else None)  # the last jump may be a short one
            w.read(now)
            w.look(w.changed)
            self.per_hour[int((now - start) // HOUR_MS)] += len(w.visited)
            w.visited.clear()
            w.changed.clear()
        return self

    def ask(self):
        """(jobs to be done now, when the calendar was looked at, when the next thing is due)"""
        now = round(self.clock.now_ms()) + 1000  # a job that Redis opens while this is asked
        ready, lease, looked, later, *due = self.store.ask(
            f"ZCOUNT {KEY}ready -inf {now}", f"ZCARD {KEY}lease", f"GET {KEY}upkeeptat", f"ZRANGE {KEY}ready 0 0 WITHSCORES",
            *(f"ZRANGE {KEY}due:{k} 0 0 WITHSCORES" for k in KINDS))
        return ready + lease, looked, min((float(d[1]) for d in (later, *due) if d), default=float("inf"))

    def settle(self, looked):
        """Until a broker has looked at the calendar in this moment, and what it opened is over."""
        def over():
            busy, now_looked, _ = self.ask()
            return not busy and now_looked != looked
        if self.eager and looked:
            self.store.ask(LOOK)
        wait_for(over, SETTLE_S, "the jobs of one moment", tick=0.004)

    def stride_ms(self):
        """How far a jump goes at least: pump.lua's own burst, from the number of devices on its calendar."""
        policy, *listed = self.store.ask(f"HMGET {KEY}upkeep life rotate maintain inventory", *(f"ZCARD {KEY}due:{k}" for k in KINDS))
        per_ms = sum(n / float(every) for n, every in zip(listed, policy) if float(every or 0))
        return max(BURST_MS, min(1 / (per_ms * SPARE), LEAST_MS) + 1) if per_ms else LEAST_MS

    def jump(self, end_ms):
        """To the next moment that has work; answers what tells that a broker has looked since. Writers wait meanwhile: no
        lease can begin between the last look and the jump."""
        stride = self.stride_ms()
        while True:
            self.store.ask("CLIENT PAUSE 5000 WRITE")
            busy, looked, due = self.ask()
            if not busy:
                self.clock.jump_to(min(end_ms, max(due, self.clock.now_ms() + stride)))
            self.store.ask("CLIENT UNPAUSE")
            if not busy:
                self.jumps += 1
                return looked
            self.settle(None)

    def check(self, day, now):
        """At the first moment of a day, before its work."""
        for d in self.witness.devices.values():
            self.age_ms = max(self.age_ms, now - d.rotated_ms)
            self.least_left_ms = min(self.least_left_ms, d.ends_ms - now)
            if not d.begins_ms < now < d.ends_ms:
                self.complaints.append(f"day {day}: the certificate of {d.fqdn} is not valid")
            if now - d.rotated_ms > self.oldest_ms:
                self.complaints.append(f"day {day}: the password of {d.fqdn} is {(now - d.rotated_ms) / DAY_MS:.1f} days old")

    def logins(self):
        """curl logs in with the passwords on record; complains of those that it does not reach. Answers how many it tried."""
        lines = self.site.muster("device", "export", "--json", "--reveal").split("\n")
        records = sorted((json.loads(line) for line in lines if line), key=lambda r: r["uuid"])
        by_name = {d.fqdn: uuid for uuid, d in self.witness.devices.items()}
        for r in records:
            status = self.witness.login(by_name[r["fqdn"]], r["admin_password"])
            if status != 200:
                self.complaints.append(f"curl: {r['fqdn']} answers {status}")
        return len(records)

    def report(self, days):
        """Figures; the last complaints are made here."""
        visits, counts = sum(self.per_hour.values()), self.witness.counts
        mean, most = visits / (days * 24), max(self.per_hour.values(), default=0)
        if most > 2 * mean + 1:  # a job is never less than one
            self.complaints.append(f"{most} visits in an hour, {mean:.2f} on average")
        lost = sum(1 for e in json.loads(self.site.muster("events", "--json", "--limit", "1000000")) if e["event"] == "reap")
        dead = collections.Counter(j["reason"] for j in json.loads(self.site.muster("dead", "list", "--json")))
        if lost or dead or counts["logins_refused"]:
            self.complaints.append(f"{lost} leases lost, {counts['logins_refused']} logins refused, jobs dead: {dict(dead)}")
        return {"days": days, "visits": visits, "jumps": self.jumps, "certificates": counts["certificates"], "passwords": counts["passwords"],
                "visits_per_hour": {"mean": round(mean, 3), "most": most}, "oldest_password_days": round(self.age_ms / DAY_MS, 2),
                "least_days_left": round(self.least_left_ms / DAY_MS, 2)}

    def close(self):
        self.store.close()
        self.witness.close()


def play(site, sim, policy, say):
    """Part "then: years" of a scenario, after the first setups: (figures, complaints)."""
    warp = Warp(site, sim, policy["rotate_days"], policy["late_days"], eager=True)
    try:
        report = warp.run(policy["days"], say).report(policy["days"])
        return report | {"logins_by_curl": warp.logins()}, warp.complaints
    finally:
        warp.close()
