"""The command `warm`: every kernel is compiled once, so that no conversion has to wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer

from data_convert.commands import options as opt

_TARDIS: Final = "exchange,symbol,timestamp,local_timestamp,"
_QUOTES: Final = "ask_amount,ask_price,bid_price,bid_amount"
_LEVELS: Final = ",".join(
    f"{side}[{n}].{what}" for n in range(5) for side in ("asks", "bids") for what in ("price", "amount")
)
_START_MS: Final = 1_700_000_000_000
_FRAMES: Final = 8_000
_PRICES: Final = 3_000
"""More than the first table of a book holds."""


def warm(json: opt.Json = False) -> None:
    """Compile everything once, as at an installation; files up to some MB need nothing of it."""
    import time
    from tempfile import TemporaryDirectory

    begin, seconds = time.perf_counter(), dict[str, float]()
    with TemporaryDirectory(prefix="data-convert-") as folder:
        for done in _conversions(Path(folder)):
            seconds[done] = round(time.perf_counter() - begin - sum(seconds.values()), 3)
            typer.echo(f"{done}: {seconds[done]:.1f} s", err=True)
    if json:
        opt.show_json({"seconds": seconds})


def _conversions(folder: Path) -> Iterator[str]:
    """Convert a little of everything by kernels; yield what is done."""
    import data_convert._jit  # noqa: F401 - where it is loaded, nothing is converted without kernels
    from data_convert.archives.convert import convert_history
    from data_convert.archives.latency import ConstantLatency
    from data_convert.files.npz import npz_chunks
    from data_convert.recordings.convert import convert_recording
    from data_convert.report.validation import validate_chunks
    from data_convert.tardis.convert import convert_tardis_file
    from data_convert.tardis.fuse import fuse_tardis_file
    from data_convert.tardis.sample import write_sample

    sample, array = write_sample(folder), folder / "x.npz"
    convert_tardis_file(sample, array, force=True)
    many = folder / "many.csv"
    rows = (f"x,AB,{_START_MS}000,{_START_MS}050,false,bid,{n + 1},1\n" for n in range(_PRICES))
    many.write_text(f"{_TARDIS}is_snapshot,side,price,amount\n{''.join(rows)}")
    convert_tardis_file(many, array, force=True)
    yield "tardis"
    validate_chunks(npz_chunks(array))
    yield "validate"
    quotes, levels = folder / "quotes.csv", folder / "levels.csv"
    quotes.write_text(f"{_TARDIS}{_QUOTES}\nbinance-futures,BTCUSDT,{_START_MS}000,{_START_MS}050,1,50001,50000,1\n")
    level = ",".join(f"{50_001 + n},1,{50_000 - n},1" for n in range(5))
    levels.write_text(f"{_TARDIS}{_LEVELS}\nbinance-futures,BTCUSDT,{_START_MS}000,{_START_MS}050,{level}\n")
    fuse_tardis_file([*sample, quotes], array, force=True)
    fuse_tardis_file([sample[0], levels], array, force=True)
    yield "fuse"
    for frames in (_frames, _bybit_frames, _hyperliquid_frames, _link_lines):
        recording = folder / "btcusdt_20231114.jsonl"
        recording.write_text("".join(frames()))
        convert_recording(recording)
    yield "collector"
    trades, ticker = folder / "BTCUSDT-trades-2023-11-14.csv", folder / "BTCUSDT-bookTicker-2023-11-14.csv"
    trades.write_text(
        "id,price,qty,quote_qty,time,is_buyer_maker\n"
        + "".join(f"{i},100.5,1,1,{_START_MS + i},true\n" for i in range(9))
    )
    ticker.write_text(
        "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
        + "".join(f"{i},100.5,{i + 1},100.6,1,{_START_MS + i},{_START_MS + i}\n" for i in range(9))
    )
    convert_history([trades, ticker], ConstantLatency(1_000_000))
    yield "history"


def _frames() -> Iterator[str]:
    """Yield lines of a recording, more than are decoded one by one."""
    at_ns = _START_MS * 1_000_000
    yield f'{at_ns} {{"lastUpdateId":1,"E":{_START_MS},"T":{_START_MS},"bids":[["99.9","5"]],"asks":[["100.1","3"]]}}\n'
    for i in range(1, _FRAMES):
        head = f'{at_ns + i * 1_000_000} {{"stream":"btcusdt@'
        ms = _START_MS + i
        yield (
            f'{head}depth@0ms","data":{{"e":"depthUpdate","E":{ms},"T":{ms},"s":"BTCUSDT","U":{i},"u":{i + 1},"pu":{i},'
            f'"b":[["{99 + i % 7}.5","{i % 3}.25"]],"a":[["{107 + i % 7}.5","1.5"]]}}}}\n'
            f'{head}trade","data":{{"e":"trade","E":{ms},"T":{ms},"s":"BTCUSDT","t":{i},"p":"100.5","q":"0.25","X":"MARKET",'
            f'"m":true}}}}\n'
        )


def _bybit_frames() -> Iterator[str]:
    """Yield lines of a recording of Bybit, more than are decoded one by one."""
    for i in range(_FRAMES):
        ms, kind = _START_MS + i, "delta" if i else "snapshot"
        yield (
            f'{ms}000000 {{"topic":"orderbook.50.BTCUSDT","type":"{kind}","ts":{ms},"data":{{"s":"BTCUSDT",'
            f'"b":[["{99 + i % 7}.5","1.25"]],"a":[["{107 + i % 7}.5","1.5"]],"u":{i + 10},"seq":{i + 10}}},"cts":{ms}}}\n'
        )


def _hyperliquid_frames() -> Iterator[str]:
    """Yield lines of a recording of Hyperliquid, more than are decoded one by one."""
    for i in range(_FRAMES):
        ms = _START_MS + i
        yield (
            f'{ms}000000 {{"channel":"l2Book","data":{{"coin":"BTC","time":{ms},"levels":[[{{"px":"{99 + i % 7}.5",'
            f'"sz":"1.25","n":1}}],[{{"px":"{107 + i % 7}.5","sz":"1.5","n":2}}]]}}}}\n'
        )


def _link_lines() -> Iterator[str]:
    """Yield lines of a connector, more than are decoded one by one."""
    for i in range(2 * _FRAMES):
        ms = _START_MS + i
        word = "depthUpdate" if i else "depthSnapshot"
        yield (
            f'{ms}000000 {{"e":"{word}","E":{ms},"s":"BTCUSDT","b":[["{99 + i % 7}.5","1.25"]],"a":[],'
            f'"ns":{ms}000000,"u":{i + 1},"more":0}}\n'
        )
