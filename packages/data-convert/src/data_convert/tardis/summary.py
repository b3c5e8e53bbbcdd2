"""The report of a streamed conversion, out of counts and a sample of latencies."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from data_convert.report.counted import file_report
from data_convert.report.measure import quantiles
from data_convert.report.values import BadLines, Latency, Quantiles, Report
from data_convert.tardis.passes import NOT_MET, Found, Merged, Settings, join_samples


def make_report(
    merged: Merged,
    rows: int,
    shift_ns: int,
    work: Settings,
    settings: Mapping[str, str],
    notes: Mapping[str, int],
    warnings: Sequence[str],
) -> Report:
    """Describe a conversion that gave `rows` rows. Books are not played: `validate` does that with the result."""
    files = [counts for found in merged.found for counts in found.files]
    bad: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    for counts in files:
        bad.update(counts.bad)
        for reason, places in counts.examples.items():
            examples.setdefault(reason, []).extend(places)
    dropped = {"snapshot rows": sum(c.dropped for c in files), "rows of other symbols": sum(c.others for c in files)}
    more = {"header lines inside a file": sum(c.headers for c in files)}
    left_out = sum(bad.values())
    advice = (
        [f"{left_out} rows were left out; look at the lines named, or download the files again"] if left_out else []
    )
    symbol = work.prefix.decode("utf-8", "replace").strip(",").replace(",", " ")
    return Report(
        title="Conversion" + (f" of {symbol}" if symbol else ""),
        files=tuple(file_report(counts.stats) for counts in files),
        settings=settings,
        lines=sum(counts.stats.lines for counts in files),
        empty_lines=sum(counts.empty for counts in files),
        bad=tuple(BadLines(reason, count, tuple(examples[reason][:5])) for reason, count in bad.most_common()),
        streams={str(kind): n for kind, n in _streams(merged.found).items() if n},
        symbols={symbol: sum(found.rows for found in merged.found)} if symbol else {},
        filtered={name: count for name, count in dropped.items() if count},
        notes={**{name: count for name, count in more.items() if count}, **notes},
        rows=rows,
        kinds=merged.kinds,
        sides=merged.sides,
        local_span_ns=_moved(merged.spans_ns[1], shift_ns) if merged.spans_ns else None,
        exch_span_ns=merged.spans_ns[0] if merged.spans_ns else None,
        latency=_latency(merged, shift_ns),
        warnings=tuple([*warnings, *advice]),
    )


def _moved(span: tuple[int, int], shift_ns: int) -> tuple[int, int]:
    return span[0] + shift_ns, span[1] + shift_ns


def _streams(both: tuple[Found, Found]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for found in both:
        for counts in found.files:
            rows[str(counts.kind)] += counts.stats.lines - 1 - counts.empty - counts.headers
    return rows


def _latency(merged: Merged, shift_ns: int) -> Latency | None:
    smallest = min(merged.found, key=lambda found: found.smallest_ns)
    if smallest.smallest_ns == NOT_MET:
        return None
    sampled = join_samples([found.sample for found in merged.found])
    if not len(sampled):
        sampled = np.array([smallest.smallest_ns])
    found = quantiles(sampled)
    assert found is not None
    count = sum(found.sample.count for found in merged.found)
    before = dataclasses.replace(found, count=count, min=min(found.min, smallest.smallest_ns))
    figures = dataclasses.asdict(before)
    after = Quantiles(count, **{name: value + shift_ns for name, value in figures.items() if name != "count"})
    return Latency(before, after, shift_ns, smallest.smallest_ns, smallest.smallest_at)
