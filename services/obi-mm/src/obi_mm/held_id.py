"""One process a bot id: two under one id would each take the other's orders for its own."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from obi_mm.errors import IdTaken


def id_path(connector: str, bot_id: int, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file whose lock says that a process goes by an id on a connector."""
    home = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "marketlink" / f"obi-mm-{connector}-{bot_id}.lock"


@contextlib.contextmanager
def held_id(connector: str, bot_id: int) -> Iterator[None]:
    """Hold an id as long as this process lives, at most; raises IdTaken where another one of this user does."""
    path = id_path(connector, bot_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise IdTaken(connector, bot_id) from error
        yield
