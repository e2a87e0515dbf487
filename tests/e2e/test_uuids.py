#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""UUIDs that are not one device's own: none at all, a vendor's placeholder, one that two addresses say Hello with. Nothing
automatic happens to them; an operator sees why, sees both addresses, and decides. SPEC: ruling 2; hello.md 3, 6.1"""
import json
import socket
import struct
import uuid

import harness

PLACEHOLDERS = ("03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
                "03020100-0504-0706-0809-0a0b0c0d0e0f")
SHARED = "5b6e8d3a-1111-4222-8333-444455556666"


def hello(text):
    """A Hello with one SHA-256 root hash."""
    return struct.pack("<HHI", 0, 3, 0) + uuid.UUID(text).bytes_le + bytes([1, 2, 32]) + bytes(range(32))


class Uuids(harness.SiteTest):
    SITE = {"devices": 1, "workers": 1, "conf": {"worker": {"devices_file": "", "default_profile": ""}}}

    def say(self, text, source):
        """True when the connection ended with FIN (accepted), False when it was reset."""
        with socket.socket() as s:
            s.settimeout(15)
            s.bind((source, 0))
            s.connect(("127.0.0.1", self.site.listener_port))
            try:
                s.sendall(hello(text))
                s.shutdown(socket.SHUT_WR)
                return s.recv(1) == b""
            except OSError:
                return False

    def device(self, text):
        return json.loads(self.site.muster("device", "show", text, "--json"))

    def job(self, text):
        return json.loads(self.site.muster("job", "show", self.device(text)["job"], "--json"))

    def test_no_uuid(self):
        before = self.status().get("jobs", 0)
        for text in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"):
            self.assertFalse(self.say(text, "127.0.60.1"), text)
        self.assertEqual(self.status().get("jobs", 0), before)

    def test_placeholders(self):
        for text in PLACEHOLDERS:
            with self.subTest(uuid=text):
                self.assertTrue(self.say(text, "127.0.60.2"))  # a job exists: an operator can see it
                job = self.job(text)
                self.assertEqual((job["state"], job["why"], job["reason"]), ("waiting", "manual", "quarantine"))
                self.assertEqual(self.device(text)["quarantine"], "placeholder_uuid")
                self.assertFalse(self.say(text, "127.0.60.3"))  # the next board with it is told no
                self.assertEqual(self.device(text)["address"], "127.0.60.2")

    def test_two_addresses(self):
        one, two = "127.0.60.4", "127.0.60.5"
        self.assertTrue(self.say(SHARED, one))
        # Nobody knows the device: its job waits, unleased.
        self.wait(lambda: self.job(SHARED)["state"] == "waiting", 60, "the job to wait")
        self.assertTrue(self.say(SHARED, two))
        self.wait(lambda: self.device(SHARED)["address"] == two, 60, "the newest address to win")
        self.wait(lambda: self.job(SHARED)["state"] == "waiting", 60, "the job to wait")
        # A, B, A; for some seconds the listener answers A by itself.
        self.wait(lambda: not self.say(SHARED, one), 60, "the third Hello to be refused")
        device = self.device(SHARED)
        self.assertEqual(device["quarantine"], "address_swing")
        self.assertEqual({device["address"], device["other_address"]}, {one, two})
        # An operator chooses; without an address nothing happens.
        refused = self.site.muster("job", "kick", SHARED, check=False)
        self.assertEqual(refused, "")
        self.assertEqual(self.device(SHARED)["quarantine"], "address_swing")
        self.site.muster("job", "kick", SHARED, one)
        device = self.device(SHARED)
        self.assertEqual((device["address"], device["quarantine"]), (one, ""))
        # Or drops it.
        self.site.muster("job", "cancel", SHARED)
        self.assertEqual(self.device(SHARED)["state"], "cancelled")


if __name__ == "__main__":
    harness.main()
