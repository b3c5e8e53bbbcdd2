"""The report's section on the strategy: what it wanted live, what the backtest of the recording made, and how they compare."""

import csv
from html import escape
from typing import Any

import numpy as np
from obi_mm.backtest import Result
from obi_mm.decisions import read_log
from obi_mm.layout import QUOTING, REASONS
from obi_mm.outputs import DECISIONS, FILLS_CSV, RECORDS, REPORT
from obi_mm.plots import Chart, Line, draw, legend
from obi_mm.report import charts_of, stop_spans

from tests.demo.strategy import DRY, FOLDER, Both

_BACKTEST_CHARTS = ("Price, quotes and fills", "Equity", "Position")
_FILL_DTYPE = np.dtype([("time_ns", "i8"), ("order_id", "i8"), ("side", "i8"), ("tick", "i8"), ("lots", "i8")])


def section(both: Both) -> str:
    """Return one symbol's section."""
    result = _result(both)
    first, last = int(result.records["timestamp"][0]), int(result.records["timestamp"][-1])
    first = min(first, int(both.live.decisions["time_ns"][0]))
    last = max(last, int(both.live.decisions["time_ns"][-1]))
    charts = {chart.title: chart for chart in charts_of(result)}
    prices, distances = _live_charts(both)
    parts = [
        _plot("live, dry: its quotes and the mid price", prices, first, last),
        _plot("live, dry: how far its quotes stand from the mid price, basis points", distances, first, last),
    ]
    parts += [_plot(f"backtest: {title.lower()}", charts[title], first, last) for title in _BACKTEST_CHARTS]
    link = f"{FOLDER}/{escape(both.symbol)}"
    return (
        f"<section><h2>strategy on {escape(both.symbol)}</h2>"
        f'<p class="note">{escape(both.compared)}. Prices and equity in the quote currency, position in the base currency, '
        "times in UTC by the exchange's clock. The backtest plotted trades; the one compared with the live run sends nothing, "
        f'like it. Full reports: <a href="{link}/{REPORT}">trading</a>, <a href="{link}/{DRY}/{REPORT}">dry</a>.</p>'
        f"{_table(both, result)}{''.join(parts)}</section>"
    )


def _plot(title: str, chart: Chart, first_ns: int, last_ns: int) -> str:
    return f'<h3>{escape(title)}</h3><p class="legend">{legend(chart)}</p>{draw(chart, first_ns, last_ns)}'


def _live_charts(both: Both) -> tuple[Chart, Chart]:
    decisions, tick = both.live.decisions, both.sizes[0]
    times, spans = decisions["time_ns"], stop_spans(decisions)
    mid = (decisions["best_bid_tick"] + decisions["best_ask_tick"]) * (tick / 2)
    quotes, distances = [], []
    for name, colour in (("bid", "var(--b)"), ("ask", "var(--c)")):
        ticks = decisions[f"{name}_tick"]
        price = np.where(ticks > 0, ticks * tick, np.nan)
        quotes.append(Line(f"{name} wanted", times, price, colour, True))
        distances.append(Line(f"{name} wanted", times, (price / mid - 1) * 1e4, colour, True))
    return (
        Chart("live quotes", "", [Line("mid", times, mid, "var(--muted)"), *quotes], spans=spans),
        Chart("distance from mid", "", distances, spans=spans),
    )


def _table(both: Both, result: Result) -> str:
    """The live run, the dry backtest and the trading one beside each other."""
    dry = read_log(both.folder / DRY / DECISIONS)
    logs = (both.live.decisions, dry.decisions, result.decisions)
    acted = (both.live.actions, dry.actions, result.actions)
    figures = both.figures
    rows: list[tuple[str, ...]] = [
        ("decisions", *(f"{len(log):,}" for log in logs)),
        ("from", *(_clock(int(log["time_ns"][0])) for log in logs)),
        ("to", *(_clock(int(log["time_ns"][-1])) for log in logs)),
        ("of these quoting", *(f"{int((log['reason'] == QUOTING).sum()):,}" for log in logs)),
        ("others", *(_others(log) for log in logs)),
        ("orders and cancels wanted", *(f"{len(actions):,}" for actions in acted)),
        (
            "time of a decision, p50 / p99",
            f"{both.said['decision_us']['p50']:.0f} / {both.said['decision_us']['p99']:.0f} µs",
            "",
            "",
        ),
        ("samples lost", f"{both.said['lost_samples']}", "", ""),
        ("trades", "nothing is sent", "nothing is sent", f"{figures['trades']:,}"),
        ("traded value", "", "", f"{figures['trading_value']:,.2f}"),
        ("fees (negative: a rebate)", "", "", f"{figures['fee']:,.4f}"),
        ("equity after fees", "", "", f"{figures['equity']:,.4f}"),
        ("largest drawdown", "", "", f"{figures['max_drawdown']:,.4f}"),
        ("position at the end / largest", "", "", f"{figures['position']:,.6g} / {figures['position_abs_max']:,.6g}"),
    ]
    head = "<tr><th></th><th>live, dry</th><th>backtest, dry</th><th>backtest, trading</th></tr>"
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}{body}</table>"


def _others(decisions: np.ndarray[Any, Any]) -> str:
    counts = np.bincount(decisions["reason"], minlength=len(REASONS))
    words = [
        f"{name} {count:,}" for name, count in zip(REASONS, counts.tolist(), strict=True) if count and name != "quoting"
    ]
    return ", ".join(words) or "none"


def _clock(time_ns: int) -> str:
    second, ns = divmod(time_ns, 1_000_000_000)
    return f"{np.datetime64(second, 's').item():%H:%M:%S}.{ns // 1_000_000:03d}"


def _result(both: Both) -> Result:
    """Read the trading backtest back from its files."""
    tick, lot = both.sizes
    log = read_log(both.folder / DECISIONS)
    with np.load(both.folder / RECORDS) as archive:
        records = archive["0"]
    with (both.folder / FILLS_CSV).open(newline="") as file:
        rows = [
            (
                int(row["time_ns"]),
                int(row["order_id"]),
                1 if row["side"] == "buy" else -1,
                round(float(row["price"]) / tick),
                round(float(row["qty"]) / lot),
            )
            for row in csv.DictReader(file)
        ]
    actions = log.actions.view(np.int64).reshape(-1, 5)
    return Result(records, log.decisions, actions, np.array(rows, _FILL_DTYPE), both.figures, tick, lot)
