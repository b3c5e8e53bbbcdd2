"""The order cases run on every exchange that they are about: `@pytest.mark.venues("U")` names those, by their letters.

Spot and COIN-M have files of their own, which take the cases from here and say which don't fit, and why.
"""

import pytest

from tests.connector.orders.world import VENUES, World

HERE = "UPB"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__.rpartition(".")[2]
    if name.startswith("test_cases_") or name == "test_fault_table":
        marked = metafunc.definition.get_closest_marker("venues")
        letters = marked.args[0] if marked is not None else HERE
        metafunc.parametrize("_venue", [one for one in letters if one in HERE], indirect=True)


@pytest.fixture(autouse=True)
def _venue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = getattr(request, "param", "U")
    assert letter in VENUES
    monkeypatch.setattr(World, "letter", letter)
