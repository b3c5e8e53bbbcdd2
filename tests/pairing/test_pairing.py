"""The quick half of the pairing matrix: ours beside a stand-in written from the protocol alone, each side first."""

import pytest

from tests.pairing.__main__ import QUICK, table
from tests.pairing.cell import Kinds, run_cell


@pytest.mark.timeout(600)  # a quiet machine needs 20 s
@pytest.mark.parametrize(
    "kinds", [QUICK[0], *(pytest.param(kinds, marks=pytest.mark.soak) for kinds in QUICK[1:])], ids=str
)
def test_ours_and_a_peer_of_the_protocol_alone_understand_each_other(kinds: Kinds) -> None:
    outcome = run_cell(kinds)
    assert outcome.holds(), "\n" + table([outcome])
