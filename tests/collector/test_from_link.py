"""The recording from a connector over the in-memory link, with time as an argument."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from collector.from_link import Effect, LinkRecording, Notice, Refusal, Register, Write
from hypothesis import given
from hypothesis import strategies as st
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EVENT_DTYPE, LOCAL, TRADE, Events
from marketlink.link.port import MemoryBotPort, MemoryConnectorPort, MemoryLink, Peer
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    LiveError,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    Unreadable,
    Value,
)
from marketlink.notices import Refused, to_error
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import MonoNs, WallNs

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
        self.recording = LinkRecording(symbols or ("btcusdt",), BOT, name="bf")
        self.lines: list[dict[str, Any]] = []
        self.stamps: list[int] = []
        self.notices: list[Notice] = []
        self.refused: list[str] = []
        self._carry_out(self.recording.start(WallNs(WALL_NS), MonoNs(0)))

    def begin_connector(self) -> MemoryConnectorPort:
        self.connector = self.link.connector()
        self.connector.requests()  # what was asked while it was away is lost
        return self.connector

    def step(self, passed_s: float = 0.0) -> list[str]:
        """Let time pass and the recording work; return the symbols it asked for."""
        self.now_s += passed_s
        now = MonoNs(int(self.now_s * 1e9))
        wall = WallNs(WALL_NS + now)
        effects = [*self.recording.on_peer(self.port.peer(), now)]
        for heard in self.port.receive():
            effects += self.recording.on_heard(heard, wall, now)
        return self._carry_out(effects + self.recording.on_time(wall, now))

    def _carry_out(self, effects: Sequence[Effect]) -> list[str]:
        asked = []
        for effect in effects:
            match effect:
                case Write(lines):
                    for line in lines.text.decode().splitlines():
                        stamp, _, text = line.partition(" ")
                        self.stamps.append(int(stamp))
                        self.lines.append(json.loads(text))
                case Register(symbol, tick_size, lot_size):
                    self.port.request(RegisterInstrument(symbol, tick_size, lot_size))
                    asked.append(symbol)
                case Notice():
                    self.notices.append(effect)
                case Refusal(symbol):
                    self.refused.append(symbol)
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
            self.connector.send(Batch((FeedEvent(request.request.symbol, book()),), to=request.bot_id))

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
    assert bench.stamps == [WALL_NS] + [WALL_NS + 250_000_000] * 4
    assert [line["more"] for line in bench.lines[1:]] == [3, 2, 1, 0]
    assert bench.words() == ["gap recorder started", "depthClear"] + ["depthSnapshot"] * 3


def test_event_is_stamped_with_its_own_local_time() -> None:
    bench = answered()
    assert bench.connector is not None
    bench.connector.send(Batch((FeedEvent("btcusdt", events(TRADE)),), framed=False))
    bench.step(5.0 - 3.0)
    assert bench.stamps == [WALL_NS - 5]


def test_recorder_may_start_before_the_connector() -> None:
    bench = Bench()
    asked = [bench.step(0.5) for _ in range(40)]
    assert sum(map(len, asked)) == 0, "asked nobody"
    assert bench.words() == ["gap recorder started"], "one outage is one gap"
    assert "no connector 'bf' runs here" in bench.notices[-1].text
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
    assert words[:2] == ["gap connector silent", "depthClear"], "one outage is one gap"


def test_registration_lost_by_a_starting_connector_is_repeated_within_two_seconds() -> None:
    bench = answered()
    connector = bench.begin_connector()
    bench.beat()
    bench.step(0.1)
    connector.requests()  # it was not listening yet
    asked = []
    for _ in range(4):
        bench.beat()
        asked += bench.step(0.5)
    assert asked == ["btcusdt", "btcusdt"]


def test_lost_samples_leave_a_gap_with_their_number_and_ask_for_the_book() -> None:
    bench = Bench(buffer=3)
    bench.begin_connector()
    bench.step()
    bench.serve()
    bench.step()
    bench.words()
    assert bench.connector is not None
    for _ in range(8):
        bench.connector.send(Batch((FeedEvent("btcusdt", events(DEPTH)),)))
    assert bench.step(0.5) == ["btcusdt"]
    assert bench.lines[0]["lost"] == 5
    assert bench.words() == ["gap samples lost"], "updates were written onto a book from before the hole"
    assert bench.recording.counts.without_book == 3
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
    bench.connector.send(Batch((FeedEvent("btcusdt", events(DEPTH)),)))
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
        ({"reason": "closed"}, dict.fromkeys(("BTCUSDT", "ETHUSDT"), "venue interrupted")),
        ({"symbol": "", "state": "out_of_sync"}, dict.fromkeys(("BTCUSDT", "ETHUSDT"), "venue interrupted")),
        ("a text, as hftbacktest's connector sends", dict.fromkeys(("BTCUSDT", "ETHUSDT"), "venue interrupted")),
        (None, dict.fromkeys(("BTCUSDT", "ETHUSDT"), "venue interrupted")),
        ({"symbol": "xrpusdt", "reason": "gap", "after_id": 5, "state": "out_of_sync"}, {}),
    ],
)
def test_interruption_is_a_gap_of_the_symbols_it_names(value: Value, gaps: dict[str, str]) -> None:
    bench = Bench("btcusdt", "ethusdt")
    bench.begin_connector().send(Batch((FeedEvent("btcusdt", book()), FeedEvent("ethusdt", book()))))
    bench.step()
    bench.words()
    assert bench.connector is not None
    bench.connector.send(Batch((ErrorEvent(LiveError(ErrorKind.CONNECTION_INTERRUPTED, value)),), framed=False))
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
    others = (
        FeedEvent("ethusdt", events(DEPTH, TRADE)),
        OrderEvent("btcusdt", ORDER),
        PositionEvent("btcusdt", 1.0, 2),
    )
    bench.connector.send(Batch(others))
    bench.step(0.1)
    assert bench.words() == []
    assert (bench.recording.counts.not_asked_for, bench.recording.counts.passed_over) == (2, 2)


def test_two_symbols_of_one_batch_count_their_own_lines() -> None:
    bench = Bench("btcusdt", "ethusdt")
    bench.begin_connector().send(Batch((FeedEvent("btcusdt", book()), FeedEvent("ethusdt", book()))))
    bench.step()
    bench.words()
    feeds = (
        FeedEvent("btcusdt", events(DEPTH, DEPTH)),
        FeedEvent("ethusdt", events(DEPTH)),
        FeedEvent("btcusdt", events(DEPTH)),
    )
    assert bench.connector is not None
    bench.connector.send(Batch(feeds))
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
        if bench.step(0.5):
            at.append(tick / 2)
    waits = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert waits == [0.5, 1, 2, 4, 8, *[10] * (len(waits) - 5)]


def test_unreadable_samples_are_no_sign_of_life_and_told_now_and_then() -> None:
    bench = Bench()
    bench.begin_connector().send(Batch())
    bench.step()
    notices = []
    for n in range(2000):
        notices += bench.recording.on_heard(Unreadable("rubbish"), WallNs(WALL_NS), MonoNs(n * 1_000_000))
    assert len(notices) == 2
    assert bench.recording.counts.unreadable == 2000
    bench.step(3.0)
    assert "nothing heard of connector 'bf'" in bench.notices[-1].text


def test_a_refused_symbol_is_an_end_and_no_waiting() -> None:
    bench = Bench()
    bench.begin_connector().send(Batch((ErrorEvent(to_error(Refused("btcusdt", "no such instrument"))),), to=BOT))
    bench.step()
    assert bench.refused == ["btcusdt"]


def test_sizes_are_never_left_to_a_connector_that_takes_them_from_its_bots(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.begin_connector()
    monkeypatch.setattr(bench.port, "peer", lambda: Peer.SOURCE)
    assert [bench.step(0.5) for _ in range(10)] == [[]] * 10
    (told,) = [notice.text for notice in bench.notices if "--tick-size" in notice.text]
    assert "another bot has registered" in told
    assert bench.connector is not None
    bench.connector.send(Batch((FeedEvent("btcusdt", events(DEPTH, TRADE)),)))  # one has
    assert bench.step(0.5) == ["btcusdt"]
    requests = [each.request for each in bench.connector.requests()]
    assert requests == [RegisterInstrument("btcusdt", 1.0, 1.0)]


def test_a_connector_of_the_source_that_comes_back_is_registered_with_again() -> None:
    recording = LinkRecording(["btcusdt"], BOT, tick_size=0.1, lot_size=0.001)
    asked = Register("btcusdt", 0.1, 0.001)
    recording.start(WallNs(WALL_NS), MonoNs(0))
    recording.on_peer(Peer.SOURCE, MonoNs(0))
    assert recording.on_time(WallNs(WALL_NS), MonoNs(0)) == [asked]
    recording.on_heard(Batch((FeedEvent("btcusdt", book()),), to=BOT), WallNs(WALL_NS), MonoNs(1), numbered=False)
    recording.on_peer(Peer.NOBODY, MonoNs(10**9))
    recording.on_peer(Peer.SOURCE, MonoNs(2 * 10**9))
    assert recording.on_time(WallNs(WALL_NS), MonoNs(2 * 10**9)) == [asked]
    recording.on_heard(
        Batch((FeedEvent("btcusdt", book()),), to=BOT), WallNs(WALL_NS), MonoNs(2 * 10**9), numbered=False
    )
    assert asked in recording.on_time(WallNs(WALL_NS), MonoNs(6 * 10**9)), "silent: only its answer tells"


def test_sizes_by_option_are_stated_at_once() -> None:
    recording = LinkRecording(["btcusdt"], BOT, tick_size=0.1, lot_size=0.001)
    recording.start(WallNs(WALL_NS), MonoNs(0))
    assert recording.on_time(WallNs(WALL_NS), MonoNs(0)) == [Register("btcusdt", 0.1, 0.001)]


def test_a_clock_that_goes_back_over_midnight_is_a_gap_and_a_new_book_in_the_day_that_is_come_back_to() -> None:
    bench = answered()
    assert bench.connector is not None
    midnight = (WALL_NS // (86_400 * 10**9) + 1) * 86_400 * 10**9
    said = []
    for local_ns in (midnight - 5, midnight + 5, midnight - 9, midnight + 9, midnight + 10):
        bench.connector.send(Batch((FeedEvent("btcusdt", events(DEPTH, local_ns=local_ns)),)))
        bench.step(0.01)
        said.append(bench.words())
    assert said == [["depthUpdate"], ["depthUpdate"], ["gap clock stepped"], ["gap clock stepped"], []]
    assert [stamp - midnight for stamp in bench.stamps] == [-5, 5, -9, 9]
    assert bench.step(0.5) == ["btcusdt"]


def test_trades_are_written_while_the_book_is_not_known() -> None:
    bench = Bench()
    bench.begin_connector().send(Batch((FeedEvent("btcusdt", events(DEPTH, TRADE)),)))
    bench.step()
    assert bench.words() == ["gap recorder started", "trade"]


@given(st.lists(st.sampled_from("ulrwts"), max_size=40))
def test_every_depth_line_stands_behind_a_whole_book_since_the_last_gap(story: list[str]) -> None:
    """u update, l loss, r restart, w whole book to all, t trade, s serve what was asked."""
    bench = Bench()
    bench.begin_connector()
    for word in story:
        assert bench.connector is not None
        match word:
            case "u":
                bench.connector.send(Batch((FeedEvent("btcusdt", events(DEPTH)),)))
            case "t":
                bench.connector.send(Batch((FeedEvent("btcusdt", events(TRADE)),), framed=False))
            case "w":
                bench.connector.send(Batch((FeedEvent("btcusdt", book()),)))
            case "l":
                bench.port._lost += 1
            case "r":
                bench.begin_connector()
            case "s":
                bench.serve()
        bench.step(0.2)
    known = False
    for line in bench.words():
        if line.startswith("gap") or line == "depthClear":
            known = line == "depthClear"
        elif line != "trade":
            assert known
