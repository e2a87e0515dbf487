# SPDX-License-Identifier: Apache-2.0
"""Curves as SVG, drawn by gnuplot (Debian package gnuplot-nox; needed for --plots only)."""
import shutil
import subprocess

from estate import SiteError

# Looks of each curve: title, axes, logarithmic axes.
STYLES = {
    "throughput": ("Provisionings per second against concurrency", "sessions allowed at once", "devices per second", "x"),
    "latency": ("From the moment a Hello was due to done, open loop", "seconds since the start", "seconds", ""),
    "memory": ("Memory of one worker against open sessions", "open sessions", "MiB", ""),
    "lag": ("Lateness of the worker's loop against open sessions", "open sessions", "ms", "y"),
    "growth": ("Redis CPU per Hello admitted against known devices", "known devices", "us", "x"),
}


def script(name, data, columns, out):
    title, x, y, log = STYLES.get(name, (name, columns[0], "", ""))
    lines = ["set terminal svg size 760,420 font 'sans,12' background rgb 'white'", f"set output '{out}'",
             f"set title '{title}'", f"set xlabel '{x}'", f"set ylabel '{y}'", "set key outside right", "set grid",
             "set yrange [0:*]" if "y" not in log else "set yrange [*:*]", "set style data linespoints"]
    if log:
        lines.append(f"set logscale {log}")
    curves = ", ".join(f"'{data}' using 1:{i} title '{c}' pointtype 7 pointsize 0.5 linewidth 1.5"
                       for i, c in enumerate(columns[1:], 2))
    return "\n".join([*lines, f"plot {curves}", ""])


def draw(curves, folder):
    """Write NAME.dat and NAME.svg for each curve; returns the SVG files."""
    if not shutil.which("gnuplot"):
        raise SiteError("gnuplot is missing: apt-get install gnuplot-nox")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, curve in curves.items():
        data, out = folder / f"{name}.dat", folder / f"{name}.svg"
        data.write_text("# " + " ".join(c.replace(" ", "_") for c in curve["columns"]) + "\n" + "".join(
            " ".join("nan" if v is None else str(v) for v in row) + "\n" for row in curve["rows"]))
        done = subprocess.run(["gnuplot"], input=script(name, data, curve["columns"], out), text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise SiteError(f"gnuplot: {done.stderr.strip()}")
        made.append(out)
    return made
