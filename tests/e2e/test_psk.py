#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PSK pairs from outside: muster psk import, add, list, delete, against a site with real Redis."""
import json
import os
import pathlib
import subprocess
import tempfile

import foreign
import harness

PAIRS = """# delivered by key file
pid,pps,mebx_password
0000-037M,NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ,P@ss,w0rd

8fjbqto6,H7EGDF9FM6NTWPSYXSS2SXOYZ7BVIRPJ,
"""


class Pairs(harness.SiteTest):
    SITE = {"devices": 1, "workers": 1}

    def run_muster(self, *args, stdin=""):
        return subprocess.run([f"{self.build}/bin/muster", "--config", str(self.site.config), *args], text=True,
                              input=stdin, capture_output=True, check=False)

    def pairs(self):
        return {p["pid"]: p for p in json.loads(self.run_muster("psk", "list", "--json").stdout)}

    def csv(self, text, mode=0o600):
        fd, path = tempfile.mkstemp(suffix=".csv")
        self.addCleanup(os.unlink, path)
        with os.fdopen(fd, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def test_life_of_pairs(self):
        path = self.csv(PAIRS)
        done = self.run_muster("psk", "import", path, "--json")
        self.assertEqual(json.loads(done.stdout), {"added": 2, "kept": 0}, done.stderr)
        self.assertEqual(json.loads(self.run_muster("psk", "import", path, "--json").stdout), {"added": 0, "kept": 2})
        got = self.pairs()
        self.assertEqual(set(got), {"0000037M", "8FJBQTO6"})
        self.assertEqual((got["0000037M"]["state"], got["0000037M"]["source"]), ("free", path))
        table = self.run_muster("psk", "list").stdout
        self.assertIn("0000-037M", table)
        # The same PID with another PPS is an error, not an overwrite.
        other = self.csv("pid,pps\n0000037M,H7EGDF9FM6NTWPSYXSS2SXOYZ7BVIRPJ\n")
        done = self.run_muster("psk", "import", other)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{other}:2: PID 0000037M is stored with another PPS", done.stderr)
        # From standard input, and away again.
        self.assertEqual(self.run_muster("psk", "delete", "8FJB-QTO6").returncode, 0)
        self.assertEqual(self.run_muster("psk", "delete", "8FJB-QTO6").returncode, 1)
        done = self.run_muster("psk", "add", "8FJBQTO6", stdin="H7EGDF9FM6NTWPSYXSS2SXOYZ7BVIRPJ\nS3cret!x\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.pairs()["8FJBQTO6"]["source"], "operator")
        # Neither PPS nor password is in Redis in clear, nor in any output.
        for path in pathlib.Path(self.site.dir).rglob("*"):
            if path.is_file() and not path.is_socket():
                data = path.read_bytes()
                for secret in (b"NKLDG5DC", b"H7EGDF9F", b"P@ss,w0rd", b"S3cret!x"):
                    self.assertNotIn(secret, data, path)

    def test_refused_input(self):
        for text, words in (("0000037M,X\n", "first line"), ("pid,pps\n0000037N,X\n", "wrong check character"),
                            ("pid,pps\n0000037M,NKLDG5DC\n", "not 32 characters"), ("pid,pps\n0000037M\n", "not PID,PPS"),
                            ("pid,pps\n000_037M,X\n", "charset"), ("# nothing\n", "it is empty"),
                            ("pid,pps\n0000037M,NKLDG5DCRRNXE9YZZIJL7LFLVJED69XJ\n", "group 3")):
            with self.subTest(words=words):
                before = self.pairs()
                done = self.run_muster("psk", "import", self.csv(text))
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)
                self.assertEqual(self.pairs(), before)
        done = self.run_muster("psk", "import", self.csv(PAIRS, 0o644))
        self.assertEqual(done.returncode, 1)  # it holds secrets: nobody else may read it
        self.assertEqual(self.run_muster("psk", "add", "0000037M", stdin="").returncode, 1)
        self.assertEqual(self.run_muster("psk", "add").returncode, 64)


class Estate(harness.SiteTest):
    """Devices that were given a pair: the Hello names the PID, TLS is by PPS, the login by the password that was typed with it."""
    SITE = {"devices": 24, "profile": harness.legacy_profile()}
    OLD = ("amt3", "amt5", "amt6", "amt8", "amt10")

    def test_set_up_by_pid_and_pps(self):
        self.site.import_pairs()
        sim = self.site.start_sim("--psk", "1", "--mix", ",".join(f"{name}=1" for name in self.OLD))
        self.wait_settled(24, 120)
        sim.stop()
        report = sim.verify()
        self.assertEqual((report["provisioned"], report["violations"]), (24, 0), report["violations_list"][:3])
        handshakes = [line for line in map(json.loads, sim.ledger.read_text().splitlines())
                      if line["ev"] == "session" and line["kind"] == "setup"]
        self.assertEqual({line["suite"] for line in handshakes} & {"PSK-AES128-CBC-SHA", "PSK-AES256-CBC-SHA"},
                         {line["suite"] for line in handshakes}, "a setup session without PSK")
        pairs = json.loads(self.site.muster("psk", "list", "--json"))
        self.assertEqual(sum(pair["state"] == "used" for pair in pairs), 24)


class Unknown(harness.SiteTest):
    """Nobody imported the pairs: the jobs wait, named, for an operator."""
    SITE = {"devices": 3, "profile": harness.legacy_profile()}

    def test_waits_for_the_pair(self):
        self.site.start_sim("--psk", "1", "--mix", "amt10=1")
        self.wait_ended(3, 60)
        self.assertEqual({job["reason"] for job in self.jobs("waiting")}, {"psk_unknown_pid"})

    def test_another_library(self):
        """gnutls-cli comes to the same keys from PID and PPS; with another PPS it does not."""
        program = foreign.need("gnutls-cli")
        sim = self.site.start_sim("--psk", "1", "--mix", "amt10=1", "--first-address", "127.17.0.1")
        address = next(line["addr"] for line in map(json.loads, sim.ledger.read_text().splitlines()) if line["ev"] == "device")
        rows = [row.split(",") for row in self.site.run("muster-sim", "psk", "--devices", "3").splitlines()[1:]]
        for pps, good in ((rows[0][1], True), (rows[1][1], False)):
            done = foreign.run([program, "--pskusername", rows[0][0], "--pskkey", pps.encode().hex(), "--priority",
                                "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:-KX-ALL:+PSK:+SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
                                "-p", str(self.site.device_port), address])
            self.assertEqual("Handshake was completed" in done.stdout, good, done.stdout)
        sim.stop()


class WrongPair(harness.SiteTest):
    """The pair that was typed into one device is not the one in the table: that device alone is not configured, and why is said."""
    SITE = {"devices": 4, "profile": harness.legacy_profile(), "conf": {"worker": {"max_attempts": 3}}}

    def test_named(self):
        rows = self.site.run("muster-sim", "psk", "--devices", "4").splitlines()
        rows[1] = ",".join([rows[1].split(",")[0], *rows[2].split(",")[1:]])
        path = self.site.dir / "wrong.csv"
        path.touch(mode=0o600)
        path.write_text("\n".join(rows) + "\n")
        self.site.muster("psk", "import", str(path))
        sim = self.site.start_sim("--psk", "1", "--mix", "amt10=1")
        self.wait_settled(4, 300)
        self.assertEqual([row["reason"] for row in self.dead()], ["psk_mismatch"])
        sim.stop()
        self.assertEqual(sim.verify()["provisioned"], 3)


if __name__ == "__main__":
    harness.main()
