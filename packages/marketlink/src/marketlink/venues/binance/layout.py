"""How the frames of Binance's products differ: which fields they have, and the layout that lets a recorder read them by a pattern.

Futures (USD-M and COIN-M) are one layout. Spot's depth updates name no update before them and carry the event's time alone, its trades do
not say whose they are, and its best quotes have neither a kind nor a time (docs/venues/spot.md).
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from marketlink.venues.fields import MS_NS, US_NS

_NUMBER_FIELDS: Final = rb'(?:"[A-Za-z]{1,2}":[0-9]+,)*'
_PRODUCT_FIELDS: Final = rb'(?:"(?:st|ps)":(?:[0-9]+|"[^"\\]*"),)*'
_DEPTH_STREAM: Final = rb'\{"stream":"[^"@!\\]+@depth(?:@[0-9]+ms)?"'

DEPTH_START: Final = re.compile(rb'%b|\{"e":"depthUpdate"' % _DEPTH_STREAM)
QUOTE_FIELDS: Final = frozenset("usbBaA")


@dataclass(frozen=True, slots=True)
class Layout:
    """One product's. `tick_head` finds the kind (group 1 or 2) and the symbol (3), `depth_head` symbol and ids (1 to 3, or 4)."""

    names_previous: bool  # a depth update says in `pu` which one it follows
    depth_time: str  # the field of its time
    says_market: bool  # a trade says in `X` whether it is one of the book
    quotes_timed: bool  # best quotes have a time `T` and their kind `e`
    tick_head: re.Pattern[bytes]
    depth_head: re.Pattern[bytes]
    unit_ns: int = MS_NS  # of times on the stream


FUTURES: Final = Layout(
    names_previous=True,
    depth_time="T",
    says_market=True,
    quotes_timed=True,
    tick_head=re.compile(
        rb'\{"stream":"[^"@!\\]+@(?:(trade)","data":\{"e":"trade"|(bookTicker)","data":\{(?:"u":[0-9]+,)?"e":"bookTicker"),'
        rb'%b"s":"([^"\\]+)",' % _NUMBER_FIELDS
    ),
    depth_head=re.compile(
        rb'%b,"data":\{"e":"depthUpdate",%b"s":"([^"\\]+)",%b"U":([0-9]{1,18}),"u":([0-9]{1,18}),"pu":([0-9]{1,18}),'
        % (_DEPTH_STREAM, _NUMBER_FIELDS, _PRODUCT_FIELDS)
    ),
)
SPOT: Final = Layout(
    names_previous=False,
    depth_time="E",
    says_market=False,
    quotes_timed=False,
    tick_head=re.compile(
        rb'\{"stream":"[^"@!\\]+@(?:(trade)","data":\{"e":"trade",%b|(bookTicker)","data":\{"u":[0-9]+,)"s":"([^"\\]+)",'
        % _NUMBER_FIELDS
    ),
    depth_head=re.compile(
        rb'%b,"data":\{"e":"depthUpdate",%b"s":"([^"\\]+)","U":([0-9]{1,18}),"u":([0-9]{1,18}),'
        % (_DEPTH_STREAM, _NUMBER_FIELDS)
    ),
)
SPOT_US: Final = replace(SPOT, unit_ns=US_NS)
"""Spot's with `timeUnit=MICROSECOND` in the stream's address."""
