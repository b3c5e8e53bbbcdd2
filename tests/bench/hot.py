"""The connector's own work a frame without sockets, from its bytes to the last sample sent to a reader in another process.

`python -m tests.bench.hot OUT NAME LEVELS`. Each frame goes both ways, one after the other: the general one (decode, synchronise, fuse,
encode, send) and the short one. Frames come back to back, and then ten milliseconds apart, the time between spent in a busy loop of this
process: how much a frame costs that does not follow hard upon another.
"""

import json
import random
import sys
import time

from connector.effects import Publish
from connector.hot import HotPath
from connector.hub import Hub
from connector.outbox import Outbox
from marketlink.book.rules import Snapshot
from marketlink.events import BUY, DEPTH, LOCAL, SELL, Events, empty_events
from marketlink.link.iceoryx import IceoryxConnectorPort
from marketlink.messages import Batch, BotRequest, RegisterInstrument
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import ExchangeInfo, Instrument, WeightLimit
from marketlink.venues.binance import USDM

FIRST_ID = 5_000_000_000_000
PAUSE_S = 0.01


def frame(number: int, rng: random.Random, levels: int) -> bytes:
    """A depth frame of so many levels near the touch."""
    half, far = levels // 2, 10 * levels
    bids = [
        [f"{61_800 - tick / 10:.2f}", f"{rng.randrange(1, 5000) / 1000:.3f}"] for tick in rng.sample(range(far), half)
    ]
    asks = [
        [f"{61_800.1 + tick / 10:.2f}", f"{rng.randrange(1, 5000) / 1000:.3f}"] for tick in rng.sample(range(far), half)
    ]
    ids = {"U": FIRST_ID + 10 * number, "u": FIRST_ID + 10 * number + 9, "pu": FIRST_ID + 10 * number - 1}
    data = {
        "e": "depthUpdate",
        "E": 1_723_161_256_299,
        "T": 1_723_161_256_298,
        "s": "BTCUSDT",
        **ids,
        "b": bids,
        "a": asks,
    }
    return json.dumps({"stream": "btcusdt@depth@0ms", "data": data}, separators=(",", ":")).encode()


def now() -> Moment:
    """This moment."""
    return Moment(MonoNs(time.monotonic_ns()), WallNs(time.time_ns()))


class Way:
    """One way from frames to a port."""

    def __init__(self, port: IceoryxConnectorPort, *, short: bool) -> None:
        self.hub, self._sent_ns, notify = Hub(USDM, random.Random(1)), 0, port._to_bot.notify

        def stamped() -> None:
            notify()
            self._sent_ns = time.perf_counter_ns()  # samples for the next frame are loaned behind this

        port._to_bot.notify = stamped  # type: ignore[method-assign]
        self.outbox = Outbox(port, self._none, self._none, lambda batch: self.hub.on_sent(batch, now().mono))
        self.hot = HotPath(USDM, self.hub, self.outbox, port, ()) if short else None
        sizes = Instrument("btcusdt", 0.1, 0.001, "0.10", "0.001", trading=True)
        self.hub.on_info(ExchangeInfo({"btcusdt": sizes}, WeightLimit(2400, 60)), now())
        self.hub.on_request(BotRequest(1, RegisterInstrument("btcusdt")), now())

    def _none(self, *_: object) -> Batch:
        raise AssertionError("nobody is answered here")

    def begin(self, first: bytes, book: Events) -> None:
        """Come into sync."""
        self.handle(first)
        self._carry_out(self.hub.on_snapshot("btcusdt", 1, Snapshot(FIRST_ID + 5, book), now()))
        while self.outbox.busy:
            self.outbox.pump(now().mono)

    def _carry_out(self, effects: list[object]) -> None:
        for effect in effects:
            if isinstance(effect, Publish):
                self.outbox.put(effect.batch)

    def handle(self, raw: bytes) -> int:
        """Take a frame as the shell does; return how long it took until its readers were woken, ns."""
        start_ns = time.perf_counter_ns()
        at = now()
        if self.hot is None or not self.hot.take(raw, at.wall, at.mono):
            self._carry_out(self.hub.on_message(USDM.decode(raw, at.wall), at))
        return self._sent_ns - start_ns


def main() -> None:
    """Measure both ways."""
    out, name, wide = sys.argv[1], sys.argv[2], int(sys.argv[3])
    port, rng = IceoryxConnectorPort(name), random.Random(1)
    frames = [frame(number, rng, wide) for number in range(3_200)]
    levels = empty_events(2000)
    levels["ev"][:1000], levels["ev"][1000:] = LOCAL | BUY | DEPTH, LOCAL | SELL | DEPTH
    levels["px"][:1000] = [61_800 - tick / 10 for tick in range(1000)]
    levels["px"][1000:] = [61_800.1 + tick / 10 for tick in range(1000)]
    levels["qty"] = 1.0
    ways = {"general": Way(port, short=False), "short": Way(port, short=True)}
    while not port.requests():  # a reader is there
        port.wait(0.1)
    for way in ways.values():
        way.begin(frames[0], levels)
    spent: dict[str, dict[str, list[int]]] = {key: {"hot_ns": [], "apart_ns": []} for key in ways}
    for number, raw in enumerate(frames[1:3000]):
        for key, way in ways.items():
            spent[key]["hot_ns"].append(way.handle(raw))
        if number % 20 == 19:
            time.sleep(0.02)  # the reader's buffer is not the question here
    for raw in frames[3000:]:
        for key, way in ways.items():
            end = time.perf_counter() + PAUSE_S
            while time.perf_counter() < end:
                pass
            spent[key]["apart_ns"].append(way.handle(raw))
    hot = ways["short"].hot
    assert hot is not None
    assert hot.taken == len(frames) - 1, "frames did not go the short way"
    port.close()
    for key in spent:
        spent[key]["hot_ns"] = spent[key]["hot_ns"][500:]
    with open(out, "w") as file:
        json.dump(spent, file)


if __name__ == "__main__":
    main()
