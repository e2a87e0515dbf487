#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The profile commands from outside: a schema that a foreign judge takes and that
judges as the loader does, what a release cannot do, differences, and what one device would get."""
import json
import pathlib
import re
import tempfile
import unittest

import jsonschema
import yaml

import harness
from test_command import muster

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Mistakes of form, which a schema can see: the file, and a word of what the loader says.
STRUCTURAL = {
    "power: s9": "s0, always", "featurs: {sol: true}": "did you mean", "features: [sol]": "must be a section",
    "features: {sol: maybe}": "not true or false", "tags: kiosk": "must be a list", "tls: {validity_days: 0}": "1 to 3650",
    "network: {vlan: 4095}": "0 to 4094", "acl: {users: [{name: a, role: king}]}": "not one of",
    "acl: {users: [{name: a, realms: [all]}]}": "not one of", "tls: {trusted_cns: [a, b, c, d, e]}": "at most 4",
}


class Profile(unittest.TestCase):
    def test_schema(self):
        schema = json.loads(muster("profile", "schema").stdout)
        jsonschema.Draft7Validator.check_schema(schema)
        judge = jsonschema.Draft7Validator(schema)
        for file in sorted((ROOT / "deploy/profiles").rglob("*.yaml")):
            with self.subTest(file=file.name):
                self.assertEqual([e.message for e in judge.iter_errors(yaml.safe_load(file.read_text()))], [])
        for text in STRUCTURAL:
            with self.subTest(text=text):
                self.assertFalse(judge.is_valid(yaml.safe_load(text)))


class Site(harness.SiteTest):
    BASE = harness.legacy_profile()
    OTHER = "extends: default\nfeatures: {kvm: false}\nwireless: {state: always, uefi_share: on}\nrehello: auto\n"
    SITE = {"devices": 4, "seed": 3, "profile": BASE, "profiles": {"other": OTHER}}

    def test_commands(self):
        with tempfile.TemporaryDirectory(prefix="muster-profile-") as folder:
            for text, says in STRUCTURAL.items():
                file = pathlib.Path(folder) / "p.yaml"
                file.write_text(text + "\n")
                with self.subTest(text=text):
                    with self.assertRaises(harness.SiteError):  # the exit status
                        self.site.muster("profile", "check", str(file))
                    said = json.loads(self.site.muster("profile", "check", str(file), "--json", check=False))
                    self.assertFalse(said["accept"])
                    self.assertRegex(said["findings"][0], f"^{re.escape(str(file))}:1:[0-9]+: .*{re.escape(says)}")
        for command in (["check"], ["show", "default"], ["diff", "default", "other"]):
            with self.subTest(command=command), self.assertRaises(harness.SiteError) as refused:
                self.site.muster("profile", *command, "--amt", "nonsense")
            self.assertIn("not a release of Intel AMT", str(refused.exception))
        changes = {c["key"]: (c["from"], c["to"]) for c in json.loads(self.site.muster("profile", "diff", "default", "other", "--json"))}
        self.assertEqual(changes["features.kvm"], ("true", "false"))
        self.assertEqual(changes["rehello"], ("approve", "auto"))
        self.assertEqual(set(changes), {"name", "extends", "features.kvm", "wireless.state", "wireless.uefi_share", "rehello"})
        checked = json.loads(self.site.muster("profile", "check", "--json"))
        note = "other.yaml:3:27: wireless.uefi_share: releases before AMT 16.0 have no "
        self.assertEqual(sum(note in n and "it exists from AMT 16.0 on" in n for n in checked["notes"]), 1, checked["notes"])
        sim = self.site.start_sim("--mix", "amt3=1")
        self.wait_settled(4, 120)
        uuid = json.loads(self.site.muster("device", "list", "--json"))[0]["uuid"]
        shown = json.loads(self.site.muster("profile", "show", "--for", uuid, "--json"))
        self.assertEqual(shown["features.kvm"], "not applicable: from AMT 6.0 on")
        self.assertEqual(shown["features.sol"], "true")
        self.assertEqual(json.loads(self.site.muster("profile", "list", "--json"))[1]["extends"], "default")
        sim.stop()


if __name__ == "__main__":
    harness.main()
