#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Upkeep jobs on simulated devices in service: nothing to do writes nothing, a renewed certificate and
new passwords are the ones on record, an inventory is in the record, and an unconfigured device sets
itself up again by its own Hello. The simulator's ledger is the judge at the end."""
import json

import harness

DEVICES = 12


class Upkeep(harness.SiteTest):
    SITE = {"devices": DEVICES}

    def records(self, reveal=False):
        extra = ["--reveal"] if reveal else []
        lines = self.site.muster("device", "export", "--json", *extra).split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}

    def run_jobs(self, kind, uuids, *args):
        jobs = [json.loads(self.site.muster("job", "open", kind, u, *args, "--json"))["job"] for u in uuids]

        def ended():
            shown = [json.loads(self.site.muster("job", "show", j, "--json")) for j in jobs]
            return shown if all(j["state"] in ("done", "dead") for j in shown) else None
        shown = self.wait(ended, 120, f"{kind} jobs to end")
        for job in shown:
            self.assertEqual((job["state"], job["error"]), ("done", ""), job)
        return jobs

    def wave(self, uuids):
        """A wave over all devices, canaries first, by the real broker and workers."""
        muster = self.site.muster
        muster("wave", "create", "w1", "maintain", "canary=2", "in-flight=4", "stop=50%", "for", "state=done")
        self.assertEqual(json.loads(muster("wave", "show", "w1", "--json"))["state"], "draft")
        muster("wave", "start", "w1")
        shown = self.wait(lambda: (lambda w: w if w["state"] == "done" else None)(
            json.loads(muster("wave", "show", "w1", "--json"))), 120, "the wave to end")
        self.assertEqual([shown[k] for k in ("total", "ok", "failed", "skipped", "left", "in_flight")],
                         [len(uuids), len(uuids), 0, 0, 0, 0])
        self.assertEqual({r["wave"] for r in self.records().values()}, {"w1"})

    def plan_and_apply(self, uuids):
        """One field of the profile changes: planned without a write, refused for a device that moved,
        applied, and then there is no drift."""
        site, file = self.site, str(self.site.dir / "plan.json")
        profile = site.dir / "profiles/default.yaml"
        text = profile.read_text()
        self.assertIn("web_ui: false", text)
        profile.write_text(text.replace("web_ui: false", "web_ui: true"))
        site.node.stop()
        site.start_node()
        def differing():
            return {r["device"] for r in json.loads(site.muster("plan", "--json")) if r["diff"]}
        self.assertEqual(differing(), set(uuids))
        said = site.muster("plan", "all", f"out={file}")
        self.assertIn(f"{len(uuids)} devices: {len(uuids)} differ in {len(uuids)} settings, 0 without", said)
        self.assertEqual(differing(), set(uuids), "a plan has written")
        self.run_jobs("maintain", uuids[:1])
        with self.assertRaisesRegex(harness.SiteError, "nothing is applied"):
            site.muster("apply", file)
        self.assertEqual(differing(), set(uuids[1:]), "a refused plan was applied in part")
        site.muster("plan", "all", f"out={file}")
        site.muster("apply", file)
        self.assertIn(f"{len(uuids)} devices: 0 differ", site.muster("drift", "state=done"))

    def test_life(self):
        sim = self.site.start_sim()
        self.wait_settled(DEVICES, 120)
        before = self.records(reveal=True)
        uuids = sorted(before)
        self.assertEqual({r["state"] for r in before.values()}, {"done"})

        self.run_jobs("maintain", uuids)
        writes = [e for e in json.loads(self.site.muster("events", "--json", "--limit", "100000"))
                  if e["event"] == "secret"]
        self.run_jobs("renew", uuids)
        renewed = self.records(reveal=True)
        for u in uuids:
            self.assertNotEqual(renewed[u]["cert_fp"], before[u]["cert_fp"])
            self.assertEqual(renewed[u]["admin_password"], before[u]["admin_password"])
        # Each old certificate is on the list of revoked ones, as superseded.
        self.assertEqual(json.loads(self.site.muster("ca", "show", "--json"))["revoked"], DEVICES)
        self.assertEqual(writes, [e for e in json.loads(self.site.muster("events", "--json", "--limit", "100000"))
                                  if e["event"] == "secret"], "only a rotation touches secrets")

        self.run_jobs("rotate", uuids)
        rotated = self.records(reveal=True)
        for u in uuids:
            self.assertNotEqual(rotated[u]["admin_password"], before[u]["admin_password"])
            self.assertEqual(rotated[u]["previous_admin_password"], before[u]["admin_password"])
            # The simulated firmware lets MEBx be set over the network once only: 16 is no failure.
            self.assertEqual(rotated[u]["mebx_password"], before[u]["mebx_password"])
        self.run_jobs("maintain", uuids)

        self.run_jobs("inventory", uuids[:2])
        self.assertIn("AMT_SetupAndConfigurationService.ProvisioningState\t2",
                      self.records()[uuids[0]]["inventory"])

        self.wave(uuids)
        self.plan_and_apply(uuids)
        with self.assertRaises(harness.SiteError) as refused:  # a kind without a plan is never handed to a worker
            self.site.muster("job", "open", "adopt", uuids[0])
        self.assertIn("no kind of upkeep job", str(refused.exception))

        gone, full = uuids[0], uuids[1]
        self.run_jobs("unconfigure", [gone])
        self.run_jobs("unconfigure", [full], "full")
        revoked = json.loads(self.site.muster("ca", "show", "--json"))["revoked"]
        self.assertEqual(revoked, DEVICES + 2)
        self.wait(lambda: {self.records()[u]["state"] for u in (gone, full)} == {"done"}, 120,
                  "the unconfigured devices to be set up again")
        again = self.records()
        self.assertEqual([again[gone]["gen"], again[full]["gen"], again[uuids[2]]["gen"]], [2, 2, 1])
        self.run_jobs("maintain", uuids)
        sim.stop()
        report = sim.verify()
        self.assertEqual(report["violations"], 0, [(v["fqdn"], v["rule"], v["text"]) for v in report.get("violations_list", [])])


if __name__ == "__main__":
    harness.main()
