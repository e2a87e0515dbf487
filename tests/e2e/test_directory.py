#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names, OUs and groups from a real Active Directory (Samba): devices that the directory alone names, and rules that look at groups, those
of groups too; twins, disabled accounts and a directory that hangs, dies or refuses our login wait in view. What the records say
is compared with what ldapsearch sees."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import threading
import uuid

import harness
import samba
from estate import DOMAIN

BASE = "DC=" + DOMAIN.replace(".", ",DC=")
KIOSKS, OFFICES = f"OU=Kiosks,{BASE}", f"OU=Offices,{BASE}"
RULES = f"""
rules:
  - name: kiosks
    groups: [all kiosks]
    profile: kiosk
    tags: [kiosk]
  - name: laboratory
    groups: ["cn=Labs,{KIOSKS}"]
    tags: [lab]
  - name: offices
    ous: ["{OFFICES}"]
    sources: [directory]
    tags: [office]
  - name: named
    sources: [directory, table]
    tags: [named]
"""
DISABLED, ENABLED = 4098, 4096


def wire(text):
    return uuid.UUID(text).bytes_le


class DirectoryTest(harness.SiteTest):
    N = 18

    @classmethod
    def setUpClass(cls):
        shm = pathlib.Path("/dev/shm")
        cls.folder = tempfile.mkdtemp(prefix="muster-ad-", dir=shm if os.access(shm, os.W_OK) else None)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        folder = pathlib.Path(cls.folder)
        cls.ad = samba.Directory(folder, SAMBA_AD_REALM=DOMAIN.upper())
        cls.addClassCleanup(cls.ad.stop)
        cls.ad.tool("domain", "passwordsettings", "set", "--account-lockout-threshold=10")
        facts = cls.ad.facts
        cls.password, cls.table, cls.rules = folder / "password", folder / "table.csv", folder / "rules.yaml"
        cls.rules.write_text(RULES)
        cls.set_password(facts["AD_SVC_PASSWORD"])
        cls.SITE = {"devices": cls.N, "seed": 61, "workers": 1, "profile": harness.legacy_profile(),
                    "profiles": {"kiosk": "extends: default\nfeatures: {kvm: false}\n"},
                    "conf": {"worker": {"devices_file": str(cls.table), "rules_file": str(cls.rules), "waits": {"resolve_retry_ms": 1000}},
                             "directory": {"servers": [facts["AD_IP"]], "ca_file": facts["AD_CA_FILE"], "base": BASE,
                                           "user": facts["AD_SVC_USER"], "password_file": str(cls.password)}}}
        cls.table.write_text("uuid,fqdn\n")
        super().setUpClass()
        cls.stage()

    @classmethod
    def set_password(cls, text):
        cls.password.write_text(text + "\n")
        cls.password.chmod(0o600)

    @classmethod
    def devices(cls, seed, n):
        """[(UUID, name)] of an estate."""
        lines = cls.site.run("muster-sim", "devices", "--devices", str(n), "--seed", str(seed), "--domain", DOMAIN, "--profile", "default")
        return [tuple(line.split(",")[:2]) for line in lines.splitlines()[1:]]

    @classmethod
    def computer(cls, account, ou, **attributes):
        dn = f"CN={account},{ou}"
        cls.ad.add(dn, objectClass="computer", sAMAccountName=account + "$",
                   **{"userAccountControl": str(ENABLED), **attributes})
        return dn

    @classmethod
    def stage(cls):
        """Twelve devices, each another case; pairs of the others get their computer objects later."""
        cls.known = cls.devices(61, cls.N)
        ids, names = zip(*cls.known)
        for ou in (KIOSKS, OFFICES):
            cls.ad.add(ou, objectClass="organizationalUnit")
        cls.dns = {i: cls.computer(f"PC{i}", KIOSKS, netbootGUID=wire(ids[i]), dNSHostName=names[i]) for i in (0, 1, 2)}
        cls.dns[3] = cls.computer("PC3", OFFICES, netbootGUID=wire(ids[3]), dNSHostName=names[3])
        cls.dns[4] = cls.computer("PC4", OFFICES, netbootGUID=wire(ids[4]))  # no name: account and domain
        cls.dns[5] = cls.computer("PC5", OFFICES, netbootGUID=uuid.UUID(ids[5]).bytes, dNSHostName=names[5])  # order of the text
        cls.twins = [cls.computer(f"PC6{x}", OFFICES, netbootGUID=wire(ids[6]), dNSHostName=f"{x}.{DOMAIN}") for x in "ab"]
        cls.computer("PC7", KIOSKS, netbootGUID=wire(ids[7]), dNSHostName=names[7], userAccountControl=str(DISABLED))
        cls.dns[8] = cls.computer("PC8", KIOSKS, dNSHostName=names[8])  # known by its name only
        cls.dns[9] = cls.computer("PC9", OFFICES, netbootGUID=wire(ids[9]), dNSHostName="other." + DOMAIN)
        # 10: in the table, but not in the directory; 11: nowhere.
        cls.table.write_text("uuid,fqdn\n" + "".join(f"{ids[i]},{names[i]}\n" for i in (8, 9, 10)))
        cls.ad.add(f"CN=Kiosk PCs,{KIOSKS}", objectClass="group", sAMAccountName="Kiosk PCs", member=[cls.dns[0], cls.dns[8]])
        cls.ad.add(f"CN=All Kiosks,{KIOSKS}", objectClass="group", sAMAccountName="All Kiosks", member=[f"CN=Kiosk PCs,{KIOSKS}", cls.dns[1]])
        cls.ad.add(f"CN=Labs,{KIOSKS}", objectClass="group", sAMAccountName="Labs", member=cls.dns[2])
        cls.ad.add(f"CN=Mail,{KIOSKS}", objectClass="group", sAMAccountName="Mail", groupType="2")  # for mail: no SID in tickets

    def records(self):
        return {r["uuid"]: r for r in map(json.loads, filter(None, self.site.muster("device", "export", "--json").split("\n")))}

    def job_of(self, device):
        """The newest job of a device, None while there is none."""
        record = self.records().get(device)
        return record and json.loads(self.site.muster("job", "show", record["job"], "--json"))

    def wait_reason(self, device, why, reason, says, after=0):
        """The job of a device that waits in view, with a fence above the one given."""
        def waiting():
            job = self.job_of(device)
            return job if job and (job["state"], job["why"], job["reason"]) == ("waiting", why, reason) \
                and says in job["error"] and job["fence"] > after else None
        return self.wait(waiting, 90, f"{device} to wait with {reason}: {says}")

    def wait_done(self, devices, seconds=90):
        self.wait(lambda: all(self.records().get(d, {}).get("state") == "done" for d in devices), seconds, f"{devices} to be done")

    def groups_by_hand(self, dn):
        """What a foreign client finds, going up from group to group."""
        found, todo = set(), [dn]
        while todo:
            above = set(self.ad.values(todo.pop(), "memberOf")) - found
            found |= above
            todo += above
        return found

    def refused_logins(self):
        """Of our account since its last good one, as the directory counts them."""
        return int(self.ad.values(f"CN=mustersvc,CN=Users,{BASE}", "badPwdCount")[0])

    def forwarder(self):
        """HOST:PORT behind which the directory stands under a name that its certificate has not."""
        def carry(source, sink):
            with contextlib.suppress(OSError):  # who does not like the certificate hangs up
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        def serve():
            client, _ = listening.accept()
            with client, socket.create_connection((self.ad.facts["AD_IP"], 636)) as directory:
                threading.Thread(target=carry, args=(directory, client), daemon=True).start()
                carry(client, directory)
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    def test_1_check(self):
        """A good login, a wrong one, other mistakes: one sentence, and one bind."""
        def verdict(config):
            text = self.site.run("muster", "config", "check", "--json", "--config", str(config), check=False)
            return next(f for f in json.loads(text)["findings"] if f["check"] == "directory")

        self.assertEqual(verdict(self.site.config), {"check": "directory", "accept": True, "text": ""})
        wrong = pathlib.Path(self.folder) / "wrong"
        wrong.write_text("not this one\n")
        wrong.chmod(0o600)
        other = pathlib.Path(self.folder) / "muster.yaml"
        server, another = self.ad.facts["AD_IP"], self.forwarder()
        for old, new, says in ((str(self.password), str(wrong), f"directory {server}: directory.user or its password is wrong (49, "),
                               (BASE, "DC=nowhere", f"directory {server}: there is no such entry; is directory.base right? (32, "),
                               (self.ad.facts["AD_CA_FILE"], str(self.site.dir / "ca/root.pem"), f"directory {server}: TLS failed: "),
                               (f'"{server}"', f'"{another}"', f"directory {another}: TLS failed: "),  # not in the certificate
                               (f'"{server}"', f'"{server}:1"', f"directory {server}:1: cannot be reached: Connection refused")):
            with self.subTest(new):
                text = self.site.config.read_text()
                self.assertEqual(text.count(old), 1, old)
                other.write_text(text.replace(old, new))
                found = verdict(other)
                self.assertFalse(found["accept"])
                self.assertTrue(found["text"].startswith(says), found["text"])
                self.assertEqual(self.refused_logins(), 1 if "49" in says else 0)

    def test_2_sid(self):
        sid = self.ad.sid("group", "All Kiosks")
        for name in ("All Kiosks", "all kiosks", "CORP\\All Kiosks", f"All Kiosks@{DOMAIN}", f"CN=All Kiosks,{KIOSKS}"):
            self.assertEqual(self.site.muster("directory", "sid", name), sid + "\n", name)
        for name, says in (("Nobody", "has no user or group Nobody"), ("*", "has no user or group *"), ("Mail", "is a distribution group"),
                           ("Administrators", "is a builtin group (S-1-5-32-544)"), ("OTHER\\All Kiosks", "OTHER is not the domain"),
                           ("All Kiosks@example.org", "example.org is not the domain"), (KIOSKS, "has no user or group")):
            with self.assertRaises(harness.SiteError) as refused:
                self.site.muster("directory", "sid", name)
            self.assertIn(says, str(refused.exception))

    def test_3_names_and_rules(self):
        ids, names = zip(*self.known)
        self.site.start_sim()
        done = [0, 1, 2, 3, 4, 5, 8, 9, 10]
        self.wait_done([ids[i] for i in done], 180)
        records = self.records()
        for i, fqdn, profile, tags in (
                (0, names[0], "kiosk", "kiosk"), (1, names[1], "kiosk", "kiosk"), (2, names[2], "default", "lab"),
                (3, names[3], "default", "office"), (4, f"pc4.{DOMAIN}", "default", "office"), (5, names[5], "default", "office"),
                (8, names[8], "kiosk", "kiosk"), (9, names[9], "default", "named"), (10, names[10], "default", "named")):
            with self.subTest(i):
                r = records[ids[i]]
                self.assertEqual((r["fqdn"], r["profile"], r["tags"], r["host_dn"]), (fqdn, profile, tags, self.dns.get(i, "")))
                if i not in self.dns:
                    continue
                self.assertEqual(r["ou"], self.dns[i].split(",", 1)[1])
                listed = {line.split("\t")[1] for line in r["host_groups"].splitlines()}
                self.assertEqual(listed, self.groups_by_hand(self.dns[i]))
                explained = json.loads(self.site.muster("rules", "explain", ids[i], "--json"))
                if tags != "named" and tags != "office":  # by the source: that is not in the record
                    self.assertEqual(explained["decision"]["rule"], {"kiosk": "kiosks", "lab": "laboratory"}[tags])
        for dn in self.twins:
            self.wait_reason(ids[6], "manual", "resolve_failed", dn)
        explained = json.loads(self.site.muster("rules", "explain", ids[11], "--json"))
        self.assertEqual(explained["rules"][0]["why"], "groups: not known before the directory is asked")
        for i in (7, 11):
            self.wait_reason(ids[i], "manual", "unknown_device", "not in the directory")
        log = (self.site.dir / "node.log").read_text()
        swapped = [json.loads(line) for line in log.splitlines() if "directory.swapped" in line]
        self.assertEqual({e["uuid"] for e in swapped}, {ids[5]})
        # The operator removes a twin and enables an account: both go on by themselves.
        self.ad.ldap("ldapdelete", self.twins[0])
        self.ad.change(f"CN=PC7,{KIOSKS}", userAccountControl=str(ENABLED))
        self.wait_done([ids[6], ids[7]])
        self.assertEqual(self.records()[ids[6]]["fqdn"], "b." + DOMAIN)

    def add_pair(self, first):
        """Computer objects for two devices that nobody knew."""
        for i in (first, first + 1):
            self.computer(f"PC{i}", OFFICES, netbootGUID=wire(self.known[i][0]), dNSHostName=self.known[i][1])

    def wait_pair(self, first, says):
        """Both are asked for again by themselves; they wait for the directory, with these words."""
        return [self.wait_reason(device, "ad", "directory_away", says) for device, _ in self.known[first:first + 2]]

    def wait_pair_done(self, first):
        pair = [device for device, _ in self.known[first:first + 2]]
        self.wait_done(pair)
        self.assertEqual({self.records()[d]["tags"] for d in pair}, {"office"})

    def start_again(self):
        self.wait(lambda: self.ad.start() and self.ad.up, 120, "the directory to start again")

    def test_4_it_hangs(self):
        """Nothing is decided without it, sessions that do not ask it go on, and it is asked again by itself."""
        self.ad.signal(signal.SIGSTOP)
        self.addCleanup(self.ad.signal, signal.SIGCONT)
        job = json.loads(self.site.muster("job", "open", "inventory", self.known[0][0], "--json"))["job"]
        self.wait(lambda: json.loads(self.site.muster("job", "show", job, "--json"))["state"] == "done", 60, "the inventory of another device")
        self.wait_pair(12, "no answer to TLS within 10 s")
        self.ad.signal(signal.SIGCONT)
        self.add_pair(12)
        self.wait_pair_done(12)

    def test_5_it_dies(self):
        self.ad.signal(signal.SIGKILL)
        self.wait_pair(14, "cannot be reached")
        self.start_again()
        self.add_pair(14)
        self.wait_pair_done(14)

    def test_6_it_refuses_the_login(self):
        """Jobs ask again and again, and the login is tried once."""
        self.set_password("not this one")
        self.ad.stop()
        self.start_again()  # its script logs in, which sets the count of refused logins to 0
        for job in self.wait_pair(16, "not tried again before a reload"):
            self.wait_reason(job["device"], "ad", "directory_away", "not tried again", after=job["fence"])
        self.assertEqual(self.refused_logins(), 1)
        self.set_password(self.ad.facts["AD_SVC_PASSWORD"])
        self.add_pair(16)
        self.site.reload()
        self.wait_pair_done(16)


if __name__ == "__main__":
    harness.main()
