"""The generated table of faults: every cell ends in the exchange's truth, as the file says."""

import csv
from collections import Counter
from dataclasses import astuple, fields

import pytest

from tests.connector.orders.fault_table import OPERATIONS, Row, as_csv, cells, file_of, run
from tests.connector.orders.world import World


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_cell_ends_in_the_exchange_s_truth(operation: str) -> None:
    rows: list[Row] = []
    wrong: list[str] = []
    for cell in cells():
        if cell.operation != operation:
            continue
        try:
            rows.append(run(cell))
        except AssertionError as error:
            wrong.append(f"{cell}: {error}")
    assert not wrong, "\n".join(wrong)
    print(as_csv(rows))
    with file_of(World.letter).open() as file:
        kept = [row for row in csv.reader(file) if row[0] == operation]
    told = [[str(value) for value in astuple(row)] for row in rows]
    assert told == kept, "to write it anew: python -m tests.connector.orders.fault_table"


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
