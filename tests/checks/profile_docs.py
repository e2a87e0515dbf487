#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profile_docs.py MUSTER docs/profile.md: the table of every key in the page is what `muster profile docs` prints."""
import difflib
import pathlib
import subprocess
import sys

muster, page = sys.argv[1:]
begin, end = "<!-- keys: begin -->\n", "<!-- keys: end -->"
table = pathlib.Path(page).read_text().partition(begin)[2].partition(end)[0]
printed = subprocess.run([muster, "profile", "docs"], check=True, capture_output=True, text=True).stdout
if table != printed:
    sys.stdout.writelines(difflib.unified_diff(table.splitlines(True), printed.splitlines(True), page, "muster profile docs"))
    sys.exit(f"{page}: put the output of muster profile docs between its two marks")
