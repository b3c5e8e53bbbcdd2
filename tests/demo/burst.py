"""A recording replayed many times faster than it was: samples may be lost then, and nothing wrong may be called right.

A bot that always follows takes a look several times a second. The checks:

- every look at a book that says SYNCED equals the exchange's book at the same update;
- every loss is named: by the bot's counts and by gap lines of the recording, and the recording's own book is right wherever it claims one;
- all the time together in which the bot has no sure book is at most UNKNOWN_S;
- the direct recording, whose socket loses nothing, holds every frame;
- a second, short run: asked to stop at the height of the burst, every process does within STOP_S.

The strategy takes no part: what it decides in 350 s of market in 20 s is no subject of its own checks.
"""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from sortedcontainers import SortedDict

from tests.demo.checks import Found
from tests.demo.watch import sizes_of
from tests.rig import Rig
from tests.soak.looks import Judge
from tests.truth import Truth, read_truth, recorded_lines

UNKNOWN_S = 1.0
STOP_S = 5.0
HEIGHT = 0.3
"""The stop comes when so much of the recording was sent."""
LOOK_S = 0.25
STARTUP_S = 180
STREAMS = 5
"""Subscriptions a symbol: two of the connector, three of the direct collector."""


def is_burst(speed: float) -> bool:
    """Whether a replay is so fast that samples may be lost: more than five times the recording's own speed."""
    return speed == 0 or speed > 5


def run(console: Console, capture: Path, speed: float, symbols: list[str], out: Path) -> tuple[Found, float]:
    """Replay and judge; returns the checks and how many seconds the replay took."""
    found = Found()
    with Rig() as rig:
        _start(rig, console, capture, speed, symbols, out)
        judge = Judge(rig, rig.folder / "looks.jsonl")
        start = time.monotonic()
        rig.ask("resume", method="POST")
        while not (state := rig.state())["done"] and time.monotonic() - start < 1800:
            console.print(
                f"{time.monotonic() - start:5.0f} s  frame {state['position']:,} of {state.get('total') or 0:,}"
            )
            time.sleep(2 if speed else 0.5)
        over = time.monotonic()
        seconds = over - start
        _settle(rig, symbols, out, judge)
        final = {symbol: rig.state()["symbols"][symbol]["last_u_sent"] for symbol in symbols}
        codes = {label: rig.end(label, timeout_s=60) for label in ("looker", "ipc", "direct", "connector")}
        judge.take()
        _looks(found, judge, final, over)
        for label in codes:  # what they said is most of the explanation of what fails
            (out / f"{label}.log").write_text(rig.log(label, 10_000))
        said = ", ".join(f"{label} {code}" for label, code in codes.items())
        found.add("every process ended with 0 when asked", not any(codes.values()), said)
        summary = rig.summary("ipc")["source"]
    console.print(f"the bot: {judge.found}")
    for symbol in symbols:
        truth = read_truth(capture, symbol)
        _link_recording(found, symbol, out, truth, summary["samples_lost"])
        _direct_recording(found, symbol, out, truth)
    _stop(found, console, capture, speed, symbols, out)
    return found, seconds


def _start(rig: Rig, console: Console, capture: Path, speed: float, symbols: list[str], out: Path) -> None:
    """Start everything on a recording that waits."""
    rig.exchange(
        "--market", "replay", "--capture", capture.resolve(), "--speed", speed, "--paused", "--history", 1_000_000
    )
    console.print("starting: exchange, connector, a bot, collector on shared memory, collector on the exchange")
    rig.connector()
    sizes = {symbol: sizes_of(rig)[symbol] for symbol in symbols}
    words = [f"{symbol}:{tick}:{lot}" for symbol, (tick, lot) in sizes.items()]
    rig.start("looker", "tests.soak.looker", "bf", rig.folder / "looks.jsonl", LOOK_S, *words)
    rig.link_collector(out.resolve() / "ipc", symbols)
    rig.direct_collector(out.resolve() / "direct", symbols)

    def there() -> bool:
        for label, process in rig.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{label} ended with {process.returncode}:\n{rig.log(label)}")
        subscribed = sum(len(connection["streams"]) for connection in rig.state()["connections"])
        return subscribed >= STREAMS * len(symbols) and (rig.folder / "looks.jsonl").exists()

    rig.until(there, STARTUP_S, "connector, collectors and bot to subscribe")
    time.sleep(2)  # the collector on shared memory has registered by then too


def _settle(rig: Rig, symbols: list[str], out: Path, judge: Judge) -> None:
    """Wait until the bot has reached the exchange's last update, and then until no file grows any more."""
    for _ in rig.polls(60, 0.5):
        judge.take()
        state = rig.state()["symbols"]
        if all(judge.found.synced_id.get(symbol, 0) >= state[symbol]["last_u_sent"] for symbol in symbols):
            break
    size = -1
    for _ in rig.polls(10, 1.5):
        before, size = size, sum(path.stat().st_size for path in out.glob("*/*.gz"))
        if before == size:
            return


def _looks(found: Found, judge: Judge, final: dict[str, int], over: float) -> None:
    looks = judge.found
    right = not looks.wrong and not looks.too_old and looks.compared > 0
    first = f"; first: {looks.wrong[0]}" if looks.wrong else ""
    found.add("every look at a book that says synced is the exchange's book", right, f"{looks}{first}")
    why = Counter(change["why"] for change in looks.changes if change["confidence"] != "synced")
    told = "; ".join(f"{count} x {words!r}" for words, count in why.most_common(5))
    # Losses without a word would be a loss count with no change of confidence beside it.
    named = not looks.lost or any(change["confidence"] != "synced" and change["lost"] for change in looks.changes)
    found.add("every loss of the bot is named", named, f"{looks.lost:,} samples lost; not sure because: {told}")
    # A stream that has ended is silent, and called so: what comes after the end of the recording is not counted.
    unknown_s = looks.unknown_s(over)
    found.add(
        f"the bot is without a sure book for at most {UNKNOWN_S:g} s in total",
        unknown_s <= UNKNOWN_S,
        f"{unknown_s:.2f} s from its first book to the end of the recording, {looks.unknown_s() - unknown_s:.2f} s after it",
    )
    for symbol, last_id in final.items():
        reached = looks.synced_id.get(symbol)
        figures = f"{reached} of {last_id}"
        found.add(f"{symbol}: the bot was synced at the recording's last update", reached == last_id, figures)


def _claimed(out: Path, symbol: str) -> Iterator[tuple[str, int, tuple[float, ...]]]:
    """Read the recording of the link as a converter does.

    Yields (`book`, id, best bid and ask with quantities) at every batch's end while there is a book, and (`gap: reason`, lost, ()) at gaps.
    """
    bids, asks, sure = SortedDict(), SortedDict(), False
    for path in sorted((out / "ipc").glob(f"{symbol}_*.gz")):
        for _, payload in recorded_lines(path):
            line: dict[str, Any] = orjson.loads(payload)
            event = line["e"]
            if event == "gap":
                sure = False
                yield f"gap: {line['reason']}", int(line.get("lost", 0)), ()
            elif event == "depthClear":
                bids.clear()
                asks.clear()
                sure = True
            if event not in ("depthUpdate", "depthSnapshot"):
                continue
            for levels, key in ((bids, "b"), (asks, "a")):
                for price, qty in line.get(key, ()):
                    if float(qty):
                        levels[float(price)] = float(qty)
                    else:
                        levels.pop(float(price), None)
            if sure and line.get("more") == 0 and bids and asks:
                bid, ask = bids.peekitem(-1), asks.peekitem(0)
                yield "book", line["u"], (*bid, *ask)


def _link_recording(found: Found, symbol: str, out: Path, truth: Truth, lost: int) -> None:
    """The recording names its losses, and its book is the true one at every update at which it has one."""
    books = told = wrong = 0
    gaps: Counter[str] = Counter()
    first = ""
    for kind, number, top in _claimed(out, symbol):
        if kind != "book":
            gaps[kind] += 1
            told += number
            continue
        books += 1
        true = truth.tops.get(number)
        if true is None or (true.bid, true.bid_qty, true.ask, true.ask_qty) != top:
            wrong += 1
            first = first or f"; first: update {number}, {top} instead of {true}"
    of = len([1 for last_id in truth.tops if last_id])
    found.add(
        f"{symbol}: the recording of the link is right wherever it has a book",
        not wrong and books > 0,
        f"{books:,} of {of:,} updates with a book, {wrong} wrong{first}",
    )
    # A recorder's start is a gap as well: what was lost on the way has to make more than that one.
    named = told >= lost if told else not lost or gaps.total() > 1
    found.add(f"{symbol}: the recording names its losses", named, f"{lost:,} samples lost, {told:,} told; {dict(gaps)}")


def _direct_recording(found: Found, symbol: str, out: Path, truth: Truth) -> None:
    lines = [payload for path in sorted((out / "direct").glob(f"{symbol}_*.gz")) for _, payload in recorded_lines(path)]
    mark = b'{"stream":"' + symbol.encode() + b"@"
    frames = [payload for payload in lines if payload.startswith(mark)]
    sent = [frame for frame in truth.frames if frame.startswith(mark)]
    equal = frames == sent[len(sent) - len(frames) :] and len(frames) > 0
    found.add(
        f"{symbol}: the direct recording holds every frame, byte for byte and in order",
        equal,
        f"{len(frames):,} of {len(sent):,} frames",
    )


def _stop(found: Found, console: Console, capture: Path, speed: float, symbols: list[str], out: Path) -> None:
    """Ask everybody to stop at the height of the burst."""
    console.print("once more, stopped at its height ...")
    with Rig() as rig:
        _start(rig, console, capture, speed, symbols, rig.folder / "stopped")
        rig.ask("resume", method="POST")
        total = rig.state().get("total") or 1
        rig.until(lambda: rig.state()["position"] >= HEIGHT * total, 900, "the height of the burst")
        asked = time.monotonic()
        labels = ("connector", "ipc", "direct", "looker")
        for label in labels:
            rig.processes[label].send_signal(signal.SIGTERM)
        took: dict[str, float] = {}
        for _ in rig.polls(60, 0.02):
            for label in labels:
                if label not in took and rig.processes[label].poll() is not None:
                    took[label] = time.monotonic() - asked
            if len(took) == len(labels):
                break
        at = rig.state()["position"]
        codes = [rig.processes[label].poll() for label in labels]
    words = ", ".join(
        f"{label} {took[label]:.1f} s" if label in took else f"{label} not within 60 s" for label in labels
    )
    right = len(took) == len(labels) and max(took.values()) <= STOP_S and not any(codes)
    found.add(
        f"a stop asked for at the height of the burst is obeyed within {STOP_S:g} s",
        right,
        f"{words}; frame {at:,} of {total:,}, exit codes {codes}",
    )
