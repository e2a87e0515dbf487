#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every generation of the simulated estate comes to its right end with our worker: configured, or
refused for the reason that the data of the generation gives. SPEC: tls.md 2, 3, 5.4, 6; README 29-31"""
import json
import unittest

import harness

# What the worker can do with the chain of the site (RSA 2048, SHA-256) when legacy is allowed.
OLD = ["amt3", "amt4", "amt5", "amt6", "amt7", "amt8", "amt9", "amt10", "amt11early"]
SHA1_REQUEST = ["amt11sha1"]
MODERN = ["amt11", "amt12", "amt14", "amt15", "amt15ondie", "amt16", "amt16ondie", "amt16std", "amt18", "amt19", "amt20",
          "amt21"]
STRONG_CHAIN = ["amt22"]  # wants RSA 3072 and SHA-384: the second chain of the site
ALL = OLD + SHA1_REQUEST + MODERN + STRONG_CHAIN
EACH = 5  # on average: the seed decides


class Generations(harness.SiteTest):
    SITE = {"devices": EACH * len(ALL), "seed": 11, "profile": harness.legacy_profile(), "strong_chain": True, "conf": {"worker": {"max_attempts": 3}}}
    configured, refused = ALL, []

    def test_each_comes_to_its_right_end(self):
        devices = self.SITE["devices"]
        sim = self.site.start_sim("--mix", ",".join(f"{name}=1" for name in ALL))
        self.wait_settled(devices, 300)
        dead = {row["uuid"]: row for row in self.dead()}
        sim.stop()
        lines = [json.loads(line) for line in sim.ledger.read_text().splitlines()]
        release = {line["d"]: line["amt"] for line in lines if line.get("amt")}
        self.assertEqual(len(release), devices)
        for uuid, name in sorted(release.items(), key=lambda item: item[1]):
            with self.subTest(release=name, uuid=uuid):
                self.assertEqual(uuid in dead, name in self.refused, dead.get(uuid))
                if uuid in dead:
                    self.assertRegex(dead[uuid]["error"], self.reason(name))
        self.assertEqual(set(release.values()), set(ALL), "the seed leaves a generation out")

    def reason(self, name):
        del name
        return "refused after our certificate was sent"


class LegacyOff(Generations):
    """The same estate with the profile as delivered and one chain: what needs an old version or SHA-1 is refused by name."""
    SITE = {**Generations.SITE, "profile": None, "strong_chain": False}
    configured, refused = MODERN, OLD + SHA1_REQUEST + STRONG_CHAIN

    def reason(self, name):
        return super().reason(name) if name in STRONG_CHAIN else "legacy"


if __name__ == "__main__":
    harness.main()
