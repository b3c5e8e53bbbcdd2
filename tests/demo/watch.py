"""The live view of the demonstration: what the exchange sent, what the recorders wrote, and a bot's own book."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.link.settings import read_settings
from rich.table import Table

from tests.rig import Rig


@dataclass(frozen=True)
class BotView:
    """A bot's book at the end."""

    confidence: Confidence
    update_id: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    lost_samples: int


class Watch:
    """Looks at everything four times a second."""

    def __init__(self, rig: Rig, symbols: list[str], out: Path, duration_s: float | None) -> None:
        self._rig, self._symbols, self._out, self._duration_s = rig, symbols, out, duration_s
        self._start = time.monotonic()
        settings = read_settings(rig.link)
        sizes = sizes_of(rig)
        instruments = [BotInstrument("bf", symbol, *sizes[symbol], 10_000) for symbol in symbols]
        self._bot = LiveBot(instruments, open_port=lambda name: IceoryxBotPort(name, None, settings))
        self._trades = 0
        self._state = rig.state()

    def over(self) -> bool:
        """Whether the market has been watched to its end."""
        if self._duration_s is not None:
            return time.monotonic() - self._start >= self._duration_s
        return bool(self._state["done"])

    def look(self) -> None:
        """Read the exchange's state and catch up with the books."""
        self._state = self._rig.state()
        self._bot.elapse(50_000_000)
        for number in range(len(self._symbols)):
            self._trades += len(self._bot.last_trades(number))
            self._bot.clear_last_trades(number)

    def settle(self) -> None:
        """Let what was sent arrive everywhere: the bot at the exchange's last update, the files no longer growing."""
        sizes = (-1, 0)
        for _ in self._rig.polls(30, every_s=1.2):
            self._bot.elapse(200_000_000)
            state = self._rig.state()["symbols"]
            there = all(
                self._bot.depth(number).update_id >= (state[symbol]["last_u_sent"] or 0)
                for number, symbol in enumerate(self._symbols)
            )
            sizes = (sizes[1], sum(size for _, size in self._files()))
            if there and sizes[0] == sizes[1]:
                break
        self._seen = [
            self._bot.depth(number).confidence for number in range(len(self._symbols))
        ]  # before anything is stopped

    def final_views(self) -> dict[str, BotView]:
        """The bot's books as they are."""
        views = {}
        for number, symbol in enumerate(self._symbols):
            depth = self._bot.depth(number)
            levels = depth.levels()
            bids = (levels["ev"] & (1 << 29)) != 0
            sides = [
                list(zip(levels["px"][side].tolist(), levels["qty"][side].tolist(), strict=True))
                for side in (bids, ~bids)
            ]
            views[symbol] = BotView(self._seen[number], depth.update_id, sides[0], sides[1], self._bot.lost_samples())
        return views

    def close(self) -> None:
        """Leave the link."""
        self._bot.close()

    def _files(self) -> list[tuple[Path, int]]:
        files = sorted(self._out.glob("*/*.gz"))
        return [(path, os.stat(path).st_size) for path in files]

    def line(self) -> str:
        """The state in one line, for a log."""
        state = self._state
        tops = ", ".join(
            f"{symbol} {self._bot.depth(number).best_bid:g} x {self._bot.depth(number).best_ask:g}"
            for number, symbol in enumerate(self._symbols)
        )
        size = sum(size for _, size in self._files())
        return (
            f"{time.monotonic() - self._start:5.0f} s  frame {state['position']:,}  files {size / 1e6:.2f} MB  {tops}"
        )

    def table(self) -> Table:
        """The state as a table."""
        state = self._state
        passed = time.monotonic() - self._start
        total = f" of {state['total']:,}" if state.get("total") else ""
        until = f" of {self._duration_s:.0f}" if self._duration_s is not None else ""
        table = Table(title=f"{passed:.0f}{until} s, frame {state['position']:,}{total}")
        for column in ("symbol", "book of a bot", "bid", "ask", "update id", "trades", "snapshots asked"):
            table.add_column(column)
        for number, symbol in enumerate(self._symbols):
            depth = self._bot.depth(number)
            asked = len(state["symbols"][symbol]["depth_requests"])
            trades = str(self._trades) if not number else ""
            table.add_row(
                symbol,
                depth.confidence.value,
                f"{depth.best_bid:g}",
                f"{depth.best_ask:g}",
                str(depth.update_id),
                trades,
                str(asked),
            )
        for path, size in self._files():
            table.add_row(f"{path.parent.name}/{path.name}", f"{size / 1e6:.2f} MB")
        return table


def sizes_of(rig: Rig) -> dict[str, tuple[float, float]]:
    """Tick and lot size of every symbol, as the exchange says."""
    import httpx

    info = httpx.get(f"{rig.addresses['rest']}/fapi/v1/exchangeInfo", timeout=10).json()
    sizes = {}
    for row in info["symbols"]:
        steps = {one["filterType"]: one for one in row["filters"]}
        sizes[row["symbol"].lower()] = (float(steps["PRICE_FILTER"]["tickSize"]), float(steps["LOT_SIZE"]["stepSize"]))
    return sizes
