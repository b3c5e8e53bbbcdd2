"""The subscriptions of one connection: a table of what must happen, and a machine against a naive venue."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.run.subscriptions import Settled, SubscriptionLimits, SubscriptionRequest, Subscriptions
from marketlink.times import MonoNs
from marketlink.venues.base import Answer

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
LIMITS = SubscriptionLimits(
    max_streams=10, batch=3, spacing_ns=100, answer_within_ns=1000, retry_ns=400, retry_ceiling_ns=3000
)


def connected(*streams: str) -> Subscriptions:
    subscriptions = Subscriptions(LIMITS)
    subscriptions.want(streams)
    subscriptions.on_connected()
    return subscriptions


def asked(subscriptions: Subscriptions, now: int) -> SubscriptionRequest:
    request = subscriptions.next_request(MonoNs(now))
    assert request is not None
    return request


def settles(subscriptions: Subscriptions, answer: Answer, now: int = 0) -> SubscriptionRequest | None:
    settled = subscriptions.on_answer(answer, MonoNs(now))
    return None if settled is None else settled.request


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
    assert settles(subscriptions, Answer(request.request_id + 5, None)) is None
    assert settles(subscriptions, Answer(request.request_id, None)) == request
    assert subscriptions.on == {"a"}
    assert settles(subscriptions, Answer(request.request_id, None)) is None


def refuse(
    subscriptions: Subscriptions, request: SubscriptionRequest, now: int, error: str = "2: Invalid request"
) -> Settled:
    settled = subscriptions.on_answer(Answer(request.request_id, error), MonoNs(now))
    assert settled is not None
    return settled


def test_a_stream_refused_alone_is_asked_for_again_ever_later_and_at_once_when_wanted_anew() -> None:
    subscriptions, now = connected("a"), 0
    for wait in (400, 800, 1600, 3000, 3000):  # doubles up to the ceiling
        refuse(subscriptions, asked(subscriptions, now), now)
        assert subscriptions.due_ns() in (now + 100, now + wait)
        assert subscriptions.next_request(MonoNs(now + wait - 1)) is None
        assert subscriptions.due_ns() == now + wait
        now += wait
    refuse(subscriptions, asked(subscriptions, now), now)
    subscriptions.want(["a"])
    assert asked(subscriptions, now + 100).streams == ("a",)


def test_a_refused_batch_is_asked_for_again_in_halves() -> None:
    subscriptions = connected("a", "b", "c")
    refuse(subscriptions, asked(subscriptions, 0), 0)
    assert subscriptions.next_request(MonoNs(399)) is None
    assert [asked(subscriptions, 400).streams, asked(subscriptions, 500).streams] == [("a", "b"), ("c",)]


def test_a_stream_refused_alone_goes_alone_on_the_next_connection_too() -> None:
    subscriptions = connected("a", "b", "c")
    refuse(subscriptions, asked(subscriptions, 0), 0)
    refuse(subscriptions, asked(subscriptions, 400), 400)
    refuse(subscriptions, asked(subscriptions, 500), 500)
    subscriptions.on_connected()
    assert [asked(subscriptions, 600).streams, asked(subscriptions, 700).streams] == [("a", "b"), ("c",)]
    subscriptions.on_connected()  # also when it was under way
    assert [asked(subscriptions, 800).streams, asked(subscriptions, 900).streams] == [("a", "b"), ("c",)]


def test_a_refusal_is_a_change_only_when_its_error_is_another() -> None:
    subscriptions = connected("a", "b")
    assert refuse(subscriptions, asked(subscriptions, 0), 0).changed == ("a", "b")
    assert refuse(subscriptions, asked(subscriptions, 400), 400).changed == ()
    assert refuse(subscriptions, asked(subscriptions, 500), 500, "3: other").changed == ("b",)
    assert subscriptions.refused == {"a", "b"}
    granted = subscriptions.on_answer(Answer(asked(subscriptions, 5000).request_id, None), MonoNs(5000))
    assert granted is not None
    assert granted.changed == ("a",)
    assert subscriptions.refused == {"b"}


def test_a_stream_to_be_renewed_is_ended_and_asked_for_anew() -> None:
    subscriptions = connected("a", "b")
    subscriptions.on_answer(Answer(asked(subscriptions, 0).request_id, None), MonoNs(0))
    subscriptions.renew(["b", "never"])
    end = asked(subscriptions, 100)
    assert (end.subscribe, end.streams) == (False, ("b",))
    assert subscriptions.next_request(MonoNs(300)) is None
    ended = subscriptions.on_answer(Answer(end.request_id, None), MonoNs(300))
    assert ended is not None
    assert ended.changed == (), "renewed, not gone"
    assert subscriptions.on == {"a"}
    assert asked(subscriptions, 400).streams == ("b",)
    assert subscriptions.next_request(MonoNs(600)) is None


@UNTIMED
@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=3), st.integers(1, 50))
def test_all_but_the_bad_streams_are_on_within_a_few_rounds_however_a_batch_is_refused(
    count: int, bad: set[int], batch: int
) -> None:
    names = [f"s{n}" for n in range(count)]
    blamed = {f"s{n}" for n in bad if n < count}
    subscriptions, now, sent = Subscriptions(replace(LIMITS, max_streams=60, batch=batch)), 0, 0
    subscriptions.want(names)
    subscriptions.on_connected()
    while subscriptions.on != set(names) - blamed:
        due = subscriptions.due_ns()
        assert due is not None
        now = max(now, due)
        request = subscriptions.next_request(MonoNs(now))
        if request is None:
            continue
        sent += 1
        error = "no" if blamed & set(request.streams) else None
        subscriptions.on_answer(Answer(request.request_id, error), MonoNs(now))
    halvings = batch.bit_length()
    assert sent <= -(-count // batch) + 3 * len(blamed) * (halvings + 1) * 2
    assert not subscriptions.on & subscriptions.refused


def test_an_error_without_id_belongs_to_the_only_request_under_way() -> None:
    subscriptions = connected("a", "b", "c", "d")
    asked(subscriptions, 0)
    asked(subscriptions, 100)
    assert settles(subscriptions, Answer(None, "3: Invalid JSON")) is None
    subscriptions = connected("a")
    request = asked(subscriptions, 0)
    assert settles(subscriptions, Answer(None, None)) is None
    assert settles(subscriptions, Answer(None, "3: Invalid JSON")) == request


def test_an_id_that_comes_back_as_text_is_the_same_id() -> None:
    subscriptions = connected("a")
    request = asked(subscriptions, 0)
    assert settles(subscriptions, Answer(str(request.request_id), None)) == request
    assert settles(subscriptions, Answer("no number", None)) is None


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
    settles(subscriptions, Answer(request.request_id, None))
    end = asked(subscriptions, 300)
    assert (end.subscribe, end.streams) == (False, ("a",))
    subscriptions.want(["a"])
    assert subscriptions.next_request(500) is None  # the end is still under way
    settles(subscriptions, Answer(end.request_id, None))
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
    under_way: list[SubscriptionRequest] = []
    sent_ns: list[int] = []

    def step(refuse: bool) -> None:
        if under_way:
            request = under_way.pop(rng.randrange(len(under_way)))
            if not refuse:
                (venue.update if request.subscribe else venue.difference_update)(request.streams)
                subscriptions.on_answer(Answer(request.request_id, None), MonoNs(now))
            elif request.subscribe:
                subscriptions.on_answer(Answer(request.request_id, "no"), MonoNs(now))
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
    for _ in range(200):
        now += 100
        send()
        while under_way:
            step(False)
    assert venue == subscriptions.on == wanted
    assert all(later - earlier >= LIMITS.spacing_ns for earlier, later in itertools.pairwise(sent_ns))
