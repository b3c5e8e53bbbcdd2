"""A recorder's numbers, from what it counts anyway. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from marketlink.run.metrics import Sample

from collector.clock_check import Offset
from collector.from_link import LinkCounts
from collector.from_venue import VenueCounts
from collector.rotation import FileKey
from collector.tally import Tally
from collector.writer import FileCounts

LAG_BOUNDS_S: Final = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


def of_files(counts: Mapping[FileKey, FileCounts], waiting: int) -> Iterator[Sample]:
    """What was written, by symbol, and what waits for the disk."""
    sums: dict[str, list[int]] = {}
    for (symbol, _), each in counts.items():
        of = sums.setdefault(symbol, [0, 0, 0])
        for n, value in enumerate((each.lines, each.text_bytes, each.file_bytes)):
            of[n] += value
    for symbol, (lines, text, size) in sums.items():
        labels = {"symbol": symbol}
        yield Sample("collector_lines", "Lines written.", lines, labels, "counter")
        yield Sample("collector_text_bytes", "Bytes of text written.", text, labels, "counter")
        yield Sample("collector_file_bytes", "Bytes of file written.", size, labels, "counter")
    yield Sample("collector_waiting_bytes", "Bytes of text that wait for the disk.", waiting)


def of_lags(tallies: Sequence[tuple[str, Tally]]) -> Iterator[Sample]:
    """How long after the exchange's time lines were stamped, in the files that are open: the way and both clocks in one."""
    for symbol, tally in tallies:
        buckets, total_s = tally.lag_up_to(LAG_BOUNDS_S)
        text = "From the exchange's time of a line to its stamp."
        yield Sample("collector_lag_seconds", text, total_s, {"symbol": symbol}, "histogram", tuple(buckets))
        if tally.last_ns is not None:
            yield Sample(
                "collector_last_stamp_seconds", "Stamp of the newest line.", tally.last_ns / 1e9, {"symbol": symbol}
            )


def of_venue(counts: Sequence[VenueCounts], symbols: int, in_sync: int, offset: Offset | None) -> Iterator[Sample]:
    """What came from an exchange."""
    yield Sample("collector_symbols", "Symbols to record.", symbols)
    yield Sample("collector_symbols_in_sync", "Symbols with a snapshot and every update since.", in_sync)
    for name, text in (
        ("frames", "Frames received."),
        ("snapshots", "REST snapshots written."),
        ("snapshots_failed", "REST snapshots that could not be had."),
        ("connections", "Connections opened."),
        ("out_of_sync", "Books lost."),
        ("left_out", "Lines left out because of the disk."),
    ):
        total = sum(getattr(each, name) for each in counts)
        yield Sample(f"collector_{name}", text, total, kind="counter")
    yield from _by_word("collector_gaps", "Gap lines by reason.", "reason", [each.gaps for each in counts])
    yield from _by_word(
        "collector_not_recorded", "Frames not recorded.", "what", [each.not_recorded for each in counts]
    )
    if offset is not None:
        yield Sample("collector_clock_ahead_seconds", "The exchange's clock is ahead by this.", offset.ahead_ns / 1e9)
        yield Sample("collector_clock_within_seconds", "How well that is known.", offset.within_ns / 1e9)


def of_link(counts: LinkCounts, symbols: int, without_book: int) -> Iterator[Sample]:
    """What came from a connector."""
    yield Sample("collector_symbols", "Symbols to record.", symbols)
    yield Sample("collector_symbols_in_sync", "Symbols whose book is in the recording.", symbols - without_book)
    for name, text in (
        ("batches", "Batches received."),
        ("events", "Events written."),
        ("samples_lost", "Samples of the link that were lost."),
        ("unreadable", "Samples that could not be read."),
        ("registrations", "Registrations sent."),
    ):
        yield Sample(f"collector_{name}", text, getattr(counts, name), kind="counter")
    yield from _by_word("collector_gaps", "Gap lines by reason.", "reason", [counts.gaps])


def _by_word(name: str, text: str, label: str, counts: Sequence[Mapping[str, int]]) -> Iterator[Sample]:
    sums: dict[str, int] = {}
    for each in counts:
        for word, count in list(each.items()):
            sums[word] = sums.get(word, 0) + count
    for word, count in sums.items():
        yield Sample(name, text, count, {label: word}, "counter")
