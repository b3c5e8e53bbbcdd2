"""How long a private request, its answer and an account's event travel (R10): three seeded latencies."""

from __future__ import annotations

from random import Random

from venue_sim.errors import BadMarket


class Latencies:
    """Means in ms; each draw lies within half and one and a half of its mean, the same for the same seed."""

    def __init__(self, request_ms: float = 0.0, answer_ms: float = 0.0, push_ms: float = 0.0, seed: int = 1) -> None:
        self._means_ms = (request_ms, answer_ms, push_ms)
        self._random = [Random(f"{seed}/{at}") for at in range(3)]

    def request_s(self) -> float:
        """Seconds a request needs to the exchange."""
        return self._draw(0)

    def answer_s(self) -> float:
        """Seconds its answer needs back."""
        return self._draw(1)

    def push_s(self) -> float:
        """Seconds an event needs to the owner of an account."""
        return self._draw(2)

    def _draw(self, at: int) -> float:
        mean = self._means_ms[at]
        return mean * self._random[at].uniform(0.5, 1.5) / 1000 if mean else 0.0


def parse_latencies(text: str, seed: int) -> Latencies:
    """Read `REQUEST,ANSWER,PUSH` in ms. Raises `BadMarket`."""
    try:
        request_ms, answer_ms, push_ms = (float(piece) for piece in text.split(","))
    except ValueError:
        raise BadMarket("--latency-ms", f"must be three numbers, like 5,5,8, not {text!r}") from None
    if not all(0 <= mean <= 60_000 for mean in (request_ms, answer_ms, push_ms)):
        raise BadMarket("--latency-ms", f"each must be within 0 and 60000, not {text!r}")
    return Latencies(request_ms, answer_ms, push_ms, seed)
