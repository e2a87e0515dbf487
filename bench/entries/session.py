# SPDX-License-Identifier: Apache-2.0
"""What the worker spends on one provisioning, by the ways a setup session can begin."""
import dataclasses

from estate import Site, SiteError, legacy_profile, wait_for
from figures import Row, missing
from measure import Used, discard, evidence, personalities, session_floor, settled

NAME = "session"
WHAT = "worker CPU per full provisioning, by the way the setup session begins"
LIMIT = "session_floor: the same handshakes, exchanges and signatures over loopback TCP with nothing around them"
LIMITED_BY = ("public-key operations in OpenSSL (a third), memory allocation in expat and OpenSSL (a fifth), system calls (a fifth). "
              "Three connections and not two, because a device closes after the 401 that the first request with a new password draws.")
TIMEOUT_S = 180


@dataclasses.dataclass
class Variant:
    """A way to begin: which devices, which floor, how many of them."""
    title: str
    floor: str
    devices: int
    mix: str               # a personality
    key_bits: int = 2048
    target: float | None = None
    psk: bool = False      # set up by PID and PPS
    repeats: int = 1       # the best of so many counts: neighbours on the machine only ever add


VARIANTS = [
    Variant("classic RSA 2048", "rsa2048", 400, "amt16", target=2.0, repeats=2),
    Variant("provisioning key RSA 3072", "rsa3072", 150, "amt16", key_bits=3072, target=2.0),
    Variant("PSK setup", "psk", 150, "amt10", psk=True),
    Variant("on-die chain of 4", "ondie4", 150, "amt16ondie"),
    Variant("on-die chain of 6", "ondie6", 150, "amt19"),
]


def measure(ctx, variant):
    """(CPU us per provisioning by role, exchanges, connections, provisioned)"""
    site = Site(ctx.build, devices=variant.devices, listeners=1, workers=1, provisioning_bits=variant.key_bits,
                profile=legacy_profile() if variant.psk else None)
    try:
        site.start()
        if variant.psk:
            site.import_pairs()
        used = Used(site, "worker", "ca", "redis", "broker")
        sim = site.start_sim("--mix", f"{variant.mix}=1", *(("--psk", "1") if variant.psk else ()))
        wait_for(lambda: settled(site, "done", "dead") >= variant.devices, TIMEOUT_S, f"{variant.devices} devices", tick=0.5)
        us = used.us(per=variant.devices)
        sim.stop()
        report = sim.verify()
        seen = evidence(sim.ledger)
    finally:
        discard(site)
    if report["provisioned"] < variant.devices * 0.9:
        raise SiteError(f"only {report['provisioned']} of {variant.devices} were provisioned")
    return us, round(seen.requests / variant.devices), round(seen.connections / variant.devices), report["provisioned"]


def rows_of(ctx, variant):
    if variant.mix not in personalities():
        return [missing(variant.title, f"no personality {variant.mix} in the simulator")]
    best, floors = None, {0: [], 1: []}
    for _ in range(variant.repeats):
        try:
            us, exchanges, connections, done = measure(ctx, variant)
        except SiteError as e:
            return [missing(variant.title, str(e).split("\n", maxsplit=1)[0])]
        if not best or us["worker"] < best["worker"]:
            best = us
        for signatures, found in floors.items():
            found.append(session_floor(ctx, exchanges, connections, signatures, variant.floor)["cpu_us_per_session"])
    note = (f"{done} of {variant.devices} provisioned, {exchanges} exchanges and {connections} connections each; "
            f"CPU us per provisioning elsewhere: CA {best['ca']:.0f}, Redis {best['redis']:.0f}, broker {best['broker']:.0f}")
    return [Row(f"{variant.title}: worker and CA", best["worker"] + best["ca"], "us", min(floors[1]), "floor with one CA signature",
                variant.target, note=note),
            Row(f"{variant.title}: worker alone", best["worker"], "us", min(floors[0]), "floor without the signature")]


def run(ctx):
    return [row for variant in VARIANTS for row in rows_of(ctx, variant)]
