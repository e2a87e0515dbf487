# SPDX-License-Identifier: Apache-2.0
"""Figures of the bench: rows, ratios, percentiles and the comparison with stored ratios. Pure.

A row is one line of the report: a figure, what was measured, the limit beside it from the same
run, the ratio of both, the target. Machines differ and are noisy; ratios travel, so they are what
is stored and compared. A row without a limit is compared only if its unit means the same on every
machine (bytes, instructions)."""
import dataclasses
import math

# A ratio may get worse by this part before --check calls it a regression: what the noise of two
# shared cores makes of unchanged code stays below it in most runs.
TOLERANCE = 0.15
# Units that mean the same on every machine.
PORTABLE = ("KiB", "B", "instructions", "exchanges")


@dataclasses.dataclass
class Row:
    """One figure. measured None = not available, and note says why."""
    figure: str
    measured: float | None
    unit: str
    limit: float | None = None
    limit_name: str = ""
    target: float | None = None
    better: str = "lower"
    note: str = ""
    watch: bool = True  # --check compares it; False = too small or too dependent on the neighbours of the machine

    @property
    def available(self):
        return self.measured is not None

    @property
    def ratio(self):
        return None if not self.available or not self.limit else self.measured / self.limit

    @property
    def judged(self):
        """What the target is about: the ratio, or without a limit the figure itself."""
        return self.ratio if self.limit else self.measured

    @property
    def met(self):
        if self.target is None or self.judged is None:
            return None
        return self.judged <= self.target if self.better == "lower" else self.judged >= self.target

    @property
    def compared(self):
        """The number that --check compares, or None."""
        if not self.watch:
            return None
        return self.ratio if self.limit else self.measured if self.unit in PORTABLE else None

    def to_json(self):
        out = {k: v for k, v in dataclasses.asdict(self).items() if v not in (None, "") and k != "watch"}
        out["measured"] = None if self.measured is None else rounded(self.measured)
        if self.limit:
            out["limit"] = rounded(self.limit)
        if self.ratio is not None:
            out["ratio"] = rounded(self.ratio)
        if self.met is not None:
            out["met"] = self.met
        return out


def missing(figure, why):
    """A row that says visibly what could not be measured."""
    return Row(figure, None, "", note=f"not available: {why}")


def rounded(value, digits=4):
    """Significant digits, not decimals: 0.00123 and 123,400 are both readable."""
    if not value or not math.isfinite(value):
        return value
    places = digits - 1 - math.floor(math.log10(abs(value)))
    value = round(value, places)
    return int(value) if places <= 0 else value


def percentile(values, percent):
    """Nearest rank: the smallest value that at least percent % of all do not exceed; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def bucket_percentile(bounds, counts, percent):
    """Upper bound of the histogram bucket that holds the percentile; None of an empty one. The last
    bucket has no bound of its own and answers with infinity."""
    total, seen = sum(counts), 0
    if not total:
        return None
    for bound, count in zip([*bounds, math.inf], counts):
        seen += count
        if seen >= math.ceil(total * percent / 100):
            return bound
    return math.inf


def windows(samples, width):
    """(time, value) pairs by windows of time: [(start of window, [values])], empty ones left out."""
    out = {}
    for when, value in samples:
        out.setdefault(int(when // width), []).append(value)
    return [(i * width, out[i]) for i in sorted(out)]


@dataclasses.dataclass
class Verdict:
    """What --check says of one row."""
    entry: str
    figure: str
    state: str  # same | better | regression | new | gone
    stored: float | None
    now: float | None

    def text(self):
        def number(v):
            return "-" if v is None else f"{rounded(v)}"
        return f"{self.state:<10} {self.entry}: {self.figure}: {number(self.now)} (stored {number(self.stored)})"


def change(stored, now, better):
    """By which part the figure got worse; negative = better."""
    if better == "lower":
        return now / stored - 1
    return stored / now - 1 if now else math.inf


def judge(stored, now, better, tolerance=TOLERANCE):
    worse = change(stored, now, better)
    return "regression" if worse > tolerance else "better" if worse < -tolerance else "same"


def compare(stored, entries, tolerance=TOLERANCE):
    """Compare what was measured now with the stored figures.

    stored: {entry: {figure: {"value": number, "better": word}}}; entries: {entry: [Row]}. Entries
    that were not run are left out; a row that was stored and is not there any more is "gone": a
    figure must not escape by disappearing."""
    out = []
    for entry, rows in entries.items():
        old = dict(stored.get(entry, {}))
        for row in rows:
            before = old.pop(row.figure, None)
            if before is None:
                if row.compared is not None:
                    out.append(Verdict(entry, row.figure, "new", None, row.compared))
            elif row.compared is None:
                out.append(Verdict(entry, row.figure, "gone", before["value"], None))
            else:
                state = judge(before["value"], row.compared, before["better"], tolerance)
                out.append(Verdict(entry, row.figure, state, before["value"], row.compared))
        out += [Verdict(entry, figure, "gone", b["value"], None) for figure, b in old.items()]
    return out


def failed(verdicts):
    """What makes --check end with 1."""
    return [v for v in verdicts if v.state in ("regression", "gone")]


def storable(entries):
    """The form of bench/ratios.json; only rows that mean something on another machine."""
    return {entry: {r.figure: {"value": rounded(r.compared), "better": r.better, "what": "ratio" if r.limit else r.unit}
                    for r in rows if r.compared is not None} for entry, rows in entries.items()}
