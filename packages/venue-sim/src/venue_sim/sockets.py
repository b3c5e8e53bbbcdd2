"""The websocket shell: one asyncio protocol a connection around the sans-I/O `ServerProtocol` of the websockets
library.

The library does the handshake, parses what clients send and answers pings and closes. Outgoing texts do not pass
through it: their frames are built here and written in one piece, because a server's frames need no masking and the
faults need the transport itself.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import cast

from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from venue_sim.exchange import Exchange
from venue_sim.face import Refusal, Route
from venue_sim.http import abort
from venue_sim.limits import SlidingLimit
from venue_sim.links import Close, Deliver, Effect, Eof, Ping, Reset

HIGH_WATER = 1 << 20
_quiet = logging.getLogger("venue_sim.websocket")
_quiet.setLevel(logging.CRITICAL)


def text_frame(payload: bytes) -> bytes:
    """The header of an unmasked, unfragmented text frame for this payload (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size))
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size)
    return struct.pack("!BBQ", 0x81, 127, size)


class Sockets:
    """All websocket connections: hands what clients do to the exchange and carries out its effects."""

    def __init__(
        self, exchange: Exchange, *, connection_limit: int, max_buffer: int, changed: Callable[[], None]
    ) -> None:
        self.exchange = exchange
        self.changed = changed
        self.max_buffer = max_buffer
        self.refused = 0
        self.too_slow = 0
        self.answer_api: Callable[[int, bytes, str], None] | None = None
        self._connection_limit = connection_limit
        self._attempts: dict[str, SlidingLimit] = {}
        self._made = 0
        self._connections: dict[int, Connection] = {}
        self._dangling: set[Connection] = set()

    def __call__(self) -> Connection:
        """Make the protocol of a new TCP connection."""
        return Connection(self)

    def may_connect(self, client: str) -> bool:
        """Count a connection attempt of an address."""
        limit = self._attempts.setdefault(client, SlidingLimit(self._connection_limit, 300.0))
        allowed = limit.allow(time.monotonic())
        self.refused += not allowed
        return allowed

    def attach(self, connection: Connection) -> int:
        """Give a connection whose handshake is done its number."""
        self._made += 1
        self._connections[self._made] = connection
        return self._made

    def detach(self, number: int) -> None:
        """Forget a connection."""
        if self._connections.pop(number, None) is not None:
            self.exchange.closed(number)

    def track(self, connection: Connection, alive: bool) -> None:
        """Remember every TCP connection so that the end of the program leaves none."""
        (self._dangling.add if alive else self._dangling.discard)(connection)

    def apply(self, effects: Iterable[Effect]) -> None:
        """Carry out effects in order."""
        for effect in effects:
            connection = self._connections.get(effect.connection)
            if connection is None:
                continue
            match effect:
                case Deliver(payloads=payloads):
                    connection.send_texts(payloads)
                    if connection.waiting_bytes > self.max_buffer:
                        self.too_slow += 1
                        connection.reset()
                case Ping(payload=payload):
                    connection.ping(payload)
                case Close(code=code, reason=reason):
                    connection.close(code, reason)
                case Eof():
                    connection.eof()
                case Reset():
                    connection.reset()

    @property
    def congested(self) -> list[Connection]:
        """Connections whose client does not keep up at the moment."""
        return [connection for connection in self._connections.values() if connection.paused]

    @property
    def buffered(self) -> dict[int, int]:
        """Bytes waiting to be sent, by connection."""
        return {number: connection.waiting_bytes for number, connection in self._connections.items()}

    def close_all(self) -> None:
        """End every connection: going away, without waiting for the client."""
        for connection in list(self._connections.values()):
            connection.close(1001, "venue-sim ends")
        for connection in list(self._dangling):
            connection.abandon()


class Connection(asyncio.Protocol):
    """One TCP connection that becomes a websocket."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._protocol = ServerProtocol(logger=_quiet)
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None
        self._pieces: list[bytes] = []
        self._mute = False
        self.paused = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start: asyncio calls this."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.track(self, True)

    def connection_lost(self, exc: Exception | None) -> None:
        """End: asyncio calls this."""
        self._transport = None
        self.paused = False
        self._sockets.track(self, False)
        if self._number is not None:
            self._sockets.detach(self._number)
        self._sockets.changed()

    def pause_writing(self) -> None:
        """Too much is waiting: asyncio calls this."""
        self.paused = True

    def resume_writing(self) -> None:
        """Enough was sent: asyncio calls this."""
        self.paused = False
        self._sockets.changed()

    def eof_received(self) -> None:
        """The client will send no more; asyncio then closes."""
        self._protocol.receive_eof()

    def data_received(self, data: bytes) -> None:
        """Parse what came: asyncio calls this."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif isinstance(event, WsFrame):
                self._frame(event)
        if (
            self._protocol.handshake_exc is not None
            and self._transport is not None
            and self._protocol.state is not OPEN
        ):
            self._write_protocol()
            self.abandon()
            return
        self._write_protocol()

    def send_texts(self, payloads: list[bytes]) -> None:
        """Write text messages in one piece."""
        if self._transport is None or self._protocol.state is not OPEN:
            return
        parts = []
        for payload in payloads:
            parts.append(text_frame(payload))
            parts.append(payload)
        self._transport.write(b"".join(parts))

    def ping(self, payload: bytes) -> None:
        """Send a ping."""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(payload)
            self._write_protocol()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and then end the TCP connection, whatever the client answers."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self._write_protocol()
        self.eof()

    def eof(self) -> None:
        """End the TCP connection after what was written before, without a close frame."""
        self._mute = True
        if self._transport is None:
            return
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        asyncio.get_running_loop().call_later(1.0, self.abandon)
        self._leave()

    def reset(self) -> None:
        """Break the TCP connection at once."""
        if self._transport is None:
            return
        abort(self._transport)
        self._leave()

    def abandon(self) -> None:
        """Close the TCP connection whatever is still waiting."""
        if self._transport is not None:
            if self._transport.get_write_buffer_size():
                self._transport.abort()
            else:
                self._transport.close()

    def _leave(self) -> None:
        if self._number is not None:
            self._sockets.detach(self._number)

    def _handshake(self, request: Request) -> None:
        sockets = self._sockets
        host = self._transport.get_extra_info("peername")[0] if self._transport is not None else ""
        route = sockets.exchange.face.talk.parse_target(request.path)
        if not sockets.may_connect(host):
            response = self._protocol.reject(HTTPStatus.TOO_MANY_REQUESTS, "Too many connection attempts\n")
        elif isinstance(route, Refusal):
            response = self._protocol.reject(HTTPStatus(route.status), route.text + "\n")
        else:
            response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS and isinstance(route, Route):
            self._write_protocol()
            self._number = sockets.attach(self)
            sockets.apply(sockets.exchange.open(self._number, route, time.monotonic_ns()))
            sockets.changed()

    def _frame(self, frame: WsFrame) -> None:
        sockets, number = self._sockets, self._number
        if number is None:
            return
        now_ns = time.monotonic_ns()
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                self._pieces.append(bytes(frame.data))
                if frame.fin:
                    text, self._pieces = b"".join(self._pieces), []
                    if sockets.exchange.is_api(number):
                        self._api(number, text, now_ns)
                    else:
                        sockets.apply(sockets.exchange.on_text(number, text, now_ns))
                    sockets.changed()
            case Opcode.PING:
                sockets.apply(sockets.exchange.on_message(number, now_ns))
            case Opcode.PONG:
                sockets.exchange.on_pong(number, bytes(frame.data))
                sockets.apply(sockets.exchange.on_message(number, now_ns))
            case _:
                pass

    def _api(self, number: int, text: bytes, now_ns: int) -> None:
        sockets = self._sockets
        refused = sockets.exchange.on_message(number, now_ns)
        sockets.apply(refused)
        if not refused and sockets.answer_api is not None and self._transport is not None:
            sockets.answer_api(number, text, self._transport.get_extra_info("peername")[0])

    def _write_protocol(self) -> None:
        """Write what the library wants to say, unless this connection is stalled or has said its last."""
        stalled = self._number is not None and self._sockets.exchange.is_stalled(self._number)
        for data in self._protocol.data_to_send():
            if self._transport is None or self._transport.is_closing() or self._mute or stalled:
                continue
            if data:
                self._transport.write(data)
            else:
                asyncio.get_running_loop().call_later(0.2, self.abandon)
                if self._transport.can_write_eof():
                    self._transport.write_eof()
