"""The table of an order's phases: whole, drawn, and without a way back from the end."""

import itertools

import pytest
from connector.lifecycle import DONE, IN_DOUBT, NEXT, WORKING, News, Phase, drawing

PROOFS = {News.OVER, News.ABSENT, News.COMPLETE}


def test_every_phase_answers_every_news() -> None:
    assert set(NEXT) == set(itertools.product(Phase, News))
    assert set(NEXT.values()) == set(Phase)


def test_an_end_is_for_good() -> None:
    for news in News:
        assert NEXT[(Phase.ENDED, news)] is Phase.ENDED
        assert NEXT[(Phase.SETTLING, news)] is (Phase.ENDED if news is News.COMPLETE else Phase.SETTLING)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in DONE])
def test_only_the_exchange_s_word_ends_an_order(phase: Phase) -> None:
    """Its own word, a definite refusal of the submit, or proof: nothing that was lost, gone or silent."""
    refusable = phase in (Phase.SENT, Phase.SUBMIT_IN_DOUBT)
    for news in News:
        if NEXT[(phase, news)] in DONE:
            assert news in PROOFS or (news is News.REFUSED and refusable), (phase, news)


def test_what_was_sent_and_lost_is_in_doubt_and_what_is_in_doubt_can_be_cleared() -> None:
    for phase in (Phase.SENT, Phase.MODIFYING, Phase.CANCELING):
        assert NEXT[(phase, News.LOST)] in IN_DOUBT
    for phase in IN_DOUBT:
        assert NEXT[(phase, News.SETTLED)] is Phase.LIVE
        assert NEXT[(phase, News.OVER)] is Phase.SETTLING
        assert NEXT[(phase, News.GONE)] in IN_DOUBT


def test_every_phase_can_be_reached_and_can_end() -> None:
    def reached(start: Phase) -> set[Phase]:
        found, todo = {start}, [start]
        while todo:
            phase = todo.pop()
            more = {NEXT[(phase, news)] for news in News} - found
            found |= more
            todo += more
        return found

    assert reached(Phase.SENT) == set(Phase)
    assert all(Phase.ENDED in reached(phase) for phase in Phase)
    assert not WORKING & DONE


def test_the_drawing_shows_every_move() -> None:
    lines = drawing().splitlines()
    assert lines[0] == "stateDiagram-v2"
    moves = {(phase, following) for (phase, _), following in NEXT.items() if following is not phase}
    assert len(lines) == 2 + len(moves)
    for phase, following in moves:
        words = f"{phase.value.replace(' ', '_')} --> {following.value.replace(' ', '_')}: "
        (line,) = [line for line in lines if words in line]
        told = line.split(": ")[1].split(", ")
        assert set(told) == {news.value for news in News if NEXT[(phase, news)] is following}
