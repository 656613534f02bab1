"""A row of the validity table: an interval or a rule, under one design, over many simulated studies."""

from __future__ import annotations

from dataclasses import dataclass

from adhere.core.intervals import wilson


@dataclass(frozen=True)
class Row:
    """How often an interval covered the truth, or a rule said what it should not.

    Attributes:
        figure: what is simulated.
        design: under which conditions.
        hits: runs that covered, or that erred.
        runs: simulated studies.
        width: mean width of the interval; None for rules.
        nominal: what the share of hits should be: 0.95 of intervals, 0.05 or less of errors.
        error: whether `hits` counts errors of a rule, which should be rare, and not coverage.
    """

    figure: str
    design: str
    hits: float
    runs: int
    width: float | None = None
    nominal: float = 0.95
    error: bool = False

    @property
    def share(self) -> float:
        """Share of the runs that hit."""
        return self.hits / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the share: how exact the simulation is."""
        return wilson(self.hits, self.runs)

    @property
    def misses(self) -> bool:
        """Whether the whole interval lies on the wrong side of what should be."""
        low, high = self.interval
        return low > self.nominal if self.error else high < self.nominal
