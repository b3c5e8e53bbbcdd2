"""The subscriptions of one connection: a table of what must happen, and a machine against a naive venue."""

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.run.subscriptions import Request, SubscriptionLimits, Subscriptions
from marketlink.venues.base import Answer

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
LIMITS = SubscriptionLimits(max_streams=10, batch=3, spacing_ns=100, answer_within_ns=1000)


def connected(*streams: str) -> Subscriptions:
    subscriptions = Subscriptions(LIMITS)
    subscriptions.want(streams)
    subscriptions.on_connected()
    return subscriptions


def asked(subscriptions: Subscriptions, now: int) -> Request:
    request = subscriptions.next_request(now)
    assert request is not None
    return request


def test_streams_are_asked_for_in_order_in_batches_and_spaced() -> None:
    subscriptions = connected("a", "b", "c", "d", "a")
    first = asked(subscriptions, 0)
    assert (first.subscribe, first.streams) == (True, ("a", "b", "c"))
    assert subscriptions.next_request(99) is None
    assert subscriptions.due_ns() == 100
    assert asked(subscriptions, 100).streams == ("d",)
    assert subscriptions.next_request(200) is None
    assert subscriptions.due_ns() == 1000


def test_only_an_acknowledgement_puts_a_stream_on() -> None:
    subscriptions = connected("a")
    request = asked(subscriptions, 0)
    assert subscriptions.on == frozenset()
    assert subscriptions.on_answer(Answer(request.request_id + 5, None)) is None
    assert subscriptions.on_answer(Answer(request.request_id, None)) == request
    assert subscriptions.on == {"a"}
    assert subscriptions.on_answer(Answer(request.request_id, None)) is None


def test_a_refused_stream_is_asked_for_again_on_the_next_connection_or_when_wanted_anew_only() -> None:
    subscriptions = connected("a")
    request = asked(subscriptions, 0)
    subscriptions.on_answer(Answer(request.request_id, "2: Invalid request"))
    assert subscriptions.next_request(10_000) is None
    subscriptions.want(["a"])
    again = asked(subscriptions, 20_000)
    subscriptions.on_answer(Answer(again.request_id, "2: Invalid request"))
    assert subscriptions.next_request(30_000) is None
    subscriptions.on_connected()
    assert asked(subscriptions, 40_000).streams == ("a",)


def test_an_error_without_id_belongs_to_the_only_request_under_way() -> None:
    subscriptions = connected("a", "b", "c", "d")
    asked(subscriptions, 0)
    asked(subscriptions, 100)
    assert subscriptions.on_answer(Answer(None, "3: Invalid JSON")) is None
    subscriptions = connected("a")
    request = asked(subscriptions, 0)
    assert subscriptions.on_answer(Answer(None, None)) is None
    assert subscriptions.on_answer(Answer(None, "3: Invalid JSON")) == request


def test_an_id_that_comes_back_as_text_is_the_same_id() -> None:
    subscriptions = connected("a")
    request = asked(subscriptions, 0)
    assert subscriptions.on_answer(Answer(str(request.request_id), None)) == request
    assert subscriptions.on_answer(Answer("no number", None)) is None


def test_a_request_without_answer_is_overdue() -> None:
    subscriptions = connected("a")
    request = asked(subscriptions, 50)
    assert subscriptions.overdue(1049) is None
    assert subscriptions.overdue(1050) == request


def test_a_stream_no_longer_wanted_is_ended_after_its_answer() -> None:
    subscriptions = connected("a")
    request = asked(subscriptions, 0)
    subscriptions.unwant(["a", "never"])
    assert subscriptions.next_request(200) is None
    subscriptions.on_answer(Answer(request.request_id, None))
    end = asked(subscriptions, 300)
    assert (end.subscribe, end.streams) == (False, ("a",))
    subscriptions.want(["a"])
    assert subscriptions.next_request(500) is None  # the end is still under way
    subscriptions.on_answer(Answer(end.request_id, None))
    assert subscriptions.on == frozenset()
    assert asked(subscriptions, 600).subscribe


def test_a_new_connection_does_not_wait_for_the_spacing_of_the_last() -> None:
    subscriptions = connected("a")
    asked(subscriptions, 0)
    subscriptions.on_connected()
    assert asked(subscriptions, 1).streams == ("a",)


def test_more_streams_than_a_connection_carries_are_refused_and_none_is_taken() -> None:
    subscriptions = connected(*"abcdefghi")
    with pytest.raises(ValueError, match="11 streams are more than the 10"):
        subscriptions.want(["j", "k"])
    subscriptions.want(["a", "j"])
    with pytest.raises(ValueError, match="use more feeds"):
        subscriptions.want(["k"])


@UNTIMED
@given(
    st.integers(), st.lists(st.sampled_from(["want", "unwant", "answer", "refuse", "time", "reconnect"]), max_size=80)
)
def test_the_venue_ends_up_with_exactly_what_is_wanted(seed: int, moves: list[str]) -> None:
    rng, names = random.Random(seed), "abcdefgh"
    subscriptions, now = Subscriptions(LIMITS), 0
    subscriptions.on_connected()
    venue: set[str] = set()
    wanted: set[str] = set()
    under_way: list[Request] = []
    sent_ns: list[int] = []

    def step(refuse: bool) -> None:
        if under_way:
            request = under_way.pop(rng.randrange(len(under_way)))
            if not refuse:
                (venue.update if request.subscribe else venue.difference_update)(request.streams)
                subscriptions.on_answer(Answer(request.request_id, None))
            elif request.subscribe:
                subscriptions.on_answer(Answer(request.request_id, "no"))
            else:
                under_way.append(request)

    def send() -> None:
        while (request := subscriptions.next_request(now)) is not None:
            assert len(request.streams) <= LIMITS.batch
            flying = {stream for other in under_way for stream in other.streams}
            assert not flying & set(request.streams)
            under_way.append(request)
            sent_ns.append(now)

    for move in moves:
        match move:
            case "want":
                streams = rng.sample(names, 3)
                wanted |= set(streams)
                subscriptions.want(streams)
            case "unwant":
                streams = rng.sample(names, 3)
                wanted -= set(streams)
                subscriptions.unwant(streams)
            case "answer" | "refuse":
                step(move == "refuse")
            case "time":
                now += rng.randrange(150)
            case _:
                venue.clear()
                under_way.clear()
                sent_ns.clear()
                subscriptions.on_connected()
        send()
        assert subscriptions.on <= venue
    subscriptions.want(sorted(wanted))  # lifts refusals
    for _ in range(30):
        now += 100
        send()
        while under_way:
            step(False)
    assert venue == subscriptions.on == wanted
    assert all(later - earlier >= LIMITS.spacing_ns for earlier, later in itertools.pairwise(sent_ns))
