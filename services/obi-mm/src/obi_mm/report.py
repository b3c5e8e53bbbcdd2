"""A run's report: one HTML page with its figures and charts, nothing outside of it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape

import numpy as np

from obi_mm.backtest import Result
from obi_mm.config import SECOND_NS
from obi_mm.layout import REASONS
from obi_mm.plots import Chart, Line, Marks, draw, legend
from obi_mm.summary import FEE_SIGNS, equity_of

STYLE = """
:root{--ink:#1c2430;--muted:#5f6b7a;--paper:#fff;--grid:#e4e8ee;--a:#1f6fb4;--b:#2a8f57;--c:#c2513a;--d:#8a5fb0;
--span:#f2c9a855;--span-ink:#c98a4e;--card:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#dfe5ec;--muted:#93a0b0;--paper:#14181e;--grid:#2a313b;--a:#6db3f2;--b:#63c08d;
--c:#ee8870;--d:#c09ae0;--span:#8a5a2c55;--span-ink:#d9a066;--card:#1c222a}}
body{font:14px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1060px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1rem;margin:1.6rem 0 .2rem}p{color:var(--muted);margin:.2rem 0}svg{width:100%;height:auto}
.legend{font-size:.85rem}.legend span{margin-right:.9em}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.5rem;margin:1rem 0}
.cards div{background:var(--card);border-radius:6px;padding:.45rem .7rem}.cards b{display:block;font-size:1.05rem;
font-variant-numeric:tabular-nums}
.cards span{color:var(--muted);font-size:.8rem}pre{background:var(--card);padding:.8rem;border-radius:6px;overflow:auto;font-size:.8rem}
"""

_CARDS = (
    ("equity", "equity after fees", ",.4f"),
    ("equity_before_fees", "equity before fees", ",.4f"),
    ("fee", "fees paid (negative: received)", ",.4f"),
    ("max_drawdown", "largest drawdown", ",.4f"),
    ("sharpe", "Sharpe, a year", ",.2f"),
    ("sortino", "Sortino, a year", ",.2f"),
    ("trades", "trades", ",d"),
    ("trading_volume", "volume", ",.4f"),
    ("fill_rate", "orders filled", ".1%"),
    ("position", "position at the end", ",.4f"),
    ("position_abs_max", "largest position", ",.4f"),
    ("bid_at_touch", "bid at the touch", ".1%"),
    ("ask_at_touch", "ask at the touch", ".1%"),
    ("decisions", "decisions", ",d"),
    ("stop_loss_triggers", "stop loss triggered", ",d"),
)


def charts_of(result: Result) -> list[Chart]:
    """Return what the report draws of a whole run."""
    records, decisions = result.records, result.decisions
    times, moments = records["timestamp"], decisions["time_ns"]
    spans = stop_spans(decisions)
    equity = equity_of(records, result.models)
    unit = "base asset" if result.models.contract == "inverse" else "currency of the price"
    measured = np.where(decisions["returns"] >= 2, decisions["volatility"] * 100, np.nan)
    return [
        Chart(
            f"Equity, in the {unit}",
            "",
            [
                Line("after fees", times, equity, "var(--a)"),
                Line("before fees", times, equity + records["fee"], "var(--d)"),
            ],
            spans=spans,
        ),
        Chart("Position", "", [Line("position", times, records["position"], "var(--a)", True)], spans=spans),
        _prices(result, "Price and quotes", fills=False),
        *zoomed(result),
        Chart("Imbalance (z-score)", "", [Line("alpha", moments, decisions["alpha"], "var(--a)")], spans=spans),
        Chart(
            "Quantity in view",
            "",
            [
                Line("bids", moments, decisions["bids"], "var(--b)"),
                Line("asks", moments, decisions["asks"], "var(--c)"),
            ],
        ),
        Chart(
            "Volatility measured, of one interval",
            "%",
            [Line("std of returns", moments, measured, "var(--d)", True)],
            spans=spans,
        ),
        Chart(
            "Change since the last interval",
            "%",
            [Line("change", moments, decisions["change"] * 100, "var(--a)")],
            spans=spans,
        ),
    ]


def zoomed(result: Result) -> list[Chart]:
    """Return price, quotes and every fill over the minutes of a run with the most fills; none where there are none.

    At a whole run's width fills are a band. Ten minutes of a run of an hour or more, else one.
    """
    times, moments = result.fills["time_ns"], result.records["timestamp"]
    if not len(times) or not len(moments):
        return []
    minutes = 10 if moments[-1] - moments[0] >= 3600 * SECOND_NS else 1
    span_ns = minutes * 60 * SECOND_NS
    counts = np.searchsorted(times, times + span_ns) - np.arange(len(times))
    start_ns = max(min(int(times[np.argmax(counts)]), int(moments[-1]) - span_ns), int(moments[0]))
    title = (
        f"Price, quotes and fills, the {minutes} minutes with the most fills"
        if minutes > 1
        else ("Price, quotes and fills, the minute with the most fills")
    )
    return [_prices(result, title, fills=True, within=(start_ns, start_ns + span_ns))]


def _prices(result: Result, title: str, *, fills: bool, within: tuple[int, int] | None = None) -> Chart:
    records, decisions, tick = result.records, result.decisions, result.tick_size
    filled = result.fills
    first, last = within or (0, 0)
    if within is not None:
        inside = (records["timestamp"] >= first) & (records["timestamp"] < last)
        records, filled = records[inside], filled[(filled["time_ns"] >= first) & (filled["time_ns"] < last)]
        standing = max(np.searchsorted(decisions["time_ns"], first, "right") - 1, 0)  # at the left edge
        decisions = decisions[standing : np.searchsorted(decisions["time_ns"], last)]
    moments = np.maximum(decisions["time_ns"], first)
    wanted = [np.where(decisions[name] > 0, decisions[name] * tick, np.nan) for name in ("bid_tick", "ask_tick")]
    bought, sold = filled[filled["side"] > 0], filled[filled["side"] < 0]
    return Chart(
        title,
        "",
        [
            Line("mid", records["timestamp"], records["price"], "var(--muted)"),
            Line("bid wanted", moments, wanted[0], "var(--b)", True),
            Line("ask wanted", moments, wanted[1], "var(--c)", True),
        ],
        [
            Marks("bought", bought["time_ns"], bought["tick"] * tick, "var(--b)", True),
            Marks("sold", sold["time_ns"], sold["tick"] * tick, "var(--c)", False),
        ]
        if fills
        else [],
        stop_spans(decisions),
        within,
    )


def stop_spans(decisions: np.ndarray[tuple[int, ...], np.dtype[np.void]]) -> list[tuple[int, int]]:
    """Return from when to when the stop loss was not NORMAL, ns."""
    spans: list[tuple[int, int]] = []
    start = 0
    for time_ns, status in zip(decisions["time_ns"].tolist(), decisions["stop_loss"].tolist(), strict=True):
        if status and not start:
            start = time_ns
        elif not status and start:
            spans.append((start, time_ns))
            start = 0
    if start:
        spans.append((start, int(decisions["time_ns"][-1])))
    return spans


def render(result: Result, about: Mapping[str, object]) -> str:
    """Return the page."""
    records = result.records
    first = int(records["timestamp"][0]) if len(records) else 0
    last = int(records["timestamp"][-1]) if len(records) else 1
    cards = "".join(
        f"<div><b>{_shown(result.figures.get(name), form)}</b><span>{label}</span></div>"
        for name, label, form in _CARDS
    )
    plots = "".join(
        f'<h2>{escape(chart.title)}</h2><p class="legend">{legend(chart)}</p>{draw(chart, *(chart.within or (first, last)))}'
        for chart in charts_of(result)
    )
    reasons = np.bincount(result.decisions["reason"], minlength=len(REASONS))
    counted = ", ".join(f"{name} {count:,}" for name, count in zip(REASONS, reasons.tolist(), strict=True) if count)
    data = about.get("data")
    names = ", ".join(str(name) for name in data) if isinstance(data, list) else ""
    made_of = escape(json.dumps(about, indent=1, sort_keys=True))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>obi-mm backtest</title><style>{STYLE}</style></head><body><h1>obi-mm backtest</h1>"
        f"<p>{escape(names)} · {_moment(first)} to {_moment(last)} (UTC)</p><div class=cards>{cards}</div>"
        f"<p>{escape(FEE_SIGNS[result.models.contract])}.</p><p>Decisions: {counted or 'none'}.</p>{plots}"
        f"<h2>What it was made of</h2><pre>{made_of}</pre></body></html>\n"
    )


def _shown(value: object, form: str) -> str:
    return "–" if value is None else format(value, form)


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
