"""Chart types of the report, each a function from numbers to a `Chart`.

Rules.

- A chart shows its uncertainty or says that it has none.
- It is readable on a telephone, in grey, and by a screen reader. Series differ by shape as well as by colour; an
  estimate that does not hold against its controls is hollow; every mark carries its value, which a browser shows on
  hover; and all numbers are in a table that opens on demand.
- matplotlib draws all of them. `docs/explanation/charts.md` says why.
"""

from adhere.report.charts.chart import Chart, Grid, Interval, Line, Point, number
from adhere.report.charts.counts import bars, histogram
from adhere.report.charts.curves import lines
from adhere.report.charts.dots import points, scatter
from adhere.report.charts.grids import heat
from adhere.report.charts.trees import dendrogram, tree_heat

__all__ = [
    "Chart",
    "Grid",
    "Interval",
    "Line",
    "Point",
    "bars",
    "dendrogram",
    "heat",
    "histogram",
    "lines",
    "number",
    "points",
    "scatter",
    "tree_heat",
]
