"""One form of log lines for every program: time in UTC, level, who, what."""

import logging
import time
from typing import Final, TextIO

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


def formatter() -> logging.Formatter:
    """Return what formats a program's log lines."""
    made = logging.Formatter(FORMAT)
    made.converter = time.gmtime
    return made


def set_up(level: int, stream: TextIO) -> None:
    """Log to a stream from here on. Requests and websocket frames are not logged, at no level: they may hold what is secret."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
