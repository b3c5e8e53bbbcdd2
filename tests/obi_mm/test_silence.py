"""A connector that is not heard is said again, seldom, and never once it was heard."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from obi_mm.silence import SAY_AFTER_S, SAY_AGAIN_S, Silence


def said(nobody: bool) -> list[int]:
    silence = Silence("bf", 100.0)
    return [tenth for tenth in range(1301) if silence.look(100.0 + tenth / 10, heard=False, nobody=nobody)]


def test_a_connector_that_is_there_and_silent_is_said_within_three_seconds_and_then_once_a_minute() -> None:
    assert said(nobody=False) == [25, 625, 1225]
    text = Silence("bf", 0.0).look(3.0, heard=False, nobody=False)
    assert "connector 'bf' is there, but says nothing for 3 s" in text


def test_a_name_that_nobody_holds_is_said_again_once_a_minute() -> None:
    assert said(nobody=True) == [600, 1200]
    assert "no connector 'nope' runs here for 61 s" in Silence("nope", 0.0).look(61.0, heard=False, nobody=True)


@given(st.lists(st.tuples(st.floats(0.0, 50.0), st.booleans(), st.booleans()), max_size=40))
def test_it_is_said_only_before_the_first_word_and_never_twice_within_a_minute(
    looks: list[tuple[float, bool, bool]],
) -> None:
    silence, now_s, heard_once, said = Silence("bf", 0.0), 0.0, False, []
    for passed_s, heard, nobody in looks:
        now_s += passed_s
        heard_once = heard_once or heard
        text = silence.look(now_s, heard=heard, nobody=nobody)
        assert bool(text) <= (not heard_once and now_s >= SAY_AFTER_S)
        if text:
            said.append(now_s)
    assert silence.heard == heard_once
    assert all(later - earlier >= SAY_AGAIN_S for earlier, later in itertools.pairwise(said))
