"""What the matrix calls equal."""

import gzip
from pathlib import Path

import pytest

from tests.pairing.cell import SURE, Wrong, differences, ticks
from tests.pairing.recording import read_recording

TRUE = ({tick: 1.0 for tick in range(100, 100 + 2 * SURE)}, {tick: 2.0 for tick in range(2000, 2000 + 2 * SURE)})


def test_a_book_may_lack_what_lies_beyond_its_snapshot_and_nothing_else() -> None:
    bids, asks = (dict(side) for side in TRUE)
    for tick in range(100, 100 + SURE):
        del bids[tick]
    assert differences((bids, asks), TRUE) == ""
    del bids[100 + SURE]
    assert "1 missing" in differences((bids, asks), TRUE)


def test_levels_that_the_exchange_does_not_have_and_other_quantities_are_differences() -> None:
    assert "1 too many" in differences(({**TRUE[0], 1500: 1.0}, TRUE[1]), TRUE)
    assert "1 with another quantity" in differences((TRUE[0], {**TRUE[1], 2000: 2.5}), TRUE)


def test_prices_and_quantities_between_two_steps_are_wrong() -> None:
    assert ticks([[61799.700000000004, 0.051], [61799.6, 0.0]]) == {617997: 0.051}
    for level in ([61799.75, 0.051], [61799.7, 0.0515]):
        with pytest.raises(Wrong):
            ticks([level])


def test_a_recording_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    lines = [
        b'1 {"e":"depthUpdate","b":[["10","1"]],"a":[]}\n',
        b'2 {"e":"depthUpdate","b":[],"a":[["11","2"]]}\n',
        b'3 {"e":"trade","p":"10","q":"1"}\n',
        b'4 {"e":"depthUpdate","b":[["10","0"]],"a":[]}\n',
    ]
    (tmp_path / "x_20260101.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:10])
    found = read_recording(tmp_path, "x")
    assert (found.lines, found.trades, found.bids, found.asks) == (2, 0, {10.0: 1.0}, {11.0: 2.0})
    (tmp_path / "x_20260101.jsonl").unlink()
    second = gzip.compress(b"".join(lines[2:]))
    (tmp_path / "x_20260101.gz").write_bytes(gzip.compress(b"".join(lines[:2])) + second[:-12])
    assert read_recording(tmp_path, "x").lines >= 2
    (tmp_path / "x_20260101.gz").write_bytes(gzip.compress(b"".join(lines[:2])) + second)
    found = read_recording(tmp_path, "x")
    assert (found.lines, found.trades, found.bids, found.asks) == (4, 1, {}, {11.0: 2.0})
    assert read_recording(tmp_path, "x", skip=2).asks == {}
