# SPDX-License-Identifier: Apache-2.0
"""Small pieces of work in instructions, which mean the same on every machine."""
import os
import re
import shutil
import subprocess

from estate import SiteError
from figures import Row, missing

NAME = "micro"
WHAT = "instructions per operation of writers and parsers, counted by valgrind's callgrind"
LIMIT = "none: the figures themselves are compared, because they mean the same everywhere with the same compiler and libraries"
LIMITED_BY = ("reading: expat with namespaces. Digest: fetching MD5 through the provider interface of OpenSSL 3.")
SHORT, LONG = 20, 120
TITLES = {"envelope-write": "write a request envelope", "envelope-read": "read an answer of 2.2 KB", "hello-parse": "parse a Hello of 841 bytes",
          "digest-authorize": "answer a digest challenge", "derkey-read": "read a DERKey", "pkcs10-build": "build a certificate request"}


def instructions(program, name, n):
    # The same code paths of OpenSSL on every processor.
    env = os.environ | {"OPENSSL_ia32cap": "0:0"}
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=run_many", program, name, str(n)],
                          capture_output=True, text=True, env=env, check=False)
    got = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not got:
        raise SiteError(f"callgrind {name}: {done.stderr.strip()[-500:]}")
    return int(got[1])


def run(ctx):
    if not shutil.which("valgrind"):
        return [missing("instructions", "valgrind is not installed")]
    program = ctx.program("micro")
    rows = []
    for name in subprocess.run([program], capture_output=True, text=True, check=True).stdout.split():
        per = (instructions(program, name, LONG) - instructions(program, name, SHORT)) / (LONG - SHORT)
        rows.append(Row(TITLES.get(name, name), per, "instructions"))
    return rows
