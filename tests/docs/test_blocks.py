"""Blocks are found, told apart and cut into commands; nothing on a page is passed over in silence."""

import re
import tomllib

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import KINDS, Block, UnknownBlock, blocks_of, commands_of, pages
from tests.docs.paste import GIVEN

INSTALLS = re.compile(r"^pip install (.*?)(?:\s+#.*)?$")


def test_every_block_of_every_page_is_of_a_known_kind() -> None:
    found = pages(ROOT)
    assert {"README.md", "docs/obi-mm.md", "docs/venues/binance.md", "services/connector/README.md"} <= set(found)
    assert set(GIVEN) <= set(found)
    kinds = {block.kind for page in found for block in blocks_of(page, (ROOT / page).read_text(encoding="utf-8"))}
    assert kinds == set(KINDS)


@pytest.mark.parametrize(
    "text", ["```\nconnector\n```\n", "```bash\nx\n```\n", "```sh\nx\n", "```sh x\ny\n```\n", "```toml\na = 1\n```\n"]
)
def test_a_block_of_unknown_kind_or_without_end_is_an_error_that_names_page_and_line(text: str) -> None:
    with pytest.raises(UnknownBlock, match=r"p\.md:[34]: "):
        blocks_of("p.md", "words\n\n" + text)


def test_blocks_lose_the_indent_of_their_fence_and_keep_their_own() -> None:
    (block,) = blocks_of("p.md", "1. x\n\n   ```python\n   if a:\n       b\n   ```\n")
    assert block == Block("p.md", 4, "python", "if a:\n    b\n")


def test_commands_may_have_several_lines_and_comments_are_none() -> None:
    text = "# first\ncat > a <<EOF\nx 'y\nEOF\n\na 'b\nc' \\\n  d\ne && f  # g\n"
    found = list(commands_of(Block("p.md", 10, "sh", text)))
    assert found == [(11, "cat > a <<EOF\nx 'y\nEOF"), (15, "a 'b\nc' \\\n  d"), (18, "e && f  # g")]
    with pytest.raises(UnknownBlock, match="no whole command"):
        list(commands_of(Block("p.md", 1, "sh", "a 'b\n")))


def siblings(folder: str, extras: list[str]) -> set[str]:
    """The workspace's distributions that one needs, itself among them, as folders."""
    homes = {path.parent.name: path.parent for path in ROOT.glob("[ps]*s/*/pyproject.toml")}
    project = tomllib.loads((homes[folder] / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    found = {folder}
    for name in {re.split(r"[\[<>=; ]", one)[0] for one in wanted} & homes.keys():
        found |= siblings(name, [])
    return found


def install_lines() -> list[tuple[str, str]]:
    """Every `pip install` of README and docs, with its place."""
    return [
        (f"{page}:{line}", command)
        for page in pages(ROOT)
        for block in blocks_of(page, (ROOT / page).read_text(encoding="utf-8"))
        if block.kind == "sh"
        for line, command in commands_of(block)
        if command.startswith("pip install")
    ]


def test_every_documented_install_names_all_that_it_needs_by_its_folder() -> None:
    lines = install_lines()
    assert {"connector", "collector", "obi-mm", "data-convert"} <= {
        word for _, line in lines for word in re.findall(r"[\w-]+", line)
    }
    for place, line in lines:
        match = INSTALLS.match(line)
        assert match, place
        words = [word.strip("'\"") for word in match[1].split()]
        given, needed = set(), set()
        for word in words:
            path, _, extras = word.rstrip("]").partition("[")
            assert (ROOT / path / "pyproject.toml").is_file(), f"{place}: {word} is no folder of this repository"
            name = path.rsplit("/", 1)[-1]
            given.add(name)
            needed |= siblings(name, [one for one in extras.split(",") if one])
        assert needed == given, f"{place}: {line} needs {sorted(needed)}"
