# SPDX-License-Identifier: Apache-2.0
"""Each function of the store, by durability."""
from figures import Row
from measure import store_costs

NAME = "store"
WHAT = "Redis CPU per call of each function of the store, with the disk synced always (strict) and once a second (fast)"
LIMIT = "the same function with durability fast; for a whole provisioning in fast: as many SETs of 500 bytes"
LIMITED_BY = "Lua and the commands in it, one line in the append-only file; strict adds the sync, which calls in the same turn of Redis share."
COUNT = 6000
REPEATS = 2
# Calls of one provisioning, those of the default profile.
PROVISIONING = {"admit": 1, "claim": 1, "begin": 1, "step": 10, "step secret ahead": 1, "step secret promote": 1, "finish": 1}
OTHERS = ("renew", "fail", "park", "release")


def best_of(ctx, durability):
    """The cheapest of a few runs, by function."""
    runs = [store_costs(ctx, durability, COUNT) for _ in range(REPEATS)]
    return {name: min((r[name] for r in runs), key=lambda f: f["redis_us"]) for name in runs[0]}


def run(ctx):
    fast, strict = (best_of(ctx, durability) for durability in ("fast", "strict"))
    rows = [Row(f"{name}, strict", strict[name]["redis_us"], "us", fast[name]["redis_us"], "the same, fast", watch=False,
                note=f"per second: {strict[name]['per_s']:,} strict, {fast[name]['per_s']:,} fast; client {strict[name]['client_us']:.1f} us")
            for name in (*PROVISIONING, *OTHERS)]
    whole = {d: sum(n * costs[name]["redis_us"] for name, n in PROVISIONING.items()) for d, costs in (("fast", fast), ("strict", strict))}
    calls = sum(PROVISIONING.values())
    return rows + [
        Row("a whole provisioning, fast", whole["fast"], "us", calls * fast["SET"]["redis_us"], f"{calls} SETs of 500 bytes, fast",
            note=f"{1e6 / whole['fast']:.0f} provisionings per second from one core of Redis"),
        Row("a whole provisioning, strict", whole["strict"], "us", whole["fast"], "the same, fast",
            note=f"{1e6 / whole['strict']:.0f} provisionings per second from one core of Redis")]
