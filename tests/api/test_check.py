"""`adhere.check`: one text against constraints in any form."""

from __future__ import annotations

import pytest

import adhere
from adhere.constraints import Include, Words
from adhere.core.errors import UserError


def test_an_instruction_is_checked_with_reason_and_span_of_what_broke_it() -> None:
    checks = adhere.check('Answer in under 50 words and do not use the word "sea".', "By the sea.")
    assert not checks.all_met
    assert checks.share == 0.5
    [failed] = checks.failed
    assert failed.excerpts == ("sea",)
    assert "sea" in failed.reason
    assert failed.instruction in checks.feedback


def test_objects_json_and_sentences_can_be_mixed_and_are_checked_once() -> None:
    words = Words(at_most=3)
    checks = adhere.check([words, {"kind": "length.words", "at_most": 3}, 'Include the word "sea".'], "the sea")
    assert [one.constraint for one in checks] == [words, Include(terms=("sea",))]
    assert checks.all_met


@pytest.mark.parametrize("nothing", ["Be nice.", "", [], "length.word"])
def test_a_text_is_never_compliant_because_nothing_was_checked(nothing: object) -> None:
    with pytest.raises(UserError):
        adhere.check(nothing, "anything")  # type: ignore[arg-type]


def test_a_mistyped_kind_and_a_mistyped_parameter_name_the_nearest() -> None:
    with pytest.raises(UserError, match=r"length\.words"):
        adhere.check({"kind": "length.word", "at_most": 3}, "x")
    with pytest.raises(UserError, match="no parameter 'atmost'; nearest: at_most"):
        adhere.check({"kind": "length.words", "atmost": 3}, "x")


def test_a_text_that_is_no_string_is_refused_rather_than_turned_into_one() -> None:
    with pytest.raises(TypeError):
        adhere.check("Use at most 3 words.", None)  # type: ignore[arg-type]


def test_the_notebook_form_escapes_the_text_and_marks_what_broke() -> None:
    html = adhere.check('Do not use the word "sea".', "<script> sea 😀 \ud83d\ude00")._repr_html_()
    assert "<script>" not in html
    assert "<mark>sea</mark>" in html
