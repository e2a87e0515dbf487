# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: a command line, a running site, vectors, visible skips.

Each test file is a program of its own: python3 tests/e2e/test_x.py --build build/release. Tests
whose data is absent say so and are counted as skipped by tests/run.py."""
import argparse
import json
import os
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from estate import Site, SiteError, legacy_profile, openssl, wait_for  # noqa: E402,F401

VECTORS = pathlib.Path(os.environ.get("MUSTER_VECTORS", ROOT.parent / "shared/vectors"))


class SiteTest(unittest.TestCase):
    """A test with one running site for the whole class. SITE: keyword arguments of Site."""

    SITE = {}
    build = "build/release"

    @classmethod
    def setUpClass(cls):
        cls.site = Site(cls.build, **cls.SITE)
        try:
            cls.site.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.site.stop()
        cls.site.remove()

    def wait(self, condition, seconds, what):
        return wait_for(condition, seconds, what, tick=0.05)

    def reload(self):
        """Profiles and rules are other ones now: every worker reads them."""
        log = self.site.dir / "node.log"
        read = re.compile(r'"worker\.reload".*?"ok":(true|false)')
        before = len(read.findall(log.read_text()))
        workers = [role for _, role in self.site.children()].count("worker")
        self.site.reload()
        self.wait(lambda: len(read.findall(log.read_text())) >= before + workers, 30, "every worker to have read the profiles")
        self.assertNotIn("false", read.findall(log.read_text())[before:], "a profile is refused: " + self.site.tail("node.log"))

    def status(self):
        return self.site.status() or {}

    def jobs(self, state=None):
        args = ["--state", state] if state else []
        return json.loads(self.site.muster("job", "list", "--json", *args))

    def dead(self):
        return json.loads(self.site.muster("dead", "list", "--json"))

    def wait_settled(self, devices, seconds):
        """Until every device has its result; returns the counts."""
        def settled():
            s = self.status()
            return s if s.get("done", 0) + s.get("dead", 0) >= devices else None
        return self.wait(settled, seconds, f"{devices} devices to be done or dead")

    def wait_ended(self, jobs, seconds):
        """Until that many jobs exist and each is done, dead or waiting for an operator."""
        def ended():
            s = self.status()
            over = s.get("done", 0) + s.get("dead", 0) + s.get("waiting", 0)
            return s if over >= jobs and not s.get("ready", 0) and not s.get("leased", 0) else None
        return self.wait(ended, seconds, f"{jobs} jobs to end; status {self.status()}")


def vectors(*parts):
    """A folder of test data; where it is absent the test counts as skipped."""
    path = VECTORS.joinpath(*parts)
    if not path.exists():
        raise unittest.SkipTest(f"{'/'.join(parts)} of the vectors is absent (MUSTER_VECTORS)")
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    args, rest = parser.parse_known_args()
    SiteTest.build = args.build
    unittest.main(argv=[sys.argv[0], "-v", *rest])
