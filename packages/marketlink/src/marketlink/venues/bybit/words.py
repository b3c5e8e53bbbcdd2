"""Bybit's envelope and numbers, common to its websockets, answers and the account's stream (docs/venues/bybit.md)."""

from collections.abc import Mapping
from typing import Final

from marketlink.venues.fields import Unusable, json_object

LINEAR: Final = "linear"


def result_of(body: bytes) -> Mapping[str, object]:
    """Read the `result` of an answer `{"retCode":0,"result":{..}}`. Raises Unusable."""
    data = json_object(body)
    if data.get("retCode") != 0:
        raise Unusable("retCode")
    result = data.get("result")
    if type(result) is not dict:
        raise Unusable("result")
    return result


def rows_of(result: Mapping[str, object], name: str = "list") -> list[Mapping[str, object]]:
    """Read a list of objects. Raises Unusable."""
    rows = result.get(name)
    if type(rows) is not list or not {dict}.issuperset(map(type, rows)):
        raise Unusable(name)
    return rows


def word(data: Mapping[str, object], name: str) -> str:
    """Read a word; empty where it is absent or no text."""
    value = data.get(name)
    return value if type(value) is str else ""
