"""What can go wrong in using a factor; bad market data is never an error, it is rejected and counted.

FactorError
 ├─ BadParameter     a constructor or setter was given something no factor can work with
 ├─ LengthMismatch   two sequences that belong together differ in length
 └─ StateMismatch    a saved state does not belong to this factor, or is damaged
"""


class FactorError(ValueError):
    """Base of this package's errors."""


class BadParameter(FactorError):
    """A parameter is out of its range."""

    def __init__(self, name: str, value: object, rule: str) -> None:
        super().__init__(f"{name} must be {rule}, not {value!r}")
        self.name, self.value, self.rule = name, value, rule


class LengthMismatch(FactorError):
    """Two sequences that belong together differ in length."""

    def __init__(self, name: str, expected: int, got: int) -> None:
        super().__init__(f"{name}: expected length {expected}, got {got}")
        self.name, self.expected, self.got = name, expected, got


class StateMismatch(FactorError):
    """A saved state does not belong to this factor, or is damaged."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"state does not fit {kind}: {reason}")
        self.kind, self.reason = kind, reason
