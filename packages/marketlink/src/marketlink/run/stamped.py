"""A websocket connection that hands over each message at once, with the time at which its last bytes were read.

The library's own way to a message is a queue and a task switch. The override is of three callbacks of the installed library
(websockets 15 to 17); tests/marketlink/run/test_stamped.py fails when they are not as this module needs them.
"""

from collections.abc import Callable
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State


class Sink(Protocol):
    """Who takes what comes in. Called from within the event loop's read callback; must not raise."""

    def on_message(self, recv_ns: int, message: bytes) -> None:
        """Take a whole text or binary message."""

    def on_ping(self) -> None:
        """Note that the server sent a ping; the answer is sent already."""

    def on_closing(self, reason: str) -> None:
        """Note that nothing more will come. May be called more than once."""


class StampedConnection(ClientConnection):
    """A client connection whose messages go to a sink; `recv` is of no use on it."""

    def __init__(self, protocol: ClientProtocol, *, sink: Sink, wall_ns: Callable[[], int], **settings: Any) -> None:
        super().__init__(protocol, **settings)
        self._sink, self._wall_ns = sink, wall_ns
        self._recv_ns = 0
        self._parts: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Stamp a read, before anything else is done with it."""
        self._recv_ns = self._wall_ns()
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
        """Tell the sink that the connection is gone, however that came about."""
        super().connection_lost(exc)
        self._sink.on_closing(f"{type(exc).__name__}: {exc}" if exc is not None else self._close_text())

    def _close_text(self) -> str:
        received, sent = self.protocol.close_rcvd, self.protocol.close_sent
        if received is not None:
            return f"close frame {received}"
        return "end of stream without a close frame" if sent is None else f"closed from here: {sent}"
