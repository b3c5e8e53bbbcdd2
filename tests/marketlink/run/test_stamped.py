"""The override of the websocket library: that the library still is what it builds on, and what it hands over."""

import asyncio
import functools
import inspect
import itertools
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.run.stamped import TURN_BYTES, StampedConnection
from marketlink.times import WallNs
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri
from websockets.utils import accept_key


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
    assert list(inspect.signature(ClientConnection.eof_received).parameters) == ["self"]
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


FLOOD = 20_000
SMALL = 60
"""The smallest frame of the flood, with its head: so many fit into the bound."""


def flooded(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], tls: Any = None
) -> tuple[list[int], list[int], Taken]:
    """Read a flood that is sent at once; return how many messages came between two turns of the loop, what was held, and all."""
    server_tls, client_tls = tls or (None, None)
    raw = b"".join(b"\x81\x3a" + (b'{"n":%05d}' % n).ljust(58) for n in range(FLOOD))
    between: list[int] = []
    held: list[int] = []
    taken, stamps = Taken(), iter(range(1, 10**9))

    async def handler(server: ServerConnection) -> None:
        server.transport.write(raw)
        server.transport.close()  # the end of the stream comes right behind

    async def main() -> None:
        loop = asyncio.get_running_loop()
        counting = True

        def count(before: int) -> None:
            between.append(len(taken.messages) - before)
            if counting:
                loop.call_soon(count, len(taken.messages))

        async with serve(handler, "127.0.0.1", 0, compression=None, ssl=server_tls) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            make: Any = functools.partial(StampedConnection, sink=taken, wall_ns=lambda: next(stamps))
            scheme = "wss" if client_tls else "ws"
            async with asyncio.timeout(60):
                loop.call_soon(count, 0)
                connection: Any = await connect(
                    f"{scheme}://127.0.0.1:{port}",
                    create_connection=make,
                    compression=None,
                    max_queue=None,
                    proxy=None,
                    **({"ssl": client_tls} if client_tls else {}),
                )
                while not taken.reasons:
                    held.append(connection.held_bytes)
                    await asyncio.sleep(0)
                await connection.close()
                counting = False

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    return between, held, taken


def loops() -> list[Any]:
    import uvloop

    return [asyncio.new_event_loop, uvloop.new_event_loop]


def localhost_tls() -> tuple[Any, Any]:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)
    return server_tls, client_tls


@pytest.mark.parametrize("loop_factory", loops(), ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_between_two_turns_of_the_loop_no_more_is_handled_than_the_bound(loop_factory: Any, secure: bool) -> None:
    between, held, taken = flooded(loop_factory, localhost_tls() if secure else None)
    assert max(between) <= TURN_BYTES // SMALL + 1
    assert max(held) <= 2**20
    assert [message for _, message in taken.messages] == [(b'{"n":%05d}' % n).ljust(58) for n in range(FLOOD)]
    stamps = [stamp for stamp, _ in taken.messages]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) < sum(each > 0 for each in between), "the stamp is of the read, not of the turn"


class Transport(asyncio.Transport):
    """A transport that reads when it is told to, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.pauses = True, 0

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading, self.pauses = False, self.pauses + 1

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def text_frames(rng: random.Random, count: int) -> tuple[bytes, list[bytes]]:
    messages = [bytes(rng.choices(b"abc", k=rng.choice([0, 3, 100, 125]))) for _ in range(count)]
    return b"".join(b"\x81" + bytes([len(message)]) + message for message in messages), messages


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.integers(), st.lists(st.integers(1, 100_000), min_size=1, max_size=6), st.booleans())
def test_however_reads_are_cut_messages_come_in_order_with_the_stamp_of_the_read_of_their_last_byte(
    seed: int, sizes: list[int], ends: bool
) -> None:
    rng = random.Random(seed)
    raw, messages = text_frames(rng, 800)
    reads: list[bytes] = []
    for size in itertools.cycle(sizes):
        reads.append(raw[:size])
        raw = raw[size:]
        if not raw or len(reads) > 200:
            break
    taken, now = Taken(), [0]

    async def main() -> None:
        protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"))
        protocol.send_request(protocol.connect())
        head = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(protocol.key)}\r\n"
        protocol.receive_data(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode())
        (response,) = protocol.events_received()
        connection = StampedConnection(protocol, sink=taken, wall_ns=lambda: WallNs(now[0]))
        transport = Transport()
        connection.connection_made(transport)
        connection.response = response
        for read in reads:
            now[0] += 1
            connection.data_received(read)
            assert transport.reading or connection.held_bytes <= sum(map(len, reads))
            assert not (transport.reading and connection.held_bytes)
            if rng.random() < 0.5:
                await asyncio.sleep(0)
        if ends:
            connection.connection_lost(None)
        while connection.held_bytes or not transport.reading:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert len(taken.reasons) == ends
        if not ends:
            connection.connection_lost(None)

    asyncio.run(main())
    expected: list[tuple[int, bytes]] = []
    at, ends_at = 0, list(itertools.accumulate(map(len, reads)))
    for message in messages:
        at += 2 + len(message)
        if at > ends_at[-1]:
            break
        expected.append((1 + next(n for n, end in enumerate(ends_at) if at <= end), message))
    assert taken.messages == expected
