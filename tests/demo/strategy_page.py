"""The report's section on the strategy: what it wanted live, what the backtest of the recording made, and how they compare."""

import csv
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
from obi_mm.decisions import DecisionLog, read_log
from obi_mm.layout import NO_ASK_TICK, QUOTING, REASONS
from obi_mm.models import Models
from obi_mm.outputs import DECISIONS, FILLS_CSV, RECORDS, REPORT
from obi_mm.plots import Chart, Line, Marks, draw, legend
from obi_mm.report import stop_spans
from obi_mm.summary import equity_of

from tests.demo.strategy import DRY, FOLDER, Both
from tests.demo.trading import equity_of as equity_of_fills

Rows = np.ndarray[Any, Any]


def section(both: Both) -> str:
    """Return one symbol's section."""
    with np.load(both.folder / RECORDS) as archive:
        records = archive["0"]
    traded = read_log(both.folder / DECISIONS)
    moments = np.concatenate((records["timestamp"], both.live.decisions["time_ns"]))
    first, last = int(moments.min()), int(moments.max())
    charts = (*_live_charts(both), *_trading_charts(both), *_backtest_charts(both, records, traded.decisions))
    link = f"{FOLDER}/{escape(both.symbol)}"
    return (
        f"<section><h2>strategy on {escape(both.symbol)}</h2>"
        f'<p class="note">Live against the dry backtest of what the collector beside it recorded, matched by the '
        f"exchange's clock: {escape(both.compared)}. The backtest plotted is another one, which trades. Prices and equity in "
        "the quote currency, position in the base currency, times in UTC. "
        f'Full reports: <a href="{link}/{REPORT}">trading</a>, <a href="{link}/{DRY}/{REPORT}">dry</a>.</p>'
        f"{_table(both, traded)}{''.join(_plot(chart, first, last) for chart in charts)}</section>"
    )


def _plot(chart: Chart, first_ns: int, last_ns: int) -> str:
    return f'<h3>{escape(chart.title)}</h3><p class="legend">{legend(chart)}</p>{draw(chart, first_ns, last_ns)}'


def _live_charts(both: Both) -> tuple[Chart, Chart]:
    decisions, tick = both.live.decisions, both.sizes[0]
    times, spans = decisions["time_ns"], stop_spans(decisions)
    bids, asks = decisions["best_bid_tick"].astype(float), decisions["best_ask_tick"].astype(float)
    mid = np.where((bids > 0) & (asks < NO_ASK_TICK), (bids + asks) * (tick / 2), np.nan)
    quotes = _quotes(decisions, tick)
    distances = [replace(quote, values=(quote.values / mid - 1) * 1e4) for quote in quotes]
    return (
        Chart(
            "live, dry: its quotes and the mid price",
            "",
            [Line("mid", times, mid, "var(--muted)"), *quotes],
            spans=spans,
        ),
        Chart("live, dry: how far its quotes stand from the mid price, basis points", "", distances, spans=spans),
    )


def _trading_charts(both: Both) -> tuple[Chart, ...]:
    """The live run with orders: what it wanted, what was filled, what it held."""
    if both.traded is None or not len(both.traded.log.decisions):
        return ()
    decisions, fills, (tick, lot) = both.traded.log.decisions, both.traded.fills, both.sizes
    times, spans = decisions["time_ns"], stop_spans(decisions)
    bids, asks = decisions["best_bid_tick"].astype(float), decisions["best_ask_tick"].astype(float)
    mid = np.where((bids > 0) & (asks < NO_ASK_TICK), (bids + asks) * (tick / 2), np.nan)
    marks = [
        Marks(name, fills["exch_ns"][fills["side"] == side], fills["tick"][fills["side"] == side] * tick, colour, up)
        for name, side, colour, up in (("bought", 1, "var(--b)", True), ("sold", -1, "var(--c)", False))
    ]
    held = Line("position", times, decisions["position_lots"] * lot, "var(--a)", True)
    return (
        Chart(
            "live, trading: price, quotes and fills",
            "",
            [Line("mid", times, mid, "var(--muted)"), *_quotes(decisions, tick)],
            marks,
            spans,
        ),
        Chart("live, trading: position", "", [held], spans=spans),
    )


def _backtest_charts(both: Both, records: Rows, decisions: Rows) -> tuple[Chart, ...]:
    times, spans = records["timestamp"], stop_spans(decisions)
    equity = equity_of(records, Models())
    marks = [
        Marks(name, *_fills(both, side), colour, up)
        for name, side, colour, up in (("bought", "buy", "var(--b)", True), ("sold", "sell", "var(--c)", False))
    ]
    mid = Line("mid", times, records["price"], "var(--muted)")
    after = Line("after fees", times, equity, "var(--a)")
    before = Line("before fees", times, equity + records["fee"], "var(--d)")
    position = Line("position", times, records["position"], "var(--a)", True)
    return (
        Chart("backtest: price, quotes and fills", "", [mid, *_quotes(decisions, both.sizes[0])], marks, spans),
        Chart("backtest: equity", "", [after, before], spans=spans),
        Chart("backtest: position", "", [position], spans=spans),
    )


def _quotes(decisions: Rows, tick: float) -> list[Line]:
    sides = (("bid", "var(--b)"), ("ask", "var(--c)"))
    ticks = {name: decisions[f"{name}_tick"] for name, _ in sides}
    return [
        Line(
            f"{name} wanted", decisions["time_ns"], np.where(ticks[name] > 0, ticks[name] * tick, np.nan), colour, True
        )
        for name, colour in sides
    ]


def _fills(both: Both, side: str) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """When and at what price the backtest's orders of a side were filled."""
    with (both.folder / FILLS_CSV).open(newline="") as file:
        rows = [(int(row["time_ns"]), float(row["price"])) for row in csv.DictReader(file) if row["side"] == side]
    return np.array([time_ns for time_ns, _ in rows], np.int64), np.array([price for _, price in rows], np.float64)


def _table(both: Both, traded: DecisionLog) -> str:
    """The live runs and the backtests beside each other, dry and trading."""
    dry = read_log(both.folder / DRY / DECISIONS)
    live = both.traded
    logs = [both.live, *([live.log] if live else []), dry, traded]
    decisions = [log.decisions for log in logs]
    figures = both.figures
    names = ["live, dry", *(["live, trading"] if live else []), "backtest, dry", "backtest, trading"]

    def of_trading(mine: str, backtest: str) -> tuple[str, ...]:
        return ("", *([mine] if live else []), "", backtest)

    said = live.said if live else {}
    rows: list[tuple[str, ...]] = [
        ("decisions", *(f"{len(log):,}" for log in decisions)),
        ("from", *(_clock(log["time_ns"][:1]) for log in decisions)),
        ("to", *(_clock(log["time_ns"][-1:]) for log in decisions)),
        ("of these quoting", *(f"{int((log['reason'] == QUOTING).sum()):,}" for log in decisions)),
        ("others", *(_others(log) for log in decisions)),
        ("orders and cancels wanted", *(f"{len(log.actions):,}" for log in logs)),
        (
            "time of a decision, p50 / p99",
            f"{both.said['decision_us']['p50']:.0f} / {both.said['decision_us']['p99']:.0f} µs",
            *([""] if live else []),
            "",
            "",
        ),
        ("samples lost", f"{both.said['lost_samples']}", *([""] if live else []), "", ""),
    ]
    mine = {name: f"{said.get(name, 0):,g}" for name in ("submitted", "cancels", "fills", "post_only", "position")}
    if live:
        orders = f"{mine['submitted']} / {mine['cancels']} / {mine['post_only']}"
        rows.append(("orders sent / cancels / post-only refusals", "nothing is sent", orders, "nothing is sent", ""))
    rows += [
        ("fills; of the backtest orders filled", *of_trading(mine["fills"], f"{figures['trades']:,}")),
        ("traded value", *of_trading(f"{said.get('value', 0):,.2f}", f"{figures['trading_value']:,.2f}")),
        ("fees (negative: a rebate)", *of_trading(f"{live.fee if live else 0:,.4f}", f"{figures['fee']:,.4f}")),
        ("equity after fees", *of_trading(f"{_equity(both):,.4f}", f"{figures['equity']:,.4f}")),
        ("largest drawdown", *of_trading("", f"{figures['max_drawdown']:,.4f}")),
        (
            "position at the end / largest",
            *of_trading(
                f"{mine['position']} / {_largest(both):g}",
                f"{figures['position']:,.6g} / {figures['position_abs_max']:,.6g}",
            ),
        ),
    ]
    head = f"<tr><th></th>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}{body}</table>"


def _equity(both: Both) -> float:
    """What the live run made, with what it holds at its last middle price."""
    if both.traded is None or not len(both.traded.log.decisions):
        return 0.0
    last = both.traded.log.decisions[-1]
    mid = (int(last["best_bid_tick"]) + int(last["best_ask_tick"])) / 2 * both.sizes[0]
    return equity_of_fills(both.traded, both.sizes, mid) - both.traded.fee


def _largest(both: Both) -> float:
    lots = both.traded.log.events["position_lots"] if both.traded is not None else np.zeros(0)
    return float(np.abs(lots).max(initial=0)) * both.sizes[1]


def _others(decisions: Rows) -> str:
    counts = np.bincount(decisions["reason"], minlength=len(REASONS))
    words = [
        f"{name} {count:,}" for name, count in zip(REASONS, counts.tolist(), strict=True) if count and name != "quoting"
    ]
    return ", ".join(words) or "none"


def _clock(times_ns: Rows) -> str:
    if not len(times_ns):
        return "none"
    second, ns = divmod(int(times_ns[0]), 1_000_000_000)
    return f"{np.datetime64(second, 's').item():%H:%M:%S}.{ns // 1_000_000:03d}"
