#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dependencies point one way: proto <- common <- {listener, broker, worker, ctl}.

Reads the #include lines of every source and refuses those that point the wrong way. Inside common
the parts have an order too, so that a cycle cannot grow."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# folder -> what it may include besides itself. The longest matching prefix decides.
ALLOWED = {
    "proto": ["common/base"],
    "common/base": [],
    "common/conf": ["common/base", "common/crypto"],
    "common/crypto": ["common/base", "proto"],
    "common/pki": ["common/base", "proto"],
    "common/net": ["common/base"],
    "common/bus": ["common/base", "common/net", "proto"],
    "common/store": ["common/base", "common/net", "common/conf"],
    "common/directory": ["common/base", "common/conf", "common/net"],
    "listener": ["common", "proto"],
    "broker": ["common", "proto"],
    "worker": ["common", "proto"],
    "worker/steps": ["common/base", "common/conf", "common/crypto", "common/pki", "proto", "worker"],
    "ctl": ["common", "proto"],
    "bench/sim": ["common", "proto"],
    "bench/floor": ["common", "proto"],
    "bench/flood": ["common", "proto"],
    "bench/store": ["common", "proto", "bench/flood"],
    "bench/micro": ["common", "proto", "bench/flood"],
}
# The base folder is shared ground: types only.
GROUND = "common/base"
OURS = ("proto/", "common/", "listener/", "broker/", "worker/", "ctl/", "bench/")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def rule_of(path):
    return max((f for f in ALLOWED if path == f or path.startswith(f + "/")), key=len, default=None)


def main():
    bad, files = [], 0
    for top in ("proto", "common", "listener", "broker", "worker", "ctl", "bench"):
        for file in sorted((ROOT / top).rglob("*.[ch]")):
            rel = file.relative_to(ROOT).as_posix()
            rule = rule_of(rel)
            files += 1
            if rule is None:
                bad.append(f"{rel}: no rule for this folder in tests/checks/dependencies.py")
                continue
            for inc in INCLUDE.findall(file.read_text()):
                if inc.endswith(".inc"):  # generated into the build tree
                    continue
                if inc.endswith("muster.pb-c.h"):
                    target = "proto"
                elif inc.startswith(OURS):
                    target = inc
                else:
                    bad.append(f"{rel}: include \"{inc}\" by its path from the root")
                    continue
                own = rule.split("/")[0] if rule in ("listener", "broker", "worker", "ctl") else rule
                ok = target.startswith(own + "/") or target.startswith(GROUND + "/") or any(
                    target == a or target.startswith(a + "/") for a in ALLOWED[rule])
                if rule == "worker/steps" and target.startswith("common/net/"):
                    ok = False
                if not ok:
                    bad.append(f"{rel}: must not include {inc}")
    print("\n".join(bad) if bad else f"{files} files, all dependencies point the right way")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
