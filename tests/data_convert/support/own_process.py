"""The command in a process of its own, to see how much memory it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

# A process's peak begins with that of whoever it was forked from: a small one stands between the tests and the command.
LAUNCHER = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
os.write(int(sys.argv[1]), b"%d %d" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10))
"""


def run_alone(*arguments):
    """Return (exit code, stdout, stderr, peak memory in bytes)."""
    command = [sys.executable, "-m", "data_convert", *map(str, arguments)]
    reading, writing = os.pipe()
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            subprocess.run(
                [sys.executable, "-S", "-c", LAUNCHER, str(writing), *command],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                pass_fds=(writing,),
                check=True,
            )
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        code, peak = map(int, os.read(reading, 100).split())
    finally:
        os.close(reading)
        os.close(writing)
    return code, *texts, peak
