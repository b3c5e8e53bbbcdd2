"""The command `venue-sim`, also as `python -m venue_sim`."""

import os
import signal


def _leave(number: int, frame: object) -> None:
    os._exit(0)


def main() -> None:
    """Run the command. A signal while it is still loading ends it with 0: nothing is served yet."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from venue_sim.cli import main as run

    run()


if __name__ == "__main__":
    main()
