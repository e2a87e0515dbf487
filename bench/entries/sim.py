# SPDX-License-Identifier: Apache-2.0
"""What the simulator spends: a load generator must not be what is measured."""
from estate import Site, wait_for
from figures import Row
from measure import Used, discard, evidence, session_floor, settled

NAME = "sim"
WHAT = "CPU of muster-sim per provisioning of its devices"
LIMIT = "the device's side of session_floor: the same handshakes and exchanges with nothing around them"
LIMITED_BY = "the device's half of the public-key work (RSA signatures, 1.3 times the worker's half), XML both ways, the ledger."
DEVICES = 600


def run(ctx):
    site = Site(ctx.build, devices=DEVICES, listeners=1, workers=1)
    try:
        site.start()
        sim = site.start_sim()
        started = Used(site, "sim")
        wait_for(lambda: settled(site, "done", "dead") >= DEVICES, 180, f"{DEVICES} devices", tick=0.2)
        us = started.us(per=DEVICES)["sim"]
        sim.stop()
        seen = evidence(sim.ledger)
    finally:
        discard(site)
    exchanges, connections = round(seen.requests / DEVICES), round(seen.connections / DEVICES)
    floor = session_floor(ctx, exchanges, connections)["device_us_per_session"]
    return [Row("simulator CPU per provisioning", us, "us", floor, "device side of the floor", 1.5,
                note=f"{exchanges} exchanges, {connections} connections, the Hello included")]
