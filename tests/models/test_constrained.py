"""A model that is held to constraints writes what meets them, and says honestly where it could not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from tiny import tiny, tokenizer

from adhere.constraints.constraint import BROKEN, Constraint
from adhere.constraints.families.case import LetterCase
from adhere.constraints.families.end_phrase import EndPhrase
from adhere.constraints.families.json_format import Json
from adhere.constraints.families.length import Characters, Words
from adhere.constraints.families.marks import MARKS, WithoutMark
from adhere.constraints.families.sentences import Sentences
from adhere.constraints.families.terms import Exclude, Frequency, Include
from adhere.constraints.families.tone import Sentiment
from adhere.core.errors import UserError
from adhere.models.generation.constrained import Budget, ConstraintGuide, Draft, write
from adhere.models.generation.detokenizer import Detokenizer
from adhere.models.generation.generate import Opinion, Request, Sampling, generate
from adhere.models.generation.grammar import Grammar
from adhere.models.generation.vocabulary import completions, vocabulary_of
from adhere.models.load import OpenModel, open_model


@pytest.fixture(scope="module")
def pocket() -> OpenModel:
    return open_model("pocket")


def _prompt(opened: OpenModel, text: str) -> tuple[int, ...]:
    return tuple(opened.encode(opened.render([{"role": "user", "content": text}])))


def _write(opened: OpenModel, text: str, *constraints: Constraint, **more):
    sampling = more.pop("sampling", Sampling(max_tokens=120))
    return write(opened, [Draft(opened, _prompt(opened, text), constraints, sampling, **more)])[0]


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_pieces_of_a_text_make_up_the_text(text: str) -> None:
    tokens = tokenizer()(text, add_special_tokens=False)["input_ids"]
    stream = Detokenizer(tokenizer())
    pieces = []
    for token in tokens:
        expected = stream.peek(token)
        pieces.append(stream.push(token))
        assert pieces[-1] == expected
    assert "".join(pieces) + stream.flush() == tokenizer().decode(tokens, clean_up_tokenization_spaces=False)


def test_no_half_of_a_character_is_shown() -> None:
    stream = Detokenizer(tokenizer())
    pieces = [stream.push(token) for token in tokenizer()("a🙂b", add_special_tokens=False)["input_ids"]]
    assert pieces == ["a", "", "", "", "🙂", "b"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "constraints"),
    [
        ("Tell me about the sea.", (Exclude(terms=("boat", "wave", "sand")), Words(at_least=19, at_most=21))),
        ("Write about the kitchen.", (Characters(at_most=24),)),
        ("Tell me about the city.", (Include(terms=("tower", "red")), Sentences(at_least=2, at_most=2))),
        ("Tell me about the garden.", (LetterCase(case="lower"),)),
        ("Tell me about the music.", (Sentiment(sentiment="positive"), Frequency(term="drum", at_least=2))),
        ("Tell me about the school. Answer in JSON.", (Json(keys=("name", "note", "list")),)),
        ("Tell me about the snow.", (EndPhrase(phrase="the end"),)),
    ],
)
def test_the_model_inside_is_held_to(pocket: OpenModel, text: str, constraints: tuple[Constraint, ...]) -> None:
    bare = generate(pocket, [Request(_prompt(pocket, text), Sampling(max_tokens=120))])[0]
    assert not all(constraint.check(bare.text).met for constraint in constraints), "the case shows nothing"
    written = _write(pocket, text, *constraints)
    assert written.met, [check.reason for check in written.checks]
    assert all(constraint.check(written.text).met for constraint in constraints)
    assert written.tokens >= len(pocket.encode(written.text))


def test_a_word_at_the_very_end_is_refused_before_it_is_too_late(pocket: OpenModel) -> None:
    text = "Tell me about the cup."
    bare = generate(pocket, [Request(_prompt(pocket, text), Sampling(max_tokens=60))])[0]
    last = bare.text.rstrip(".").split()[-1]
    written = _write(pocket, text, Exclude(terms=(last,)))
    assert written.met
    assert last not in written.text.lower().split()


def test_what_cannot_be_met_is_told_and_ends_within_the_budget(pocket: OpenModel) -> None:
    impossible = (Words(at_most=3), Words(at_least=9))
    written = _write(pocket, "Tell me about the sea.", *impossible, budget=Budget(attempts=3, tokens=200))
    assert not written.met
    assert written.attempts <= 3
    assert written.tokens <= 200
    assert [check.met for check in written.checks].count(False) == 1


def test_a_prefix_that_stands_before_the_answer_counts(pocket: OpenModel) -> None:
    prompt = _prompt(pocket, "Tell me about the sea.")
    start = "The sea is red. The"
    draft = Draft(
        pocket,
        (*prompt, *pocket.encode(start)),
        (Words(at_least=8, at_most=8),),
        Sampling(max_tokens=60),
        prefix=start,
    )
    written = write(pocket, [draft])[0]
    assert Words(at_least=8, at_most=8).check(start + written.text).met


def test_a_guide_that_is_begun_again_forgets_what_it_had_read() -> None:
    model = tiny()
    guide = ConstraintGuide(model, (Exclude(terms=("x",)),))
    letters = [model.encode(c)[0] for c in "ab"]
    end = next(iter(model.end_ids))
    assert guide.judge(letters, end).value == "accept"
    assert guide.judge(letters[:1], model.encode(".")[0]).value == "accept"
    assert guide.judge([], end).value == "accept"


def test_drafts_written_together_are_those_written_alone(pocket: OpenModel) -> None:
    constraints = (Exclude(terms=("red", "nice")), Words(at_least=10))
    texts = ["Tell me about the cup.", "Tell me about the sea.", "Write about the band."]
    sampling = Sampling(max_tokens=80)
    together = write(pocket, [Draft(pocket, _prompt(pocket, text), constraints, sampling) for text in texts])
    assert [w.text for w in together] == [_write(pocket, text, *constraints, sampling=sampling).text for text in texts]


def test_masks_of_a_schema_let_a_random_model_write_only_json_of_it() -> None:
    model = tiny()
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "b": {"enum": ["x", "y"]}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    for seed in range(4):
        sampling = Sampling(max_tokens=120, temperature=1.0, seed=seed)
        draft = Draft(model, tuple(model.encode("go")), (), sampling, grammar=Grammar(model, schema))
        written = write(model, [draft])[0]
        assert written.reason == "end"
        jsonschema.validate(json.loads(written.text), schema)


def test_a_schema_that_cannot_be_enforced_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="the JSON schema cannot be enforced"):
        Grammar(tiny(), {"type": "strange"})


def test_no_bound_is_kept_by_gluing_words_together(pocket: OpenModel) -> None:
    bounds = (Words(at_most=9), Include(terms=("boat",)))
    written = _write(pocket, "Tell me about the sea.", *bounds)
    assert written.met
    known = set(pocket.tokenizer.get_vocab())
    for word in written.text.rstrip(".").replace(".", "").split():
        assert f"Ġ{word}" in known or word in known, written.text


def test_what_is_struck_out_with_a_refused_token_is_what_would_be_refused_one_by_one() -> None:
    model = tiny()
    constraints = (Words(at_most=2), Exclude(terms=("bad",)))
    guide = ConstraintGuide(model, constraints)
    tokens = model.encode("one two")
    logits = torch.randn(258)
    guide.allowed(tokens, logits)
    refused = model.encode("x")[0]
    space = model.encode(" ")[0]
    assert guide.judge([*tokens, space], refused) is Opinion.REFUSE
    struck = guide.struck([*tokens, space], logits)
    assert struck is not None
    for letter in "aZé7":
        first = model.encode(letter)[0]
        if struck[first]:
            assert guide.judge([*tokens, space], first) is Opinion.REFUSE
    assert struck[model.encode("a")[0]]
    assert not struck[model.encode(".")[0]]


@pytest.mark.parametrize(
    "constraint",
    [LetterCase(case="lower"), LetterCase(case="upper"), *(WithoutMark(mark=mark) for mark in MARKS)],
    ids=lambda one: one.describe(),
)
def test_a_character_that_is_masked_breaks_its_constraint_wherever_it_stands(constraint: Constraint) -> None:
    vocabulary = vocabulary_of(tokenizer(), 258)
    mask = vocabulary.mask(constraint)
    assert mask is not None
    assert not mask.all() or constraint in (WithoutMark(mark="dash"), WithoutMark(mark="emoji"))  # no token of one byte
    for before in ("", "x", "X", "3", "3.", "(", "a b ", '"'):
        context = constraint.monitor()
        if context.feed(before) is BROKEN:
            continue
        for token in (~mask).nonzero()[0].tolist():
            assert context.fork().feed(vocabulary.texts[token]) is BROKEN, (before, vocabulary.texts[token])


@pytest.mark.parametrize("text", ["é", "京", "🙂", "ß", "क"])
def test_every_beginning_of_a_character_may_become_it_or_one_like_it(text: str) -> None:
    raw = text.encode()
    for end in range(1, len(raw)):
        assert all(one.encode().startswith(raw[:end]) for one in completions(raw[:end]))
        assert completions(raw[:end])
    assert completions(raw) == [text]
    assert completions(raw[1:2]) == []


def test_a_lowercase_answer_holds_no_half_character_and_no_capital() -> None:
    model = tiny()
    lower = (LetterCase(case="lower"),)
    for seed in range(6):
        sampling = Sampling(max_tokens=40, temperature=1.5, seed=seed)
        written = write(model, [Draft(model, tuple(model.encode("go")), lower, sampling)])[0]
        assert written.met
        assert "\N{REPLACEMENT CHARACTER}" not in written.text.rstrip("\N{REPLACEMENT CHARACTER}")


def test_json_is_written_under_a_grammar_and_ends_with_its_last_bracket() -> None:
    model = tiny()
    for seed in range(3):
        sampling = Sampling(max_tokens=200, temperature=1.0, seed=seed)
        written = write(model, [Draft(model, tuple(model.encode("go")), (Json(keys=("name",)),), sampling)])[0]
        if written.met:
            assert "name" in json.loads(written.text)
            return
    pytest.fail("no answer became JSON")
