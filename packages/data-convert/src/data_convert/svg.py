"""Small inline SVG plots: a line over time and a histogram, coloured by the page's CSS variables.

No scripts, no outside files. A page sets `--line`, `--fill`, `--grid` and `--muted`; hovering is left to `<title>`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 920
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 14, 12, 30


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return about `wanted` round numbers (1, 2 or 5 times a power of ten apart) within [low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def line(
    xs: Sequence[float],
    ys: Sequence[float | None],
    *,
    label: str,
    unit: str = "",
    steps: bool = False,
    zero: bool = False,
    gaps: Sequence[tuple[float, float]] = (),
    doubts: Sequence[tuple[float, float]] = (),
) -> str:
    """Draw ys over xs (seconds); None breaks the line, and so does every gap (from, to), which is shaded.

    `doubts` are shaded too, and the line goes on: what it shows may be wrong. `steps` holds each value until the next,
    `zero` lets the axis begin at 0.
    """
    known = [y for y in ys if y is not None]
    if not known:
        return _empty(label)
    low, high = min(known), max(known)
    if zero:
        low = min(low, 0.0)
    if high == low:
        pad = abs(high) * 1e-4 or 1.0
        low, high = low - pad, high + pad
    right = max(xs[-1], xs[0] + 1e-9)
    path, drawing, last_y = [], False, 0.0
    breaks = iter(sorted(begin for begin, _ in gaps))
    broken = next(breaks, math.inf)
    for x, y in zip(xs, ys, strict=True):
        while broken < x:
            drawing, broken = False, next(breaks, math.inf)
        if y is None or any(begin < x < end for begin, end in gaps):
            drawing = False
            continue
        px, py = _x(x, xs[0], right), _y(y, low, high)
        if drawing and steps:
            path.append(f"L{px:.1f} {last_y:.1f}")
        path.append(f"{'L' if drawing else 'M'}{px:.1f} {py:.1f}")
        drawing, last_y = True, py
    curve = f'<path d="{"".join(path)}" fill="none" stroke="var(--line)" stroke-width="1.4" stroke-linejoin="round"/>'
    axes = _axis_y(low, high, unit) + _axis_x(xs[0], right, "s")
    shaded = [("no book", span) for span in gaps] + [("the book may be wrong", span) for span in doubts]
    shades = "".join(_shade(what, max(begin, xs[0]), min(end, right), xs[0], right) for what, (begin, end) in shaded)
    return _frame(label, shades + axes + curve)


def _shade(what: str, begin: float, end: float, low: float, high: float) -> str:
    if end < begin:
        return ""
    left, right = _x(begin, low, high), _x(end, low, high)
    return (
        f'<rect class="gap" x="{left:.1f}" y="{_TOP}" width="{max(right - left, 1):.1f}" '
        f'height="{HEIGHT - _BOTTOM - _TOP}" fill="var(--grid)"><title>{what} for {end - begin:.3f} s</title></rect>'
    )


def histogram(edges: Sequence[float], counts: Sequence[int], *, label: str, unit: str = "") -> str:
    """Draw counts between edges (one more than counts) as bars."""
    if not counts or max(counts) == 0:
        return _empty(label)
    high = float(max(counts))
    bars = []
    for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
        x0, x1 = _x(left, edges[0], edges[-1]), _x(right, edges[0], edges[-1])
        y = _y(count, 0.0, high)
        if count:
            tip = f"<title>{left:.4g} to {right:.4g} {escape(unit)}: {count:,}</title>"
            width = max(x1 - x0 - 1, 0.6)
            bars.append(
                f'<rect x="{x0:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT - _BOTTOM - y:.1f}" '
                f'fill="var(--fill)">{tip}</rect>'
            )
    return _frame(label, _axis_y(0.0, high, "") + _axis_x(edges[0], edges[-1], unit) + "".join(bars))


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _number(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step))) if step > 0 else 0
    return f"{value:,.{min(digits, 10)}f}"


def _axis_y(low: float, high: float, unit: str) -> str:
    ticks = nice_ticks(low, high, 4)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(high - low)
    parts = []
    for tick in ticks:
        y = _y(tick, low, high)
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--grid)"/>')
        text = f"{_number(tick, step)}{escape(unit)}"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(parts)


def _axis_x(low: float, high: float, unit: str) -> str:
    ticks = nice_ticks(low, high, 8)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(high - low)
    parts = []
    for tick in ticks:
        text = f"{_number(tick, step)} {escape(unit)}"
        parts.append(f'<text x="{_x(tick, low, high):.1f}" y="{HEIGHT - 10}" text-anchor="middle">{text}</text>')
    return "".join(parts)


def _frame(label: str, inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}" '
        f'font-size="11.5" fill="var(--muted)">{inside}</svg>'
    )


def _empty(label: str) -> str:
    return _frame(label, f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">nothing to show</text>')
