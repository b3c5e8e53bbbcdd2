"""The event record is defined twice, because the converter stands alone: the two must never differ."""

import data_convert.events as theirs
import marketlink.events as ours


def test_field_by_field() -> None:
    assert ours.EVENT_DTYPE.names == theirs.EVENT_DTYPE.names
    assert ours.EVENT_DTYPE.itemsize == theirs.EVENT_DTYPE.itemsize == 64
    for name in ours.EVENT_DTYPE.names or ():
        assert ours.EVENT_DTYPE.fields[name] == theirs.EVENT_DTYPE.fields[name]  # type: ignore[index]


def test_flag_by_flag() -> None:
    names = [
        "DEPTH",
        "TRADE",
        "DEPTH_CLEAR",
        "DEPTH_SNAPSHOT",
        "DEPTH_BBO",
        "ADD_ORDER",
        "CANCEL_ORDER",
        "MODIFY_ORDER",
        "FILL",
    ]
    for name in [*names, "EXCH", "LOCAL", "BUY", "SELL", "KIND_MASK"]:
        assert getattr(ours, name) == getattr(theirs, name), name


def test_the_numbers_are_hftbacktests_own() -> None:
    import hftbacktest.types as peer

    for mine, name in {
        "DEPTH": "DEPTH_EVENT",
        "TRADE": "TRADE_EVENT",
        "DEPTH_CLEAR": "DEPTH_CLEAR_EVENT",
        "DEPTH_SNAPSHOT": "DEPTH_SNAPSHOT_EVENT",
        "EXCH": "EXCH_EVENT",
        "LOCAL": "LOCAL_EVENT",
        "BUY": "BUY_EVENT",
        "SELL": "SELL_EVENT",
    }.items():
        number = int(getattr(peer, name))
        mark = getattr(ours, mine)
        assert mark in (number, number & ~int(peer.EXCH_EVENT | peer.LOCAL_EVENT)), name
    assert peer.event_dtype == ours.EVENT_DTYPE
