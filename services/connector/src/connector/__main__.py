"""The command `connector`, also as `python -m connector`."""

from marketlink.early import leave_on_signals


def main() -> None:
    """Run the command."""
    leave_on_signals()
    from connector.cli import main as run

    run()


if __name__ == "__main__":
    main()
