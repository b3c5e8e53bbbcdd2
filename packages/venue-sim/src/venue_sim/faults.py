"""Decides, message by message and request by request, which scripted fault hits. Pure: time is an argument, chance
is seeded per fault.

A fault waits for its moment (`at_s` of market time, or `after_message` / `after_request` matches), then hits the
next `count` things that match its filters, each with its probability. What was hit is remembered in `fired`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from venue_sim.config import CONNECTION_KINDS, MESSAGE_KINDS, SNAPSHOT_KINDS, Fault
from venue_sim.face import Packet, StreamName

FIRED_KEPT = 10_000
_BREAKING = b'{}[]":,'


@dataclass(frozen=True, slots=True)
class Fired:
    """One hit of a fault: when (seconds of market time), which fault (its number) and what it hit."""

    at_s: float
    number: int
    kind: str
    hit: str


class Armed:
    """A fault together with how far it is."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.left = fault.count if fault.count else -1
        self.seen = 0
        self.random = Random(f"{fault.seed}/{number}")

    @property
    def spent(self) -> bool:
        """True when it has hit as often as it may."""
        return self.left == 0

    def ready(self, now_s: float, threshold: int | None) -> bool:
        """Count one match; True when its moment has come."""
        self.seen += 1
        fault = self.fault
        if (fault.at_s is not None and now_s < fault.at_s) or (fault.until_s is not None and now_s >= fault.until_s):
            return False
        return threshold is None or self.seen > threshold

    def strikes(self) -> bool:
        """Draw whether this match is hit and count it when it is."""
        if self.fault.probability < 1.0 and self.random.random() >= self.fault.probability:
            return False
        self.left -= 1
        return True


class FaultScript:
    """All faults of a run. `watches_frames` is True while some fault has to be asked about every frame."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._armed: list[Armed] = []
        self._made = 0
        self.fired: list[Fired] = []
        self.watches_frames = False
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> int:
        """Add a fault and return its number."""
        self._made += 1
        self._set([*self._armed, Armed(self._made, fault)])
        return self._made

    def clear(self, number: int | None = None) -> int:
        """Forget every fault that is still waiting, or the one of that number; return how many there were."""
        left = [] if number is None else [armed for armed in self._armed if armed.number != number]
        count = len(self._armed) - len(left)
        self._set(left)
        return count

    @property
    def waiting(self) -> list[Fault]:
        """The faults that can still hit."""
        return [armed.fault for armed in self._armed]

    def on_packet(self, packet: Packet, now_s: float) -> list[Armed]:
        """Count one message that left the market and return the message and connection faults that hit it, in the
        script's order."""
        hits = []
        for armed in self._armed:
            fault = armed.fault
            message = fault.kind in MESSAGE_KINDS
            counted = fault.kind in CONNECTION_KINDS and fault.after_message is not None
            if not (message or counted) or not _matches(fault, packet):
                continue
            threshold = (
                fault.after_message if message or fault.after_message is None else max(0, fault.after_message - 1)
            )
            if armed.ready(now_s, threshold) and armed.strikes():
                hits.append(armed)
                self.note(armed, now_s, f"{packet.stream} u={packet.last_id}" if packet.last_id else packet.stream)
        if hits:
            self._forget_spent()
        return hits

    def due(self, now_s: float) -> list[Armed]:
        """Return the connection faults whose time has come and that wait for no message."""
        hits = [
            armed
            for armed in self._armed
            if armed.fault.kind in CONNECTION_KINDS
            and armed.fault.after_message is None
            and armed.fault.op is None
            and (armed.fault.at_s is None or now_s >= armed.fault.at_s)
        ]
        for armed in hits:
            armed.left = 0
        if hits:
            self._forget_spent()
        return hits

    def next_due_s(self) -> float | None:
        """Market time of the next connection fault that waits for no message."""
        times = [
            armed.fault.at_s or 0.0
            for armed in self._armed
            if armed.fault.kind in CONNECTION_KINDS and armed.fault.after_message is None and armed.fault.op is None
        ]
        return min(times, default=None)

    def on_request(
        self, path: str, symbol: str | None, now_s: float, *, depth: bool = False, words: Sequence[str] = ()
    ) -> Armed | None:
        """Count one request and return the first fault that hits it; `depth` says that it asks for a book, `words` what
        a private one does."""
        found: Armed | None = None
        for armed in self._armed:
            fault = armed.fault
            if fault.kind in MESSAGE_KINDS | CONNECTION_KINDS:
                continue
            if not depth if fault.kind in SNAPSHOT_KINDS else fault.path not in (None, path):
                continue
            if fault.symbol not in (None, symbol) or fault.op not in (None, *words):
                continue
            if armed.ready(now_s, fault.after_request) and found is None and armed.strikes():
                found = armed
                self.note(armed, now_s, f"{path} {symbol or ''}".strip())
        if found:
            self._forget_spent()
        return found

    def on_carrying_out(self, words: Sequence[str], symbol: str | None, now_s: float) -> list[Armed]:
        """Count one private request that is carried out and return the connection faults that wait for it."""
        hits = []
        for armed in self._armed:
            fault = armed.fault
            if fault.kind not in CONNECTION_KINDS or fault.op is None or fault.op not in words:
                continue
            if fault.symbol in (None, symbol) and armed.ready(now_s, fault.after_request) and armed.strikes():
                hits.append(armed)
        if hits:
            self._forget_spent()
        return hits

    def note(self, armed: Armed, now_s: float, hit: str) -> None:
        """Remember a hit; the oldest are forgotten beyond ten thousand."""
        if len(self.fired) >= FIRED_KEPT:
            del self.fired[: FIRED_KEPT // 10]
        self.fired.append(Fired(round(now_s, 6), armed.number, armed.fault.kind, hit))

    def _forget_spent(self) -> None:
        self._set([armed for armed in self._armed if not armed.spent])

    def _set(self, armed: list[Armed]) -> None:
        self._armed = armed
        self.watches_frames = any(
            one.fault.kind in MESSAGE_KINDS or one.fault.after_message is not None for one in armed
        )


def cut_short(body: bytes, mode: str, rng: Random) -> bytes:
    """An answer that cannot be read whole: cut at any place (`truncate`), only its last byte missing (`tail`), or an
    object with nothing in it (`empty`)."""
    if mode == "empty":
        return b"{}"
    return body[:-1] if mode == "tail" else corrupted(body, "truncate", rng)


def corrupted(payload: bytes, mode: str, rng: Random) -> bytes:
    """Spoil a JSON text so that it cannot be parsed but stays valid UTF-8: cut short, or one structural character
    changed."""
    if mode == "truncate":
        cut = max(1, rng.randrange(len(payload) // 4, 3 * len(payload) // 4 + 1))
        return payload[:cut].decode(errors="ignore").encode()
    places = [at for at, byte in enumerate(payload) if byte in _BREAKING]
    at = rng.choice(places)
    return payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]


def meant_for(fault: Fault, connection: int, streams: Iterable[StreamName]) -> bool:
    """Say whether a connection fault hits a connection: with filters, only one that has a matching stream."""
    if fault.kind not in CONNECTION_KINDS or fault.connection not in (None, connection):
        return False
    if fault.symbol is None and fault.stream is None:
        return True
    return any(fault.symbol in (None, stream.symbol) and fault.stream in (None, *stream.words) for stream in streams)


def describe(fault: Fault) -> dict[str, Any]:
    """The fields of a fault that are set, for the control port."""
    values = {name: getattr(fault, name) for name in Fault.__dataclass_fields__}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def _matches(fault: Fault, packet: Packet) -> bool:
    if fault.symbol is not None and fault.symbol != packet.symbol:
        return False
    return fault.stream is None or fault.stream in packet.words
