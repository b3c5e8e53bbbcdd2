"""The block kernels against their slow twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import WireError
from marketlink.events import empty_events
from marketlink.link.block import FeedEncoder, decode_feed, feed_symbol
from marketlink.link.wire import encode_event
from marketlink.messages import FeedEvent

from tests.marketlink.link import strategies as some


def sample(message: bytes, behind: bytes = b"") -> bytes:
    """A sample as it is read: header, message, and what is behind it."""
    return (0).to_bytes(8, "little") + len(message).to_bytes(8, "little") + message + behind


@given(some.symbols, some.records(), st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 40))
def test_block_bytes_are_the_twins_with_header_and_trailer(
    symbol: str, events: np.ndarray, session: int, seq: int
) -> None:
    samples = FeedEncoder().samples(symbol, events, 77, session, seq)
    twins = encode_event(FeedEvent(symbol, events))
    assert [sample[16:-16] for sample in samples] == twins
    headers = [(77).to_bytes(8, "little") + len(twin).to_bytes(8, "little") for twin in twins]
    assert [sample[:16] for sample in samples] == headers
    trailers = [session.to_bytes(8, "little") + (seq + number).to_bytes(8, "little") for number in range(len(events))]
    assert [sample[-16:] for sample in samples] == trailers


@given(some.symbols, some.records(min_size=1))
def test_decoding_gives_the_records_back(symbol: str, events: np.ndarray) -> None:
    samples = [sample(raw) for raw in encode_event(FeedEvent(symbol, events))]
    assert feed_symbol(samples[0]) == symbol
    assert decode_feed(samples).tobytes() == events.tobytes()
    padded = [sample(raw, b"\xff" * 300) for raw in encode_event(FeedEvent(symbol, events))]
    assert decode_feed(padded).tobytes() == events.tobytes()


@given(some.records(min_size=1, max_size=4), st.data())
def test_a_cut_or_foreign_message_is_a_wire_error(events: np.ndarray, data: st.DataObject) -> None:
    messages = encode_event(FeedEvent("btcusdt", events))
    bad = data.draw(st.integers(0, len(messages) - 1))
    harm = data.draw(st.sampled_from(["cut", "symbol"]))
    if harm == "cut":
        messages[bad] = messages[bad][: data.draw(st.integers(0, len(messages[bad]) - 1))]
    elif len(messages) > 1:
        messages[max(bad, 1)] = messages[max(bad, 1)].replace(b"btcusdt", b"ethusdt")
    else:
        messages[0] = b"\x03" + messages[0][1:]
    with pytest.raises(WireError):
        decode_feed([sample(raw, b"\0" * 64) for raw in messages])


def test_a_large_block_fits() -> None:
    events = empty_events(30_000)
    events["exch_ts"] = np.arange(30_000) + (1 << 60)
    encoder = FeedEncoder()
    assert decode_feed(encoder.samples("x", events)).tobytes() == events.tobytes()
