# SPDX-License-Identifier: Apache-2.0
"""Each function of the store, by durability."""
from figures import Row
from measure import store_costs

NAME = "store"
WHAT = "Redis CPU per call of each function of the store, with the disk synced always (strict) and once a second (fast)"
LIMIT = "the same function with durability fast; for fast: Redis' own SET of the same size"
LIMITED_BY = "Lua and the commands in it, one line in the append-only file; strict adds the sync, which calls in the same turn of Redis share."
COUNT = 12000
# What a provisioning calls; the others are in the report without being compared.
REGULAR = ("admit", "claim", "begin", "step", "step secret ahead", "step secret promote", "renew", "finish", "fail", "park", "release")


def run(ctx):
    fast, strict = (store_costs(ctx, durability, COUNT) for durability in ("fast", "strict"))
    rows = []
    for name in REGULAR:
        f, s = fast[name], strict[name]
        rows.append(Row(f"{name}, strict", s["redis_us"], "us", f["redis_us"], "the same, fast",
                        note=f"per second: {s['per_s']:,} strict, {f['per_s']:,} fast; client {s['client_us']:.1f} us"))
    set_us = fast["SET"]["redis_us"]
    rows += [Row(f"{name}, fast", fast[name]["redis_us"], "us", set_us, "SET of 500 bytes, fast") for name in REGULAR]
    return rows
