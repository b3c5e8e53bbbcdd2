"""Reports: the value, and its text, JSON and HTML, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_convert.report.html import render_html
    from data_convert.report.json import render_json
    from data_convert.report.text import render_text
    from data_convert.report.values import (
        BadLines,
        BookCheck,
        FileReport,
        Histogram,
        Latency,
        Loss,
        Quantiles,
        Report,
        Series,
    )

__all__ = [
    "BadLines",
    "BookCheck",
    "FileReport",
    "Histogram",
    "Latency",
    "Loss",
    "Quantiles",
    "Report",
    "Series",
    "render_html",
    "render_json",
    "render_text",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = name.removeprefix("render_") if name.startswith("render_") else "values"
    return getattr(import_module(f"data_convert.report.{home}"), name)
