"""The generated table of faults: every cell ends in the exchange's truth, as the file says."""

import csv
from collections import Counter
from dataclasses import astuple, fields

import pytest

from tests.connector.orders.fault_table import OPERATIONS, Row, as_csv, cells, file_of, run
from tests.connector.orders.world import World

EVERY = 5
"""Of the other exchanges' cells, one of so many is run on every change, and all in the soak."""


def hold(operation: str, every: int) -> None:
    """Run an operation's cells and hold them against the exchange's truth and the file."""
    chosen = [cell for cell in cells() if cell.operation == operation][::every]
    rows: list[Row] = []
    wrong: list[str] = []
    for cell in chosen:
        try:
            rows.append(run(cell))
        except AssertionError as error:
            wrong.append(f"{cell}: {error}")
    assert not wrong, "\n".join(wrong)
    print(as_csv(rows))
    with file_of(World.letter).open() as file:
        kept = [row for row in csv.reader(file) if row[0] == operation][::every]
    told = [[str(value) for value in astuple(row)] for row in rows]
    assert told == kept, "to write it anew: python -m tests.connector.orders.fault_table"


@pytest.mark.venues("U")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_cell_ends_in_the_exchange_s_truth(operation: str) -> None:
    hold(operation, 1)


@pytest.mark.venues("PB")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_cells_of_the_other_exchanges_end_in_their_truth(operation: str) -> None:
    hold(operation, EVERY)


@pytest.mark.soak
@pytest.mark.venues("PB")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_cell_of_the_other_exchanges_ends_in_their_truth(operation: str) -> None:
    hold(operation, 1)


def test_the_file_is_the_whole_table() -> None:
    with file_of(World.letter).open() as file:
        head, *rows = csv.reader(file)
    assert head == [field.name for field in fields(Row)]
    wanted = [list(astuple(cell)) for cell in cells()]
    assert [row[:4] for row in rows] == wanted
    assert len(wanted) > 700
    assert set(Counter(row[4] for row in rows)) == {
        "never there", "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH",
    }  # fmt: skip
