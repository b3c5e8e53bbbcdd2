"""The in-memory link conforms."""

from collections.abc import Callable

import pytest
from marketlink.link.port import BotPort, ConnectorPort, MemoryLink

from tests.marketlink.link.conformance import CHECKS, Ends


class MemoryEnds:
    buffer = 50

    def __init__(self) -> None:
        self._link = MemoryLink(self.buffer)

    def connector(self) -> ConnectorPort:
        return self._link.connector()

    def bot(self, bot_id: int) -> BotPort:
        return self._link.bot(bot_id)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_memory_link(check: Callable[[Ends], None]) -> None:
    check(MemoryEnds())
