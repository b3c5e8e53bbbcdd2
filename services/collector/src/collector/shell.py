"""Runs the recorder: opens what it needs, records until it is time to stop, writes out what it has, says how it went."""

import asyncio
import json
import logging
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from marketlink.errors import LinkError, MarketlinkError, SettingsError
from marketlink.link.port import BotPort
from marketlink.logs import Wish, set_up_as
from marketlink.run.metrics import Sample, serve
from marketlink.times import SECOND_NS, MonoNs, after
from marketlink.venues.base import Instrument
from marketlink.venues.registry import find

from collector.clock_check import Offset
from collector.config import Settings
from collector.descriptors import make_room
from collector.errors import CollectorError, Incomplete, Refused, WriteFailed, WriteStalled
from collector.from_link import LinkRecording
from collector.from_venue import VenueRecorder
from collector.link_shell import LinkLoop
from collector.manifest_file import Manifests
from collector.metrics import of_files, of_lags, of_link, of_venue
from collector.record import Content, direct_content
from collector.status import Progress, TerminalHandler, plain, summary
from collector.stopping import Stop
from collector.venue_shell import VenueShell, listed_or_warning, shards, until_stopped
from collector.writer import Writer

log = logging.getLogger("collector")

ENDED, FAILED, USAGE = 0, 1, 2
MANIFESTS_S: Final = 5.0  # the end waits so long for manifests that are behind
_WAIT_S: Final = 0.2


def mono_ns() -> MonoNs:
    """Return the machine's monotonic clock."""
    return MonoNs(time.monotonic_ns())


def open_bot_port(name: str) -> BotPort:
    """Open the link to a connector of this name, running or not. Raises LinkError."""
    from marketlink.link.iceoryx import IceoryxBotPort

    return IceoryxBotPort(name)


class Reporter:
    """Says how it goes: on a terminal a line each second, otherwise a log line a minute."""

    def __init__(self, settings: Settings, writer: Writer, note: Callable[[], str]) -> None:
        self._writer, self._note = writer, note
        self._progress = Progress(len(settings.symbols), mono_ns())
        handlers = logging.getLogger().handlers
        self._terminal = next((each for each in handlers if isinstance(each, TerminalHandler)), None)
        self._quiet = settings.quiet
        self.every_s = 1.0 if self._terminal and not settings.quiet else 60.0
        self._next_ns = after(mono_ns(), int(self.every_s * SECOND_NS))

    def tell_when_due(self) -> None:
        """Say something if it is time to."""
        now_ns = mono_ns()
        if now_ns < self._next_ns or self._quiet:
            return
        self._next_ns = after(now_ns, int(self.every_s * SECOND_NS))
        line = self._progress.line(dict(self._writer.counts), now_ns, self._note())
        if self._terminal:
            self._terminal.show(line[:160])
        else:
            log.info("%s", line)


def run(settings: Settings, stop: Stop) -> int:
    """Record as asked and return the exit code: 0 ended as asked, 1 failed, 2 asked for something that can't be carried out."""
    began_ns = mono_ns()
    try:
        make_room(len(settings.symbols), link=bool(settings.ipc))
    except CollectorError as error:
        log.error("%s", error)
        return FAILED
    if not settings.path.is_dir():
        try:
            settings.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.error("%s", WriteFailed(settings.path, error.errno or 0, "creating the directory"))
            return FAILED
        log.info("created %s", settings.path)
    manifests = Manifests(f"connector {settings.ipc}" if settings.ipc else find(settings.exchange).name)
    writer = Writer(
        settings.path,
        keeper=manifests,
        content=Content.LINK if settings.ipc else direct_content(settings.exchange),
        on_failed=lambda: stop.ask("write error"),
        is_ending=lambda: stop.is_asked,
    )
    manifests.start()
    source: dict[str, object] = {}
    code = ENDED
    try:
        if settings.ipc:
            _record_link(settings, writer, manifests, stop, source)
        else:
            _record_venue(settings, writer, manifests, stop, source)
    except (CollectorError, MarketlinkError) as error:
        if error is not writer.failure:  # that one was told where it happened
            log.error("%s", error)
        code = USAGE if isinstance(error, SettingsError | Refused) else FAILED
    except OSError as error:
        log.error("the operating system refuses: %s", error)
        code = FAILED
    except Exception:  # the edge of the process: what was received is written all the same
        log.exception("ended by a fault of this program")
        code = FAILED
    try:
        writer.close()
    except CollectorError as error:
        if isinstance(error, WriteStalled):
            log.error("%s", error)
        code = code or FAILED
    manifests.close(MANIFESTS_S if code == ENDED else 0.5)
    reason = stop.reason if code == ENDED else "error"
    report = summary(writer.counts, (mono_ns() - began_ns) / SECOND_NS, reason, code, source)
    log.info("ended (%s): %s lines in %d files", reason, f"{report['lines']:,}", len(writer.counts))
    if settings.json:
        print(json.dumps(report), flush=True)
    return code


def _open_files(settings: Settings, writer: Writer) -> None:
    for symbol in settings.symbols:
        writer.open(symbol)
    writer.start()


def _record_link(
    settings: Settings, writer: Writer, manifests: Manifests, stop: Stop, source: dict[str, object]
) -> None:
    _open_files(settings, writer)
    port = open_bot_port(settings.ipc)
    try:
        sizes = {"tick_size": settings.tick_size, "lot_size": settings.lot_size}
        recording = LinkRecording(settings.symbols, port.bot_id, name=settings.ipc, **sizes)
        loop = LinkLoop(port, recording, writer, name=settings.ipc)
        log.info("recording %s from connector %r into %s", ", ".join(settings.symbols), settings.ipc, settings.path)
        counts = recording.counts
        reporter = Reporter(
            settings, writer, lambda: f"{sum(counts.gaps.values())} gaps, {len(recording.unanswered)} without a book"
        )
        until_s = time.monotonic() + settings.duration_s if settings.duration_s is not None else float("inf")

        def samples() -> list[Sample]:
            told = of_link(counts, len(settings.symbols), len(recording.unanswered))
            return [*of_files(dict(writer.counts), writer.waiting), *of_lags(manifests.open_tallies()), *told]

        try:
            with serve(settings.metrics_port, samples):
                while not stop.is_asked:
                    left_s = until_s - time.monotonic()
                    if left_s <= 0:
                        stop.ask("duration")
                        break
                    loop.step(min(_WAIT_S, left_s))
                    reporter.tell_when_due()
            loop.drain()
        finally:
            source.update(plain(counts))
    finally:
        try:
            port.close()
        except LinkError as error:
            log.warning("%s", error)


def _record_venue(
    settings: Settings, writer: Writer, manifests: Manifests, stop: Stop, source: dict[str, object]
) -> None:
    try:
        from uvloop import new_event_loop
    except ImportError:  # pragma: no cover - another operating system
        from asyncio import new_event_loop  # type: ignore[assignment]
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(_venue(settings, writer, manifests, stop, source))
        except BaseExceptionGroup as group:
            raise _first(group) from group


async def _venue(
    settings: Settings, writer: Writer, manifests: Manifests, stop: Stop, source: dict[str, object]
) -> None:
    from marketlink.run.feed import Feed, FeedSettings
    from marketlink.run.http import VenueHttp, fetch_info
    from marketlink.run.limits import WeightBudget

    exchange = find(settings.exchange)
    venue = exchange.public
    for given in (settings.stream_root, settings.rest_root):
        if (shorter := venue.reduced_root(given)) is not None:
            log.info("%s is taken as %s", given, shorter)
    url = venue.stream_url(settings.stream_root or exchange.stream_root)
    budget = WeightBudget(venue.weight_limit)
    rng = random.Random()  # only spreads retries out
    async with VenueHttp(venue, settings.rest_root or exchange.rest_root, budget) as http:

        async def fetch() -> Mapping[str, Instrument]:
            listed = (await fetch_info(venue, http)).instruments
            for symbol in symbols:
                if (known := listed.get(symbol)) is not None:
                    manifests.state(symbol.lower(), tick_size=known.tick_text, lot_size=known.lot_text)
            return listed

        symbols = tuple(dict.fromkeys(map(venue.normal_symbol, settings.names or settings.symbols)))
        idle = await until_stopped(stop, listed_or_warning(venue, symbols, fetch))
        if idle is None:
            raise Incomplete("ended before anything was recorded", settings.symbols)
        _open_files(settings, writer)
        shell = VenueShell(http, stop, duration_s=settings.duration_s)
        recorders: list[VenueRecorder] = []
        feed = FeedSettings(stale_s=settings.stale_s, data_age_s=max(FeedSettings().data_age_s, settings.stale_s))
        for part in shards(venue, symbols):

            def make(ask: Callable[[str], None], part: tuple[str, ...] = tuple(part)) -> VenueRecorder:
                recorders.append(VenueRecorder(venue, part, writer, ask, rng=rng))
                return recorders[-1]

            shell.add(make, lambda recorder: Feed(venue, url, recorder, settings=feed, rng=rng))
        log.info("recording %s from %s into %s", ", ".join(settings.symbols), url, settings.path)
        total = len(symbols)
        reporter = Reporter(
            settings, writer, lambda: f"{sum(each.in_sync for each in recorders)} of {total} in step with the exchange"
        )

        def clock() -> Offset | None:
            found = [each.clock_check.best for each in recorders if each.clock_check.best is not None]
            return min(found, key=lambda each: each.within_ns, default=None)

        def samples() -> list[Sample]:
            in_sync = sum(each.in_sync for each in recorders)
            told = of_venue([each.counts for each in recorders], total, in_sync, clock())
            return [*of_files(dict(writer.counts), writer.waiting), *of_lags(manifests.open_tallies()), *told]

        def state_clock() -> None:
            if (best := clock()) is not None:
                for symbol in settings.symbols:
                    manifests.state(symbol, clock=asdict(best))

        async def report() -> None:
            while True:
                await asyncio.sleep(reporter.every_s)
                reporter.tell_when_due()
                state_clock()

        try:
            with serve(settings.metrics_port, samples):
                await shell.run(report)
        finally:
            state_clock()
            source["connections"] = [plain(each.counts) for each in recorders]
        for each in recorders:
            if unheard := [symbol for symbol in each.unheard if symbol not in idle]:
                raise Incomplete("nothing at all was heard of what should trade", unheard)
            if each.counts.left_out:
                raise Incomplete(f"{each.counts.left_out} lines were left out while the disk was behind", each.hit)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the failure that a group is about; they all have one cause when a write fails."""
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return group


def set_up_logs(wish: Wish) -> None:
    """Log to stderr, in UTC, on a terminal with room for a status line; or into a file. Raises SettingsError."""
    set_up_as(wish, TerminalHandler(sys.stderr) if sys.stderr.isatty() else logging.StreamHandler(sys.stderr))
