"""Event arrays out of `.npz` files: whole, in chunks, and those of HftBacktest 1."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from data_convert.errors import InputError
from data_convert.events import EVENT_DTYPE, Events

CHUNK_ROWS: Final = 1 << 16
_V1_COLUMNS: Final = 6


def npz_chunks(path: str | os.PathLike[str], *, rows: int = CHUNK_ROWS) -> Iterator[Events]:
    """Yield the event array of an `.npz` (key `data`) in chunks of `rows` rows, never holding more.

    Raises InputError when the file has no such array or ends early; ValueError for `rows` under 1.
    """
    if rows < 1:
        raise ValueError(f"rows of a chunk are at least 1, not {rows}")
    target = Path(path)
    try:
        with zipfile.ZipFile(target) as archive, archive.open("data.npy") as member:
            version = npy.read_magic(member)  # type: ignore[no-untyped-call]
            if version != (1, 0):
                raise InputError(target, f"is of npy version {version}", "save it with data_convert.save")
            shape, _, dtype = npy.read_array_header_1_0(member)  # type: ignore[no-untyped-call]
            if dtype != EVENT_DTYPE or len(shape) != 1:
                raise InputError(target, f"holds {dtype}, no event records", "name an event file")
            for start in range(0, shape[0], rows):
                wanted = min(rows, shape[0] - start)
                chunk = np.empty(wanted, EVENT_DTYPE)
                if cast(BufferedIOBase, member).readinto(chunk.view(np.uint8).data) != chunk.nbytes:
                    raise InputError(target, f"ends before row {start + wanted}", "convert the recording again")
                yield chunk
    except FileNotFoundError:
        raise InputError(target, "does not exist", "check the name") from None
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(target, f"is no readable .npz ({error})", "convert the recording again") from error


def load(path: str | os.PathLike[str]) -> Events:
    """Read the event array of an `.npz` (key `data`); raises InputError when there is none."""
    target = Path(path)
    try:
        with target.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if "data" not in archive:
                found = ", ".join(archive) or "none"
                raise InputError(target, f"has no member 'data' but {found}", "name an event file")
            events: Events = archive["data"]
    except AttributeError:
        raise InputError(target, "is a bare .npy", "save it with data_convert.save") from None
    except FileNotFoundError:
        raise InputError(target, "does not exist", "check the name") from None
    except (OSError, ValueError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(target, f"is no readable .npz ({error})", "convert the recording again") from error
    if events.dtype != EVENT_DTYPE or events.ndim != 1:
        raise InputError(target, f"holds {events.dtype}, no event records", "name an event file")
    return events


def load_v1(path: Path) -> npt.NDArray[np.float64]:
    """Read an array of version 1 (`.npz` with `data`, or `.npy`). Raises InputError for anything else."""
    try:
        found = np.load(path, allow_pickle=False)
        array = found if isinstance(found, np.ndarray) else found["data"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(path, f"holds no array 'data' ({error})", "name an .npz of HftBacktest 1") from error
    if array.ndim != 2 or array.shape[1] != _V1_COLUMNS or array.dtype != np.float64:
        problem = f"holds {array.dtype} of shape {array.shape}, no six columns of floats"
        raise InputError(path, problem, "name an .npz of HftBacktest 1; arrays of today need no migration")
    columns: npt.NDArray[np.float64] = array
    return columns
