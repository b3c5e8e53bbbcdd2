"""Pastes a page's blocks, in order, into a fresh clone, and looks at what every command does.

What differs from a user's terminal stands here and nowhere else: `ADDRESSES` and `DIRECT` (the simulated exchange in the
real one's place), `PORTS` (free ones), `GIVEN` (what a page says must be there already), `SERVING` (commands that run until
Ctrl-C, and what they show when they work), `ELSEWHERE` (commands that another verb of the Makefile runs). The days in names
of recordings are those of the files that are there.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import Block, blocks_of, commands_of
from tests.rig import ROOT, Rig

ADDRESSES: Mapping[str, str] = {"wss://fstream.binance.com": "ws", "https://fapi.binance.com": "rest"}
"""The real exchange's address, and which of the simulator's stands for it."""
DIRECT = re.compile(r"^(?P<words>collector \S+ binancefutures(?:um)?(?: (?!-)\S+)+)")
"""A recorder on the real exchange: its production addresses are in the program, so the simulator's are given as options."""

PORTS = ("9001", "9002")
"""Ports that pages name; others are taken, that are free here."""

GIVEN: Mapping[str, tuple[str, ...]] = {
    "docs/bot.md": ("connector",),
    "docs/collector.md": ("connector",),
    "docs/obi-mm.md": ("connector",),
    "docs/venue-sim.md": ("recording",),
    "packages/marketlink/README.md": ("connector",),
    "packages/venue-sim/README.md": ("recording",),
    "services/collector/README.md": ("connector",),
    "services/obi-mm/README.md": ("connector", "recordings"),
}
"""What a page says, in words, that its reader has: a running connector `bf`, a recording in `data`, a connector's in `recordings`."""

ELSEWHERE: tuple[tuple[str, str], ...] = (
    (r"pip install ", "make wheels: in empty environments, by pip and uv, on every Python"),
    (r"make test\b", ".ci/run: on a clean clone"),
)

WAIT_S = 300.0
END_S = 60.0
"""Ends of waiting for what comes in seconds on a machine with nothing else to do."""
_DATED = re.compile(r"(?P<head>[\w./-]*?\w+_)20\d{6}(?P<tail>\.(?:gz|npz)\b)")
_PRINTED = re.compile(r"^print\(.*\)  # (.*)$", re.MULTILINE)


class Untrue(Exception):
    """A page says what is not so."""


@dataclass(slots=True)
class Running:
    """A command that goes on until it is ended."""

    place: str
    command: str
    process: subprocess.Popen[bytes]
    log: Path
    codes: tuple[int, ...]


class Terminal:
    """A fresh clone, a shell's folder and variables, and the programs that run beside it."""

    def __init__(self, rig: Rig, *, programs: Path | None) -> None:
        """`programs`: a folder of programs that is on the path already."""
        self.rig = rig
        self.clone = rig.folder / "clone"
        copy_of_the_tree(self.clone)
        self._folder = self.clone
        self._state = rig.folder / "shell-state"
        path = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"])
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTEST", "UV_"))
        }
        self.environment = {
            **kept, **rig.link, "PYTHONUNBUFFERED": "1",
            "PATH": path if programs is None else f"{programs}{os.pathsep}{path}",
        }  # fmt: skip
        self.running: list[Running] = []
        self.done: list[str] = []
        self._program: list[str] = []
        self._ports: dict[str, str] = {}

    # -- what a page has ------------------------------------------------------------------------------------------------

    def give(self, what: str) -> None:
        """Prepare what a page says must be there."""
        if what == "connector":
            self.rig.connector()
            self.rig.until(self.instruments_asked, WAIT_S, "the connector to ask for the instruments")
        elif what == "recording":
            self.rig.direct_collector(self.clone / "data", ["btcusdt"], "--duration", 3, label="given")
            assert self.rig.processes["given"].wait(WAIT_S) == 0, self.rig.log("given")
        else:
            self.rig.link_collector(self.clone / "recordings", ["btcusdt"], "--duration", 3, label="given")
            assert self.rig.processes["given"].wait(WAIT_S) == 0, self.rig.log("given")

    def instruments_asked(self) -> bool:
        """Whether anybody has got the simulator's list of instruments."""
        return any("exchangeInfo" in path for path in self.rig.state()["rest_requests"])

    def paste(self, block: Block, *, skip: str = r"$^") -> None:
        """Do what a block says; commands that match `skip` are left out."""
        if block.kind == "toml":
            (self._folder / block.file).write_text(self._addressed(block.text))
            self.done.append(f"{block.place} wrote {block.file}")
        elif block.kind == "python":
            self._python(block)
        elif block.kind == "sh":
            for line, command in commands_of(block):
                if not re.match(skip, command):
                    self._command(f"{block.page}:{line}", command)

    def end(self) -> None:
        """End what runs as Ctrl-C would, each by its id, and look at how it ended."""
        for one in reversed(self.running):
            if one.process.poll() is not None:
                raise Untrue(
                    f"{one.place}: {one.command!r} ended by itself, code {one.process.returncode}:\n{_end_of(one.log)}"
                )
            os.killpg(one.process.pid, signal.SIGINT)
            try:
                code = one.process.wait(END_S)
            except subprocess.TimeoutExpired:
                raise Untrue(f"{one.place}: {one.command!r} does not end on Ctrl-C") from None
            if code not in one.codes:
                raise Untrue(f"{one.place}: {one.command!r} ended with code {code}:\n{_end_of(one.log)}")
        self.running.clear()

    def kill(self) -> None:
        """End whatever is left, whatever happened."""
        for one in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait(10)

    # -- one thing ------------------------------------------------------------------------------------------------------

    def _command(self, place: str, command: str) -> None:
        for pattern, where in ELSEWHERE:
            if re.match(pattern, command):
                self.done.append(f"{place} {command!r} is run by {where}")
                return
        text = self._dated(place, self._addressed(command))
        text = DIRECT.sub(rf"\g<words> --stream-url {self._address('ws')} --api-url {self._address('rest')}", text)
        for pattern, shows in SERVING:
            if re.match(pattern, text):
                self._serve(place, text, shows, ["bash", "-c", f"exec {text}"], (0,))
                return
        state = f'declare -px > "{self._state}"; pwd > "{self._state}.folder"'
        script = f'[ ! -e "{self._state}" ] || . "{self._state}"\n{text}\ncode=$?\n{state}\nexit $code'
        done = subprocess.run(
            ["bash", "-c", script], cwd=self._folder, env=self.environment, capture_output=True, text=True, timeout=900,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise Untrue(
                f"{place}: {text!r} ended with code {done.returncode}:\n{done.stdout[-1500:]}{done.stderr[-1500:]}"
            )
        self._folder = Path(Path(f"{self._state}.folder").read_text().strip())
        self.done.append(f"{place} ran {text!r}")

    def _python(self, block: Block) -> None:
        text = self._addressed(block.text)
        if re.search(r"^while ", text, re.MULTILINE):
            path = self._folder / (block.file or "forever.py")
            path.write_text(text)
            self._serve(
                block.place,
                f"python {path.name}",
                _synced,
                ["bash", "-c", f"{self._shell()}exec python {path.name}"],
                (-2, 1, 130),
            )
            return
        self._program.append(text)
        path = self._folder / "page.py"
        path.write_text("\n".join(self._program))
        done = subprocess.run(
            ["bash", "-c", f"{self._shell()}exec python {path.name}"], cwd=self._folder, env=self.environment,
            capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        if done.returncode:
            raise Untrue(f"{block.place}: the program ended with code {done.returncode}:\n{done.stderr[-2000:]}")
        said = iter(done.stdout.splitlines())
        for expected in _PRINTED.findall("\n".join(self._program)):
            if expected not in said:
                raise Untrue(
                    f"{block.place}: the page says that {expected!r} is printed, but it is:\n{done.stdout[-2000:]}"
                )
        self.done.append(f"{block.place} ran the program so far")

    def _shell(self) -> str:
        return f'[ ! -e "{self._state}" ] || . "{self._state}"; '

    def _serve(
        self,
        place: str,
        text: str,
        shows: Callable[["Terminal", str, str], bool],
        words: list[str],
        codes: tuple[int, ...],
    ) -> None:
        log = self.rig.folder / f"running-{len(self.running)}-{len(self.done)}.log"
        if words[:2] == ["bash", "-c"] and not words[2].startswith("["):
            words = [*words[:2], self._shell() + words[2]]
        with log.open("wb") as out:
            process = subprocess.Popen(
                words, cwd=self._folder, env=self.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        one = Running(place, text, process, log, codes)
        self.running.append(one)
        for _ in Rig.polls(WAIT_S, every_s=0.2):
            if shows(self, text, log.read_text(errors="replace")):
                self.done.append(f"{place} runs {text!r}")
                return
            if process.poll() is not None:
                raise Untrue(f"{place}: {text!r} ended by itself, code {process.returncode}:\n{_end_of(log)}")
        raise Untrue(f"{place}: {text!r} does not show what it is said to do within {WAIT_S:.0f} s:\n{_end_of(log)}")

    def _address(self, which: str) -> str:
        if not self.rig.addresses:
            self.rig.exchange("--symbols", "btcusdt,ethusdt", "--rate", 200)
        return self.rig.addresses[which]

    def _addressed(self, text: str) -> str:
        for real, which in ADDRESSES.items():
            if real in text:
                text = text.replace(real, self._address(which))
        for port in PORTS:
            if port in text:
                text = re.sub(rf"\b{port}\b", self._ports.setdefault(port, free_port()), text)
        return text

    def _dated(self, place: str, text: str) -> str:
        def named(match: re.Match[str]) -> str:
            if (self._folder / match[0]).exists():
                return match[0]
            there = sorted(self._folder.glob(f"{match['head']}20??????{match['tail']}"))
            if not there:
                raise Untrue(f"{place}: {text!r} names {match[0]}, and no file of another day is there either")
            return str(there[-1].relative_to(self._folder))

        return _DATED.sub(named, text)


# -- what shows that a command does what the page says --------------------------------------------------------------------


def _serves(terminal: Terminal, command: str, log: str) -> bool:
    """The connector says that it is there, by its name, and has asked the exchange for its instruments."""
    return re.search(rf"INFO connector .*\b{command.split()[1]}\b", log) is not None and terminal.instruments_asked()


def _listens(terminal: Terminal, command: str, log: str) -> bool:
    """The simulator has printed its addresses."""
    return '"ws":"ws://127.0.0.1:' in log


def _records(terminal: Terminal, command: str, log: str) -> bool:
    """Every symbol named has a file with its book in it."""
    words = command.split()
    if words[2].startswith("binance"):
        symbols, book = words[3:], b'"lastUpdateId"'
    else:
        symbols, book = words[2:], b'"depthClear"'
    symbols = symbols[: next((at for at, word in enumerate(symbols) if word.startswith("-")), len(symbols))]
    return all(book in _recorded(terminal.clone / words[1], symbol) for symbol in symbols)


def _synced(terminal: Terminal, command: str, log: str) -> bool:
    """A program prints best bids and asks of a book in sync."""
    return re.search(r"^(synced )?\d+\.\d+ \d+\.\d+ \d+", log, re.MULTILINE) is not None


def _watches(terminal: Terminal, command: str, log: str) -> bool:
    """The strategy follows a book in sync."""
    return "the book is synced" in log


SERVING: tuple[tuple[str, Callable[[Terminal, str, str], bool]], ...] = (
    (r"connector \S+ binancefutures ", _serves),
    (r"venue-sim run ", _listens),
    (r"collector (?!.*--duration)", _records),
    (r"obi-mm live (?!.*--duration)", _watches),
)


def _recorded(folder: Path, symbol: str) -> bytes:
    """Return what can be read of a symbol's newest file, as `zcat` would."""
    there = sorted(folder.glob(f"{symbol}_20??????.gz"))
    if not there:
        return b""
    text, content = b"", there[-1].read_bytes()
    while content:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            text += member.decompress(content)
        except zlib.error:
            break
        content = member.unused_data
    return text


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])


def free_port() -> str:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def copy_of_the_tree(clone: Path) -> None:
    """Copy what git knows of the working tree, as it stands, which is what a clone of the next commit holds."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    for name in names.decode().split("\0"):
        if name and (ROOT / name).is_file():
            target = clone / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)


def paste_page(page: str, *, programs: Path | None, skip: str = r"$^") -> list[str]:
    """Paste a page into a fresh clone and return what was done; raises Untrue, UnknownBlock."""
    with Rig() as rig:
        terminal = Terminal(rig, programs=programs)
        try:
            for what in GIVEN.get(page, ()):
                terminal._address("ws")
                terminal.give(what)
            for block in blocks_of(page, (ROOT / page).read_text(encoding="utf-8")):
                terminal.paste(block, skip=skip)
            terminal.end()
        finally:
            terminal.kill()
        return terminal.done


def main(arguments: list[str]) -> int:
    """Paste the pages named, with this environment's programs."""
    start_s = time.monotonic()
    for page in arguments:
        for line in paste_page(page, programs=Path(sys.executable).parent):
            print(line)
        print(f"{page}: {time.monotonic() - start_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
