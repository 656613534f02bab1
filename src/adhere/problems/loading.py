"""Loading problems: a file or a data set of the Hub in, problems out, with the hash of what was read.

Rules:
- `source` is the path of a .jsonl or .json file (also .gz), or a Hub name: `openai/gsm8k`,
  `owner/name:config@split`. A path that exists is a path.
- The format is recognised by its columns, or named. A row without a column that its format needs stops the load with
  the file, the row and the column; a row that cannot make a problem (an unanswerable question) is left out and counted.
- `sha256` is over the bytes of the file, or over the rows of a Hub data set as canonical JSON, before any limit.
- With a seed, `limit` draws at random; without, it takes the first. The draw depends on the seed and the ids only.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.core.errors import UserError
from adhere.core.reading import parse_json, unpack_gzip
from adhere.problems.coding import humaneval, mbpp
from adhere.problems.mathematics import gsm8k, math500, svamp
from adhere.problems.multihop import hotpotqa, musique
from adhere.problems.problem import Domain, Problem

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A data set's layout: the columns it needs, and how a row becomes a problem."""

    domain: Domain
    columns: frozenset[str]
    make: Callable[[Row], Problem]


FORMATS: Mapping[str, Format] = {
    "gsm8k": Format("math", frozenset({"question", "answer"}), gsm8k),
    "svamp": Format("math", frozenset({"Body", "Question", "Answer"}), svamp),
    "math500": Format("math", frozenset({"problem", "answer"}), math500),
    "hotpotqa": Format("multihop", frozenset({"question", "answer", "context"}), hotpotqa),
    "musique": Format("multihop", frozenset({"id", "question", "answer", "paragraphs"}), musique),
    "humaneval": Format(
        "code", frozenset({"task_id", "prompt", "entry_point", "canonical_solution", "test"}), humaneval
    ),
    "mbpp": Format("code", frozenset({"task_id", "text", "code", "test_list"}), mbpp),
    "mbpp-sanitized": Format("code", frozenset({"task_id", "prompt", "code", "test_list"}), mbpp),
}

HUB: Mapping[str, tuple[str | None, str]] = {
    "openai/gsm8k": ("main", "test"),
    "ChilleD/SVAMP": (None, "test"),
    "HuggingFaceH4/MATH-500": (None, "test"),
    "hotpotqa/hotpot_qa": ("distractor", "validation"),
    "dgslibisey/MuSiQue": (None, "validation"),
    "openai/openai_humaneval": (None, "test"),
    "google-research-datasets/mbpp": ("full", "test"),
}
"""Configuration and split taken when a Hub name states none."""

_HUB_NAME = re.compile(r"^([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@([\w.-]+))?$")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded.

    Attributes:
        problems: in the order of the source, or as drawn.
        source: the path or Hub name as given, with configuration and split where they were filled in.
        format: a key of `FORMATS`.
        sha256: of the file's bytes, or of the Hub rows.
        rows: rows in the source.
        skipped: (row id or number, why) of rows that made no problem.
    """

    problems: tuple[Problem, ...]
    source: str
    format: str
    sha256: str
    rows: int
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def domain(self) -> Domain:
        """The one domain of the format."""
        return FORMATS[self.format].domain


def load(
    source: str | os.PathLike[str], format: str | None = None, limit: int | None = None, seed: int | None = None
) -> Loaded:
    """Load problems from a file or from the Hub.

    Args:
        source: see the module's rules.
        format: a key of `FORMATS`; recognised if None.
        limit: how many problems at most.
        seed: draw them with this seed; the first ones if None.

    Raises:
        UserError: the source is not there, cannot be read, or is in no known format.
    """
    if format is not None and format not in FORMATS:
        raise UserError(f"no format is named {format!r}: use one of {', '.join(FORMATS)}")
    name = os.fspath(source)
    if Path(name).is_file():
        rows, digest = _read_file(Path(name))
    elif (match := _HUB_NAME.match(name)) and not name.endswith((".jsonl", ".json", ".gz")):
        rows, digest, name = _read_hub(match[1], match[2], match[3])
    else:
        raise UserError(f"{name}: no such file, and not the name of a Hub data set (owner/name)")
    if not rows:
        raise UserError(f"{name}: holds no rows")
    chosen = format or _recognise(name, rows[0])
    problems, skipped = _make(name, chosen, rows)
    if not problems:
        raise UserError(f"{name}: none of its {len(rows)} rows makes a problem (first: {skipped[0][1]})")
    if limit is not None and limit < len(problems):
        if seed is not None:
            ordered = sorted(problems, key=lambda problem: problem.id)
            kept = {id(problem) for problem in random.Random(seed).sample(ordered, limit)}
            problems = [problem for problem in problems if id(problem) in kept]
        else:
            problems = problems[:limit]
    return Loaded(tuple(problems), name, chosen, digest, len(rows), tuple(skipped))


def _make(name: str, format: str, rows: Sequence[Row]) -> tuple[list[Problem], list[tuple[str, str]]]:
    problems: list[Problem] = []
    skipped: list[tuple[str, str]] = []
    needed, make = FORMATS[format].columns, FORMATS[format].make
    for number, row in enumerate(rows, 1):
        if missing := sorted(column for column in needed if row.get(column) is None):
            raise UserError(f"{name}: row {number} has no {missing[0]!r}, which {format} needs")
        try:
            problems.append(make(row))
        except UserError as error:
            raise UserError(f"{name}: row {number}: {error}") from error
        except ValueError as error:
            skipped.append((str(row.get("id", row.get("task_id", number))), str(error)))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise UserError(f"{name}: row {number} is not in {format}'s layout ({error!r})") from error
    return problems, skipped


def _recognise(name: str, row: Row) -> str:
    fits = [key for key, format in FORMATS.items() if format.columns <= row.keys()]
    if not fits:
        raise UserError(
            f"{name}: columns {', '.join(sorted(row)[:8])} fit no known format; "
            f"name one of {', '.join(FORMATS)} or rename the columns"
        )
    return max(fits, key=lambda key: len(FORMATS[key].columns))


def _read_file(path: Path) -> tuple[list[Row], str]:
    try:
        data = path.read_bytes()
        text = (unpack_gzip(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    return list(_rows(path, text)), hashlib.sha256(data).hexdigest()


def _rows(path: Path, text: str) -> Iterator[Row]:
    whole = None
    if text.lstrip()[:1] == "[" or not path.name.removesuffix(".gz").endswith(".jsonl"):
        try:
            whole = parse_json(text)
        except ValueError:
            whole = None
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        whole = whole["data"]
    if isinstance(whole, list):
        for number, row in enumerate(whole, 1):
            if not isinstance(row, dict):
                raise UserError(f"{path}: row {number} is not an object")
            yield row
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise UserError(f"{path}: line {number} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number} is not an object")
        yield row


def _read_hub(name: str, config: str | None, split: str | None) -> tuple[list[Row], str, str]:
    try:
        from datasets import load_dataset  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise UserError(f"{name} is no file here; to load it from the Hub: pip install datasets") from error
    default_config, default_split = HUB.get(name, (None, "test"))
    config, split = config or default_config, split or default_split
    full = f"{name}{f':{config}' if config else ''}@{split}"
    try:
        rows = [dict(row) for row in load_dataset(name, config, split=split)]
    except Exception as error:  # the library raises whatever its layers raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{full}: cannot be loaded from the Hub ({first[:200]})") from error
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=str).encode("utf-8") + b"\n")
    return rows, digest.hexdigest(), full
