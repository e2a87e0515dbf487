# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the bench with made-up figures: ratios, targets, percentiles, --check."""
import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import figures  # noqa: E402
from figures import Row  # noqa: E402


class Rows(unittest.TestCase):
    def test_ratio_and_target(self):
        r = Row("cpu", 300, "us", limit=200, target=1.5)
        self.assertEqual(r.ratio, 1.5)
        self.assertTrue(r.met)
        self.assertFalse(Row("cpu", 301, "us", limit=200, target=1.5).met)

    def test_without_limit_the_figure_is_judged(self):
        self.assertTrue(Row("memory", 63, "KiB", target=64).met)
        self.assertFalse(Row("memory", 65, "KiB", target=64).met)
        self.assertTrue(Row("rate", 20000, "1/s", target=15000, better="higher").met)
        self.assertFalse(Row("rate", 14999, "1/s", target=15000, better="higher").met)
        self.assertIsNone(Row("rate", 1, "1/s").met)

    def test_what_travels_between_machines(self):
        self.assertEqual(Row("memory", 42, "KiB").compared, 42)
        self.assertEqual(Row("cpu", 42, "us", limit=21).compared, 2)
        self.assertIsNone(Row("cpu", 42, "us").compared)
        self.assertIsNone(Row("cpu", 42, "us", limit=21, watch=False).compared)

    def test_missing_is_visible_and_met_by_nobody(self):
        r = figures.missing("PSK", "no such personality")
        self.assertIsNone(r.met)
        self.assertIsNone(r.ratio)
        self.assertIn("no such personality", r.to_json()["note"])

    def test_json_rounds_to_digits(self):
        self.assertEqual(figures.rounded(123456.7), 123500)
        self.assertEqual(figures.rounded(0.0012345), 0.001234)
        self.assertEqual(figures.rounded(0), 0)
        out = Row("cpu", 3.14159, "us", limit=2).to_json()
        self.assertEqual((out["measured"], out["ratio"]), (3.142, 1.571))
        self.assertNotIn("target", out)


class Percentiles(unittest.TestCase):
    def test_nearest_rank(self):
        values = list(range(1, 101))
        self.assertEqual(figures.percentile(values, 50), 50)
        self.assertEqual(figures.percentile(values, 99), 99)
        self.assertEqual(figures.percentile(values, 100), 100)
        self.assertEqual(figures.percentile([7], 1), 7)
        self.assertEqual(figures.percentile([3, 1, 2], 50), 2)
        self.assertIsNone(figures.percentile([], 50))

    def test_buckets(self):
        self.assertEqual(figures.bucket_percentile([10, 100], [9, 1, 0], 50), 10)
        self.assertEqual(figures.bucket_percentile([10, 100], [9, 1, 0], 99), 100)
        self.assertEqual(figures.bucket_percentile([10, 100], [0, 0, 1], 50), math.inf)
        self.assertIsNone(figures.bucket_percentile([10, 100], [0, 0, 0], 50))

    def test_windows(self):
        got = figures.windows([(0.1, 1), (0.9, 2), (3.5, 3)], 1)
        self.assertEqual(got, [(0, [1, 2]), (3, [3])])


class Check(unittest.TestCase):
    STORED = {"session": {"worker CPU": {"value": 1.5, "better": "lower"}, "share": {"value": 0.9, "better": "higher"}},
              "hello": {"listener CPU": {"value": 1.1, "better": "lower"}}}

    def states(self, *rows):
        return {v.figure: v.state for v in figures.compare(self.STORED, {"session": list(rows)})}

    def test_at_the_edge(self):
        share = Row("share", 0.9, "", limit=1, better="higher")
        self.assertEqual(self.states(Row("worker CPU", 1.5 * 1.149, "us", limit=1), share)["worker CPU"], "same")
        self.assertEqual(self.states(Row("worker CPU", 1.5 * 1.151, "us", limit=1), share)["worker CPU"], "regression")
        self.assertEqual(self.states(Row("worker CPU", 1.0, "us", limit=1), share)["worker CPU"], "better")

    def test_higher_is_better(self):
        cpu = Row("worker CPU", 1.5, "us", limit=1)
        self.assertEqual(self.states(cpu, Row("share", 0.9 / 1.151, "1/s", limit=1, better="higher"))["share"], "regression")
        self.assertEqual(self.states(cpu, Row("share", 0.9 / 1.149, "1/s", limit=1, better="higher"))["share"], "same")
        self.assertEqual(self.states(cpu, Row("share", 0, "1/s", limit=1, better="higher"))["share"], "regression")

    def test_a_row_that_is_gone_fails(self):
        verdicts = figures.compare(self.STORED, {"session": [Row("worker CPU", 1.5, "us", limit=1)]})
        self.assertEqual([(v.figure, v.state) for v in figures.failed(verdicts)], [("share", "gone")])
        verdicts = figures.compare(self.STORED, {"hello": [figures.missing("listener CPU", "broken")]})
        self.assertEqual([v.state for v in figures.failed(verdicts)], ["gone"])

    def test_a_new_row_and_an_entry_not_run_do_not_fail(self):
        verdicts = figures.compare(self.STORED, {"hello": [Row("listener CPU", 1.1, "us", limit=1), Row("new", 1, "us", limit=1)]})
        self.assertEqual({v.figure: v.state for v in verdicts}, {"listener CPU": "same", "new": "new"})
        self.assertEqual(figures.failed(verdicts), [])

    def test_the_text_names_the_row(self):
        [verdict] = figures.failed(figures.compare(self.STORED, {"hello": [Row("listener CPU", 9, "us", limit=1)]}))
        self.assertIn("hello: listener CPU", verdict.text())
        self.assertIn("regression", verdict.text())

    def test_stored_and_compared_again_is_the_same(self):
        entries = {"session": [Row("worker CPU", 4833, "us", limit=3580), Row("memory", 42.3, "KiB"), Row("rate", 7, "1/s")]}
        stored = figures.storable(entries)
        self.assertEqual(set(stored["session"]), {"worker CPU", "memory"})
        self.assertEqual({v.state for v in figures.compare(stored, entries)}, {"same"})


if __name__ == "__main__":
    unittest.main()
