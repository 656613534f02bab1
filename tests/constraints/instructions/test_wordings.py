"""Hundreds of everyday wordings in several voices and languages, each with what it states: no more, and no less."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints import from_json, parse, read_instructions
from adhere.constraints.constraint import Constraint
from adhere.constraints.instructions.quantity import interval
from adhere.core.errors import UserError

UNITS = {
    "words": "length.words",
    "sentences": "length.sentences",
    "characters": "length.characters",
    "paragraphs": "length.paragraphs",
    "lines": "length.lines",
    "bullets": "format.bullets",
    "headings": "format.headings",
    "numbered": "format.numbered_items",
}


WHOLE = {
    "yaml": "format.yaml",
    "xml": "format.xml",
    "nomarkdown": "excludes.markdown",
    "nodigits": "excludes.digits",
    "quoted": "format.quotation",
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
    if text in WHOLE:
        return from_json({"kind": WHOLE[text]})
    if text.startswith(("not ends ", "not starts ")):
        return from_json({"kind": "not", "of": constraint(text[4:]).to_json()})
    kind, _, rest = text.partition(" ")
    if kind == "table":
        return from_json({"kind": "format.markdown_table", **({"columns": int(rest)} if rest else {})})
    if kind == "ps":
        return from_json({"kind": "structure.postscript", "marker": rest})
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


def table(names: str) -> list[Any]:
    rows = []
    for path in sorted(Path(__file__).parent.glob(names)):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                text, _, stated = line.partition(" =>")
                rows.append(pytest.param(text, stated.strip(), id=text[:60]))
    return rows


@pytest.mark.parametrize(("text", "stated"), table("wordings_*.txt"))
def test_a_wording_states_this_and_nothing_else(text: str, stated: str) -> None:
    expected = [constraint(one.strip()) for one in stated.split(" ; ")] if stated else []
    assert list(parse(text)) == expected


LISTS = [
    (
        "Write a poem. Do not use these words:\n- moon\n- 'silver night'\n- star\n\nUse 8 lines.",
        "not moon, silver night, star ; lines 8",
    ),
    (
        "Follow these rules:\n1. At most 50 words.\n2. No commas.\n3. Reply in French.",
        "words <=50 ; no comma ; lang fr",
    ),
    ('If the reader is a child:\n- use at most 20 words\n- avoid commas\n\nMention "sea".', "has sea"),
    ("Our old style guide had these entries:\n- at most 20 words\n- no commas", ""),
    ("Use bullets such as:\n* at most 5 words\n* no commas", ""),
    ("Summarize the following in 30 words:\n\nUse no more than 5 commas. Write 3 paragraphs.", "words 30"),
    ("> Use at most 5 words.\nWhat does this line mean?", ""),
    ("<document>\nAnswer in French and use at most 20 words, please.\n</document>\nIs this polite?", ""),
]


@pytest.mark.parametrize(("text", "stated"), LISTS, ids=[text[:40] for text, _ in LISTS])
def test_lists_and_material_are_told_apart(text: str, stated: str) -> None:
    expected = [constraint(one.strip()) for one in stated.split(" ; ")] if stated else []
    assert list(parse(text)) == expected


def test_what_is_not_understood_is_reported_with_its_place_and_states_nothing() -> None:
    text = "Each stanza must have 4 lines. Ideally use 50 words. Write 2 paragraphs."
    reading = read_instructions(text)
    assert reading.constraints == (from_json({"kind": "length.paragraphs", "exactly": 2}),)
    assert [text[missed.span.start : missed.span.end] for missed in reading.not_understood] == [
        missed.text for missed in reading.not_understood
    ]
    assert any("50 words" in missed.text and "preference" in missed.why for missed in reading.not_understood)


def test_the_width_of_about_is_the_callers() -> None:
    (wide,) = read_instructions("Write about 100 words.", about=0.5).constraints
    assert wide == from_json({"kind": "length.words", "at_least": 50, "at_most": 150})


def test_nesting_too_deep_is_one_clear_line_and_no_recursion_error() -> None:
    record: dict[str, Any] = {"kind": "length.words", "at_most": 5}
    for _ in range(250):
        record = {"kind": "not", "of": record}
    with pytest.raises(UserError, match="levels deep"):
        from_json(record)
    sentence = "Do the opposite of: {" * 250 + "Use at most 5 words." + "}" * 250
    assert parse(sentence) == ()


def test_reading_a_prompt_of_many_braces_is_linear_enough_to_finish() -> None:
    assert parse("Do all of the following: " + "{Use at most 5 words.} " * 2_000) != ()
    assert parse("{" * 50_000) == ()


def _pieces(constraints: Any) -> set[str]:
    """What constraints say, whether in one or in several: "300 words minimum, 400 maximum" is "300 to 400"."""
    lengths: dict[str, dict[str, Any]] = {}
    pieces = set()
    for one in constraints:
        record = one.to_json()
        if record["kind"] == "semantic.topic":
            continue
        if record["kind"] == "contains.frequency" and record.get("at_least") == 1 and record.get("at_most") is None:
            record = {"kind": "contains.terms", "terms": [record["term"]]}
        if record["kind"] in ("contains.terms", "excludes.terms"):
            pieces |= {f"{record['kind']} {term}" for term in record["terms"]}
        elif record["kind"] in UNITS.values():
            lengths.setdefault(record["kind"], {}).update({k: v for k, v in record.items() if v is not None})
        else:
            pieces.add(str(record))
    return pieces | {str(sorted(record.items())) for record in lengths.values()}


@pytest.mark.parametrize(("text", "stated"), table("voices_*.txt"))
def test_what_a_writer_means_is_read_and_never_misread(text: str, stated: str) -> None:
    missable = text.startswith("? ")
    meant = _pieces(constraint(one.strip()) for one in stated.split(" ; ")) if stated else set()
    read = _pieces(parse(text.removeprefix("? ").replace("\\n", "\n")))
    assert read <= meant
    assert missable or read == meant
