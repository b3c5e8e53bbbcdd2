"""Run commands where nothing large can be written, in this process: `full_disk.py BYTES`, argument lists as JSON on stdin.

Prints, as JSON, exit code, stderr and what the file limit made of every command. BYTES 0 sets no limit.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import signal
import sys

from data_convert.cli import main


def outcome(arguments: list[str]) -> list[object]:
    sys.argv = ["data-convert", *arguments]
    code: object = 0
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return [code, errors.getvalue()]


if __name__ == "__main__":
    limit = int(sys.argv[1])
    commands = json.load(sys.stdin)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails with EFBIG
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    json.dump([outcome(arguments) for arguments in commands], sys.stdout)
