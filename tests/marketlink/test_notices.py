"""One vocabulary of what a connector tells, to the link and back."""

from hypothesis import given
from hypothesis import strategies as st
from marketlink.link.wire import decode_event, encode_event
from marketlink.messages import ErrorEvent, ErrorKind, LiveError
from marketlink.notices import (
    Contradicted,
    Farewell,
    Notice,
    OrderProblem,
    OutOfSync,
    Refused,
    Remark,
    Sizes,
    Stated,
    read_notice,
    to_error,
)

words = st.text(max_size=30)
sizes = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False)
notices: st.SearchStrategy[Notice] = st.one_of(
    st.builds(OutOfSync, words, words, st.integers(0, 2**63 - 1)),
    st.builds(Refused, words, words),
    st.builds(Contradicted, words, st.sampled_from([Stated.TICK_SIZE, Stated.LOT_SIZE]), sizes, sizes),
    st.builds(Contradicted, words, st.just(Stated.SYMBOL), words, words),
    st.builds(Sizes, words, positive, positive),
    st.builds(
        OrderProblem,
        words,
        st.integers(0, 2**64 - 1),
        words,
        words,
        st.none() | st.integers(-9999, 200_000),
        words,
        words,
    ),
    st.builds(Farewell, words),
    st.builds(Remark, words, words),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | sizes | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "symbol",
        "msg",
        "state",
        "reason",
        "after_id",
        "refused",
        "contradicts",
        "stated",
        "true",
        "order_id",
        "tick_size",
        "lot_size",
    ]
)


@given(notices)
def test_every_notice_comes_back_over_the_wire_as_it_was(notice: Notice) -> None:
    (message,) = encode_event(ErrorEvent(to_error(notice)))
    event = decode_event(message)
    assert isinstance(event, ErrorEvent)
    assert read_notice(event.error) == notice


@given(st.sampled_from(ErrorKind), values | st.dictionaries(keys, values), st.integers(-5, 5))
def test_any_error_of_a_peer_is_a_notice_or_none_and_never_an_exception(
    kind: ErrorKind, value: object, number: int
) -> None:
    notice = read_notice(LiveError(kind, value, number))  # type: ignore[arg-type]
    assert notice is None or read_notice(to_error(notice)) == notice


def test_words_of_a_contradiction_name_both_sizes() -> None:
    text = Contradicted("btcusdt", Stated.TICK_SIZE, 0.01, 0.1).text
    assert "0.01" in text
    assert "0.1," in text
