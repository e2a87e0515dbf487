#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hellos through the real listener and broker into Redis: real captures become jobs, malformed ones
become nothing, and neither slow nor idle connections keep a device out."""
import json
import socket
import threading
import time

import harness

# Ten thousand idle connections need as many descriptors on both sides.
IDLE = 10000
RSS_LIMIT_KB = 200 * 1024


def send(port, data, source=None, pause=0.0, step=None):
    """One connection: send (in steps), half-close, read; True when it ended with FIN."""
    s = socket.socket()
    s.settimeout(15)
    if source:
        s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    try:
        step = step or max(len(data), 1)
        for i in range(0, len(data), step):
            s.sendall(data[i:i + step])
            if pause:
                time.sleep(pause)
        s.shutdown(socket.SHUT_WR)
        return s.recv(1) == b""
    except OSError:
        return False
    finally:
        s.close()


class Hello(harness.SiteTest):
    SITE = {"devices": 20, "listeners": 1, "conf": {
        "listener": {"max_connections": 15000, "max_per_source": 15000, "message_timeout_ms": 4000},
        "worker": {"devices_file": "", "default_profile": ""}}}

    def test_captures_become_jobs(self):
        hello = harness.vectors("hello")
        for file in sorted(hello.glob("real-*.hex")):
            with self.subTest(file=file.name):
                expected = json.loads(file.with_suffix(".json").read_text())["hello"]
                self.assertTrue(send(self.site.listener_port, bytes.fromhex(file.read_text().strip()), "127.0.50.1", step=100))
                device = json.loads(self.site.muster("device", "show", expected["uuid"], "--json"))
                self.assertEqual(device["uuid"], expected["uuid"])
                self.assertEqual(device["address"].split(":")[0], "127.0.50.1")
                job = json.loads(self.site.muster("job", "show", device["job"], "--json"))
                self.assertEqual(job["device"], expected["uuid"])

    def test_malformed_become_nothing(self):
        hello = harness.vectors("hello")
        before = self.status().get("jobs", 0)
        for file in sorted(hello.glob("bad-*.hex")):
            with self.subTest(file=file.name):
                self.assertFalse(send(self.site.listener_port, bytes.fromhex(file.read_text().strip()), "127.0.50.2"))
        self.assertEqual(self.status().get("jobs", 0), before)

    def test_idle_and_slow_connections(self):
        """Real devices are served while ten thousand connections idle and others send a byte a time."""
        hello = harness.vectors("hello")
        good = bytes.fromhex((hello / "pki-one-sha1.hex").read_text().strip())
        idle = []
        try:
            for i in range(IDLE):
                s = socket.socket()
                s.bind((f"127.1.{i // 250}.{i % 250 + 1}", 0))
                s.connect(("127.0.0.1", self.site.listener_port))
                if i % 2:
                    s.send(good[:3])
                idle.append(s)
            slow = threading.Thread(target=send, args=(self.site.listener_port, good, "127.0.50.4", 0.2, 1))
            slow.start()
            self.assertTrue(send(self.site.listener_port, good, "127.0.50.3"))
            self.site.sample()
            self.assertLess(self.site.usage.rss_kb["listener"], RSS_LIMIT_KB)
            slow.join()
        finally:
            for s in idle:
                s.close()


if __name__ == "__main__":
    harness.main()
