"""The factors inside the published strategy run: a generated market of 100 ms steps, sampled every 10 s."""

import numpy as np
import pytest
from factor_engine import OrderBookImbalance, Volatility

START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

# seconds from the start, mid, raw imbalance, z-score
QUOTED = [
    (340, 50009.850000000006, 1.0499999999999998, 1.5850020051572846),
    (350, 50010.850000000006, 1.0399999999999996, 1.45017294810927),
    (360, 50010.55, -0.3299999999999996, -0.572680431002496),
    (370, 50010.15000000001, -0.43000000000000016, -0.6720083300362837),
]
VOLATILITY_AT_340 = 4.982398062747409e-05


def generated_books(steps):
    """Yield the best bid tick and ten quantities a side, per step."""
    x, best = 42, 500_000

    def draw():
        nonlocal x
        x = (1103515245 * x + 12345) % 2**31
        return x >> 16

    for _ in range(steps):
        best += draw() % 3 - 1
        draw()
        yield best, *([(1 + draw() % 50) / 100 for _ in range(10)] for _ in range(2))


@pytest.fixture(scope="module")
def books():
    return list(generated_books(3_700))


def book_at(books, second):
    """The newest step to have arrived: one of the same instant is still on its way."""
    best, bid_qtys, ask_qtys = books[10 * second - 1]
    ladder = np.arange(10)
    return best, (best - ladder, bid_qtys, best + 1 + ladder, ask_qtys)


def test_imbalance_and_volatility_are_the_published_ones(books):
    imbalance = OrderBookImbalance(
        looking_depth=0.00002, tick_size=0.1, roi_lb_tick=0, roi_ub_tick=2_000_000, window=30
    )
    volatility = Volatility(60 * SECOND, 5, anchored=False)
    seen, minute = {}, -1
    for second in [1, *range(10, 371, 10)]:
        best, levels = book_at(books, second)
        mid = (best * 0.1 + (best + 1) * 0.1) / 2
        now = START_NS + second * SECOND
        if now // (60 * SECOND) > minute:
            minute = now // (60 * SECOND)
            volatility.update(now, mid)
        zscore = imbalance.update_levels(*levels, mid)
        seen[second] = (mid, imbalance.raw, zscore, imbalance.ready and volatility.ready)
        if second == 340:
            assert volatility.value == pytest.approx(VOLATILITY_AT_340, rel=1e-12)
    assert [second for second, row in seen.items() if row[3]] == [row[0] for row in QUOTED]
    for second, mid, raw, zscore in QUOTED:
        assert seen[second][0] == pytest.approx(mid, rel=1e-15)
        assert seen[second][1:3] == pytest.approx((raw, zscore), rel=1e-12)


def test_anchored_volatility_has_its_window_full_one_interval_earlier(books):
    """+1 s to +40 s is 39 s, to the nearest minute a return; the source waits for +100 s and takes 99 s as one."""
    volatility = Volatility(60 * SECOND, 5)
    for second in range(1, 301):
        best, _ = book_at(books, second)
        volatility.update(START_NS + second * SECOND, (best + 0.5) * 0.1)
        if volatility.ready:
            break
    assert second == 280
