"""Whatever is cut out of what a connector sends, the strategy decides on the exchange's book or knows that it does not."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.bot import Confidence
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, EVENT_DTYPE, LOCAL, SELL, Events
from marketlink.link.assembly import TRAILER, Assembler
from marketlink.link.port import Peer
from marketlink.link.wire import encode_event
from marketlink.messages import TO_ALL, FeedEvent, Heard, LiveRequest
from obi_mm.config import Config, parse_config
from obi_mm.layout import Log, Table
from obi_mm.live import Shell, make_strategies

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ME = 7
Book = dict[tuple[int, int], float]


def config() -> Config:
    small = {"window": 3, "volatility_window": 2, "update_interval_ns": SECOND, "volatility_interval_ns": 2 * SECOND}
    stop = {"volatility_mean": 1.0, "change_mean": 1.0}
    return parse_config({"params": {**small, "stale_seconds": 3.0}, "stop_loss": stop}, "test")


class CutPort:
    """A bot's end that hears given samples, so many at a time."""

    bot_id, checked = ME, True

    def __init__(self, samples: list[bytes], most: int) -> None:
        self._samples, self._most, self._assembler = samples, most, Assembler(ME)

    def peer(self) -> Peer:
        return Peer.OURS

    def receive(self) -> list[Heard]:
        while self._samples:
            taken, self._samples = self._samples[: self._most], self._samples[self._most :]
            if heard := self._assembler.take(taken):
                return heard
        return []

    def request(self, request: LiveRequest) -> None:
        """Nobody answers: what is heard was given."""

    def wait(self, timeout_s: float) -> bool:
        return bool(self._samples)

    def close(self) -> None:
        """Nothing is held."""


def rows(time_ns: int, last_id: int, levels: Book, whole: bool) -> Events:
    events: Events = np.zeros(len(levels) + whole, EVENT_DTYPE)
    events["exch_ts"], events["local_ts"], events["ival"] = time_ns, time_ns, last_id
    if whole:
        events["ev"][0] = LOCAL | DEPTH_CLEAR
    for row, ((side, tick), qty) in zip(events[int(whole) :], levels.items(), strict=True):
        row["ev"], row["px"], row["qty"] = LOCAL | DEPTH | side, tick / 10, qty
    return events


def stream(kinds: list[str], seed: int) -> tuple[list[bytes], dict[int, Book]]:
    """Samples of answers, resyncs and updates, one a third of a second, and the book after each."""
    rng = np.random.default_rng(seed)
    book: Book = {(BUY, 1000 - n): 1.0 for n in range(4)} | {(SELL, 1001 + n): 1.0 for n in range(4)}
    samples, history, seq = [], {}, 0
    for number, kind in enumerate(["answer", *kinds], 1):
        keys = [list(book)[at] for at in rng.integers(0, len(book), 2)]
        changes = {key: float(rng.integers(1, 9)) for key in keys}
        book.update(changes)
        history[number] = dict(book)
        feed = FeedEvent(
            "btcusdt",
            rows(START + number * SECOND // 3, number, changes if kind == "update" else book, kind != "update"),
        )
        to = ME if kind == "answer" else TO_ALL
        for message in [b"\x00", *encode_event(feed), b"\x01"]:
            samples.append(TRAILER.pack(to, len(message)) + message + TRAILER.pack(START, seq))
            seq += 1
    return samples, history


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["answer", "resync", "update", "update"]), min_size=8, max_size=25),
    st.integers(0, 2**32),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 12)), max_size=3),
    st.integers(1, 40),
)
def test_every_decision_that_trusts_its_book_is_made_on_the_exchanges(
    kinds: list[str], seed: int, cuts: list[tuple[float, int]], most: int
) -> None:
    samples, history = stream(kinds, seed)
    for where, count in cuts:
        at = int(where * len(samples))
        del samples[at : at + count]
    looked = []

    class Look:
        def put(self, decision: Log, actions: Table) -> None:
            depth = shell.bot.depth(0)
            if depth.confidence is Confidence.SYNCED:
                mine = {
                    (int(row["ev"]) & (BUY | SELL), round(float(row["px"]) * 10)): float(row["qty"])
                    for row in depth.levels()
                }
                looked.append(mine == history[depth.update_id])

    shell = Shell(
        "bf", make_strategies({"btcusdt": (0.1, 0.001)}, config(), 1), port=CutPort(samples, most), writer=Look()
    )
    while shell.step(0.0):
        pass
    shell.close()
    assert all(looked)
    assert looked or cuts
