# SPDX-License-Identifier: Apache-2.0
"""What the worker spends on one provisioning, by the ways a setup session can begin."""
import dataclasses

from estate import Site, SiteError, wait_for
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
    mix: tuple = ()  # names of personalities, any of which will do; () = the default mix
    key_bits: int = 2048
    target: float | None = None


VARIANTS = [
    Variant("classic RSA 2048", "rsa2048", 600, target=2.0),
    Variant("provisioning key RSA 3072", "rsa3072", 200, key_bits=3072, target=2.0),
    Variant("PSK setup", "psk", 200, mix=("amt5psk", "psk", "amt9psk", "amt7psk")),
    Variant("on-die chain of 4", "ondie4", 200, mix=("amt21", "ondie4")),
    Variant("on-die chain of 6", "ondie6", 200, mix=("amt22", "ondie6")),
]


def measure(ctx, variant, mix):
    """(CPU us per provisioning by role, exchanges, connections, provisioned)"""
    site = Site(ctx.build, devices=variant.devices, listeners=1, workers=1, provisioning_bits=variant.key_bits)
    try:
        site.start()
        used = Used(site, "worker", "ca", "redis", "broker")
        sim = site.start_sim(*(["--mix", f"{mix}=1"] if mix else []))
        wait_for(lambda: settled(site, "done", "dead") >= variant.devices, TIMEOUT_S, f"{variant.devices} devices", tick=0.5)
        us = used.us(per=variant.devices)
        sim.stop()
        report = sim.verify()
        seen = evidence(sim.ledger)
    finally:
        discard(site)
    if report["provisioned"] < variant.devices * 0.9:
        raise SiteError(f"{variant.title}: only {report['provisioned']} of {variant.devices} were provisioned")
    return us, round(seen.requests / variant.devices), round(seen.connections / variant.devices), report["provisioned"]


def rows_of(ctx, variant):
    mix = ""
    if variant.mix:
        mix = next((name for name in variant.mix if name in personalities()), "")
        if not mix:
            return [missing(variant.title, f"no personality {' or '.join(variant.mix)} in the simulator")]
    try:
        us, exchanges, connections, done = measure(ctx, variant, mix)
    except SiteError as e:
        return [missing(variant.title, str(e).split("\n", maxsplit=1)[0])]
    with_ca = session_floor(ctx, exchanges, connections, 1, variant.floor)["cpu_us_per_session"]
    without = session_floor(ctx, exchanges, connections, 0, variant.floor)["cpu_us_per_session"]
    note = (f"{done} of {variant.devices} provisioned, {exchanges} exchanges and {connections} connections each; "
            f"CPU us per provisioning elsewhere: CA {us['ca']:.0f}, Redis {us['redis']:.0f}, broker {us['broker']:.0f}")
    return [Row(f"{variant.title}: worker and CA", us["worker"] + us["ca"], "us", with_ca, "floor with one CA signature",
                variant.target, note=note),
            Row(f"{variant.title}: worker alone", us["worker"], "us", without, "floor without the signature")]


def run(ctx):
    return [row for variant in VARIANTS for row in rows_of(ctx, variant)]
