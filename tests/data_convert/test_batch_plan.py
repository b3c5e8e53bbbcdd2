"""The plan of a batch: names into jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_convert.batch.plan import make_plan

ROOT, OUT = Path("/in"), Path("/out")


def plan(*names, **options):
    return make_plan([ROOT / name for name in names], ROOT, OUT, **options)


@pytest.mark.parametrize(
    ("names", "kind", "output"),
    [
        (("btcusdt_20240808.gz",), "recording", "btcusdt_20240808.npz"),
        (("um/btcusdt_20240808.gz", "um/btcusdt_20240808.jsonl"), "recording", "um/btcusdt_20240808.npz"),
        (("ethusd_perp_20240808.jsonl",), "recording", "ethusd_perp_20240808.npz"),
        (
            (
                "binance-futures_trades_2024-08-08_BTCUSDT.csv.gz",
                "binance-futures_incremental_book_L2_2024-08-08_BTCUSDT.csv.gz",
            ),
            "tardis",
            "binance-futures_btcusdt_20240808.npz",
        ),
        (
            ("BTCUSDT-trades-2024-08-08.zip", "BTCUSDT-bookTicker-2024-08-08.zip"),
            "history",
            "btcusdt_20240808.npz",
        ),
        (("BTCUSDT2024-08-08.csv.gz", "2024-08-08_BTCUSDT_ob500.data.zip"), "history", "btcusdt_20240808.npz"),
        (("ETHUSDT_2024-08-08.csv.gz",), "history", "ethusdt_20240808.npz"),
    ],
)
def test_files_of_one_symbol_and_day_are_one_job(names, kind, output):
    (job,) = plan(*names).jobs
    assert job.kind == kind
    assert job.output == OUT / output
    assert set(job.inputs) == {ROOT / name for name in names}


def test_aggregated_trades_are_left_where_there_are_trades():
    names = ("BTCUSDT-trades-2024-08-08.zip", "BTCUSDT-aggTrades-2024-08-08.zip", "BTCUSDT-aggTrades-2024-08-09.zip")
    assert [[path.name for path in job.inputs] for job in plan(*names).jobs] == [[names[0]], [names[2]]]


def test_of_tardis_books_of_one_day_the_finest_is_taken():
    start, end = "binance-futures_", "_2024-08-08_BTCUSDT.csv.gz"
    every = ("incremental_book_L2", "book_snapshot_25", "book_snapshot_5", "book_ticker", "quotes", "derivative_ticker")

    def taken(*whats):
        (job,) = plan(*(f"{start}{what}{end}" for what in whats)).jobs
        return {path.name.removeprefix(start).removesuffix(end) for path in job.inputs}

    assert taken(*every) == {"incremental_book_L2", "book_ticker", "derivative_ticker"}
    assert taken(*every[1:]) == {"book_snapshot_25", "book_ticker", "derivative_ticker"}
    assert taken("book_snapshot_5", "quotes", "trades") == {"book_snapshot_5", "quotes", "trades"}


def test_symbols_in_any_case_and_days_inclusive_choose():
    names = [f"{s}_202408{d:02}.gz" for s in ("btcusdt", "ethusdt") for d in (7, 8, 9)]
    chosen = plan(*names, symbols=frozenset({"BTCUSDT"}), first_day="20240808", last_day="20240808").jobs
    assert [job.name for job in chosen] == ["btcusdt_20240808"]
    assert len(plan(*names, first_day="20240808").jobs) == 4
    tardis = "binance-futures_trades_2024-08-08_BTCUSDT.csv.gz"
    assert len(plan(tardis, symbols=frozenset({"btcusdt"})).jobs) == 1


def test_two_kinds_of_source_never_write_to_one_output():
    jobs = plan("btcusdt_20240808.gz", "BTCUSDT-trades-2024-08-08.zip").jobs
    assert len({job.output for job in jobs}) == len(jobs) == 2


def test_names_that_say_nothing_are_listed():
    assert [path.name for path in plan("readme.md", "btcusdt.gz", "a_20240808.npz").unknown] == [
        "a_20240808.npz",
        "btcusdt.gz",
        "readme.md",
    ]


def test_a_recording_knows_the_day_before_even_one_that_is_not_chosen():
    names = ["a/btcusdt_20240229.gz", "a/btcusdt_20240301.gz", "b/btcusdt_20240302.gz", "a/ethusdt_20240302.gz"]
    jobs = {job.name: job.before for job in plan(*names, first_day="20240301").jobs}
    assert jobs == {
        "a/btcusdt_20240301": (ROOT / names[0],),
        "a/ethusdt_20240302": (),
        "b/btcusdt_20240302": (),
    }
