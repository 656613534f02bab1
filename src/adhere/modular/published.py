"""What the authors released, to hold ours against: three models with their notebook's numbers, and 817 runs' spread.

Rules:
- `MODELS` are the numbers that the released notebooks print for the released weights (repository fjzzq2002/pizza), with
  the two that no notebook prints (Model B's) recomputed independently from the weights; `source` says which.
- `QUANTILES` summarise the released table of runs (result/1l_fixedwidth.csv): one layer, width 128, ReLU, one
  vocabulary, circularity at least 0.995. Its column `distance_irrelevance` is that on the largest *wrong* logit.
- `table` reads such a table from a clone of the repository: the same three numbers for single runs.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adhere.core.errors import UserError


@dataclass(frozen=True)
class Published:
    """Numbers for one released model; None where none was published. `fve` is by circle (from 1) and form."""

    title: str
    source: str
    accuracy: float | None = None
    gradient_symmetricity: float | None = None
    distance_irrelevance: float | None = None
    top_wrong: float | None = None
    circularity: float | None = None
    fve: Mapping[tuple[int, str], float] = field(default_factory=dict)


_COLUMNS = {
    "gradient_symmetricity": "gradient_sim",
    "top_wrong": "distance_irrelevance",
    "circularity": "circularity",
}

MODELS: Mapping[str, Published] = {
    "p99zdpze5l": Published(
        title="Model A, a Pizza (alpha 0)",
        source="released notebook",
        accuracy=1.0,
        gradient_symmetricity=0.9937,
        distance_irrelevance=0.1717,
        circularity=0.9978,
        fve={
            (1, "clock"): 0.7541,
            (2, "clock"): 0.7562,
            (3, "clock"): 0.7538,
            (1, "pizza"): 0.9831,
            (2, "pizza"): 0.9831,
            (3, "pizza"): 0.9841,
            (4, "accompanying"): 0.9756,
            (5, "accompanying"): 0.9723,
            (6, "accompanying"): 0.9769,
        },
    ),
    "l8k1hzciux": Published(
        title="Model B, a Clock (alpha 1)",
        source="independent recomputation from the released weights",
        accuracy=1.0,
        gradient_symmetricity=0.3336,
        distance_irrelevance=0.8483,
        circularity=0.9989,
    ),
    "p71frej8t7": Published(
        title="linear model beta",
        source="released notebook",
        gradient_symmetricity=1.0,
        distance_irrelevance=0.2302,
        circularity=0.9950,
        fve={
            (1, "clock"): 0.7527,
            (2, "clock"): 0.7471,
            (3, "clock"): 0.7546,
            (1, "pizza"): 0.9799,
            (2, "pizza"): 0.9748,
            (3, "pizza"): 0.9822,
        },
    ),
}

TOLERANCE = 0.002
"""How far ours may lie from a published number that is given to four digits."""


@dataclass(frozen=True)
class Quantiles:
    """Released circular runs with an attention rate in [low, high): tenth, fiftieth and ninetieth percentile."""

    low: float
    high: float
    runs: int
    gradient_symmetricity: tuple[float, float, float]
    top_wrong: tuple[float, float, float]


QUANTILES: tuple[Quantiles, ...] = (
    Quantiles(0.0, 0.1, 92, (0.992, 0.994, 0.995), (0.158, 0.201, 0.559)),
    Quantiles(0.1, 0.2, 97, (0.991, 0.993, 0.995), (0.150, 0.210, 0.584)),
    Quantiles(0.2, 0.3, 95, (0.990, 0.992, 0.994), (0.159, 0.240, 0.591)),
    Quantiles(0.3, 0.4, 89, (0.991, 0.993, 0.995), (0.165, 0.211, 0.549)),
    Quantiles(0.4, 0.5, 73, (0.991, 0.993, 0.994), (0.193, 0.256, 0.595)),
    Quantiles(0.5, 0.6, 65, (0.794, 0.931, 0.994), (0.234, 0.399, 0.600)),
    Quantiles(0.6, 0.7, 62, (0.586, 0.753, 0.849), (0.523, 0.627, 0.723)),
    Quantiles(0.7, 0.8, 85, (0.465, 0.624, 0.776), (0.604, 0.697, 0.803)),
    Quantiles(0.8, 0.9, 82, (0.426, 0.540, 0.677), (0.704, 0.771, 0.868)),
    Quantiles(0.9, 1.0, 77, (0.291, 0.451, 0.585), (0.714, 0.828, 0.903)),
)


def table(path: Path) -> dict[str, Published]:
    """Runs of a released table by their id. Rows of unfinished runs are left out.

    The circularity of runs with two vocabularies is left out: the table has it over both as one, which is no circle
    even where each is; ours is the left one's.

    Raises:
        UserError: not there, or not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := {"runid", *_COLUMNS.values()} - set(reader.fieldnames or ()):
                raise UserError(f"{path}: no column {', '.join(sorted(missing))}; wanted the released 1l_*.csv")
            rows = list(reader)
        return {
            row["runid"]: Published(
                title=f"run {row['runid']}",
                source=path.name,
                **{
                    ours: float(row[theirs])
                    for ours, theirs in _COLUMNS.items()
                    if row[theirs] and not (ours == "circularity" and row.get("diff_vocab") == "1")
                },  # type: ignore[arg-type]
            )
            for row in rows
            if row["gradient_sim"]
        }
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a table ({error})") from error
