"""The command `collector`, also as `python -m collector`.

Signals are taken before anything else is loaded: until the program takes them itself there is nothing to be written or told, and
ending is a clean end.
"""

import os
import signal


def _leave(number: int, frame: object) -> None:
    os._exit(0)


def main() -> None:
    """Run the command."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _leave)
    from collector.cli import main as run

    run()


if __name__ == "__main__":
    main()
