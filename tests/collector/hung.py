"""The real command on a disk that hangs: `hung.py WHERE STALLED_S PATIENCE_S WORDS...`.

WHERE is `write`, then every write(2) into a recording waits for ever once it is opened (it goes into a pipe that is full and that
nobody reads), or `open`, then already the opening does, in the main thread. Little fits into the writer's memory.
"""

import functools
import os
import sys

import collector.cli as cli
from collector.stopping import Stop


def never() -> None:
    """Wait in a system call that no one ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(65536))
    except BlockingIOError:
        os.set_blocking(writer, True)
    os.write(2, b"hanging\n")
    os.write(writer, b"x")
    os.close(reader)


class HungStop(Stop):
    """The real one; the disk begins to hang once it listens, because importing the rest starts threads."""

    def __init__(self, where: str, stalled_s: float, patience_s: float) -> None:
        super().__init__(patience_s)
        self._where, self._stalled_s = where, stalled_s

    def listen(self) -> None:
        super().listen()
        from collector import day_file, shell
        from collector.writer import Writer, WriterSettings

        settings = WriterSettings(flush_s=0.05, max_waiting=2000, stalled_s=self._stalled_s)
        shell.Writer = functools.partial(Writer, settings=settings)  # type: ignore[misc, assignment]
        if self._where == "write":
            day_file.DayFile.append = lambda self, member: never()  # type: ignore[method-assign]
        else:
            day_file._open_locked = lambda path: never() or -1  # type: ignore[func-returns-value]


def main() -> None:
    where, stalled_s, patience_s = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    del sys.argv[1:4]
    cli.Stop = functools.partial(HungStop, where, stalled_s, patience_s)  # type: ignore[assignment, misc]
    cli.main()


if __name__ == "__main__":
    main()
