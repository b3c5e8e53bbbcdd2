"""A bot of the test's own, and its books against the exchange's."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.link.settings import read_settings

from tests.rig import Rig

START_S = 120
"""A first run compiles the kernels."""


def open_bot(rig: Rig, symbols: Sequence[str], name: str = "bf") -> LiveBot:
    """A bot on the rig's link. Sizes are those of the simulated exchange."""
    settings = read_settings(rig.link)
    sizes = {row["symbol"].lower(): _steps(row) for row in rig_info(rig)["symbols"]}
    instruments = [BotInstrument(name, symbol, *sizes[symbol], 1000) for symbol in symbols]
    return LiveBot(instruments, open_port=lambda which: IceoryxBotPort(which, None, settings))


def rig_info(rig: Rig) -> dict[str, list[dict[str, object]]]:
    """The exchange's instruments."""
    import httpx

    info: dict[str, list[dict[str, object]]] = httpx.get(
        f"{rig.addresses['rest']}/fapi/v1/exchangeInfo", timeout=10
    ).json()
    return info


def _steps(row: dict[str, object]) -> tuple[float, float]:
    filters = {one["filterType"]: one for one in row["filters"]}  # type: ignore[attr-defined]
    return float(filters["PRICE_FILTER"]["tickSize"]), float(filters["LOT_SIZE"]["stepSize"])


class Follower:
    """A bot that follows its connector in a thread, as a strategy would in a process, so that it never lags behind the test's own work."""

    def __init__(self, rig: Rig, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self.bot = open_bot(rig, symbols)
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10)
        self.bot.close()

    def _follow(self) -> None:
        while not self._stop.wait(0.001):
            with self._lock:
                self.bot.elapse(5_000_000)

    def synced(self, at_least: dict[str, int] | None = None) -> bool:
        """Whether every book is synced, and has reached the update ids given."""
        with self._lock:
            return all(
                self.bot.depth(number).confidence is Confidence.SYNCED
                and self.bot.depth(number).update_id >= (at_least or {}).get(symbol, 0)
                for number, symbol in enumerate(self.symbols)
            )

    def why(self) -> str:
        """Why the first book that is not synced is not; empty when all are."""
        with self._lock:
            return next((why for number in range(self.bot.num_assets) if (why := self.bot.depth(number).why)), "")

    def book(self, symbol: str) -> tuple[int, list[tuple[float, float]], list[tuple[float, float]]]:
        """Update id, bids and asks of one symbol, best first."""
        with self._lock:
            number = self.symbols.index(symbol)
            return self.bot.depth(number).update_id, *sides(self.bot, number)

    @property
    def lost_samples(self) -> int:
        """How many samples never reached the bot."""
        with self._lock:
            return self.bot.lost_samples()


def sides(bot: LiveBot, number: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """A bot's book as lists, best first."""
    levels = bot.depth(number).levels()
    bids = (levels["ev"] & (1 << 29)) != 0
    mine = [list(zip(levels["px"][side].tolist(), levels["qty"][side].tolist(), strict=True)) for side in (bids, ~bids)]
    return mine[0], mine[1]


def assert_true(rig: Rig, follower: Follower) -> None:
    """Pause the exchange, let the bot catch up, and compare whole books: equal where the bot knows, nothing that is not there.

    A book begins with a snapshot of 1,000 levels a side, so what lies beyond may be missing; what is shown must be right.
    """
    rig.ask("pause", method="POST")
    try:
        last = {symbol: each["last_u_sent"] for symbol, each in rig.state()["symbols"].items()}
        rig.until(lambda: follower.synced(last), 30, "the bot to reach the exchange's last update")
        for symbol in follower.symbols:
            last_id, *mine = follower.book(symbol)
            true = rig.true_book(symbol, last_id)
            assert true is not None, f"{symbol}: the exchange never had an update {last_id}"
            for side, other in zip(mine, true, strict=True):
                assert len(side) >= 900
                assert side[:500] == other[:500], f"{symbol}: another book than the exchange's"
                assert set(side) <= set(other), f"{symbol}: levels that the exchange does not have"
    finally:
        rig.ask("resume", method="POST")
