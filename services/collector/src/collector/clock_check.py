"""How far the exchange's clock is ahead of this machine's: bounds from requests and their answers, no clock of its own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offset:
    """The exchange's clock is ahead of this machine's by `ahead_ns`, give or take `within_ns`, as measured at `at_ns`."""

    ahead_ns: int
    within_ns: int
    at_ns: int


class ClockCheck:
    """Keeps the best measurement: the one with the quickest answer."""

    def __init__(self) -> None:
        self.best: Offset | None = None

    def on_answer(self, sent_ns: int, recv_ns: int, exch_ns: int) -> None:
        """Take a request's answer: the exchange's time in it was read between sending and receiving."""
        if exch_ns == recv_ns or recv_ns < sent_ns:  # the answer bears no time, or the clock stepped
            return
        half_ns = (recv_ns - sent_ns) // 2
        if self.best is None or half_ns <= self.best.within_ns:
            self.best = Offset(exch_ns - sent_ns - half_ns, half_ns, recv_ns)
