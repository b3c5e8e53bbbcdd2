"""What the exchange of a backtest is like."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from obi_mm.config import SECOND_NS, FeesSection
from obi_mm.errors import ConfigError

QUEUES = ("risk-adverse", "log-prob", "log-prob2", "power-prob", "power-prob2", "power-prob3")
BOOKS = ("auto", "hashmap", "roi")
CLOCKS = ("local", "exchange")
CONTRACTS = ("linear", "inverse")


@dataclass(frozen=True, slots=True)
class Models:
    """What the simulated exchange is like. Latencies are ns, fees fractions of traded value (negative: a rebate; None: the strategy's).

    A contract is worth `contract_size` of the base asset (linear), or of the currency of the price (inverse: it settles in the base).
    """

    entry_latency_ns: int = 1_000_000
    response_latency_ns: int = 1_000_000
    latency_files: tuple[str, ...] = ()
    queue: str = "power-prob3"
    queue_n: float = 3.0
    maker_fee: float | None = None
    taker_fee: float | None = None
    book: str = "auto"
    clock: str = "local"
    record_ns: int = SECOND_NS
    contract: str = "linear"
    contract_size: float = 1.0

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("queue", self.queue, QUEUES),
            ("book", self.book, BOOKS),
            ("clock", self.clock, CLOCKS),
            ("contract", self.contract, CONTRACTS),
        ):
            if value not in allowed:
                raise ConfigError("backtest", name, f"is one of {', '.join(allowed)}, not {value!r}")
        for name, fee in (("--maker-fee", self.maker_fee), ("--taker-fee", self.taker_fee)):
            if fee is not None and not abs(fee) < 0.1:
                raise ConfigError("backtest", name, f"is a fraction of traded value, 0.0002 say, not {fee!r}")
        if not (math.isfinite(self.contract_size) and self.contract_size > 0):
            raise ConfigError("backtest", "contract size", f"is positive, not {self.contract_size!r}")
        if self.entry_latency_ns < 0 or self.response_latency_ns < 0 or self.record_ns < 1_000_000:
            raise ConfigError("backtest", "times", "latencies are not negative, the record interval is at least 1 ms")

    def with_fees(self, fees: FeesSection) -> "Models":
        """Return the same with the strategy's fees where none are said."""
        return replace(
            self,
            maker_fee=fees.maker if self.maker_fee is None else self.maker_fee,
            taker_fee=fees.taker if self.taker_fee is None else self.taker_fee,
        )


_COIN_M: Final = re.compile(r"(?<![a-z0-9])[a-z0-9]+usd_(perp|\d{6})(?!\d)")


def symbol_of(name: str) -> str:
    """Return the symbol that a file's name, without its suffixes, begins with."""
    lower = name.lower()
    coin = _COIN_M.match(lower)
    return coin[0] if coin else lower.partition("_")[0]


def check_contract(names: Sequence[str], models: Models) -> None:
    """Raise ConfigError where a name is that of an inverse contract (Binance COIN-M's: BTCUSD_PERP) and the models are linear."""
    for name in names:
        if models.contract == "linear" and _COIN_M.search(name.lower()):
            raise ConfigError(
                "backtest",
                "--contract",
                f"is linear, but {name!r} is an inverse contract, settled in the base asset: give --contract inverse and its "
                "--contract-size (100 for BTC, 10 for the others)",
            )
