#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""openssl s_client, unmodified, against devices in setup: each release shows the versions, suites and certificates that
its data names, demands a certificate, and refuses what it does not have. No server of ours takes part."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import harness
from estate import free_port

NO_CERTIFICATE = "alert handshake failure"  # what a device says to a console without our provisioning certificate
# generation, options of s_client -> words of its report; None = no session comes about
TABLE = [
    ("amt12", ["-tls1_2"], r"TLSv1\.2, Cipher is AES128-GCM-SHA256", 1),
    ("amt12", ["-tls1_2", "-cipher", "ECDHE+AESGCM"], None, 0),
    ("amt12", ["-tls1_3"], None, 0),
    ("amt16", ["-tls1_2"], r"TLSv1\.2, Cipher is ECDHE-RSA-AES128-GCM-SHA256", 1),
    ("amt16", ["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], None, 0),
    ("amt16", ["-tls1_3"], None, 0),
    ("amt15ondie", ["-tls1_2"], r"TLSv1\.2, Cipher is ECDHE-ECDSA-", 4),
    ("amt19", ["-tls1_2"], r"TLSv1\.2, Cipher is ECDHE-ECDSA-", 6),
    ("amt21", ["-tls1_3"], r"TLSv1\.3, Cipher is TLS_AES_256_GCM_SHA384", 6),
    ("amt8", ["-tls1", "-cipher", "ALL@SECLEVEL=0"], r"Cipher is AES256-SHA", 1),
    ("amt8", ["-tls1_2"], None, 0),
]


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="muster-openssl-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / "root.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", os.devnull, "-out", str(self.root),
                        "-subj", "/CN=A root", "-days", "3"], check=True, capture_output=True)

    def device(self, generation):
        """One device in setup; the port where it waits."""
        port = free_port(before=1, after=2)
        sim = subprocess.Popen([f"{harness.SiteTest.build}/bin/muster-sim", "run", "--devices", "1", "--mix", f"{generation}=1", "--port",
                                str(port), "--roots", str(self.root)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

        def stop():
            sim.terminate()
            sim.stdout.close()
            sim.wait(30)
        self.addCleanup(stop)
        self.assertIn("sim.ready", sim.stdout.readline())
        return port

    def test_each_release_shows_its_data(self):
        for generation, options, words, certificates in TABLE:
            with self.subTest(generation, options=options):
                port = self.device(generation)
                done = subprocess.run(["openssl", "s_client", "-connect", f"127.16.0.1:{port}", "-showcerts", *options],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      timeout=60, check=False)
                if words is None:
                    self.assertIn("Cipher is (NONE)", done.stdout)
                    continue
                self.assertRegex(done.stdout, words)
                self.assertEqual(len(re.findall("BEGIN CERTIFICATE", done.stdout)) - self.own_copy(done.stdout), certificates)
                self.assertRegex(done.stdout, "Client Certificate Types: RSA sign|Requested Signature Algorithms")

    @staticmethod
    def own_copy(text):
        """s_client may show the leaf once more below "Server certificate"."""
        return len(re.findall(r"Server certificate\n-----BEGIN", text))

    def test_a_console_without_certificate_is_refused(self):
        port = self.device("amt12")
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.16.0.1:{port}", "-tls1_2"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.assertIn(NO_CERTIFICATE, done.stdout)
        self.assertIn("Secure Renegotiation IS supported", done.stdout)


if __name__ == "__main__":
    harness.main()
