"""The live shell on a link in memory: decisions before messages, however they arrive; trouble is seen and survived."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from marketlink.bot import Confidence
from marketlink.errors import InstrumentRefused
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE, Events
from marketlink.link.port import MemoryConnectorPort, MemoryLink
from marketlink.messages import Batch, ErrorEvent, FeedEvent, PositionEvent
from marketlink.notices import Contradicted, OutOfSync, Refused, Remark, Stated, to_error
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import MonoNs, WallNs
from obi_mm.config import Config, change_config, parse_config
from obi_mm.decisions import Header, LoggedSymbol, Writer, read_log
from obi_mm.layout import (
    NO_ASK_TICK,
    NO_BID_TICK,
    O_FREE,
    O_ID,
    O_LOTS,
    O_SIDE,
    QUOTING,
    STALE,
    UNSYNCED,
    WARMING,
    Log,
    Table,
)
from obi_mm.live import Shell, make_strategies, orders_table, percentiles_us
from obi_mm.pace import PacedPort, depth_times
from obi_mm.strategy import Strategy
from obi_mm.view import line, render

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


@pytest.fixture
def config() -> Config:
    small = {"window": 3, "volatility_window": 2, "update_interval_ns": SECOND, "volatility_interval_ns": 2 * SECOND}
    stop = {"volatility_mean": 1.0, "change_mean": 1.0}
    return parse_config({"params": {**small, "stale_seconds": 3.0}, "stop_loss": stop}, "test")


def rows(time_ns: int, *levels: tuple[int, float, float], whole: bool = False) -> Events:
    events: Events = np.zeros(len(levels) + whole, EVENT_DTYPE)
    events["exch_ts"], events["local_ts"] = time_ns, time_ns + 1000
    if whole:
        events["ev"][0] = EXCH | LOCAL | DEPTH_CLEAR
    for i, (side, price, qty) in enumerate(levels, int(whole)):
        events["ev"][i], events["px"][i], events["qty"][i] = EXCH | LOCAL | DEPTH | side, price, qty
    return events


def book(time_ns: int, bid: float = 50_000.0, symbol: str = "btcusdt", qty: float = 2.0) -> Batch:
    return Batch((FeedEvent(symbol, rows(time_ns, (BUY, bid, qty), (SELL, bid + 0.1, 1.0), whole=True)),))


def change(time_ns: int, qty: float, symbol: str = "btcusdt") -> Batch:
    return Batch((FeedEvent(symbol, rows(time_ns, (BUY, 50_000.0, qty))),))


class Ticking:
    """A clock that moves a nanosecond whenever it is read."""

    def __init__(self, ticks: Iterator[int]) -> None:
        self._ticks = ticks

    def wall_ns(self) -> WallNs:
        return WallNs(START + next(self._ticks))

    def mono_ns(self) -> MonoNs:
        return MonoNs(next(self._ticks))


class Kept:
    """Writes every decision, and keeps its actions."""

    def __init__(self, writer: Writer) -> None:
        self.writer, self.sent = writer, []

    def put(self, decision: Log, actions: Table) -> None:
        self.writer.put(decision, actions)
        self.sent.append((int(decision["symbol"][0]), actions))


class Rigged:
    """A shell and the connector's end of its link."""

    def __init__(self, config: Config, path: Path, symbols: Sequence[str] = ("btcusdt",)) -> None:
        self.link = MemoryLink()
        self.connector: MemoryConnectorPort = self.link.connector()
        self.notes: list[str] = []
        self.path = path
        self.writer = Writer(path, Header(tuple(LoggedSymbol(one, 0.1, 0.001) for one in symbols), {}, "test"))
        self.kept = Kept(self.writer)
        ticks = itertools.count()
        self.shell = Shell(
            "bf",
            make_strategies({one: (0.1, 0.001) for one in symbols}, config, 1),
            port=self.link.bot(7),
            writer=self.kept,
            note=self.notes.append,
            clock=Ticking(ticks),
            timer_ns=lambda: next(ticks),
        )

    def take_all(self) -> None:
        while self.shell.step(0.0):
            pass

    def close(self) -> None:
        self.shell.close()
        self.writer.close()

    def times(self) -> list[int]:
        return [(int(one) - START) // SECOND for one in read_log(self.path).decisions["time_ns"]]


@pytest.fixture
def rigged(config: Config, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rigged]:
    rigged = Rigged(config, tmp_path / "log", getattr(request, "param", ("btcusdt",)))
    yield rigged
    rigged.close()


def test_a_decision_is_made_on_the_book_before_its_boundary_even_if_all_arrives_at_once(rigged: Rigged) -> None:
    rigged.connector.send(book(START + SECOND // 2))
    for half in range(2, 20):
        rigged.connector.send(change(START + half * SECOND // 2, float(half)))
    rigged.take_all()
    log = read_log(rigged.path)
    assert rigged.times() == list(range(1, 10))
    # The message at the boundary itself is not in the book of its decision.
    assert log.decisions["bids"].tolist() == [2.0] + [float(2 * second - 1) for second in range(2, 10)]
    assert log.decisions["reason"][0] == WARMING
    assert log.decisions["reason"][-1] == QUOTING


def test_trades_do_not_move_the_clock(rigged: Rigged) -> None:
    rigged.connector.send(book(START))
    trade = rows(START + 5 * SECOND, (BUY, 50_000.0, 1.0))
    trade["ev"] = EXCH | LOCAL | BUY | TRADE
    rigged.connector.send(Batch((FeedEvent("btcusdt", trade),)))
    rigged.take_all()
    assert rigged.times() == []
    assert depth_times(Batch((FeedEvent("btcusdt", trade),))) == {}


def test_every_boundary_of_a_silence_is_decided_and_stale_ones_take_no_sample(rigged: Rigged) -> None:
    rigged.connector.send(book(START))
    rigged.connector.send(change(START + 8 * SECOND, 3.0))
    rigged.take_all()
    decisions = read_log(rigged.path).decisions
    assert rigged.times() == list(range(1, 9))
    assert decisions["reason"].tolist()[:3] == [WARMING] * 3
    assert decisions["reason"].tolist()[3:] == [STALE] * 5
    assert decisions["sampled"].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_the_log_has_every_action(rigged: Rigged) -> None:
    rigged.connector.send(book(START))
    for second in range(1, 8):
        rigged.connector.send(change(START + second * SECOND, 1.0 + second % 3))
    rigged.take_all()
    log = read_log(rigged.path)
    assert sum(len(actions) for _, actions in rigged.kept.sent) == len(log.actions) > 0
    assert "would" not in line(rigged.shell)
    assert render(rigged.shell, rigged.notes, "title").renderables


def test_the_line_never_says_quoting_on_a_book_that_is_not_there(rigged: Rigged) -> None:
    rigged.connector.send(book(START))
    for second in range(1, 8):
        rigged.connector.send(change(START + second * SECOND, 1.0 + second % 3))
    rigged.take_all()
    assert "quoting" in line(rigged.shell)
    assert re.search(r"wants [\d.]+ / [\d.]+", line(rigged.shell))
    rigged.shell.assets[0].feed_s = rigged.shell.now_s() - 7.0
    assert "(no market data for 7 s," in line(rigged.shell)
    assert "quoting" not in line(rigged.shell)
    rigged.shell.assets[0].feed_s = rigged.shell.now_s()
    rigged.connector.send(Batch((ErrorEvent(to_error(OutOfSync("btcusdt", "a hole", 1))),)))
    rigged.take_all()
    for said in (line(rigged.shell), str(list(render(rigged.shell, [], "").renderables[0].columns[8].cells))):
        assert "quoting" not in said
        assert f"the book is {rigged.shell.bot.depth(0).confidence.value}" in said
    assert "wants - / -" in line(rigged.shell)
    again = rigged.link.connector()
    again.send(Batch())
    rigged.take_all()
    assert "(the book is unknown," in line(rigged.shell)


def test_a_restarted_connector_is_seen_shown_and_survived(rigged: Rigged) -> None:
    rigged.connector.send(book(START))
    rigged.connector.send(change(START + SECOND, 3.0))
    rigged.take_all()
    again = rigged.link.connector()
    again.send(Batch())
    rigged.take_all()
    assert rigged.shell.bot.depth(0).confidence is Confidence.UNKNOWN
    assert rigged.shell.assets[0].interruptions == 1
    again.send(book(START + 20 * SECOND, qty=9.0))
    again.send(change(START + 21 * SECOND, 4.0))
    rigged.take_all()
    decisions = read_log(rigged.path).decisions
    assert rigged.times() == [1, 2, 20, 21]
    assert decisions["reason"].tolist() == [WARMING, UNSYNCED, UNSYNCED, WARMING]
    assert decisions["bids"][-1] == 9.0
    assert decisions["sampled"].tolist() == [1, 0, 0, 1]
    assert [note.split(": ", 1)[1][:22] for note in rigged.notes] == [
        "the book is synced", "the book is unknown: t", "the book is synced",
    ]  # fmt: skip


def test_a_book_that_its_connector_calls_out_of_sync_is_not_quoted_on(rigged: Rigged) -> None:
    rigged.connector.send(book(START))
    error = to_error(OutOfSync("btcusdt", "a hole", 1))
    rigged.connector.send(Batch((ErrorEvent(error),), framed=False))
    rigged.connector.send(change(START + SECOND, 3.0))
    rigged.take_all()
    assert read_log(rigged.path).decisions["reason"].tolist() == []  # never begun on a book in doubt
    assert any("a hole" in note for note in rigged.notes)
    assert rigged.shell.bot.depth(0).confidence is Confidence.STALE


@pytest.mark.parametrize("rigged", [("btcusdt", "ethusdt")], indirect=True)
def test_symbols_keep_their_own_clock_position_and_ids(rigged: Rigged) -> None:
    rigged.connector.send(book(START))
    rigged.connector.send(book(START + SECOND // 3, 2_000.0, "ethusdt"))
    rigged.connector.send(Batch((PositionEvent("ethusdt", 0.02, START),), framed=False))
    rigged.connector.send(change(START + 2 * SECOND, 5.0))
    rigged.connector.send(Batch((FeedEvent("ethusdt", rows(START + SECOND, (BUY, 2_000.0, 3.0))),)))
    rigged.take_all()
    log = read_log(rigged.path)
    assert [(int(one["symbol"]), int(one["position_lots"])) for one in log.decisions] == [(0, 0), (0, 0), (1, 20)]
    strategies = [asset.strategy for asset in rigged.shell.assets]
    assert strategies[0].own[0] != strategies[1].own[0]


@pytest.mark.parametrize("what", [Stated.TICK_SIZE, Stated.LOT_SIZE])
def test_other_sizes_than_the_exchanges_end_the_run(rigged: Rigged, what: Stated) -> None:
    remark = to_error(Remark("btcusdt", "tick_size of btcusdt is what it was"))
    rigged.connector.send(Batch((ErrorEvent(remark),), framed=False))
    rigged.take_all()
    assert "what it was" in rigged.notes[-1]  # words alone end nothing
    stated = 0.1 if what is Stated.TICK_SIZE else 0.001
    rigged.connector.send(Batch((ErrorEvent(to_error(Contradicted("btcusdt", what, stated, 5.0))),), framed=False))
    with pytest.raises(InstrumentRefused, match=f"Write {what.value}=5.0, or leave it out"):
        rigged.take_all()


def test_an_unknown_symbol_ends_the_run(rigged: Rigged) -> None:
    rigged.connector.send(Batch((ErrorEvent(to_error(Refused("btcusdt", "no such instrument"))),), framed=False))
    with pytest.raises(InstrumentRefused, match="no such instrument"):
        rigged.take_all()


def test_only_working_orders_reach_the_strategy_sorted_by_id() -> None:
    def order(number: int, status: Status, req: Status = Status.NONE, leaves: float = 0.01) -> Order:
        return Order(
            0.01, leaves, 0.0, 0, 500_000, 0.1, START, START - 1, number, True,
            OrderType.LIMIT, req, status, Side.SELL, TimeInForce.GTX,
        )  # fmt: skip

    orders = {
        9: order(9, Status.NEW),
        3: order(3, Status.NONE, Status.NEW),
        4: order(4, Status.FILLED, leaves=0.0),
        5: order(5, Status.PARTIALLY_FILLED, Status.CANCELED, 0.004),
        6: order(6, Status.CANCELED),
    }
    table = orders_table(orders, 0.001)
    assert table[:, O_ID].tolist() == [3, 5, 9]
    assert table[:, O_FREE].tolist() == [0, 0, 1]
    assert table[:, O_LOTS].tolist() == [10, 4, 10]
    assert set(table[:, O_SIDE].tolist()) == {-1}


def test_the_paced_port_lets_one_message_through_at_a_time() -> None:
    link = MemoryLink()
    port = PacedPort(link.bot(3))
    connector = link.connector()
    assert port.peek() is None
    assert port.receive() == []
    for second in range(3):
        connector.send(change(START + second * SECOND, 1.0))
    assert port.receive() == []
    seen = []
    release: Callable[[], None] = port.release
    while (head := port.peek()) is not None:
        release()
        (message,) = port.receive()
        assert message is head
        assert port.receive() == []
        seen.append(depth_times(message)["btcusdt"] - START)
    assert seen == [0, SECOND, 2 * SECOND]


def test_percentiles_are_micros() -> None:
    assert percentiles_us([]) == (0.0, 0.0)
    assert percentiles_us([1000, 2000, 3000])[0] == 2.0


@pytest.mark.parametrize("depth", [0.00001, 0.0005, 0.01])
def test_levels_beyond_those_that_the_view_can_hold_change_no_sum(config: Config, depth: float) -> None:
    strategy = Strategy(change_config(config, {"params.looking_depth": depth}, "test"), 0.1, 0.001)
    rng = np.random.default_rng(1)
    for spread in (1, 3, 400):
        bid = int(rng.integers(10_000, 600_000))
        away = np.arange(12_000)
        whole = bid - away, rng.random(12_000), bid + spread + away, rng.random(12_000)
        most = strategy.most_levels(bid, bid + spread)
        assert most < 12_000
        assert strategy.sums(*(side[:most] for side in whole)) == strategy.sums(*whole)
    assert (
        strategy.most_levels(5, 5) == strategy.most_levels(NO_BID_TICK, 7) == strategy.most_levels(5, NO_ASK_TICK) == 1
    )
