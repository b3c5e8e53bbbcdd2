"""Charts as inline SVG: lines over time, marks, spans; no scripts, no outside files.

A page sets the colours as CSS variables. Long series are thinned to the least and greatest value of each pixel column,
so that no spike is lost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Final

import numpy as np

from obi_mm.layout import Real, Whole

WIDTH: Final = 1000
HEIGHT: Final = 230
LEFT, RIGHT, TOP, BOTTOM = 84, 14, 10, 26
_COLUMNS: Final = 900
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Line:
    """A line: values at times, NaN where there is none; `steps` holds a value until the next."""

    name: str
    time_ns: Whole
    values: Real
    colour: str
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """Points, such as fills."""

    name: str
    time_ns: Whole
    values: Real
    colour: str
    up: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """What one chart shows; `spans` are shaded stretches of time, `within` the time it shows where that is not a run's."""

    title: str
    unit: str
    lines: Sequence[Line]
    marks: Sequence[Marks] = ()
    spans: Sequence[tuple[int, int]] = field(default=())
    within: tuple[int, int] | None = None


def draw(chart: Chart, first_ns: int, last_ns: int) -> str:
    """Draw a chart over a span of time."""
    last_ns = max(last_ns, first_ns + 1)
    known = [line.values[np.isfinite(line.values)] for line in chart.lines]
    known += [marks.values[np.isfinite(marks.values)] for marks in chart.marks]
    found = np.concatenate(known) if known else np.zeros(0)
    if not len(found):
        return _frame(
            chart.title, f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">nothing to show</text>'
        )
    low, high = float(found.min()), float(found.max())
    if low == high:
        pad = abs(low) * 1e-4 or 1.0
        low, high = low - pad, high + pad
    parts = [_axes(low, high, chart.unit, first_ns, last_ns)]
    for start, end in chart.spans:
        if end < first_ns or start > last_ns:
            continue
        start, end = max(start, first_ns), min(end, last_ns)
        x0, x1 = _x(start, first_ns, last_ns), _x(end, first_ns, last_ns)
        parts.append(
            f'<rect x="{x0:.1f}" y="{TOP}" width="{max(x1 - x0, 1):.1f}" height="{HEIGHT - TOP - BOTTOM}" fill="var(--span)"/>'
        )
    for line in chart.lines:
        parts.append(_path(line, first_ns, last_ns, low, high))
    for marks in chart.marks:
        parts.append(_marks(marks, first_ns, last_ns, low, high))
    return _frame(chart.title, "".join(parts))


def legend(chart: Chart) -> str:
    """Name a chart's lines and marks in their colours."""
    names = [(line.name, line.colour, "–") for line in chart.lines]
    names += [(marks.name, marks.colour, "▲" if marks.up else "▼") for marks in chart.marks]
    if chart.spans:
        names.append(("stop loss", "var(--span-ink)", "■"))
    return " ".join(f'<span style="color:{colour}">{sign} {escape(name)}</span>' for name, colour, sign in names)


def _path(line: Line, first_ns: int, last_ns: int, low: float, high: float) -> str:
    times, values = _thin(line.time_ns, line.values, first_ns, last_ns)
    commands: list[str] = []
    drawing, last_y = False, 0.0
    for time_ns, value in zip(times.tolist(), values.tolist(), strict=True):
        if not math.isfinite(value):
            drawing = False
            continue
        x, y = _x(time_ns, first_ns, last_ns), _y(value, low, high)
        if drawing and line.steps:
            commands.append(f"L{x:.1f} {last_y:.1f}")
        commands.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        drawing, last_y = True, y
    return f'<path d="{"".join(commands)}" fill="none" stroke="{line.colour}" stroke-width="1.2"/>'


def _thin(times: Whole, values: Real, first_ns: int, last_ns: int) -> tuple[Whole, Real]:
    if len(times) <= 2 * _COLUMNS:
        return times, values
    column = ((times - first_ns) * _COLUMNS // max(last_ns - first_ns, 1)).astype(np.int64)
    edges = np.flatnonzero(np.diff(column)) + 1
    kept: set[int] = set()
    for part in np.split(np.arange(len(times)), edges):
        piece = values[part]
        if np.isfinite(piece).any():
            kept.update((int(part[np.nanargmin(piece)]), int(part[np.nanargmax(piece)])))
        if not np.isfinite(piece).all():
            kept.add(int(part[np.flatnonzero(~np.isfinite(piece))[0]]))
    index = np.array(sorted(kept))
    return times[index], values[index]


def _marks(marks: Marks, first_ns: int, last_ns: int, low: float, high: float) -> str:
    parts = []
    for time_ns, value in zip(marks.time_ns.tolist(), marks.values.tolist(), strict=True):
        x, y, tip = _x(time_ns, first_ns, last_ns), _y(value, low, high), 4 if marks.up else -4
        parts.append(f"M{x:.1f} {y:.1f}l-3 {tip}h6z")
    return f'<path d="{"".join(parts)}" fill="{marks.colour}"/>'


def _axes(low: float, high: float, unit: str, first_ns: int, last_ns: int) -> str:
    parts = []
    step = _nice((high - low) / 6)
    digits = min(max(0, -math.floor(math.log10(step))), 12)
    for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        y = _y(i * step, low, high)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--grid)"/>')
        text = f"{i * step:,.{digits}f}" if digits <= 6 else f"{i * step:.3g}"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}{escape(unit)}</text>')
    step_ns, pattern = _time_step(last_ns - first_ns)
    for time_ns in range(-(-first_ns // step_ns) * step_ns, last_ns + 1, step_ns):
        text = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime(pattern)
        x = _x(time_ns, first_ns, last_ns)
        anchor = "start" if x < LEFT + 30 else "end" if x > WIDTH - RIGHT - 30 else "middle"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="var(--grid)"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{text}</text>')
    return "".join(parts)


def _time_step(span_ns: int) -> tuple[int, str]:
    """Return a step of the clock that gives four to nine marks, and how they are written."""
    seconds = span_ns / 1e9
    step = next((one for one in _STEPS_S if seconds / one <= 9), 86_400 * math.ceil(seconds / 9 / 86_400))
    return step * 1_000_000_000, "%H:%M:%S" if step < 60 else "%H:%M" if seconds < 86_400 else "%m-%d %H:%M"


def _nice(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))


def _x(time_ns: int, first_ns: int, last_ns: int) -> float:
    return LEFT + (time_ns - first_ns) / (last_ns - first_ns) * (WIDTH - LEFT - RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _frame(title: str, inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" font-size="11.5" '
        f'fill="var(--muted)">{inside}</svg>'
    )
