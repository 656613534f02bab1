"""Hundreds of everyday wordings in several voices and languages, each with what it states: no more, and no less."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints import from_json, parse
from adhere.constraints.constraint import Constraint
from adhere.constraints.instructions.quantity import interval

UNITS = {
    "words": "length.words",
    "sentences": "length.sentences",
    "characters": "length.characters",
    "paragraphs": "length.paragraphs",
    "lines": "length.lines",
    "bullets": "format.bullets",
}


def bounds(text: str) -> dict[str, Any]:
    match = re.fullmatch(r"(<=|>=|~)?(\d+)(?:-(\d+))?", text)
    assert match is not None, text
    sign, n, m = match[1], int(match[2]), match[3]
    if m:
        return {"at_least": n, "at_most": int(m)}
    if sign == "~":
        about = interval("about", n)
        assert about is not None
        return dict(about.bounds())
    return {"at_most": n} if sign == "<=" else {"at_least": n} if sign == ">=" else {"exactly": n}


def constraint(text: str) -> Constraint:
    """What a line of the table says behind `=>`."""
    if scoped := re.fullmatch(r"(each|in) (\w+): (.+)", text):
        return from_json({"kind": scoped[1], "part": scoped[2], "of": constraint(scoped[3]).to_json()})
    if text.startswith(("not ends ", "not starts ")):
        return from_json({"kind": "not", "of": constraint(text[4:]).to_json()})
    kind, _, rest = text.partition(" ")
    if kind in UNITS:
        return from_json({"kind": UNITS[kind], **bounds(rest)})
    if kind in ("has", "not"):
        return from_json({"kind": "contains.terms" if kind == "has" else "excludes.terms", "terms": rest.split(", ")})
    if kind in ("freq", "letter"):
        term, _, times = rest.rpartition(" ")
        name = {"freq": ("contains.frequency", "term"), "letter": ("contains.letter", "letter")}[kind]
        return from_json({"kind": name[0], name[1]: term, **bounds(times)})
    if kind == "case":
        return from_json({"kind": "case.title"} if rest == "title" else {"kind": "case.letters", "case": rest})
    if kind == "json":
        return from_json({"kind": "format.json", **({"keys": rest.split(", ")} if rest else {})})
    names = {
        "no": ("excludes.mark", "mark"),
        "lang": ("language.response", "language"),
        "starts": ("structure.start_phrase", "phrase"),
        "ends": ("structure.end_phrase", "phrase"),
    }
    return from_json({"kind": names[kind][0], names[kind][1]: rest})


def table() -> list[Any]:
    rows = []
    for path in sorted(Path(__file__).parent.glob("wordings_*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                text, _, stated = line.partition(" =>")
                rows.append(pytest.param(text, stated.strip(), id=text[:60]))
    return rows


@pytest.mark.parametrize(("text", "stated"), table())
def test_a_wording_states_this_and_nothing_else(text: str, stated: str) -> None:
    expected = [constraint(one.strip()) for one in stated.split(" ; ")] if stated else []
    assert list(parse(text)) == expected
