from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from venue_sim.errors import BadRecording
from venue_sim.face import packet_of
from venue_sim.market import BookState
from venue_sim.recording import RecordingFile
from venue_sim.replay import ReplayMarket
from venue_sim.venues.usdm import USDM


def replay(*paths: Path, symbols: tuple[str, ...] = ()) -> ReplayMarket:
    recordings = [RecordingFile(path, USDM.messages.read_line).lines for path in paths]
    return ReplayMarket("test", recordings, USDM.messages, symbols)


def digest(state: BookState) -> str:
    lines = [f"b {price} {quantity}\n" for price, quantity in state.bids] + [
        f"a {price} {quantity}\n" for price, quantity in state.asks
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_frames_are_the_recorded_bytes_in_order_and_data_is_their_inside(
    recorded: Callable[..., Path], small: list[bytes]
) -> None:
    market = replay(recorded(small, members=3))
    frames = [packet_of(USDM, frame) for frame in market.take(None, 100)]
    assert [frame.wrapped for frame in frames] == [body for body in small if b'"stream"' in body]
    assert all(frame.wrapped == b'{"stream":"%b","data":%b}' % (frame.stream.encode(), frame.data) for frame in frames)
    assert market.total == len(frames) == 9
    assert market.next_due_ns() is None


def test_only_what_is_due_goes_and_time_begins_at_the_first_frame(
    recorded: Callable[..., Path], small: list[bytes]
) -> None:
    market = replay(recorded(small, step_ns=1000))
    assert len(market.take(0, 100)) == 1
    assert market.take(999, 100) == []
    assert len(market.take(2000, 100)) == 2
    assert market.next_due_ns() == 4000, "the snapshot line between takes its time but is no frame"


def test_a_receive_time_that_goes_back_does_not_turn_the_clock_back(tmp_path: Path, make: SimpleNamespace) -> None:
    path = tmp_path / "back.jsonl"
    path.write_bytes(b"".join(b"%d %b\n" % (at, make.trade(at)) for at in (100, 300, 200, 400)))
    assert [frame.due_ns for frame in replay(path).take(None, 9)] == [0, 200, 200, 300]


def test_the_book_is_known_from_the_joining_update_on(recorded: Callable[..., Path], small: list[bytes]) -> None:
    market = replay(recorded(small))
    book = market.books["btcusdt"]
    market.take(None, 2)
    assert book.at() is None
    market.take(None, 1)
    joined = book.at()
    assert joined is not None
    assert (joined.last_id, joined.bids, joined.asks) == (
        110,
        [("100.0", "1.000"), ("99.9", "2.000"), ("99.0", "4.000")],
        [("100.1", "3.000"), ("101.0", "5.000")],
    )
    market.take(None, 100)
    end = book.at()
    assert end is not None
    assert end.bids == [("100.0", "1.000"), ("99.9", "2.500"), ("98.0", "6.000")]
    assert end.asks == [("100.1", "3.000"), ("100.2", "1.500")]
    assert book.at(110) == joined
    assert book.id_before(1) == 130


def test_instruments_have_the_digits_of_the_recording(recorded: Callable[..., Path], small: list[bytes]) -> None:
    instrument = replay(recorded(small)).instruments["btcusdt"]
    assert (instrument.tick_size, instrument.step_size, instrument.price_precision) == ("0.1", "0.500", 1)


def test_two_recordings_are_merged_by_time_each_with_its_own_snapshot(
    recorded: Callable[..., Path], make: SimpleNamespace
) -> None:
    one = recorded([make.depth(95, 110, 94, "5.0:1.0"), make.snapshot(100, "5.0:2.0", "6.0:1.0"), make.trade(1)])
    two = recorded(
        [
            make.depth(95, 110, 94, "7.0:1.0", "", "ethusdt"),
            make.snapshot(101, "7.0:2.0 6.5:1.0", "8.0:1.0"),
            make.trade(2, "ethusdt"),
        ]
    )
    market = replay(one, two)
    assert [packet_of(USDM, frame).stream for frame in market.take(None, 9)] == [
        "btcusdt@depth@0ms",
        "ethusdt@depth@0ms",
        "btcusdt@trade",
        "ethusdt@trade",
    ]
    books = {symbol: book.at() for symbol, book in market.books.items()}
    assert {symbol: state.bids for symbol, state in books.items() if state} == {
        "btcusdt": [("5.0", "1.0")],
        "ethusdt": [("7.0", "1.0"), ("6.5", "1.0")],
    }


def test_only_the_asked_symbols_are_played(recorded: Callable[..., Path], make: SimpleNamespace) -> None:
    path = recorded([make.trade(1), make.trade(2, "ethusdt"), make.trade(3)])
    market = replay(path, symbols=("ETHUSDT",))
    assert [frame.symbol for frame in market.take(None, 9)] == ["ethusdt"]
    with pytest.raises(BadRecording):
        replay(path, symbols=("solusdt",))


def test_the_fastest_recorded_depth_makes_the_book(recorded: Callable[..., Path], make: SimpleNamespace) -> None:
    slow = make.wrap("btcusdt@depth@100ms", make.depth_data(95, 120, 94, "1.0:9.0"))
    market = replay(recorded([make.depth(95, 110, 94, "5.0:1.0"), slow, make.snapshot(100, "5.0:2.0", "6.0:1.0")]))
    market.take(None, 9)
    assert market.books["btcusdt"].last_id == 110


def test_the_shared_capture_ends_in_the_true_book(captured: Path) -> None:
    market = replay(captured / "captures" / "usdm_btcusdt_20240808.gz")
    book = market.books["btcusdt"]
    truth = orjson.loads((captured / "golden" / "book_truth_end_of_file.json").read_bytes())[0]
    checkpoints = orjson.loads((captured / "golden" / "ob_sync" / "usdm_btcusdt_20240808.json").read_bytes())[
        "checkpoints"
    ]
    while market.take(None, 1000):
        pass
    end = book.at()
    assert end is not None
    assert [len(end.bids), len(end.asks)] == truth["levels_truth"]
    assert digest(end) == truth["truth_book_sha256"]
    for _, last_id, bid, bid_quantity, ask, ask_quantity in checkpoints:
        state = book.at(last_id)
        assert state is not None
        assert [float(text) for text in (*state.bids[0], *state.asks[0])] == [bid, bid_quantity, ask, ask_quantity]
