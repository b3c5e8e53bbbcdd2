"""One form of log lines for every program: time in UTC, level, who, what; as text, or as one JSON object a line."""

import json
import logging
import time
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Final, TextIO

from marketlink.errors import SettingsError

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command line says of logs. `verbose` and `quiet` are steps from `level`: info is one step from debug and from warning."""

    level: str = "info"
    verbose: int = 0
    quiet: bool = False
    file: Path | None = None
    as_json: bool = False

    @property
    def number(self) -> int:
        """The level as logging's number. Raises SettingsError for a word that is none."""
        if self.level.lower() not in _LEVELS:
            what = f"{self.level!r} is no level"
            raise SettingsError("command line", "--log-level", what, f"Use {', '.join(_LEVELS[:-1])} or {_LEVELS[-1]}.")
        at = _LEVELS.index(self.level.lower()) - self.verbose + self.quiet
        return logging.getLevelNamesMapping()[_LEVELS[max(0, min(at, len(_LEVELS) - 1))].upper()]


class JsonFormatter(logging.Formatter):
    """A line as JSON: `time` (UTC), `level`, `who`, `what`, and `traceback` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z"
        fields = {"time": at, "level": record.levelname.lower(), "who": record.name, "what": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def formatter(*, as_json: bool = False) -> logging.Formatter:
    """Return what formats a program's log lines."""
    made = JsonFormatter() if as_json else logging.Formatter(FORMAT)
    made.converter = time.gmtime
    return made


def set_up(level: int, stream: TextIO) -> None:
    """Log to a stream from here on. Requests and websocket frames are not logged, at no level: they may hold what is secret."""
    set_up_handler(level, logging.StreamHandler(stream))


def set_up_as(wish: Wish, handler: logging.Handler) -> None:
    """Log as wished: into the file, which may be moved away meanwhile, else to `handler`. Raises SettingsError."""
    level = wish.number
    if wish.file is not None:
        try:
            handler = WatchedFileHandler(wish.file, encoding="utf-8")
        except OSError as error:
            what = f"can't be written: {error.strerror}"
            raise SettingsError(
                str(wish.file), "--log-file", what, "Name a file in a folder that you may write to."
            ) from None
    set_up_handler(level, handler, as_json=wish.as_json)


def set_up_handler(level: int, handler: logging.Handler, *, as_json: bool = False) -> None:
    """Log to a handler; see `set_up`."""
    handler.setFormatter(formatter(as_json=as_json))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
