"""Headers of the Tardis files that `to-tardis` writes (https://docs.tardis.dev/downloadable-csv-files)."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["trades", "depth", "book_ticker"]

_START: Final = "exchange,symbol,timestamp,local_timestamp,"
HEADERS: Final[dict[Kind, str]] = {
    "trades": _START + "id,side,price,amount",
    "depth": _START + "is_snapshot,side,price,amount",
    "book_ticker": _START + "ask_amount,ask_price,bid_price,bid_amount",
}
