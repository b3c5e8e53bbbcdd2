import json
import math

import numpy as np
import pytest
from factor_engine import (
    Ema,
    LinearCombiner,
    OrderBookImbalance,
    RingBuffer,
    RollingMoments,
    StateMismatch,
    StopLossChecker,
    TimeWindowSum,
    TradeImbalance,
    Volatility,
)


def book(window=7, **changes):
    parameters = {"looking_depth": 0.01, "tick_size": 0.1, "roi_lb_tick": 0, "roi_ub_tick": 1000}
    return OrderBookImbalance(window=window, **(parameters | changes))


STEPS = {
    "ring": (lambda: RingBuffer(7), lambda f, i, x: f.push(x)),
    "moments": (lambda: RollingMoments(7), lambda f, i, x: (f.update(x), f.mean, f.std, f.zscore(x))),
    "ema": (lambda: Ema(7), lambda f, i, x: f.update(x)),
    "sum": (lambda: TimeWindowSum(30, 16), lambda f, i, x: f.update(10 * i, x)),
    "trades": (lambda: TradeImbalance(30, 16), lambda f, i, x: f.update(10 * i, 1 if x > 0 else -1, abs(x))),
    "book": (book, lambda f, i, x: f.update_sums(abs(x), 1.0)),
    "volatility": (lambda: Volatility(10, 7), lambda f, i, x: f.update(10 * i, 100 + x)),
    "stop": (lambda: StopLossChecker(cooldown_ns=20), lambda f, i, x: f.check(abs(x) / 150, 0.0, 10 * i)),
    "combiner": (lambda: LinearCombiner([1, 2]), lambda f, i, x: f.update([x, i])),
}
VALUES = np.random.default_rng(9).normal(size=60)
VALUES[17] = math.nan


def feed(kind, factor, numbers):
    return [repr(STEPS[kind][1](factor, i, VALUES[i])) for i in numbers]


def through_json(state):
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in state.items()}
    return json.loads(json.dumps(plain))


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("cut", [0, 3, 31])
@pytest.mark.parametrize("medium", [dict, through_json, "npz"])
def test_restored_factor_goes_on_to_the_last_bit(kind, cut, medium, tmp_path):
    make = STEPS[kind][0]
    whole, before, after = make(), make(), make()
    feed(kind, whole, range(cut))
    feed(kind, before, range(cut))
    state = before.state()
    feed(kind, before, range(cut, 60))  # what was saved must not move with the factor
    if medium == "npz":
        np.savez(tmp_path / "state.npz", **state)
        with np.load(tmp_path / "state.npz") as saved:
            after.restore(saved)
    else:
        after.restore(medium(state))
    assert feed(kind, after, range(cut, 60)) == feed(kind, whole, range(cut, 60))
    for a, b in zip(after.arrays, whole.arrays, strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("kind", STEPS)
def test_reset_factor_is_as_new_in_the_same_arrays(kind):
    make = STEPS[kind][0]
    used, new = make(), make()
    arrays = used.arrays
    feed(kind, used, range(40))
    used.reset()
    assert all(a is b for a, b in zip(used.arrays, arrays, strict=True))
    assert feed(kind, used, range(60)) == feed(kind, new, range(60))


@pytest.mark.parametrize(
    ("factor", "other"),
    [
        (RollingMoments(5), RollingMoments(6)),
        (RollingMoments(5), RollingMoments(5, zero_spread=1e-9)),
        (Ema(3), Ema(4)),
        (TimeWindowSum(10), TimeWindowSum(11)),
        (TimeWindowSum(10), TradeImbalance(10)),
        (book(), book(tick_size=0.5)),
        (book(), book(roi_ub_tick=999)),
        (book(), book(window=8)),
        (Volatility(10, 5), Volatility(20, 5)),
        (Volatility(10, 5), Volatility(10, 5, anchored=False)),
        (StopLossChecker(), StopLossChecker(change_std=1.0)),
        (StopLossChecker(), StopLossChecker(cooldown_ns=5)),
        (LinearCombiner([1]), LinearCombiner([1, 2])),
    ],
)
def test_state_of_another_kind_or_other_parameters_is_refused(factor, other):
    with pytest.raises(StateMismatch) as caught:
        factor.restore(other.state())
    assert caught.value.kind == factor.KIND


def spoil(state, array, slot, value):
    return state | {array: np.where(np.arange(state[array].size) == slot, value, state[array])}


def damaged():
    moments, window, stop = RollingMoments(5), TimeWindowSum(10, 4), StopLossChecker()
    volatility, ring = Volatility(10, 5), RingBuffer(3)
    for i in range(9):
        moments.update(i)
        window.update(i, 1.0)
        volatility.update(10 * i, 100.0 + i)
    yield moments, spoil(moments.state(), "real", 0, 6.0)
    yield moments, spoil(moments.state(), "real", 1, 5.0)
    yield moments, spoil(moments.state(), "real", 1, 1.5)
    yield moments, spoil(moments.state(), "real", 1, math.nan)
    yield moments, spoil(moments.state(), "real", 3, math.nan)
    yield moments, spoil(moments.state(), "real", 14, math.inf)
    yield moments, spoil(moments.state(), "real", 14, 1e150)
    yield moments, moments.state() | {"real": moments.state()["real"][:-1]}
    yield moments, moments.state() | {"real": "words"}
    yield moments, moments.state() | {"version": 2}
    yield moments, {"kind": "rolling_moments", "version": 1}
    yield moments, {}
    yield window, spoil(window.state(), "whole", 3, -1)
    yield window, spoil(window.state(), "whole", 3, 4)
    yield window, spoil(window.state(), "whole", 4, 5)
    yield window, spoil(window.state(), "whole", 10, -7)
    yield window, spoil(window.state(), "real", 0, math.nan)
    yield window, window.state() | {"whole": window.state()["whole"].astype(float)}
    yield volatility, spoil(volatility.state(), "real", 0, 0.0)
    yield stop, spoil(stop.state(), "whole", 0, 3)
    yield ring, spoil(ring.state(), "real", 1, 3.0)
    yield LinearCombiner([1]), spoil(LinearCombiner([1]).state(), "real", 3, math.nan)


@pytest.mark.parametrize(("factor", "state"), list(damaged()))
def test_damaged_state_is_refused_and_changes_nothing(factor, state):
    before = [a.tobytes() for a in factor.arrays]
    with pytest.raises(StateMismatch):
        factor.restore(state)
    assert [a.tobytes() for a in factor.arrays] == before
