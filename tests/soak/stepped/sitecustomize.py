"""Python runs this at the start of every process that has this folder on its path: its wall clock can be stepped.

The clock is the machine's plus the nanoseconds in the first eight bytes of the file WALLCLOCK_FILE, which may be changed at any time.
Monotonic clocks and waits stay as they are.
"""

import mmap
import os
import struct
import time


def _step_clock(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    step = mmap.mmap(descriptor, 8, prot=mmap.PROT_READ)
    os.close(descriptor)
    right_ns, unpack = time.time_ns, struct.Struct("<q").unpack_from

    def time_ns() -> int:
        return right_ns() + int(unpack(step)[0])

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


if "WALLCLOCK_FILE" in os.environ:
    _step_clock(os.environ["WALLCLOCK_FILE"])
