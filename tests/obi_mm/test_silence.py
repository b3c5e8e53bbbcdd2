"""A connector that is not heard is said in time, seldom again, and never once it was heard."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from obi_mm.silence import SAY_AFTER_S, SAY_AGAIN_S, Silence


def test_nothing_heard_is_said_within_three_seconds_and_again_once_a_minute() -> None:
    silence = Silence("nope", 100.0)
    said = [tenth for tenth in range(1301) if silence.look(100.0 + tenth / 10, heard=False)]
    assert said == [25, 625, 1225]
    assert not silence.heard


def test_the_words_name_the_connector_and_what_is_known_of_it() -> None:
    assert "nothing is heard from a connector named 'nope' for 3 s" in Silence("nope", 0.0).look(3.0, heard=False)
    assert "is it running" in Silence("nope", 0.0).look(3.0, heard=False, nobody=True)
    assert "connector 'bf' is there, but says nothing for 3 s" in Silence("bf", 0.0).look(
        3.0, heard=False, nobody=False
    )


@given(st.lists(st.tuples(st.floats(0.0, 50.0), st.booleans()), max_size=40))
def test_it_is_said_only_before_the_first_word_and_never_twice_within_a_minute(looks: list[tuple[float, bool]]) -> None:
    silence, now_s, heard_once, said = Silence("bf", 0.0), 0.0, False, []
    for passed_s, heard in looks:
        now_s += passed_s
        heard_once = heard_once or heard
        text = silence.look(now_s, heard=heard)
        assert bool(text) <= (not heard_once and now_s >= SAY_AFTER_S)
        if text:
            said.append(now_s)
    assert silence.heard == heard_once
    assert all(later - earlier >= SAY_AGAIN_S for earlier, later in itertools.pairwise(said))
