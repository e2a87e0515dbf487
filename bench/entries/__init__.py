# SPDX-License-Identifier: Apache-2.0
"""The entries of the bench, one small file each, found by their presence in this folder.

An entry is a module with
  NAME        the word for the command line
  WHAT        what it measures, one line
  LIMIT       the limit program or the limit beside which it stands
  LIMITED_BY  what limits the figure, as far as it is known; goes into RESULTS.md
  SLOW        optional: True = only when named or with --full
  run(ctx)    measures, with measure.Context; returns a list of figures.Row
"""
import importlib
import pkgutil

# The way of a device first, then what is below it; entries that are not named here come last.
ORDER = ["hello", "hooks", "admit", "dispatch", "session", "concurrency", "end-to-end", "scale", "growth", "store", "micro", "sim",
         "capacity", "peer"]


def _load():
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        found[module.NAME] = module
    known = [n for n in ORDER if n in found]
    return {n: found[n] for n in known + sorted(set(found) - set(known))}


ALL = _load()
