#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: 1,000 devices, the ledger closes, nothing stays behind; and once with
chaos. MUSTER_CHAOS_SEEDS=1,2,3,4,5 runs more seeds."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import harness

REPORT_KEYS = ("devices hellos_sent accepted provisioned failed lost doubled violations elapsed_s provisions_per_s "
               "hello_to_done_ms worker_cpu_ms_per_provision listener_cpu_us_per_hello broker_cpu_us_per_job peak_rss_kb")


class Demo(unittest.TestCase):
    def demo(self, *args):
        with tempfile.TemporaryDirectory() as tmp:
            report = pathlib.Path(tmp) / "report.json"
            done = subprocess.run([sys.executable, str(harness.ROOT / "bench/demo.py"), "--build", harness.SiteTest.build,
                                   "--report", str(report), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, stdin=subprocess.DEVNULL, env={**os.environ, "TMPDIR": tmp}, check=False)
            left = [p.name for p in pathlib.Path(tmp).iterdir() if p != report]
            self.assertEqual(done.returncode, 0, done.stdout[-4000:])
            self.assertEqual(left, [], "the demo leaves its temporary folder behind")
            return json.loads(report.read_text())

    def check(self, report, devices):
        self.assertEqual([k for k in REPORT_KEYS.split() if k not in report], [])
        self.assertEqual({k: report[k] for k in ("devices", "provisioned", "failed", "lost", "doubled", "violations")},
                         {"devices": devices, "provisioned": devices, "failed": 0, "lost": 0, "doubled": 0, "violations": 0})
        self.assertLessEqual({"p50", "p95", "p99"}, set(report["hello_to_done_ms"]))

    def test_thousand_devices(self):
        self.check(self.demo("--devices", "1000"), 1000)

    def test_chaos(self):
        for seed in os.environ.get("MUSTER_CHAOS_SEEDS", "1").split(","):
            with self.subTest(seed=seed):
                report = self.demo("--chaos", "--seed", seed)
                self.check(report, 500)
                self.assertEqual(report["kills"]["redis"], 2)
                self.assertGreaterEqual(sum(report["kills"].values()), 15)


if __name__ == "__main__":
    harness.main()
