"""Regular expressions and JSON Schemas: the meaning is the standard's, the cost is linear, the verdict early."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from pydantic import ValidationError

from adhere.constraints import from_json
from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, UNSURE, Verdict
from adhere.constraints.families.json_schema import JsonSchema
from adhere.constraints.families.regex import Regex
from adhere.constraints.reading import json_schema
from adhere.constraints.reading.linear_regex import compiled
from adhere.core.errors import UserError

PATTERNS = (
    r"a*b|^a|b$|(a|b)*abb|\bab\b|[^a-c]+x?|(?i)AbC|a{2,4}b?|(?m)^a$|a.b|(?s)a.b|\d+(\.\d+)?|(?:a?){3}a{3}||\Ba|(?i)[^a]b"
    r"|a+?b|x*$|[\w-]+@[\w.]+|(?:^|,)a(?:$|,)|\s\S|(?-i:A)|[]a]+|(?m)$\n^"
).split("|")


def test_a_pattern_matches_what_pythons_own_engine_matches() -> None:
    rng = random.Random(1)
    for pattern in [*PATTERNS, r"a|b*", r"(?:a|ab)(?:c|bcd)(?:d*)"]:
        try:
            other = re.compile(pattern if "(?m)" in pattern else pattern.replace("$", r"\Z"), re.ASCII)
        except re.error:
            continue
        ours = compiled(pattern)
        for _ in range(150):
            text = "".join(rng.choice("aabbc xA1.@\n,") for _ in range(rng.randrange(9)))
            assert ours.search(text) == bool(other.search(text)), (pattern, text)
            assert ours.fullmatch(text) == bool(other.fullmatch(text)), (pattern, text)


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(a|aa)+$", r"(.*)*x", r"(?:a?){30}a{30}b", r"^(([a-z])+.)+[A-Z]"])
def test_a_pattern_that_hangs_a_backtracking_engine_is_judged(pattern: str) -> None:
    assert not Regex(pattern=pattern, where="anywhere").check("a" * 20_000 + "!").met


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?=a)b", "look-around"),
        (r"(?<!a)b", "look-around"),
        (r"(a)\1", "a back reference"),
        (r"a{2000}", "repeats more than"),
        (r"(a{1000}){1000}", "too large"),
        (r"(", "not a regular expression"),
        ("(" * 3_000, "nested too deep"),
        (r"\p{Nonsense}", "no property is called"),
        ("a" * 5_000, "the most is"),
    ],
)
def test_a_pattern_that_takes_no_linear_time_is_refused_when_it_is_given(pattern: str, expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        Regex(pattern=pattern)
    with pytest.raises(UserError, match=r"format\.regex"):
        from_json({"kind": "format.regex", "pattern": pattern})


def test_classes_are_ascii_and_properties_are_unicode() -> None:
    assert not compiled(r"\d").search("٣")
    assert not compiled(r"\w").search("é")
    assert compiled(r"\p{Lu}\p{L}+").fullmatch("Éa")
    assert compiled(r"[^\p{L}]").fullmatch("1")
    assert not compiled(r"\P{L}").search("é")
    assert compiled(r"(?<year>\d{4})").fullmatch("2024")


def verdicts(constraint: Any, text: str) -> list[Verdict]:
    monitor = constraint.monitor()
    return [monitor.feed(c) for c in text]


def test_a_whole_match_breaks_and_a_search_holds_at_the_deciding_character() -> None:
    assert verdicts(Regex(pattern=r"\d{2}-\d"), "12x") == [OPEN, OPEN, BROKEN]
    assert verdicts(Regex(pattern=r"ab", where="anywhere"), "xab!") == [OPEN, OPEN, HOLDS, HOLDS]
    assert verdicts(Regex(pattern=r"ab\b", where="anywhere"), "xab!") == [OPEN, OPEN, OPEN, HOLDS]
    assert verdicts(Regex(pattern=r"ab$", where="anywhere"), "ab") == [OPEN, OPEN]


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "next": {"$ref": "#"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        ('{"nom": 1}', 6, "the key 'nom' is not among"),
        ('{"name": 1}', 10, "another type: string wanted"),
        ('{"age": 1}', 10, '"name" missing'),
        ('{"name": "abcdef"}', 17, "too long"),
        ('{"name": "a", "age": -1}', 24, "less than the minimum"),
        ('{"name": "a", "tags": ["a", "c"]}', 31, "is not one of"),
        ('{"name": "a", "tags": ["a", "b", "a"]}', 34, "more than 2 items"),
        ('{"name": "a", "next": {"x": 1}}', 26, "the key 'x' is not among"),
        ('{"name": "a", "next": {"age": 1.5, "name": "b"}}', 34, "not of type 'integer'"),
        ('{"name": "a", "next": {}}', 24, '"name" missing'),
        ("[]", 1, "another type: object wanted"),
        ("Sure! {}", 1, "expected"),
    ],
)
def test_a_text_that_a_schema_refuses_is_broken_where_that_is_certain(text: str, at: int, reason: str) -> None:
    constraint = JsonSchema.model_validate({"json_schema": PERSON})
    check = constraint.check(text)
    assert (check.verdict, check.at) == (BROKEN, at)
    assert reason in check.reason
    assert verdicts(constraint, text).index(BROKEN) == at - 1


def test_the_verdict_at_the_end_is_jsonschemas() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    rng = random.Random(2)
    schemas: list[Any] = [
        PERSON,
        {"anyOf": [{"type": "integer"}, {"type": "object", "required": ["a"]}]},
        {"type": "array", "uniqueItems": True, "prefixItems": [{"type": "integer"}], "items": {"type": "string"}},
        {
            "type": "object",
            "patternProperties": {"^a": {"type": "integer"}},
            "additionalProperties": {"type": "string"},
        },
        {"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}], "type": ["integer", "string"]},
        {"not": {"type": "null"}, "$defs": {"x": {"const": 1}}, "properties": {"a": {"$ref": "#/$defs/x"}}},
        {"if": {"type": "string"}, "then": {"pattern": "^a"}, "else": {"minimum": 2}},
        True,
        {},
    ]

    def value(depth: int) -> Any:
        kind = rng.randrange(7 if depth else 5)
        if kind == 5:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 6:
            names = ["name", "age", "tags", "a", "ab", "next", "b"]
            return {rng.choice(names): value(depth - 1) for _ in range(rng.randrange(4))}
        return [rng.randrange(7), rng.choice(["a", "ab", "b"]), None, rng.choice([True, False]), 1.5][kind]

    told = 0
    for schema in schemas:
        constraint = JsonSchema.model_validate({"json_schema": schema})
        reference = jsonschema.Draft202012Validator(schema)
        for _ in range(200):
            one = value(3)
            check = constraint.check(json.dumps(one, indent=rng.choice([None, 1])))
            assert check.met == reference.is_valid(one), (schema, one, check)
            told += check.met
    assert 300 < told < 1_700


def test_a_fence_is_for_people_and_not_for_programs() -> None:
    text = '```json\n{"name": "a"}\n```'
    assert JsonSchema.model_validate({"json_schema": PERSON}).check(text).met
    assert not JsonSchema.model_validate({"json_schema": PERSON, "fence": False}).check(text).met


def nested(depth: int) -> dict[str, Any]:
    """A schema whose evaluation doubles with every level, and its definitions grow by a line."""
    both = {f"d{k}": {"allOf": [{"$ref": f"#/$defs/d{k + 1}"}] * 2} for k in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": {**both, f"d{depth}": {"type": "integer"}}}


def test_a_schema_that_would_take_for_ever_is_unsure() -> None:
    assert JsonSchema.model_validate({"json_schema": nested(3)}).check("1").met
    assert JsonSchema.model_validate({"json_schema": nested(60)}).check("1").verdict is UNSURE
    assert JsonSchema.model_validate({"json_schema": {"$ref": "#"}}).check("1").verdict is UNSURE


def test_what_makes_the_library_slow_costs_in_proportion_to_the_text() -> None:
    many = json.dumps([{"k": k} for k in range(3_000)])
    assert JsonSchema.model_validate({"json_schema": {"uniqueItems": True}}).check(many).met
    slow = {"type": "string", "pattern": "^(a+)+$"}
    assert not JsonSchema.model_validate({"json_schema": slow}).check(json.dumps("a" * 5_000 + "!")).met


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "https://example.com/schema"}, "only references within it"),
        ({"$ref": "#/$defs/none"}, "has nothing at"),
        ({"type": "text"}, "not a JSON Schema"),
        ({"pattern": "(?=a)"}, "look-around"),
        ({"patternProperties": {"(a)\\1": {}}}, "a back reference"),
        ({"patternProperties": {"(a+)+b": {}}, "unevaluatedProperties": False}, "no linear time"),
        ("{", "is no JSON"),
        ([], "is an object"),
        ({"enum": ["x" * 300_000]}, "the most is"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_when_it_is_given(schema: Any, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        from_json({"kind": "format.json_schema", "json_schema": schema})


def test_a_schema_comes_back_from_json_as_the_object_that_it_is() -> None:
    constraint = JsonSchema.model_validate({"json_schema": PERSON})
    assert constraint.to_json() == {"kind": "format.json_schema", "json_schema": PERSON}
    assert from_json(constraint.to_json()) == constraint


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    monkeypatch.setattr(urllib.request, "urlopen", lambda *_: pytest.fail("a schema was fetched"))
    with pytest.raises(ValueError, match="only references within it"):
        json_schema.checked({"properties": {"a": {"$ref": "http://localhost/x"}}})
