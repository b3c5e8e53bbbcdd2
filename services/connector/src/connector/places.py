"""Where a connector keeps what outlives it."""

import os
from pathlib import Path


def state_folder(state_dir: str, name: str) -> Path:
    """Return the folder of a name: below `state_dir`, or the user's own place for such files."""
    if state_dir:
        return Path(state_dir).expanduser() / name
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "marketlink" / name
