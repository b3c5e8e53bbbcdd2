"""Exit codes, and the words that can't be names because they are commands."""

from typing import Final

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_ALREADY_RUNNING: Final = 3
EXIT_ORDERS_LEFT: Final = 4
EXIT_ACCOUNT: Final = 5
EXIT_ACTED: Final = 6
COMMANDS: Final = ("halt", "resume", "status", "watchdog", "book", "venues", "symbols", "config")
RESERVED: Final = (*COMMANDS, "doctor")
"""First words: refused as NAME. Those that are no commands yet are kept for such."""
