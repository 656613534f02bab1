"""The reference's wrong verdicts, each in both profiles; ids and arguments; the loosened texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adhere.constraints import Verdict
from adhere.constraints.benchmarks.ifeval import IDS, OPTIONS, from_ifeval, to_ifeval
from adhere.constraints.benchmarks.loose import Loosened, loose, strict
from adhere.constraints.constraint import HOLDS, UNSURE
from adhere.constraints.families.bullets import Bullets
from adhere.constraints.families.dividers import Divided
from adhere.constraints.families.letter_frequency import LetterFrequency
from adhere.core.errors import UserError

BROKEN = Verdict.BROKEN

FIRST_OF_TWO = {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "first"}
WORDS_2 = {"num_words": 3, "relation": "less than"}

FAULTS: list[tuple[str, str, dict[str, Any], str, Verdict, Verdict]] = [
    # what is wrong, id, arguments, text, reference, fixed
    ("blank paragraphs counted out but indexed", "length_constraints:nth_paragraph_first_word", FIRST_OF_TWO,
     "\n\nfirst p\n\nsecond p", BROKEN, HOLDS),
    ("three line feeds put paragraphs out of step", "length_constraints:nth_paragraph_first_word",
     {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "second"}, "one\n\n\n\nsecond", BROKEN, HOLDS),
    ("no letters are in every language", "language:response_language", {"language": "hi"}, "12345 67890", HOLDS,
     UNSURE),
    ("short capitals are Somali", "change_case:english_capital", {}, "HELLO WORLD", BROKEN, HOLDS),
    ("short lowercase is any language", "change_case:english_lowercase", {}, "ok", BROKEN, HOLDS),
    ("a keyword inside a word", "keywords:existence", {"keywords": ["cat"]}, "concatenate", HOLDS, BROKEN),
    ("a keyword is a regular expression", "keywords:frequency",
     {"keyword": "a.b", "frequency": 3, "relation": "at least"}, "a.b axb a-b", HOLDS, BROKEN),
    ("a literal is JSON enough", "detectable_format:json_format", {}, "true", HOLDS, BROKEN),
    ("a number is JSON enough", "detectable_format:json_format", {}, "12", HOLDS, BROKEN),
    ("NaN is JSON enough", "detectable_format:json_format", {}, '{"a": NaN}', HOLDS, BROKEN),
    ("all options chosen", "detectable_format:constrained_response", {}, " ".join(OPTIONS), HOLDS, BROKEN),
    ("links are placeholders", "detectable_content:number_placeholders", {"num_placeholders": 2},
     "See [one](http://a) and [two](http://b).", HOLDS, BROKEN),
    ("a postscript at the start", "detectable_content:postscript", {"postscript_marker": "P.S."},
     "P.S. I love you\nDear John,", HOLDS, BROKEN),
    ("an apostrophe splits a word", "length_constraints:number_words", WORDS_2, "don't can't", BROKEN, HOLDS),
    ("Chinese has no words", "length_constraints:number_words", {"num_words": 4, "relation": "at least"},
     "我们今天去海边", BROKEN, HOLDS),
    ("shifts in code are a title", "detectable_format:title", {}, "cout << x >> y", HOLDS, BROKEN),
    ("only the Latin comma", "punctuation:no_comma", {}, "你好，世界", HOLDS, BROKEN),
    ("only the Latin comma, in Arabic", "punctuation:no_comma", {}, "مرحبا، عالم", HOLDS, BROKEN),
    ("curly quotes do not wrap", "startend:quotation", {}, "“It is so.”", BROKEN, HOLDS),
    ("bullets' asterisks highlight", "detectable_format:number_highlighted_sections", {"num_highlights": 1},
     "* one *\n* two *", HOLDS, BROKEN),
    ("emphasis is a bullet point", "detectable_format:number_bullet_lists", {"num_bullets": 1}, "*Note* this.",
     HOLDS, BROKEN),
    ("a rule is a bullet point", "detectable_format:number_bullet_lists", {"num_bullets": 1}, "one\n\n---\n\ntwo",
     HOLDS, BROKEN),
    ("bold italics divide", "length_constraints:number_paragraphs", {"num_paragraphs": 3}, "a ***b*** c", HOLDS,
     BROKEN),
    ("six asterisks divide twice", "length_constraints:number_paragraphs", {"num_paragraphs": 1}, "a ****** b",
     BROKEN, HOLDS),
    ("a cross reference is a section", "detectable_format:multiple_sections",
     {"section_spliter": "Section", "num_sections": 1}, "As I said, see Section 2.", HOLDS, BROKEN),
    ("an exclamation is two sentences", "length_constraints:number_sentences",
     {"num_sentences": 2, "relation": "less than"}, "Wow!!", BROKEN, HOLDS),
    ("a contraction is two capital words", "change_case:capital_word_frequency",
     {"capital_frequency": 2, "capital_relation": "at least"}, "you CAN'T", HOLDS, BROKEN),
    ("the request alone is an answer", "combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."},
     "Write a poem.", HOLDS, BROKEN),
    ("emphasis hides the end", "startend:end_checker", {"end_phrase": "The end."}, "So it was. **The end.**", BROKEN,
     HOLDS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("instruction", "kwargs", "text", "reference", "fixed"),
    [pytest.param(*fault[1:], id=fault[0].replace(" ", "-")) for fault in FAULTS],
)
def test_a_fault_of_the_reference_is_kept_in_one_profile_and_mended_in_the_other(
    instruction: str, kwargs: dict[str, Any], text: str, reference: Verdict, fixed: Verdict
) -> None:
    assert from_ifeval(instruction, kwargs, "reference").check(text).verdict is reference
    assert from_ifeval(instruction, kwargs, "fixed").check(text).verdict is fixed


def test_a_fenced_answer_after_an_introduction_is_json_only_loosely() -> None:
    text = "Here you go:\n```json\n{}\n```"
    for profile in ("reference", "fixed"):
        constraint = from_ifeval("detectable_format:json_format", {}, profile)
        answer = Loosened(text)
        assert not strict(constraint, answer).met
        assert loose(constraint, answer).met


def test_two_highlights_in_asterisk_bullets_are_counted_as_markdown_has_them() -> None:
    text = "* *one* item\n* two"
    kwargs = {"num_highlights": 2}
    fixed = from_ifeval("detectable_format:number_highlighted_sections", kwargs)
    assert fixed.check(text).found == 1


def test_french_in_capitals_is_not_english() -> None:
    text = "NOUS ALLONS DEMAIN À LA PLAGE AVEC LES ENFANTS ET NOUS MANGERONS DES GLACES TOUTE LA JOURNÉE."
    assert from_ifeval("change_case:english_capital").check(text).verdict is BROKEN


def test_a_sign_in_place_of_a_letter_is_counted_and_never_drawn() -> None:
    kwargs = {"letter": "#", "let_frequency": 2, "let_relation": "at least"}
    for profile in ("reference", "fixed"):
        constraint = from_ifeval("keywords:letter_frequency", kwargs, profile)
        assert constraint.check("#one #two").met
        assert not constraint.check("#one").met


@pytest.mark.parametrize("pattern", ["(a+)+b", "(.*)*x", "(a|a)*b"])
def test_a_keyword_that_backtracks_without_end_is_given_up(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adhere.constraints.reading.plain_regex.PATIENCE", 0.2)
    constraint = from_ifeval("keywords:existence", {"keywords": [pattern]}, "reference")
    assert not constraint.check("a" * 5_000 + "!").met


def test_a_keyword_that_is_no_regular_expression_is_taken_literally() -> None:
    constraint = from_ifeval("keywords:existence", {"keywords": ["C++"]}, "reference")
    assert constraint.check("I like C++.").met


def test_json_too_deep_for_a_parser_is_a_verdict_and_no_crash() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert from_ifeval("detectable_format:json_format").check(deep).met
    assert not from_ifeval("detectable_format:json_format", {}, "reference").check(deep).met


def test_there_are_25_types_and_each_goes_to_a_constraint_and_back() -> None:
    examples: dict[str, dict[str, Any]] = {
        "keywords:existence": {"keywords": ["sea", "sky"]},
        "keywords:frequency": {"keyword": "sea", "frequency": 3, "relation": "at least"},
        "keywords:forbidden_words": {"forbidden_words": ["sea"]},
        "keywords:letter_frequency": {"letter": "q", "let_frequency": 3, "let_relation": "less than"},
        "language:response_language": {"language": "hi"},
        "length_constraints:number_sentences": {"num_sentences": 5, "relation": "less than"},
        "length_constraints:number_paragraphs": {"num_paragraphs": 3},
        "length_constraints:number_words": {"num_words": 50, "relation": "less than"},
        "length_constraints:nth_paragraph_first_word": FIRST_OF_TWO,
        "detectable_content:number_placeholders": {"num_placeholders": 3},
        "detectable_content:postscript": {"postscript_marker": "P.P.S"},
        "detectable_format:number_bullet_lists": {"num_bullets": 3},
        "detectable_format:number_highlighted_sections": {"num_highlights": 3},
        "detectable_format:multiple_sections": {"section_spliter": "SECTION", "num_sections": 2},
        "combination:repeat_prompt": {"prompt_to_repeat": "Write a poem."},
        "startend:end_checker": {"end_phrase": "The end."},
        "change_case:capital_word_frequency": {"capital_frequency": 3, "capital_relation": "at least"},
    }
    assert len(IDS) == 25
    for instruction in IDS:
        kwargs = examples.get(instruction, {})
        for profile in ("fixed", "reference"):
            assert to_ifeval(from_ifeval(instruction, kwargs, profile)) == (instruction, kwargs)


def test_what_ifeval_cannot_ask_for_has_no_id() -> None:
    assert to_ifeval(Bullets(at_least=1, at_most=3)) is None
    assert to_ifeval(Divided(divider="****", at_least=2, at_most=2)) is None
    assert to_ifeval(LetterFrequency(letter="a", at_least=1, at_most=2)) is None


@pytest.mark.parametrize(
    ("instruction", "kwargs", "says"),
    [
        ("length_constraint:number_word", {}, "length_constraints:number_words"),
        ("length_constraints:number_words", {"num_words": "50", "relation": "at least"}, "num_words"),
        ("length_constraints:number_words", {"num_words": True, "relation": "at least"}, "num_words"),
        ("length_constraints:number_words", {"num_words": 50}, "relation"),
        ("length_constraints:number_words", {"num_words": 50, "relation": None}, "relation"),
        ("length_constraints:number_words", {"num_words": 0, "relation": "less than"}, "less than 0"),
        ("length_constraints:number_words", {"num_words": 50, "relation": "about"}, "relation"),
        ("keywords:existence", {"keywords": "sea"}, "keywords"),
        ("keywords:existence", {"keywords": []}, "keywords"),
        ("keywords:existence", {"keywords": [["sea"]]}, "keywords"),
        ("keywords:existence", {"keywords": ["sea"], "colour": "blue"}, "colour"),
        ("language:response_language", {"language": "xx"}, "xx"),
        ("keywords:letter_frequency", {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}, "ab"),
        ("punctuation:no_comma", {"n": 1}, "n"),
    ],
)
def test_a_wrong_id_or_argument_is_one_line_that_names_it(instruction: str, kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as error:
        from_ifeval(instruction, kwargs)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_arguments_that_are_none_are_not_given() -> None:
    filled = {"num_words": 50, "relation": "at least", "keywords": None, "letter": None}
    assert from_ifeval("length_constraints:number_words", filled) == from_ifeval(
        "length_constraints:number_words", {"num_words": 50, "relation": "at least"}
    )


def reference_variants(response: str) -> list[str]:
    """The eight texts as the reference makes them."""
    lines = response.split("\n")
    first, last, both = ("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))
    plain = response.replace("*", "")
    return [response, plain, first, last, both, *(text.replace("*", "") for text in (first, last, both))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "one",
        "one\n",
        "\n",
        "\n\n",
        "a\nb",
        "a\nb\nc",
        "*a*\n*b*\nc",
        "*",
        "**\n**",
        "a\n*\nb",
        "\na\n",
        "*a\n b \n",
    ],
)
def test_the_loosened_texts_are_those_of_the_reference_without_what_is_empty_or_the_same(text: str) -> None:
    wanted = {variant for variant in reference_variants(text) if variant.strip()}
    made = list(Loosened(text))
    assert set(made) == wanted
    assert len(made) == len(set(made))
    if text.strip():
        assert made[0] == text


def test_nothing_follows_an_instruction_in_an_empty_answer() -> None:
    constraint = from_ifeval("punctuation:no_comma")
    assert constraint.check("").met
    assert not strict(constraint, Loosened(" \n")).met
    assert not loose(constraint, Loosened(" \n")).met


def test_constraints_of_ifeval_are_json() -> None:
    constraint = from_ifeval("combination:two_responses", {}, "reference")
    assert json.loads(json.dumps(constraint.to_json())) == {
        "kind": "structure.divided",
        "profile": "reference",
        "divider": "******",
        "distinct": True,
        "at_least": 2,
        "at_most": 2,
    }
