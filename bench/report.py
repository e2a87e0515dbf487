# SPDX-License-Identifier: Apache-2.0
"""The bench's results for people: text on a terminal, and bench/RESULTS.md."""
from figures import rounded

HEADER = """# Figures

Written by `./run bench --store`; do not edit. Read ratios, not absolutes: each figure is measured with its limit in the same run, because machines are
shared and noisy. `./run bench --check` measures again and compares with bench/ratios.json. How to read and use it: [README.md](README.md).
"""


def number(value):
    """1,234 and 0.0123: as many digits as mean something."""
    value = rounded(value)
    return f"{value:,}" if isinstance(value, int) or value == int(value) else f"{value:,.10g}"


def line(row):
    if not row.available:
        return f"  {row.figure}: {row.note}"
    out = f"  {row.figure}: {number(row.measured)} {row.unit}"
    if row.limit:
        out += f"; limit {number(row.limit)} ({row.limit_name}); ratio {row.ratio:.3g}"
    if row.target is not None:
        out += f"; target {number(row.target)}: {'met' if row.met else 'MISSED'}"
    return out + (f"\n      {row.note}" if row.note else "")


def text(entry, rows, seconds):
    return f"\n{entry.NAME}: {entry.WHAT} ({seconds:.0f} s)\n" + "\n".join(line(r) for r in rows)


def cells(row):
    """The cells of a row of the table, from its JSON."""
    if row["measured"] is None:
        return [row["figure"], row["note"], "", "", ""]
    limit = f"{number(row['limit'])} {row['unit']}: {row['limit_name']}" if "limit" in row else ""
    target = "" if "target" not in row else f"{number(row['target'])} {'met' if row['met'] else '**missed**'}"
    ratio = f"{row['ratio']:.3g}" if "ratio" in row else ""
    return [row["figure"], f"{number(row['measured'])} {row['unit']}", limit, ratio, target]


def section(entry, stored):
    m = stored["machine"]
    lines = [f"## `./run bench {entry.NAME}`", "", f"{entry.WHAT}. Limit: {entry.LIMIT}.", "",
             f"{m['date']}, {m['cores']} x {m['processor']}, load before the run {m['load']}, took {stored['seconds']:.0f} s.", "",
             "| figure | measured | limit beside it | ratio | target |", "| --- | --- | --- | --- | --- |"]
    lines += ["| " + " | ".join(cells(r)) + " |" for r in stored["rows"]]
    notes = [f"* {r['figure']}: {r['note']}" for r in stored["rows"] if r.get("note") and r["measured"] is not None]
    return "\n".join(lines + [""] + notes + ([""] if notes else []) + [f"What limits: {entry.LIMITED_BY}", ""])


def words(value):
    """A figure of a scenario: a number, a text, or several by name."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {words(v)}" for k, v in value.items())
    return f"{value:,}" if type(value) is int else str(value)  # pylint: disable=unidiomatic-typecheck  # True is no number


def scenario_section(name, kept):
    m = kept["machine"]
    lines = [f"## `./run bench scenario {name}`", "", kept["about"].strip(), "",
             f"{m['date']}, {m['cores']} x {m['processor']}, load at the end {m['load']}.", "", "| figure | |", "| --- | --- |"]
    lines += [f"| {key} | {words(value)} |" for key, value in kept["figures"].items()]
    return "\n".join(lines + ["", "Verdict: " + ("; ".join(kept["complaints"]) or "as expected") + ".", ""])


def markdown(kept, entries):
    """The whole of RESULTS.md, in the order of the entries; then the scenarios."""
    rows, played = kept["rows"], kept.get("scenarios", {})
    return HEADER + "\n" + "\n".join([section(e, rows[n]) for n, e in entries.items() if n in rows] +
                                     [scenario_section(*item) for item in sorted(played.items())])
