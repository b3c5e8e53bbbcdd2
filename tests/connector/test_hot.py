"""The short way of a depth frame does, byte for byte, what the general way does, or nothing."""

import gzip
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.venues.binance import COINM, SPOT_PUBLIC, SPOT_PUBLIC_US, USDM

from tests.connector.frames import FIRST, World, bodies, depth, whole_book

ROOT = Path(__file__).parents[2]
CAPTURE = (
    Path(os.environ.get("MARKETLINK_SHARED") or ROOT.parent / "shared" / "data") / "captures/usdm_btcusdt_20240808.gz"
)


def pair(venue=USDM, **more):  # type: ignore[no-untyped-def]
    """The general way, and the one that has a short one; both in sync at FIRST + 9."""
    worlds = [World(venue, short=short, **more) for short in (False, True)]
    for world in worlds:
        world.register()
        world.pump()
    return worlds


def synced(worlds, first: bytes) -> None:  # type: ignore[no-untyped-def]
    for world in worlds:
        world.frame(first)
        world.snapshot(FIRST + 5, whole_book())
        world.pump()


def same(worlds) -> None:  # type: ignore[no-untyped-def]
    general, short = worlds
    assert general.state() == short.state()


def frame_of(venue, number: int, body: dict[str, object], gap: int = 0) -> bytes:  # type: ignore[no-untyped-def]
    """The frame that follows `number` frames, as this venue writes it."""
    first = FIRST + 10 * number + gap
    more = dict(body)
    bids, asks = more.pop("bids", []), more.pop("asks", [])
    if not venue.layout.names_previous:
        more = {"pu": None, "T": None, "stream": "btcusdt@depth@100ms"} | more
    return depth(first, first + 9, first - 1, bids, asks, **more)


ONE = {"bids": [["99.90", "2"]], "asks": [["100.10", "0.000"]]}


@pytest.mark.parametrize(
    "venue", [USDM, COINM, SPOT_PUBLIC, SPOT_PUBLIC_US], ids=lambda venue: f"{venue.name}{venue.layout.unit_ns}"
)
def test_an_ordinary_frame_goes_the_short_way(venue) -> None:  # type: ignore[no-untyped-def]
    worlds = pair(venue)
    synced(worlds, frame_of(venue, 0, ONE))
    for number in range(1, 50):
        body = {"bids": [["99.80", f"{number}"], ["100.20", "0.000"]], "asks": [["100.30", f"{number}.5"]]}
        for world in worlds:
            world.frame(frame_of(venue, number, body))
    same(worlds)
    assert worlds[1].hot.taken == 49


def test_rows_that_cross_and_rows_without_effect_are_told_the_same() -> None:
    worlds = pair()
    synced(worlds, frame_of(USDM, 0, ONE))
    for number, body in enumerate(
        (
            {"bids": [["100.90", "2"]], "asks": [["100.10", "1"], ["100.50", "0.000"]]},
            {"bids": [["99.00", "2"]], "asks": [["98.10", "1"], ["101.00", "4"]]},
            {"bids": [["10.00", "0.000"], ["11.00", "0.000"]], "asks": []},
            {"bids": [], "asks": [["10000.00", "0.0001"]]},
            {"bids": [], "asks": []},
            {"bids": [["99.10", "1"]], "asks": [], "s": "ETHUSDT"},
        ),
        1,
    ):
        for world in worlds:
            world.frame(frame_of(USDM, number, body))
        same(worlds)
    assert worlds[1].hot.taken == 4


def test_what_has_no_room_goes_the_general_way() -> None:
    worlds = pair()
    synced(worlds, frame_of(USDM, 0, ONE))
    long = {"bids": [[f"{50 + number / 10:.2f}", "1"] for number in range(255)], "asks": []}
    sweep = {"bids": [["129.90", "1"]], "asks": []}
    short = {**long, "bids": long["bids"][:254]}
    for number, body in enumerate((long, short, sweep, short), 1):
        for world in worlds:
            world.frame(frame_of(USDM, number, body))
        same(worlds)
    assert worlds[1].hot.taken == 2


def test_nothing_overtakes_what_waits_and_kept_symbols_are_noted() -> None:
    worlds = pair(buffer_size=160)
    synced(worlds, frame_of(USDM, 0, ONE))
    for world in worlds:
        world.frame(frame_of(USDM, 1, ONE))
    taken = worlds[1].hot.taken
    for world in worlds:
        world.register(2)
        world.outbox.pump(world.moment.mono)  # a slice of a whole book is out
        world.frame(frame_of(USDM, 2, ONE))
        world.pump()
        world.kept.add("btcusdt")
        world.frame(frame_of(USDM, 3, ONE))
    same(worlds)
    assert (taken, worlds[1].hot.taken) == (1, 1)


def test_a_frame_for_a_book_that_is_not_in_sync_goes_the_general_way() -> None:
    worlds = pair()
    for world in worlds:
        world.frame(frame_of(USDM, 0, ONE))
    same(worlds)
    synced(worlds, frame_of(USDM, 1, ONE))
    for number, gap in ((2, 0), (1, 0), (3, 5), (4, 5)):
        for world in worlds:
            world.frame(frame_of(USDM, number, ONE, gap))
        same(worlds)
    assert worlds[1].hot.taken == 1


@st.composite
def scenes(draw: st.DrawFn) -> list[tuple[str, object]]:
    """What happens to a connector: frames that follow, that don't, cut ones and changed ones, and what comes between."""
    steps: list[tuple[str, object]] = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(
            st.sampled_from(
                ["frame"] * 12 + ["gap", "again", "cut", "byte", "any", "register", "pump", "lost", "snapshot"]
            )
        )
        value: object = draw(bodies())
        if kind in ("cut", "byte"):
            value = (value, draw(st.floats(0, 1)), draw(st.integers(0, 255)))
        elif kind == "any":
            value = draw(st.binary(max_size=60))
        steps.append((kind, value))
    return steps


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes(), st.sampled_from([USDM, COINM, SPOT_PUBLIC]), st.sampled_from([10_000, 120]))
def test_whatever_comes_both_ways_do_the_same(steps, venue, buffer_size) -> None:  # type: ignore[no-untyped-def]
    worlds = pair(venue, buffer_size=buffer_size)
    synced(worlds, frame_of(venue, 0, ONE))
    number = 1
    for kind, value in steps:
        sent = b""
        if kind in ("frame", "gap", "again"):
            number += {"gap": 1, "again": -1}.get(kind, 0)
            sent = frame_of(venue, number, value)
            number += 1
        elif kind in ("cut", "byte"):
            body, where, byte = value
            sent = frame_of(venue, number, body)
            at = int(where * (len(sent) - 1))
            sent = sent[:at] if kind == "cut" else sent[:at] + bytes([byte]) + sent[at + 1 :]
            number += kind == "byte"
        elif kind == "any":
            sent = b'{"stream":"btcusdt@depth@0ms"' + value if len(value) % 2 else value
        for world in worlds:
            if sent:
                world.frame(sent)
            elif kind == "register":
                world.register(number)
            elif kind == "pump":
                world.pump()
            elif kind == "lost":
                world.carry_out(world.hub.on_disconnected(["btcusdt"], "cut", world.moment))
            elif kind == "snapshot":
                world.snapshot(FIRST + 10 * number - 5, whole_book(20))
        same(worlds)


@pytest.mark.skipif(not CAPTURE.exists(), reason="the capture is not here: set MARKETLINK_SHARED")
def test_every_recorded_frame_is_told_the_same() -> None:
    with gzip.open(CAPTURE) as file:
        frames = [line.split(b" ", 1)[1].strip() for line in file]
    worlds = pair()
    depths = 0
    for frame in frames:
        is_depth = b"@depth" in frame[:60]
        depths += is_depth
        for world in worlds:
            world.frame(frame)
            if world.tickets and is_depth:
                update = USDM.decode(frame, 1).update  # type: ignore[union-attr]
                world.snapshot(update.last_id, whole_book(10))
            world.pump()
        if depths % 500 == 0:
            same(worlds)
            for world in worlds:
                world.port.samples.clear()
    same(worlds)
    assert worlds[1].hot.taken > 0.9 * depths


def test_the_kernel_in_plain_python_does_the_same() -> None:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    code = (
        "from tests.connector import test_hot as t; t.test_rows_that_cross_and_rows_without_effect_are_told_the_same()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment, timeout=300)


def test_a_venue_without_a_grammar_has_no_short_way() -> None:
    worlds = pair(replace(USDM, scan=None))
    synced(worlds, frame_of(USDM, 0, ONE))
    for world in worlds:
        world.frame(frame_of(USDM, 1, ONE))
    same(worlds)
    assert worlds[1].hot.taken == 0
