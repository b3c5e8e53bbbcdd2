"""A session that went as its backtest has no differences; whatever is changed in its log is found, in one class, with its money."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from data_convert import save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.orders import Status
from obi_mm.backtest import Result, run_backtest
from obi_mm.cli import app
from obi_mm.config import Config, change_config
from obi_mm.days import day_of
from obi_mm.decisions import DecisionLog, Header, LoggedSymbol, Writer, read_log
from obi_mm.errors import LogError
from obi_mm.layout import (
    ANSWER,
    ASK_CANCEL,
    ASK_SUBMIT,
    CANCEL,
    DECIDED,
    EVENT_DTYPE,
    FILL,
    HELD,
    PROBLEM,
    UNSYNCED,
    Log,
)
from obi_mm.models import Models
from obi_mm.parting import BOOK, CLASSES, EXCHANGE, LATENCY, OTHER, PARTIAL, QUEUE, REJECT, RISK
from obi_mm.rows import ClearsSpelledOut
from obi_mm.saved import pack_state
from obi_mm.session import latencies_of, session_of
from obi_mm.session_report import Compared, compare_session
from obi_mm.strategy import Strategy
from typer.testing import CliRunner

from tests.obi_mm.golden_market import golden_market

SECOND, MS = 1_000_000_000, 1_000_000
ENTRY, RESPONSE, BEHIND = 30 * MS, 20 * MS, 7 * SECOND  # the clock here is far ahead of the exchange's
ROWS = 250_000


@dataclass
class Story:
    """A session as its log tells it, to be changed before it is written."""

    config: Config
    decisions: Log
    actions: Log
    state: bytes
    events: list[Log] = field(default_factory=list)

    def tell(self, what: int, time_ns: int, **fields: object) -> None:
        event: Log = np.zeros(1, EVENT_DTYPE)
        event["what"], event["time_ns"] = what, time_ns
        for name, value in fields.items():
            event[name] = value
        self.events.append(event)

    def of(self, what: int, order_id: int | None = None) -> list[Log]:
        return [one for one in self.events if one["what"] == what and order_id in (None, int(one["order_id"][0]))]

    def shift(self, from_ns: int, lots: int) -> None:
        """Let every decision made after a time of the clock here know of so many lots more."""
        for one in self.of(DECIDED):
            if one["time_ns"] > from_ns:
                one["position_lots"] += lots
                self.decisions["position_lots"][self.decisions["time_ns"] == one["exch_ns"]] += lots

    def lose_fill(self, order_id: int) -> None:
        """An order was never filled, and its decisions knew of nothing."""
        fill = self.of(FILL, order_id)[0]
        self.shift(int(fill["time_ns"][0]), -int(fill["side"][0]) * int(fill["lots"][0]))
        self.drop(FILL, order_id)
        self.events = [
            one for one in self.events if not (one["order_id"] == order_id and one["status"] == Status.FILLED)
        ]

    def drop(self, what: int, order_id: int) -> None:
        self.events = [one for one in self.events if not (one["what"] == what and one["order_id"] == order_id)]

    def write(self, path: Path) -> Path:
        described = self.config.sections()
        header = Header((LoggedSymbol("btcusdt", 0.1, 0.001),), described, "live, bot 7")
        starts = np.concatenate(([0], np.cumsum(self.decisions["actions"], dtype=np.int64)))
        made = [(int(row["time_ns"]) + BEHIND + 1, number) for number, row in enumerate(self.decisions)]
        with Writer(path, header) as writer:
            if self.state:
                writer.began(0, self.state)
            waiting = sorted(self.events, key=lambda one: int(one["time_ns"][0]))
            for time_ns, number in made:
                while waiting and waiting[0]["time_ns"][0] < time_ns:
                    writer.happened(waiting.pop(0))
                writer.put(self.decisions[number : number + 1], self.actions[starts[number] : starts[number + 1]])
            for event in waiting:
                writer.happened(event)
        return path


def story_of(result: Result, config: Config, state: bytes) -> Story:
    """What a session that went exactly so would have logged."""
    story = Story(config, result.decisions.copy(), result.actions.copy(), state)
    starts = np.concatenate(([0], np.cumsum(result.decisions["actions"], dtype=np.int64)))
    placed: dict[int, list[int]] = {}
    filled = {int(row["order_id"]) for row in result.fills}
    for number, decision in enumerate(result.decisions):
        at_ns = int(decision["time_ns"])
        story.tell(DECIDED, at_ns + BEHIND, exch_ns=at_ns, position_lots=decision["position_lots"])
        for kind, side, tick, lots, order_id in result.actions[starts[number] : starts[number + 1]].tolist():
            reached = at_ns - 1 + ENTRY
            heard = reached + RESPONSE + BEHIND
            about = {"order_id": order_id, "side": side, "tick": tick}
            if kind == CANCEL:
                story.tell(ASK_CANCEL, at_ns + BEHIND + 2, **about)
                if order_id not in filled:
                    story.tell(ANSWER, heard, exch_ns=reached, status=int(Status.CANCELED), **about)
                continue
            placed[order_id] = [side, tick, lots]
            story.tell(ASK_SUBMIT, at_ns + BEHIND + 2, lots=lots, **about)
            story.tell(ANSWER, heard, exch_ns=reached, status=int(Status.NEW), leaves_lots=lots, **about)
    for row in result.fills:
        at_ns, order_id = int(row["time_ns"]), int(row["order_id"])
        about = {"order_id": order_id, "side": row["side"], "tick": row["tick"], "exch_ns": at_ns}
        heard = at_ns + RESPONSE + BEHIND
        story.tell(ANSWER, heard, status=int(Status.FILLED), **about)
        story.tell(FILL, heard, lots=row["lots"], maker=row["maker"], **about)
    return story


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "btcusdt.npz"
    save(golden_market(20_000)[:ROWS].copy(), path, compress="fast")
    return path


@pytest.fixture(scope="module")
def ran(golden_config: Config) -> tuple[Result, Config, bytes]:
    config = change_config(golden_config, {"stop_loss.volatility_threshold": 1e6}, "test")
    day = day_of(golden_market(20_000)[:ROWS].copy(), ClearsSpelledOut(0.1, 0.001), "exchange", "x")
    warm = Strategy(config, 0.1, 0.001)
    run_backtest([day], config, 0.1, 0.001, Models(clock="exchange"), dry=True, strategy=warm)
    warm.wake_ns = 0
    state = pack_state(warm)
    models = Models(clock="exchange", entry_latency_ns=ENTRY, response_latency_ns=RESPONSE)
    return run_backtest([day], config, 0.1, 0.001, models, strategy=warm), config, state


@pytest.fixture
def story(ran: tuple[Result, Config, bytes]) -> Story:
    return story_of(*ran)


@pytest.fixture
def compared(story: Story, recording: Path, tmp_path: Path) -> Callable[[], Compared]:
    def compare() -> Compared:
        log = read_log(story.write(tmp_path / "session.obilog"))
        return checked(compare_session(log, [recording], "", Models()))

    return compare


def checked(one: Compared) -> Compared:
    """Money: of each class, of all, and of both runs; every difference has one of the classes."""
    parting = one.parting
    assert {part.kind for part in parting.parts} <= set(CLASSES)
    assert abs(math.fsum(parting.money.values()) - (parting.live - parting.back)) < 1e-9
    assert abs(math.fsum(part.money for part in parting.parts) - (parting.live - parting.back)) < 1e-9
    return one


def kinds(one: Compared, what: str = "fill") -> dict[str, int]:
    found = [part.kind for part in one.parting.parts if part.what == what]
    return {kind: found.count(kind) for kind in sorted(set(found))}


def passive(story: Story) -> int:
    """The id of an order filled as maker in the middle of the session."""
    fills = [one for one in story.of(FILL) if one["maker"][0]]
    return int(fills[len(fills) // 2]["order_id"][0])


def test_a_session_that_went_as_its_backtest_has_no_difference(
    compared: Callable[[], Compared], ran: tuple[Result, Config, bytes]
) -> None:
    one = compared()
    assert one.parting.parts == ()
    assert one.parting.live == one.parting.back
    assert one.parting.fills == (len(ran[0].fills), len(ran[0].fills))
    assert len(ran[0].fills) > 20
    assert one.warm
    assert (
        one.parting.positions[0] == one.parting.positions[1] == int((ran[0].fills["side"] * ran[0].fills["lots"]).sum())
    )


def test_latencies_are_the_sessions_own_whatever_the_clock_here_says(story: Story, tmp_path: Path) -> None:
    log = read_log(story.write(tmp_path / "log"))
    times = np.unique(log.decisions["time_ns"])
    rows = latencies_of(session_of(log), times)
    assert (rows["req_ts"] == times - 1).all()
    assert set((rows["exch_ts"] - rows["req_ts"]).tolist()) == {ENTRY}
    assert set((rows["resp_ts"] - rows["exch_ts"]).tolist()) == {RESPONSE}


def test_live_not_filled_is_the_queue(story: Story, compared: Callable[[], Compared]) -> None:
    story.lose_fill(passive(story))
    one = compared()
    assert kinds(one) == {QUEUE: 1}
    assert set(kinds(one, "decision")) == {QUEUE}  # what was known of the position follows from it
    assert all(part.follows for part in one.parting.parts if part.what == "decision")
    (part,) = [part for part in one.parting.parts if part.what == "fill"]
    assert "the backtest filled it, live did not" in part.text
    assert part.money != 0.0
    assert one.parting.money[QUEUE] == pytest.approx(one.parting.live - one.parting.back)


def test_live_filled_alone_is_the_queue(story: Story, compared: Callable[[], Compared]) -> None:
    cancelled = [one for one in story.of(ANSWER) if one["status"] == Status.CANCELED]
    event = cancelled[len(cancelled) // 2]
    order_id, at_ns = int(event["order_id"][0]), int(event["exch_ns"][0]) - ENTRY - MS
    submitted = story.of(ASK_SUBMIT, order_id)[0]
    story.tell(
        FILL, at_ns + RESPONSE + BEHIND, order_id=order_id, exch_ns=at_ns, side=event["side"], tick=event["tick"],
        lots=submitted["lots"], maker=1,
    )  # fmt: skip
    story.shift(at_ns + RESPONSE + BEHIND, int(event["side"][0]) * int(submitted["lots"][0]))
    one = compared()
    assert kinds(one) == {QUEUE: 1}
    assert any("live filled it, the backtest did not" in part.text for part in one.parting.parts)


def test_a_part_of_an_order_is_a_partial_fill(story: Story, compared: Callable[[], Compared]) -> None:
    fill = story.of(FILL, passive(story))[0]
    fill["lots"] -= 4
    story.shift(int(fill["time_ns"][0]), -4 * int(fill["side"][0]))
    one = compared()
    assert kinds(one) == {PARTIAL: 1}
    assert any(f"{fill['lots'][0]} of" in part.text for part in one.parting.parts)


def test_what_is_refused_or_held_back_has_its_own_class(story: Story, compared: Callable[[], Compared]) -> None:
    ids = [int(one["order_id"][0]) for one in story.of(FILL)][:3]
    for order_id in ids:
        story.lose_fill(order_id)
        story.drop(ANSWER, order_id)
    at_ns = int(story.of(ASK_SUBMIT, ids[0])[0]["time_ns"][0])
    story.tell(PROBLEM, at_ns + MS, order_id=ids[0], code=-2019, text=b"submit refused: margin is insufficient")
    for order_id, text in zip(
        ids[1:], (b"position and orders could exceed max_position", b"no market data for 5 s"), strict=True
    ):
        sent = story.of(ASK_SUBMIT, order_id)[0]
        sent["what"], sent["text"] = HELD, text
    one = compared()
    assert kinds(one, "order") == {REJECT: 1, RISK: 1, BOOK: 1}
    assert [part.money != 0.0 for part in one.parting.parts if part.what == "order"] == [True] * 3


def test_what_the_exchange_ends_is_its_action(story: Story, compared: Callable[[], Compared]) -> None:
    order_id = passive(story)
    filled_ns = int(story.of(FILL, order_id)[0]["exch_ns"][0])
    story.lose_fill(order_id)
    about = {"order_id": order_id, "side": story.of(ASK_SUBMIT, order_id)[0]["side"], "exch_ns": filled_ns - MS}
    story.tell(ANSWER, filled_ns + RESPONSE + BEHIND, status=int(Status.EXPIRED), **about)
    found = compared()
    assert kinds(found) == {EXCHANGE: 1}


def test_a_position_that_moves_by_itself_is_the_exchanges_action(
    story: Story, compared: Callable[[], Compared]
) -> None:
    told = story.of(DECIDED)
    story.shift(int(told[len(told) // 2]["time_ns"][0]) - 1, 3)
    one = compared()
    assert kinds(one, "position") == {EXCHANGE: 1}
    assert set(kinds(one, "decision")) == {EXCHANGE}  # all that follows
    assert all(part.follows for part in one.parting.parts if part.what == "decision")
    assert one.parting.money[EXCHANGE] != 0.0


def test_a_fill_before_the_order_was_there_is_latency(story: Story, compared: Callable[[], Compared]) -> None:
    order_id = passive(story)
    filled_ns = int(story.of(FILL, order_id)[0]["exch_ns"][0])
    story.lose_fill(order_id)
    for one in story.of(ANSWER, order_id):
        one["exch_ns"] = max(int(one["exch_ns"][0]), filled_ns + MS)
        one["time_ns"] = one["exch_ns"] + RESPONSE + BEHIND
    # Its decision's other orders keep the row's median.
    found = compared()
    assert LATENCY in kinds(found)


def test_no_book_and_late_decisions_are_book_and_latency(story: Story, compared: Callable[[], Compared]) -> None:
    story.decisions["reason"][50:53] = UNSYNCED
    story.decisions["missed"][60] = 1
    found = compared()
    by_time = {part.time_ns: part.kind for part in found.parting.parts if part.what == "decision"}
    times = story.decisions["time_ns"].tolist()
    assert [by_time[times[at]] for at in (50, 51, 52, 60)] == [BOOK, BOOK, BOOK, LATENCY]


def test_a_fill_of_an_earlier_runs_order_is_other(story: Story, compared: Callable[[], Compared]) -> None:
    fill = story.of(FILL)[5].copy()
    fill["order_id"] = 99
    story.events.append(fill)
    found = compared()
    assert kinds(found) == {OTHER: 1}


def test_a_session_may_begin_with_a_position(
    ran: tuple[Result, Config, bytes], recording: Path, tmp_path: Path
) -> None:
    _, config, state = ran
    day = day_of(golden_market(20_000)[:ROWS].copy(), ClearsSpelledOut(0.1, 0.001), "exchange", "x")
    strategy = Strategy(config, 0.1, 0.001)
    from obi_mm.saved import unpack_state

    unpack_state(strategy, state)
    models = Models(clock="exchange", entry_latency_ns=ENTRY, response_latency_ns=RESPONSE)
    result = run_backtest([day], config, 0.1, 0.001, models, strategy=strategy, held_lots=20)
    assert result.decisions["position_lots"][0] == 20
    log = read_log(story_of(result, config, state).write(tmp_path / "log"))
    one = checked(compare_session(log, [recording], "", Models()))
    assert one.parting.parts == ()
    assert one.session.held_lots == 20


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.integers(0, 10**6), max_size=25), st.randoms(use_true_random=False))
def test_whatever_is_lost_or_changed_the_classes_add_up(
    ran: tuple[Result, Config, bytes], recording: Path, tmp_path: Path, lost: list[int], random: object
) -> None:
    story = story_of(*ran)
    for at in lost:
        event = story.events[at % len(story.events)]
        if at % 3 == 0:
            story.events.pop(at % len(story.events))
        elif event["what"] != DECIDED:
            event["lots"] = max(1, int(event["lots"][0]) // 2)
            event["exch_ns"] += at * 1000
    one = checked(compare_session(read_log(story.write(tmp_path / "log")), [recording], "", Models()))
    orders = [part.text for part in one.parting.parts if part.what != "decision"]
    assert len(orders) == len(
        set(zip(orders, [part.time_ns for part in one.parting.parts if part.what != "decision"], strict=True))
    )


def test_the_command_writes_the_same_bytes_again(story: Story, recording: Path, tmp_path: Path) -> None:
    story.lose_fill(passive(story))
    log = story.write(tmp_path / "session.obilog")
    said = []
    for name in ("a", "b"):
        words = ["compare", str(log), "--data", str(recording), "--output", str(tmp_path / name)]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        said.append(done.output)
    assert said[0] == said[1] == (tmp_path / "a" / "compare.txt").read_text()
    for name in ("compare.txt", "compare.json", "compare.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    content = json.loads((tmp_path / "a" / "compare.json").read_text())
    total = math.fsum(one["profit"] for one in content["classes"].values())
    assert total == pytest.approx(content["profit"]["difference"], abs=1e-9)
    assert sum(one["differences"] for one in content["classes"].values()) == len(content["differences"])
    page = (tmp_path / "a" / "compare.html").read_text()
    assert page.count("<svg") == 3
    assert "http" not in page.replace("http://www.w3.org", "")
    again = CliRunner().invoke(app, ["compare", str(log), "--data", str(recording), "--output", str(tmp_path / "a")])
    assert (again.exit_code, "holds results already" in again.stderr) == (1, True)


def test_a_log_that_can_not_be_compared_says_so(story: Story, recording: Path, tmp_path: Path) -> None:
    log = read_log(story.write(tmp_path / "log"))
    with pytest.raises(LogError, match="has no 'ethusdt'"):
        compare_session(log, [recording], "ethusdt", Models())
    empty = DecisionLog(log.header, log.decisions[:0], log.actions[:0], np.zeros(1, np.int64))
    with pytest.raises(LogError, match="no decision"):
        compare_session(empty, [recording], "", Models())
