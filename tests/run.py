#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every check and test of the project; the body of ./run test.

Order: static checks, the clang build, the sanitizer build with all unit, wire, model and fuzz
replay tests, the thread sanitizer on what has threads, then the real programs end to end (release
build). The last line is "N passed, N failed, N skipped"."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
JOBS = str(os.cpu_count() or 2)
# Test programs in which more than one thread runs: the connector's queue, the log's writer.
THREADED = "^(worker_session|worker_resolve|worker_place|base_log)$"
# unittest's line for a case that was skipped inside a program that passed.
SKIPPED_CASE = re.compile(r"^(\w+) \(.*skipped ['\"](.*)['\"]$", re.M)
# Fetches packages: not in a network of its own.
FETCHES = ("foreign_small",)
# The longest end-to-end tests are begun first, so that none of them is left alone at the end.
LONG = ("window", "mixed", "crash", "adopt", "one_field", "hooks", "demo", "directory", "mutual_roots")


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, name, state, seconds, text=""):
        mark = {"pass": "ok  ", "fail": "FAIL", "skip": "skip"}[state]
        print(f"{mark} {name} ({seconds:.1f} s)", flush=True)
        if state == "pass":
            self.passed += 1
            return
        (self.failed if state == "fail" else self.skipped).append(name)
        if text.strip():
            print("     " + text.strip()[-6000:].replace("\n", "\n     "), flush=True)


def execute(command):
    """(state, seconds, output): passes when the command exits 0, is skipped when it exits 77."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, check=False)
    return {0: "pass", 77: "skip"}.get(done.returncode, "fail"), time.monotonic() - start, done.stdout


def count(tally, name, state, seconds, output):
    tally.skipped += [f"{name}: {what}: {why}" for what, why in SKIPPED_CASE.findall(output)]
    tally.add(name, state, seconds, "" if state == "pass" else output)
    return state == "pass"


def run(tally, name, command):
    """One check."""
    return count(tally, name, *execute(command))


def run_side_by_side(tally, commands):
    """{name: command}, as many at a time as there are cores, each in a network of its own: most of them wait most of the time.
    Where there are no such networks, one after the other."""
    alone = [sys.executable, str(ROOT / "tests/alone.py")]
    lanes = int(JOBS) if subprocess.run([*alone, "true"], check=False).returncode == 0 else 1
    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        futures = {pool.submit(execute, [*alone, *command] if lanes > 1 else command): name for name, command in commands.items()}
        for future in concurrent.futures.as_completed(futures):
            count(tally, futures[future], *future.result())


def sources(*suffixes):
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [f for f in files if f.endswith(suffixes) and (ROOT / f).is_file()]


def lint(tally):
    c_files = sources(".c")
    run(tally, "format", ["clang-format-14", "--dry-run", "--Werror", *sources(".c", ".h")])
    run(tally, "dependencies", [sys.executable, "tests/checks/dependencies.py"])
    run(tally, "mistakes", [sys.executable, "tests/checks/mistakes.py"])
    run(tally, "shellcheck", ["shellcheck", "run", ".ci/run", *sources(".sh")])
    run(tally, "cppcheck", ["cppcheck", "--library=tests/checks/jansson.cfg", "--quiet", "-j", JOBS, "--error-exitcode=1", "--inline-suppr",
                            "--enable=warning,portability,performance", "--std=c11", "--library=posix",
                            "--suppressions-list=tests/checks/cppcheck.txt", "-I", ".", "-I", "build/clang", *c_files])


def tidy(tally):
    """clang-tidy in as many processes as there are cores; it reads build/clang/compile_commands.json."""
    files = [f for f in sources(".c") if not f.startswith("tests/")]
    script = 'printf "%s\\n" "$@" | xargs -P ' + JOBS + ' -n 1 clang-tidy-14 --quiet -p build/clang'
    run(tally, "clang-tidy", ["sh", "-c", script, "sh", *files])


def build(tally, preset):
    return run(tally, f"build {preset}", ["sh", "-c", f"cmake --preset {preset} && cmake --build --preset {preset}"])


def ctest(tally, preset, *args):
    """Each ctest entry counts as one test of ours."""
    junit = BUILD / preset / "junit.xml"
    junit.unlink(missing_ok=True)
    subprocess.run(["ctest", "--test-dir", str(BUILD / preset), "-j", JOBS, "--output-junit", str(junit), *args],
                   cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
    if not junit.exists():
        tally.add(f"ctest {preset}", "fail", 0, "ctest wrote no result")
        return
    for case in ET.parse(junit).getroot().iter("testcase"):
        status = case.get("status")
        output = (case.findtext("system-out") or "")
        state = "pass" if status == "run" else "skip" if status == "notrun" and case.find("skipped") is not None else "fail"
        if state == "pass":
            # A single skipped case inside a program that passed must stay visible.
            names = {line.split("]", 1)[1].strip() for line in output.split("\n") if "[  SKIPPED ]" in line}
            tally.skipped += sorted(f"{case.get('name')}: {name}" for name in names if name and "test(s)" not in name)
        tally.add(f"{preset}: {case.get('name')}", state, float(case.get("time") or 0), output)


def e2e(tally, names):
    unknown = [name for name in names if not (ROOT / f"tests/e2e/test_{name}.py").exists()]
    if unknown:
        sys.exit(f"no such end-to-end test: {' '.join(unknown)}")
    found = [file.stem.removeprefix("test_") for file in sorted((ROOT / "tests/e2e").glob("test_*.py"))]
    found.sort(key=lambda name: name not in LONG)
    commands = {name: [sys.executable, f"tests/e2e/test_{name}.py", "--build", "build/release"] for name in found if not names or name in names}
    for name in FETCHES:
        if name in commands:
            run(tally, f"e2e: {name}", commands.pop(name))
    run_side_by_side(tally, {f"e2e: {name}": command for name, command in commands.items()})


def foreign(tally):
    """Large foreign clients, fetched by npm: too slow and too large for every run."""
    for file in sorted((ROOT / "tests/foreign").glob("test_*.py")):
        run(tally, f"foreign: {file.stem.removeprefix('test_')}", [sys.executable, str(file), "--build", "build/release"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one build and the unit tests only")
    parser.add_argument("--lint", action="store_true", help="the static checks only")
    parser.add_argument("--e2e", nargs="*", metavar="NAME", help="the end-to-end tests only (all, or those named)")
    parser.add_argument("--all", action="store_true", help="everything, the large foreign clients included")
    parser.add_argument("--foreign", action="store_true", help="the large foreign clients only (MeshCentral, from npm)")
    args = parser.parse_args()
    tally = Tally()
    if args.quick:
        build(tally, "debug") and ctest(tally, "debug")
    elif args.foreign:
        build(tally, "release") and foreign(tally)
    elif args.e2e is not None:
        build(tally, "release") and e2e(tally, args.e2e)
    else:
        if build(tally, "clang"):
            tidy(tally)
        lint(tally)
        if not args.lint:
            build(tally, "asan") and ctest(tally, "asan")
            build(tally, "tsan") and ctest(tally, "tsan", "-R", THREADED)
            if build(tally, "release"):
                e2e(tally, [])
                if args.all:
                    foreign(tally)
    for name in tally.skipped:
        print(f"skipped: {name}")
    for name in tally.failed:
        print(f"failed: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 1 if tally.failed or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
