"""When to say that nothing is heard from a connector, and in what words; no clock: times are monotonic seconds."""

from typing import Final

SAY_AFTER_S: Final = 2.5
"""A connector answers a registration at once and says something every second; what is said stands on the terminal within three."""
SAY_AGAIN_S: Final = 60.0


class Silence:
    """One connector's silence, from the start until its first word.

        WAITING ──2.5 s──> said ──60 s──> said ...      ──first word──> HEARD

    Silences after the first word are the bot client's to tell: it knows whether this connector has a heartbeat.
    """

    def __init__(self, name: str, start_s: float) -> None:
        self.heard = False
        self._name, self._start_s, self._due_s = name, start_s, start_s + SAY_AFTER_S

    def look(self, now_s: float, *, heard: bool, nobody: bool | None = None) -> str:
        """Take in whether anything was heard; return what to say now, or nothing.

        `nobody`: whether the link knows that no connector holds the name (True) or that one does (False); None where it can't tell.
        """
        self.heard = self.heard or heard
        if self.heard or now_s < self._due_s:
            return ""
        self._due_s = now_s + SAY_AGAIN_S
        passed = f"{now_s - self._start_s:.0f} s"
        if nobody is False:
            return f"connector {self._name!r} is there, but says nothing for {passed}; still waiting"
        return (
            f"nothing is heard from a connector named {self._name!r} for {passed}: is it running, under this name? "
            "Still waiting; Ctrl-C ends this"
        )
