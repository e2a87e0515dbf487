# SPDX-License-Identifier: Apache-2.0
"""What the listener spends on a Hello."""
from figures import Row
from measure import Intake, Used, flood, hello_floor

NAME = "hello"
WHAT = "CPU of the listener per Hello that it takes"
LIMIT = "hello_floor, a bare accept-read-close loop under the same flood"
LIMITED_BY = "the kernel's accept and close. What is ours is the parser, a bus message for 16 Hellos and the orderly close."
COUNT = 60000


def run(ctx):
    bare, bare_flood = hello_floor(ctx, COUNT)
    with Intake(ctx.build) as site:
        used = Used(site, "listener")
        got = flood(ctx, site.listener_port, COUNT)
        us = used.us(per=COUNT)["listener"]
    return [Row("listener CPU per Hello", us, "us", bare, "bare accept-read-close loop", 1.5,
                note=f"{COUNT} Hellos of 841 bytes, {got['accepted']} accepted, {1e6 / us:.0f} per CPU second; "
                     f"bare loop {bare_flood['accepted_per_s']}/s")]
