from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest
from venue_sim.merge import DepthMerger
from venue_sim.venues.usdm.messages import read_update, render, slower


def test_a_window_becomes_one_update_with_the_last_quantities_and_an_unbroken_chain(make: SimpleNamespace) -> None:
    merger = DepthMerger(100)
    out = []
    for at_ms, first_id, last_id, prev_id, bids in (
        (5, 11, 20, 10, "9.0:1.0 8.0:1.0"),
        (60, 22, 30, 20, "9.0:2.0"),
        (130, 31, 40, 30, "8.0:0.0"),
        (350, 41, 50, 40, "7.0:1.0"),
    ):
        data = make.depth_data(first_id, last_id, prev_id, bids)
        done = merger.flush(at_ms * 1_000_000)
        if done:
            out.append(done)
        merger.add(at_ms * 1_000_000, read_update(data))
    assert merger.flush(399_999_999) is None
    last = merger.flush(400_000_000)
    assert last is not None
    packets = [render("btcusdt", update, "btcusdt@depth@100ms") for update in [*out, last]]
    updates = [orjson.loads(packet.data) for packet in packets]
    assert [(update["U"], update["u"], update["pu"]) for update in updates] == [
        (11, 30, 10),
        (31, 40, 30),
        (41, 50, 40),
    ]
    assert updates[0]["b"] == [["8.0", "1.0"], ["9.0", "2.0"]]
    assert packets[0].wrapped == b'{"stream":"btcusdt@depth@100ms","data":%b}' % packets[0].data


@pytest.mark.parametrize(
    ("stream", "expected"), [("x@depth", 250), ("x@depth@500ms", 500), ("x@depth@0ms", None), ("x@trade", None)]
)
def test_only_slower_depth_streams_have_a_window(stream: str, expected: int | None) -> None:
    found = slower(stream)
    assert (None if found is None else found.width_ms) == expected
