"""How well instructions are read: right, missed and wrong, on every public set of prompts that lists what it asks for.

Prints the tables of docs/results/parsing.md. Intervals are 95 %: Wilson's for shares of prompts, a bootstrap over
prompts (2,000 draws, seed 0) for precision and recall. `M_IFEVAL` names a folder with M-IFEval's `es_input_data.jsonl`
and its siblings, where one has them.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.constraints.benchmarks.ifbench import from_ifbench
from adhere.constraints.benchmarks.ifeval import IDS, from_ifeval
from adhere.constraints.combine import AllOf
from adhere.constraints.constraint import Constraint
from adhere.constraints.instructions.reading import read_instructions
from adhere.core.errors import UserError
from adhere.core.intervals import wilson

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DRAWS = 2_000

SAME = {"case.letters": "case.english"}
"""Two kinds that one instruction of a set may mean."""

BESIDE = frozenset({
    "language.response", "length.words", "length.lines", "length.paragraphs", "style.register", "semantic.sentiment",
    "contains.terms", "each", "in",
})  # fmt: skip
"""Kinds that prompts state beside what their list names ("in English" with a case, "a 500 word essay")."""

_CASES = {
    "spanish_lowercase": "lower", "spanish_capital": "upper", "french_lowercase": "lower", "french_capital": "upper",
}  # fmt: skip


_RELATIONS = {
    "menos de": "less than", "al menos": "at least", "como máximo": "less than", "moins de": "less than",
    "au moins": "at least", "未満": "less than", "以上": "at least",
}  # fmt: skip
"""M-IFEval's names of the two relations."""


@dataclass(frozen=True)
class Read:
    """One prompt's counts."""

    listed: int
    found: int
    exact: int
    beside: int
    wrong: int


def main() -> None:
    _wordings()
    for name, rows in _sets():
        counts = [_compare(prompt, listed) for prompt, listed in rows]
        _print(name, counts)


def _wordings() -> None:
    scorer = DATA / "wordings" / "score_parse.py"
    if not scorer.exists():
        print(f"the wordings are not at {scorer.parent}")
        return
    source = Path(__file__).resolve().parents[1] / "src"
    command = [sys.executable, str(scorer), "--dir", str(scorer.parent), "--src", str(source)]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


Rows = Iterator[tuple[str, list[Constraint]]]


def _sets() -> Iterator[tuple[str, Rows]]:
    yield "IFEval", _rows(DATA / "ifeval" / "input_data.jsonl", _ifeval)
    yield "IFBench", _rows(DATA / "ifbench" / "IFBench_test.jsonl", _ifbench)
    folder = os.environ.get("M_IFEVAL")
    for code in ("es", "fr", "ja") if folder else ():
        yield f"M-IFEval {code}", _rows(Path(str(folder)) / f"{code}_input_data.jsonl", _m_ifeval)


def _rows(path: Path, understand: Callable[[str, Mapping[str, Any]], Constraint | None]) -> Rows:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        listed = [
            understand(name, {key: value for key, value in (given or {}).items() if value is not None})
            for name, given in zip(row["instruction_id_list"], row["kwargs"], strict=True)
        ]
        yield row["prompt"], [part for one in listed if one is not None for part in _parts(one)]


def _parts(constraint: Constraint) -> Sequence[Constraint]:
    """The parts of an instruction that is several at once ("the word x twice, the word y once")."""
    return constraint.of if isinstance(constraint, AllOf) else (constraint,)


def _ifeval(name: str, given: Mapping[str, Any]) -> Constraint:
    return from_ifeval(name, given, "fixed")


def _ifbench(name: str, given: Mapping[str, Any]) -> Constraint | None:
    try:
        return from_ifbench(name, given, "fixed")
    except UserError:
        return None


def _m_ifeval(name: str, given: Mapping[str, Any]) -> Constraint | None:
    """The instructions that M-IFEval shares with IFEval; None for those of its own (accents, kanji, furigana)."""
    from adhere.constraints import from_json

    shared = name.partition(":")[2]
    if "como máximo" in given.values():
        given = {key: value + 1 if isinstance(value, int) else value for key, value in given.items()}
    given = {key: _RELATIONS.get(value, value) if "relation" in key else value for key, value in given.items()}
    if (case := _CASES.get(shared.rpartition(":")[2])) is not None:
        return from_json({"kind": "case.letters", "case": case})
    try:
        if shared == "length_constraints:number_letters":
            few = given["relation"] == "less than"
            bound = {"at_most": given["num_letters"] - 1} if few else {"at_least": given["num_letters"]}
            return from_json({"kind": "length.characters", **bound})
        return from_ifeval(shared, given, "fixed") if shared in IDS else None
    except (UserError, KeyError):
        return None


def _kind(constraint: Constraint) -> str:
    return SAME.get(constraint.kind, constraint.kind)


def _compare(prompt: str, listed: Sequence[Constraint]) -> Read:
    wanted = list(listed)
    kinds = Counter(map(_kind, listed))
    found = exact = beside = wrong = 0
    for read in read_instructions(prompt).constraints:
        same = [one for one in wanted if _kind(one) == _kind(read)]
        equal = [one for one in same if one == read or _kind(one) == "case.english" or _equal(one, read)]
        if same:
            wanted.remove((equal or same)[0])
            found += 1
            exact += bool(equal)
        elif _kind(read) in BESIDE or _kind(read) in kinds:
            beside += 1
        else:
            wrong += 1
    return Read(len(listed), found, exact, beside, wrong)


def _equal(one: Constraint, other: Constraint) -> bool:
    """Whether two constraints say the same of a text, whatever the case of their terms."""
    return (
        json.dumps(one.to_json(), sort_keys=True).casefold() == json.dumps(other.to_json(), sort_keys=True).casefold()
    )


def _print(name: str, counts: Sequence[Read]) -> None:
    if not counts:
        print(f"\n{name}: not here")
        return
    print(f"\n### {name}: {len(counts)} prompts, {sum(one.listed for one in counts)} instructions\n")
    print("| measure | value | 95 % | n |\n|---|---|---|---|")
    listed = sum(one.listed for one in counts)
    for title, share in (
        ("recall: the listed type is read", _recall),
        ("recall with its parameters", _exact),
        ("precision against the list and what stands beside it", _precision),
    ):
        low, high = _bootstrap(counts, share)
        print(f"| {title} | {share(counts):.3f} | {low:.3f} to {high:.3f} | {listed} |")
    wrong = sum(one.wrong > 0 for one in counts)
    low, high = wilson(wrong, len(counts))
    title = "prompts with a reading of a type that is not listed"
    print(f"| {title} | {wrong / len(counts):.3f} | {low:.3f} to {high:.3f} | {len(counts)} |")


def _recall(counts: Sequence[Read]) -> float:
    return sum(one.found for one in counts) / max(1, sum(one.listed for one in counts))


def _exact(counts: Sequence[Read]) -> float:
    return sum(one.exact for one in counts) / max(1, sum(one.listed for one in counts))


def _precision(counts: Sequence[Read]) -> float:
    right = sum(one.found + one.beside for one in counts)
    return right / max(1, right + sum(one.wrong for one in counts))


def _bootstrap(counts: Sequence[Read], share: Callable[[Sequence[Read]], float]) -> tuple[float, float]:
    random_draw = random.Random(0)
    values = sorted(share([counts[random_draw.randrange(len(counts))] for _ in counts]) for _ in range(DRAWS))
    return values[DRAWS // 40], values[-DRAWS // 40 - 1]
