"""How USD-M writes sides and numbers on its private side, and its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from venue_sim.face import Body, RequestId
from venue_sim.market import Instrument
from venue_sim.matching import BUY


def error(code: int, text: str, status: int = 400) -> Body:
    """Any error: `{"code":-2011,"msg":"..."}`."""
    return Body(status, orjson.dumps({"code": code, "msg": text}))


def side(side: int) -> str:
    """A side's word."""
    return "BUY" if side == BUY else "SELL"


def plain(number: Decimal) -> str:
    """A decimal without exponent or trailing zeros, as the captured events write them."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Fraction, digits: int = 8) -> str:
    """An amount rounded half to even at its last digit."""
    scaled = round(value * 10**digits)
    sign = "-" if scaled < 0 else ""
    whole, rest = divmod(abs(scaled), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}"


def amount(amount: Fraction, instrument: Instrument) -> str:
    """A signed quantity with all its contract's digits."""
    digits = instrument.quantity_precision
    return money(amount, digits) if digits else str(round(amount))


def api_answer(
    request_id: RequestId, answer: Body, used: int, per_minute: int, pools: Sequence[tuple[Mapping[str, Any], int]]
) -> bytes:
    """Write a REST answer as one of the WebSocket API; `pools` are rows of limits on orders, and what counts against each."""
    weight = {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": per_minute,
        "count": used,
    }
    content = orjson.loads(answer.body) if answer.body else {}
    word = "result" if answer.status == 200 else "error"
    limits = [weight, *({**row, "count": count} for row, count in pools)]
    return orjson.dumps({"id": request_id, "status": answer.status, word: content, "rateLimits": limits})
