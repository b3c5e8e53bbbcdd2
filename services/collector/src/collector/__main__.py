"""The command `collector`, also as `python -m collector`."""

from marketlink.early import leave_on_signals


def main() -> None:
    """Run the command."""
    leave_on_signals()
    from collector.cli import main as run

    run()


if __name__ == "__main__":
    main()
