#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bench: what Muster costs, each figure beside its limit, both measured in the same run.

  ./run bench                        all entries
  ./run bench session hello          some of them
  ./run bench --list                 what there is
  ./run bench --check                measure again; 1 if a ratio is more than 15 % worse than stored
  ./run bench --store                measure and keep: bench/ratios.json, bench/RESULTS.md
  ./run bench --plots                also draw the curves (SVG, gnuplot) into build/bench/plots
  ./run bench scenario NAME [--store]   play a file of bench/scenarios; keep its figures in RESULTS.md
  ./run bench --json                 machine-readable

Machines are noisy: read CPU per operation and the ratios, not rates. bench/README.md says more."""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import entries  # noqa: E402
import figures  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import scenario  # noqa: E402
from estate import SiteError  # noqa: E402
from measure import Context, processor  # noqa: E402

HERE = pathlib.Path(__file__).parent
RATIOS, RESULTS, COSTS = HERE / "ratios.json", HERE / "RESULTS.md", HERE / "costs.json"


def machine():
    return {"processor": processor(), "cores": os.cpu_count(), "kernel": platform.release(), "date": time.strftime("%Y-%m-%d"),
            "load": round(os.getloadavg()[0], 2)}


def measure(ctx, entry):
    """The rows of an entry, or None when it broke; the reason goes to standard error."""
    try:
        return entry.run(ctx)
    except (SiteError, subprocess.CalledProcessError, OSError, ValueError, KeyError) as e:
        where = traceback.extract_tb(e.__traceback__)[-1]
        print(f"bench {entry.NAME}: {e} ({pathlib.Path(where.filename).name}:{where.lineno})", file=sys.stderr)
        return None


def check(ctx, measured):
    """Compare with the stored ratios. What looks worse is measured once more: noise passes, a regression stays."""
    stored = json.loads(RATIOS.read_text())["entries"]
    verdicts = figures.compare(stored, measured)
    for name in sorted({v.entry for v in figures.failed(verdicts)}):
        print(f"{name} looks worse than stored: measuring it again", file=sys.stderr)
        again = measure(ctx, entries.ALL[name])
        if again is not None:
            second = figures.compare(stored, {name: again})
            still = {v.figure for v in figures.failed(second)} & {v.figure for v in figures.failed(verdicts)}
            verdicts = [v for v in verdicts if v.entry != name] + [v for v in second if v.figure in still or v.state == "same"]
    for v in verdicts:
        if v.state != "same":
            print(v.text())
    bad = figures.failed(verdicts)
    print(f"{len(verdicts)} figures compared, {len(bad)} worse than stored by more than {figures.TOLERANCE:.0%}")
    return 1 if bad else 0


def store(ctx, where, measured, times):
    """Entries that were not run keep what is stored of them."""
    kept = stored()
    kept["entries"] |= figures.storable(measured)
    kept["rows"] |= {name: {"machine": where, "seconds": round(times[name], 1), "rows": [r.to_json() for r in rows]}
                     for name, rows in measured.items()}
    write(kept)
    if ctx.costs:
        COSTS.write_text(json.dumps(ctx.costs, indent=1) + "\n")


def store_scenario(name, about, figures_, complaints):
    kept = stored()
    kept.setdefault("scenarios", {})[name] = {"machine": machine(), "about": about, "figures": figures_, "complaints": complaints}
    write(kept)


def stored():
    return json.loads(RATIOS.read_text()) if RATIOS.exists() else {"entries": {}, "rows": {}}


def write(kept):
    RATIOS.write_text(json.dumps(kept, indent=1) + "\n")
    RESULTS.write_text(report.markdown(kept, entries.ALL))


def arguments():
    p = argparse.ArgumentParser(prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/release", help=argparse.SUPPRESS)
    p.add_argument("--json", action="store_true", help="print JSON")
    p.add_argument("--list", action="store_true", help="say what each entry measures")
    p.add_argument("--full", action="store_true", help="also the slow parts: 1,000,000 known devices, ...")
    p.add_argument("--check", action="store_true", help="compare with the stored ratios; 1 on a regression")
    p.add_argument("--store", action="store_true", help="keep the ratios and write bench/RESULTS.md")
    p.add_argument("--plots", action="store_true", help="draw the curves into build/bench/plots")
    p.add_argument("names", nargs="*", metavar="NAME", help=f"entries: {', '.join(entries.ALL)}")
    args = p.parse_args()
    unknown = [n for n in args.names if n not in entries.ALL]
    if unknown:
        p.error(f"no entry {', '.join(unknown)}; there are {', '.join(entries.ALL)}")
    args.names = args.names or [n for n, e in entries.ALL.items() if args.full or not getattr(e, "SLOW", False)]
    return args


def main():
    if sys.argv[1:2] == ["scenario"]:
        return scenario.main(sys.argv[2:], store_scenario)
    args = arguments()
    if args.list:
        for entry in entries.ALL.values():
            print(f"{entry.NAME:<12} {entry.WHAT}\n{'':<12} limit: {entry.LIMIT}")
        return 0
    ctx, where = Context(args.build, args.full, args.plots), machine()
    measured, times, failed = {}, {}, False
    for name in args.names:
        start = time.monotonic()
        rows = measure(ctx, entries.ALL[name])
        times[name] = time.monotonic() - start
        if rows is None:
            failed = True
            continue
        measured[name] = rows
        if not args.json:
            print(report.text(entries.ALL[name], rows, times[name]), flush=True)
    if args.json:
        print(json.dumps({"machine": where, "entries": {n: [r.to_json() for r in rows] for n, rows in measured.items()},
                          "curves": ctx.curves}, indent=1))
    if args.plots:
        for path in plots.draw(ctx.curves, pathlib.Path("build/bench/plots")):
            print(f"plot: {path}", file=sys.stderr)
    if args.store:
        store(ctx, where, measured, times)
    if args.check and check(ctx, measured):
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
