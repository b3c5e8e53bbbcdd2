from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_sim.auth import Denied, Key, admit, payload_of, sign

KEYS = {"k": Key("alice", "s3cret")}
NOW = 1_700_000_000_000


def ask(parameters: dict[str, str], key: str = "k", secret: str = "s3cret", now_ms: int = NOW) -> str | Denied:
    payload = "&".join(f"{name}={value}" for name, value in parameters.items())
    return admit(KEYS, key, parameters, payload, sign(payload, secret), now_ms)


def test_the_published_example_signs_to_the_published_signature() -> None:
    """The example of the exchange's own documentation (SIGNED endpoint security, HMAC)."""
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
    assert sign(query, secret) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


@pytest.mark.parametrize(
    ("age_ms", "window", "expected"),
    [
        (0, None, "alice"),
        (5000, None, "alice"),
        (5001, None, Denied.TOO_LATE),
        (-999, None, "alice"),
        (-1000, None, Denied.TOO_EARLY),
        (3000, "2000", Denied.TOO_LATE),
        (0, "60001", Denied.WINDOW_TOO_LONG),
        (0, "x", Denied.NO_TIMESTAMP),
    ],
)
def test_requests_are_let_in_within_their_window_only(age_ms: int, window: str | None, expected: str | Denied) -> None:
    more = {} if window is None else {"recvWindow": window}
    assert ask({"timestamp": str(NOW - age_ms), **more}) == expected


def test_wrong_keys_and_signatures_are_told_apart() -> None:
    given_ = {"timestamp": str(NOW)}
    assert ask(given_, key="") is Denied.NO_KEY
    assert ask(given_, key="other") is Denied.UNKNOWN_KEY
    assert ask({"x": "1"}) is Denied.NO_TIMESTAMP
    assert ask(given_, secret="wrong") is Denied.SIGNATURE
    assert admit(KEYS, "k", given_, "", "", NOW) is Denied.NO_SIGNATURE


TEXTS = st.lists(st.sampled_from(["a=1", "b=%20x", "timestamp=5"]), max_size=3).map("&".join)


@given(TEXTS, TEXTS, st.booleans())
def test_the_signature_covers_query_and_body_and_not_itself(query: str, body: str, in_body: bool) -> None:
    mark = sign(query + body, "s")
    if in_body:
        sent = query, f"{body}&signature={mark}" if body else f"signature={mark}"
    else:
        sent = f"{query}&signature={mark}" if query else f"signature={mark}", body
    assert payload_of(*sent) == (query + body, mark)
