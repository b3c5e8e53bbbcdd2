"""A report as JSON."""

from __future__ import annotations

import dataclasses
import math

import orjson

from data_convert.report.values import Report


def render_json(report: Report, series: bool = False) -> str:
    """Render every field by its name; NaN becomes null. `series` adds the curves that the HTML draws."""
    value = dataclasses.asdict(report)
    value["bad_lines"] = report.bad_lines
    value["faults"] = list(report.faults)
    for gap, plain in zip(report.gaps, value["gaps"], strict=True):
        plain["length_ns"] = gap.length_ns
    if not series:
        del value["series"]
    return orjson.dumps(finite(value), option=orjson.OPT_INDENT_2).decode() + "\n"


def finite(value: object) -> object:
    """Return plain values with null for every number that JSON cannot write."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {str(key): finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [finite(inner) for inner in value]
        case _:
            return value
