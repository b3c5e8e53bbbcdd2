"""COIN-M's messages: USD-M's with the pair (`ps`) and the product's number (`st`, since 2026-06-29)."""

from __future__ import annotations

from venue_sim.face import Packet, Stencil
from venue_sim.market import Message, Quote
from venue_sim.venues.usdm import messages as usdm
from venue_sim.venues.usdm.messages import (
    read_event_ms,
    read_ids,
    read_line,
    read_message,
    read_quote_id,
    read_stream,
    read_update,
    render_shown,
    slower,
    stencil_of,
    stream_of,
    window,
)

__all__ = [
    "read_event_ms",
    "read_ids",
    "read_line",
    "read_message",
    "read_quote_id",
    "read_stream",
    "read_update",
    "render",
    "render_shown",
    "slower",
    "stencil",
    "stream_of",
    "window",
]


def pair_of(symbol: str) -> str:
    """The pair of a contract: `BTCUSD` of `btcusd_perp`."""
    return symbol.partition("_")[0].upper()


def render(symbol: str, message: Message, stream: str | None = None) -> Packet:
    """Write a message; best quotes begin with their id, as captured."""
    packet = usdm.render(symbol, message, stream)
    named = f'"s":"{symbol.upper()}",'.encode()
    data = packet.data.replace(named, named + f'"ps":"{pair_of(symbol)}","st":2,'.encode(), 1)
    if isinstance(message, Quote):
        head, number = b'{"e":"bookTicker",', b'"u":%d,' % message.last_id
        data = b"{" + number + head[1:] + data[len(head) + len(number) :]
    return packet._replace(data=data, wrapped=b'{"stream":"%b","data":%b}' % (packet.stream.encode(), data))


def stencil(symbol: str, message: Message) -> Stencil:
    """Write a message with holes for its ids and times."""
    return stencil_of(render(symbol, message))
