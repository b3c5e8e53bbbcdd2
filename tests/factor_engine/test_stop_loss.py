import math

import numpy as np
import pytest
from factor_engine import BadParameter, StopLossCause, StopLossChecker, StopLossStatus
from hypothesis import given, settings
from hypothesis import strategies as st

slow = settings(deadline=None, derandomize=True, max_examples=200)

NORMAL, TRIGGERED, COOLDOWN = StopLossStatus
CALM, HOT, WARM = (0.005, 0.001), (0.012, 0.001), (0.0095, 0.001)  # z 0, 3.5, 2.25


@pytest.mark.parametrize(
    ("volatility", "change", "status", "cause"),
    [
        (0.005, 0.001, NORMAL, StopLossCause.NONE),
        (0.012, 0.001, TRIGGERED, StopLossCause.VOLATILITY),
        (0.005, 0.0115, TRIGGERED, StopLossCause.CHANGE),
        (0.005, -0.0115, TRIGGERED, StopLossCause.CHANGE),
        (0.012, 0.0115, TRIGGERED, StopLossCause.VOLATILITY | StopLossCause.CHANGE),
        (0.0109, 0.0099, NORMAL, StopLossCause.NONE),
        (0.0111, 0.0, TRIGGERED, StopLossCause.VOLATILITY),
        (0.0, 0.0101, TRIGGERED, StopLossCause.CHANGE),
        (math.inf, 0.0, TRIGGERED, StopLossCause.VOLATILITY),
    ],
)
def test_either_number_beyond_its_threshold_triggers(volatility, change, status, cause):
    checker = StopLossChecker()
    assert checker.check(volatility, change) is status
    assert (checker.status, checker.cause) == (status, cause)


def test_threshold_itself_does_not_trigger():
    checker = StopLossChecker(volatility_mean=0.0, volatility_std=1.0, change_mean=0.0, change_std=1.0)
    assert checker.check(3.0, -3.0) is NORMAL
    assert (checker.volatility_z, checker.change_z) == (3.0, 3.0)
    assert checker.check(math.nextafter(3.0, 4.0), 0.0) is TRIGGERED


def test_without_cooldown_every_check_stands_alone():
    checker = StopLossChecker()
    assert [checker.check(*pair) for pair in (HOT, CALM, HOT, WARM)] == [TRIGGERED, NORMAL, TRIGGERED, NORMAL]


def test_std_of_nothing_switches_its_half_off():
    checker = StopLossChecker(volatility_std=1e-10, change_std=0.0)
    assert checker.check(1e9, 1e9) is NORMAL


@pytest.mark.parametrize("pair", [(math.nan, 0.001), (0.005, math.nan), (math.nan, math.nan)])
def test_nan_triggers_nothing_releases_nothing_and_is_counted(pair):
    checker = StopLossChecker()
    assert checker.check(*pair) is NORMAL
    checker.check(*HOT)
    assert checker.check(*pair) is TRIGGERED
    assert checker.rejected == 2


def test_nan_in_one_number_does_not_hide_the_other():
    assert StopLossChecker().check(math.nan, 0.5) is TRIGGERED
    assert StopLossChecker().check(0.5, math.nan) is TRIGGERED


def test_cooldown_lasts_from_the_last_hot_check():
    checker = StopLossChecker(cooldown_ns=100)
    steps = [(0, CALM), (10, HOT), (20, HOT), (21, CALM), (119, CALM), (120, CALM), (121, CALM)]
    expected = [NORMAL, TRIGGERED, TRIGGERED, COOLDOWN, COOLDOWN, NORMAL, NORMAL]
    assert [checker.check(*pair, now_ns=now) for now, pair in steps] == expected
    assert checker.cause is StopLossCause.NONE


def test_hot_check_during_cooldown_triggers_again():
    checker = StopLossChecker(cooldown_ns=100)
    checker.check(*HOT, now_ns=10)
    assert checker.check(*CALM, now_ns=50) is COOLDOWN
    assert checker.cause is StopLossCause.VOLATILITY
    assert checker.check(*HOT, now_ns=60) is TRIGGERED
    assert checker.check(*CALM, now_ns=159) is COOLDOWN
    assert checker.check(*CALM, now_ns=160) is NORMAL


def test_release_holds_the_trigger_until_the_zscores_are_down_to_its_share():
    checker = StopLossChecker(release=0.5)
    assert [checker.check(*pair) for pair in (WARM, HOT, WARM, CALM, WARM)] == [
        NORMAL,
        TRIGGERED,
        TRIGGERED,
        NORMAL,
        NORMAL,
    ]


NUMBERS = st.one_of(st.floats(-0.02, 0.02), st.sampled_from([math.nan, math.inf, -math.inf, 0.011, 0.01]))


def slow_check(status, hot_at, volatility, change, now, cooldown, release):
    """The drawing in the module, with plain words."""
    share = release if status is TRIGGERED else 1.0
    hot = (volatility - 0.005) / 0.002 > 3.0 * share or (abs(change) - 0.001) / 0.003 > 3.0 * share
    if hot:
        return TRIGGERED, now
    if math.isnan(volatility) or math.isnan(change) or status is NORMAL:
        return status, hot_at
    return (COOLDOWN if now - hot_at < cooldown else NORMAL), hot_at


@slow
@given(
    st.lists(st.tuples(st.integers(0, 60), NUMBERS, NUMBERS), max_size=40),
    st.sampled_from([0, 1, 50, 200]),
    st.sampled_from([1.0, 0.5]),
)
def test_machine_agrees_with_its_drawing_and_with_its_whole_array_form(steps, cooldown, release):
    checker, many = (StopLossChecker(cooldown_ns=cooldown, release=release) for _ in range(2))
    times = np.cumsum([step for step, *_ in steps], dtype=np.int64)
    status, hot_at, expected = NORMAL, 0, []
    for now, (_, volatility, change) in zip(times, steps, strict=True):
        status, hot_at = slow_check(status, hot_at, volatility, change, now, cooldown, release)
        assert checker.check(volatility, change, now) is status
        expected.append(status)
    got = many.check_many([v for _, v, _ in steps], [c for *_, c in steps], times)
    assert got.tolist() == expected
    assert [a.tobytes() for a in many.arrays] == [a.tobytes() for a in checker.arrays]


def test_reset_returns_to_normal():
    checker = StopLossChecker(cooldown_ns=10)
    checker.check(*HOT)
    checker.reset()
    assert (checker.status, checker.cause, checker.volatility_z) == (NORMAL, StopLossCause.NONE, 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"volatility_mean": math.nan},
        {"volatility_std": -1.0},
        {"change_std": math.inf},
        {"change_threshold": math.nan},
        {"release": 0.0},
        {"release": 1.5},
        {"cooldown_ns": -1},
    ],
)
def test_parameters_out_of_range_are_named(changes):
    with pytest.raises(BadParameter) as caught:
        StopLossChecker(**changes)
    assert caught.value.name in changes
