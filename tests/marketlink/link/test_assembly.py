"""From samples to what a bot hears."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.events import BUY, KIND_MASK, TRADE, empty_events
from marketlink.link.assembly import TRAILER, Assembler, Sample
from marketlink.link.held import HeldReader
from marketlink.link.wire import encode_event
from marketlink.messages import (
    TO_ALL,
    Batch,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    Heard,
    LiveError,
    NewSession,
    PositionEvent,
    SamplesLost,
    Unreadable,
)

from tests.marketlink.link import strategies as some

ME = 77
SESSION = 1_700_000_000_000_000_000


class Sender:
    """Numbers samples as the connector does."""

    def __init__(self, session: int = SESSION) -> None:
        self.session, self.seq = session, 0

    def samples(self, batch: Batch, trailer: bool = True) -> list[Sample]:
        messages = [message for event in batch.events for message in encode_event(event)]
        if batch.framed:
            messages = [b"\x00", *messages, b"\x01"]
        samples = []
        for message in messages:
            tail = TRAILER.pack(self.session, self.seq) if trailer else b"\xff" * 300
            samples.append(TRAILER.pack(batch.to, len(message)) + message + tail)
            self.seq += 1
        return samples


def feed(symbol: str, count: int, start: int = 0) -> FeedEvent:
    events = empty_events(count)
    events["px"] = np.arange(start, start + count)
    return FeedEvent(symbol, events)


def plain(heard: list[Heard]) -> list[object]:
    """Heard values in a form that compares, consecutive bare feeds of one symbol as one."""
    result: list[object] = []
    for one in heard:
        if not isinstance(one, Batch):
            result.append(one)
            continue
        events: list[object] = []
        for event in one.events:
            events.append((event.symbol, event.events.tobytes()) if isinstance(event, FeedEvent) else event)
        before = result[-1] if result else None
        bare = not one.framed and len(events) == 1 and isinstance(events[0], tuple)
        if (
            bare
            and isinstance(before, tuple)
            and before[:2] == (one.to, False)
            and isinstance(before[2][0], tuple)
            and before[2][0][0] == events[0][0]
        ):  # type: ignore[index]
            result[-1] = (one.to, False, [(events[0][0], before[2][0][1] + events[0][1])])  # type: ignore[index]
        else:
            result.append((one.to, one.framed, events))
    return result


batches = st.builds(
    Batch,
    st.lists(
        st.one_of(some.plain_events, st.builds(FeedEvent, some.symbols, some.records(min_size=1, max_size=5))),
        max_size=4,
    ).map(tuple),
    st.sampled_from([TO_ALL, ME, 5]),
    st.booleans(),
)


def merged(batch: Batch) -> Batch:
    """Adjacent feeds of one symbol arrive as one."""
    events: list[object] = []
    for event in batch.events:
        if (
            events
            and isinstance(event, FeedEvent)
            and isinstance(events[-1], FeedEvent)
            and events[-1].symbol == event.symbol
        ):
            events[-1] = FeedEvent(event.symbol, np.concatenate([events[-1].events, event.events]))
        else:
            events.append(event)
    return Batch(tuple(events), batch.to, batch.framed)  # type: ignore[arg-type]


def expected(sent: list[Batch]) -> list[object]:
    heard: list[Heard] = []
    for batch in sent:
        if batch.to == 5:
            continue
        if batch.framed:
            heard.append(merged(batch))
        else:
            heard.extend(Batch((event,), batch.to, framed=False) for event in merged(batch).events)
    return plain(heard)


@given(st.lists(batches, max_size=6), st.integers(0, 2**32), st.booleans())
def test_whatever_is_sent_is_heard_however_it_is_cut_into_receives(sent: list[Batch], seed: int, trailer: bool) -> None:
    sender, rng = Sender(), random.Random(seed)
    samples = [sample for batch in sent for sample in sender.samples(batch, trailer)]
    assembler, heard = Assembler(ME), []
    while samples:
        count = rng.randint(1, 9)
        heard += assembler.take(samples[:count])
        samples = samples[count:]
    assert plain(heard) == expected(sent)


def test_unfinished_batch_stays_back_until_its_end() -> None:
    samples = Sender().samples(Batch((feed("btcusdt", 3),)))
    assembler = Assembler(ME)
    assert assembler.take(samples[:-1]) == []
    (batch,) = assembler.take(samples[-1:])
    assert isinstance(batch, Batch)


def test_lost_samples_are_counted_and_nothing_of_their_batchs_book_is_heard() -> None:
    sender = Sender()
    samples = sender.samples(Batch((feed("btcusdt", 10),)))
    assert Assembler(ME).take(samples[:4] + samples[9:]) == [SamplesLost(5)]


def trade(symbol: str, count: int) -> FeedEvent:
    events = empty_events(count)
    events["ev"] = TRADE | BUY
    return FeedEvent(symbol, events)


book_batches = st.builds(
    Batch,
    st.lists(
        st.one_of(
            some.plain_events,
            st.builds(feed, some.symbols, st.integers(1, 5), st.integers(0, 99)),
            st.builds(trade, some.symbols, st.integers(1, 3)),
        ),
        max_size=4,
    ).map(tuple),
    st.sampled_from([TO_ALL, ME, 5]),
)


@given(st.lists(book_batches, min_size=1, max_size=5), st.data())
def test_a_batch_cut_at_any_place_is_never_heard_as_a_whole_one(sent: list[Batch], data: st.DataObject) -> None:
    sender = Sender()
    samples = [sample for batch in sent for sample in sender.samples(batch)]
    first = data.draw(st.integers(0, len(samples) - 1))
    after = data.draw(st.integers(first + 1, len(samples)))
    heard = Assembler(ME).take([*samples[:first], *samples[after:], *sender.samples(Batch())])
    whole = [one for one in heard if isinstance(one, Batch) and one.framed]
    kept = iter(plain([merged(batch) for batch in sent if batch.to != 5]))
    for batch in plain(whole[:-1]):  # the last one shows where samples were lost at the end
        assert batch in kept, "a framed batch that was never sent so"
    bare = [one.events[0] for one in heard if isinstance(one, Batch) and not one.framed]
    assert all(np.all(one.events["ev"] & KIND_MASK == TRADE) for one in bare if isinstance(one, FeedEvent))
    if first > 0:
        assert sum(one.count for one in heard if isinstance(one, SamplesLost)) == after - first


@given(st.lists(book_batches, min_size=1, max_size=4), st.data())
def test_a_source_connectors_batch_without_its_end_is_never_heard_as_a_whole_one(
    sent: list[Batch], data: st.DataObject
) -> None:
    sender = Sender()
    batches = [sender.samples(batch, trailer=False) for batch in sent]
    cut = data.draw(st.integers(0, len(sent) - 1))
    kept_samples = data.draw(st.integers(1, len(batches[cut]) - 1))
    batches[cut] = batches[cut][:kept_samples]
    # a batch of the same destination behind it begins while the cut one is open
    samples = [sample for batch in batches for sample in batch] + sender.samples(Batch((), sent[cut].to), trailer=False)
    heard = Assembler(ME).take(samples)
    whole = [one for one in heard if isinstance(one, Batch) and one.framed]
    kept = plain([merged(batch) for number, batch in enumerate(sent) if batch.to != 5 and number != cut])
    assert plain(whole) == kept + (plain([Batch((), sent[cut].to)]) if sent[cut].to != 5 else [])
    assert [one for one in heard if isinstance(one, SamplesLost)] == ([SamplesLost(1)] if sent[cut].to != 5 else [])


def test_an_answer_may_stand_inside_a_batch_to_all() -> None:
    """The source's queue puts a registration's answer wherever it arrives."""
    sender = Sender()
    outer = sender.samples(Batch((feed("x", 4),)), trailer=False)
    answer = sender.samples(Batch((feed("x", 2, 50),), ME), trailer=False)
    heard = Assembler(ME).take([*outer[:3], *answer, *outer[3:]])
    assert plain(heard[:1]) == plain([Batch((feed("x", 2, 50),), ME)])
    assert plain(heard[1:]) == plain([Batch((feed("x", 2), feed("x", 2, 2)))])


@given(st.binary(max_size=60), st.integers(0, 2**64 - 1), st.booleans())
def test_any_bytes_on_the_link_are_heard_or_counted_and_never_an_error(raw: bytes, length: int, numbered: bool) -> None:
    assembler = Assembler(ME)
    tail = TRAILER.pack(SESSION, 0) if numbered else b""
    for stated in (length, len(raw)):
        for to in (TO_ALL, ME, 5):
            assembler.take([TRAILER.pack(to, stated) + raw + tail])


def test_a_sample_that_states_more_bytes_than_it_has_is_counted_as_lost() -> None:
    heard = Assembler(ME).take([TRAILER.pack(TO_ALL, 5) + b"\x02"])
    assert [type(one) for one in heard] == [Unreadable, SamplesLost]


@given(st.integers(1, 30), st.integers(0, 30), st.integers(1, 50))
def test_every_loss_is_counted_exactly(before: int, lost: int, after: int) -> None:
    sender = Sender()
    samples = [
        sample for _ in range(before + lost + after) for sample in sender.samples(Batch((feed("x", 1),), framed=False))
    ]
    heard = Assembler(ME).take(samples[:before] + samples[before + lost :])
    assert sum(one.count for one in heard if isinstance(one, SamplesLost)) == lost


def test_loss_of_another_bots_samples_counts_too() -> None:
    sender = Sender()
    mine = sender.samples(Batch((feed("x", 1),), ME))
    sender.samples(Batch((feed("x", 1),), 5))
    assert SamplesLost(3) in Assembler(ME).take([*mine, *sender.samples(Batch((), ME))])


def test_new_publisher_is_a_new_session_and_not_a_loss() -> None:
    first, second = Sender(), Sender(SESSION + 10)
    assembler = Assembler(ME)
    assembler.take(first.samples(Batch((feed("x", 5),)))[:3])
    heard = assembler.take(second.samples(Batch()))
    assert heard == [NewSession(SESSION + 10), Batch()]


def test_another_publisher_without_numbers_is_a_new_session() -> None:
    sender, assembler = Sender(), Assembler(ME)
    sample = sender.samples(Batch(), trailer=False)
    assert assembler.take(sample, publisher=1) == [Batch()]
    assert assembler.take(sample, publisher=1) == [Batch()]
    assert assembler.take(sample, publisher=2) == [NewSession(0), Batch()]


def test_a_connector_of_the_other_kind_is_a_new_session() -> None:
    ours, assembler = Sender(), Assembler(ME)
    assembler.take(ours.samples(Batch()))
    assert assembler.take(ours.samples(Batch(), trailer=False)) == [NewSession(0), Batch()]
    assert assembler.take(ours.samples(Batch())) == [NewSession(SESSION), Batch()]


def test_late_joiner_has_lost_nothing() -> None:
    sender = Sender()
    sender.samples(Batch((feed("x", 100),)))
    assert Assembler(ME).take(sender.samples(Batch())) == [Batch()]


def test_samples_of_a_source_peer_are_taken_unchecked() -> None:
    sender, assembler = Sender(), Assembler(ME)
    heard = assembler.take(sender.samples(Batch((feed("x", 3),)), trailer=False))
    assert plain(heard) == expected([Batch((feed("x", 3),))])
    assert not assembler.checked


def test_unreadable_sample_is_told_and_the_rest_is_heard() -> None:
    sender = Sender()
    good = sender.samples(Batch((PositionEvent("x", 1.0, 2),), framed=False))
    bad = TRAILER.pack(TO_ALL, 2) + b"\x09\x09" + TRAILER.pack(SESSION, sender.seq)
    sender.seq += 1
    cut = TRAILER.pack(TO_ALL, 5) + b"\x02\x01xab" + TRAILER.pack(SESSION, sender.seq)
    sender.seq += 1
    heard = Assembler(ME).take([*good, bad, cut, *sender.samples(Batch())])
    assert [type(one) for one in heard] == [Batch, Unreadable, Unreadable, SamplesLost, Batch]


def test_error_of_any_length_is_heard() -> None:
    error = LiveError(ErrorKind.ORDER_ERROR, "x" * 5000)
    (heard,) = Assembler(ME).take(Sender().samples(Batch((ErrorEvent(error),), framed=False)))
    assert heard == Batch((ErrorEvent(error),), framed=False)


def in_place(assembler: Assembler, samples: list[Sample], reader: HeldReader) -> list[Heard]:
    """Take samples as a reader that holds them does; each lies in memory with something behind it."""
    while samples and (place := assembler.position) is not None:
        lies = [
            sample + b"\xff" * 128 for sample in samples
        ]  # not 0: that would mend a number whose last byte is cut off
        memory = np.frombuffer(b"".join(lies) + bytes(512), np.uint8)
        places = np.cumsum([0, *(len(one) for one in lies[:-1])])
        reader.state[:3] = *place, ME
        read = reader.read_at(memory, places)
        assembler.take_ordinary(reader)
        if read < len(samples):
            assembler.gather([samples[read]])
        samples = samples[read + 1 :]
    assembler.gather(samples)
    return assembler.settled()


def joined(heard: list[Heard]) -> list[object]:
    """As `plain`, rows of one symbol that follow each other in a batch as one."""
    return plain([merged(one) if isinstance(one, Batch) else one for one in heard])


@settings(deadline=None)
@given(st.lists(batches, max_size=6), st.randoms(use_true_random=False), st.lists(st.integers(0, 6), max_size=4))
def test_samples_read_in_place_are_heard_as_copied_ones(
    sent: list[Batch], rng: random.Random, troubles: list[int]
) -> None:
    sender, other = Sender(), Sender(SESSION + 7)
    samples = [sample for batch in sent for sample in sender.samples(batch)]
    for trouble in troubles:
        at = rng.randint(0, len(samples))
        if trouble == 0:
            del samples[at : at + rng.randint(1, 3)]
        elif trouble == 1:
            samples[at:at] = other.samples(Batch((feed("btcusdt", 2),)))
        elif trouble == 2:
            samples[at:at] = other.samples(Batch(), trailer=False)
        elif samples:
            at = rng.randrange(len(samples))
            sample = samples[at]
            if trouble == 3:  # longer than its message
                samples[at] = sample + rng.randbytes(rng.randint(1, 40))
            elif trouble == 4:  # any byte of its message
                place = rng.randrange(16, max(17, len(sample) - 16))
                samples[at] = sample[:place] + rng.randbytes(1) + sample[place + 1 :]
            elif trouble == 5:  # a length that is not there
                samples[at] = sample[:8] + rng.choice([0, 1, 500, 1 << 40]).to_bytes(8, "little") + sample[16:]
            else:
                samples[at] = sample[:-1]
    copied, held, reader = Assembler(ME), Assembler(ME), HeldReader()
    while samples:
        count = rng.randint(1, 40)
        chunk, samples = samples[:count], samples[count:]
        assert joined(copied.take(chunk)) == joined(in_place(held, chunk, reader))
    assert (copied.position, copied.checked, copied._torn) == (held.position, held.checked, held._torn)


def test_numbers_are_seen_behind_messages_shorter_than_their_samples() -> None:
    samples = [sample + bytes(40) for sample in Sender().samples(Batch((feed("btcusdt", 3),)))]
    assembler = Assembler(ME)
    assert joined(assembler.take(samples)) == joined([Batch((feed("btcusdt", 3),))])
    assert assembler.position == (SESSION, 5)


def test_what_the_source_left_behind_a_message_is_no_number() -> None:
    """Its samples have 512 bytes, and in a used one the rest of an older message stands behind the new one."""
    for old in ((SESSION).to_bytes(8, "little"), b"tcusdt\x00\x00"):
        sample = TRAILER.pack(0, 1) + b"\x00" + old + bytes(503)
        assembler = Assembler(ME)
        assembler.take([sample], 1)
        assert not assembler.checked
