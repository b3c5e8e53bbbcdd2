"""What a killed connector left: whatever byte it was killed at, a part of what was put, from its beginning on."""

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from connector.journal import JournalFile
from connector.lifecycle import Phase
from connector.restored import read_records, tracked_orders
from connector.tracked import Terms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.orders import Side

from tests.connector.orders.world import LIVE_COIN

SECOND_NS = 1_000_000_000
texts = st.text(max_size=8)
records = st.one_of(
    st.fixed_dictionaries({"t": st.just("bot"), "id": st.integers(0, 2**64 - 1)}),
    st.fixed_dictionaries({"t": st.just("end"), "c": texts}),
    st.fixed_dictionaries({"t": st.just("fill"), "c": texts, "id": texts, "q": st.just("0.5"), "ns": st.integers(0)}),
    st.dictionaries(texts, st.one_of(texts, st.integers(), st.none(), st.lists(texts, max_size=2)), max_size=4),
)
fresh = itertools.count()


def write(folder: Path, put: list[dict[str, Any]], *, cut: int | None = None) -> JournalFile:
    journal = JournalFile(folder)
    journal.start([])
    for record in put:
        journal.put(record)
    journal.close()
    if cut is not None:
        path = folder / "orders.journal"
        path.write_bytes(path.read_bytes()[:cut])
    return JournalFile(folder)


@given(st.lists(records, max_size=6), st.integers(0, 400))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_killed_at_any_byte_a_beginning_is_read_back(tmp_path: Path, put: list[dict[str, Any]], cut: int) -> None:
    folder = tmp_path / str(next(fresh))
    read = write(folder, put, cut=cut).read()
    assert read == put[: len(read)]
    size = (folder / "orders.journal").stat().st_size
    assert len(read) == len(put) or size == cut  # nothing is lost that was whole


@given(st.binary(max_size=200) | st.just(b"[" * 100_000) | st.just(b'{"a":' * 50_000), st.lists(records, max_size=3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_within_lose_their_line_and_no_more(
    tmp_path: Path, strange: bytes, put: list[dict[str, Any]]
) -> None:
    folder = tmp_path / str(next(fresh))
    journal = write(folder, put)
    path = folder / "orders.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + strange + b"\n" + whole)
    read = journal.read()
    assert read[: len(put)] == put
    assert not put or read[-len(put) :] == put
    read_records(read)  # whatever they say


def test_a_journal_made_anew_says_the_same(tmp_path: Path) -> None:
    order = {
        "t": "order", "c": "mm1", "b": 7, "i": 1, "s": "btcusdt", "side": "BUY", "type": "LIMIT", "tif": "GTC",
        "p": "99.9", "q": "1.0", "ns": 5 * SECOND_NS, "local": 1,
    }  # fmt: skip
    put: list[dict[str, Any]] = [
        {"t": "bot", "id": 7},
        order,
        {**order, "c": "mm2"},
        {"t": "modify", "c": "mm1", "p": "98.0", "q": "2.0", "ns": 6 * SECOND_NS, "local": 2},
        {"t": "fill", "c": "mm1", "id": "t1", "q": "0.4", "ns": 7 * SECOND_NS},
        {"t": "end", "c": "mm2"},
    ]
    found = read_records(write(tmp_path, put).read())
    again = JournalFile(tmp_path)
    again.start(found.records())
    again.close()
    for each in (found, read_records(again.read())):
        (tracked,) = tracked_orders(each, {"btcusdt": LIVE_COIN}, 3 * SECOND_NS)
        assert (tracked.client_id, tracked.bot_id, tracked.order_id, tracked.side) == ("mm1", 7, 1, Side.BUY)
        assert (tracked.phase, tracked.wanted) == (Phase.MODIFY_IN_DOUBT, Terms(Decimal("98.0"), Decimal("2.0")))
        assert (tracked.filled, tracked.most) == (Decimal("0.4"), Decimal("1.6"))  # the larger of old and new
        assert tracked.doubt is not None
        assert tracked.doubt.from_ns == 9 * SECOND_NS
        assert each.bots == [7]
        assert not each.unusable


@given(
    st.dictionaries(
        st.sampled_from(["c", "b", "i", "s", "side", "type", "tif", "p", "q", "ns", "local", "m"]),
        st.one_of(st.text(max_size=3), st.integers(), st.sampled_from([None, "btcusdt", {"p": "1"}, "NaN", "-1"])),
    )
)
def test_an_order_that_makes_no_sense_is_counted_and_left_out(changes: dict[str, Any]) -> None:
    order = {
        "t": "order", "c": "mm1", "b": 7, "i": 1, "s": "btcusdt", "side": "BUY", "type": "LIMIT", "tif": "GTC",
        "p": "99.9", "q": "1.0", "ns": 5, "local": 1, **changes,
    }  # fmt: skip
    found = read_records([order, {"t": "bot", "id": changes.get("b", 7)}])
    assert all(0 <= bot < 2**64 for bot in found.bots)
    orders = tracked_orders(found, {"btcusdt": LIVE_COIN}, SECOND_NS)
    assert len(orders) + found.unusable >= 1


def test_a_folder_that_can_not_be_written_is_said_and_trading_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    journal = JournalFile(tmp_path / "file" / "below")
    journal.start([])
    journal.put({"t": "bot", "id": 1})
    journal.close()
    assert "only the exchange's word" in caplog.text
