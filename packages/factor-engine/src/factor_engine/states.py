"""What all factors share: their arrays, and saving and restoring them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from factor_engine.errors import StateMismatch

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

VERSION = 1


class Stateful(ABC):
    """A factor's memory: a float64 and an int64 array, each a header and perhaps a ring, laid out as `kernels` says.

    Everything a factor knows, parameters included, is in the two arrays, so copying them is saving the factor.
    """

    KIND: ClassVar[str]

    def __init__(self, real: Real, header: int, whole: Whole | None = None, clock_header: int = 0) -> None:
        self._real = real
        self._whole: Whole = np.zeros(0, dtype=np.int64) if whole is None else whole
        self._fresh_real = real[:header].copy()
        self._fresh_whole = self._whole[:clock_header].copy()

    @property
    def arrays(self) -> tuple[Real, Whole]:
        """The live arrays themselves, for compiled code that steps this factor with `factor_engine.kernels`.

        They stay the same objects through `reset` and `restore`.
        """
        return self._real, self._whole

    def reset(self) -> None:
        """Forget everything but the parameters; counters start again at 0."""
        self._real[: self._fresh_real.size] = self._fresh_real
        self._whole[: self._fresh_whole.size] = self._fresh_whole

    def state(self) -> dict[str, object]:
        """Return a copy of all this factor knows, as `{"kind", "version", "real", "whole"}`.

        Fit for `np.savez(path, **state)`, or for JSON after `.tolist()` on the two arrays.
        """
        return {"kind": self.KIND, "version": VERSION, "real": self._real.copy(), "whole": self._whole.copy()}

    def restore(self, saved: Mapping[str, object]) -> None:
        """Go on from a saved state, to the last bit; the factor must have been made with the same parameters.

        Raises StateMismatch, and changes nothing, if the state is another kind's or version's, has other parameters
        or sizes, or holds what no factor of this kind can hold (a cursor outside its ring would corrupt memory).
        """
        for key, expected in (("kind", self.KIND), ("version", str(VERSION))):
            if str(saved.get(key)) != expected:
                raise StateMismatch(self.KIND, f"its {key} is {saved.get(key)}, not {expected}")
        real = np.zeros_like(self._real)
        whole = np.zeros_like(self._whole)
        self._fill(real, saved, "real")
        self._fill(whole, saved, "whole")
        fault = self._fault(real, whole)
        if fault is not None:
            raise StateMismatch(self.KIND, fault)
        self._real[:] = real
        self._whole[:] = whole

    @abstractmethod
    def _fault(self, real: Real, whole: Whole) -> str | None:
        """Say what makes these arrays unfit to be this factor's, if anything does."""

    def _fill(self, own: NDArray[np.generic], saved: Mapping[str, object], key: str) -> None:
        """Copy a saved array over one of the same shape, if it converts without loss."""
        array = np.asarray(saved.get(key))
        if array.shape != own.shape:
            raise StateMismatch(self.KIND, f"{key!r} has shape {array.shape}, not {own.shape}")
        if array.size and not np.can_cast(array.dtype, own.dtype):
            raise StateMismatch(self.KIND, f"{key!r} is of {array.dtype}, not {own.dtype}")
        np.copyto(own, array, casting="unsafe")


def cursor_fault(head: float, count: float, capacity: int) -> str | None:
    """Say what is wrong with a ring's cursors: they must be whole numbers and in range."""
    if not (0 <= count <= capacity and count == int(count)):
        return f"a count of {count} in a ring of {capacity}"
    if not (0 <= head < capacity and head == int(head)):
        return f"a cursor at {head} in a ring of {capacity}"
    return None


def differing(own: NDArray[np.generic], other: NDArray[np.generic], slots: tuple[int, ...]) -> str | None:
    """Say whether two arrays hold different parameters in these slots."""
    changed = [slot for slot in slots if own[slot] != other[slot]]
    return f"made with other parameters (slots {changed})" if changed else None
