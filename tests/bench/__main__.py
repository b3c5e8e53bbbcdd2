"""Measures the live path with the simulated exchange on loopback, factors and strategy, and prints every figure beside its goal.

Everything shares this machine's cores, the exchange and the stop-watches too; figures of one run belong together.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.orders import own_work as order_work
from tests.bench.orders import travel as order_travel
from tests.bench.rows import Row, collect, console_of, show
from tests.factor_engine.bench import factors
from tests.obi_mm.bench import decision_time, live_decisions, overhead, sweep
from tests.rig import Rig

TICK = os.sysconf("SC_CLK_TCK")
STARTUP_S = 180


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def quantiles_us(values: list[int]) -> tuple[float, float, float]:
    """p50, p99 and p99.9 in microseconds."""
    p50, p99, p999 = np.quantile(np.array(values, np.int64), [0.5, 0.99, 0.999]) / 1e3
    return float(p50), float(p99), float(p999)


def subscribed(rig: Rig, streams: int) -> bool:
    """Whether so many streams are subscribed in all; a process that died is an error."""
    for label, process in rig.processes.items():
        if process.poll() is not None:
            raise RuntimeError(f"{label} ended with {process.returncode}:\n{rig.log(label)}")
    return sum(len(connection["streams"]) for connection in rig.state()["connections"]) >= streams


def latency(seconds: float, rate: float) -> list[Row]:
    """Connector and tick-to-bot latency at 20 levels a message, the general way and the short one in turn, twice each."""
    found: dict[str, tuple[list[int], list[int]]] = {"general": ([], []), "short": ([], [])}
    lost = events = 0
    for way in ("general", "short", "general", "short"):
        with Rig() as rig:
            rig.exchange("--market", "flood", "--symbols", "btcusdt", "--rate", rate, "--levels", 20)  # evenly spaced
            config = rig.folder / "c.toml"
            urls = f'stream_url = "{rig.addresses["ws"]}"\napi_url = "{rig.addresses["rest"]}"\n'
            config.write_text(urls)
            frames, ages = rig.folder / "frames.json", rig.folder / "ages.json"
            rig.start("connector", "tests.bench.timed_connector", frames, way, "bf", "binancefutures", config)
            rig.start("bot", "tests.bench.timed_bot", ages, "bf", "btcusdt", seconds / 2, way)
            rig.until(lambda: subscribed(rig, 2), STARTUP_S, "the connector to subscribe")
            rig.processes["bot"].wait(seconds + 120)
            rig.end("connector")
            connector, bot = json.loads(frames.read_text()), json.loads(ages.read_text())
        pairs = zip(connector["spent_ns"], connector["events"], strict=True)
        found[way][0].extend(spent for spent, count in pairs if 10 <= count <= 40)
        found[way][1].extend(bot["ages_ns"]["depth"])
        lost, events = lost + bot["lost"], events + bot["events"]
    general, short = ([quantiles_us(values) for values in found[way]] for way in ("general", "short"))
    how = f"{rate:,.0f} messages/s"
    goals = (60, 60, 500) if rate < 1000 else (45, 40, None)

    def told(which: int) -> str:
        now, before = short[which], general[which]
        ratios = f"{before[0] / now[0]:.1f} and {before[1] / now[1]:.1f} times as long"
        return (
            f"p50 {now[0]:.0f} µs, p99 {now[1]:.0f}, p99.9 {now[2]:.0f}; the general way"
            f" {before[0]:.0f}, {before[1]:.0f}, {before[2]:.0f}: {ratios}"
        )

    return [
        (
            f"connector, socket read to last sample, 20 levels a message, {how}",
            told(0),
            f"p50 ≤ {goals[0]} µs",
            short[0][0] <= goals[0],
        ),
        (
            f"tick to bot, woken: socket read to batch in hand, {how}",
            told(1),
            f"p50 ≤ {goals[1]} µs" + (f", p99 ≤ {goals[2]} µs" if goals[2] else ""),
            short[1][0] <= goals[1] and (goals[2] is None or short[1][1] <= goals[2]),
        ),
        (f"samples lost on the way, {how}", f"{lost} of {events:,}", "0", lost == 0),
    ]


def own_work() -> list[Row]:
    """The connector's work a frame, the general way and the short one in turn, hot and after ten milliseconds of something else."""
    rows: list[Row] = []
    for levels, goal in ((20, 15), (100, 100)):
        with Rig() as rig:
            spent, ages = rig.folder / "hot.json", rig.folder / "ages.json"
            rig.start("bot", "tests.bench.timed_bot", ages, "bf", "btcusdt", 20)
            rig.start("hot", "tests.bench.hot", spent, "bf", levels)
            rig.processes["hot"].wait(240)
            found = json.loads(spent.read_text())
        for kind, how in (("hot_ns", "back to back"), ("apart_ns", "10 ms apart, the time between in a busy loop")):
            general, short = quantiles_us(found["general"][kind]), quantiles_us(found["short"][kind])
            rows.append(
                (
                    f"connector, frame to last sample, {levels} levels, frames {how}",
                    f"p50 {short[0]:.1f} µs, p99 {short[1]:.0f}, p99.9 {short[2]:.0f}; the general way"
                    f" {general[0]:.1f}, {general[1]:.0f}, {general[2]:.0f}: {general[0] / short[0]:.1f} times as long",
                    f"p50 ≤ {goal} µs" if kind == "hot_ns" else "-",
                    short[0] <= goal,
                )
            )
    return rows


def link_throughput(seconds: float, rates: list[float]) -> list[Row]:
    """Events a second through connector and recorder without one lost sample, at growing rates."""
    best, detail = 0.0, "none of the rates was sustained"
    for rate in rates:
        with Rig() as rig:
            out = rig.folder / "data"
            rig.exchange("--market", "flood", "--symbols", "btcusdt", "--rate", rate, "--levels", 20, "--paused")
            connector = rig.connector()
            collector = rig.link_collector(out, ["btcusdt"])
            rig.until(lambda: subscribed(rig, 2), STARTUP_S, "the connector to subscribe")
            time.sleep(2)
            before = cpu_s(connector.pid), cpu_s(collector.pid)
            start = time.monotonic()
            rig.ask("resume", method="POST")
            time.sleep(seconds)
            rig.ask("pause", method="POST")
            took = time.monotonic() - start
            time.sleep(3)
            used = cpu_s(connector.pid) - before[0], cpu_s(collector.pid) - before[1]
            codes = rig.end("ipc"), rig.end("connector")
            source = rig.summary("ipc")["source"]
            too_slow = rig.state()["connections_too_slow"]
        events, lost = source["events"], source["samples_lost"]
        text = f"{events / took:,.0f} events/s ({lost} lost; CPU connector {used[0] / took:.0%}, recorder {used[1] / took:.0%})"
        if lost or too_slow or any(codes):
            detail = detail if best else text
            break
        if events / took > best:
            best, detail = events / took, text
    return [("connector and recorder over the link, sustained", detail, "≥ 50,000 events/s, 0 lost", best >= 50_000)]


def direct_throughput(seconds: float) -> list[Row]:
    """Messages a second into a direct recording, for a core of its own."""
    with Rig() as rig:
        out = rig.folder / "data"
        rig.exchange("--market", "flood", "--symbols", "btcusdt", "--rate", 0, "--levels", 20, "--paused")
        collector = rig.direct_collector(out, ["btcusdt"])
        rig.until(lambda: subscribed(rig, 3), STARTUP_S, "the collector to subscribe")
        time.sleep(1)
        before, start = cpu_s(collector.pid), time.monotonic()
        rig.ask("resume", method="POST")
        time.sleep(seconds)
        rig.ask("pause", method="POST")
        took = time.monotonic() - start
        time.sleep(2)
        used = cpu_s(collector.pid) - before
        code = rig.end("direct")
        sent = rig.state()["position"]
        lines: int = rig.summary("direct")["lines"]
    text = f"{lines / took:,.0f} messages/s by the clock, {lines / used:,.0f} per CPU second ({lines:,} lines of {sent:,} frames)"
    return [
        (
            "recorder, direct",
            text,
            "≥ 60,000 messages/s a core, every frame",
            lines / used >= 60_000 and code == 0 and lines >= sent,
        )
    ]


def main() -> int:
    """Run the benches."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each measurement of the live path")
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second in the latency measurement")
    parser.add_argument(
        "--rates",
        type=float,
        nargs="*",
        default=[8_000, 12_000, 16_000, 20_000, 26_000],
        help="messages a second of the link's throughput",
    )
    parser.add_argument(
        "--only", action="append", choices=("live", "orders", "factors", "strategy"), help="a part; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    console = console_of(options.json)
    parts: dict[str, tuple[str, dict[str, Callable[[], list[Row]]]]] = {
        "live": (
            "live path",
            {
                "the connector's own work": own_work,
                "latency": lambda: latency(options.seconds, options.rate),
                "latency at four times the rate": lambda: latency(options.seconds, 4 * options.rate),
                "link": lambda: link_throughput(options.seconds / 2, options.rates),
                "direct": lambda: direct_throughput(options.seconds / 2),
            },
        ),
        "orders": (
            "orders",
            {
                "the trading core's own work": order_work,
                "200 orders a second for a minute": lambda: order_travel(60.0, 200.0),
            },
        ),
        "factors": ("factors, ns an update", {"factors": factors}),
        "strategy": (
            "strategy",
            {
                "what it adds to the engine's loop": overhead,
                "a decision from Python": decision_time,
                "decisions of a live run": lambda: live_decisions(options.seconds),
                "a sweep of 64 runs": sweep,
            },
        ),
    }
    found: list[dict[str, Any]] = []
    for name in options.only or parts:
        title, measures = parts[name]
        rows = collect(console, measures)
        show(console, title, rows)
        found += [
            {"figure": name, "measured": measured, "goal": goal, "met": met} for name, measured, goal, met in rows
        ]
    if options.json:
        json.dump(found, sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
