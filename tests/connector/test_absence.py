"""Whose orders are cancelled or handed over because a bot is gone: never those of one that may live."""

from connector.absence import ORPHAN_NS, Absence, Orphans
from hypothesis import given
from hypothesis import strategies as st
from marketlink.link.port import Present
from marketlink.times import SECOND_NS, MonoNs


def present(*bots: int, whole: bool = True) -> Present:
    return Present(frozenset(bots), whole)


def at(seconds: float) -> MonoNs:
    return MonoNs(int(seconds * SECOND_NS))


def test_a_bot_that_is_gone_for_long_enough_is_cancelled_and_one_that_came_back_is_not() -> None:
    absence = Absence(5 * SECOND_NS, Orphans.KEEP)
    assert absence.look({7}, present(7), at(0)) == (set(), set())
    assert absence.look({7}, present(), at(1)) == (set(), set())
    assert absence.look({7}, present(7), at(4)) == (set(), set())
    assert absence.look({7}, present(), at(5)) == (set(), set())
    assert absence.look({7}, present(), at(9.9)) == (set(), set())
    assert absence.look({7}, present(), at(10)) == ({7}, set())


def test_a_bot_never_heard_may_live_while_somebody_unknown_is_on_the_link() -> None:
    absence = Absence(SECOND_NS, Orphans.KEEP)
    assert absence.look({7}, present(whole=False), at(0)) == (set(), set())
    assert absence.look({7}, present(whole=False), at(100)) == (set(), set())
    assert absence.look({7}, present(), at(101)) == (set(), set())
    assert absence.look({7}, present(), at(102)) == ({7}, set())


def test_orphans_are_kept_cancelled_or_handed_over_after_ten_seconds() -> None:
    for orphans, end in ((Orphans.CANCEL, ({7}, set())), (Orphans.FIRST_REGISTRANT, (set(), {7}))):
        absence = Absence(0, orphans)
        assert absence.look({7}, present(), MonoNs(0)) == (set(), set())
        assert absence.look({7}, present(), MonoNs(ORPHAN_NS - 1)) == (set(), set())
        assert absence.look({7}, present(), MonoNs(ORPHAN_NS)) == end
    assert not Absence(0, Orphans.KEEP).matters
    assert Absence(1, Orphans.KEEP).matters


@given(
    st.lists(st.tuples(st.sets(st.integers(1, 4)), st.booleans(), st.floats(0.1, 8)), min_size=1, max_size=30),
    st.sampled_from(Orphans),
    st.sampled_from([0, 3]),
)
def test_nobody_present_is_ever_touched(
    looks: list[tuple[set[int], bool, float]], orphans: Orphans, timeout_s: int
) -> None:
    absence, now = Absence(timeout_s * SECOND_NS, orphans), 0.0
    for bots, whole, passes in looks:
        now += passes
        cancelled, orphaned = absence.look({1, 2, 3}, present(*bots, whole=whole), at(now))
        assert not (cancelled | orphaned) & bots
        assert not cancelled & orphaned
        assert cancelled | orphaned <= {1, 2, 3}
