"""Runs an exchange: two listening sockets on loopback, the pump that moves the market, the ticks, and an orderly
end.

The clock of the event loop is good to about a millisecond, so a frame may leave that much later than it is due;
order and content never change.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvicorn

from venue_sim.control import Control
from venue_sim.desk import Desk
from venue_sim.errors import BadMarket
from venue_sim.exchange import Exchange
from venue_sim.following import Follower
from venue_sim.http import HttpConnections
from venue_sim.rest import Progress, Rest, application
from venue_sim.sockets import Sockets

BATCH = 256
TICK_S = 0.02
SHORT_WAIT_S = 0.02
SHORTEST_WAIT_S = 0.0005
_log = logging.getLogger("venue_sim")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen and how the shell behaves. Port 0 lets the system choose."""

    host: str = "127.0.0.1"
    ws_port: int = 0
    rest_port: int = 0
    ready_file: Path | None = None
    connection_limit: int = 300
    depth_wait_s: float = 10.0
    max_buffer: int = 256 << 20
    exit_at_end_s: float | None = None


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the shell has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def loopback_only(host: str) -> None:
    """Raise `BadMarket` unless the address is a loopback address."""
    try:
        fine = ipaddress.ip_address(host).is_loopback
    except ValueError:
        fine = host == "localhost"
    if not fine:
        raise BadMarket("--host", f"only loopback addresses are served, not {host!r}")


class Shell:
    """One run of the program."""

    def __init__(self, exchange: Exchange, desk: Desk, ports: Ports, follower: Follower | None = None) -> None:
        loopback_only(ports.host)
        self._exchange = exchange
        self._desk = desk
        self._ports = ports
        self._follower = follower
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        self._progress = Progress()
        self._sockets = Sockets(
            exchange, connection_limit=ports.connection_limit, max_buffer=ports.max_buffer, changed=self._wake.set
        )

    async def run(self) -> None:
        """Serve until a signal (or the end of the market, when asked) says stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        ws_socket = _listener(self._ports.host, self._ports.ws_port)
        rest_socket = _listener(self._ports.host, self._ports.rest_port)
        ws_server = await loop.create_server(self._sockets, sock=ws_socket, backlog=512)
        connections = HttpConnections()
        rest = Rest(self._desk, self._progress, self._ending, self._ports.depth_wait_s, self._told, connections)
        self._sockets.answer_api = self._answer_api
        app = application(rest, Control(self._exchange, self._desk, self._sockets), self._moved)
        http = _Server(
            uvicorn.Config(
                app,
                http=connections.protocol(),
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
                timeout_keep_alive=60,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(http.serve(sockets=[rest_socket]))
            # both sockets listen already: what comes before uvicorn is up waits in the backlog
            self._announce(ws_socket, rest_socket)
            _log.info("market %s: %s", self._exchange.market.name, ", ".join(self._exchange.market.instruments))
            if not self._exchange.rules.start_on_subscribe:
                self._exchange.timeline.start(time.monotonic_ns())
            pump = tasks.create_task(self._pump())
            ticks = tasks.create_task(self._ticks())
            following = None if self._follower is None else tasks.create_task(self._follower.run(self._wake.set))
            await self._ending.wait()
            _log.info("ends: frames %d, connections %d", self._exchange.position, self._exchange.opened)
            await _cancelled([task for task in (pump, ticks, following) if task is not None])
            self._sockets.close_all()
            ws_server.close()
            # requests cut off by our own end are no failure
            logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
            http.should_exit = True
            await asyncio.wait([serving], timeout=1.2)
            http.force_exit = True
            await asyncio.wait([serving], timeout=1.2)
            await _cancelled([serving])  # whatever it still waits for, such as a client that does not close
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self._ending.set()

    def _moved(self) -> None:
        self._progress.moved()
        self._wake.set()

    def _told(self) -> None:
        """A request was carried out: owners hear of it, and the market may have something to do."""
        self._sockets.apply(self._exchange.flush())
        self._wake.set()

    def _answer_api(self, connection: int, text: bytes, client: str) -> None:
        """Answer a request that came over a websocket."""
        travel_s = self._desk.latencies.request_s()
        if travel_s:
            asyncio.get_running_loop().call_later(travel_s, self._carry_out, connection, text, client)
        else:
            self._carry_out(connection, text, client)

    def _carry_out(self, connection: int, text: bytes, client: str) -> None:
        reply = self._desk.ask_api(text, client, time.monotonic_ns(), time.time(), connection)
        self._told()
        if reply.hang_up:
            self._sockets.apply(self._exchange.break_off(connection, reply.hang_up))
        elif not reply.never:
            loop = asyncio.get_running_loop()
            travel_s = reply.delay_s + self._desk.latencies.answer_s()
            loop.call_later(travel_s, lambda: self._sockets.apply(self._exchange.send(connection, reply.body)))

    def _announce(self, ws_socket: socket.socket, rest_socket: socket.socket) -> None:
        (host, ws_port, *_), (_, rest_port, *_) = ws_socket.getsockname(), rest_socket.getsockname()
        host = f"[{host}]" if ":" in host else host
        rest = f"http://{host}:{rest_port}"
        line = orjson.dumps({"ws": f"ws://{host}:{ws_port}", "rest": rest, "control": f"{rest}/sim"}) + b"\n"
        if self._ports.ready_file is not None:
            write_whole(self._ports.ready_file, line)
        sys.stdout.write(line.decode())
        sys.stdout.flush()

    async def _pump(self) -> None:
        exchange = self._exchange
        while True:
            self._wake.clear()
            now_ns = time.monotonic_ns()
            before = exchange.position
            self._sockets.apply(exchange.pump(now_ns, BATCH))
            if exchange.position != before or exchange.held:
                self._progress.moved()
            if exchange.timeline.unpaced:
                await self._until_read()
            due_ns = exchange.next_due_ns(time.monotonic_ns())
            if due_ns is None:
                if exchange.done and self._ports.exit_at_end_s is not None:
                    await self._leave()
                await self._wake.wait()
                continue
            wait_s = (due_ns - time.monotonic_ns()) / 1e9
            if exchange.timeline.unpaced and wait_s <= 0:
                await asyncio.sleep(0)
                continue
            if wait_s < SHORT_WAIT_S:
                await asyncio.sleep(max(wait_s, SHORTEST_WAIT_S))
                continue
            # not asyncio.wait_for: Python 3.11's loses a cancellation that comes together with what it waits for
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _until_read(self) -> None:
        """Wait until every client has read enough for more to be sent: without a clock nothing is dropped and
        nobody is hurried."""
        while self._sockets.congested:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._wake.wait()

    async def _ticks(self) -> None:
        while True:
            if self._desk.trade is not None:
                self._desk.trade.due(time.monotonic_ns(), time.time())
            self._sockets.apply(self._exchange.tick(time.monotonic_ns()))
            late_ns = self._exchange.next_late_ns()
            wait_s = TICK_S if late_ns is None else (late_ns - time.monotonic_ns()) / 1e9
            await asyncio.sleep(min(TICK_S, max(SHORTEST_WAIT_S, wait_s)))

    async def _leave(self) -> None:
        """After the last frame: let clients read what is on its way, then end."""
        await asyncio.sleep(self._ports.exit_at_end_s or 0.0)
        self._stop()


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they are done: one cancellation can get lost in what a task waits for."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.5)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    os.replace(partial, path)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    listener.setblocking(False)
    return listener
