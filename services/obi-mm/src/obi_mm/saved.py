"""What a live run knows, kept in a file: a restart goes on with it instead of warming up again.

One file a symbol, replaced as a whole: whoever is killed while writing leaves the file from before. It holds the factors'
arrays to the last bit, what they are of, and the exchange's time of the last decision. Order ids are not taken from it
below the new run's own.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np
from factor_engine import StateMismatch

from obi_mm.errors import DataError
from obi_mm.layout import W_NEXT_ID
from obi_mm.strategy import Strategy

FORMAT: Final = "obi-mm state 1"
SKEW_NS: Final = 60_000_000_000
"""How far the exchange's clock may be ahead of the one here."""
_FACTORS: Final = ("imbalance", "volatility", "stop_loss")


@dataclass(frozen=True, slots=True)
class Saved:
    """What was taken from a file: the exchange's time of its last decision, and how many samples and returns came along."""

    last_ns: int
    samples: int
    returns: int


def state_path(directory: Path, symbol: str) -> Path:
    """Return where a symbol's state is kept."""
    return directory / f"{quote(symbol, safe='')}.state.npz"


def pack_state(strategy: Strategy) -> bytes:
    """Return all that a strategy knows as bytes."""
    content = BytesIO()
    np.savez_compressed(content, **_arrays(strategy))
    return content.getvalue()


def unpack_state(strategy: Strategy, content: bytes) -> None:
    """Go on from bytes of `pack_state`, order ids included; raises DataError where they are none, or of other parameters."""
    try:
        with np.load(BytesIO(content), allow_pickle=False) as archive:
            strategy.restore(_state_of(archive))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, StateMismatch) as error:
        raise DataError("state", f"can't be gone on from ({error})") from error


def _arrays(strategy: Strategy) -> dict[str, Any]:
    state = strategy.state()
    arrays: dict[str, Any] = {"own": state["own"]}
    for name in _FACTORS:
        factor = state[name]
        assert isinstance(factor, dict)
        arrays |= {f"{name}.{key}": value for key, value in factor.items()}
    return arrays


def _state_of(archive: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {
        name: {key: archive[f"{name}.{key}"] for key in ("kind", "version", "real", "whole")} for name in _FACTORS
    }
    return {**state, "own": np.array(archive["own"], np.int64)}


def save_state(path: Path, strategy: Strategy, *, symbol: str, connector: str, last_ns: int) -> None:
    """Write all that a strategy knows after its decision at `last_ns`; raises DataError where it can't be written."""
    about = {"format": FORMAT, "symbol": symbol, "connector": connector, "last_ns": last_ns}
    arrays = {"about": np.array(json.dumps(about, sort_keys=True)), **_arrays(strategy)}
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise DataError(path, f"can't be written ({error.strerror})") from error


def load_state(
    path: Path, strategy: Strategy, *, symbol: str, connector: str, now_ns: int, max_age_ns: int
) -> Saved | None:
    """Go on from a file; None where there is none. Raises DataError, and leaves the strategy as it is, where it can't be used.

    It can't where it is older than `max_age_ns` or of a time to come, of another symbol, connector or parameters, or damaged.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            state = _state_of(archive)
            own = state["own"]
        last_ns = int(about["last_ns"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise DataError(path, f"holds no state ({error})") from error
    for name, expected in (("format", FORMAT), ("symbol", symbol), ("connector", connector)):
        if about.get(name) != expected:
            raise DataError(path, f"its {name} is {about.get(name)!r}, not {expected!r}")
    age_s = (now_ns - last_ns) / 1e9
    if now_ns - last_ns > max_age_ns:
        raise DataError(path, f"ends {age_s:,.0f} s ago, too long")
    if last_ns - now_ns > SKEW_NS:
        raise DataError(path, f"ends {-age_s:,.0f} s ahead of the clock here")
    if own.shape != strategy.own.shape:
        raise DataError(path, f"its own memory has shape {own.shape}, not {strategy.own.shape}")
    own[W_NEXT_ID] = max(own[W_NEXT_ID], strategy.own[W_NEXT_ID])
    try:
        strategy.restore({**state, "own": own})
    except StateMismatch as error:
        raise DataError(path, str(error)) from error
    return Saved(last_ns, strategy.imbalance.count, strategy.volatility.count)
