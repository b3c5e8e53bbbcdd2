"""The program itself, started for real on ports of its own and asked over sockets."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner
from venue_sim.cli import app
from venue_sim.sockets import text_frame
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

STREAMS = "btcusdt@depth@0ms/btcusdt@bookTicker/btcusdt@trade"


class Running:
    """One started program and its addresses."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the program did not start: {process.poll()}"
        self.addresses = json.loads(line)
        self.ws, self.rest, self.control = (self.addresses[name] for name in ("ws", "rest", "control"))
        self.http = httpx.Client(timeout=20, verify=False)

    def connect(self, path: str = f"/public/stream?streams={STREAMS}") -> ClientConnection:
        return connect(self.ws + path, compression=None, max_size=None, close_timeout=1)

    def raw(self, path: str = f"/public/stream?streams={STREAMS}") -> socket.socket:
        """A websocket of our own making, to see what the transport does."""
        host, port = self.ws.removeprefix("ws://").split(":")
        sock = socket.create_connection((host, int(port)), timeout=20)
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(1)
        assert answer.startswith(b"HTTP/1.1 101")
        return sock

    def state(self) -> Any:
        return self.http.get(self.control + "/state").json()

    def fault(self, **fault: Any) -> None:
        answer = self.http.post(self.control + "/faults", json=fault)
        assert answer.status_code == 200, answer.text

    def depth(self, **query: Any) -> httpx.Response:
        return self.http.get(self.rest + "/fapi/v1/depth", params={"symbol": "BTCUSDT", **query})

    def stop(self) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
                raise
            finally:
                if self.process.stdout is not None:
                    self.process.stdout.close()
        elif self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode


def launch(*arguments: str) -> Running:
    command = [sys.executable, "-m", "venue_sim", "run", *arguments]
    return Running(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(*arguments: str) -> Running:
        running.append(launch(*arguments))
        return running[-1]

    yield begin
    codes = [each.stop() for each in running]
    assert all(code == 0 for code in codes), codes


@pytest.fixture(scope="module")
def lively() -> Iterator[Running]:
    """One synthetic market for all tests that need no other."""
    off = ("--message-limit", "0", "--weight-limit", "1000000", "--connection-limit", "0")
    sim = launch("--rate", "1500", "--symbols", "btcusdt,ethusdt", "--levels", "5", *off)
    yield sim
    assert sim.stop() == 0


def receive(ws: ClientConnection, count: int) -> list[bytes]:
    return [ws.recv(timeout=20, decode=False) for _ in range(count)]  # type: ignore[misc]


def drain(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def hammer(ws: ClientConnection) -> None:
    for number in range(40):
        ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
    receive(ws, 40)


def ask(ws: ClientConnection, request: object) -> Any:
    ws.send(request if isinstance(request, str) else json.dumps(request))
    while True:
        answer = json.loads(ws.recv(timeout=20))
        if "id" in answer:
            return answer


def wait_until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


def test_a_recording_arrives_byte_for_byte_and_the_book_is_its_book(
    start: Callable[..., Running], recorded: Callable[..., Path], small: list[bytes], tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"
    sim = start(
        "--market", "replay", "--capture", str(recorded(small, members=3)), "--speed", "0", "--ready-file", str(ready)
    )
    assert json.loads(ready.read_text()) == sim.addresses
    frames = [body for body in small if body.startswith(b'{"stream"')]
    with sim.connect() as ws, sim.connect(f"/public/ws/{STREAMS}") as bare:
        assert receive(ws, len(frames)) == frames
        bare.ping().wait(5)
        depth = sim.depth(limit=5).json()
        truth = sim.http.get(sim.control + "/book", params={"symbol": "btcusdt"}).json()
        assert depth == truth
        assert (depth["lastUpdateId"], depth["bids"]) == (
            140,
            [["100.0", "1.000"], ["99.9", "2.500"], ["98.0", "6.000"]],
        )
        older = sim.http.get(sim.control + "/book", params={"symbol": "BTCUSDT", "u": 110, "limit": 1}).json()
        assert (older["lastUpdateId"], older["bids"], older["asks"]) == (
            110,
            [["100.0", "1.000"]],
            [["100.1", "3.000"]],
        )
        assert sim.http.get(sim.control + "/book", params={"symbol": "btcusdt", "u": 111}).status_code == 404
        state = sim.state()
        assert (state["done"], state["position"], state["total"]) == (True, 9, 9)
        assert state["symbols"]["btcusdt"]["last_u_sent"] == 140
        assert state["frames_sent"]["btcusdt@trade"] == 2
        assert state["rest_requests"] == {"/fapi/v1/depth 200": 1}


def test_subscription_requests_are_answered_as_the_exchange_does(lively: Running) -> None:
    sim = lively
    with sim.connect("/public/ws") as ws:
        assert ask(ws, {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "ethusdt@depth@100ms"], "id": 1}) == {
            "result": None,
            "id": 1,
        }
        assert ask(ws, {"method": "LIST_SUBSCRIPTIONS", "id": 2}) == {
            "result": ["btcusdt@trade", "ethusdt@depth@100ms"],
            "id": 2,
        }
        assert {json.loads(text)["e"] for text in receive(ws, 60)} == {"trade", "depthUpdate"}
        assert ask(ws, {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": "abc"}) == {
            "result": None,
            "id": "abc",
        }
        for wrong in ("{", '{"method":"FLY","id":9}', '{"method":"SUBSCRIBE","params":"x","id":9}'):
            answer = ask(ws, wrong) if wrong != "{" else None
            if answer is None:
                ws.send(wrong)
                while "error" not in (answer := json.loads(ws.recv(timeout=20))):
                    pass
            assert set(answer["error"]) == {"code", "msg"}
        assert (
            ask(ws, {"method": "SUBSCRIBE", "params": [f"s{n}@trade" for n in range(200)], "id": 5})["error"]["code"]
            == 2
        )
    with pytest.raises(InvalidStatus), sim.connect("/nowhere/ws"):
        pass


def test_a_stream_on_a_path_of_another_category_is_acknowledged_and_silent(lively: Running) -> None:
    sim = lively
    with sim.connect("/market/ws") as wrong, sim.connect("/ws/btcusdt@trade") as retired:
        assert ask(wrong, {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}) == {"result": None, "id": 1}
        assert json.loads(receive(retired, 1)[0])["e"] == "trade"
        with pytest.raises(TimeoutError):
            wrong.recv(timeout=0.3)


def synchronised(sim: Running, ws: ClientConnection, updates: int) -> None:
    """Build a book as a client must (exchange.md section 1) and compare it with the truth now and then."""
    buffer = [orjson.loads(receive(ws, 1)[0])["data"]]
    snapshot = sim.depth(limit=1000).json()
    last_id = snapshot["lastUpdateId"]
    bids, asks = dict(snapshot["bids"]), dict(snapshot["asks"])
    joined = False
    seen = 0
    while seen < updates:
        update = buffer.pop(0) if buffer else orjson.loads(receive(ws, 1)[0])["data"]
        if update["u"] < snapshot["lastUpdateId"]:
            continue
        if not joined:
            assert update["U"] <= last_id <= update["u"] or update["pu"] == last_id
            joined = True
        else:
            assert update["pu"] == last_id
        last_id = update["u"]
        for side, changes in ((bids, update["b"]), (asks, update["a"])):
            for price, quantity in changes:
                if float(quantity) == 0:
                    side.pop(price, None)
                else:
                    side[price] = quantity
        seen += 1
        if seen % (updates // 4) == 0:
            truth = sim.http.get(sim.control + "/book", params={"symbol": "btcusdt", "u": last_id, "limit": 100}).json()
            assert truth["bids"] == [[price, bids[price]] for price in sorted(bids, key=float, reverse=True)[:100]]
            assert truth["asks"] == [[price, asks[price]] for price in sorted(asks, key=float)[:100]]


@pytest.mark.parametrize("stream", ["depth@0ms", "depth@100ms"])
def test_snapshots_under_load_fit_the_stream(lively: Running, stream: str) -> None:
    with lively.connect(f"/public/stream?streams=btcusdt@{stream}") as ws:
        for _ in range(3):
            synchronised(lively, ws, 12 if stream == "depth@100ms" else 100)


def strictly_inside(sim: Running, ws: ClientConnection) -> None:
    """Get in sync as a client does that asks at its first update and takes only one with `U <= L < u` as the next."""
    buffer = [orjson.loads(receive(ws, 1)[0])["data"]]
    snapshot = sim.depth(limit=1000).json()
    last_id = snapshot["lastUpdateId"]
    while buffer[-1]["u"] <= last_id:
        buffer.append(orjson.loads(receive(ws, 1)[0])["data"])
    first, *_ = [update for update in buffer if update["u"] > last_id]
    assert first["U"] <= last_id < first["u"]
    bids, asks = dict(snapshot["bids"]), dict(snapshot["asks"])
    for side, changes in ((bids, first["b"]), (asks, first["a"])):
        side.update((price, quantity) for price, quantity in changes)
    truth = sim.http.get(sim.control + "/book", params={"symbol": "btcusdt", "u": first["u"], "limit": 100}).json()
    for name, side in (("bids", bids), ("asks", asks)):
        best = sorted((price for price in side if float(side[price])), key=float, reverse=name == "bids")[:100]
        assert truth[name] == [[price, side[price]] for price in best][: len(truth[name])]


@pytest.mark.parametrize("market", ["synthetic", "flood", "replay"])
def test_a_client_that_needs_a_snapshot_within_an_update_gets_in_sync(
    start: Callable[..., Running], captured: Path, market: str
) -> None:
    made = ("--rate", "1000", "--levels", "5")
    capture = ("--capture", str(captured / "captures" / "usdm_btcusdt_20240808.gz"), "--speed", "1")
    sim = start("--market", market, *(capture if market == "replay" else made), "--snapshots", "inside")
    for _ in range(3):
        with sim.connect("/public/stream?streams=btcusdt@depth@0ms") as ws:
            strictly_inside(sim, ws)


def test_snapshots_of_a_flood_fit_its_stream(start: Callable[..., Running]) -> None:
    sim = start(
        "--market", "flood", "--rate", "3000", "--symbols", "btcusdt", "--levels", "5", "--weight-limit", "1000000"
    )
    with sim.connect("/public/stream?streams=btcusdt@depth@0ms") as ws:
        synchronised(sim, ws, 100)


@pytest.mark.parametrize("mode", ["pu", "u", "inside"])
def test_boundary_snapshots_fit_the_stream(lively: Running, mode: str) -> None:
    sim = lively
    with sim.connect("/public/stream?streams=btcusdt@depth@0ms") as ws:
        receive(ws, 3)
        sim.fault(kind="boundary_snapshot", mode=mode, for_s=0.2)
        buffered = len(receive(ws, 1))
        before = sim.state()["symbols"]["btcusdt"]["last_u_sent"]
        answered = sim.depth(limit=1000).json()["lastUpdateId"]
        assert buffered == 1
        assert answered >= before
        first_after = None
        last_before = None
        while first_after is None:
            update = orjson.loads(receive(ws, 1)[0])["data"]
            if update["u"] < answered or (mode == "pu" and update["u"] == answered):
                last_before = update
            else:
                first_after = update
        match mode:
            case "pu":
                assert first_after["pu"] == answered
            case "u":
                assert first_after["u"] == answered
            case _:
                assert first_after["U"] <= answered <= first_after["u"]
        assert last_before is None or last_before["u"] == first_after["pu"]


def test_connections_end_the_way_they_were_told_to(lively: Running) -> None:
    sim = lively
    with sim.connect() as ws:
        receive(ws, 1)
        sim.fault(kind="close", code=1011, reason="why not")
        with pytest.raises(ConnectionClosed) as closed:
            receive(ws, 10_000)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "why not")
    with sim.connect() as ws:
        receive(ws, 1)
        sim.fault(kind="eof")
        with pytest.raises(ConnectionClosed) as ended:
            receive(ws, 10_000)
        assert ended.value.rcvd is None
    raw = sim.raw()
    with raw:
        sim.fault(kind="eof")
        drain(raw)
    raw = sim.raw()
    with raw:
        sim.fault(kind="reset")
        with pytest.raises(ConnectionResetError):
            drain(raw)
    with sim.connect() as ws:
        sim.fault(kind="server_shutdown", delay_s=0.1)
        events = []
        with pytest.raises(ConnectionClosed) as shut:
            events.extend(json.loads(text) for text in iter(lambda: ws.recv(timeout=20), None))
        assert any(event.get("e") == "serverShutdown" for event in events)
        assert shut.value.rcvd is not None
        assert shut.value.rcvd.code == 1001
    state = sim.state()
    kinds = ["close", "eof", "eof", "reset", "server_shutdown"]
    assert [fired["kind"] for fired in state["faults_fired"]][-5:] == kinds
    assert state["connections"] == []


def test_a_stalled_connection_is_silent_and_then_goes_on_with_a_gap(lively: Running) -> None:
    with lively.connect("/public/stream?streams=btcusdt@depth@0ms") as ws:
        last_id = json.loads(receive(ws, 1)[0])["data"]["u"]
        lively.fault(kind="stall", for_s=0.3)
        gaps = 0
        for _ in range(20_000):
            data = json.loads(receive(ws, 1)[0])["data"]
            gaps += data["pu"] != last_id
            last_id = data["u"]
            if gaps:
                break
        for text in receive(ws, 50):
            data = json.loads(text)["data"]
            gaps += data["pu"] != last_id
            last_id = data["u"]
    assert gaps == 1


def test_the_control_port_names_what_is_wrong(lively: Running) -> None:
    sim = lively
    for body, field in (
        ({"kind": "drop", "probability": 2}, "probability"),
        ({"kind": "what"}, "kind"),
        ([1], "(body)"),
    ):
        answer = sim.http.post(sim.control + "/faults", json=body)
        assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert sim.http.post(sim.control + "/faults", content=b"{").status_code == 400
    assert sim.http.post(sim.control + "/advance", params={"frames": 1}).status_code == 409
    assert sim.http.get(sim.control + "/nothing").status_code == 404
    assert sim.http.get(sim.control + "/book", params={"symbol": "nope"}).status_code == 404
    sim.fault(kind="drop", at_s=1e6)
    assert sim.state()["faults_waiting"][0]["at_s"] == 1e6
    assert sim.http.delete(sim.control + "/faults").json() == {"cleared": 1}


def test_a_paused_replay_is_stepped_and_depth_waits_for_its_book(
    start: Callable[..., Running], recorded: Callable[..., Path], small: list[bytes]
) -> None:
    sim = start("--market", "replay", "--capture", str(recorded(small)), "--paused", "--depth-wait", "0.3")
    assert sim.depth().status_code == 503, "the book is not known and does not become so in time"
    frames = [body for body in small if body.startswith(b'{"stream"')]
    with sim.connect() as ws:
        assert sim.http.post(sim.control + "/advance", params={"frames": 2}).json()["position"] == 2
        assert receive(ws, 2) == frames[:2]
        waiting: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: waiting.append(sim.depth()))
        asking.start()
        sim.http.post(sim.control + "/advance", params={"frames": 2})
        assert receive(ws, 2) == frames[2:4]
        asking.join(20)
        assert waiting[0].json()["lastUpdateId"] == 110
        sim.http.post(sim.control + "/resume")
        assert receive(ws, 5) == frames[4:]


def test_a_fault_script_is_played_and_the_program_ends_with_its_recording(
    start: Callable[..., Running], recorded: Callable[..., Path], small: list[bytes], tmp_path: Path
) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[fault]]\nkind = "drop"\nstream = "trade"\nafter_message = 1\n')
    options = ("--speed", "0", "--faults", str(script), "--exit-at-end", "0.1")
    sim = start("--market", "replay", "--capture", str(recorded(small)), *options)
    frames = [body for body in small if body.startswith(b'{"stream"') and body != small[8]]
    with sim.connect() as ws:
        assert receive(ws, len(frames)) == frames
        with pytest.raises(ConnectionClosed):
            receive(ws, 1)
    assert sim.process.wait(20) == 0


def test_limits_and_rest_faults_show_at_the_client(start: Callable[..., Running]) -> None:
    pings = ("--ping-interval", "0.3", "--pong-timeout", "0.5")
    sim = start("--rate", "1", "--connection-limit", "4", *pings, "--weight-limit", "41", "--ban-patience", "1")
    with sim.raw("/public/ws") as silent, sim.connect("/public/ws") as lively:
        received = b""
        while piece := silent.recv(4096):
            received += piece
        assert received.startswith(b"\x89"), "a ping came first"
        assert b"\x03\xf0Pong timeout" in received
        lively.ping().wait(5)
    with sim.connect("/public/ws") as ws:
        with pytest.raises(ConnectionClosed) as closed:
            hammer(ws)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
    with sim.connect("/public/ws"):
        pass
    with pytest.raises(InvalidStatus) as refused, sim.connect("/public/ws"):
        pass
    assert refused.value.response.status_code == 429

    first = sim.depth(limit=1000)
    assert (first.status_code, first.headers["X-MBX-USED-WEIGHT-1M"]) == (200, "20")
    for fault, expected in (({"kind": "status", "status": 503}, 503), ({"kind": "slow", "delay_s": 0.1}, 200)):
        sim.fault(**fault)
        assert sim.http.get(sim.rest + "/fapi/v1/ping").status_code == expected
    sim.fault(kind="empty_body")
    assert sim.http.get(sim.rest + "/fapi/v1/ping").content == b""
    sim.fault(kind="timeout")
    with pytest.raises(httpx.ReadTimeout):
        sim.http.get(sim.rest + "/fapi/v1/ping", timeout=0.3)
    statuses = [sim.depth(limit=1000).status_code for _ in range(4)]
    assert statuses[-1] == 418
    assert set(statuses) <= {200, 429, 418}


def test_a_signal_ends_everything_even_requests_that_are_never_answered(start: Callable[..., Running]) -> None:
    sim = start("--rate", "5000")
    sim.fault(kind="timeout")
    stuck = threading.Thread(target=lambda: httpx.get(sim.rest + "/fapi/v1/ping", timeout=20, verify=False))
    with sim.connect() as ws, sim.raw():
        receive(ws, 10)
        stuck.start()
        wait_until(lambda: "/fapi/v1/ping never" in sim.state()["rest_requests"])
        sim.process.send_signal(signal.SIGINT)
        assert sim.process.wait(10) == 0, "two seconds are promised; the rest is for a loaded machine"
        with pytest.raises(ConnectionClosed):
            receive(ws, 100_000)
    stuck.join(20)


def test_an_interrupt_logs_no_warning_and_lines_are_in_utc() -> None:
    command = [sys.executable, "-m", "venue_sim", "run", "--rate", "500"]
    environment = {**os.environ, "TZ": "Pacific/Kiritimati"}  # 14 hours ahead
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    sim = Running(process)
    host, port = sim.rest.removeprefix("http://").split(":")
    with sim.connect() as ws, sim.raw(), socket.create_connection((host, int(port)), timeout=20) as half:
        half.sendall(b"POST /sim/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        for path in ("/sim/faults", "/fapi/v1/order"):
            with socket.create_connection((host, int(port)), timeout=20) as gone:
                gone.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
                sim.state()
        receive(ws, 10)
        sim.state()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert process.stderr is not None
    lines = process.stderr.read().splitlines()
    process.stderr.close()
    sim.stop()
    assert len(lines) >= 2
    for line in lines:
        day, clock, level, name, _ = line.split(" ", 4)
        assert (level, name) == ("INFO", "venue_sim"), line
        logged = datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - logged) < timedelta(hours=1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--host", "0.0.0.0"], "loopback"),
        (["--market", "replay"], "--capture"),
        (["--market", "replay", "--capture", "/nonexistent"], "nonexistent"),
        (["--rate", "-1"], "negative"),
        (["--wait-for", "all"], "--wait-for"),
        (["--capture", "x.gz"], "--capture"),
        (["--weight-limit", "0"], "at least 20"),
        (["--weight-limit", "19"], "at least 20"),
        (["--log-level", "loud"], "--log-level"),
    ],
)
def test_wrong_options_are_refused_in_words(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(app, ["run", *arguments])
    assert result.exit_code == 2
    assert text in result.output


def test_help_explains_without_loading_a_server() -> None:
    code = "import sys; sys.argv=['venue-sim','run','--help']\nfrom venue_sim.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print('uvicorn' in sys.modules, 'numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"}
    )
    assert "--start-on-subscribe" in done.stdout
    assert done.stdout.splitlines()[-1] == "False False"


def test_the_shared_capture_arrives_byte_for_byte(start: Callable[..., Running], captured: Path) -> None:
    capture = captured / "captures" / "usdm_btcusdt_20240808.gz"
    sim = start("--market", "replay", "--capture", str(capture), "--speed", "0")
    with gzip.open(capture) as file:
        wanted = [line.split(b" ", 1)[1].rstrip(b"\n") for line in file if b'{"stream"' in line[:40]]
    expected = b"".join(text_frame(frame) + frame for frame in wanted)
    got = bytearray()
    with sim.raw() as sock:
        while len(got) < len(expected) and (piece := sock.recv(1 << 20)):
            got += piece
    assert got == expected
    assert sim.state()["symbols"]["btcusdt"]["book_u"] == 5123135475514
