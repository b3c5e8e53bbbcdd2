"""What happened to orders since the start, by name; for status lines, and for what comparing with the exchange finds."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Counters; `remarks` and `unused` by the words of what was noticed."""

    submitted: int = 0
    refused_here: int = 0
    foreign: int = 0
    post_only: int = 0
    remarks: dict[str, int] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
