"""The real command as a process: against a small exchange on loopback, and against a connector's end of a real link."""

import asyncio
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collector.cli import app
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, EVENT_DTYPE, LOCAL
from marketlink.link.settings import read_settings
from marketlink.messages import Batch, FeedEvent, RegisterInstrument
from typer.testing import CliRunner
from websockets.asyncio.server import ServerConnection, serve

INFO = {
    "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "contractType": "PERPETUAL",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
                {"filterType": "LOT_SIZE", "stepSize": "0.001"},
            ],
        }
    ],
}


class Exchange:
    """Streams depth with unbroken ids, and ends a connection cleanly after `frames_each` frames."""

    def __init__(self, frames_each: int, status: str = "TRADING") -> None:
        self.frames_each = frames_each
        self.info = INFO | {"symbols": [INFO["symbols"][0] | {"status": status}]}  # type: ignore[dict-item, operator]
        self.sent: list[bytes] = []
        self.connections = 0
        self.last_id = 100
        self.stream_root = self.rest_root = ""
        self._loop = asyncio.new_event_loop()
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    def __enter__(self) -> "Exchange":
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)
        self._loop.close()

    async def _serve(self) -> None:
        async with (
            serve(self._stream, "127.0.0.1", 0) as streams,
            await asyncio.start_server(self._answer, "127.0.0.1", 0) as rest,
        ):
            self.stream_root = f"ws://127.0.0.1:{next(iter(streams.sockets)).getsockname()[1]}"
            self.rest_root = f"http://127.0.0.1:{rest.sockets[0].getsockname()[1]}"
            self._ready.set()
            await self._over.wait()
            rest.close()

    async def _stream(self, connection: ServerConnection) -> None:
        request = json.loads(await connection.recv())
        self.connections += 1
        await connection.send(json.dumps({"result": None, "id": request["id"]}))
        for _ in range(self.frames_each):
            prev, self.last_id = self.last_id, self.last_id + 2
            data = {"e": "depthUpdate", "E": 2, "T": 1, "s": "BTCUSDT", "U": prev + 1, "u": self.last_id, "pu": prev}
            data |= {"b": [["1.0", "2"]], "a": []}
            frame = json.dumps({"stream": "btcusdt@depth@0ms", "data": data}, separators=(",", ":"))
            self.sent.append(frame.encode())
            await connection.send(frame, text=True)
            await asyncio.sleep(0.005)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = json.dumps(self.info).encode()
            if b"/depth" in head:
                body = b'{"lastUpdateId":%d,"E":2,"T":1,"bids":[["1.0","2"]],"asks":[["1.1","2"]]}' % self.last_id
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            await writer.drain()
        finally:
            writer.close()


@contextmanager
def collector(
    *words: str,
    environment: dict[str, str] | None = None,
    before: str = "",
    program: tuple[str, ...] = ("-m", "collector"),
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, *program, *words]
    if before:
        command = ["bash", "-c", f'{before}; exec "$@"', "bash", *command]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | (environment or {})
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_in(directory: Path) -> list[tuple[int, bytes]]:
    found = []
    for path in sorted(directory.glob("*.gz")):
        with gzip.open(path) as file:
            found += [(int(line.split(b" ", 1)[0]), line.split(b" ", 1)[1][:-1]) for line in file]
    return found


def frames_of(bodies: Iterable[bytes]) -> list[bytes]:
    return [body for body in bodies if not body.startswith((b'{"lastUpdateId"', b'{"e":"gap"'))]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "nothing happened for a minute"
        time.sleep(0.02)


def test_exchange_is_recorded_to_the_byte_across_clean_ends_of_the_connection(tmp_path: Path) -> None:
    target = tmp_path / "new" / "place"
    with Exchange(frames_each=40) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        with collector(str(target), "binancefutures", "BTCUSDT", "--json", *roots) as process:
            wait_for(lambda: exchange.connections >= 3, process)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "created" in err
    recorded = [body for _, body in lines_in(target)]
    snapshots = [body for body in recorded if body.startswith(b'{"lastUpdateId"')]
    frames = frames_of(recorded)
    assert frames == exchange.sent[: len(frames)]
    assert len(frames) >= 80
    assert snapshots
    stamps = [stamp for stamp, _ in lines_in(target)]
    assert stamps == sorted(stamps)
    summary = json.loads(out)
    assert (summary["ended"], summary["exit_code"], summary["lines"]) == ("SIGTERM", 0, len(recorded))


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_recording_of_nothing_at_all_is_an_error_that_quiet_does_not_hide(
    tmp_path: Path, quiet: tuple[str, ...]
) -> None:
    roots = ("--stream-url", "ws://127.0.0.1:9", "--api-url", "http://127.0.0.1:9")
    with collector(str(tmp_path), "binancefutures", "btcusdt", "--duration", "0.5", *roots, *quiet) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "symbols are not checked" in err
    assert "nothing at all was heard of what should trade: btcusdt" in err
    assert words_in(tmp_path) == ["gap recorder started"]


def test_silent_symbol_that_does_not_trade_is_no_error(tmp_path: Path) -> None:
    with Exchange(frames_each=0, status="SETTLING") as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        with collector(str(tmp_path), "binancefutures", "btcusdt", "--duration", "0.5", *roots) as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "does not trade now" in err


def test_log_lines_are_in_utc_and_of_the_form_that_the_other_programs_have(tmp_path: Path) -> None:
    roots = ("--stream-url", "ws://127.0.0.1:9", "--api-url", "http://127.0.0.1:9")
    words = (str(tmp_path / "new"), "binancefutures", "btcusdt", "--duration", "0.1", *roots)
    before = datetime.now(UTC).replace(tzinfo=None)
    with collector(*words, environment={"TZ": "Asia/Tokyo"}) as process:
        _, err = process.communicate(timeout=60)
    found = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} INFO collector created ", err)
    assert found is not None, err
    assert abs(datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S") - before) < timedelta(minutes=5)


@pytest.mark.parametrize("ignored", [False, True])
def test_hangup_ends_in_order_unless_it_is_ignored(
    tmp_path: Path, ignored: bool, request: pytest.FixtureRequest
) -> None:
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup themselves
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, inherited))
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        words = (str(tmp_path), "binancefutures", "btcusdt", "--json", *roots)
        with collector(*words, before="trap '' HUP" if ignored else "") as process:
            wait_for(lambda: len(lines_in(tmp_path)) > 5, process)
            process.send_signal(signal.SIGHUP)
            if ignored:
                recorded = len(lines_in(tmp_path))
                wait_for(lambda: len(lines_in(tmp_path)) > recorded + 100, process)
                process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert (summary["ended"], summary["lines"]) == ("SIGTERM" if ignored else "SIGHUP", len(lines_in(tmp_path)))


def test_every_run_begins_with_a_gap_and_gets_a_new_book(tmp_path: Path) -> None:
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        for run in range(1, 3):
            with collector(str(tmp_path), "binancefutures", "btcusdt", *roots) as process:
                wait_for(lambda n=run: words_in(tmp_path).count("book") == n, process)  # type: ignore[misc]
                process.send_signal(signal.SIGTERM)
                _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
    found = words_in(tmp_path)
    starts = [n for n, word in enumerate(found) if word == "gap recorder started"]
    assert starts[0] == 0
    assert len(starts) == 2
    assert "book" in found[: starts[1]]
    assert "book" in found[starts[1] :]


def test_file_emptied_by_another_program_says_so_and_gets_a_new_book(tmp_path: Path) -> None:
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        with collector(str(tmp_path), "binancefutures", "btcusdt", *roots) as process:
            wait_for(lambda: "book" in words_in(tmp_path), process)
            (path,) = tmp_path.glob("btcusdt_*.gz")
            os.truncate(path, 0)  # as logrotate's copytruncate does
            wait_for(lambda: "book" in words_in(tmp_path), process)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "changed by another program" in err
    assert words_in(tmp_path)[0] == "gap file changed"


def hung(where: str, stalled_s: float, patience_s: float) -> tuple[str, ...]:
    return (str(Path(__file__).with_name("hung.py")), where, str(stalled_s), str(patience_s))


def lines_until(process: subprocess.Popen[str], words: str) -> None:
    """Read what the process says until these words come."""
    assert process.stderr is not None
    said = []
    while words not in (line := process.stderr.readline()):
        said.append(line)
        assert line, said


def test_first_signal_ends_a_recorder_on_a_hung_disk_with_words_and_bounded_memory(tmp_path: Path) -> None:
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        words = (str(tmp_path), "binancefutures", "btcusdt", "--json", *roots)
        with collector(*words, program=hung("write", 1, 60)) as process:
            lines_until(process, "MiB behind")
            sent = len(exchange.sent)
            wait_for(lambda: len(exchange.sent) > sent + 100, process)
            began_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not written and lost" in err
    assert "Traceback" not in err
    assert time.monotonic() - began_s < 30
    assert json.loads(out)["source"]["connections"][0]["left_out"] >= 50, (
        "reading went on, and what did not fit is counted"
    )


@pytest.mark.parametrize("where", ["write", "open"])
def test_second_signal_ends_at_once_whatever_hangs(tmp_path: Path, where: str) -> None:
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        words = (str(tmp_path), "binancefutures", "btcusdt", *roots)
        with collector(*words, program=hung(where, 5, 60)) as process:
            lines_until(process, "MiB behind" if where == "write" else "hanging")
            process.send_signal(signal.SIGTERM)
            if where == "write":
                lines_until(process, "a second signal ends at once")
            else:
                time.sleep(0.5)
                assert process.poll() is None
            began_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "SIGTERM again" in err
    assert time.monotonic() - began_s < 20


def test_first_signal_ends_also_a_recorder_whose_main_thread_hangs(tmp_path: Path) -> None:
    with Exchange(frames_each=1) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        words = (str(tmp_path), "binancefutures", "btcusdt", *roots)
        with collector(*words, program=hung("open", 1, 1)) as process:
            lines_until(process, "hanging")
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not ended 1 s after SIGTERM" in err


def test_second_signal_ends_also_a_recorder_without_stderr(tmp_path: Path) -> None:
    roots = ("--stream-url", "ws://127.0.0.1:9", "--api-url", "http://127.0.0.1:9")
    words = (str(tmp_path), "binancefutures", "btcusdt", *roots)
    with collector(*words, program=hung("write", 30, 60), before="exec 2>&-") as process:
        wait_for(lambda: bool(list(tmp_path.glob("btcusdt_*.gz"))), process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # two signals at once would be one
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1


def test_recorder_of_a_link_on_a_hung_disk_ends_with_words(tmp_path: Path, small_link: dict[str, str]) -> None:
    words = (str(tmp_path), "btcusdt", "--ipc", "t", "--json")
    with collector(*words, program=hung("write", 1, 60), environment=small_link) as process:
        lines_until(process, "hanging")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not written and lost" in err


@pytest.mark.parametrize("limit", [12, 20, 30])
@pytest.mark.parametrize("words", [("binancefutures", "btcusdt"), ("btcusdt", "--ipc", "t")])
def test_too_few_open_files_are_said_in_a_sentence(tmp_path: Path, limit: int, words: tuple[str, ...]) -> None:
    roots = ("--stream-url", "ws://127.0.0.1:9", "--api-url", "http://127.0.0.1:9", "--duration", "1")
    with collector(str(tmp_path), *words, *roots, before=f"ulimit -n {limit}") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert f"the limit of open files is {limit}" in err
    assert "ulimit -n" in err
    assert len(err.splitlines()) == 1


def test_soft_limit_of_open_files_is_raised_as_far_as_is_needed(tmp_path: Path) -> None:
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        words = (str(tmp_path), "binancefutures", "btcusdt", *roots)
        with collector(*words, before="ulimit -S -n 14") as process:
            wait_for(lambda: "book" in words_in(tmp_path), process)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_unknown_symbol_is_told_with_the_nearest_and_leaves_no_file(tmp_path: Path) -> None:
    with Exchange(frames_each=1) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        with collector(str(tmp_path), "binancefutures", "btcusd", *roots) as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "did you mean btcusdt?" in err
    assert not list(tmp_path.iterdir())


def test_failed_write_ends_with_code_one_and_whole_lines(tmp_path: Path) -> None:
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        with collector(str(tmp_path), "binancefutures", "btcusdt", *roots, before="ulimit -f 1") as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "errno 27" in err
    assert "btcusdt_" in err
    assert "connection lost" not in err, "it was the disk"
    frames = frames_of(body for _, body in lines_in(tmp_path))
    assert frames == exchange.sent[: len(frames)]


def test_directory_that_can_not_be_made_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with collector(str(tmp_path / "file" / "x"), "binancefutures", "btcusdt") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words",
    [
        ["kraken", "btcusdt"],
        ["btcusdt"],
        [],
        ["binancefutures", "btcusdt", "--duration", "0"],
        ["binancefutures", "btcusdt", "--ipc", ""],
        ["btcusdt", "--ipc", ""],
    ],
)
def test_wrong_words_are_usage(tmp_path: Path, words: list[str]) -> None:
    assert CliRunner().invoke(app, [str(tmp_path), *words]).exit_code == 2


def test_version_and_help_do_not_load_what_they_do_not_need() -> None:
    code = "import sys; import collector.cli; print([m for m in ('numba', 'numpy', 'iceoryx2', 'websockets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


LEVELS = np.array(
    [
        (LOCAL | DEPTH_CLEAR, 5, 0, 0.0, 0.0, 0, 3, 0.0),
        (LOCAL | BUY | DEPTH, 5, 0, 9.5, 1.0, 0, 3, 0.0),
    ],
    EVENT_DTYPE,
)


class Publisher:
    """A connector's end of a real link that answers registrations and beats, moved by the test."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        from marketlink.link.iceoryx import IceoryxConnectorPort

        self.port: Any = IceoryxConnectorPort(name, settings=read_settings(environment))
        self.registered: list[str] = []
        self._beat_s = 0.0

    def turn(self) -> None:
        for request in self.port.requests():
            if isinstance(request.request, RegisterInstrument):
                self.registered.append(request.request.symbol)
                self.port.send(Batch((FeedEvent(request.request.symbol, LEVELS),), to=request.bot_id))
        if time.monotonic() - self._beat_s > 0.2:
            self._beat_s = time.monotonic()
            self.port.send(Batch())


@pytest.fixture
def small_link(link_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A link of its own that is quick to make: the usual sizes cost seconds."""
    sizes = tmp_path_factory.mktemp("sizes") / "channel.toml"
    sizes.write_text("buffer_size = 1000\nmax_bots = 4\n")
    return link_environment | {"HFTBACKTEST_CHANNEL_CONFIG": str(sizes)}


def words_in(directory: Path) -> list[str]:
    bodies = [json.loads(body) for _, body in lines_in(directory)]
    return [
        f"gap {body['reason']}" if "reason" in body else body.get("e", "book" if "bids" in body else "")
        for body in bodies
    ]


def test_connector_is_recorded_when_it_starts_later_and_after_its_restart(
    tmp_path: Path, small_link: dict[str, str]
) -> None:
    words = (str(tmp_path), "", "BTCUSDT", "--ipc", "t", "--json")
    with collector(*words, environment=small_link) as process:
        wait_for(lambda: bool(list(tmp_path.glob("btcusdt_*.gz"))), process)
        for run in (1, 2):
            publisher = Publisher("t", small_link)
            try:
                wait_for(lambda p=publisher: bool(p.turn() or p.registered), process)  # type: ignore[misc]
                wait_for(
                    lambda p=publisher, n=run: bool(p.turn() or words_in(tmp_path).count("depthClear") >= n),  # type: ignore[misc]
                    process,
                )
            finally:
                publisher.port.close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = words_in(tmp_path)
    assert "gap connector restarted" in found
    after = found[found.index("gap connector restarted") :]
    assert "depthClear" in after
    summary = json.loads(out)
    assert (summary["ended"], summary["lines"]) == ("SIGINT", len(found))


def test_second_recorder_of_the_same_file_is_refused(tmp_path: Path, small_link: dict[str, str]) -> None:
    words = (str(tmp_path), "btcusdt", "--ipc", "t")
    with collector(*words, environment=small_link) as first:
        wait_for(lambda: bool(list(tmp_path.glob("btcusdt_*.gz"))), first)
        with collector(*words, environment=small_link) as second:
            _, err = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"process {first.pid}" in err


def test_recording_of_the_other_dialect_is_refused_with_the_remedy_and_not_touched(
    tmp_path: Path, small_link: dict[str, str]
) -> None:
    with Exchange(frames_each=100_000) as exchange:
        roots = ("--stream-url", exchange.stream_root, "--api-url", exchange.rest_root)
        with collector(str(tmp_path), "binancefutures", "btcusdt", *roots) as process:
            wait_for(lambda: "book" in words_in(tmp_path), process)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    (path,) = tmp_path.glob("btcusdt_*.gz")
    before = path.read_bytes()
    with collector(str(tmp_path), "btcusdt", "--ipc", "t", "--duration", "1", environment=small_link) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "recorded from the exchange itself" in err
    assert "another directory" in err
    assert path.read_bytes() == before


def test_duration_ends_a_recording_without_a_connector(tmp_path: Path, small_link: dict[str, str]) -> None:
    words = (str(tmp_path), "btcusdt", "--ipc", "t", "--duration", "0.3", "--json")
    with collector(*words, environment=small_link) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["ended"] == "duration"
