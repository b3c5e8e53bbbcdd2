"""What a connector leaves for the next one of its name, and what the next one makes of it."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from connector.effects import Publish, Subscribe
from connector.hub import Hub
from connector.left import Left
from hypothesis import given
from hypothesis import strategies as st
from marketlink.book.rules import DepthUpdate, Snapshot
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, KIND_MASK, LOCAL, SELL, Events, empty_events
from marketlink.messages import FeedEvent
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import Depth, ExchangeInfo, Instrument, WeightLimit
from marketlink.venues.binance import USDM

NOW = Moment(MonoNs(1), WallNs(1))


def rows(*levels: tuple[int, float, float]) -> Events:
    events = empty_events(len(levels))
    for event, (side, px, qty) in zip(events, levels, strict=True):
        event["ev"], event["px"], event["qty"], event["ival"] = LOCAL | side | DEPTH, px, qty, 7
    return events


def prices(levels: Events) -> set[tuple[int, float]]:
    return {(int(row["ev"]) & (BUY | SELL), float(row["px"])) for row in levels}


@given(
    st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.floats(0.1, 1e6), st.floats(0, 9)), max_size=40), st.randoms()
)
def test_every_price_that_was_published_is_found_again(
    levels: list[tuple[int, float, float]], rng: random.Random
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        left = Left(Path(folder) / "bf")
        cut = rng.randrange(len(levels) + 1)
        left.keep("btcusdt", [5, 3], rows(*levels[:cut]))
        assert left.add("btcusdt", rows(*levels[cut:]))
        found, owners = Left(Path(folder) / "bf").read()
        assert prices(found["btcusdt"]) == {(side, px) for side, px, _ in levels}
        assert owners == {"btcusdt": [3, 5]}


def test_a_full_file_is_made_anew_from_the_book(tmp_path: Path) -> None:
    left = Left(tmp_path)
    left.keep("btcusdt", [1], empty_events())
    many = empty_events(40_000)
    many["ev"], many["px"] = LOCAL | BUY | DEPTH, np.arange(40_000) + 1.0
    assert left.add("btcusdt", many)
    assert not left.add("btcusdt", many)
    assert left.add("btcusdt", rows((SELL, 9.0, 1.0)), rows((BUY, 8.0, 1.0)))
    assert prices(Left(tmp_path).read()[0]["btcusdt"]) == {(SELL, 9.0), (BUY, 8.0)}


def test_sigkill_loses_no_price(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from connector.left import Left; from tests.connector.test_left import rows, BUY\n"
        "left = Left(Path(sys.argv[1])); left.keep('x', [1], rows())\n"
        "for n in range(1, 5000):\n    left.add('x', rows((BUY, float(n), 1.0))); print(n, flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() == "2000":
                child.send_signal(signal.SIGKILL)
                break
        written = max([2000, *(int(line) for line in child.stdout if line.strip().isdecimal())])
    found = prices(Left(tmp_path).read()[0]["x"])
    assert {(BUY, float(n)) for n in range(1, written + 1)} <= found


def test_what_can_not_be_read_or_written_is_said_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "owners.json").write_text('{"btcusdt": [1], "ethusdt": 5}')
    assert Left(tmp_path).read() == ({}, {})
    (tmp_path / "owners.json").write_text('{"btcusdt": [1]}')
    (tmp_path / "btcusdt.levels").write_bytes(b"short")
    assert len(Left(tmp_path).read()[0]["btcusdt"]) == 0
    left = Left(Path("/proc/none"))
    left.keep("btcusdt", [1], rows((BUY, 1.0, 1.0)))
    assert list(left.symbols) == []


def test_the_next_connector_serves_the_symbol_unasked_and_deletes_what_is_gone() -> None:
    hub = Hub(USDM, random.Random(1))
    hub.on_left(
        {"btcusdt": rows((BUY, 90.0, 1.0), (BUY, 99.0, 1.0), (SELL, 101.0, 1.0), (SELL, 150.0, 1.0))}, {"btcusdt": [4]}
    )
    instrument = Instrument("btcusdt", 0.1, 0.001, "0.1", "0.001", True)
    effects = hub.on_info(ExchangeInfo({"btcusdt": instrument}, WeightLimit(2400, 60)), NOW)
    assert Subscribe("btcusdt") in effects
    assert hub.owners == {"btcusdt": {4}}
    hub.on_message(Depth("btcusdt", DepthUpdate(5, 7, 4, rows((BUY, 99.0, 2.0)))), NOW)
    effects = hub.on_snapshot("btcusdt", 1, Snapshot(7, rows((BUY, 99.0, 2.0), (SELL, 101.0, 3.0))), NOW)
    batch = next(effect.batch for effect in effects if isinstance(effect, Publish))
    (feed,) = batch.events
    assert isinstance(feed, FeedEvent)
    book = {(BUY, 90.0): 1.0, (BUY, 99.0): 1.0, (SELL, 101.0): 1.0, (SELL, 150.0): 1.0}
    for row in feed.events:  # as the source's bot does: only depth rows, the clear is nothing to it
        if int(row["ev"]) & KIND_MASK == DEPTH:
            book[(int(row["ev"]) & (BUY | SELL), float(row["px"]))] = float(row["qty"])
        else:
            assert int(row["ev"]) & KIND_MASK == DEPTH_CLEAR
    assert {key: qty for key, qty in book.items() if qty} == {(BUY, 99.0): 2.0, (SELL, 101.0): 3.0}
