"""The override of the websocket library: that the library still is what it builds on, and what it hands over."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from marketlink.run.stamped import StampedConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode


class Taken:
    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.pings = 0
        self.reasons: list[str] = []

    def on_message(self, recv_ns: int, message: bytes) -> None:
        self.messages.append((recv_ns, message))

    def on_ping(self) -> None:
        self.pings += 1

    def on_closing(self, reason: str) -> None:
        self.reasons.append(reason)


Handler = Callable[[ServerConnection], Awaitable[None]]


def take(handler: Handler, *, until: Callable[[Taken], bool], max_size: int = 2**20) -> Taken:
    async def main() -> Taken:
        taken, ticks = Taken(), iter(range(1, 10**9))
        async with serve(handler, "127.0.0.1", 0, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            make: Any = functools.partial(StampedConnection, sink=taken, wall_ns=lambda: next(ticks))
            async with asyncio.timeout(20):
                connection = await connect(
                    f"ws://127.0.0.1:{port}",
                    create_connection=make,
                    compression=None,
                    max_size=max_size,
                    max_queue=None,
                )
                while not until(taken):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                await connection.close()
        return taken

    return asyncio.run(main())


def test_the_library_still_has_the_callbacks_that_are_overridden() -> None:
    assert list(inspect.signature(ClientConnection.data_received).parameters) == ["self", "data"]
    assert list(inspect.signature(ClientConnection.process_event).parameters) == ["self", "event"]
    assert list(inspect.signature(ClientConnection.connection_lost).parameters) == ["self", "exc"]
    source = inspect.getsource(ClientConnection.data_received)
    assert "self.process_event(event)" in source, "messages no longer pass process_event within the read callback"
    assert "response" in inspect.getsource(ClientConnection.process_event)
    assert {"opcode", "data", "fin"} <= set(Frame.__dataclass_fields__)
    assert {"TEXT", "BINARY", "CONT", "PING"} <= set(Opcode.__members__)


def test_messages_arrive_whole_in_order_and_stamped_by_their_read() -> None:
    sent = [b"%d" % n * (1 + n % 700) for n in range(3000)]

    async def handler(server: ServerConnection) -> None:
        for n, message in enumerate(sent):
            await server.send(message if n % 2 else message.decode())
        await server.wait_closed()

    taken = take(handler, until=lambda t: len(t.messages) == len(sent))
    assert [message for _, message in taken.messages] == sent
    stamps = [stamp for stamp, _ in taken.messages]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) < len(stamps), "one stamp a read, not one a message"
    assert all(type(message) is bytes for _, message in taken.messages)


def test_a_fragmented_message_is_one_message_though_a_ping_comes_between() -> None:
    async def handler(server: ServerConnection) -> None:
        async def parts() -> AsyncIterator[str]:
            yield "{"
            await server.ping()
            yield '"e":'
            yield "1}"

        await server.send(parts())
        await server.send("next")
        await server.wait_closed()

    taken = take(handler, until=lambda t: len(t.messages) == 2)
    assert [message for _, message in taken.messages] == [b'{"e":1}', b"next"]
    assert taken.pings == 1


def test_bytes_that_are_not_utf8_are_handed_over_as_they_are() -> None:
    async def handler(server: ServerConnection) -> None:
        server.transport.write(b"\x81\x03\xff\xfea")
        await server.wait_closed()

    assert take(handler, until=lambda t: bool(t.messages)).messages[0][1] == b"\xff\xfea"


def test_an_empty_message_is_a_message() -> None:
    async def handler(server: ServerConnection) -> None:
        await server.send("")
        await server.wait_closed()

    assert take(handler, until=lambda t: bool(t.messages)).messages[0][1] == b""


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\x88\x02\x03\xe9", "1001 (going away)"),
        (b"\x83\x00", "opcode"),
        (b"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff", "over size limit|exceeds|too big"),
    ],
)
def test_closing_is_told_at_once_with_its_reason_though_the_peer_keeps_the_socket_open(raw: bytes, words: str) -> None:
    async def handler(server: ServerConnection) -> None:
        server.transport.write(raw)
        try:
            await server.recv()
        except ConnectionClosed:
            pass

    taken = take(handler, until=lambda t: bool(t.reasons))
    assert any(word.strip() in taken.reasons[0] for word in words.split("|")), taken.reasons
