"""Arrays in chunks: the same figures wherever they are cut, in memory that does not grow with the array."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from data_convert import replay_book, validate
from data_convert.arrays.last_snapshot import end_snapshot
from data_convert.arrays.order_latency import last_of_windows, order_latencies
from data_convert.events import EVENT_DTYPE, EXCH, LOCAL
from data_convert.files.writer import NpzWriter
from data_convert.inspection.look import look_at_book
from data_convert.report.validation import validate_chunks
from data_convert.report.windowed import Sampled
from hypothesis import given, settings
from hypothesis import strategies as st
from own_process import run_alone

ROWS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 3, 4]),
        st.sampled_from([1 << 29, 1 << 28]),
        st.sampled_from([EXCH | LOCAL, EXCH | LOCAL, EXCH, LOCAL, 0]),
        st.integers(0, 3),
        st.integers(0, 5),
        st.integers(1, 9),
        st.integers(0, 2),
    ),
    max_size=30,
)


def events_of(rows):
    events, exch = np.zeros(len(rows), EVENT_DTYPE), 0
    for at, (kind, side, clocks, step, latency, price, quantity) in enumerate(rows):
        exch += step
        events[at] = (kind | side | clocks, exch, exch + latency, price / 2, quantity, 0, 0, 0.0)
    return events


def chunks_of(events, size):
    return [events[at : at + size] for at in range(0, len(events), size)]


@settings(max_examples=120, deadline=None)
@given(ROWS, st.integers(1, 9), st.sampled_from(["local", "exchange"]), st.integers(0, 40))
def test_figures_are_the_same_wherever_an_array_is_cut(rows, size, side, at_ns):
    events = events_of(rows)
    whole, parts = validate(events), validate_chunks(chunks_of(events, size))
    # Curves are thinned as chunks come; what is shown of them is tested by its own rules.
    bare = [dataclasses.replace(report, series=None) for report in (whole, parts)]
    assert str(bare[0]) == str(bare[1])
    assert whole.series.gaps == parts.series.gaps
    assert whole.series.rate == parts.series.rate
    cut = end_snapshot(chunks_of(events, size), side=side)
    assert cut.tobytes() == end_snapshot([events], side=side).tobytes()
    ordered = np.sort(events, order="local_ts")
    ordered["exch_ts"] = ordered["local_ts"]
    look, book = look_at_book(chunks_of(ordered, size), at_ns, side, 100), replay_book(ordered, side, at_ns)
    assert (look.bids, look.asks) == tuple(tuple(map(tuple, own.tolist())) for own in (book.bids, book.asks))
    reduced = last_of_windows(chunks_of(ordered, size), 3)
    assert order_latencies(reduced, every_ns=3).tobytes() == order_latencies(ordered, every_ns=3).tobytes()
    assert Fraction(len(reduced)) <= len(ordered)


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-9, 9), max_size=7), max_size=20), st.integers(2, 6))
def test_a_sample_is_every_nth_value_of_all(parts, room):
    sampled = Sampled()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("data_convert.report.windowed.SAMPLED", room)
        for part in parts:
            sampled.add(np.array(part, np.int64))
    values = [value for part in parts for value in part]
    assert sampled.sample().tolist() == values[:: sampled.stride]
    assert sampled.count == len(values)
    assert (sampled.smallest, sampled.largest) == ((min(values), max(values)) if values else (0, 0))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_millions_of_rows_are_validated_and_looked_at_in_little_memory(tmp_path):
    def commands(path):
        return (
            ("validate", path),
            ("inspect", path, "--at", 10**9, "--html", f"{path}.html"),
            ("snapshot", path, "-o", f"{path}.s.npz"),
            ("latency", path, "-o", f"{path}.l.npz"),
        )

    for arguments in commands(made(tmp_path / "small.npz", 2_000)):
        run_alone(*arguments)  # kernels that are compiled now take memory of their own
    for arguments in commands(made(tmp_path / "big.npz", 5_000_000)):
        code, out, err, peak = run_alone(*arguments)
        assert code == 0, err
        assert peak < 300 << 20, (arguments[0], peak)
        assert arguments[0] in ("snapshot", "latency") or "5,000,000" in out


def made(path, total):
    """A file of so many rows."""
    block = 1 << 18
    rng = np.random.default_rng(2)
    with NpzWriter(path, compress="fast") as writer:
        for begin in range(0, total, block):
            count = min(block, total - begin)
            rows = np.zeros(count, EVENT_DTYPE)
            bid = rng.integers(0, 2, count).astype(bool)
            rows["ev"] = np.where(bid, 0xE0000001, 0xD0000001).astype(np.uint64)
            rows["px"] = np.where(bid, 1000 - rng.integers(0, 500, count), 1001 + rng.integers(0, 500, count)) / 10
            rows["qty"] = rng.integers(0, 5, count)
            rows["exch_ts"] = (begin + np.arange(count)) * 1000
            rows["local_ts"] = rows["exch_ts"] + 500
            writer.write(rows)
            writer._take(writer._packer.drain())
    return path
