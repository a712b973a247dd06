"""Measured values: one per measure, contestant and round. No I/O.

Ratios are taken within a round, where contestants run seconds apart, and then their median: the
machine's speed varies between rounds, the ratios of contestants vary less.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

OURS = "http-process-proxy"
OVER_TLS = "http-process-proxy, TLS"
SIX_SERVICES = "http-process-proxy, 6 services"
OUR_ASGI = "http-process-asgi"
DIRECT = "no proxy"


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: `key` is its name in the JSON; `title` and `unit` are for people.

    The value of a run is the median of the rounds, or the mean if one bad round must show.
    """

    key: str
    title: str
    unit: str
    higher_is_better: bool = False
    mean: bool = False


@dataclass(slots=True)
class Results:
    """All values of a run. `skipped` and `faults` have reasons for missing and doubtful figures."""

    values: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, measure: Measure, contestant: str, round_number: int, value: float) -> None:
        self.measures[measure.key] = measure
        self.values.setdefault((measure.key, contestant), {})[round_number] = value

    def contestants(self, keys: Iterable[str]) -> list[str]:
        """The contestants with a value for any of these measures, in the order of first values."""
        wanted = set(keys)
        present = {who for key, who in self.values if key in wanted}
        return [who for who in dict.fromkeys(who for _, who in self.values) if who in present]

    def figure(self, key: str, contestant: str) -> float | None:
        """The value of the run: the median of the rounds, or their mean, as the measure says."""
        rounds = self._rounds(key, contestant).values()
        if not rounds:
            return None
        return (statistics.mean if self.measures[key].mean else statistics.median)(rounds)

    def ratio(self, key: str, contestant: str, other: str) -> float | None:
        """The median over the rounds of contestant / other; None unless each round has both."""
        mine, theirs = self._rounds(key, contestant), self._rounds(key, other)
        ratios = [mine[n] / theirs[n] for n in mine.keys() & theirs.keys() if theirs[n]]
        return statistics.median(ratios) if ratios else None

    def subtract(self, measure: Measure, key: str, base: str) -> None:
        """Add `measure`: the value of `key` less that of the contestant `base`, in each round."""
        floor = self._rounds(key, base)
        for who in self.contestants([key]):
            for number, value in self._rounds(key, who).items():
                if who != base and number in floor:
                    self.add(measure, who, number, value - floor[number])

    def _rounds(self, key: str, contestant: str) -> dict[int, float]:
        return self.values.get((key, contestant), {})
