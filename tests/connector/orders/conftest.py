"""The order cases run on every exchange that they are about: `@pytest.mark.venues("U")` names those, by their letters."""

import pytest

from tests.connector.orders.world import VENUES, World


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__.rpartition(".")[2]
    if name.startswith("test_cases_") or name == "test_fault_table":
        marked = metafunc.definition.get_closest_marker("venues")
        letters = marked.args[0] if marked is not None else "".join(VENUES)
        metafunc.parametrize("_venue", [one for one in letters if one in VENUES], indirect=True)


@pytest.fixture(autouse=True)
def _venue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "letter", getattr(request, "param", "U"))
