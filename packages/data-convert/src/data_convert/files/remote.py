"""Files in object stores (s3://, gs://, az://, https://): brought beside, converted there, and put where they belong.

A file is copied in pieces to a folder of its own before a command reads it, and results are put into the store, whole or not
at all, when the command is done; the folder is removed with the last of them. So memory does not grow, and the disk holds no
more than the files of one command, or of one day of a batch and worker. Credentials and endpoints are those of the
environment (AWS_*, GOOGLE_*, AZURE_*). Needs the extra data-convert[objects].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from data_convert.errors import InputError, OutputError
from data_convert.files.leftovers import own_folder

# A Path takes one of the two slashes away.
_URL: Final = re.compile(r"(?P<scheme>s3|gs|az|https?):/{1,2}(?P<host>[^/]+)/?(?P<key>.*)")
_OUTPUTS: Final = frozenset({"-o", "--output", "--report", "--html", "--trades", "--depth"})
_LAST_IS_OUTPUT: Final = frozenset({"collector", "merge"})
_CHUNK: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """An object: its URL as a path, its size and when it was written."""

    path: Path
    size_bytes: int
    modified_ns: int


def is_url(place: str | Path) -> bool:
    """Tell whether a place is in an object store."""
    return _URL.fullmatch(str(place)) is not None


def url_of(place: str | Path) -> str:
    """Return the URL that a path was made of."""
    found = _URL.fullmatch(str(place))
    assert found is not None, "only URLs are asked about"
    return f"{found['scheme']}://{found['host']}/{found['key']}"


def _store(place: str | Path) -> tuple[Any, str]:
    """Return the store of a URL and the key in it."""
    found = _URL.fullmatch(str(place))
    assert found is not None, "only URLs are opened"
    try:
        stores: Any = import_module("obstore.store")
    except ImportError:
        remedy = "pip install 'data-convert[objects]', or copy it beside"
        raise InputError(url_of(place), "is in an object store, which needs the package obstore", remedy) from None
    try:
        options = {"client_options": {"allow_http": True}} if found["scheme"] == "http" else {}
        return stores.from_url(f"{found['scheme']}://{found['host']}", **options), found["key"]
    except _errors() as error:
        raise InputError(url_of(place), f"cannot be reached ({_first_line(error)})", "check the URL") from error


def _errors() -> tuple[type[Exception], ...]:
    base: type[Exception] = import_module("obstore.exceptions").BaseError
    return base, ValueError, OSError


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def fetch(place: str | Path, folder: Path) -> Path:
    """Copy an object into a folder, in pieces; return where it is. Raises InputError."""
    store, key = _store(place)
    target = folder / Path(key).name
    try:
        with target.open("xb") as file:
            for piece in import_module("obstore").get(store, key).stream(min_chunk_size=_CHUNK):
                file.write(piece)
    except _errors() as error:
        remedy = "check the URL and the credentials in the environment"
        raise InputError(url_of(place), f"cannot be read ({_first_line(error)})", remedy) from error
    return target


def check_free(place: str | Path, force: bool) -> None:
    """Raise OutputError where an object is there and not `force`, InputError where the store does not answer."""
    if not force and stat(place) is not None:
        raise OutputError(url_of(place), "exists", "choose another name or give --force")


def remove(place: str | Path) -> None:
    """Remove an object if there is one. Raises OutputError."""
    store, key = _store(place)
    try:
        if stat(place) is not None:
            import_module("obstore").delete(store, key)
    except _errors() as error:
        remedy = "check the URL and the credentials in the environment"
        raise OutputError(url_of(place), f"cannot be removed ({_first_line(error)})", remedy) from error


def put(path: Path, place: str | Path, force: bool) -> None:
    """Put a file into a store, whole or not at all. Raises OutputError, also where one is there and not `force`."""
    store, key = _store(place)
    try:
        check_free(place, force)
        import_module("obstore").put(store, key, path)
    except _errors() as error:
        remedy = "check the URL and the credentials in the environment"
        raise OutputError(url_of(place), f"cannot be written ({_first_line(error)})", remedy) from error


def stat(place: str | Path) -> Entry | None:
    """Return what is known of an object, None if there is none. Raises InputError."""
    store, key = _store(place)
    try:
        found = import_module("obstore").head(store, key)
    except FileNotFoundError:
        return None
    except _errors() as error:
        if type(error).__name__ == "NotFoundError":
            return None
        remedy = "check the URL and the credentials in the environment"
        raise InputError(url_of(place), f"cannot be looked at ({_first_line(error)})", remedy) from error
    return Entry(Path(place), int(found["size"]), int(found["last_modified"].timestamp() * 1e9))


def listing(place: str | Path) -> list[Entry]:
    """Return all objects below a URL. Raises InputError."""
    store, key = _store(place)
    prefix = key.rstrip("/")
    root = Path(str(place)[: len(str(place)) - len(key)])
    try:
        found = [entry for part in import_module("obstore").list(store, prefix or None) for entry in part]
    except _errors() as error:
        remedy = "check the URL and the credentials in the environment"
        raise InputError(url_of(place), f"cannot be listed ({_first_line(error)})", remedy) from error
    return [
        Entry(root / entry["path"], int(entry["size"]), int(entry["last_modified"].timestamp() * 1e9))
        for entry in found
    ]


@dataclass(slots=True)
class Stage:
    """Local stand-ins of objects: inputs are there at once, outputs are put into the store by `finish`."""

    folder: Path
    outputs: list[tuple[Path, str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def _place(self) -> Path:
        self._count += 1
        place = self.folder / f"{self._count}"
        place.mkdir()
        return place

    def input(self, place: str | Path) -> Path:
        """Bring an object; return the file."""
        path = fetch(place, self._place())
        self.names[str(path)] = url_of(place)
        return path

    def output(self, place: str | Path) -> Path:
        """Return the file that is to be put there."""
        path = self._place() / Path(str(place)).name
        self.outputs.append((path, str(place)))
        self.names[str(path)] = url_of(place)
        return path

    def finish(self, force: bool) -> list[str]:
        """Put what was written into the store; return the URLs."""
        done = []
        for path, place in self.outputs:
            inside = {file: str(Path(place) / file.name) for file in sorted(path.iterdir())} if path.is_dir() else {}
            for file, target in (inside or {path: place}).items():
                if file.is_file():
                    put(file, target, force)
                    done.append(url_of(target))
        return done

    def named(self, text: str) -> str:
        """Return a text with URLs for the files that stand for them."""
        for path, url in self.names.items():
            text = text.replace(path, url)
        return text


@contextmanager
def staged() -> Iterator[Stage]:
    """Open a folder for stand-ins, and remove it."""
    with own_folder() as folder:
        yield Stage(folder)


def brought(arguments: Sequence[str], stage: Stage) -> list[str]:
    """Return the arguments of a command with local files for URLs. Raises InputError, OutputError."""
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command == "batch":
        return list(arguments)  # it brings every day by itself, wherever its worker is
    force = "--force" in arguments
    named = any(argument.partition("=")[0] in ("-o", "--output") for argument in arguments)
    last = len(arguments) - 1 if command in _LAST_IS_OUTPUT and not named else -1
    out = []
    for at, argument in enumerate(arguments):
        option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        if not is_url(value):
            out.append(argument)
            continue
        before = option or (arguments[at - 1] if at else "")
        if before in _OUTPUTS or at == last:
            check_free(value, force)
            path = stage.output(value)
        else:
            path = stage.input(value)
        out.append(f"{option}{equals}{path}")
    return out


def any_url(places: Iterable[str | Path]) -> bool:
    """Tell whether one of the places is in an object store."""
    return any(map(is_url, places))
