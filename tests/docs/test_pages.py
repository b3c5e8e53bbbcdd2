"""README and every page of docs, pasted line by line into a fresh clone, with the simulated exchange in the real one's place.

`make docs` runs all; `make test` the quick starts of the README.
"""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import blocks_of, pages
from tests.docs.paste import paste_page

PROGRAMS = Path(sys.executable).parent
"""Where the programs of this environment are: for pages that begin where they are on the path."""
WITH_COMMANDS = [
    page
    for page in pages(ROOT)
    if any(
        block.kind not in ("text", "mermaid") for block in blocks_of(page, (ROOT / page).read_text(encoding="utf-8"))
    )
]


@pytest.mark.timeout(900)
def test_the_quick_starts_of_the_readme_do_what_they_say() -> None:
    done = paste_page("README.md", programs=PROGRAMS, skip=r"make |export PATH")
    for words in (
        "runs 'connector bf",
        "runs 'python follow.py",
        "runs 'collector ./data-bf",
        "ran 'data-convert",
        "runs 'venue-sim",
    ):
        assert any(words in line for line in done), (words, done)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_whole_readme_works_on_a_fresh_clone_with_nothing_on_the_path() -> None:
    done = paste_page("README.md", programs=None)
    assert any("ran 'make programs" in line for line in done)
    assert any("ran 'make demo" in line for line in done)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", [page for page in WITH_COMMANDS if page != "README.md"])
def test_every_command_of_a_page_does_what_it_says(page: str) -> None:
    assert paste_page(page, programs=PROGRAMS)
