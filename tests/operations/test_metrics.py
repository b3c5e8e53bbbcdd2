"""Numbers are served as Prometheus reads them, and the page, the dashboard and the rules name only what there is."""

import json
import random
import re
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from collector.clock_check import Offset
from collector.from_link import LinkCounts
from collector.from_venue import VenueCounts
from collector.metrics import of_files, of_lags, of_link, of_venue
from collector.rotation import Day
from collector.tally import Tally
from collector.writer import FileCounts
from marketlink.errors import SettingsError
from marketlink.run.metrics import Sample, families, serve
from prometheus_client.parser import text_string_to_metric_families

from tests.rig import Rig

DOCS = Path(__file__).resolve().parents[2] / "docs/operations"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def read(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def tally() -> Tally:
    made = Tally(Day(0))
    for n in range(10):
        made.feed(b'%d {"stream":"a@trade","data":{"e":"trade","E":0,"s":"A","t":%d,"p":"1"}}\n' % (n, n))
        made.feed(
            b'%d {"stream":"a@trade","data":{"e":"trade","E":1,"s":"A","t":%d,"p":"1"}}\n' % (1_000_000 + n * 10**7, n)
        )
    return made


def collectors() -> list[Sample]:
    venue = VenueCounts(frames=5, gaps=Counter({"connection lost": 2}), not_recorded=Counter({"x": 1}))
    return [
        *of_files({("a", Day(1)): FileCounts(3, 30, 20, 1), ("a", Day(2)): FileCounts(4, 40, 20, 1)}, 7),
        *of_lags([("a", tally())]),
        *of_venue([venue, venue], 4, 3, Offset(10**9, 10**6, 0)),
    ]


def links() -> list[Sample]:
    return list(of_link(LinkCounts(batches=2, gaps=Counter({"samples lost": 1})), 2, 1))


def test_numbers_are_read_back_as_they_were_told() -> None:
    port = free_port()
    with serve(port, collectors):
        found = read(port)
    assert found["collector_lines_total", ("a",)] == 7
    assert found["collector_gaps_total", ("connection lost",)] == 4
    assert found["collector_clock_ahead_seconds", ()] == 1
    assert found["collector_waiting_bytes", ()] == 7
    buckets = {labels[0]: value for (name, labels), value in found.items() if name == "collector_lag_seconds_bucket"}
    assert buckets["+Inf"] == found["collector_lag_seconds_count", ("a",)] == 10
    assert buckets["0"] == 1
    assert buckets["0.05"] == 6
    with serve(port, list):  # the port is free again
        assert read(port) == {}


def test_a_port_that_can_not_be_had_is_a_sentence() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(SettingsError, match="can't be had: Address already in use"), serve(port, list):
            pass


def test_a_table_that_changes_meanwhile_is_read_again() -> None:
    tries = iter([RuntimeError("changed size"), None])

    def told() -> list[Sample]:
        if (error := next(tries)) is not None:
            raise error
        return [Sample("x", "X.", 5)]

    port = free_port()
    with serve(port, told):
        assert read(port) == {("x", ()): 5}


def test_port_0_serves_nothing() -> None:
    with serve(0, lambda: pytest.fail("asked")):
        pass


def test_samples_of_one_name_are_one_family() -> None:
    assert len(families(Sample("x", "X.", n, {"a": str(n)}) for n in range(3))) == 1


def names_of(samples: list[Sample]) -> set[str]:
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["", "_bucket", "_count", "_sum"]}
    return {sample.name + ending for sample in samples for ending in endings[sample.kind]}


def every_name() -> set[str]:
    """All names: the recorder's by asking it, the connector's by its source, because it takes a whole connector to have them all."""
    source = (DOCS.parents[1] / "services/connector/src/connector/metrics.py").read_text()
    counters = set(re.findall(r'Sample\("(connector_\w+)"[^\n]*"counter"', source))
    all_of = set(re.findall(r'Sample\(\s*"(connector_\w+)"', source))
    feeds = {f"connector_feed_{name}_total" for name in ("frames", "bytes", "connections", "refused", "stale")}
    multiline = {name for name in all_of if re.search(rf'Sample\(\s*"{name}".*?"counter"\s*\)', source, re.S)}
    return names_of([*collectors(), *links()]) | all_of | {f"{name}_total" for name in counters | multiline} | feeds


@pytest.mark.parametrize("page", ["grafana.json", "alerts.yaml", "metrics.md"])
def test_pages_name_only_numbers_that_there_are(page: str) -> None:
    text = (DOCS / page).read_text()
    named = set(re.findall(r"\b(?:connector|collector)_[a-z_]+\b", text))
    assert named
    assert named - every_name() == set()


def test_the_dashboard_is_one() -> None:
    board = json.loads((DOCS / "grafana.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


def test_processes_serve_their_numbers_and_say_a_taken_port(tmp_path: Path) -> None:
    ports = random.sample([free_port() for _ in range(8)], 2)
    with Rig() as rig:
        rig.exchange("--symbol", "btcusdt", "--seed", "3")
        rig.connector(metrics_port=ports[0])
        rig.direct_collector(tmp_path / "direct", ["btcusdt"], "--metrics-port", str(ports[1]))
        rig.link_collector(tmp_path / "ipc", ["btcusdt"])

        def told(port: int, name: str) -> bool:
            try:
                return any(key[0] == name and value > 0 for key, value in read(port).items())
            except OSError:
                return False

        rig.until(lambda: told(ports[0], "connector_book_in_sync"), 90, "the connector's numbers")
        rig.until(lambda: told(ports[1], "collector_lines_total"), 60, "the recorder's numbers")
        assert told(ports[1], "collector_symbols_in_sync")
        words = [sys.executable, "-m", "collector", str(tmp_path / "x"), "binancefutures", "btcusdt"]
        urls = ["--stream-url", rig.addresses["ws"], "--api-url", rig.addresses["rest"]]
        done = subprocess.run(
            [*words, *urls, "--metrics-port", str(ports[1]), "--duration", "1"],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
    assert done.returncode == 2
    assert "can't be had: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
