"""Clocks."""

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import get_origin

import pytest
from marketlink import clock
from marketlink.clock import ManualClock, SystemClock
from marketlink.run import feed, http, limits, retry, staleness, stamped, subscriptions
from marketlink.times import MonoNs, WallNs


def test_a_manual_clock_moves_only_when_it_is_moved() -> None:
    manual = ManualClock(wall_ns=100, mono_ns=5)
    manual.advance(7)
    manual.step_wall(-50)
    assert (manual.wall_ns(), manual.mono_ns()) == (57, 12)
    with pytest.raises(ValueError, match="does not go back"):
        manual.advance(-1)


def test_the_monotonic_clock_never_goes_back() -> None:
    system = SystemClock()
    stamps = [system.mono_ns() for _ in range(1000)]
    assert stamps == sorted(stamps)
    assert system.wall_ns() > 1_600_000_000_000_000_000


MOMENTS = {
    "now_ns": MonoNs,
    "recv_ns": WallNs,
    "wall_ns": WallNs,
    "mono_ns": MonoNs,
    "sent_ns": MonoNs,
    "last_ns": MonoNs,
}


def functions_of(module: ModuleType) -> Iterator[Callable[..., object]]:
    for each in vars(module).values():
        if getattr(each, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(each):
            yield each
        elif inspect.isclass(each):
            yield from (method for method in vars(each).values() if inspect.isfunction(method))


@pytest.mark.parametrize("module", [clock, feed, http, limits, retry, staleness, stamped, subscriptions])
def test_every_moment_is_of_one_of_the_two_types_so_that_a_type_checker_keeps_them_apart(module: ModuleType) -> None:
    for function in functions_of(module):
        for name, annotation in inspect.get_annotations(function, eval_str=True).items():
            if name in MOMENTS and annotation is not type(None) and get_origin(annotation) is None:
                if function.__qualname__.startswith("ManualClock"):  # whose start a test gives as a plain number
                    continue
                assert annotation is MOMENTS[name], f"{function.__qualname__}: {name}"
