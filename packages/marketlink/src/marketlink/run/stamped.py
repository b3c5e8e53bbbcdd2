"""A websocket connection that hands over each message at once, with the time at which its last bytes were read.

The library's own way to a message is a queue and a task switch. The override is of four callbacks of the installed library
(websockets 15 to 17); tests/marketlink/run/test_stamped.py fails when they are not as this module needs them.

Work is bounded: no more than `TURN_BYTES` are handled in one turn of the event loop. uvloop reads up to 32 times a poll, 8 MB, and with all
of it handled in the callbacks timers, requests and answers waited for seconds. What is read beyond the bound is held with the stamp of its
read, reading pauses until it is handled, and so no more is ever held than one read brings, and what TLS has decrypted already. Whoever
takes the messages may hold them back for a while in the same way.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from marketlink.times import WallNs

TURN_BYTES: Final = 16 * 1024
"""So much is handled in a turn: some 80 of the smallest frames, a few milliseconds."""

HOLD_S: Final = 0.001


class Sink(Protocol):
    """Who takes what comes in. Called from within the event loop's read callback; must not raise."""

    def on_message(self, recv_ns: WallNs, message: bytes) -> None:
        """Take a whole text or binary message."""

    def on_ping(self) -> None:
        """Note that the server sent a ping; the answer is sent already."""

    def on_closing(self, reason: str) -> None:
        """Note that nothing more will come. May be called more than once."""


class StampedConnection(ClientConnection):
    """A client connection whose messages go to a sink; `recv` is of no use on it."""

    def __init__(
        self,
        protocol: ClientProtocol,
        *,
        sink: Sink,
        wall_ns: Callable[[], WallNs],
        hold: Callable[[], bool] = lambda: False,
        **settings: Any,
    ) -> None:
        super().__init__(protocol, **settings)
        self._sink, self._wall_ns, self._hold = sink, wall_ns, hold
        self._recv_ns = WallNs(0)
        self._parts: list[bytes] = []
        self._held: deque[tuple[WallNs, bytes]] = deque()  # what was read and is not handled yet, in pieces of a turn
        self._held_bytes = 0
        self._ends: list[Callable[[], None]] = []  # what comes behind all that is held
        self._turning = False

    @property
    def held_bytes(self) -> int:
        """How much was read and waits for its turn."""
        return self._held_bytes

    def data_received(self, data: bytes) -> None:
        """Stamp a read, before anything else is done with it; handle as much of it as a turn allows."""
        recv_ns = self._wall_ns()
        if not self._turning and len(data) <= TURN_BYTES and not self._hold():
            self._handle(recv_ns, data)
            return
        for start in range(0, len(data), TURN_BYTES):
            self._held.append((recv_ns, data[start : start + TURN_BYTES]))
        self._held_bytes += len(data)
        if not self._turning:
            self._turning = True
            if not self.transport.is_closing():
                self.transport.pause_reading()
            self._turn()

    def eof_received(self) -> None:
        """Note the end of the stream, behind all that came before it."""
        self._at_the_end(super().eof_received)

    def _turn(self) -> None:
        """Handle one piece, and the next in the next turn of the loop, so that others have theirs between; then read on."""
        if self._held and self._hold():
            asyncio.get_running_loop().call_later(HOLD_S, self._turn)
            return
        if self._held:
            recv_ns, piece = self._held.popleft()
            self._held_bytes -= len(piece)
            self._handle(recv_ns, piece)
        elif self._ends:
            self._ends.pop(0)()
        else:
            self._turning = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
            return
        asyncio.get_running_loop().call_soon(self._turn)

    def _at_the_end(self, end: Callable[[], None]) -> None:
        if self._turning:
            self._ends.append(end)
        else:
            end()

    def _handle(self, recv_ns: WallNs, data: bytes) -> None:
        self._recv_ns = recv_ns
        super().data_received(data)
        state = self.protocol.state
        if state is not State.OPEN and state is not State.CONNECTING:
            self._sink.on_closing(str(self.protocol.parser_exc or self._close_text()))

    def process_event(self, event: Event) -> None:
        """Hand over whole messages; leave handshake, pongs and closing to the library."""
        if self.response is None or not isinstance(event, Frame):
            super().process_event(event)
            return
        opcode = event.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY or opcode is Opcode.CONT:
            if event.fin and not self._parts:
                self._sink.on_message(self._recv_ns, bytes(event.data))
                return
            self._parts.append(bytes(event.data))
            if event.fin:
                message = b"".join(self._parts)
                self._parts.clear()
                self._sink.on_message(self._recv_ns, message)
        elif opcode is Opcode.PING:
            self._sink.on_ping()
        else:
            super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the sink that the connection is gone, however that came about, behind all that came over it."""

        def lost() -> None:
            super(StampedConnection, self).connection_lost(exc)
            self._sink.on_closing(f"{type(exc).__name__}: {exc}" if exc is not None else self._close_text())

        self._at_the_end(lost)

    def _close_text(self) -> str:
        received, sent = self.protocol.close_rcvd, self.protocol.close_sent
        if received is not None:
            return f"close frame {received}"
        return "end of stream without a close frame" if sent is None else f"closed from here: {sent}"
