"""The recording from a connector over the in-memory link, with time as an argument."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from collector.from_link import LinkRecording, Notice, Register, Write
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EVENT_DTYPE, LOCAL, TRADE, Events
from marketlink.link.port import MemoryBotPort, MemoryConnectorPort, MemoryLink
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    Feed,
    LiveError,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    Unreadable,
    Value,
)
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

WALL_NS = 1_723_100_000_000_000_000
BOT = 77
ORDER = Order(
    1.0, 1.0, 0.0, 0, 5, 0.1, 0, 0, 9, False, OrderType.LIMIT, Status.NONE, Status.NEW, Side.BUY, TimeInForce.GTC
)


def events(*kinds: int, local_ns: int = WALL_NS - 5) -> Events:
    return np.array([(LOCAL | BUY | kind, 1, local_ns, 10.0, 1.0, 0, 4, 0.0) for kind in kinds], EVENT_DTYPE)


def book(local_ns: int = 0) -> Events:
    rows = [(LOCAL | DEPTH_CLEAR, 1, local_ns, 0.0, 0.0, 0, 0, 0.0)]
    rows += [(LOCAL | BUY | DEPTH_SNAPSHOT, 1, local_ns, 9.0 + i, 1.0, 0, 0, 0.0) for i in range(3)]
    return np.array(rows, EVENT_DTYPE)


class Bench:
    """A recording at its end of a link, moved by hand."""

    def __init__(self, *symbols: str, buffer: int = 10_000) -> None:
        self.link = MemoryLink(buffer)
        self.port: MemoryBotPort = self.link.bot(BOT)
        self.connector: MemoryConnectorPort | None = None
        self.now_s = 0.0
        self.recording = LinkRecording(symbols or ("btcusdt",), BOT, 0.0)
        self.lines: list[dict[str, Any]] = []
        self.stamps: list[int] = []
        self.notices: list[Notice] = []

    def begin_connector(self) -> MemoryConnectorPort:
        self.connector = self.link.connector()
        self.connector.requests()  # what was asked while it was away is lost
        return self.connector

    def step(self, passed_s: float = 0.0) -> list[str]:
        """Let time pass and the recording work; return the symbols it asked for."""
        self.now_s += passed_s
        wall_ns = WALL_NS + int(self.now_s * 1e9)
        effects = []
        for heard in self.port.receive():
            effects += self.recording.on_heard(heard, wall_ns, self.now_s)
        effects += self.recording.on_time(wall_ns, self.now_s)
        asked = []
        for effect in effects:
            match effect:
                case Write(lines):
                    for line in lines.text.decode().splitlines():
                        stamp, _, text = line.partition(" ")
                        self.stamps.append(int(stamp))
                        self.lines.append(json.loads(text))
                case Register(symbol):
                    self.port.request(RegisterInstrument(symbol))
                    asked.append(symbol)
                case Notice():
                    self.notices.append(effect)
        return asked

    def words(self) -> list[str]:
        """Return event words since the last call, a gap with its reason."""
        words = [line["e"] if line["e"] != "gap" else f"gap {line['reason']}" for line in self.lines]
        self.lines.clear()
        return words

    def serve(self) -> None:
        """Let the connector answer every registration with a book."""
        assert self.connector is not None
        for request in self.connector.requests():
            assert isinstance(request.request, RegisterInstrument)
            self.connector.send(Batch((Feed(request.request.symbol, book()),), to=request.bot_id))

    def beat(self) -> None:
        assert self.connector is not None
        self.connector.send(Batch())


def answered() -> Bench:
    bench = Bench()
    bench.begin_connector()
    bench.step()
    bench.serve()
    bench.step(0.1)
    assert not bench.recording.unanswered
    bench.words()
    bench.stamps.clear()
    return bench


def test_answered_symbol_is_asked_for_once() -> None:
    bench = answered()
    for _ in range(100):
        bench.beat()
        assert bench.step(1.0) == []
    assert bench.recording.counts.registrations == 1


def test_registration_states_no_sizes() -> None:
    bench = Bench()
    connector = bench.begin_connector()
    bench.step()
    assert [each.request for each in connector.requests()] == [RegisterInstrument("btcusdt", 0.0, 0.0)]


def test_reply_without_local_times_gets_one_stamp_and_counts_down() -> None:
    bench = Bench()
    bench.begin_connector()
    bench.step()
    bench.serve()
    bench.step(0.25)
    assert bench.stamps == [WALL_NS + 250_000_000] * 4
    assert [line["more"] for line in bench.lines] == [3, 2, 1, 0]
    assert bench.words() == ["depthClear"] + ["depthSnapshot"] * 3


def test_event_is_stamped_with_its_own_local_time() -> None:
    bench = answered()
    assert bench.connector is not None
    bench.connector.send(Batch((Feed("btcusdt", events(TRADE)),), framed=False))
    bench.step(5.0 - 3.0)
    assert bench.stamps == [WALL_NS - 5]


def test_recorder_may_start_before_the_connector() -> None:
    bench = Bench()
    asked = [bench.step(0.5) for _ in range(40)]
    assert 9 <= sum(map(len, asked)) <= 12  # every 2 s
    assert bench.words() == ["gap connector silent"]
    bench.begin_connector()
    bench.beat()
    assert bench.step(0.5) == ["btcusdt"]
    bench.serve()
    bench.step(0.5)
    assert bench.words()[0] == "depthClear"
    assert not bench.recording.unanswered


def test_connector_restarted_quickly_is_asked_again_at_its_first_word() -> None:
    bench = answered()
    bench.begin_connector()
    bench.beat()
    assert bench.step(1.0) == ["btcusdt"]
    bench.serve()
    bench.step(0.1)
    assert bench.words()[:2] == ["gap connector restarted", "depthClear"]


def test_connector_that_was_away_long_is_recorded_again_within_a_step() -> None:
    bench = answered()
    for _ in range(20):
        bench.step(0.5)
    bench.begin_connector()
    bench.beat()
    bench.step(0.2)
    bench.serve()
    bench.step(0.2)
    words = bench.words()
    assert words[:3] == ["gap connector silent", "gap connector restarted", "depthClear"]


def test_registration_lost_by_a_starting_connector_is_repeated_within_two_seconds() -> None:
    bench = answered()
    connector = bench.begin_connector()
    bench.beat()
    bench.step(0.1)
    connector.requests()  # it was not listening yet
    asked = []
    for _ in range(5):
        bench.beat()
        asked += bench.step(0.5)
    assert asked == ["btcusdt"]


def test_lost_samples_leave_a_gap_with_their_number_and_ask_for_the_book() -> None:
    bench = Bench(buffer=3)
    bench.begin_connector()
    bench.step()
    bench.serve()
    bench.step()
    bench.words()
    assert bench.connector is not None
    for _ in range(8):
        bench.connector.send(Batch((Feed("btcusdt", events(DEPTH)),)))
    assert bench.step(0.1) == ["btcusdt"]
    assert bench.lines[0]["lost"] == 5
    assert bench.words() == ["gap samples lost", "depthUpdate", "depthUpdate", "depthUpdate"]
    assert bench.recording.unanswered == ["btcusdt"]  # updates to all are no answer: the book is unknown
    bench.serve()
    bench.step(0.1)
    assert not bench.recording.unanswered


def test_gap_is_written_once_until_data_come() -> None:
    bench = answered()
    assert bench.connector is not None
    trouble = Batch((ErrorEvent(LiveError(ErrorKind.CONNECTION_INTERRUPTED, {"symbol": ""})),), framed=False)
    for _ in range(3):
        bench.connector.send(trouble)
    bench.step(0.1)
    assert bench.words() == ["gap venue interrupted"]
    bench.connector.send(Batch((Feed("btcusdt", events(DEPTH)),)))
    bench.connector.send(trouble)
    bench.step(0.1)
    assert bench.words() == ["depthUpdate", "gap venue interrupted"]


@pytest.mark.parametrize(
    ("value", "gaps"),
    [
        (
            {"symbol": "btcusdt", "reason": "gap", "after_id": 5, "state": "out_of_sync"},
            {"BTCUSDT": "book out of sync"},
        ),
        ({"symbol": "btcusdt", "reason": "closed", "after_id": 5}, {"BTCUSDT": "venue interrupted"}),
        ({"symbol": "", "state": "out_of_sync"}, dict.fromkeys(("BTCUSDT", "ETHUSDT"), "venue interrupted")),
        ("a text, as hftbacktest's connector sends", dict.fromkeys(("BTCUSDT", "ETHUSDT"), "venue interrupted")),
        (None, dict.fromkeys(("BTCUSDT", "ETHUSDT"), "venue interrupted")),
        ({"symbol": "xrpusdt", "state": "out_of_sync"}, {}),
    ],
)
def test_interruption_is_a_gap_of_the_symbols_it_names(value: Value, gaps: dict[str, str]) -> None:
    bench = Bench("btcusdt", "ethusdt")
    bench.begin_connector().send(Batch((ErrorEvent(LiveError(ErrorKind.CONNECTION_INTERRUPTED, value)),), framed=False))
    bench.step()
    assert {line["s"]: line["reason"] for line in bench.lines} == gaps


def test_other_errors_are_told_and_not_written() -> None:
    bench = answered()
    assert bench.connector is not None
    bench.connector.send(Batch((ErrorEvent(LiveError(ErrorKind.ORDER_ERROR, "no such symbol")),), to=BOT, framed=False))
    bench.step(0.1)
    assert bench.words() == []
    assert "no such symbol" in bench.notices[-1].text


def test_symbols_of_others_orders_and_positions_are_counted_not_written() -> None:
    bench = answered()
    assert bench.connector is not None
    others = (Feed("ethusdt", events(DEPTH, TRADE)), OrderEvent("btcusdt", ORDER), PositionEvent("btcusdt", 1.0, 2))
    bench.connector.send(Batch(others))
    bench.step(0.1)
    assert bench.words() == []
    assert (bench.recording.counts.not_asked_for, bench.recording.counts.passed_over) == (2, 2)


def test_two_symbols_of_one_batch_count_their_own_lines() -> None:
    bench = Bench("btcusdt", "ethusdt")
    feeds = (Feed("btcusdt", events(DEPTH, DEPTH)), Feed("ethusdt", events(DEPTH)), Feed("btcusdt", events(DEPTH)))
    bench.begin_connector().send(Batch(feeds))
    bench.step()
    assert [(line["s"], line["more"]) for line in bench.lines] == [
        ("BTCUSDT", 2),
        ("BTCUSDT", 1),
        ("BTCUSDT", 0),
        ("ETHUSDT", 0),
    ]


def test_unanswered_symbol_is_asked_for_ever_more_rarely() -> None:
    bench = Bench()
    bench.begin_connector()
    at = []
    for tick in range(200):
        bench.beat()
        if bench.step(1.0):
            at.append(tick)
    waits = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert waits == [2, 4, 8, 16, *[30] * (len(waits) - 4)]


def test_unreadable_samples_are_no_sign_of_life_and_told_now_and_then() -> None:
    bench = Bench()
    bench.begin_connector().send(Batch())
    bench.step()
    notices = []
    for n in range(2000):
        notices += bench.recording.on_heard(Unreadable("rubbish"), WALL_NS, n / 1000)
    assert len(notices) == 2
    assert bench.recording.counts.unreadable == 2000
    bench.step(3.0)
    assert bench.words() == ["gap connector silent"]
