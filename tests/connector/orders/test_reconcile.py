"""When the exchange is compared with: every part is asked for, none that fails is read as empty, and it ends."""

from connector.reconcile import AGAIN_NS, Reconcile
from hypothesis import given
from hypothesis import strategies as st
from marketlink.times import SECOND_NS, MonoNs, after
from marketlink.venues.trading import Op

SYMBOLS = ["a", "b"]
NOW = MonoNs(1)


def test_the_first_asks_for_all_symbols_and_later_ones_for_those_in_use() -> None:
    reconcile = Reconcile(30 * SECOND_NS)
    assert reconcile.due(NOW, SYMBOLS) == []  # nothing before it is started
    reconcile.start(NOW)
    parts = reconcile.due(NOW, SYMBOLS)
    assert parts == [(Op.OPEN_ORDERS, ""), (Op.POSITIONS, ""), (Op.TRADES, "a"), (Op.TRADES, "b")]
    for op, symbol in parts:
        assert not reconcile.finish(NOW)
        reconcile.got(op, symbol)
    assert reconcile.finish(NOW)
    assert reconcile.done_once
    assert reconcile.due(after(NOW, 30 * SECOND_NS - 1), SYMBOLS) == []
    later = reconcile.due(after(NOW, 30 * SECOND_NS), SYMBOLS)
    assert (Op.OPEN_ORDERS, "a") in later
    assert (Op.OPEN_ORDERS, "") not in later


@given(st.lists(st.tuples(st.sampled_from(["got", "failed", "start", "wait"]), st.integers(0, 3)), max_size=40))
def test_it_ends_when_every_part_has_come_and_not_before(events: list[tuple[str, int]]) -> None:
    reconcile, now = Reconcile(30 * SECOND_NS), NOW
    reconcile.start(now)
    asked = set(reconcile.due(now, SYMBOLS))
    open_ = set(asked)
    for what, at in events:
        parts = sorted(asked, key=str)
        if what == "start":
            reconcile.start(now)
            asked = set(reconcile.due(now, SYMBOLS))
            open_ = set(asked)
        elif what == "wait":
            now = after(now, AGAIN_NS)
            again = set(reconcile.due(now, SYMBOLS))
            assert again <= open_  # what failed is asked again, what has come is not
        elif what == "got":
            part = parts[at % len(parts)]
            reconcile.got(*part)
            open_.discard(part)
        else:
            reconcile.failed(*parts[at % len(parts)], now)
        if reconcile.running:
            finished = reconcile.finish(now)
            assert finished == (not open_)
            if finished:
                return


@given(st.integers(0, 3))
def test_a_part_that_fails_is_asked_again_after_a_moment(at: int) -> None:
    reconcile = Reconcile(30 * SECOND_NS)
    reconcile.start(NOW)
    part = reconcile.due(NOW, SYMBOLS)[at]
    reconcile.failed(*part, NOW)
    assert reconcile.due(after(NOW, AGAIN_NS - 1), SYMBOLS) == []
    assert reconcile.due(after(NOW, AGAIN_NS), SYMBOLS) == [part]
