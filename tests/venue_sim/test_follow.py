"""Following another venue: the core with frames of a test's making, the program on another process of its own kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner
from venue_sim.cli import app
from venue_sim.follow import FollowMarket
from venue_sim.market import BookState, Instrument
from venue_sim.venues.usdm import USDM

from tests.venue_sim.trader import Trader

COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")


def followed() -> FollowMarket:
    return FollowMarket({"btcusdt": COIN}, USDM.messages, 1_700_000_000_000)


def test_frames_pass_through_as_they_came_and_others_do_not(make: SimpleNamespace) -> None:
    market = followed()
    for text in (
        make.depth(1, 2, 0),
        make.ticker(3),
        make.trade(1),
        make.trade(1, "ethusdt"),
        b'{"result":null}',
        b"{",
    ):
        market.on_text(0, text)
    frames = market.take(None, 100)
    assert [frame.raw.wrapped for frame in frames if frame.raw] == [make.depth(1, 2, 0), make.ticker(3), make.trade(1)]
    assert [(frame.kind, frame.last_id) for frame in frames] == [("depth", 2), ("quote", 3), ("trade", 0)]


def test_a_frame_that_cannot_be_read_is_left_out_and_the_next_one_breaks_the_chain(make: SimpleNamespace) -> None:
    market = followed()
    market.on_text(0, make.depth(101, 110, 99, "100.0:1.000"))
    market.take(None, 1)
    market.on_snapshot("btcusdt", BookState(105, 0, 0, [], []))
    whole = make.depth(111, 120, 110, "99.0:1.000")
    for spoilt in (whole[:-20], whole.replace(b'"b":[[', b'"b":[{'), whole.replace(b'"T"', b'T"')):
        market.on_text(0, spoilt)
    assert market.take(None, 10) == []
    market.on_text(0, make.depth(121, 130, 120))
    market.take(None, 10)
    assert market.wanted == ["btcusdt"]


def test_the_book_is_known_from_the_snapshot_that_its_updates_join(make: SimpleNamespace) -> None:
    market = followed()
    assert market.wanted == []
    for text in (make.depth(101, 110, 99, "100.0:1.000"), make.depth(111, 120, 110, "99.0:2.000")):
        market.on_text(0, text)
    assert market.wanted == []
    market.take(None, 100)
    assert market.wanted == ["btcusdt"]
    assert not market.on_snapshot("btcusdt", BookState(90, 0, 0, [("98.0", "9.000")], []))
    assert market.wanted == ["btcusdt"], "it is older than what was held"
    assert market.on_snapshot("btcusdt", BookState(105, 0, 0, [("98.0", "9.000")], []))
    book = market.books["btcusdt"].at()
    assert book is not None
    assert (book.last_id, book.bids) == (120, [("100.0", "1.000"), ("99.0", "2.000"), ("98.0", "9.000")])


def test_a_snapshot_ahead_of_the_frames_waits_for_them_and_one_that_is_passed_is_asked_again(
    make: SimpleNamespace,
) -> None:
    for following, joined in ((make.depth(121, 130, 120), True), (make.depth(128, 140, 120), False)):
        market = followed()
        market.on_text(0, make.depth(111, 120, 110))
        market.take(None, 1)
        assert market.on_snapshot("btcusdt", BookState(125, 0, 0, [], []))
        assert market.wanted == []
        market.on_text(0, following)
        market.take(None, 1)
        assert (market.books["btcusdt"].last_id is not None) is joined
        assert market.wanted == ([] if joined else ["btcusdt"])


def test_a_break_of_the_chain_makes_the_book_unknown_until_the_next_snapshot(make: SimpleNamespace) -> None:
    market = followed()
    market.on_text(0, make.depth(101, 110, 99, "100.0:1.000"))
    market.take(None, 1)
    market.on_snapshot("btcusdt", BookState(105, 0, 0, [], []))
    market.on_text(0, make.depth(131, 140, 130, "99.0:1.000"))
    market.take(None, 1)
    assert market.books["btcusdt"].last_id is None
    assert market.wanted == ["btcusdt"]
    assert market.on_snapshot("btcusdt", BookState(135, 0, 0, [("97.0", "1.000")], []))
    book = market.books["btcusdt"].at()
    assert book is not None
    assert book.bids == [("99.0", "1.000"), ("97.0", "1.000")]


def test_a_followed_market_is_never_over_and_due_only_when_something_came(make: SimpleNamespace) -> None:
    market = followed()
    due_ns = market.next_due_ns()
    assert due_ns is not None
    assert due_ns > 10**12
    market.on_text(0, make.trade(1))
    assert market.next_due_ns() == 0
    (frame,) = market.take(5_000, 10)
    assert frame.due_ns == 5_000


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it does not come about")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Trader, Trader]]:
    (tmp_path / "venue").mkdir()
    venue = Trader(tmp_path / "venue", "--rate", "300", "--levels", "3", "--symbols", "btcusdt")
    options = ["--follow-stream", venue.addresses["ws"], "--follow-rest", venue.addresses["rest"]]
    paper = Trader(tmp_path, "--market", "follow", *options, "--symbols", "btcusdt")
    yield venue, paper
    assert paper.stop() == 0
    assert venue.stop() == 0


def test_paper_trading_on_another_venue_s_market_touches_nothing_there(pair: tuple[Trader, Trader]) -> None:
    venue, paper = pair
    until(lambda: paper.http.get("/sim/state").json()["symbols"]["btcusdt"]["book_u"])
    last_id = paper.http.get("/sim/book", params={"symbol": "btcusdt"}).json()["lastUpdateId"]
    same = [one.http.get("/sim/book", params={"symbol": "btcusdt", "u": last_id}).json() for one in (venue, paper)]
    assert same[0]["bids"][:500] == same[1]["bids"][:500]
    assert same[0]["asks"][:500] == same[1]["asks"][:500]
    assert abs(paper.now_ms() - venue.now_ms()) < 1000
    with paper.connect("/public/ws/btcusdt@depth@0ms") as stream:
        update = orjson.loads(stream.recv(timeout=20))
    true = venue.http.get("/sim/book", params={"symbol": "btcusdt", "u": update["u"]})
    assert true.status_code == 200, "an update of the venue followed, with its own ids"
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    assert paper.ask("POST", "/fapi/v1/order", **market, newOrderRespType="RESULT").json()["status"] == "FILLED"
    (position,) = paper.ask("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").json()
    assert position["positionAmt"] == "0.010"
    assert venue.http.get("/sim/orders").json() == []


def test_a_lost_stream_is_connected_again_and_the_book_known_again(pair: tuple[Trader, Trader]) -> None:
    venue, paper = pair
    until(lambda: paper.http.get("/sim/state").json()["symbols"]["btcusdt"]["book_u"])
    venue.fault(kind="drop", stream="depth", count=5)
    venue.fault(kind="reset", stream="depth")
    until(lambda: venue.http.get("/sim/state").json()["connections_opened"] == 2)

    def known_and_newer() -> bool:
        theirs = venue.http.get("/sim/state").json()["symbols"]["btcusdt"]["book_u"]
        time.sleep(0.3)
        ours = paper.http.get("/sim/state").json()["symbols"]["btcusdt"]["book_u"]
        return ours is not None and ours >= theirs

    until(known_and_newer)
    assert paper.ask(
        "POST", "/fapi/v1/order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.010"
    ).is_success


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--market", "follow"], "--follow-rest are both needed"),
        (["--follow-rest", "http://127.0.0.1:1", "--follow-stream", "ws://127.0.0.1:1"], "means nothing"),
        (["--market", "follow", "--follow-rest", "x", "--follow-stream", "ws://127.0.0.1:1"], "must begin with http"),
        (["--market", "follow", "--follow-rest", "http://127.0.0.1:1", "--follow-stream", "x"], "must begin with ws"),
        (
            ["--market", "follow", "--follow-rest", "http://127.0.0.1:1", "--follow-stream", "ws://127.0.0.1:1"],
            "does not answer",
        ),
    ],
)
def test_a_venue_that_cannot_be_followed_is_said(options: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["run", *options])
    assert result.exit_code == 2
    assert words in result.output


def test_a_symbol_that_is_not_traded_there_is_said(pair: tuple[Trader, Trader]) -> None:
    venue, _ = pair
    options = ["--follow-stream", venue.addresses["ws"], "--follow-rest", venue.addresses["rest"]]
    result = CliRunner().invoke(app, ["run", "--market", "follow", "--symbols", "nopeusdt", *options])
    assert (result.exit_code, "nopeusdt" in result.output) == (2, True)
    assert httpx.get(venue.addresses["rest"] + "/fapi/v1/ping", timeout=30).status_code == 200
