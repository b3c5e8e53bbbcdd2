"""Reports: the value, and its text, JSON and HTML."""

from __future__ import annotations

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
