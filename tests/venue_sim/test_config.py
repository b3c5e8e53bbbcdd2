from __future__ import annotations

from typing import Any

import pytest
from venue_sim.config import KINDS, parse_fault, parse_script
from venue_sim.errors import BadFault


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({}, "kind"),
        ({"kind": "explode"}, "kind"),
        ({"kind": 3}, "kind"),
        ({"kind": "drop", "colour": 1}, "colour"),
        ({"kind": "drop", "delay_s": 1}, "delay_s"),
        ({"kind": "drop", "count": "three"}, "count"),
        ({"kind": "drop", "count": True}, "count"),
        ({"kind": "drop", "probability": 1.5}, "probability"),
        ({"kind": "drop", "at_s": -1}, "at_s"),
        ({"kind": "corrupt", "mode": "melt"}, "mode"),
        ({"kind": "status"}, "status"),
        ({"kind": "status", "status": 299}, "status"),
        ({"kind": "slow"}, "delay_s"),
        ({"kind": "close", "code": 1006}, "code"),
        ({"kind": "close", "reason": "x" * 121}, "reason"),
        ({"kind": "stale_snapshot", "updates": 0}, "updates"),
        ({"kind": "boundary_snapshot", "path": "/x"}, "path"),
    ],
)
def test_a_wrong_fault_names_its_field(entry: dict[str, Any], field: str) -> None:
    with pytest.raises(BadFault) as caught:
        parse_fault(entry)
    assert caught.value.field == field


def test_a_script_is_a_list_of_fault_tables() -> None:
    faults = parse_script('[[fault]]\nkind = "drop"\nat_s = 5\nsymbol = "BTCUSDT"\n\n[[fault]]\nkind = "corrupt"\n')
    assert [(fault.kind, fault.at_s, fault.symbol, fault.mode) for fault in faults] == [
        ("drop", 5, "btcusdt", None),
        ("corrupt", None, None, "truncate"),
    ]
    assert parse_script("") == []


@pytest.mark.parametrize("text", ["[[fault]", "fault = 3", "[fault]\nkind='drop'", "[[faults]]\nkind='drop'"])
def test_a_script_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(BadFault):
        parse_script(text)


def test_every_kind_can_be_written() -> None:
    needs = {"status": {"status": 500}, "slow": {"delay_s": 1}, "late": {"delay_s": 1}, "error": {"code": -1008}}
    needs["late_execution"] = {"delay_s": 1}
    assert {parse_fault({"kind": kind, **needs.get(kind, {})}).kind for kind in KINDS} == KINDS
