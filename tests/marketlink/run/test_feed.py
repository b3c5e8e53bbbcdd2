"""The feed against a scripted venue on loopback that misbehaves in every way that venues do."""

# ruff: noqa: ASYNC110 - the tests poll what the feed counts

import asyncio
import itertools
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.clock import SystemClock
from marketlink.errors import SettingsError
from marketlink.run.feed import End, Feed, FeedListener, FeedSettings
from marketlink.run.retry import BackoffSettings
from marketlink.times import WallNs
from marketlink.venues.binance import USDM
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

FAST = FeedSettings(
    connect_timeout_s=2.0,
    answer_timeout_s=2.0,
    data_age_s=20.0,
    close_timeout_s=0.3,
    backoff=BackoffSettings(min_s=0.01, cap_s=0.05),
)
VENUE = replace(USDM, max_messages_per_s=400)


class Diary:
    """What a feed told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.frames: list[bytes] = []
        self.stamps: list[int] = []

    def on_connected(self) -> None:
        self.told.append(("connected", None))

    def on_subscribed(self, streams: Sequence[str]) -> None:
        self.told.append(("subscribed", tuple(streams)))

    def on_refused(self, streams: Sequence[str], error: str) -> None:
        self.told.append(("refused", (tuple(streams), error)))

    def on_stale(self, streams: Sequence[str]) -> None:
        self.told.append(("stale", tuple(streams)))

    def on_frame(self, recv_ns: int, frame: bytes) -> None:
        if not self.told or self.told[-1][0] != "frame":
            self.told.append(("frame", None))
        self.stamps.append(recv_ns)
        self.frames.append(frame)

    def on_disconnected(self, reason: str) -> None:
        self.told.append(("disconnected", reason))

    def count(self, what: str) -> int:
        return sum(1 for each, _ in self.told if each == what)

    def last(self, what: str) -> Any:
        return next(value for each, value in reversed(self.told) if each == what)


class Peer:
    """One accepted connection: the venue's side."""

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.connection, self.number = connection, number
        self.streams: list[str] = []

    async def request(self) -> dict[str, Any]:
        message: dict[str, Any] = orjson.loads(await self.connection.recv())
        return message

    async def grant(self) -> dict[str, Any]:
        """Take one request and accept it."""
        message = await self.request()
        if message["method"] == "SUBSCRIBE":
            self.streams += message["params"]
        await self.connection.send(orjson.dumps({"result": None, "id": message["id"]}).decode())
        return message

    async def serve_requests(self) -> None:
        while True:
            await self.grant()

    def reset(self) -> None:
        """Close with RST."""
        raw = self.connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.transport.abort()

    def eof(self) -> None:
        """Close the TCP connection without a close frame."""
        self.connection.transport.close()


Script = Callable[[Peer], Awaitable[None]]


def follow(
    script: Script,
    until: Callable[[Diary, Feed], bool],
    *,
    streams: Sequence[str] = ("btcusdt@trade",),
    settings: FeedSettings = FAST,
    listener: FeedListener | None = None,
    meanwhile: Callable[[Feed], Awaitable[None]] | None = None,
    clock: SystemClock | None = None,
    **serve_settings: Any,
) -> tuple[Diary, Feed, list[Peer]]:
    """Run a feed against a venue that follows `script` on each connection, until `until`; then cancel the feed."""
    diary = Diary()
    peers: list[Peer] = []

    async def handler(connection: ServerConnection) -> None:
        peer = Peer(connection, len(peers))
        peers.append(peer)
        await script(peer)

    async def main() -> Feed:
        async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0.3, **serve_settings) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            url = VENUE.stream_url(f"ws://127.0.0.1:{port}")
            feed = Feed(VENUE, url, listener or diary, settings=settings, rng=random.Random(1), clock=clock)
            feed.subscribe(streams)
            running = asyncio.create_task(feed.run())
            try:
                async with asyncio.timeout(25):
                    if meanwhile is not None:
                        await meanwhile(feed)
                    while not until(diary, feed) and not running.done():
                        await asyncio.sleep(0.005)
            finally:
                running.cancel()
                results = await asyncio.gather(running, return_exceptions=True)
                for peer in peers:
                    peer.connection.transport.abort()
            if not isinstance(results[0], asyncio.CancelledError):
                raise results[0]
        return feed

    feed = asyncio.run(main())
    return diary, feed, peers


FRAME = '{"stream":"btcusdt@trade","data":{"e":"trade","n":%d}}'
Until = Callable[[Diary, Feed], bool]


def subscribed(times: int) -> Until:
    return lambda diary, feed: diary.count("subscribed") >= times


async def stay(peer: Peer) -> None:
    try:
        await peer.serve_requests()
    except ConnectionClosed:
        pass


def once(misbehave: Callable[[Peer], None]) -> Script:
    """Grant, misbehave on the first connection, behave on the others."""

    async def script(peer: Peer) -> None:
        await peer.grant()
        if peer.number == 0:
            misbehave(peer)
        await stay(peer)

    return script


def close_frame_only(peer: Peer) -> None:
    peer.connection.transport.write(b"\x88\x02\x03\xf0")  # 1008, and the socket stays open


@pytest.mark.parametrize(
    ("misbehave", "words"),
    [
        (Peer.eof, "end of stream without a close frame"),
        (Peer.reset, "ConnectionResetError"),
        (close_frame_only, "1008"),
        (lambda peer: peer.connection.transport.write(b"\x8f\x00"), "opcode"),
    ],
    ids=["clean EOF", "reset", "close frame", "not websocket"],
)
def test_every_end_leads_to_a_new_connection_with_everything_subscribed_again(
    misbehave: Callable[[Peer], None], words: str
) -> None:
    streams = ["btcusdt@trade", "btcusdt@depth@0ms", "ethusdt@trade"]
    diary, feed, peers = follow(once(misbehave), subscribed(2), streams=streams)
    assert [kind for kind, _ in diary.told] == [
        "connected",
        "subscribed",
        "disconnected",
        "connected",
        "subscribed",
        "disconnected",
    ]
    assert words in diary.told[2][1]
    assert [peer.streams for peer in peers] == [streams, streams]
    assert feed.counts.ends == {End.CLOSED.value: 1}
    assert feed.counts.connections == 2


def test_the_url_that_is_asked_is_the_public_route() -> None:
    _, _, peers = follow(stay, subscribed(1))
    request = peers[0].connection.request
    assert request is not None
    assert request.path == "/public/stream"
    assert "Sec-WebSocket-Extensions" not in request.headers


def test_a_burst_arrives_whole_in_order_and_with_stamps_that_never_go_back() -> None:
    sent = [(FRAME % n) for n in range(10_000)]

    async def script(peer: Peer) -> None:
        await peer.grant()
        for frame in sent:
            await peer.connection.send(frame)
        await stay(peer)

    diary, feed, _ = follow(script, lambda diary, feed: len(diary.frames) >= len(sent))
    assert diary.frames == [frame.encode() for frame in sent]
    assert diary.stamps == sorted(diary.stamps)
    assert feed.counts.frames == len(sent)
    assert feed.counts.bytes == sum(map(len, sent))
    assert feed.counts.last_recv_ns == diary.stamps[-1]


def test_frames_in_the_same_packet_as_the_handshake_come_after_connected() -> None:
    frame = (FRAME % 1).encode()

    async def script(peer: Peer) -> None:
        peer.connection.transport.write(bytes([0x81, len(frame)]) + frame)
        await stay(peer)

    diary, _, _ = follow(script, lambda diary, feed: bool(diary.frames) and diary.count("subscribed") == 1)
    assert diary.told[0] == ("connected", None)
    assert diary.count("connected") == 1


def test_a_fragmented_frame_is_one_frame() -> None:
    async def script(peer: Peer) -> None:
        await peer.grant()

        async def parts() -> AsyncIterator[str]:
            for character in FRAME % 5:
                yield character

        await peer.connection.send(parts())
        await stay(peer)

    diary, _, _ = follow(script, lambda diary, feed: bool(diary.frames))
    assert diary.frames == [(FRAME % 5).encode()]


def test_a_stalled_connection_is_left_after_the_data_age() -> None:
    async def script(peer: Peer) -> None:
        await peer.grant()
        await peer.connection.send(FRAME % 1)
        await stay(peer)

    diary, feed, _ = follow(script, subscribed(2), settings=replace(FAST, data_age_s=0.5))
    assert diary.told[3][0] == "disconnected"
    assert diary.told[3][1].startswith("no data: ")
    assert feed.counts.ends[End.DATA_AGE.value] >= 1


def test_without_a_granted_stream_no_data_is_expected() -> None:
    async def script(peer: Peer) -> None:
        await asyncio.sleep(0.3)
        await stay(peer)

    settings = replace(FAST, data_age_s=0.05)
    _diary, feed, _ = follow(
        script, lambda diary, feed: diary.count("connected") == 1, streams=(), settings=settings, meanwhile=_rest
    )
    assert feed.counts.ends == {}


async def _rest(feed: Feed) -> None:
    await asyncio.sleep(0.3)


def test_a_server_that_never_pings_is_left_and_one_that_pings_is_kept() -> None:
    settings = replace(FAST, ping_age_s=0.25)
    _, feed, _ = follow(stay, subscribed(2), settings=settings)
    assert feed.counts.ends[End.PING_AGE.value] >= 1

    async def pings(peer: Peer) -> None:
        await peer.grant()
        for _ in range(30):
            await peer.connection.ping()
            await asyncio.sleep(0.05)
        await peer.connection.send(FRAME % 1)
        await stay(peer)

    _diary, feed, _ = follow(pings, lambda diary, feed: bool(diary.frames), settings=replace(settings, ping_age_s=1.2))
    assert feed.counts.ends == {}
    assert feed.counts.pings == 30


def test_a_peer_that_answers_no_ping_of_ours_is_left() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.grant()
        peer.connection.transport.pause_reading()
        await asyncio.sleep(2 if peer.number == 0 else 0)
        peer.connection.transport.resume_reading()
        await stay(peer)

    diary, _, _ = follow(deaf, subscribed(2), settings=replace(FAST, keepalive_s=0.2))
    assert "keepalive ping timeout" in diary.told[2][1]


def test_an_unanswered_subscription_leads_to_a_new_connection() -> None:
    async def script(peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
        await stay(peer)

    diary, feed, _ = follow(script, subscribed(1), settings=replace(FAST, answer_timeout_s=0.6))
    assert [kind for kind, _ in diary.told[:4]] == ["connected", "disconnected", "connected", "subscribed"]
    assert feed.counts.ends == {End.UNANSWERED.value: 1}
    assert feed.counts.unanswered == 1


@pytest.mark.parametrize(
    "answer",
    [
        '{"error":{"code":2,"msg":"Invalid request"},"id":%d}',
        '{"code":2,"msg":"Invalid request","id":%d}',
        '{"code":2,"msg":"Invalid request"}',
    ],
)
def test_a_refused_stream_is_told_once_and_asked_for_again_on_the_same_connection(answer: str) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(3):
            message = await peer.request()
            await peer.connection.send(answer % message["id"] if "%d" in answer else answer)
        await stay(peer)

    diary, feed, peers = follow(script, subscribed(1), settings=replace(FAST, retry_s=0.01))
    assert diary.told[1] == ("refused", (("btcusdt@trade",), "2: Invalid request"))
    assert [kind for kind, _ in diary.told] == ["connected", "refused", "subscribed", "disconnected"]
    assert feed.counts.refused == 3
    assert len(peers) == 1
    assert feed.silent == frozenset()


def test_a_refusal_with_another_error_is_told_again() -> None:
    async def script(peer: Peer) -> None:
        for text in ("busy", "busy", "unknown"):
            message = await peer.request()
            await peer.connection.send(orjson.dumps({"code": 2, "msg": text, "id": message["id"]}).decode())
        await stay(peer)

    diary, _, _ = follow(script, subscribed(1), settings=replace(FAST, retry_s=0.01))
    assert [value[1] for kind, value in diary.told if kind == "refused"] == ["2: busy", "2: unknown"]


async def refuse_bad(peer: Peer) -> None:
    """Refuse every batch that has a stream in it whose name begins with `bad`."""
    try:
        while True:
            message = await peer.request()
            bad = any(stream.startswith("bad") for stream in message["params"])
            answer = {"error": {"code": 2, "msg": "Invalid request"}} if bad else {"result": None}
            await peer.connection.send(orjson.dumps(answer | {"id": message["id"]}).decode())
            if not bad and message["method"] == "SUBSCRIBE":
                peer.streams += message["params"]
    except ConnectionClosed:
        pass


def test_one_bad_stream_keeps_none_of_its_batch_out() -> None:
    streams = [f"s{n}@trade" for n in range(50)]
    streams[17] = "bad@trade"

    def all_but_one(diary: Diary, feed: Feed) -> bool:
        return sum(len(value) for kind, value in diary.told if kind == "subscribed") == 49

    _, feed, peers = follow(refuse_bad, all_but_one, streams=streams, settings=replace(FAST, retry_s=0.01))
    assert set(peers[0].streams) == set(streams) - {"bad@trade"}
    assert len(peers) == 1
    assert feed.silent == {"bad@trade"}


def test_a_connection_on_which_nothing_is_granted_is_left_after_the_data_age() -> None:
    settings = replace(FAST, retry_s=0.01, data_age_s=0.5)
    _, feed, _ = follow(
        refuse_bad, lambda diary, feed: diary.count("connected") == 2, streams=["bad@trade"], settings=settings
    )
    assert feed.counts.ends[End.DATA_AGE.value] >= 1


BUSY = '{"stream":"%s","data":{"e":"trade","n":%d}}'


async def stream_out(peer: Peer, names: Sequence[str], times: int) -> None:
    for n in range(times):
        for name in names:
            await peer.connection.send(BUSY % (name, n))
        await asyncio.sleep(0.01)


def test_a_busy_connection_that_goes_silent_is_left_long_before_the_data_age() -> None:
    async def script(peer: Peer) -> None:
        await peer.grant()
        await stream_out(peer, ["btcusdt@trade"], 250)  # longer than three times the floor: its habit is known
        await stay(peer)

    _, feed, _ = follow(script, subscribed(2), settings=replace(FAST, stale_s=0.5, data_age_s=60.0))
    assert feed.counts.ends[End.DATA_AGE.value] == 1


def test_a_stream_that_goes_silent_while_others_run_is_told_and_asked_for_anew() -> None:
    asked: list[tuple[str, list[str]]] = []

    async def script(peer: Peer) -> None:
        await peer.grant()
        await stream_out(peer, ["a@trade", "b@trade"], 250)
        running = asyncio.create_task(stream_out(peer, ["a@trade"], 100_000))
        try:
            while len(asked) < 2:
                message = await peer.grant()
                asked.append((message["method"], message["params"]))
            await stream_out(peer, ["b@trade"], 1)
            await stay(peer)
        finally:
            running.cancel()

    def again(diary: Diary, feed: Feed) -> bool:
        return len(asked) == 2 and any(b"b@trade" in frame for frame in diary.frames[-50:]) and not feed.silent

    diary, feed, peers = follow(script, again, streams=["a@trade", "b@trade"], settings=replace(FAST, stale_s=0.5))
    assert asked == [("UNSUBSCRIBE", ["b@trade"]), ("SUBSCRIBE", ["b@trade"])]
    assert diary.last("stale") == ("b@trade",)
    assert diary.count("subscribed") == 1
    assert len(peers) == 1
    assert feed.counts.stale == 1


def test_many_streams_go_out_in_batches_of_at_most_fifty() -> None:
    streams = [f"s{n}@trade" for n in range(120)]
    times: list[float] = []

    async def script(peer: Peer) -> None:
        try:
            while True:
                message = await peer.grant()
                times.append(asyncio.get_running_loop().time())
                assert len(message["params"]) <= 50
        except ConnectionClosed:
            pass

    _diary, _, peers = follow(script, subscribed(3), streams=streams)
    assert peers[0].streams == streams
    assert len(times) == 3


def test_streams_may_be_added_and_removed_while_it_runs() -> None:
    async def meanwhile(feed: Feed) -> None:
        while feed.counts.connections == 0:
            await asyncio.sleep(0.005)
        feed.subscribe(["ethusdt@trade"])
        feed.unsubscribe(["btcusdt@trade"])

    ended: list[list[str]] = []

    async def script(peer: Peer) -> None:
        try:
            while True:
                message = await peer.grant()
                if message["method"] == "UNSUBSCRIBE":
                    ended.append(message["params"])
        except ConnectionClosed:
            pass

    follow(script, lambda diary, feed: bool(ended) and diary.count("subscribed") == 2, meanwhile=meanwhile)
    assert ended == [["btcusdt@trade"]]


def test_a_listener_that_raises_ends_the_feed_with_its_error() -> None:
    class Broken(Diary):
        def on_frame(self, recv_ns: int, frame: bytes) -> None:
            super().on_frame(recv_ns, frame)
            raise LookupError("a bug")

    async def script(peer: Peer) -> None:
        await peer.grant()
        await peer.connection.send(FRAME % 1)
        await peer.connection.send(FRAME % 2)
        await stay(peer)

    broken = Broken()
    with pytest.raises(LookupError, match="a bug"):
        follow(script, lambda diary, feed: False, listener=broken)
    assert len(broken.frames) == 1
    assert "disconnected" not in [kind for kind, *_ in broken.told], "no connection failed"


def test_a_refused_handshake_is_tried_again_not_before_retry_after() -> None:
    attempts: list[float] = []

    def gate(connection: ServerConnection, request: Request) -> Response | None:
        attempts.append(asyncio.get_running_loop().time())
        if len(attempts) > 1:
            return None
        response = connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "slow down")
        response.headers["Retry-After"] = "0.4"
        return response

    diary, feed, _ = follow(stay, subscribed(1), process_request=gate)
    assert attempts[1] - attempts[0] >= 0.4
    assert diary.count("connected") == 1
    assert feed.counts.ends == {End.CONNECT.value: 1}


def test_a_planned_lifetime_ends_with_a_close_frame_and_a_new_connection() -> None:
    codes: list[int | None] = []

    async def script(peer: Peer) -> None:
        await stay(peer)
        codes.append(peer.connection.close_code)

    settings = replace(FAST, lifetime_s=0.2, lifetime_jitter_s=0.0)
    _diary, feed, _ = follow(script, subscribed(2), settings=settings)
    assert feed.counts.ends[End.LIFETIME.value] >= 1
    assert codes[0] == 1000


def test_no_frame_comes_between_the_end_of_a_connection_and_the_next() -> None:
    async def script(peer: Peer) -> None:
        await peer.grant()
        try:
            while True:  # until the answer to the client's close frame
                await peer.connection.send(FRAME % 1)
                await asyncio.sleep(0)
        except ConnectionClosed:
            pass

    def slow_close(diary: Diary, feed: Feed) -> bool:
        return diary.count("disconnected") >= 5

    diary, _, _ = follow(script, slow_close, settings=replace(FAST, lifetime_s=0.1, lifetime_jitter_s=0.0))
    kinds = [kind for kind, _ in diary.told]
    assert "frame" in kinds
    assert all(after == "connected" for before, after in itertools.pairwise(kinds) if before == "disconnected")


@pytest.mark.parametrize(
    "notice",
    ['{"e":"serverShutdown","E":1770123456789}', '{"stream":"","data":{"e":"serverShutdown","E":1}}'],
    ids=["bare", "combined"],
)
def test_an_announced_shutdown_leads_to_a_new_connection_soon(notice: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.grant()
        if peer.number == 0:
            await peer.connection.send(notice)
        await stay(peer)

    diary, feed, _ = follow(script, subscribed(2), settings=replace(FAST, shutdown_delay_s=0.1))
    assert feed.counts.ends == {End.SHUTDOWN.value: 1}
    assert diary.frames == []


def test_what_can_not_be_read_reaches_the_listener() -> None:
    async def script(peer: Peer) -> None:
        await peer.grant()
        for frame in ("no json", "[1]", '{"stream":"btcusdt@trade","da'):
            await peer.connection.send(frame)
        await stay(peer)

    diary, _, _ = follow(script, lambda diary, feed: len(diary.frames) == 3)
    assert diary.frames == [b"no json", b"[1]", b'{"stream":"btcusdt@trade","da']


def test_a_host_that_is_not_there_is_tried_again() -> None:
    async def main() -> Feed:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound, not listening: refused
            diary = Diary()
            feed = Feed(VENUE, f"ws://127.0.0.1:{unused.getsockname()[1]}", diary, settings=FAST, rng=random.Random(1))
            running = asyncio.create_task(feed.run())
            while feed.counts.ends[End.CONNECT.value] < 3:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert diary.told == []
        return feed

    assert asyncio.run(main()).counts.connections == 0


def test_a_server_that_never_finishes_the_handshake_is_given_up() -> None:
    async def main() -> int:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            feed = Feed(VENUE, url, Diary(), settings=replace(FAST, connect_timeout_s=0.1), rng=random.Random(1))
            running = asyncio.create_task(feed.run())
            while feed.counts.ends[End.CONNECT.value] < 2:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return feed.counts.ends[End.CONNECT.value]

    assert asyncio.run(main()) >= 2


def test_what_can_not_work_is_refused_before_anything_is_tried() -> None:
    with pytest.raises(SettingsError, match="ws:// or wss://"):
        Feed(VENUE, "https://fstream.binance.com", Diary(), rng=random.Random(1))
    feed = Feed(VENUE, "wss://fstream.binance.com", Diary(), rng=random.Random(1))
    with pytest.raises(ValueError, match="201 streams are more than the 200"):
        feed.subscribe([f"s{n}@trade" for n in range(201)])


def answered(raw: bytes) -> Feed:
    """What a feed makes of one raw answer to its handshake, twice."""

    async def main() -> Feed:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(raw)
                await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            feed = Feed(VENUE, url, Diary(), settings=FAST, rng=random.Random(1))
            running = asyncio.create_task(feed.run())
            async with asyncio.timeout(20):
                while not feed.counts.ends and not running.done():
                    await asyncio.sleep(0.001)
            server.close()
            running.cancel()
            (result,) = await asyncio.gather(running, return_exceptions=True)
            if not isinstance(result, asyncio.CancelledError):
                raise result
        return feed

    return asyncio.run(main())


HEAD = b"HTTP/1.1 %d X\r\n%b\r\n"


@pytest.mark.parametrize(
    "location",
    [
        "ws://127.0.0.1:99999/",
        "ws://127.0.0.1:-1/",
        "ws://[::1",
        "http://127.0.0.1/",
        "//",
        "ws://a..b:1/",
        "wss://\u0431:x/",
    ],
)
def test_a_redirect_is_not_followed_wherever_it_points_and_is_said(
    location: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed = answered(HEAD % (302, b"Location: %b\r\n" % location.encode()))
    assert feed.counts.ends == {End.CONNECT.value: 1}
    assert "HTTP 302, which points to" in caplog.text
    assert "not followed" in caplog.text


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (b"Retry-After: Sun, 01 Mar 99999 12:00:00 GMT\r\n", "can't be read and is left out"),
        (b"Retry-After: 99999999999999999999999999\r\n", "taken as 3 days"),
        (b"Retry-After: 1\r\nRetry-After: 2\r\n", "HTTP 429"),
    ],
)
def test_a_retry_after_of_any_form_ends_nothing_and_is_said(
    headers: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed = answered(HEAD % (429, headers))
    assert feed.counts.ends == {End.CONNECT.value: 1}
    assert words in caplog.text


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Retry-After", b"Location", b"Upgrade", b"Connection", b"Sec-WebSocket-Accept", b"Content-Length"]
        )
        | st.binary(max_size=8),
        st.binary(max_size=30) | st.from_regex(rb"[0-9]{1,30}", fullmatch=True),
    ),
    max_size=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.sampled_from([101, 200, 302, 308, 418, 429, 503, 999]), HEADERS)
def test_any_answer_to_the_handshake_leads_to_another_try(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    feed = answered(HEAD % (status, b"".join(b"%b: %b\r\n" % header for header in headers)))
    assert sum(feed.counts.ends.values()) >= 1


class StepsAtEveryLook(SystemClock):
    """A wall clock that a mad time server sets at every look."""

    def __init__(self) -> None:
        self._rng = random.Random(7)

    def wall_ns(self) -> WallNs:
        return WallNs(super().wall_ns() + self._rng.randrange(-(10**18), 10**18))


def test_a_wall_clock_that_steps_both_ways_changes_nothing_but_the_stamps() -> None:
    async def script(peer: Peer) -> None:
        await peer.grant()
        for n in range(200):
            await peer.connection.send(FRAME % n)
        if peer.number == 0:
            peer.eof()
        await stay(peer)

    def whole(diary: Diary, feed: Feed) -> bool:
        return len(diary.frames) == 400

    settled = [follow(script, whole, clock=clock)[0] for clock in (None, StepsAtEveryLook())]
    assert settled[0].told == settled[1].told
    assert settled[0].frames == settled[1].frames
    assert settled[1].stamps != sorted(settled[1].stamps)
