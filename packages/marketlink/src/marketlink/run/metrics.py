"""Numbers of a running process for Prometheus: read when they are asked for, kept by nobody.

A program says what there is as `Sample` values; this serves them at `http://HOST:PORT/metrics` from a thread of its own.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from marketlink.errors import SettingsError

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. A histogram has `buckets` instead: how many there are up to each bound, the last of which is infinite, and their
    `value`, the sum."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["gauge", "counter", "histogram"] = "gauge"
    buckets: tuple[tuple[float, int], ...] = ()


def families(samples: Iterable[Sample]) -> list[Metric]:
    """Put samples of one name together, as Prometheus wants them. The labels of one name are the same in all its samples."""
    found: dict[str, Metric] = {}
    for sample in samples:
        names, values = list(sample.labels), list(sample.labels.values())
        family = found.get(sample.name)
        if family is None:
            make = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}[
                sample.kind
            ]
            family = found[sample.name] = make(sample.name, sample.help, labels=names)
        if isinstance(family, HistogramMetricFamily):
            rows = [(f"{bound:g}", count) for bound, count in sample.buckets if bound != inf]
            total = sample.buckets[-1][1] if sample.buckets else 0
            family.add_metric(values, [*rows, ("+Inf", total)], sample.value)
        elif isinstance(family, GaugeMetricFamily | CounterMetricFamily):
            family.add_metric(values, sample.value)
    return list(found.values())


class _Reader(Collector):
    def __init__(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Read the process's numbers; once more where another thread changed a table meanwhile."""
        for left in range(_TRIES, 0, -1):
            try:
                return families(list(self._read()))
            except RuntimeError:
                if left == 1:
                    raise
        return []


@contextlib.contextmanager
def serve(port: int, read: Callable[[], Iterable[Sample]], host: str = "127.0.0.1") -> Iterator[None]:
    """Serve what `read` tells, called from another thread; nothing for port 0. Raises SettingsError for a port that can't be had."""
    if not port:
        yield
        return
    registry = CollectorRegistry(auto_describe=False)
    try:
        server, thread = start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        what = f"{host}:{port} can't be had: {getattr(error, 'strerror', None) or error}"
        raise SettingsError("metrics", "port", what, "Name another port, or end who has it.") from None
    registry.register(_Reader(read))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
