# SPDX-License-Identifier: Apache-2.0
"""A wall clock that a driver turns: Debian's libfaketime, preloaded into every program of a site.

CLOCK_REALTIME (and so time(), gettimeofday(), Redis' TIME, the dates that OpenSSL looks at) jumps in all of them at
once; CLOCK_MONOTONIC and CLOCK_BOOTTIME, by which they wait, and the dates of files stay real. Python's standard library only."""
import glob
import os
import time


class Clock:
    """file: holds the offset; every read of the clock reads it, so a jump is seen by the next one."""

    def __init__(self, file):
        libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")  # MT: the worker has threads
        if not libraries:
            raise FileNotFoundError("libfaketime is missing: apt-get install faketime")
        self.file, self.offset_ms = file, 0
        # Debian's Redis allocates with jemalloc, which asks for the time in its first malloc, and libfaketime allocates when it
        # is asked first: neither comes to an end. With libc's allocator in front of jemalloc both do.
        self.env = os.environ | {"LD_PRELOAD": f"{libraries[0]}:libc.so.6", "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
                                 "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        self._write()

    def _write(self):
        new = self.file.with_suffix(".new")
        new.write_text(f"+{self.offset_ms / 1000:.3f}\n")
        new.rename(self.file)  # nobody reads half of it

    def now_ms(self):
        return time.time() * 1000 + self.offset_ms

    def jump_to(self, at_ms):
        """Forward only: at_ms that is over leaves the clock as it is."""
        self.offset_ms += max(0, round(at_ms - self.now_ms()))
        self._write()
