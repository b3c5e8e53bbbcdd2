"""Market data recordings and vendor files to HftBacktest event arrays.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_convert.book import Book, replay_book
    from data_convert.convert import Result, convert_recording
    from data_convert.errors import ConvertError
    from data_convert.events import EVENT_DTYPE
    from data_convert.feed_latency import ConstantLatency, RecordedLatency
    from data_convert.history import convert_history, convert_mbo
    from data_convert.last_snapshot import end_snapshot
    from data_convert.order_latency import order_latencies
    from data_convert.report import Report, render_html, render_json, render_text
    from data_convert.stream.chunks import TardisChunks, npz_chunks, tardis_chunks
    from data_convert.stream.tardis import convert_tardis, convert_tardis_file
    from data_convert.tardis_fuse import fuse_tardis, fuse_tardis_file
    from data_convert.to_tardis import recording_to_tardis
    from data_convert.validation import validate
    from data_convert.writer import load, save

_HOME = {
    "Book": "data_convert.book",
    "ConstantLatency": "data_convert.feed_latency",
    "ConvertError": "data_convert.errors",
    "EVENT_DTYPE": "data_convert.events",
    "RecordedLatency": "data_convert.feed_latency",
    "Report": "data_convert.report",
    "Result": "data_convert.convert",
    "convert_history": "data_convert.history",
    "convert_mbo": "data_convert.history",
    "convert_recording": "data_convert.convert",
    "convert_tardis": "data_convert.stream.tardis",
    "convert_tardis_file": "data_convert.stream.tardis",
    "end_snapshot": "data_convert.last_snapshot",
    "fuse_tardis": "data_convert.tardis_fuse",
    "fuse_tardis_file": "data_convert.tardis_fuse",
    "load": "data_convert.writer",
    "order_latencies": "data_convert.order_latency",
    "recording_to_tardis": "data_convert.to_tardis",
    "render_html": "data_convert.report",
    "render_json": "data_convert.report",
    "render_text": "data_convert.report",
    "replay_book": "data_convert.book",
    "save": "data_convert.writer",
    "TardisChunks": "data_convert.stream.chunks",
    "npz_chunks": "data_convert.stream.chunks",
    "tardis_chunks": "data_convert.stream.chunks",
    "validate": "data_convert.validation",
}

__all__ = [
    "EVENT_DTYPE",
    "Book",
    "ConstantLatency",
    "ConvertError",
    "RecordedLatency",
    "Report",
    "Result",
    "TardisChunks",
    "convert_history",
    "convert_mbo",
    "convert_recording",
    "convert_tardis",
    "convert_tardis_file",
    "end_snapshot",
    "fuse_tardis",
    "fuse_tardis_file",
    "load",
    "npz_chunks",
    "order_latencies",
    "recording_to_tardis",
    "render_html",
    "render_json",
    "render_text",
    "replay_book",
    "save",
    "tardis_chunks",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
