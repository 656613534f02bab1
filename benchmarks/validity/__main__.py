"""`python -m benchmarks.validity [RUNS]`: simulate, and write docs/results/validity.md."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.validity import claims, decodability, rates, sequences
from benchmarks.validity.table import Row

PAGE = Path(__file__).parents[2] / "docs" / "results" / "validity.md"
RUNS = 400
STUDIES: tuple[Callable[[int], list[Row]], ...] = (
    rates.single,
    rates.clustered,
    rates.compared,
    decodability.coverage,
    decodability.differences,
    decodability.together,
    sequences.certificate,
    sequences.patterns,
    claims.rules,
)

HEAD = """# Validity of intervals and rules

Every kind of interval and test that Adhere prints, simulated under designs whose truth is known. `make validate` writes
this page; {runs} studies are simulated for each row. An interval should cover the truth in 95 % of the studies, a test
should reject in at most 5 % where nothing differs. The brackets are Wilson's interval of the simulated share: how exact
the simulation is. A row is marked where that interval lies wholly on the wrong side.
"""


def page(rows: Sequence[Row], runs: int) -> str:
    """The page: one table for each figure."""
    lines = [HEAD.format(runs=runs)]
    for figure, some in groupby(rows, key=lambda row: row.figure):
        group = list(some)
        what = "error" if group[0].error else "coverage"
        worst = (max if group[0].error else min)(group, key=lambda row: row.share)
        lines += [f"## {figure}", "", f"Worst {what}: {worst.share:.1%} ({worst.design}).", ""]
        width = any(row.width is not None for row in group)
        lines.append(f"| design | {what} | nominal |" + (" mean width |" if width else "") + " |")
        lines.append("|---|---:|---:|" + ("---:|" if width else "") + "---|")
        for row in group:
            low, high = row.interval
            cells = [row.design, f"{row.share:.1%} [{low:.1%}, {high:.1%}]", f"{row.nominal:.0%}"]
            if width:
                cells.append("" if row.width is None else f"{row.width:.3f}")
            lines.append("| " + " | ".join([*cells, "misses" if row.misses else ""]) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Run every study and write the page."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    rows = []
    for study in STUDIES:
        print(study.__module__.rpartition(".")[2], study.__name__, flush=True)
        rows += study(runs)
    by_figure = sorted(rows, key=lambda row: [one.figure for one in rows].index(row.figure))
    PAGE.write_text(page(by_figure, runs), encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(rows)} rows, {sum(row.misses for row in rows)} miss")


if __name__ == "__main__":
    main()
