"""Hyperliquid's public half: books that are always whole, answers without numbers, and the recording."""

import gzip
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, DEPTH, LOCAL, SELL
from marketlink.venues.base import BASE, Answer, Beat, Book, Heading, Ticks
from marketlink.venues.hyperliquid import PERPETUALS as HL

BOOK = b'{"channel":"l2Book","data":{"coin":"BTC","time":7,"levels":[[{"px":"99","sz":"1","n":3}],[{"px":"100","sz":"2","n":1}]]}}'


def test_a_book_is_whole_each_time_and_the_best_of_each_side_is_a_window_of_it() -> None:
    message = HL.decode(BOOK, 5)
    assert isinstance(message, Book)
    assert (message.symbol, message.window, message.snapshot.version) == ("BTC", BASE, 7)
    assert message.snapshot.events.tolist() == [
        (LOCAL | DEPTH | BUY, 7_000_000, 5, 99.0, 1.0, 0, 7, 0.0),
        (LOCAL | DEPTH | SELL, 7_000_000, 5, 100.0, 2.0, 0, 7, 0.0),
    ]
    assert HL.heading(BOOK) == Heading("BTC", "depth", whole=True)
    best = HL.decode(b'{"channel":"bbo","data":{"coin":"BTC","time":8,"bbo":[{"px":"99","sz":"1","n":1},null]}}', 5)
    assert isinstance(best, Book)
    assert (best.window, len(best.snapshot.events)) == (1, 1)


def test_answers_are_found_by_the_stream_that_they_name() -> None:
    answer = b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}}'
    assert HL.control(answer) == Answer(None, None, ("l2Book:BTC",))
    assert orjson.loads(HL.subscribe(["l2Book:kPEPE"], 4)) == {
        "method": "subscribe",
        "subscription": {"type": "l2Book", "coin": "kPEPE"},
    }
    already = orjson.dumps({"channel": "error", "data": 'Already subscribed: {"type":"bbo","coin":"BTC"}'})
    assert HL.control(already) == Answer(None, None, ("bbo:BTC",))
    wrong = orjson.dumps({"channel": "error", "data": 'Invalid subscription {"type":"x","coin":"BTC"}'})
    assert HL.control(wrong) == Answer(None, 'Invalid subscription {"type":"x","coin":"BTC"}', ("x:BTC",))
    assert HL.control(b'{"channel":"pong"}') == Beat()
    assert HL.control(BOOK) is None


def test_steps_come_of_the_digits_of_quantities() -> None:
    info = HL.decode_info(
        b'{"universe":[{"name":"BTC","szDecimals":5},{"name":"kPEPE","szDecimals":0,"isDelisted":true}]}'
    )
    btc, pepe = info.instruments["BTC"], info.instruments["kPEPE"]
    assert (btc.tick_text, btc.lot_text, btc.trading) == ("0.1", "0.00001", True)
    assert (pepe.tick_text, pepe.lot_text, pepe.trading) == ("0.000001", "1", False)


def test_every_frame_of_the_recording_is_read(shared_data: Path) -> None:
    kinds = set()
    with gzip.open(shared_data / "captures" / "hyperliquid_btcusd_20250126.gz") as lines:
        for line in lines:
            stamp, _, frame = line.rstrip().partition(b" ")
            message, heading = HL.decode(frame, int(stamp)), HL.heading(frame)
            assert isinstance(message, Book | Ticks)
            assert isinstance(heading, Heading)
            assert message.symbol == heading.symbol == "BTC"
            assert HL.stream_key(frame).decode() in HL.recorded_streams("BTC")
            kinds.add(type(message))
    assert kinds == {Book, Ticks}


@pytest.mark.parametrize(
    "bad", [BOOK[:-9], BOOK.replace(b'"99"', b'"101"'), BOOK.replace(b'"7"', b"7").replace(b":7,", b":-7,")]
)
def test_what_makes_no_sense_is_malformed_and_names_its_book(bad: bytes) -> None:
    with pytest.raises(MalformedMessage) as error:
        HL.decode(bad, 5)
    assert (error.value.symbol, error.value.stream) == ("BTC", "depth")


@given(st.integers(0, len(BOOK)), st.integers(0, 3), st.binary(max_size=3))
def test_a_damaged_frame_is_read_or_malformed(at: int, cut: int, put: bytes) -> None:
    raw = BOOK[:at] + put + BOOK[at + cut :]
    HL.control(raw)
    HL.stream_key(raw)
    for reader in (lambda: HL.decode(raw, 5), lambda: HL.heading(raw)):
        try:
            reader()
        except MalformedMessage:
            pass
