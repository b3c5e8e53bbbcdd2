"""How many open files a recording needs, seen to before anything is opened: without them it would be deaf, or end half way."""

import os
import resource
import sys
from typing import Final

from collector.errors import TooFewDescriptors

_ANY: Final = (
    20  # the standard three, what a repair and a look into a directory open, and room for what a library opens
)
_LOOP: Final = 24  # the event loop, name resolution, REST connections
_CONNECTION: Final = 2  # of websockets: the old one may still be closing
_SYMBOLS_A_CONNECTION: Final = 60
_LINK: Final = 40  # a link to a connector, measured 20 before one is heard
_FILES: Final = 2  # of a symbol: around midnight today's and yesterday's


def needed(symbols: int, *, link: bool) -> int:
    """Return how many open files a recording of so many symbols may come to."""
    source = _LINK if link else _LOOP + _CONNECTION * (1 + symbols // _SYMBOLS_A_CONNECTION)
    return _ANY + source + _FILES * symbols


def make_room(symbols: int, *, link: bool) -> None:
    """Raise the process's soft limit of open files as far as is needed. Raises TooFewDescriptors when the hard limit is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = needed(symbols, link=link)
    if soft == resource.RLIM_INFINITY or soft >= least:
        return
    if hard != resource.RLIM_INFINITY and hard < least:
        raise TooFewDescriptors(hard, least, symbols)
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))


def fill_standard_places() -> None:
    """Put the null device where standard input, output or error is closed: a library would write into a recording there."""
    while (place := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(place, True)
    os.close(place)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
