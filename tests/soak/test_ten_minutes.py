"""Ten minutes of a busy market over TLS, a bot that hangs every minute, a clock stepped both ways: nothing wrong is ever shown.

SOAK_SECONDS (600), SOAK_RATE (2000 messages/s), SOAK_EVERY_S (60) and SOAK_STOP_S (10) make it shorter or gentler. See `clock`, for
the clock that is stepped for our processes alone.
"""

import os
import signal
import time
from pathlib import Path

import data_convert as dc
import pytest

from tests.rig import Rig
from tests.soak.clock import WallClock
from tests.soak.looks import Judge
from tests.soak.tls import HOST, make_authority

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
RATE = float(os.environ.get("SOAK_RATE", "2000"))
EVERY_S = float(os.environ.get("SOAK_EVERY_S", "60"))
STOP_S = float(os.environ.get("SOAK_STOP_S", "10"))
SYMBOLS = {"btcusdt": (0.1, 0.001), "ethusdt": (0.01, 0.001)}
STEPS = (0.0, 30.0, -45.0, 0.5, 3600.0, -3600.0)
"""Where the clock stands, s off the right time, one after the other."""
BEHIND_S = 5.0
"""A book that says synced is never older."""
JUDGE_S = 0.25
"""So long at a time the books are compared, in between."""
BACK_S = 15.0
"""After a hang a bot has its books again within this."""


def resident_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def start(rig: Rig, clock: WallClock, recordings: Path) -> None:
    """Exchange, TLS front, connector, recorder and two bots; all but the exchange have the clock that is stepped."""
    market = ("--market", "synthetic", "--symbols", ",".join(SYMBOLS), "--levels", "8", "--seed", "17")
    rig.exchange(*market, "--rate", RATE, "--history", 1_000_000)
    trusted, served = make_authority(rig.folder)
    ready = rig.folder / "front.json"
    ports = {name: rig.addresses[name].rsplit(":", 1)[1] for name in ("ws", "rest")}
    rig.start("front", "tests.soak.tls", served, ready, *(f"{name}={port}" for name, port in ports.items()))
    rig.until(ready.exists, 30, "the TLS front")
    front = rig.read_json("front.json")
    with rig.under(**clock.environment):
        rig.connector(
            stream_url=f"wss://{HOST}:{front['ws']}", api_url=f"https://{HOST}:{front['rest']}", ca_file=str(trusted)
        )
        rig.link_collector(recordings, list(SYMBOLS))
        sizes = [f"{symbol}:{tick}:{lot}" for symbol, (tick, lot) in SYMBOLS.items()]
        for label in ("steady", "hanging"):
            rig.start(label, "tests.soak.looker", "bf", rig.folder / f"{label}.jsonl", 1.0, *sizes)


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 900)
def test_nothing_wrong_is_shown_in_ten_minutes_of_hangs_and_stepped_clocks_over_tls(tmp_path: Path) -> None:
    with Rig() as rig, WallClock(rig.folder) as clock:
        start(rig, clock, tmp_path / "ipc")
        judges = {label: Judge(rig, rig.folder / f"{label}.jsonl") for label in ("steady", "hanging")}

        def look() -> None:
            now, state = time.monotonic(), rig.state()["symbols"]
            for judge in judges.values():
                judge.note_sent(now, {symbol: each["last_u_sent"] or 0 for symbol, each in state.items()})
                judge.read()
                judge.judge(BEHIND_S, JUDGE_S)  # the rest at the end: hangs and steps come when they are due

        def synced(label: str, since_s: float = 0.0) -> bool:
            for each, process in rig.processes.items():
                assert process.poll() is None, f"{each} ended with {process.returncode}: {rig.log(each)}"
            look()
            last = judges[label].found.last
            return len(last) == len(SYMBOLS) and all(
                one["confidence"] == "synced" and one["t"] >= since_s for one in last.values()
            )

        rig.until(lambda: synced("steady") and synced("hanging"), 180, "both bots to be in sync")
        watched = ("connector", "ipc", "steady", "hanging")
        begin, hangs, steps, late = time.monotonic(), 0, 0, []
        early: dict[str, float] = {}
        while (passed := time.monotonic() - begin) < SECONDS:
            if not early and passed > SECONDS / 5:
                early = {label: resident_mb(rig.processes[label].pid) for label in watched}
            if passed >= (steps + 1) * EVERY_S / 2:
                steps += 1
                clock.set(STEPS[steps % len(STEPS)])
            if passed >= (hangs + 0.3) * EVERY_S:
                hangs += 1
                rig.processes["hanging"].send_signal(signal.SIGSTOP)
                for _ in rig.polls(STOP_S, 0.5):
                    look()
                rig.processes["hanging"].send_signal(signal.SIGCONT)
                resumed = time.monotonic()
                try:
                    rig.until(lambda since=resumed: synced("hanging", since), BACK_S, "the bot to have its books again")  # type: ignore[misc]
                except TimeoutError:
                    late.append(f"hang {hangs}: {judges['hanging'].found.last}")
            look()
            time.sleep(0.3)
        after = {label: resident_mb(rig.processes[label].pid) for label in watched}
        codes = {label: rig.end(label) for label in ("hanging", "steady", "ipc", "connector")}
        for judge in judges.values():
            judge.take(BEHIND_S)
        report = "\n".join(f"{label}: {judge.found}" for label, judge in judges.items())
        print(
            report,
            f"memory MB, early and late: { {label: (round(early[label]), round(after[label])) for label in watched} }",
            sep="\n",
        )
        lost = rig.summary("ipc")["source"]["samples_lost"]
        connector_log = rig.log("connector", 1000)
    for label, judge in judges.items():
        found = judge.found
        assert found.compared > SECONDS / 2, f"{label}: too few looks to mean anything\n{report}"
        assert not found.wrong, f"{label}: {len(found.wrong)} wrong, e.g. {found.wrong[:3]}\n{report}"
        assert not found.frozen, f"{label}: {len(found.frozen)} behind, e.g. {found.frozen[:3]}\n{report}"
        assert not found.too_old, f"{label}: {found.too_old} looks could not be judged"
    assert not late, late
    steady = judges["steady"].found
    if steps > 1:
        assert steady.wall_off_s[0] < -40, f"the clock was not stepped back: {steady.wall_off_s}"
        assert steady.wall_off_s[1] > 25, f"the clock was not stepped forward: {steady.wall_off_s}"
    assert not steady.lost, f"the bot that never hung lost {steady.lost} samples"
    # A stepped clock is nobody's loss: the only time without a book would be a reconnection of its own making.
    assert steady.unknown_s() < 0.01 * SECONDS, (
        f"{steady.unknown_s():.1f} s without a book: {steady.changes[-10:]}\n{connector_log}"
    )
    assert not lost, f"the recorder lost {lost} samples"
    assert not any(codes.values()), codes
    for label in watched:
        assert after[label] < 1.15 * early[label] + 15, f"{label} grew from {early[label]:.0f} to {after[label]:.0f} MB"
    for symbol in SYMBOLS:
        report_of = dc.convert_recording(sorted((tmp_path / "ipc").glob(f"{symbol}_*.gz"))).report
        assert not report_of.bad
        assert all(book.crossed == 0 for book in report_of.books.values())
