from __future__ import annotations

from random import Random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_sim.config import Fault
from venue_sim.face import Packet
from venue_sim.faults import FaultScript, corrupted, meant_for
from venue_sim.venues.usdm.messages import read_stream


def frame(number: int, stream: str = "btcusdt@depth@0ms") -> Packet:
    name = read_stream(stream)
    return Packet(name.symbol, stream, name.words, b"{}", b"{}", number)


def hit(script: FaultScript, frames: list[Packet], now_s: float = 0.0) -> list[int]:
    return [each.last_id for each in frames if script.on_packet(each, now_s)]


def test_a_fault_hits_the_messages_after_the_given_number_of_matching_ones() -> None:
    script = FaultScript([Fault("drop", after_message=3, count=2, stream="depth")])
    frames = [frame(at, "btcusdt@trade" if at % 2 else "btcusdt@depth@0ms") for at in range(20)]
    assert hit(script, frames) == [6, 8]
    assert not script.watches_frames, "a spent script costs nothing"
    assert [fired.hit for fired in script.fired] == ["btcusdt@depth@0ms u=6", "btcusdt@depth@0ms u=8"]


def test_filters_take_kind_full_name_or_name_without_symbol() -> None:
    for stream, expected in (
        ("depth", [0, 2]),
        ("btcusdt@depth@0ms", [0]),
        ("depth@0ms", [0, 2]),
        ("trade", [1]),
        ("depth@100ms", []),
    ):
        script = FaultScript([Fault("drop", stream=stream, count=0)])
        assert hit(script, [frame(0), frame(1, "btcusdt@trade"), frame(2, "ethusdt@depth@0ms")]) == expected
    script = FaultScript([Fault("drop", symbol="ethusdt", count=0)])
    assert hit(script, [frame(0), frame(2, "ethusdt@depth@0ms")]) == [2]


def test_a_fault_waits_for_its_time() -> None:
    script = FaultScript([Fault("drop", at_s=2.0)])
    assert hit(script, [frame(1)], 1.9) == []
    assert hit(script, [frame(2)], 2.0) == [2]


def test_probability_is_seeded_and_about_right() -> None:
    def run(seed: int) -> list[int]:
        return hit(FaultScript([Fault("drop", probability=0.3, count=0, seed=seed)]), [frame(at) for at in range(1000)])

    assert run(1) == run(1) != run(2)
    assert 230 < len(run(1)) < 370


def test_connection_faults_are_due_once() -> None:
    script = FaultScript([Fault("eof", at_s=1.0), Fault("reset"), Fault("close", after_message=2)])
    assert [armed.fault.kind for armed in script.due(0.5)] == ["reset"]
    assert [armed.fault.kind for armed in script.due(1.0)] == ["eof"]
    assert script.due(9.0) == []
    assert hit(script, [frame(1), frame(2), frame(3)]) == [2], "right after the second message"


def test_request_faults_match_path_symbol_and_number() -> None:
    script = FaultScript(
        [
            Fault("status", status=500, path="/fapi/v1/time"),
            Fault("stale_snapshot", symbol="btcusdt", after_request=1, updates=3),
        ]
    )
    depth = "/fapi/v1/depth"
    asked = [
        ("/fapi/v1/ping", None),
        (depth, "ethusdt"),
        (depth, "btcusdt"),
        ("/fapi/v1/time", None),
        (depth, "btcusdt"),
        (depth, "btcusdt"),
    ]
    found = [script.on_request(path, symbol, 0.0, depth=path == depth) for path, symbol in asked]
    assert [armed.fault.kind if armed else None for armed in found] == [
        None,
        None,
        None,
        "status",
        "stale_snapshot",
        None,
    ]


def test_clearing_forgets_what_waits_and_keeps_what_fired() -> None:
    script = FaultScript([Fault("drop", count=5)])
    hit(script, [frame(1)])
    assert script.clear() == 1
    assert hit(script, [frame(2)]) == []
    assert len(script.fired) == 1


@given(
    st.dictionaries(
        st.text(max_size=8), st.text(max_size=8) | st.integers() | st.lists(st.text(max_size=5)), min_size=1, max_size=5
    ),
    st.integers(),
    st.sampled_from(["truncate", "flip"]),
)
def test_a_corrupted_message_is_text_but_no_json(value: dict[str, object], seed: int, mode: str) -> None:
    import json

    payload = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
    spoilt = corrupted(payload, mode, Random(seed))
    spoilt.decode()
    assert spoilt != payload
    if mode == "truncate":
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(spoilt)


def test_a_flipped_depth_update_cannot_be_parsed() -> None:
    payload = b'{"e":"depthUpdate","U":1,"u":2,"pu":0,"b":[["1.0","2.0"]],"a":[]}'
    for seed in range(200):
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(corrupted(payload, "flip", Random(seed)))


def test_a_connection_fault_with_filters_is_meant_for_connections_with_such_a_stream() -> None:
    streams = [read_stream("btcusdt@depth@0ms")]
    assert meant_for(Fault("eof"), 1, [])
    assert meant_for(Fault("eof", stream="depth"), 1, streams)
    assert not meant_for(Fault("eof", stream="trade"), 1, streams)
    assert not meant_for(Fault("eof", symbol="ethusdt"), 1, streams)
    assert not meant_for(Fault("eof", connection=2), 1, streams)
    assert not meant_for(Fault("drop"), 1, streams)
