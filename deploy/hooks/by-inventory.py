#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Example hook of Muster: names a device from an inventory file.

Reads the device's facts as JSON on standard input, looks its UUID up in INVENTORY (a CSV with the
columns uuid,asset,site) and answers name and profile. A device that the inventory does not know
waits in view. See docs/hook.md. Of the worker's environment a hook gets what begins with MUSTER_HOOK_:
MUSTER_HOOK_INVENTORY and MUSTER_HOOK_DOMAIN say where the file is and which domain. Configure it with

    worker:
      hook: {command: "PATH/by-inventory.py", mode: json}
"""
import csv
import json
import os
import sys

INVENTORY = os.environ.get("MUSTER_HOOK_INVENTORY", "/etc/muster/inventory.csv")
DOMAIN = os.environ.get("MUSTER_HOOK_DOMAIN", "corp.example.com")


def main():
    facts = json.load(sys.stdin)
    try:
        with open(INVENTORY, newline="", encoding="utf-8") as f:
            rows = {row["uuid"].lower(): row for row in csv.DictReader(f)}
    except OSError as e:
        # Any exit status but 0 and 10 is a failure: it is shown with the job and tried again.
        print(f"inventory: {e}", file=sys.stderr)
        return 1
    row = rows.get(facts["uuid"])
    if not row:
        print(json.dumps({"wait": True, "reason": "not in the inventory"}))
        return 0
    profile = "kiosk" if row["site"] == "lobby" else "default"
    print(json.dumps({"fqdn": f"{row['asset']}.{DOMAIN}", "profile": profile}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
