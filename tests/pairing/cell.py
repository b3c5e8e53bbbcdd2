"""One cell of the matrix: one connector, one bot and one collector of given makes on one link, through everything that a day brings."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.pairing.recording import read_recording
from tests.rig import Rig

OURS, SOURCE, STANDIN = "ours", "source", "stand-in"
STANDIN_FILE: Final = Path(__file__).with_name("standin.py")
NAME, SYMBOL = "bf", "btcusdt"
NOT_REACHED: Final = "not reached"
TICK, LOT = 0.1, 0.001
"""Sizes of the simulated exchange's btcusdt."""
CONNECT_S: Final = 120.0
"""Generous: a busy machine is slow to start a process."""
PAUSE_S: Final = 120.0
"""The exchange is never held still for so long."""
SURE: Final = 500
"""So many levels a side are surely known: a book begins with a snapshot of 1,000, and loses some as the market moves."""

CHECKS = (
    "connects",
    "book",
    "trades",
    "late join",
    "restart: connector",
    "restart: bot",
    "restart: collector",
    "sizes",
    "clean",
)

Sides = tuple[dict[int, float], dict[int, float]]
"""Ticks to quantities: bids, asks."""


class Wrong(Exception):
    """Something that had to hold did not; its text says what."""


class TooSlow(Exception):
    """The machine was too slow for a process that ends by itself."""


@dataclass(frozen=True)
class Kinds:
    """Whose process plays which part, and whether bot and collector are there before the connector."""

    connector: str
    bot: str
    collector: str
    peers_first: bool

    def __str__(self) -> str:
        first = "peers first" if self.peers_first else "connector first"
        return f"{self.connector} connector, {self.bot} bot, {self.collector} collector, {first}"


@dataclass
class Outcome:
    """What a cell's checks came to: an empty text for one that holds, else what was wrong; a check not asked for is left out."""

    kinds: Kinds
    found: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def holds(self) -> bool:
        """Whether every check that was asked for holds."""
        return not any(self.found.values())


def ticks(levels: Any) -> dict[int, float]:
    """Levels by tick, without those of no quantity; raises Wrong for a price or a quantity between two steps."""
    found = {}
    for price, qty in levels:
        at, lots = price / TICK, qty / LOT
        if abs(at - round(at)) > 1e-3 or abs(lots - round(lots)) > 1e-3:
            raise Wrong(f"{price} x {qty} is no multiple of {TICK} and {LOT}")
        if lots > 0.5:
            found[round(at)] = round(qty, 9)
    return found


def differences(mine: Sides, true: Sides) -> str:
    """How a book differs from the exchange's within what it must know, in words; empty when it does not."""
    words = []
    for side, levels, other, sign in (("bids", mine[0], true[0], -1), ("asks", mine[1], true[1], 1)):
        best = sorted(other, key=lambda tick, sign=sign: sign * tick)[:SURE]  # type: ignore[misc]
        missing = [tick for tick in best if tick not in levels]
        extra = [tick for tick in levels if tick not in other]
        wrong = [tick for tick in levels if tick in other and levels[tick] != other[tick]]
        if missing or extra or wrong:
            words.append(f"{side}: {len(missing)} missing, {len(extra)} too many, {len(wrong)} with another quantity")
    return "; ".join(words)


class Cell:
    """The processes of one cell. Give it a rig whose exchange does not run yet."""

    def __init__(self, kinds: Kinds, rig: Rig, binaries: Path | None, patience: float) -> None:
        self.kinds, self.rig, self.binaries, self.patience = kinds, rig, binaries, patience
        self.outcome = Outcome(kinds)
        self._skip = 0
        self._ends: dict[str, float] = {}
        config = rig.folder / "config"
        config.mkdir()
        (config / "iceoryx2.toml").write_text(f'[global]\nprefix = "{rig.prefix}"\nroot-path = "{rig.folder / "x"}"\n')
        (rig.folder / "recorded").mkdir()

    def run(self) -> Outcome:
        """Go through the day; what fails first ends it, except that every check after it says so."""
        start = time.monotonic()
        try:
            self._start()
            self._first_look()
            self._restarts()
            self._second_look()
        except (Wrong, TimeoutError) as error:
            open_checks = [name for name in CHECKS if name not in self.outcome.found and name != "clean"]
            self._note(open_checks[0], str(error))
            for name in open_checks[1:]:
                self._note(name, NOT_REACHED)
        self._note("clean", self._end())
        self.outcome.seconds = time.monotonic() - start
        return self.outcome

    # The day.

    def _start(self) -> None:
        kinds, rig = self.kinds, self.rig
        market = ["--market", "synthetic", "--symbols", SYMBOL, "--rate", "200", "--levels", "10", "--seed", "9"]
        if kinds.connector == SOURCE:  # it joins a snapshot only within an update
            market += ["--snapshots", "inside"]
        rig.exchange(*market, "--connection-limit", "0")
        steps: list[tuple[str, Callable[[str], None]]] = [
            ("connector", self._connector),
            ("collector", self._collector),
            ("bot", self._bot),
        ]
        if kinds.peers_first:
            steps = [*steps[1:], steps[0]]
        for label, step in steps:
            step(label)
            self._until(lambda one=label: self._on_link(one), CONNECT_S, f"the {label} to be on the link")  # type: ignore[misc]
            time.sleep(0.3)
        if kinds.peers_first and kinds.bot != OURS:
            # It registers once, and the transport keeps nothing for a connector that is not there yet: the next to register serves it too.
            self._bot("late", 10)
        if not self._own_fault("bot"):
            self._until(lambda: self._two_sided("bot"), CONNECT_S, "the bot to have a book")
        if not self._own_fault("collector"):
            self._until(lambda: self._recorded().lines > 0, CONNECT_S, "the collector to record")
        self._note("connects", "")

    def _first_look(self) -> None:
        if "late" not in self.rig.processes:
            self._bot("late", 6)
        late = ""
        try:
            self._until(lambda: self._two_sided("late"), CONNECT_S, "a late bot to have a book")
        except TimeoutError as error:
            late = str(error)
        with _Paused(self, "late"):
            self._flush("collector")
            problems = self._compare("bot", "collector") if self.kinds.bot != SOURCE else self._compare("collector")
            self._note("book", problems)
            self._note("trades", self._no_trades())
            self._note("late join", late or self._compare("late"))
        if self.rig.processes["collector"].poll() is not None:
            self._collector("collector")
            self._until(lambda: self._on_link("collector"), CONNECT_S, "the collector to be on the link again")

    def _restarts(self) -> None:
        rig, before = self.rig, self._trades()
        rig.end("connector", signal.SIGKILL)
        time.sleep(0.5)
        self._connector("connector-again")
        self._until(
            lambda: self._on_link("connector-again"),
            CONNECT_S,
            "the connector that was started again to be on the link",
        )
        for number, part in enumerate(("bot", "collector")):
            if self._own_fault(part):
                continue
            try:
                self._until(
                    lambda at=number: self._trades()[at] > before[at],
                    CONNECT_S,
                    f"the {part} to hear the new connector",
                )  # type: ignore[misc]
            except TimeoutError as error:
                self._note("restart: connector", str(error))
        if self.kinds.bot != SOURCE:
            rig.end("late", signal.SIGKILL)
        rig.end("collector", signal.SIGKILL)
        self._skip = self._recorded().lines if self.kinds.collector != OURS else 0
        self._at_restart = self._recorded().trades if not self._skip else 0
        self._collector("collector-again")
        self._bot("late-again", 8)

    def _second_look(self) -> None:
        problem = ""
        try:
            self._until(
                lambda: self._two_sided("late-again"), CONNECT_S, "the bot that was started again to have a book"
            )
        except TimeoutError as error:
            problem = str(error)
        again = ""
        try:
            self._until(
                self._recorded_again,
                CONNECT_S,
                "the collector that was started again to record",
            )
        except TimeoutError as error:
            again = str(error)
        with _Paused(self, "bot", "late-again"):
            self._flush("collector-again")
            self._note("restart: collector", again or self._compare("collector"))
            self._note("restart: connector", self._compare("bot"))
            self._note("restart: bot", problem or self._compare("late-again"))
        self._note("sizes", self._sizes())

    def _flush(self, label: str) -> None:
        """Let the source's collector come to rest and end it: it keeps its last 8 KiB to itself until then."""
        if self.kinds.collector != SOURCE or self._own_fault("collector"):
            return
        size = -1
        for _ in self.rig.polls(30, 2):
            before, size = size, sum(path.stat().st_size for path in (self.rig.folder / "recorded").iterdir())
            if before == size:
                break
        process = self.rig.processes[label]
        for _ in self.rig.polls(30, 1):
            process.send_signal(signal.SIGTERM)  # it misses one now and then
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
                return
        raise Wrong(f"the source's {label} does not end")

    def _recorded_again(self) -> bool:
        """Whether the collector that was started again has trades, which come at once, and a book, which must be asked for."""
        found = self._recorded()
        return found.trades > self._at_restart and bool(found.bids) and bool(found.asks)

    def _end(self) -> str:
        """End everything, bots first; returns what was wrong with that, and what was left behind."""
        rig, words = self.rig, []
        order = ("bot", "late", "late-again", "collector", "collector-again", "connector", "connector-again")
        for label in order:
            if label not in rig.processes or (label.startswith(("bot", "late")) and self.kinds.bot == SOURCE):
                continue
            running = rig.processes[label].poll() is None
            code = rig.end(label)
            kind = getattr(self.kinds, {"bot": "bot", "lat": "bot", "col": "collector", "con": "connector"}[label[:3]])
            if kind == OURS and ((not running and code not in (0, -signal.SIGKILL)) or (running and code)):
                words.append(f"{label} ended with {code}: {rig.log(label, 4)}")
        for label in ("bot", "late", "late-again"):
            if label in rig.processes:
                rig.processes[label].kill()
                rig.processes[label].wait(10)
        if rig.command("sweep", sys.executable, STANDIN_FILE, "sweep").wait(30):
            words.append(f"no process can start any more: {rig.log('sweep', 4)}")
        left = [path.name for path in Path("/dev/shm").glob(f"{rig.prefix}*") if not path.name.endswith(".global_mgmt")]
        kept = rig.folder / "x" / "marketlink"  # how the last connector of a name ended: a watchdog looks there
        files = (path for path in (rig.folder / "x").rglob("*") if path.is_file() and path.parent != kept)
        left += [str(path.relative_to(rig.folder)) for path in files]
        if left:
            words.append(f"{len(left)} files left, e.g. {left[:3]}")
        return "; ".join(words)

    # The processes.

    def _connector(self, label: str) -> None:
        rig = self.rig
        match self.kinds.connector:
            case "ours":
                # The exchange is held still for every look: no silence of its.
                rig.connector(NAME, label, stale_s=PAUSE_S, data_age_s=PAUSE_S)
            case "source":
                config = rig.folder / f"{label}.toml"
                config.write_text(f'stream_url = "{rig.addresses["ws"]}/ws"\napi_url = "{rig.addresses["rest"]}"\n')
                self._binary(label, "connector", NAME, "binancefutures", config)
            case _:
                self._standin(label, "connector", NAME, rig.addresses["ws"], rig.addresses["rest"], self._status(label))

    def _bot(self, label: str, seconds: float = 30) -> None:
        match self.kinds.bot:
            case "ours":
                self.rig.start(label, "tests.pairing.our_bot", NAME, SYMBOL, TICK, LOT, self._status(label))
            case "source":
                seconds *= self.patience
                self._binary(label, "probe", "bot", NAME, SYMBOL, TICK, LOT, seconds, self._status(label))
                self._until(lambda: "registered" in self._out(label), 30, "the source's bot to start")
                self._ends[label] = time.monotonic() + seconds
            case _:
                self._standin(label, "bot", NAME, SYMBOL, TICK, LOT, self._status(label))

    def _collector(self, label: str) -> None:
        folder = self.rig.folder / "recorded"
        match self.kinds.collector:
            case "ours":
                self.rig.link_collector(folder, [SYMBOL], name=NAME, label=label)
            case "source":
                self._binary(label, "collector", folder, "", SYMBOL, "--ipc", NAME)
            case _:
                self._standin(label, "collector", NAME, SYMBOL, folder, self._status(label))

    def _binary(self, label: str, program: str, *arguments: object) -> None:
        assert self.binaries is not None
        rig = self.rig
        words = ["env", "-C", rig.folder, "RUST_LOG=info", self.binaries / program, *arguments]
        rig.command(label, *words)

    def _standin(self, label: str, role: str, *arguments: object) -> None:
        self.rig.command(label, sys.executable, STANDIN_FILE, role, *arguments)

    def _own_fault(self, part: str) -> bool:
        """Whether both ends of this conversation are the source's, so that nothing of it is ours to answer for."""
        return self.kinds.connector != OURS and getattr(self.kinds, part) != OURS

    # What they say.

    def _status(self, label: str) -> Path:
        return self.rig.folder / f"{label}.json"

    def _said(self, label: str) -> dict[str, Any]:
        path = self._status(label)
        said: dict[str, Any] = json.loads(path.read_text()) if path.exists() and path.stat().st_size else {}
        return said

    def _out(self, label: str) -> str:
        path = self.rig.folder / f"{label}.out"
        return path.read_text(errors="replace") + self.rig.log(label, 400) if path.exists() else ""

    def _on_link(self, label: str) -> bool:
        """Whether the process has a publisher: it maps the samples of one."""
        maps = Path(f"/proc/{self.rig.processes[label].pid}/maps")
        return maps.exists() and any(
            self.rig.prefix in line and line.endswith(".data") for line in maps.read_text().splitlines()
        )

    def _two_sided(self, label: str) -> bool:
        if self.kinds.bot == SOURCE:
            if self.rig.processes[label].poll() is not None:
                raise TooSlow(
                    f"the source's {label} ended, as told, without a two-sided book: {self._out(label)[-200:]}"
                )
            return "first two-sided book" in self._out(label)
        said = self._said(label)
        return bool(said.get("bids") and said.get("asks")) and said["confidence"] in ("synced", "")

    def _trades(self) -> tuple[int, int]:
        """Trades that the first bot and the collector have heard so far."""
        if self.kinds.bot != SOURCE:
            heard = int(self._said("bot").get("trades", 0))
        else:
            heard = int((re.findall(r"trades (\d+)", self._out("bot")) or ["0"])[-1])
        return heard, self._recorded().trades

    def _no_trades(self) -> str:
        counts = dict(zip(("bot", "collector"), self._trades(), strict=True))
        return "; ".join(
            f"the {part} heard no trade" for part, count in counts.items() if not count and not self._own_fault(part)
        )

    def _recorded(self) -> Any:
        return read_recording(self.rig.folder / "recorded", SYMBOL, self._skip)

    def _book(self, label: str) -> Sides:
        if label == "collector":
            recorded = self._recorded()
            return ticks(recorded.bids.items()), ticks(recorded.asks.items())
        said = self._said(label)
        if self.kinds.bot == SOURCE:  # its dump is in ticks
            if not said:
                raise Wrong(f"{label}: the source's bot left no book: {self._out(label)[-300:]}")
            bids, asks = ({int(tick): round(qty, 9) for tick, qty in said[side] if qty} for side in ("bids", "asks"))
            return bids, asks
        return ticks(said.get("bids", ())), ticks(said.get("asks", ()))

    def _compare(self, *labels: str) -> str:
        """Wait until each book is the exchange's, which is paused; returns how they differ, if they stay so."""
        words = []
        for label in labels:
            part = "collector" if label == "collector" else "bot"
            if self._own_fault(part):
                continue
            problem = ""
            for _ in self.rig.polls(8 if part == "collector" or self.kinds.bot != SOURCE else 0.1, 0.3):
                try:
                    problem = differences(self._book(label), self._true)
                except Wrong as error:
                    problem = str(error)
                said = self._said(label) if part == "bot" and self.kinds.bot == OURS else {}
                if not problem and said.get("confidence", "synced") != "synced":
                    problem = f"right, but {said['confidence']}: {said['why']}"
                if not problem:
                    break
            if problem:
                sure = f" and says {said['confidence']}" if said else ""
                words.append(f"{label}{sure}: {problem}")
        return "; ".join(words)

    def _sizes(self) -> str:
        """Whether everybody works with the exchange's sizes, and whatever was decoded by the stand-in was right to the byte."""
        words = []
        if self.kinds.connector == STANDIN:
            for label in ("connector", "connector-again"):
                zeros = [one for one in self._said(label).get("registrations", ()) if not one[2] or not one[3]]
                if zeros:
                    words.append(f"{label}: {len(zeros)} registrations without sizes, the first {zeros[0]}")
        if self.kinds.bot == OURS:
            wrong = [
                said["sizes"]
                for label in ("bot", "late-again")
                if (said := self._said(label)) and said["sizes"] != [TICK, LOT]
            ]
            words += [f"a bot works with {sizes}" for sizes in wrong]
        for label in ("connector", "connector-again", "bot", "late", "late-again", "collector", "collector-again"):
            said = self._said(label)
            if said.get("differences"):
                words.append(
                    f"{label}: {said['differences']} messages not as the protocol has them: {said['wrong'][0]}"
                )
        return "; ".join(words)

    def _note(self, check: str, problem: str) -> None:
        self.outcome.found.setdefault(check, problem)

    def _until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        for _ in self.rig.polls(timeout_s, 0.1):
            if condition():
                return
            if any(one.poll() not in (None, 0, -signal.SIGKILL) for one in self.rig.processes.values()):
                break
        dead = [
            f"{label} ended with {one.returncode}: {self.rig.log(label, 3)}"
            for label, one in self.rig.processes.items()
            if (one.poll() or -signal.SIGKILL) != -signal.SIGKILL
        ]
        raise TimeoutError(f"waited up to {timeout_s:.0f} s for {what}" + "".join(f"; {each}" for each in dead))


class _Paused:
    """The exchange held still, once the source's bots among these are about to end by themselves and say what they hold."""

    def __init__(self, cell: Cell, *labels: str) -> None:
        self._cell = cell
        self._labels = [label for label in labels if label in cell._ends]

    def __enter__(self) -> None:
        cell, rig = self._cell, self._cell.rig
        ends = [cell._ends[label] for label in self._labels]
        if any(rig.processes[label].poll() is not None for label in self._labels):
            raise TooSlow("the source's bot ended, as told, before the look")
        time.sleep(max(1.5, min(ends) - time.monotonic() - 1.5) if ends else 1.5)
        rig.ask("pause", method="POST")
        cell._true = self._true_book()  # type: ignore[attr-defined]
        if any(rig.processes[label].poll() is not None for label in self._labels):
            raise TooSlow("the source's bot ended, as told, before the look")
        for label in self._labels:
            rig.processes[label].wait(60)

    def __exit__(self, *_: object) -> None:
        self._cell.rig.ask("resume", method="POST")

    def _true_book(self) -> Sides:
        rig = self._cell.rig
        body = rig.ask("book", symbol=SYMBOL, limit=1_000_000)
        bids, asks = (ticks((float(price), float(qty)) for price, qty in body[side]) for side in ("bids", "asks"))
        return bids, asks


def run_cell(kinds: Kinds, binaries: Path | None = None) -> Outcome:
    """Run a cell on a link of its own; once more with more time when the source's bot ended too early for this machine."""
    if binaries is None:
        binaries = Path(os.environ["SOURCE_BIN"]) if os.environ.get("SOURCE_BIN") else None
    said = ""
    patience = float(os.environ.get("PAIRING_PATIENCE", "1"))
    for factor in (1, 3):
        with Rig() as rig:
            try:
                return Cell(kinds, rig, binaries, factor * patience).run()
            except TooSlow as error:
                said = str(error)
    return Outcome(kinds, {"connects": f"never, or the machine is too slow: {said}"})
