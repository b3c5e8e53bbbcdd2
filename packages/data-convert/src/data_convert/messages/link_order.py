"""The order of depth messages of sources that put them in order themselves: only gaps take the book away."""

from __future__ import annotations

from dataclasses import replace

from data_convert.events import Ints
from data_convert.messages.columns import NO_ID, Messages, What
from data_convert.messages.plan import ANCHOR_NS, Action, Decided, Gap, Unit


class LinkOrder(Decided):
    """Depth messages of a link recording: the file's order is right, only gap lines take the book away."""

    def __init__(self, messages: Messages, keep_unanchored: bool) -> None:
        super().__init__(messages, keep_unanchored)
        self._anchored = self._ever = False
        self._held: list[Unit] = []
        self._last_local_ns = 0
        self._last_exch_ns = 0

    def on_message(self, message: int) -> list[Unit]:
        """Take the next message in file order; return what is to be emitted now."""
        match self._messages.what[message]:
            case What.GAP:
                return self._on_gap(message)
            case What.SNAPSHOT:
                return self._on_snapshot(message)
            case _:
                return self._on_update(message)

    def awaits_next(self, message: int) -> bool:
        """Tell whether updates behind `message` are emitted as they are."""
        return self._anchored

    def on_run(self, run: Ints) -> None:
        """Take updates at once, the first behind a message that `awaits_next`; all of them are emitted as they are."""
        last = int(run[-1])
        self._last_local_ns, self._last_exch_ns = int(self._messages.local_ns[last]), int(self._messages.exch_ns[last])

    def finish(self) -> list[Unit]:
        """End of the recording: decide about the updates that no snapshot came for."""
        self.gaps += self._open
        held, self._held = self._held, []
        updates = sum(unit.action is Action.ROWS for unit in held)
        if not self._ever and updates:
            self.warnings.append(
                "no snapshot in the recording: the book starts empty and knows only the levels that changed; "
                "updates are kept as with --snapshots ignore, with a clear at every gap"
            )
            self.counts["updates kept without anchor"] += updates
            return held
        self.counts["updates kept without anchor" if self._keep else "updates unanchored"] += updates
        self.lost += [] if self._keep else [unit.message for unit in held if unit.action is Action.ROWS]
        return held if self._keep else [unit for unit in held if unit.action is not Action.ROWS]

    def _unit(self, action: Action, message: int) -> Unit:
        data = self._messages
        self._last_local_ns, self._last_exch_ns = int(data.local_ns[message]), int(data.exch_ns[message])
        return Unit(action, message, self._last_exch_ns, self._last_local_ns, message)

    def _on_update(self, message: int) -> list[Unit]:
        unit = self._unit(Action.ROWS, message)
        if self._anchored:
            return [unit]
        self._held.append(unit)
        return []

    def _on_snapshot(self, message: int) -> list[Unit]:
        data = self._messages
        self.counts["snapshots used"] += 1
        line, local_ns = int(data.line[message]), int(data.local_ns[message])
        self.gaps += [replace(gap, until_line=line, until_local_ns=local_ns) for gap in self._open]
        self._open = []
        held, self._held = self._held, []
        updates = sum(unit.action is Action.ROWS for unit in held)
        if not self._keep:
            early = local_ns - ANCHOR_NS
            self.lost += [u.message for u in held if u.action is Action.ROWS and u.local_ns < early]
            held = [unit for unit in held if unit.action is not Action.ROWS]
        self.counts["updates kept without anchor" if self._keep else "updates unanchored"] += updates
        self._anchored = self._ever = True
        return [*held, self._unit(Action.ROWS if data.brings_clear(message) else Action.REPLACE, message)]

    def _on_gap(self, message: int) -> list[Unit]:
        data = self._messages
        if not self._last_local_ns:  # the recorder waited for a connector: there is no book yet that could be lost
            self.counts["gap lines before the first book"] += 1
            return []
        before_ns = self._last_local_ns
        self._open.append(
            Gap(
                reason=data.reasons.get(message, "unknown"),
                after_id=NO_ID,
                prev_id=NO_ID,
                first_id=NO_ID,
                last_id=NO_ID,
                found_file=int(data.file[message]),
                found_line=int(data.line[message]),
                after_local_ns=before_ns,
                found_local_ns=int(data.local_ns[message]),
            )
        )
        # A gap is the recorder's event and has no exchange time of its own.
        exch_ns = self._last_exch_ns
        clear = Unit(Action.CLEAR, message, exch_ns, int(data.local_ns[message]), message)
        if self._anchored:
            self._anchored = False
            return [clear]
        self._held.append(clear)
        return []
