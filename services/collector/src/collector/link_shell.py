"""Carries out a recording from a connector: waits on the link in the main thread, no event loop."""

import logging
from typing import Final

from marketlink.clock import Clock, SystemClock
from marketlink.errors import InstrumentRefused
from marketlink.link.port import BotPort
from marketlink.messages import RegisterInstrument
from marketlink.times import SECOND_NS, MonoNs, after

from collector.from_link import Effect, LinkRecording, Notice, Refusal, Register, Write
from collector.writer import Writer

log = logging.getLogger("collector")
_LOOK_NS: Final = SECOND_NS // 2
_DRAIN_NS: Final = (
    SECOND_NS  # how long what has arrived is still written at the end: a connector at full rate never lets it end
)


class LinkLoop:
    """One port, one recording, one writer."""

    def __init__(
        self, port: BotPort, recording: LinkRecording, writer: Writer, *, name: str = "", clock: Clock | None = None
    ) -> None:
        self._port, self._recording, self._writer, self._name = port, recording, writer, name
        self._clock = clock or SystemClock()
        self._look_at: MonoNs = self._clock.mono_ns()
        self._carry_out(recording.start(self._clock.wall_ns(), self._look_at))

    def step(self, timeout_s: float) -> None:
        """Wait for the link, write what was heard, ask for what is due. Raises CollectorError, LinkError, InstrumentRefused."""
        now = self._clock.mono_ns()
        if now >= self._look_at:
            self._look_at = after(now, _LOOK_NS)
            self._carry_out(self._recording.on_peer(self._port.peer(), now))
        self._port.wait(timeout_s)
        self._hear()
        self._carry_out(self._recording.on_time(self._clock.wall_ns(), self._clock.mono_ns()))

    def drain(self) -> None:
        """Write what has arrived."""
        end = after(self._clock.mono_ns(), _DRAIN_NS)
        while self._hear() and self._clock.mono_ns() < end:
            pass

    def _hear(self) -> bool:
        all_heard = self._port.receive()
        wall, now, numbered = self._clock.wall_ns(), self._clock.mono_ns(), self._port.checked
        for heard in all_heard:
            self._carry_out(self._recording.on_heard(heard, wall, now, numbered=numbered))
        return bool(all_heard)

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Write(lines):
                    self._writer.put(lines.symbol, lines.day, lines.text, lines.count)
                    if self._writer.take_hole(lines.symbol):
                        self._recording.on_hole(lines.symbol, self._clock.mono_ns())
                case Register(symbol, tick_size, lot_size):
                    self._port.request(RegisterInstrument(symbol, tick_size, lot_size))
                case Notice(text, serious):
                    log.log(logging.WARNING if serious else logging.INFO, "%s", text)
                case Refusal(symbol, text):
                    raise InstrumentRefused(self._name, symbol, text, "Correct the symbol.")
