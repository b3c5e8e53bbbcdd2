"""Fenced blocks of a Markdown page, and the commands of a shell block.

Every block is of a known kind: `sh` and `python` are run, `toml` becomes the file that its first line names, `text` is
output, a formula or a synopsis and no command, `mermaid` a drawing. Any other kind is an error, so that nothing is passed over in silence.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = ("sh", "python", "toml", "text", "mermaid")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\S*)\s*$")
_NAMED = re.compile(r"# (?P<name>[\w.-]+\.\w+)\b")


class UnknownBlock(Exception):
    """A block that nobody can say whether to run."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block: where it stands, its kind and its lines without the fence's indent."""

    page: str
    line: int
    kind: str
    text: str

    @property
    def place(self) -> str:
        """The page and line of its first line."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str:
        """The file that a `toml` block, or a `python` block that says so, is kept as; empty when it names none."""
        match = _NAMED.match(self.text)
        return match["name"] if match else ""


def blocks_of(page: str, text: str) -> list[Block]:
    """Return the blocks of a page in order; raises UnknownBlock for one of no known kind, or without an end."""
    found: list[Block] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            if lines[at].lstrip().startswith("```"):
                raise UnknownBlock(f"{page}:{at + 1}: {lines[at].strip()!r} opens no block that is understood")
            at += 1
            continue
        first, indent, kind = at + 1, fence["indent"], fence["kind"]
        if kind not in KINDS:
            raise UnknownBlock(f"{page}:{first}: a block of kind {kind!r}; known are {', '.join(KINDS)}")
        at = first
        while at < len(lines) and lines[at] != f"{indent}```":
            at += 1
        if at == len(lines):
            raise UnknownBlock(f"{page}:{first}: the block has no end")
        inside = "".join(line.removeprefix(indent) + "\n" for line in lines[first:at])
        block = Block(page, first + 1, kind, inside)
        if kind == "toml" and not block.file:
            raise UnknownBlock(f"{block.place}: a toml block begins with '# name.toml', the file that it is")
        found.append(block)
        at += 1
    return found


def commands_of(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each command of a shell block; one may have several lines (quotes, here-documents)."""
    waiting: list[str] = []
    for number, line in enumerate(block.text.splitlines()):
        if not waiting and (not line.strip() or line.lstrip().startswith("#")):
            continue
        waiting.append(line)
        text = "\n".join(waiting)
        # bash warns of a here-document, and fails on a quote, that is still open.
        looked = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True)
        if looked.returncode == 0 and not looked.stderr and not line.endswith("\\"):
            yield block.line + number - len(waiting) + 1, text
            waiting.clear()
    if waiting:
        raise UnknownBlock(f"{block.place}: {waiting[0]!r} is no whole command")


def pages(root: Path) -> list[str]:
    """Return README, every page of docs and every distribution's README, as paths from the root."""
    found = [root / "README.md", *sorted(root.glob("docs/**/*.md")), *sorted(root.glob("[ps]*s/*/README.md"))]
    return [str(path.relative_to(root)) for path in found]
