"""The table of errors decides every code for every request, and never calls refused what nobody knows."""

import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.venues.binance import USDM_TRADING
from marketlink.venues.decisions import as_markdown
from marketlink.venues.trading import Op, Refusal, Verdict, judge

from tests.conftest import ROOT

TABLE = USDM_TRADING.decisions
OPS = tuple(Op)
BEYOND_THE_LIST = (-1008, -4111, -4112, -4116, -4120, -4188, -4531, -5026, -5027)


def verdict(op: Op, status: int, body: bytes) -> Verdict:
    refusal = USDM_TRADING.read_refusal(status, body)
    assert refusal is not None
    return judge(TABLE, op, refusal).verdict


def coded(code: int, text: str = "words") -> bytes:
    return json.dumps({"code": code, "msg": text}).encode()


def test_every_documented_code_is_decided_for_every_request(shared_data: Path) -> None:
    path = shared_data / "payloads" / "binance_usdm_error_codes.json"
    codes = {int(code): row["text"] for code, row in json.loads(path.read_text()).items()}
    assert len(codes) > 150
    named = {row.code for row in TABLE if row.code is not None}
    for (code, text), op in product([*codes.items(), *((code, "x") for code in BEYOND_THE_LIST)], OPS):
        row = judge(TABLE, op, Refusal(400, code, text))
        assert row.meaning
        assert row.source
        if code not in named:
            assert row.verdict is Verdict.REFUSED, (code, op)  # the stated default of a 4xx with a code
        assert (
            judge(TABLE, op, Refusal(503, code, text)).verdict is not Verdict.REFUSED or code in named or code == -1001
        )


@given(st.sampled_from(OPS), st.integers(100, 999), st.none() | st.integers(-9999, 9999), st.text())
def test_no_error_answer_is_left_undecided(op: Op, status: int, code: int | None, text: str) -> None:
    assert judge(TABLE, op, Refusal(status, code, text)) in TABLE


@pytest.mark.parametrize(
    ("ops", "status", "body", "expected"),
    [
        # HTTP 503 has four meanings.
        (OPS, 503, coded(-1, "Unknown error, please check your request or try again later."), Verdict.UNKNOWN),
        (OPS, 503, b"Unknown error, please check your request or try again later.", Verdict.UNKNOWN),
        (OPS, 503, coded(-1, "Service Unavailable."), Verdict.REFUSED),
        (OPS, 503, b"Service Unavailable.", Verdict.REFUSED),
        (OPS, 503, coded(-1008, "Service Unavailable."), Verdict.RETRY_AFTER),
        (OPS, 429, coded(-1008), Verdict.RETRY_AFTER),
        (OPS, 503, coded(-1001, "Internal error; unable to process your request. Please try again."), Verdict.REFUSED),
        (OPS, 400, coded(-1001, "Internal error; unable to process your request. Please try again."), Verdict.UNKNOWN),
        # A page of a proxy says the same words and knows nothing.
        (OPS, 503, b"<html><h1>503 Service Unavailable.</h1></html>", Verdict.UNKNOWN),
        (OPS, 502, b"<html><title>502 Bad Gateway</title></html>", Verdict.UNKNOWN),
        (OPS, 504, b"", Verdict.UNKNOWN),
        (OPS, 500, coded(-4999), Verdict.UNKNOWN),
        (OPS, 408, coded(-1007), Verdict.UNKNOWN),
        (OPS, 408, b"", Verdict.UNKNOWN),
        (OPS, 200, b'{"orderId":1,"clientOrd', Verdict.UNKNOWN),
        (OPS, 200, b"<html>", Verdict.UNKNOWN),
        (OPS, 302, b"", Verdict.UNKNOWN),
        (OPS, 400, b"<html>", Verdict.UNKNOWN),
        (OPS, 400, coded(-1007, "Timeout waiting for response from backend server."), Verdict.UNKNOWN),
        (OPS, 400, coded(-1006), Verdict.UNKNOWN),
        (OPS, 400, coded(-9876, "Send status unknown; execution status unknown."), Verdict.UNKNOWN),
        # Limits.
        (OPS, 429, b"", Verdict.RETRY_AFTER),
        (OPS, 418, coded(-1003), Verdict.RETRY_AFTER),
        (OPS, 400, coded(-1003), Verdict.RETRY_AFTER),
        (OPS, 429, coded(-1015), Verdict.RETRY_AFTER),
        (OPS, 403, b"<html>403 Forbidden</html>", Verdict.RETRY_AFTER),
        # Clock and key.
        (OPS, 400, coded(-1021), Verdict.CLOCK),
        (OPS, 401, coded(-2015), Verdict.FATAL),
        (OPS, 401, coded(-2014), Verdict.FATAL),
        (OPS, 400, coded(-1022), Verdict.FATAL),
        (OPS, 400, coded(-4061), Verdict.FATAL),
        # Orders.
        ((Op.CANCEL, Op.CANCEL_MANY, Op.MODIFY), 400, coded(-2011), Verdict.GONE),
        ((Op.CANCEL, Op.QUERY, Op.MODIFY), 400, coded(-2013), Verdict.GONE),
        ((Op.SUBMIT, Op.TRADES), 400, coded(-2013), Verdict.REFUSED),
        ((Op.MODIFY,), 400, coded(-5027), Verdict.SUCCESS),
        ((Op.SUBMIT,), 400, coded(-4116), Verdict.UNKNOWN),
        ((Op.SUBMIT,), 400, coded(-2019), Verdict.REFUSED),
        ((Op.SUBMIT,), 400, coded(-4164), Verdict.REFUSED),
        ((Op.SUBMIT,), 400, coded(-4120), Verdict.REFUSED),
        ((Op.MODIFY,), 400, coded(-5026), Verdict.REFUSED),
        ((Op.MODIFY,), 400, coded(-5022), Verdict.UNKNOWN),
        ((Op.CANCEL_ALL,), 200, coded(-2012), Verdict.UNKNOWN),
        ((Op.CANCEL_ALL,), 200, coded(-1121, "Invalid symbol."), Verdict.REFUSED),
        ((Op.STREAM_KEEP,), 400, coded(-1125), Verdict.GONE),
    ],
)
def test_an_answer_means_what_the_specification_says(
    ops: tuple[Op, ...], status: int, body: bytes, expected: Verdict
) -> None:
    assert {verdict(op, status, body) for op in ops} == {expected}


def test_only_a_post_only_order_that_would_cross_is_no_alarm() -> None:
    assert judge(TABLE, Op.SUBMIT, Refusal(400, -5022, "")).post_only
    assert not judge(TABLE, Op.SUBMIT, Refusal(400, -2010, "")).post_only
    assert [row.code for row in TABLE if row.post_only] == [-5022]


def test_the_documents_print_this_table() -> None:
    assert as_markdown(TABLE) in (ROOT / "docs/venues/binance.md").read_text()
