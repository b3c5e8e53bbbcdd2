"""The description of a fault, as a TOML entry or the JSON of a control request: one schema, every error names its
field."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from venue_sim.errors import BadFault

MESSAGE_KINDS = frozenset({"drop", "duplicate", "reorder", "corrupt", "late", "overfill"})
CONNECTION_KINDS = frozenset(
    {
        "eof",
        "close",
        "reset",
        "stall",
        "no_pings",
        "disconnect_24h",
        "server_shutdown",
        "listen_key_expired",
        "books_restart",
    }
)
REQUEST_KINDS = frozenset(
    {"slow", "status", "timeout", "empty_body", "html_body", "error", "hang_up", "cut_body", "late_execution"}
)
SNAPSHOT_KINDS = frozenset({"stale_snapshot", "boundary_snapshot"})
KINDS = MESSAGE_KINDS | CONNECTION_KINDS | REQUEST_KINDS | SNAPSHOT_KINDS
MODES = {
    "listen_key_expired": ("once", "twice"),
    "corrupt": ("truncate", "flip"),
    "boundary_snapshot": ("pu", "u", "inside"),
    "stall": ("lose", "delay"),
    "hang_up": ("reset", "eof"),
    "cut_body": ("truncate", "tail", "empty"),
    "late_execution": ("silent", "error"),
}
OPERATIONS = frozenset(
    {
        "submit",
        "submit_gtc",
        "submit_gtx",
        "submit_ioc",
        "submit_fok",
        "submit_market",
        "modify",
        "cancel",
        "batch_cancel",
        "cancel_all",
        "countdown",
        "query",
        "open_orders",
        "trades",
        "positions",
        "account",
        "balance",
        "hedge",
        "limits",
        "stream",
        "orders",
        "queries",
    }
)
"""What a private request does: the words `op` of a fault may say. `orders` are all that change orders, `queries` all
that ask."""
STATUSES = (400, 403, 408, 418, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault. Fields a kind does not use must be left out; docs/venue-sim.md says which uses which.

    `at_s` counts seconds of market time since the market began; `after_message` and `after_request` count what
    matches the filters. `count` is how many messages, requests or connections are hit (0: no end), `probability`
    the chance of each; none is hit from `until_s` on. `for_s`, `delay_s` and `retry_after_s` are seconds of machine time.
    """

    kind: str
    at_s: float | None = None
    after_message: int | None = None
    after_request: int | None = None
    symbol: str | None = None
    stream: str | None = None
    connection: int | None = None
    path: str | None = None
    op: str | None = None
    until_s: float | None = None
    count: int = 1
    probability: float = 1.0
    seed: int = 0
    mode: str | None = None
    for_s: float | None = None
    delay_s: float | None = None
    status: int | None = None
    retry_after_s: int | None = None
    updates: int | None = None
    code: int | None = None
    reason: str | None = None
    executed: bool = False


_TYPES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "at_s": (int, float),
    "after_message": (int,),
    "after_request": (int,),
    "symbol": (str,),
    "stream": (str,),
    "connection": (int,),
    "path": (str,),
    "op": (str,),
    "until_s": (int, float),
    "count": (int,),
    "probability": (int, float),
    "seed": (int,),
    "mode": (str,),
    "for_s": (int, float),
    "delay_s": (int, float),
    "status": (int,),
    "retry_after_s": (int,),
    "updates": (int,),
    "code": (int,),
    "reason": (str,),
    "executed": (bool,),
}
_COMMON = frozenset({"kind", "at_s"})
_CHANCE = frozenset({"count", "probability", "seed", "until_s"})
_MESSAGE = _COMMON | _CHANCE | {"after_message", "symbol", "stream", "connection"}
_CONNECTION = _COMMON | {"after_message", "after_request", "op", "symbol", "stream", "connection"}
_REQUEST = _COMMON | _CHANCE | {"after_request", "symbol", "path", "op"}
_ALLOWED: dict[str, frozenset[str]] = {
    "drop": _MESSAGE,
    "duplicate": _MESSAGE,
    "reorder": _MESSAGE,
    "corrupt": _MESSAGE | {"mode"},
    "late": _MESSAGE | {"delay_s"},
    "overfill": _MESSAGE,
    "listen_key_expired": _COMMON | {"mode", "op", "after_request"},
    "books_restart": _COMMON,
    "eof": _CONNECTION,
    "close": _CONNECTION | {"code", "reason"},
    "reset": _CONNECTION,
    "stall": _CONNECTION | {"for_s", "mode"},
    "no_pings": _CONNECTION | {"for_s"},
    "disconnect_24h": _CONNECTION | {"code", "reason"},
    "server_shutdown": _CONNECTION | {"delay_s", "code", "reason"},
    "slow": _REQUEST | {"delay_s"},
    "error": _REQUEST | {"status", "code", "reason", "executed"},
    "status": _REQUEST | {"status", "retry_after_s", "executed", "for_s"},
    "hang_up": _REQUEST | {"mode", "executed"},
    "cut_body": _REQUEST | {"mode"},
    "late_execution": _REQUEST | {"mode", "delay_s", "status", "code", "reason"},
    "timeout": _REQUEST | {"executed"},
    "empty_body": _REQUEST | {"executed"},
    "html_body": _REQUEST | {"status", "executed"},
    "stale_snapshot": (_REQUEST | {"updates"}) - {"path", "op"},
    "boundary_snapshot": (_REQUEST | {"mode", "for_s"}) - {"path", "op"},
}


def parse_fault(entry: Mapping[str, Any]) -> Fault:
    """Check one entry and make a `Fault` of it. Raises `BadFault` naming the first field that is wrong."""
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadFault("kind", f"must be one of {', '.join(sorted(KINDS))}, not {kind!r}")
    for name, value in entry.items():
        if name not in _TYPES:
            raise BadFault(name, "no such field")
        if name not in _ALLOWED[kind]:
            raise BadFault(name, f"means nothing for {kind!r}")
        if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and bool not in _TYPES[name]):
            raise BadFault(name, f"must be {' or '.join(t.__name__ for t in _TYPES[name])}, not {value!r}")
    _check_ranges(entry, kind)
    known = {field.name for field in fields(Fault)}
    values = {name: value for name, value in entry.items() if name in known}
    if "symbol" in values:
        values["symbol"] = values["symbol"].lower()
    if "mode" not in values and kind in MODES:
        values["mode"] = MODES[kind][0]
    return Fault(**values)


def parse_script(text: str) -> list[Fault]:
    """Read a TOML fault script: an array of tables named `fault`. Raises `BadFault`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadFault("(file)", f"not TOML: {error}") from error
    for name in document:
        if name != "fault":
            raise BadFault(name, "a script holds only [[fault]] entries")
    entries = document.get("fault", [])
    if not isinstance(entries, list):
        raise BadFault("fault", "must be written [[fault]]")
    return [parse_fault(entry) for entry in entries]


def _check_ranges(entry: Mapping[str, Any], kind: str) -> None:
    for name in (
        "at_s",
        "after_message",
        "after_request",
        "count",
        "for_s",
        "delay_s",
        "retry_after_s",
        "connection",
        "until_s",
    ):
        if name in entry and entry[name] < 0:
            raise BadFault(name, f"must not be negative, is {entry[name]}")
    if not 0.0 <= entry.get("probability", 1.0) <= 1.0:
        raise BadFault("probability", f"must be within 0 and 1, is {entry['probability']}")
    if "mode" in entry and entry["mode"] not in MODES[kind]:
        raise BadFault("mode", f"must be one of {', '.join(MODES[kind])} for {kind!r}, not {entry['mode']!r}")
    if kind == "status" and entry.get("status") not in STATUSES:
        raise BadFault("status", f"must be one of {', '.join(map(str, STATUSES))}, not {entry.get('status')!r}")
    if kind == "html_body" and not 200 <= entry.get("status", 502) <= 599:
        raise BadFault("status", f"must be an HTTP status, not {entry['status']!r}")
    if entry.get("op") not in (None, *OPERATIONS):
        raise BadFault("op", f"must be one of {', '.join(sorted(OPERATIONS))}, not {entry['op']!r}")
    if kind in CONNECTION_KINDS and "op" in entry and {"after_message", "at_s"} & entry.keys():
        raise BadFault("op", "is a moment of its own: leave out after_message and at_s")
    if kind in CONNECTION_KINDS and "after_request" in entry and "op" not in entry:
        raise BadFault("after_request", "needs op, the requests to count")
    if kind == "status" and "for_s" in entry and entry.get("status") != 429:
        raise BadFault("for_s", "is how long 429 goes on; no other status does")
    if kind in ("slow", "late", "late_execution") and "delay_s" not in entry:
        raise BadFault("delay_s", f"is needed for {kind!r}")
    if kind in ("error", "late_execution") and not 200 <= entry.get("status", 400) <= 599:
        raise BadFault("status", f"must be an HTTP status, not {entry['status']!r}")
    if kind == "error" and "code" not in entry:
        raise BadFault("code", "is needed for 'error': the exchange's number")
    if kind == "stale_snapshot" and entry.get("updates", 1) < 1:
        raise BadFault("updates", f"must be at least 1, is {entry['updates']}")
    if (
        kind not in ("error", "late_execution")
        and "code" in entry
        and not (
            entry["code"] in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013)
            or 3000 <= entry["code"] <= 4999
        )
    ):
        raise BadFault("code", f"must be a websocket close code that may be sent, not {entry['code']}")
    if len(entry.get("reason", "").encode()) > 120:
        raise BadFault("reason", "must be at most 120 bytes")
