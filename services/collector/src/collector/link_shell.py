"""Carries out a recording from a connector: waits on the link in the main thread, no event loop."""

import logging
import time
from collections.abc import Callable

from marketlink.link.port import BotPort
from marketlink.messages import RegisterInstrument

from collector.from_link import Effect, LinkRecording, Notice, Register, Write
from collector.writer import Writer

log = logging.getLogger("collector")


class LinkLoop:
    """One port, one recording, one writer."""

    def __init__(
        self,
        port: BotPort,
        recording: LinkRecording,
        writer: Writer,
        *,
        tick_size: float = 0.0,
        lot_size: float = 0.0,
        wall_ns: Callable[[], int] = time.time_ns,
        mono_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port, self._recording, self._writer = port, recording, writer
        self._tick_size, self._lot_size = tick_size, lot_size
        self._wall_ns, self._mono_s = wall_ns, mono_s

    def step(self, timeout_s: float) -> None:
        """Wait for the link, write all that was heard, ask for what is due. Raises CollectorError, LinkError."""
        self._port.wait(timeout_s)
        self.drain()
        self._carry_out(self._recording.on_time(self._wall_ns(), self._mono_s()))

    def drain(self) -> None:
        """Write all that has arrived."""
        all_heard = self._port.receive()
        wall_ns, now_s = self._wall_ns(), self._mono_s()
        for heard in all_heard:
            self._carry_out(self._recording.on_heard(heard, wall_ns, now_s))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Write(lines):
                    self._writer.put(lines.symbol, lines.day, lines.text, lines.count)
                case Register(symbol):
                    self._port.request(RegisterInstrument(symbol, self._tick_size, self._lot_size))
                case Notice(text, serious):
                    log.log(logging.WARNING if serious else logging.INFO, "%s", text)
