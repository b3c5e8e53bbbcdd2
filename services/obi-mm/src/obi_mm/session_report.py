"""`obi-mm compare`: a live session's log and the recording of its market in, where backtest and session part out: text, JSON, a page."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np

from obi_mm.backtest import Result, run_backtest
from obi_mm.config import Config, change_config, parse_config
from obi_mm.decision_compare import between, of_symbol
from obi_mm.decision_why import clock
from obi_mm.decisions import DecisionLog, Header, LoggedSymbol, read_log
from obi_mm.errors import LogError, OutputExists
from obi_mm.layout import ACTION_DTYPE, Log, Real, Whole
from obi_mm.models import Models
from obi_mm.parting import CLASSES, Parting, Value, orders_of, part
from obi_mm.plots import Chart, Line, draw, legend
from obi_mm.report import STYLE
from obi_mm.saved import unpack_state
from obi_mm.session import Fill, Session, latencies_of, session_of
from obi_mm.stored import look_over
from obi_mm.strategy import Strategy

TEXT, JSON, PAGE = "compare.txt", "compare.json", "compare.html"
_COLOURS: Final = ("var(--a)", "var(--b)", "var(--c)", "var(--d)", "#8a6d1f", "#1f8a86", "#8a1f5e", "var(--muted)")


@dataclass(frozen=True, slots=True)
class Compared:
    """A session beside its backtest."""

    symbol: str
    header: Header
    session: Session
    result: Result
    parting: Parting
    value: Value
    latencies: Log
    warm: bool


def compare_session(log: DecisionLog, data: Sequence[Path], symbol: str, models: Models) -> Compared:
    """Replay the recording of a session with its own latencies; raises ObiError. `models` says queue, contract and fees."""
    names = [one.symbol for one in log.header.instruments]
    if not symbol and len(names) > 1:
        raise LogError("log", f"has {', '.join(names)}: say with --symbol which one the data is of")
    number = names.index(symbol) if symbol in names else 0
    if symbol and symbol not in names:
        raise LogError("log", f"has no {symbol!r}, but {', '.join(names)}")
    mine, instrument = of_symbol(log, names[number]), log.header.instruments[number]
    if not len(mine.decisions):
        raise LogError("log", f"has no decision on {names[number]!r}")
    config = _config(log.header, names[number])
    models = models.with_fees(config.fees)
    strategy = Strategy(config, instrument.tick_size, instrument.lot_size)
    warm = number in log.states
    if warm:
        unpack_state(strategy, log.states[number])
    session = session_of(mine)
    times: Whole = np.unique(mine.decisions["time_ns"])
    latencies = latencies_of(session, times)
    days, _ = look_over(data, instrument.tick_size, instrument.lot_size, "exchange")
    dry = not any(order.sent or order.held for order in session.orders.values())
    result = run_backtest(
        days,
        config,
        instrument.tick_size,
        instrument.lot_size,
        models,
        dry=dry,
        strategy=strategy,
        latencies=latencies,
        held_lots=session.held_lots,
        begin_ns=int(times[0]),
    )
    back_log = between(_log_of(result, instrument, log.header), int(times[0]), int(times[-1]))
    end_ns = session.end_ns
    prices = result.records[: int(np.searchsorted(result.records["timestamp"], end_ns, "right")) + 1]
    known = prices["price"][np.isfinite(prices["price"])]
    if not len(known):
        raise LogError("data", "holds no price of the session's time")
    value = Value(float(known[-1]), instrument.tick_size, instrument.lot_size, models)
    back = {} if dry else orders_of(back_log.decisions, back_log.actions, result.fills, end_ns)
    if dry:
        session = Session({}, session.decided, session.held_lots, session.moves, end_ns)
    parting = part(mine, back_log, session, back, value, prices)
    return Compared(names[number], log.header, session, result, parting, value, latencies, warm)


def _config(header: Header, symbol: str) -> Config:
    """Return the configuration that a session ran by."""
    content = {name: fields for name, fields in header.config.items() if name != "symbol"}
    changes = header.config.get("symbol", {}).get(symbol, {})
    return change_config(parse_config(content, "the log's header"), changes, "the log's header")


def _log_of(result: Result, instrument: LoggedSymbol, header: Header) -> DecisionLog:
    starts = np.concatenate(([0], np.cumsum(result.decisions["actions"], dtype=np.int64)))
    actions: Any = np.ascontiguousarray(result.actions).view(ACTION_DTYPE).reshape(-1)
    return DecisionLog(Header((instrument,), header.config, "backtest"), result.decisions, actions, starts)


def text_of(one: Compared, most: int) -> str:
    """Return the report as text: what both made, the classes, the first differences."""
    parting, first_ns = one.parting, int(one.result.decisions["time_ns"][0]) if len(one.result.decisions) else 0
    difference = parting.live - parting.back
    lines = [
        f"{one.symbol}: {parting.decisions:,} decisions from {clock(first_ns)} to {clock(one.session.end_ns)} (UTC)",
        f"began {'with what the session knew' if one.warm else 'cold: the log does not hold what the session knew'}, "
        f"{one.session.held_lots * one.value.lot_size:.12g} held",
        f"latencies: {_latency_words(one.latencies)}",
        "",
        f"{'':18}{'live':>16}{'backtest':>16}{'live - backtest':>18}",
        f"{'orders':18}{parting.orders[0]:>16,}{parting.orders[1]:>16,}{parting.orders[0] - parting.orders[1]:>18,}",
        f"{'fills':18}{parting.fills[0]:>16,}{parting.fills[1]:>16,}{parting.fills[0] - parting.fills[1]:>18,}",
        _row("position", *(lots * one.value.lot_size for lots in parting.positions)),
        _row("profit", parting.live, parting.back),
        "",
        f"{'class':18}{'differences':>16}{'that follow':>16}{'profit':>18}",
    ]
    counts = Counter(each.kind for each in parting.parts)
    follow = Counter(each.kind for each in parting.parts if each.follows)
    lines += [f"{kind:18}{counts[kind]:>16,}{follow[kind]:>16,}{parting.money[kind]:>18,.8f}" for kind in CLASSES]
    lines.append(f"{'sum':18}{len(parting.parts):>16,}{follow.total():>16,}{difference:>18,.8f}")
    if parting.parts:
        lines += ["", "differences:" if len(parting.parts) <= most else f"the first {most:,} differences:"]
    for each in parting.parts[:most]:
        money = f"  {each.money:+,.8f}" if each.money else ""
        lines.append(f"  {clock(each.time_ns)} {each.kind}{' (follows)' if each.follows else ''}: {each.text}{money}")
    return "\n".join(lines) + "\n"


def json_of(one: Compared) -> dict[str, object]:
    """Return all of it, fit for JSON."""
    parting = one.parting
    return {
        "symbol": one.symbol,
        "source": one.header.source,
        "began_warm": one.warm,
        "held": one.session.held_lots * one.value.lot_size,
        "mark": one.value.mark,
        "models": asdict(one.result.models),
        "decisions": parting.decisions,
        "orders": {"live": parting.orders[0], "backtest": parting.orders[1]},
        "fills": {"live": parting.fills[0], "backtest": parting.fills[1]},
        "position": {name: lots * one.value.lot_size for name, lots in zip(("live", "backtest"), parting.positions, strict=True)},
        "profit": {"live": parting.live, "backtest": parting.back, "difference": parting.live - parting.back},
        "classes": {
            kind: {"differences": sum(each.kind == kind for each in parting.parts), "profit": parting.money[kind]}
            for kind in CLASSES
        },
        "differences": [asdict(each) for each in parting.parts],
    }  # fmt: skip


def page_of(one: Compared) -> str:
    """Return the page: the text, and profit, position and the classes' money over time."""
    records = one.result.records
    times = records["timestamp"]
    first = int(one.result.decisions["time_ns"][0]) if len(one.result.decisions) else int(times[0])
    keep = (times >= first) & (times <= one.session.end_ns + one.result.models.record_ns)
    times, prices = times[keep], _filled(records["price"][keep])
    live = [(order.side, fill) for order in one.session.orders.values() for fill in order.fills]
    back = [(_sign(row), _fill(row)) for row in one.result.fills if row["time_ns"] <= one.session.end_ns]
    curves = [_curves(fills, times, prices, one.value) for fills in (live, back)]
    lines = [
        [
            Line(name, times, curve[at], colour, at == 1)
            for name, curve, colour in zip(("live", "backtest"), curves, ("var(--a)", "var(--c)"), strict=True)
        ]
        for at in (0, 1)
    ]
    charts = [
        Chart("Profit after fees", "", lines[0]),
        Chart("Position from fills", "", lines[1]),
        Chart("Difference of profit by class, at the last price", "", _by_class(one, times)),
    ]
    plots = "".join(
        f'<h2>{escape(chart.title)}</h2><p class="legend">{legend(chart)}</p>{draw(chart, int(times[0]), int(times[-1]))}'
        for chart in charts
        if len(times)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>obi-mm compare</title><style>{STYLE}</style></head><body><h1>obi-mm compare: {escape(one.symbol)}</h1>"
        f"{plots}<h2>In words</h2><pre>{escape(text_of(one, 1_000))}</pre></body></html>\n"
    )


def write_compared(one: Compared, directory: Path, force: bool, most: int) -> str:
    """Write text, JSON and page; returns the text. Raises OutputExists."""
    directory.mkdir(parents=True, exist_ok=True)
    if not force and any((directory / name).exists() for name in (TEXT, JSON, PAGE)):
        raise OutputExists(directory)
    text = text_of(one, most)
    (directory / TEXT).write_text(text, encoding="utf-8")
    (directory / JSON).write_text(json.dumps(json_of(one), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (directory / PAGE).write_text(page_of(one), encoding="utf-8")
    return text


def run_compare(
    log: Path, data: Sequence[Path], symbol: str, models: Models, output: Path, *, force: bool, most: int
) -> Mapping[str, float]:
    """Compare a session's file with its recording, write and print the report; returns the money by class. Raises ObiError."""
    one = compare_session(read_log(log), data, symbol, models)
    print(write_compared(one, output, force, most), end="")
    return one.parting.money


def _curves(fills: Sequence[tuple[int, Fill]], times: Whole, prices: Real, value: Value) -> tuple[Real, Real]:
    """Return profit after fees and position from fills at times."""
    profit, position = np.zeros(len(times)), np.zeros(len(times))
    for side, fill in fills:
        at = int(np.searchsorted(times, fill.time_ns))
        held = side * fill.lots * value.lot_size
        position[at:] += held
        bought = value.of(side, fill)  # at the mark; what the price has still to go is taken off
        profit[at:] += bought
    size = value.models.contract_size
    if value.models.contract == "inverse":
        return profit - position * size * (1 / prices - 1 / value.mark), position
    return profit - position * size * (value.mark - prices), position


def _by_class(one: Compared, times: Whole) -> list[Line]:
    lines: list[Line] = []
    for kind, colour in zip(CLASSES, _COLOURS, strict=True):
        total = np.zeros(len(times))
        for each in one.parting.parts:
            if each.kind == kind and each.money:
                total[int(np.searchsorted(times, each.time_ns)) :] += each.money
        if total.any():
            lines.append(Line(kind, times, total, colour, True))
    return lines


def _filled(prices: Real) -> Real:
    known = np.isfinite(prices)
    if not known.any():
        return np.ones(len(prices))
    index = np.maximum.accumulate(np.where(known, np.arange(len(prices)), -1))
    filled: Real = prices[np.where(index < 0, np.flatnonzero(known)[0], index)]
    return filled


def _fill(row: Log) -> Fill:
    return Fill(int(row["time_ns"]), int(row["tick"]), int(row["lots"]), bool(row["maker"]))


def _sign(row: Log) -> int:
    return int(row["side"])


def _row(name: str, live: float, back: float) -> str:
    return f"{name:18}{live:>16,.8f}{back:>16,.8f}{live - back:>18,.8f}"


def _latency_words(latencies: Log) -> str:
    entry, response = latencies["exch_ts"] - latencies["req_ts"], latencies["resp_ts"] - latencies["exch_ts"]
    words = [f"{name} {np.median(part) / 1e6:.3f} ms ({part.min() / 1e6:.3f} to {part.max() / 1e6:.3f})" for name, part in
             (("from boundary into the book", entry), ("back", response))]  # fmt: skip
    return ", ".join(words)
