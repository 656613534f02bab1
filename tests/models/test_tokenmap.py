"""A part maps to its own tokens, a template's words are nobody's, and what maps to nothing is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tiny import tiny, tokenizer

from adhere.core.errors import UserError
from adhere.models.forward.tokenmap import end_token, prompt_map, replay
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel, open_model

CHAT = [
    {"role": "system", "content": "You are a poet."},
    {"role": "user", "content": "Write about the user. Use the word boat."},
]


@pytest.fixture(scope="module")
def pocket() -> OpenModel:
    return open_model("pocket")


def _with_template(template: str) -> OpenModel:
    from copy import deepcopy

    other = deepcopy(tokenizer())
    other.chat_template = template
    return replace(tiny(), tokenizer=other)


def _text(model: OpenModel, tokens: tuple[int, ...], indices: tuple[int, ...]) -> str:
    return str(model.tokenizer.decode([tokens[k] for k in indices]))


@pytest.mark.parametrize("which", ["tiny", "pocket"])
def test_parts_are_the_tokens_of_their_words(which: str, pocket: OpenModel) -> None:
    model = tiny() if which == "tiny" else pocket
    one = replay(model, CHAT, "A boat.", parts={"constraint": "Use the word boat.", "topic": "about the user"})
    assert _text(model, one.tokens, one.parts["constraint"]).strip() == "Use the word boat."
    assert _text(model, one.tokens, one.parts["topic"]).strip() == "about the user"
    assert _text(model, one.tokens, one.parts["problem"]).strip() == "Write about the user."
    assert _text(model, one.tokens, one.parts["system"]).strip() == "You are a poet."
    assert not set(one.parts["problem"]) & set(one.parts["constraint"])
    assert set(one.parts["problem"]) | set(one.parts["constraint"]) == set(one.parts["user"])


def test_the_templates_own_words_are_never_taken_for_a_message() -> None:
    model = tiny()  # its template writes <user> before the content "user"
    one = prompt_map(model, [{"role": "user", "content": "user"}])
    assert one.parts["user"] == tuple(range(6, 10))


def test_a_template_that_trims_is_understood() -> None:
    model = _with_template("{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}[/]{% endfor %}")
    one = prompt_map(model, [{"role": "user", "content": "  Say boat.  \n"}])
    assert _text(model, one.tokens, one.parts["user"]) == "Say boat."


def test_prompt_response_and_end_are_what_the_model_read_and_wrote(pocket: OpenModel) -> None:
    prompt = pocket.encode(pocket.render(CHAT))
    answer = generate(pocket, [Request(tuple(prompt), Sampling(max_tokens=60))])[0]
    assert answer.reason == "end"
    by_text = replay(pocket, CHAT, answer.text)
    by_tokens = replay(pocket, CHAT, answer.tokens)
    assert by_tokens.tokens == (*prompt, *answer.tokens)
    assert by_text == by_tokens
    assert by_text.end == len(by_text.tokens) - 1
    assert by_text.writers == range(len(prompt) - 1, len(by_text.tokens) - 2)


def test_a_truncated_response_has_no_end_token(pocket: OpenModel) -> None:
    cut = replay(pocket, CHAT, "The boat", ended=False)
    assert cut.end is None
    assert cut.tokens[-1] not in pocket.end_ids
    assert cut.generated == len(replay(pocket, CHAT, "The boat").tokens) - 1 - cut.prompt


def test_characters_of_the_response_lead_to_the_token_that_completes_them(pocket: OpenModel) -> None:
    text = "The boat is red, the sea is blue."
    by_text = replay(pocket, CHAT, text)
    for one in (by_text, replay(pocket, CHAT, by_text.tokens[by_text.prompt :])):
        for character in range(len(text)):
            k = one.token_at(character)
            before = _text(pocket, one.tokens, tuple(range(one.prompt, k)))
            after = _text(pocket, one.tokens, tuple(range(one.prompt, k + 1)))
            assert len(before) <= character < len(after)
        with pytest.raises(UserError, match="no character"):
            one.token_at(len(text))


def test_characters_of_several_bytes_are_complete_with_their_last_token() -> None:
    model = tiny()
    tokens = model.encode("aé€b")
    one = replay(model, CHAT, tokens)
    assert one.token_at(1) == one.prompt + 2
    assert one.token_at(2) == one.prompt + 5
    assert one.token_at(3) == one.prompt + 6


def test_every_occurrence_of_a_part_counts() -> None:
    model = tiny()
    one = prompt_map(model, [{"role": "user", "content": "no no"}], parts={"word": "no"})
    assert len(one.parts["word"]) == 4


def test_what_does_not_stand_in_the_prompt_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"the constraint 'Use no commas\.' does not stand"):
        replay(tiny(), CHAT, "A boat.", parts={"constraint": "Use no commas."})
    with pytest.raises(UserError, match="does not stand"):
        replay(tiny(), CHAT, "A boat.", parts={"constraint": " "})


def test_a_tokenizer_without_offsets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    monkeypatch.setattr(type(model.tokenizer), "is_fast", False)
    with pytest.raises(UserError, match="fast tokenizer"):
        replay(model, CHAT, "A boat.")


def test_the_end_token_is_the_one_the_template_writes(pocket: OpenModel) -> None:
    assert pocket.tokenizer.decode([end_token(pocket)]) == pocket.tokenizer.decode(
        [generate(pocket, [Request(tuple(pocket.encode(pocket.render(CHAT))), Sampling(max_tokens=60))])[0].tokens[-1]]
    )
    model = _with_template("{% for m in messages %}[{{ m.role }}]{{ m.content }}<eos>{% endfor %}")
    assert end_token(model) == 1


def test_longer_than_the_context_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="reads 256 at most"):
        replay(tiny(), CHAT, "word " * 100)
