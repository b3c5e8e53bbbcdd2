"""Market data recordings and vendor files to HftBacktest event arrays.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_convert.archives.convert import convert_history, convert_mbo
    from data_convert.archives.latency import ConstantLatency, RecordedLatency
    from data_convert.arrays.book import Book, replay_book
    from data_convert.arrays.last_snapshot import end_snapshot
    from data_convert.arrays.order_latency import order_latencies
    from data_convert.errors import ConvertError
    from data_convert.events import EVENT_DTYPE
    from data_convert.files.npz import load, npz_chunks
    from data_convert.files.writer import save
    from data_convert.recordings.convert import convert_recording
    from data_convert.recordings.to_tardis import recording_to_tardis
    from data_convert.report import Report, render_html, render_json, render_text
    from data_convert.report.validation import validate
    from data_convert.report.values import Result
    from data_convert.tardis.chunks import TardisChunks, tardis_chunks
    from data_convert.tardis.convert import convert_tardis, convert_tardis_file
    from data_convert.tardis.fuse import fuse_tardis, fuse_tardis_file

_HOMES = {
    "arrays.book": ("Book", "replay_book"),
    "archives.latency": ("ConstantLatency", "RecordedLatency"),
    "errors": ("ConvertError",),
    "events": ("EVENT_DTYPE",),
    "report": ("Report", "render_html", "render_json", "render_text"),
    "report.values": ("Result",),
    "archives.convert": ("convert_history", "convert_mbo"),
    "recordings.convert": ("convert_recording",),
    "tardis.convert": ("convert_tardis", "convert_tardis_file"),
    "arrays.last_snapshot": ("end_snapshot",),
    "tardis.fuse": ("fuse_tardis", "fuse_tardis_file"),
    "files.npz": ("load", "npz_chunks"),
    "arrays.order_latency": ("order_latencies",),
    "recordings.to_tardis": ("recording_to_tardis",),
    "files.writer": ("save",),
    "tardis.chunks": ("TardisChunks", "tardis_chunks"),
    "report.validation": ("validate",),
}
_HOME = {name: f"data_convert.{module}" for module, names in _HOMES.items() for name in names}

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
