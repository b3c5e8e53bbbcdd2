"""A signal while a program is still loading is a clean end."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program", ["collector", "connector", "venue_sim"])
def test_a_signal_while_a_program_loads_ends_it_with_0_and_without_a_word(
    program: str, number: signal.Signals, tmp_path: Path
) -> None:
    # A module that the program imports first says so and takes its time: whatever is loaded later, the signal comes before it.
    (tmp_path / "typer.py").write_text("import sys, time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from {program}.__main__ import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == b"loading\n"
            process.send_signal(number)
            assert process.wait(30) == 0
            assert process.stderr.read() == b""
        finally:
            process.kill()
