#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decision rules with real processes: by UUID, subnet, release and name; a device that no rule fits waits in view, one
whose rule asks for approval waits for an operator; explain says the same as the worker did."""
import json
import pathlib
import tempfile

import harness
from test_command import muster

RULES = """
rules:
  - name: chosen
    uuids_file: {uuids}
    profile: special
    tags: [vip, floor-3]
    wave: first
  - name: asked
    subnets: [127.16.0.2/32]
    approve: true
    profile: special
  - name: lab
    subnets: [127.16.0.0/29]
    domains: [corp.example.com]
"""
MISTAKES = {
    "rules: [{name: a, subnets: [10.1/16]}]": ":1:29: rules[0].subnets[0]: \"10.1/16\" is not a subnet",
    "rules: [{name: a}, {name: a}]": ":1:21: rules[1].name: \"a\" is the name of an earlier rule",
    "rules: [{name: a, uuids: [abc]}]": ":1:27: rules[0].uuids[0]: \"abc\" is not a UUID",
    "rules: [{name: a, amt_from: new}]": ":1:19: rules[0].amt_from: \"new\" is not a release",
    "rules: [{name: a, amt_from: 16.0, amt_before: 12.0}]": "rules[0].amt_from: \"16.0\" is not below amt_before",
    "rules: [{name: a, profile: office}]": "rule a: there is no profile \"office\"",
    "rules: [{name: a, subnet: []}]": "did you mean \"subnets\"?",
    "rules: [{name: 'a b'}]": ":1:10: rules[0].name: \"a b\" is not a name",
    "rules: [{name: a, roots: [xyz]}]": "is not the begin of a hash",
    "rules: [{name: a, sources: [ldap]}]": "is not one of import, table, hook, directory, reverse-dns",
    'rules: [{name: a, groups: ["CORP\\\\Labs"]}]': "has a domain: write the group's name alone, or its DN",
    "rules: [{name: a, groups: [Labs]}]": "rule a asks for groups: fill in the section directory",
    "rules: [{name: a, uuids_file: /absent}]": "/absent",
    "rules: []": "no rules",
}


class Rules(harness.SiteTest):
    DEVICES = 12
    SPECIAL = "extends: default\nfeatures: {kvm: false}\n"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="muster-rules-")
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        (cls.dir / "rules.yaml").write_text(RULES.format(uuids=cls.dir / "uuids"))
        (cls.dir / "uuids").write_text("# nobody yet\n")
        cls.SITE = {"devices": cls.DEVICES, "seed": 21, "profile": harness.legacy_profile(), "profiles": {"special": cls.SPECIAL},
                    "conf": {"worker": {"rules_file": str(cls.dir / "rules.yaml"), "waits": {"resolve_retry_ms": 1000}}}}
        super().setUpClass()

    def test_mistakes(self):
        file = self.dir / "bad.yaml"
        for text, says in MISTAKES.items():
            with self.subTest(text=text):
                file.write_text(text + "\n")
                with self.assertRaises(harness.SiteError) as refused:
                    self.site.muster("rules", "check", str(file))
                self.assertIn(says, str(refused.exception))

    def records(self):
        return {r["uuid"]: r for r in map(json.loads, filter(None, self.site.muster("device", "export", "--json").split("\n")))}

    def wait_reason(self, uuid, reason):
        self.wait(lambda: [j["reason"] for j in self.jobs("waiting") if j["device"] == uuid] == [reason], 60, f"{uuid} to wait: {reason}")

    def explain(self, uuid):
        return json.loads(self.site.muster("rules", "explain", uuid, "--json"))

    def test_rules(self):
        self.assertIn("3 rules, all good", self.site.muster("rules", "check"))
        self.site.start_sim()
        # 127.16.0.1 to .7 are the laboratory's (index 0 to 6); .2 asks; nobody speaks for the others.
        self.wait(lambda: self.site.status()["done"] == 6, 120, "the laboratory to be done")

        def waiting(reason):
            shown = [json.loads(self.site.muster("job", "show", r["job"], "--json")) for r in self.records().values() if r["state"] == "active"]
            return [j for j in shown if j["reason"] == reason]
        self.wait(lambda: len(waiting("no_rule")) == 5 and len(waiting("approval")) == 1, 60, "six devices to wait in view")
        asked = waiting("approval")[0]
        self.assertIn("muster job kick", asked["error"])
        explained = self.explain(asked["device"])
        self.assertEqual((explained["decision"]["rule"], explained["decision"]["approve"]), ("asked", True))
        self.assertEqual(explained["rules"][0], {"rule": "chosen", "fits": False, "why": f"uuids: {asked['device']} is not in the list"})
        lost = waiting("no_rule")[0]
        explained = self.explain(lost["device"])
        self.assertIsNone(explained["decision"])
        self.assertRegex(explained["rules"][2]["why"], r"^subnets: 127\.16\.0\.\d+ is in none of them$")

        self.site.muster("job", "kick", asked["device"])
        self.wait(lambda: self.records()[asked["device"]]["state"] == "done", 60, "the approved device to be done")
        # The operator lists one that waits; the rules are read again, and the device is asked for again by itself.
        (self.dir / "uuids").write_text(lost["device"] + "\n")
        rules = (self.dir / "rules.yaml").read_text()
        (self.dir / "rules.yaml").write_text(rules.replace("profile: special", "profile: absent", 1))
        self.site.reload()
        self.wait_reason(lost["device"], "no_profile")
        self.assertIn('its rule names profile "absent"', next(j for j in self.jobs("waiting") if j["device"] == lost["device"])["error"])
        (self.dir / "rules.yaml").write_text(rules)
        self.site.reload()
        self.site.muster("job", "kick", lost["device"])
        # That kick was for another reason: it lets the device go on neither without the wave nor without approval.
        self.wait_reason(lost["device"], "no_wave")
        self.site.muster("wave", "create", "first", "setup")
        self.wait_reason(lost["device"], "wave")
        self.site.muster("job", "kick", lost["device"])
        self.wait(lambda: self.records()[lost["device"]]["state"] == "done", 60, "the listed device to be done")
        done = self.records()
        self.assertEqual((done[lost["device"]]["profile"], done[lost["device"]]["tags"]), ("special", "vip floor-3"))
        self.assertEqual(done[asked["device"]]["profile"], "special")
        self.assertEqual({r["profile"] for r in done.values() if r["state"] == "done" and r["uuid"] not in (lost["device"], asked["device"])}, {"default"})

    def test_hello_from_a_file(self):
        folder = harness.vectors("hello")
        for file in sorted(folder.glob("*.hex"))[:40]:
            expected = json.loads(file.with_suffix(".json").read_text())
            if not expected["accept"] or expected["hello"]["version"] != 3:
                continue
            raw, root = self.dir / "hello.bin", expected["hello"]["hashes"][0]["hex"]
            raw.write_bytes(bytes.fromhex("".join(file.read_text().split())))
            rules = self.dir / "by-root.yaml"
            rules.write_text(f"rules: [{{name: r, roots: ['{root[:16]}'], profile: default}}]\n")
            done = self.site.run("muster", "rules", "explain", "--hello", str(raw), "10.0.0.1", "--json", "--config",
                                 str(self.site_with(rules)))
            self.assertEqual(json.loads(done)["decision"]["rule"], "r")
            # In hex, as decode takes it, too; the answer for people has the tags.
            rules.write_text(f"rules: [{{name: r, roots: ['{root[:16]}'], tags: [vip, lab]}}]\n")
            explain = ["muster", "rules", "explain", "--hello", str(file), "--config", str(self.site_with(rules))]
            self.assertIn("tags vip lab", self.site.run(*explain))
            with self.assertRaisesRegex(harness.SiteError, "nonsense"):
                self.site.run(*explain, "nonsense")
            return
        self.skipTest("no Hello of version 3 among the first vectors")

    def site_with(self, rules):
        """The site's configuration with other rules."""
        text = self.site.config.read_text().replace(str(self.dir / "rules.yaml"), str(rules))
        other = self.dir / "muster.yaml"
        other.write_text(text)
        return other


if __name__ == "__main__":
    harness.main()
