"""What Portfolio Margin pushes to the owner of an account: USD-M's events with `fs`, which names the product, and fewer fields
(exchange.md section 2, trading.md section 5). What is not settled is marked [?].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from venue_sim.market import Instrument
from venue_sim.orders import Did, OrderPush, Push
from venue_sim.trade_face import PushText
from venue_sim.venues.usdm import private_events as usdm

_ORDER_FIELDS = (
    *(
        "s",
        "c",
        "S",
        "o",
        "f",
        "q",
        "p",
        "ap",
        "sp",
        "x",
        "X",
        "i",
        "l",
        "z",
        "L",
        "N",
        "n",
        "T",
        "t",
        "b",
        "a",
        "m",
        "R",
    ),
    *("ps", "rp", "st", "si", "V", "gtd"),
)
_POSITION_FIELDS = ("s", "pa", "ep", "cr", "up", "ps", "bep")


def push(push: Push, instruments: Mapping[str, Instrument]) -> list[PushText]:
    """Write `ORDER_TRADE_UPDATE`, `ACCOUNT_UPDATE` or `ACCOUNT_CONFIG_UPDATE`. A modification has no type of its own: it is NEW
    with the new price."""
    return [_as_portfolio(text, push) for text in usdm.push(push, instruments)]


def quick(push: Push) -> PushText | None:
    """None: there is no short message of a fill."""
    return None


def key_expired(key: str, now_ms: int) -> PushText:
    """Write `listenKeyExpired`, which does not say which key."""
    data = orjson.dumps({"e": "listenKeyExpired", "E": now_ms})
    return PushText("", "listenKeyExpired", ("listenKeyExpired", "private"), data)


def _as_portfolio(text: PushText, push: Push) -> PushText:
    event = orjson.loads(text.data)
    told: dict[str, Any] = {"e": event["e"], "fs": "UM", "E": event["E"], "T": event["T"]}
    words = text.words
    match event["e"]:
        case "ORDER_TRADE_UPDATE":
            order = {**event["o"], "st": "", "si": 0}  # `st` and `si` name a strategy
            if isinstance(push, OrderPush) and push.did is Did.AMENDMENT:
                order["x"] = Did.NEW.value
                words = tuple(word.replace(Did.AMENDMENT.value, Did.NEW.value) for word in words)
            told |= {"i": "", "o": {name: order[name] for name in _ORDER_FIELDS}}
        case "ACCOUNT_UPDATE":
            content = event["a"]
            rows = [{name: row[name] for name in _POSITION_FIELDS} for row in content["P"]]
            told |= {"i": "", "a": {"m": content["m"], "B": content["B"], "P": rows}}
        case _:  # [?] no field for a position mode is documented
            told |= {"ac": {"s": "", "l": 0}}
    return PushText(text.symbol, text.event, words, orjson.dumps(told))
