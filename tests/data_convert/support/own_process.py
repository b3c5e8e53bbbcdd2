"""The command in a process of its own, to see how much memory it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile


def run_alone(*arguments):
    """Return (exit code, stdout, stderr, peak memory in bytes)."""
    command = [sys.executable, "-m", "data_convert", *map(str, arguments)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return child.returncode, *texts, usage.ru_maxrss << 10
