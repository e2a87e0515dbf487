#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MeshCentral against simulated devices, with nothing of ours on the server's side: its bare-metal server
provisions 50 of them, the judge looks at what they saw. And the other way round: its AMT stack reads a device
that our worker has provisioned. What it needs and why: bench/peer/README.md."""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "bench"), str(ROOT / "bench/peer")]
import harness  # noqa: E402
import meshcentral  # noqa: E402
from estate import SiteError, wait_for  # noqa: E402
from peer import Estate  # noqa: E402

DEVICES, SEED = 50, 11
CALLS = 23  # of the setup session: spec/wsman.md and the recorded sequence say the same
FINISH_S = 300
# Releases that the server can set up: TLS 1.2 with RSA key exchange, clear ports that may be opened.
ESTATE = ["--named", "--mix", "amt12=0.3,amt14=0.3,amt15=0.4", "--first-address", "127.78.0.1", "--latency", "lognormal:5:0.5"]
GONE_S = 120


def server(*repairs):
    try:
        return meshcentral.MeshCentral(repairs)
    except meshcentral.Unavailable as e:
        raise unittest.SkipTest(str(e)) from e


def lines(ledger, ev):
    with open(ledger, encoding="utf-8") as f:
        return [line for line in map(json.loads, f) if line["ev"] == ev]


class BareMetalServer(unittest.TestCase):
    def provision(self, devices, *repairs, options=ESTATE, until=None):
        """Run a server and an estate until every device is configured; then until(server), if any."""
        mc = server(*repairs)
        self.addCleanup(mc.remove)
        self.addCleanup(mc.stop)
        mc.start()
        estate = Estate(harness.SiteTest.build, mc, devices, SEED, options)
        try:
            estate.wait(lambda p: p["configured"] >= devices, FINISH_S, f"{devices} devices to be configured")
            wait_for(lambda: len(mc.activations()) >= devices, FINISH_S, "the server's own log of activations")
            if until:
                wait_for(lambda: until(mc), FINISH_S, "the management that follows")
        finally:
            estate.stop()
        return mc, estate

    def setup_sessions(self, estate):
        setup = {s["s"] for s in lines(estate.ledger, "session") if s["kind"] == "setup"}
        return [c["requests"] for c in lines(estate.ledger, "close") if c["s"] in setup]

    def test_as_published_but_for_the_chain(self):
        """50 of 50 are configured; the one thing that the judge finds is the password in the wrong form."""
        mc, estate = self.provision(DEVICES, "chain-order")
        report = estate.verify()
        self.assertEqual(report["provisioned"], DEVICES, report)
        rules = collections.Counter(v["rule"] for v in report["violations_list"])
        self.assertEqual(rules, {"default_password": DEVICES})
        answers = [c["rv"] for c in lines(estate.ledger, "call") if c["call"].endswith(".SetAdminAclEntryEx")]
        self.assertEqual(answers, [2054] * DEVICES)  # INVALID_PASSWORD; the server does not look
        self.assertEqual(self.setup_sessions(estate), [CALLS] * DEVICES)
        self.assertEqual(lines(estate.ledger, "refuse"), [])

    def test_with_the_password_in_its_form(self):
        """50 of 50, no violation: the recorded password opens each device, each certificate is of the authority
        that the server was given, and MeshCentral goes on to manage all of them; what it tries that may not be is refused."""
        mc, estate = self.provision(DEVICES, "chain-order", "password-form",
                                    until=lambda mc: mc.text("server.log").count(" Done.\n") >= DEVICES)
        records = mc.dir / "records.jsonl"
        records.write_text("".join(json.dumps({"uuid": a["amtUuid"], "admin_password": a["pass"]}) + "\n" for a in mc.activations()))
        report = estate.verify("--records", str(records), "--ca-bundle", str(mc.device_ca))
        self.assertEqual(report["violations_list"], [])
        self.assertEqual((report["accepted"], report["unknown_records"]), (DEVICES, 0))
        self.assertEqual(sum(f["state"] == 2 for f in lines(estate.ledger, "final")), DEVICES)
        self.assertEqual(self.setup_sessions(estate), [CALLS] * DEVICES)
        # Its clean-up deletes every certificate and relies on the device to keep the one that is bound.
        refused = collections.Counter((c["call"], c.get("fault")) for c in lines(estate.ledger, "call") if "fault" in c or c.get("rv"))
        self.assertEqual(refused, {("AMT_PublicKeyCertificate.Delete", "AccessDenied"): DEVICES})

    def test_ends_at_the_first_hello_without_the_preload(self):
        """Why the preload must be: the release as it is gives its chain to TLS root first."""
        mc = server()
        self.addCleanup(mc.remove)
        self.addCleanup(mc.stop)
        mc.start()
        estate = Estate(harness.SiteTest.build, mc, 1, SEED, ESTATE)
        try:
            wait_for(lambda: not mc.alive(), GONE_S, "the server to end")
        except SiteError:
            pass  # it caught the exception: what counts is that nothing was provisioned
        finally:
            estate.stop()
        self.assertIn("key values mismatch", mc.text("server.log"))
        self.assertEqual(estate.verify()["provisioned"], 0)


class AmtStack(harness.SiteTest):
    """MeshCentral's client modules read devices that our worker provisioned."""

    SITE = {"devices": 3, "seed": SEED, "listeners": 1, "workers": 1}
    CLASSES = ["*AMT_GeneralSettings", "*AMT_SetupAndConfigurationService", "*AMT_RedirectionService", "*IPS_HostBasedSetupService",
               "CIM_SoftwareIdentity", "AMT_TLSSettingData", "AMT_TLSCredentialContext", "AMT_PublicKeyCertificate",
               "AMT_PublicPrivateKeyPair", "AMT_EthernetPortSettings", "*CIM_KVMRedirectionSAP", "*IPS_OptInService",
               "AMT_SystemPowerScheme", "*AMT_TimeSynchronizationService"]

    def read(self, device, password):
        """{class: {status, response or responses}} by MeshCentral's amt-wsman-comm, amt-wsman and amt."""
        package = self.package()
        done = subprocess.run(["node", str(ROOT / "tests/foreign/read_device.js"), str(package), device["addr"],
                               str(self.site.device_port), *self.CLASSES], input=password, capture_output=True, text=True, timeout=180,
                              check=False, env=meshcentral.clean_environment(()))
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        return json.loads(done.stdout)

    @staticmethod
    def package():
        try:
            return meshcentral.install()
        except meshcentral.Unavailable as e:
            raise unittest.SkipTest(str(e)) from e

    def test_reads_what_was_set(self):
        self.package()
        sim = self.site.start_sim("--mix", "amt12=0.4,amt15=0.6")
        self.assertEqual(self.wait_settled(3, FINISH_S)["done"], 3)
        export = self.site.muster("device", "export", "--json", "--reveal")
        records = {r["uuid"]: r for r in map(json.loads, filter(None, export.split("\n")))}
        for device in lines(sim.ledger, "device"):
            with self.subTest(device=device["fqdn"], amt=device["amt"]):
                self.compare(device, records[device["d"]])

    def compare(self, device, record):
        got = self.read(device, record["admin_password"])
        self.assertEqual({name: r["status"] for name, r in got.items() if r["status"] != 200}, {})
        self.assertEqual(got["#realm"]["response"], record["realm"])
        general = got["AMT_GeneralSettings"]["response"]
        self.assertEqual(f"{general['HostName']}.{general['DomainName']}", device["fqdn"])
        self.assertEqual(general["DigestRealm"], record["realm"])
        self.assertTrue(general["PingResponseEnabled"])
        self.assertEqual(got["AMT_SetupAndConfigurationService"]["response"]["ProvisioningState"], 2)
        redirection = got["AMT_RedirectionService"]["response"]
        self.assertEqual((redirection["EnabledState"], redirection["ListenerEnabled"]), (32771, True))
        software = {s["InstanceID"]: s["VersionString"] for s in got["CIM_SoftwareIdentity"]["responses"]}
        self.assertTrue(got["#version"]["response"].startswith(software["AMT"].rsplit(".", 1)[0]), (got["#version"], software))
        remote = [s for s in got["AMT_TLSSettingData"]["responses"] if s["InstanceID"] == "Intel(r) AMT 802.3 TLS Settings"]
        self.assertEqual([s["Enabled"] for s in remote], [True])
        # The certificate in the store is the recorded one, is bound, and is what the port shows.
        context = got["AMT_TLSCredentialContext"]["responses"]
        self.assertEqual(len(context), 1)
        bound = context[0]["ElementInContext"]["ReferenceParameters"]["SelectorSet"]["Selector"]["Value"]
        [leaf] = [c for c in got["AMT_PublicKeyCertificate"]["responses"] if c["InstanceID"] == bound]
        self.assertEqual(leaf["#sha256"], record["cert_fp"])
        self.assertEqual(got["#peer"]["response"], record["cert_fp"])
        self.assertIn(f"CN={device['fqdn']}", leaf["Subject"])
        self.assertGreaterEqual(len(got["AMT_PublicPrivateKeyPair"]["responses"]), 1)
        self.assertEqual(got["CIM_KVMRedirectionSAP"]["response"]["EnabledState"], 2)
        self.assertEqual(got["IPS_OptInService"]["response"]["OptInRequired"], 1)


if __name__ == "__main__":
    harness.main()
