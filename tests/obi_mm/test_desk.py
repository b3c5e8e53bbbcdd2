"""Orders of a live run, without processes: the limit holds whatever is under way, only the newest boundary is acted on, silence pulls."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.messages import Batch, PositionEvent
from marketlink.notices import OrderProblem
from obi_mm.decision_rows import event_row
from obi_mm.decisions import read_log
from obi_mm.layout import ASK_CANCEL, ASK_SUBMIT, FILL, HELD, PROBLEM, PULL

from tests.obi_mm.desk_world import GRID, LOT, MOST_LOTS, START, World, config

POST_ONLY = OrderProblem("btcusdt", 0, "post-only would have crossed", "submit", -5022, "", "refused")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "log")
    yield world
    world.close()


def test_after_four_seconds_of_silence_one_message_brings_one_set_of_quotes(world: World) -> None:
    """The seam of before: 41 past decisions at once, 246 submits, 2,460 lots against a limit of 100."""
    world.refuse = POST_ONLY  # so that every quote is missing when the silence begins
    for _ in range(12):
        world.round(0.1)
    world.refuse = None
    assert not world.open
    decided = len(read_log(world.path).decisions)
    world.pass_time(0.0)
    world.market(4.1)
    sent = world.look()
    decisions = read_log(world.path).decisions[decided:]
    assert len(decisions) == 41
    assert decisions["missed"].tolist() == [1] * 40 + [0]
    assert 0 < sent <= 2 * GRID
    world.check()


def test_a_backlog_of_messages_is_acted_on_once(world: World) -> None:
    for _ in range(8):
        world.round(0.1)
    world.pass_time(1.0)
    for _ in range(40):
        world.market(0.1, 1)
    before = len(read_log(world.path).decisions)
    assert world.look() <= 2 * GRID
    decisions = read_log(world.path).decisions[before:]
    assert len(decisions) == 40
    assert int((decisions["missed"] == 0).sum()) == 1
    assert decisions["missed"][-1] == 0


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(-3, 3), st.booleans(), st.booleans()), min_size=1, max_size=15)
)
def test_only_the_newest_boundary_known_is_ever_acted_on(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Each look sends one set of quotes at most, and no acted decision lies before another boundary that had arrived."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "log")
        for _ in range(6):
            world.round(0.1)
        for tenths, move, look, serve in steps:
            world.market(tenths / 10, move)
            world.pass_time(0.05)
            if look:
                before = len(read_log(world.path).decisions)
                assert world.look() <= 2 * GRID
                acted = read_log(world.path).decisions[before:]
                assert int((acted["missed"] == 0).sum()) <= 1
                assert not len(acted) or acted["missed"][-1] == 0
            if serve:
                world.serve()
                world.answer()
            world.check()
        world.close()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("market"), st.integers(1, 12), st.integers(-4, 4)),
        st.tuples(st.just("look"), st.just(0), st.just(0)),
        st.tuples(st.just("serve"), st.integers(1, 6), st.just(0)),
        st.tuples(st.just("answer"), st.integers(1, 6), st.just(0)),
        st.tuples(st.just("fill"), st.integers(0, 9), st.integers(1, 12)),
        st.tuples(st.just("fill late"), st.integers(0, 9), st.integers(1, 12)),
        st.tuples(st.just("fill unsaid"), st.integers(0, 9), st.integers(1, 12)),
        st.tuples(st.just("time"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("round"), st.integers(1, 3), st.integers(-4, 4)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_the_limit_holds_by_the_exchanges_truth_whatever_is_under_way(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "log")
        for _ in range(8):
            world.round(0.1)
        for what, one, other in steps:
            match what:
                case "market":
                    world.market(one / 10, other)
                case "look":
                    world.look()
                case "serve":
                    world.serve(one)
                case "answer":
                    world.answer(one)
                case "fill":
                    world.fill(one, other)
                case "fill late":
                    world.fill(one, other, word_first=False)
                case "fill unsaid":
                    world.fill(one, other, word=False)
                case "time":
                    world.pass_time(one / 10)
                case "restart":
                    world.restart()
                case "round":
                    for _ in range(one):
                        world.round(0.1, other)
            world.check()
        world.close()


def test_silence_pulls_every_order_and_sends_none_until_the_book_is_back(world: World) -> None:
    world.quote()
    assert world.open
    world.silence(2.1)
    world.look()
    world.serve()
    assert not world.open
    assert world.events(PULL) == 1
    assert "nothing is heard of the connector" in world.notes[-1]
    for _ in range(5):
        world.silence(1.0)
        assert world.look() == 0
    world.answer()
    world.look()
    world.quote()
    assert "orders are sent again" in world.notes[-1]


def test_a_cancel_that_the_old_connector_never_carried_out_is_asked_of_the_new_one(world: World) -> None:
    world.quote()
    resting = set(world.open)
    world.pass_time(2.1)
    world.look()
    assert world.cancels == len(resting)
    world.restart()  # its requests are lost
    world.look()
    assert world.cancels == 2 * len(resting)
    world.silence(5.0)
    world.market(0.1)
    world.look()
    assert world.cancels == 2 * len(resting)  # no word of them: they are in doubt, and the connector's to settle


def test_the_position_of_before_counts_and_no_quote_goes_beyond(world: World) -> None:
    world.position = MOST_LOTS - 5
    world.port.send(Batch((PositionEvent("btcusdt", world.position * LOT, START),), framed=False))
    world.quote()
    assert {order.side.name for order in world.open.values()} == {"SELL"}


def test_refused_orders_wait_and_the_last_refusal_ends_the_run(tmp_path: Path) -> None:
    world = World(tmp_path / "log", config(stop_after=3))
    world.refuse = OrderProblem("btcusdt", 0, "Margin is insufficient.", "submit", -2019, "", "refused")
    sent = [world.round(0.1) for _ in range(60)]
    assert [count for count in sent if count] == [2 * GRID] * 3  # at once, after a second, after two more
    assert "3 times in a row orders were refused; the last: Margin is insufficient." in world.trading.stop
    assert sum("was refused" in note for note in world.notes) == 1
    assert world.events(HELD) > 0
    assert world.events(PROBLEM) == world.events(ASK_SUBMIT) == 6 * GRID
    world.close()


def test_post_only_refusals_are_asked_for_again_with_the_next_decision(world: World) -> None:
    world.refuse = POST_ONLY
    sent = [world.round(0.1) for _ in range(20)]
    assert sum(count > 0 for count in sent) > 10
    assert not world.trading.stop
    assert not any("refused" in note for note in world.notes)


def test_a_connector_without_keys_ends_the_run_with_a_sentence(world: World) -> None:
    text = "trading is not configured on this connector: the order was not sent to the exchange"
    world.refuse = OrderProblem("btcusdt", 0, text, state="refused")
    for _ in range(12):
        world.round(0.1)
    assert "keys" in world.trading.stop
    assert "not configured" in world.trading.stop


def test_the_end_cancels_all_and_waits_for_the_word(world: World) -> None:
    world.quote()
    resting = len(world.open)
    assert not world.shell.end(0.0)
    world.hear()
    world.serve()
    assert not world.open
    world.answer()
    world.shell.step(0.0)
    assert not world.shell.end(0.0) or not world.trading.open_orders(world.shell.bot)
    world.look()
    assert world.shell.end(0.0)
    assert world.events(ASK_CANCEL) == resting


def test_the_log_tells_requests_answers_and_fills(world: World) -> None:
    world.quote()
    world.fill(0, 4)
    world.answer()
    world.look()
    log = read_log(world.path)
    fills = [event_row(log, at) for at in range(len(log.events)) if log.events["what"][at] == FILL]
    assert [(row["qty"], row["maker"], row["status"]) for row in fills] == [(0.004, True, "partially_filled")]
    assert abs(fills[0]["position"]) == 0.004  # type: ignore[arg-type]
    assert world.trading.tally(0).fills == 1
    assert world.events(ASK_SUBMIT) == world.submits
