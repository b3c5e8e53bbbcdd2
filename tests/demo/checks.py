"""What the demonstration asserts, and the figures it prints."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data_convert as dc
import numpy as np
import orjson
from data_convert.events import DEPTH, DEPTH_SNAPSHOT, EXCH, TRADE
from rich.table import Table

from tests.demo.watch import BotView
from tests.rig import ROOT, Rig
from tests.truth import Truth as BookTruth
from tests.truth import read_truth, recorded_lines

if TYPE_CHECKING:
    from tests.demo.trading import Truth

Side = list[tuple[float, float]]


@dataclass(frozen=True)
class Run:
    """What the processes left behind. `watched_s`: how much of the market's time was watched; None for all of a recording."""

    seconds: float
    watched_s: float | None
    sizes: dict[str, tuple[float, float]]
    state: dict[str, Any]
    exit_codes: dict[str, int]
    final_books: dict[str, tuple[Side, Side] | None]
    final_ids: dict[str, int]
    summaries: dict[str, dict[str, Any]]
    bot_views: dict[str, BotView]
    logs: dict[str, str]
    truth: "Truth | None" = None  # the exchange's account of the trading run


@dataclass(frozen=True)
class Check:
    """One assertion and the figures behind it."""

    name: str
    holds: bool
    figures: str


@dataclass
class Found:
    """All checks, the conversions by recording, and the table of figures."""

    checks: list[Check] = field(default_factory=list)
    results: dict[str, dc.Result] = field(default_factory=dict)
    summary: Table = field(default_factory=Table)

    def add(self, name: str, holds: bool, figures: str) -> None:
        """Add a check."""
        self.checks.append(Check(name, bool(holds), figures))


def judge(rig: Rig, run: Run, symbols: list[str], out: Path, capture: Path | None) -> Found:
    """Convert both recordings with the real command, and check everything."""
    found = Found()
    codes = ", ".join(f"{label} {code}" for label, code in run.exit_codes.items())
    found.add("every process ended with 0 when asked", not any(run.exit_codes.values()), codes)
    lost = run.summaries["ipc"]["source"]["samples_lost"] + sum(view.lost_samples for view in run.bot_views.values())
    heard = run.summaries["ipc"]["source"]["events"]
    found.add("no sample was lost on the link", lost == 0, f"{lost} lost, {heard:,} events heard by the collector")
    peak, limit = run.state["weight_peak_1m"], 2400
    asked = {symbol: len(each["depth_requests"]) for symbol, each in run.state["symbols"].items()}
    # One for each connector and one for the direct collector: the stream loses nothing.
    clients = 2 if run.truth is None else 3
    found.add(
        "one snapshot a client and symbol", set(asked.values()) == {clients}, f"{asked}, peak weight {peak} of {limit}"
    )
    for label in ("direct", "ipc"):
        for symbol in symbols:
            _convert(rig, found, label, symbol, out)
    for symbol in symbols:
        _final_books(found, run, symbol)
    if capture is not None:
        for symbol in symbols:
            _against_capture(found, symbol, out, capture, len(symbols) == 1)
    found.summary = _summary(run, found)
    return found


def _convert(rig: Rig, found: Found, label: str, symbol: str, out: Path) -> None:
    recordings = sorted((out / label).glob(f"{symbol}_*.gz"))
    target, html = out / f"{label}-{symbol}.npz", out / f"{label}-{symbol}.html"
    arguments = ["collector", *recordings, target, "--force", "--json", "--report", html]
    code = rig.start(f"convert-{label}-{symbol}", "data_convert", *arguments).wait(600)
    validated = rig.start(f"validate-{label}-{symbol}", "data_convert", "validate", target, "--json").wait(600)
    if code:
        found.add(f"{label} {symbol} converts", False, f"exit code {code}: {rig.log(f'convert-{label}-{symbol}')}")
        return
    result = dc.convert_recording(recordings)
    found.results[f"{label} {symbol}"] = result
    report = result.report
    same = np.array_equal(dc.load(target).view(np.uint8), result.events.view(np.uint8))
    crossed = sum(book.crossed for book in report.books.values())
    fine = validated == 0 and same and not report.bad and not report.gaps and not crossed
    figures = f"{report.lines:,} lines, {report.rows:,} rows, {len(report.gaps)} gaps, {crossed} crossed, {report.bad_lines} bad lines"
    found.add(f"{label} {symbol} converts and validates", fine, figures)


def _levels(book: dc.Book) -> tuple[Side, Side]:
    bids, asks = ([(price, qty) for price, qty in side.tolist()] for side in (book.bids, book.asks))
    return bids, asks


def _within(mine: tuple[Side, Side], true: tuple[Side, Side]) -> bool:
    """Whether a book built from a 1,000-level snapshot is the true one: equal wherever it knows, and nothing that is not there."""
    return all(set(side) <= set(other) and side[:500] == other[:500] for side, other in zip(mine, true, strict=True))


def _final_books(found: Found, run: Run, symbol: str) -> None:
    true = run.final_books[symbol]
    view = run.bot_views[symbol]
    if true is None:
        found.add(
            f"{symbol}: the exchange's book at the end", False, f"the exchange knows no update {run.final_ids[symbol]}"
        )
        return
    right = (
        view.update_id == run.final_ids[symbol]
        and _within((view.bids, view.asks), true)
        and view.confidence.value == "synced"
    )
    figures = f"update {view.update_id}, {len(view.bids)} bids, {len(view.asks)} asks, {view.confidence.value}"
    found.add(f"{symbol}: a bot's book at the end is the exchange's", right, figures)
    for label in ("direct", "ipc"):
        result = found.results.get(f"{label} {symbol}")
        if result is None:
            continue
        for clock in ("exchange", "local"):
            mine = _levels(dc.replay_book(result.events, clock))
            figures = f"{len(mine[0])} bids, {len(mine[1])} asks, best {mine[0][0]} x {mine[1][0]}"
            found.add(
                f"{symbol}: the book of the {label} array, {clock} clock, ends in the exchange's",
                _within(mine, true),
                figures,
            )


def _against_capture(found: Found, symbol: str, out: Path, capture: Path, alone: bool) -> None:
    direct = sorted((out / "direct").glob(f"{symbol}_*.gz"))
    lines = [payload for path in direct for _, payload in recorded_lines(path)]
    snapshots = [orjson.loads(payload) for payload in lines if payload.startswith(b'{"lastUpdateId"')]
    frames = [payload for payload in lines if not payload.startswith(b'{"lastUpdateId"')]
    truth = read_truth(capture, symbol, frozenset(int(body["lastUpdateId"]) for body in snapshots))
    mark = b'{"stream":"' + symbol.encode() + b"@"
    sent = [frame for frame in truth.frames if frame.startswith(mark)]
    start = len(sent) - len(frames)
    equal = frames == sent[start:] and start >= 0
    found.add(
        f"{symbol}: the direct recording holds every frame, byte for byte and in order",
        equal,
        f"{len(frames):,} of {len(sent):,} frames, from number {start + 1}",
    )
    for body in snapshots:
        book = truth.wanted.get(body["lastUpdateId"])
        mine = (body["bids"], body["asks"])
        right = book is not None and _strings(book) == mine
        found.add(
            f"{symbol}: the snapshot is the true book at its own id",
            right,
            f"id {body['lastUpdateId']}, {len(mine[0])} bids, {len(mine[1])} asks",
        )
    _rows_equal(found, symbol, direct, capture, frames)
    _link_tops(found, symbol, out, truth, _golden(capture, "ob_sync"))
    if alone:  # a snapshot names no symbol: of several, the converter leaves it out
        _goldens(found, symbol, capture, truth)


def _strings(book: tuple[Any, Any]) -> tuple[list[list[str]], list[list[str]]]:
    bids, asks = book
    return [list(bids[price]) for price in sorted(bids, reverse=True)][:1000], [
        list(asks[price]) for price in sorted(asks)
    ][:1000]


def _rows_equal(found: Found, symbol: str, direct: list[Path], capture: Path, frames: list[bytes]) -> None:
    """Depth and trade rows of the direct recording's array are the capture's, but for local time."""

    def rows(events: Any) -> Any:
        kinds = events["ev"] & 0xFF
        mine = events[((events["ev"] & EXCH) != 0) & ((kinds == DEPTH) | (kinds == TRADE))]
        columns = [
            (mine["ev"] & ~np.uint64(0xC0000000)).view(np.int64),
            mine["exch_ts"],
            mine["px"].view(np.int64),
            mine["qty"].view(np.int64),
        ]
        return np.stack(columns, axis=1)

    mine = rows(dc.convert_recording(direct, snapshots="ignore").events)
    theirs = rows(dc.convert_recording([capture], snapshots="ignore", symbol=symbol).events)
    equal = len(mine) <= len(theirs) and np.array_equal(mine, theirs[len(theirs) - len(mine) :])
    found.add(
        f"{symbol}: depth and trade rows of the direct array are the recording's",
        equal,
        f"{len(mine):,} of {len(theirs):,} rows",
    )


def _link_batches(out: Path, symbol: str) -> Iterator[tuple[int, float, float, float, float]]:
    """The top of the book after every batch of the link's recording, rebuilt with nothing but its own lines."""
    from sortedcontainers import SortedDict

    bids, asks = SortedDict(), SortedDict()
    for path in sorted((out / "ipc").glob(f"{symbol}_*.gz")):
        for _, payload in recorded_lines(path):
            line = orjson.loads(payload)
            if line["e"] == "depthClear":
                bids.clear()
                asks.clear()
            elif line["e"] not in ("depthUpdate", "depthSnapshot"):
                continue
            for levels, key in ((bids, "b"), (asks, "a")):
                for price, qty in line.get(key, ()):
                    if float(qty):
                        levels[float(price)] = float(qty)
                    else:
                        levels.pop(float(price), None)
            if line.get("more") == 0 and bids and asks:
                bid, bid_qty = bids.peekitem(-1)
                ask, ask_qty = asks.peekitem(0)
                yield line["u"], bid, bid_qty, ask, ask_qty


def _link_tops(found: Found, symbol: str, out: Path, truth: BookTruth, golden: Any) -> None:
    seen = {last_id: rest for last_id, *rest in _link_batches(out, symbol)}
    first = min(seen, default=0)
    after = [top for top in truth.tops.values() if top.last_id >= first]
    wrong = [top for top in after if seen.get(top.last_id) != [top.bid, top.bid_qty, top.ask, top.ask_qty]]
    extra = [last_id for last_id in seen if last_id not in truth.tops and last_id > min(truth.tops)]
    figures = f"{len(after) - len(wrong):,} of {len(after):,} updates, from {first}; {len(extra)} unknown"
    found.add(
        f"{symbol}: the link's book equals the truth at every update",
        not wrong and not extra and len(after) > 0,
        figures,
    )
    if golden is None:
        return
    points = [point for point in golden["checkpoints"] if point[1] >= first]
    early = len(golden["checkpoints"]) - len(points)
    held = [point for point in points if seen.get(point[1]) == point[2:]]
    figures = f"{len(held)} of {len(points)}; {early} lie before the first snapshot that the exchange could answer"
    found.add(
        f"{symbol}: the link's book equals golden/ob_sync at every checkpoint",
        held == points and len(points) > 0,
        figures,
    )


def _golden(capture: Path, kind: str) -> Any:
    """A published result for this recording, where there is one."""
    folder = ROOT.parent / "shared" / "data" / "golden"
    name = capture.name.removesuffix(".gz")
    path = folder / "ob_sync" / f"{name}.json" if kind == "ob_sync" else folder / f"binancefutures.{name}.{kind}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _goldens(found: Found, symbol: str, capture: Path, truth: BookTruth) -> None:
    by_id = dc.convert_recording([capture], snapshots="by-id", symbol=symbol).events
    for clock in ("exchange", "local"):
        mine = _levels(dc.replay_book(by_id, clock))
        true = tuple([(price, float(qty)) for price, (_, qty) in side.items()] for side in (truth.bids, truth.asks))
        equal = mine == (true[0][::-1], true[1])
        found.add(
            f"{symbol}: the recording by-id, {clock} clock, ends in the true book",
            equal,
            f"{len(mine[0])} bids, {len(mine[1])} asks",
        )
    ends = ROOT.parent / "shared" / "data" / "golden" / "book_truth_end_of_file.json"
    name = capture.name.removesuffix(".gz").removeprefix("usdm_") + ".gz"
    for row in json.loads(ends.read_text()) if ends.is_file() else []:
        if row["file"].endswith(f"/usdm/{name}"):
            found.add(
                f"{symbol}: that book is golden/book_truth_end_of_file",
                truth.sha256() == row["truth_book_sha256"],
                truth.sha256()[:16],
            )
    golden = _golden(capture, "opt_none")
    if golden is not None:
        events = dc.convert_recording([capture], snapshots="as-recorded", symbol=symbol).events
        rows_sorted = np.sort(np.ascontiguousarray(events).view("V64"))
        digest = hashlib.sha256(rows_sorted.tobytes()).hexdigest()
        counts = f"{len(events):,} rows, order-free digest {digest[:16]}"
        found.add(
            f"{symbol}: the recording as recorded equals the golden",
            digest == golden["result"]["sha256_rows_sorted"],
            counts,
        )


def _summary(run: Run, found: Found) -> Table:
    table = Table(title=f"{run.seconds:.0f} s, {run.state['position']:,} frames sent")
    for column in ("recording", "lines", "rows", "trades", "depth", "snapshot", "latency p50 / p99 ms", "gaps"):
        table.add_column(column)
    for label, result in found.results.items():
        kinds = result.events["ev"] & 0xFF
        counts = [f"{int((kinds == kind).sum()):,}" for kind in (TRADE, DEPTH, DEPTH_SNAPSHOT)]
        latency = result.report.latency.after if result.report.latency else None
        # A replayed recording carries the times of its own day: its distance from today is no latency.
        today = latency is not None and latency.p50 < 3_600e9
        ms = f"{latency.p50 / 1e6:.3f} / {latency.p99 / 1e6:.3f}" if latency is not None and today else "-"
        table.add_row(
            label, f"{result.report.lines:,}", f"{result.report.rows:,}", *counts, ms, str(len(result.report.gaps))
        )
    return table
