# SPDX-License-Identifier: Apache-2.0
"""The same devices provisioned by MeshCentral's bare-metal server and by Muster; see bench/peer/README.md."""
import pathlib
import sys

from figures import Row, missing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peer"))
from meshcentral import Unavailable  # noqa: E402
from peer import compare, table  # noqa: E402

NAME = "peer"
WHAT = "CPU per setup session, MeshCentral and Muster side by side: same devices, same latency, in turns"
LIMIT = "MeshCentral's bare-metal server (npm, release 1.1.55) with the repairs that bench/peer/README.md names"
LIMITED_BY = "one TLS handshake with a client certificate and two dozen calls; with MeshCentral the signature made in JavaScript."
SLOW = True  # fetches 137 MB the first time
TARGET_MS = 2.5


def run(ctx):
    try:
        out = compare(ctx.build)
    except Unavailable as e:
        return [missing("worker CPU per setup session", str(e))]
    theirs, ours = out["meshcentral"], out["muster"]
    worker = ours.by_role["worker"]
    note = (f"{out['devices']} devices; calls {theirs.calls:.1f} and {ours.calls:.1f} each, seconds for all {theirs.wall_s:.1f} and "
            f"{ours.wall_s:.1f}; rounds (theirs, worker) {out['rounds']}")
    print(table(out), file=sys.stderr)
    return [Row("worker CPU per setup session", worker, "ms", target=TARGET_MS, note=note),
            Row("worker CPU beside MeshCentral", worker, "ms", theirs.cpu_ms, "MeshCentral's process"),
            Row("all processes of Muster beside MeshCentral", ours.cpu_ms, "ms", theirs.cpu_ms, "MeshCentral's process")]
