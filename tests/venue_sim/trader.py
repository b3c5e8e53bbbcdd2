"""A running exchange with an account, and a signed client of it over real sockets, for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from venue_sim.auth import sign
from websockets.sync.client import ClientConnection, connect

ACCOUNTS = """
[[account]]
name = "main"
api_key = "key"
secret = "secret"
balance = "1000000"
"""


class Trader:
    """A running exchange and a signed client of it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        accounts = folder / "accounts.toml"
        accounts.write_text(ACCOUNTS)
        command = [sys.executable, "-m", "venue_sim", "run", "--accounts", str(accounts), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.addresses = json.loads(self.process.stdout.readline())
        self.http = httpx.Client(base_url=self.addresses["rest"], headers={"X-MBX-APIKEY": "key"}, timeout=30)

    def now_ms(self) -> int:
        return int(self.http.get("/fapi/v1/time").json()["serverTime"])

    def ask(self, method: str, path: str, *, in_body: bool = False, **query: Any) -> httpx.Response:
        text = self.signed(**query)
        if in_body:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return self.http.request(method, path, content=text, headers=form)
        return self.http.request(method, f"{path}?{text}")

    def connect(self, path: str) -> ClientConnection:
        return connect(self.addresses["ws"] + path, compression=None, close_timeout=1)

    def signed(self, **query: Any) -> str:
        """Parameters of REST, signed."""
        text = urlencode({**query, "timestamp": self.now_ms()})
        return text + "&signature=" + sign(text, "secret")

    def sign(self, **parameters: Any) -> dict[str, Any]:
        """Parameters of the WebSocket API, signed."""
        parameters = {"apiKey": "key", "timestamp": self.now_ms(), **parameters}
        payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        return {**parameters, "signature": sign(payload, "secret")}

    def fault(self, **fault: Any) -> None:
        answer = self.http.post("/sim/faults", json=fault)
        assert answer.status_code == 200, answer.text

    def best(self) -> tuple[str, str]:
        book = self.http.get("/fapi/v1/depth", params={"symbol": "BTCUSDT", "limit": 5}).json()
        return book["bids"][0][0], book["asks"][0][0]

    def stop(self) -> int:
        self.http.close()
        self.process.terminate()
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code
