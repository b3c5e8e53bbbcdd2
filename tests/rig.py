"""Real processes on a link of their own: the simulated exchange, connectors, collectors.

Used by the system tests, the demo and the benches.

Everything started here is ended here, by its process id, whatever happened.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from marketlink.venues.registry import find

ROOT = Path(__file__).parents[1]


class Rig:
    """A folder, a link and the processes on it; a context manager."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ml", dir="/tmp"))
        self.prefix = f"{self.folder.name}_"
        self.link = {"MARKETLINK_LINK_ROOT": str(self.folder / "x"), "MARKETLINK_LINK_PREFIX": self.prefix}
        # What outlives a process stays within the rig too.
        own = {"XDG_STATE_HOME": str(self.folder / "state"), "PYTHONUNBUFFERED": "1"}
        self.environment = {**os.environ, **self.link, **own}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.addresses: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(10)
        for entry in Path("/dev/shm").glob(f"{self.prefix}*"):
            entry.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, label: str, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start `python -m module arguments`; its output goes to `{label}.out` and `{label}.log` in the folder."""
        return self.command(label, sys.executable, "-m", module, *arguments)

    def command(self, label: str, *words: object) -> subprocess.Popen[bytes]:
        """Start a command likewise."""
        with (self.folder / f"{label}.out").open("ab") as out, (self.folder / f"{label}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in words],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.processes[label] = process
        return process

    @contextlib.contextmanager
    def under(self, **variables: str) -> Iterator[None]:
        """Start processes with these environment variables besides."""
        before = self.environment
        self.environment = {**before, **variables}
        try:
            yield
        finally:
            self.environment = before

    def read_json(self, name: str) -> Any:
        """What a process wrote into a file of the folder."""
        return json.loads((self.folder / name).read_text())

    def exchange(self, *arguments: object) -> None:
        """Start the simulated exchange and learn its addresses."""
        ready = self.folder / "exchange.json"
        process = self.start("exchange", "venue_sim", "run", *arguments, "--ready-file", ready)
        self.until(lambda: ready.exists() or process.poll() is not None, 60, "the exchange to be ready")
        if not ready.exists():
            raise RuntimeError(f"the exchange did not start: {self.log('exchange')}")
        self.addresses = json.loads(ready.read_text())

    def connector(
        self, name: str = "bf", label: str = "connector", exchange: str = "binancefutures", **settings: object
    ) -> subprocess.Popen[bytes]:
        """Start a connector to the exchange, which `exchange` names."""
        config = self.folder / f"{label}.toml"
        values: dict[str, object] = {"stream_url": self.addresses["ws"], "api_url": self.addresses["rest"], **settings}
        if find(exchange).trade_rest_root:  # the simulated exchange is both hosts
            values.setdefault("market_api_url", self.addresses["rest"])
        config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        return self.start(label, "connector", name, exchange, config)

    def direct_collector(
        self,
        path: Path,
        symbols: Sequence[str],
        *options: object,
        label: str = "direct",
        venue: str = "binancefuturesum",
    ) -> subprocess.Popen[bytes]:
        """Start a collector on the exchange."""
        urls = ("--stream-url", self.addresses["ws"], "--api-url", self.addresses["rest"])
        return self.start(label, "collector", path, venue, *symbols, *urls, "--json", *options)

    def link_collector(
        self, path: Path, symbols: Sequence[str], *options: object, name: str = "bf", label: str = "ipc"
    ) -> subprocess.Popen[bytes]:
        """Start a collector on a connector."""
        return self.start(label, "collector", path, *symbols, "--ipc", name, "--json", *options)

    def end(self, label: str, number: signal.Signals = signal.SIGTERM, timeout_s: float = 20) -> int:
        """Signal a process and return its exit code."""
        process = self.processes[label]
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(timeout_s)

    def log(self, label: str, lines: int = 30) -> str:
        """The end of a process's log."""
        path = self.folder / f"{label}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def summary(self, label: str) -> dict[str, Any]:
        """What a collector said at its end."""
        value: dict[str, Any] = json.loads((self.folder / f"{label}.out").read_text())
        return value

    def ask(self, path: str, body: object = None, method: str | None = None, **query: object) -> Any:
        """Ask the exchange's control port."""
        url = f"{self.addresses['control']}/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            url, data, {"Content-Type": "application/json"}, method=method or ("POST" if data is not None else "GET")
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def state(self) -> dict[str, Any]:
        """The exchange's own account of itself."""
        state: dict[str, Any] = self.ask("state")
        return state

    def true_book(
        self, symbol: str, last_id: int
    ) -> tuple[list[tuple[float, float]], list[tuple[float, float]]] | None:
        """The exchange's book right after the update `last_id`, best first; None when it had no such update."""
        try:
            body = self.ask("book", symbol=symbol, u=last_id, limit=1_000_000)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        bids, asks = ([(float(price), float(qty)) for price, qty in body[side]] for side in ("bids", "asks"))
        return bids, asks

    def asked(self, symbol: str) -> int:
        """How many snapshots of a symbol were asked for."""
        return len(self.state()["symbols"][symbol]["depth_requests"])

    def until(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait for a condition; a process that died meanwhile is told with its log."""
        for _ in self.polls(timeout_s):
            if condition():
                return
        dead = {label: process.returncode for label, process in self.processes.items() if process.poll() is not None}
        logs = "\n".join(f"--- {label}\n{self.log(label)}" for label in self.processes)
        raise TimeoutError(f"waited {timeout_s} s for {what}; ended: {dead}\n{logs}")

    @staticmethod
    def polls(timeout_s: float, every_s: float = 0.05) -> Iterator[float]:
        """Yield the seconds that passed, until the time is over."""
        start = time.monotonic()
        while (passed := time.monotonic() - start) < timeout_s:
            yield passed
            time.sleep(every_s)
