"""The shell that follows another venue: its streams over a websocket, its snapshots over REST."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from venue_sim.errors import BadMarket
from venue_sim.face import Face, SnapshotLine
from venue_sim.follow import FollowMarket, streams_followed

ANSWER_S = 10.0
SILENCE_S = 30.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
_log = logging.getLogger("venue_sim.follow")


def fetch(base: str, path: str) -> bytes:
    """The body of a GET. Raises `OSError` (`urllib.error.URLError` is one) when there is none."""
    with urllib.request.urlopen(base.rstrip("/") + path, timeout=ANSWER_S) as answer:
        body: bytes = answer.read()
        return body


def begin(face: Face, rest: str, stream: str, symbols: Sequence[str], keep: int) -> FollowMarket:
    """Ask the venue for its contracts and its time, and make the market; `exchange_start_ms` counts from the machine's
    monotonic clock until `Follower.run` begins. Raises `BadMarket` naming the option."""
    if not rest.startswith(("http://", "https://")):
        raise BadMarket("--follow-rest", f"must begin with http:// or https://, not {rest!r}")
    if not stream.startswith(("ws://", "wss://")):
        raise BadMarket("--follow-stream", f"must begin with ws:// or wss://, not {stream!r}")
    try:
        known = face.rest.read_instruments(fetch(rest, face.rest.instruments_path))
        now_ms = face.rest.read_time(fetch(rest, face.rest.time_path)) - time.monotonic_ns() // 1_000_000
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadMarket("--follow-rest", f"{rest} does not answer as this exchange does: {error}") from error
    for symbol in symbols:
        if symbol not in known:
            raise BadMarket("--symbols", f"{symbol!r} is not traded at {rest}")
    return FollowMarket({symbol: known[symbol] for symbol in symbols}, face.messages, now_ms, keep)


class Follower:
    """Keeps a `FollowMarket` fed; `arrived` is called whenever something has come."""

    def __init__(self, market: FollowMarket, face: Face, stream: str, rest: str) -> None:
        self._market = market
        self._face = face
        self._url = stream.rstrip("/") + face.talk.streams_target(list(streams_followed(market)))
        self._rest = rest
        self._pause_s: dict[str, float] = {}
        self._not_before_s: dict[str, float] = {}

    async def run(self, arrived: Callable[[], None]) -> None:
        """Follow until cancelled: connect again after a loss, ask for a snapshot whenever a book is not known."""
        self._market.exchange_start_ms += time.monotonic_ns() // 1_000_000
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(arrived))
            tasks.create_task(self._ask(arrived))

    async def _listen(self, arrived: Callable[[], None]) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with connect(self._url, compression=None, max_size=None, open_timeout=ANSWER_S) as socket:
                    _log.info("follows %s", self._url)
                    while True:
                        async with asyncio.timeout(SILENCE_S):
                            text = await socket.recv(decode=False)
                        self._market.on_text(time.time_ns(), text)
                        arrived()
                        pause_s = FIRST_PAUSE_S
            except (OSError, TimeoutError, WebSocketException) as error:
                _log.warning("lost %s: %s; again in %.1f s", self._url, error or "silent", pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _ask(self, arrived: Callable[[], None]) -> None:
        while True:
            now_s = time.monotonic()
            for symbol in self._market.wanted:
                if now_s >= self._not_before_s.get(symbol, 0.0):
                    await self._snapshot(symbol)
                    arrived()
            await asyncio.sleep(0.05)

    async def _snapshot(self, symbol: str) -> None:
        line = None
        with contextlib.suppress(OSError, ValueError):
            body = await asyncio.to_thread(fetch, self._rest, self._face.rest.depth_target(symbol))
            line = self._face.messages.read_line(time.time_ns(), body)
        joined = isinstance(line, SnapshotLine) and self._market.on_snapshot(symbol, line.state)
        pause_s = FIRST_PAUSE_S if joined else min(2 * self._pause_s.get(symbol, FIRST_PAUSE_S / 2), LONGEST_PAUSE_S)
        self._pause_s[symbol], self._not_before_s[symbol] = pause_s, time.monotonic() + pause_s
        _log.info("snapshot of %s %s", symbol, "joined" if joined else f"not joined; again in {pause_s:.1f} s")
