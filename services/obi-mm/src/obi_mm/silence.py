"""When to remind that nothing is heard from a connector, and in what words; no clock: times are monotonic seconds."""

from typing import Final

SAY_AFTER_S: Final = 2.5
"""A connector that is there answers a registration at once and says something every second."""
SAY_AGAIN_S: Final = 60.0


class Silence:
    """One connector's silence, from the start until its first word.

        WAITING ──2.5 s, where it is there──> said ──60 s──> said ...      ──first word──> HEARD

    That nobody holds the name is said by the bot client, once; here it is said again each minute. Silences after the first
    word are the bot client's to tell: it knows whether this connector has a heartbeat.
    """

    def __init__(self, name: str, start_s: float) -> None:
        self.heard = False
        self._name, self._start_s = name, start_s
        self._said_s: float | None = None

    def look(self, now_s: float, *, heard: bool, nobody: bool) -> str:
        """Take in whether anything was heard, and whether nobody is the connector; return what to say now, or nothing."""
        self.heard = self.heard or heard
        first_s = self._start_s + (SAY_AGAIN_S if nobody else SAY_AFTER_S)
        if self.heard or now_s < (first_s if self._said_s is None else self._said_s + SAY_AGAIN_S):
            return ""
        self._said_s = now_s
        passed = f"for {now_s - self._start_s:.0f} s; still waiting, Ctrl-C ends this"
        if nobody:
            return f"no connector {self._name!r} runs here {passed}"
        return f"connector {self._name!r} is there, but says nothing {passed}"
