"""The connector's own work a frame without sockets: decode, synchronise, fuse, send to a reader in another process.

`python -m tests.bench.hot OUT NAME`. Frames come back to back, and then ten milliseconds apart, the time between spent in a
busy loop of this process: how much a frame costs that does not follow hard upon another.
"""

import json
import random
import sys
import time

from connector.effects import Publish
from connector.hub import Hub
from marketlink.book.rules import Snapshot
from marketlink.events import BUY, DEPTH, LOCAL, SELL, empty_events
from marketlink.link.iceoryx import IceoryxConnectorPort
from marketlink.messages import BotRequest, RegisterInstrument
from marketlink.venues.base import ExchangeInfo, Instrument, WeightLimit
from marketlink.venues.binance import USDM

FIRST_ID = 5_000_000_000_000
PAUSE_S = 0.01


def frame(number: int, rng: random.Random) -> bytes:
    """A depth frame of 20 levels near the touch."""
    bids = [
        [f"{61_800 - tick / 10:.2f}", f"{rng.randrange(1, 5000) / 1000:.3f}"] for tick in rng.sample(range(200), 10)
    ]
    asks = [
        [f"{61_800.1 + tick / 10:.2f}", f"{rng.randrange(1, 5000) / 1000:.3f}"] for tick in rng.sample(range(200), 10)
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


def main() -> None:
    """Measure both ways."""
    out, name = sys.argv[1], sys.argv[2]
    port, rng = IceoryxConnectorPort(name), random.Random(1)
    hub = Hub(USDM, rng)
    sizes = Instrument("btcusdt", 0.1, 0.001, "0.10", "0.001", trading=True)
    hub.on_info(ExchangeInfo({"btcusdt": sizes}, WeightLimit(2400, 60)), 0)
    hub.on_request(BotRequest(1, RegisterInstrument("btcusdt")), 0)
    frames = [frame(number, rng) for number in range(3_200)]
    levels = empty_events(2000)
    levels["ev"][:1000], levels["ev"][1000:] = LOCAL | BUY | DEPTH, LOCAL | SELL | DEPTH
    levels["px"][:1000] = [61_800 - tick / 10 for tick in range(1000)]
    levels["px"][1000:] = [61_800.1 + tick / 10 for tick in range(1000)]
    levels["qty"] = 1.0

    def handle(raw: bytes) -> int:
        start_ns = time.perf_counter_ns()
        for effect in hub.on_message(USDM.decode(raw, time.time_ns()), time.time_ns()):
            if isinstance(effect, Publish):
                port.send(effect.batch)
        return time.perf_counter_ns() - start_ns

    while not port.requests():  # a reader is there
        port.wait(0.1)
    handle(frames[0])
    for effect in hub.on_snapshot("btcusdt", 1, Snapshot(FIRST_ID + 5, levels), time.time_ns()):
        if isinstance(effect, Publish):
            port.send(effect.batch)
    hot = []
    for number, raw in enumerate(frames[1:3000]):
        hot.append(handle(raw))
        if number % 100 == 99:
            time.sleep(0.02)  # the reader's buffer is not the question here
    apart = []
    for raw in frames[3000:]:
        end = time.perf_counter() + PAUSE_S
        while time.perf_counter() < end:
            pass
        apart.append(handle(raw))
    port.close()
    with open(out, "w") as file:
        json.dump({"hot_ns": hot[500:], "apart_ns": apart}, file)


if __name__ == "__main__":
    main()
