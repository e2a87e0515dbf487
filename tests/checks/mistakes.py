#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Greps for our own mistakes: things that no compiler refuses and that we do not want."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_LINES = 650  # "about 600", docs/style.md

# (what, pattern, which files, why)
RULES = [
    ("unbounded copy", r"\b(strcpy|strcat|sprintf|gets|vsprintf)\s*\(", r"\.[ch]$", "use buf, snprintf or arena"),
    ("bare assert", r"^\s*assert\s*\(", r"^(proto|common|listener|broker|worker|ctl)/.*\.[ch]$", "return an error with a text"),
    ("// comment", r"^\s*//", r"\.[ch]$", "block comments in C"),
    ("left-over note", r"\b(TODO|FIXME|XXX|HACK)\b", r"\.(c|h|py|lua|sh|cmake|yaml|md|txt)$", "finish it or open an issue"),
    ("sleep as synchronisation", r"\b(usleep|sleep|nanosleep)\s*\(", r"^(proto|common|listener|broker|worker|ctl)/.*\.[ch]$", "wait for an event with a deadline"),
    ("ZMQ_FD outside its adapter", r"\bZMQ_FD\b", r"^(?!common/bus/zwatch).*\.[ch]$", "architecture D3: only zwatch.c touches it"),
    ("killing by name", r"\b(pkill|killall)\b", r"\.(c|py|sh)$|^run$", "kill by pid"),
    ("rand()", r"\b(s?rand|random)\s*\(\s*\)", r"^(proto|common|listener|broker|worker|ctl)/.*\.[ch]$", "RAND_bytes"),
    ("wall clock in proto", r"\b(time|clock_gettime|gettimeofday)\s*\(", r"^proto/.*\.[ch]$", "proto is pure"),
    ("logging in a library", r"\bLOG_(DEBUG|INFO|WARN|ERROR)\s*\(", r"^(proto/|common/(?!base/log|conf/cli)).*\.[ch]$", "libraries return errors"),
    ("machine path", r"/(work|home|root)/[a-z]", r"\.(c|h|py|lua|sh|cmake|yaml|md|txt|json)$", "nothing of one machine"),
]
SKIP = re.compile(r"^(tests/checks/|tests/data/|tests/fuzz/corpus/|LICENSE)")


def functions_granted():
    """Every function of the store is granted to a user, and nobody is granted one that does not exist."""
    made = set(re.findall(r"\{ '(\w+)', \w+, ", (ROOT / "common/store/functions/register.lua").read_text()))
    granted = set(re.findall(r"fcall\|muster_v1_(\w+)", (ROOT / "deploy/redis/users.acl").read_text()))
    return [f"deploy/redis/users.acl: muster_v1_{name} is {'granted to nobody' if name in made else 'no function'}" for name in sorted(made ^ granted)]


def main():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    bad = functions_granted()
    for name in filter(None, files):
        if SKIP.match(name) or not (ROOT / name).is_file():
            continue
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        lines = text.split("\n")
        for what, pattern, where, why in RULES:
            if not re.search(where, name):
                continue
            for number, line in enumerate(lines, 1):
                if re.search(pattern, line):
                    bad.append(f"{name}:{number}: {what}: {line.strip()[:80]}  ({why})")
        if re.search(r"\.(c|h|lua|py|sh)$|^run$", name):
            if not any("SPDX-License-Identifier: Apache-2.0" in l for l in lines[:3]):
                bad.append(f"{name}: no SPDX line")
            if len(lines) > MAX_LINES:
                bad.append(f"{name}: {len(lines)} lines, at most {MAX_LINES}: split it by concern")
    print("\n".join(bad) if bad else "none of our known mistakes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
