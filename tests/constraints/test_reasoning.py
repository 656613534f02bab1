"""Reasoning is removed byte-exactly, and only reasoning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adhere.constraints.constraint import Span
from adhere.constraints.reasoning import TAGS, Answer, answer, answer_from_parts

TAG_TEXT = st.sampled_from([tag for pair in TAGS for tag in pair])
HARMONY = st.sampled_from(
    "<|start|>assistant <|start|>assistant<|channel|> <|channel|>analysis <|channel|>final <|message|> <|end|> "
    "<|return|> <|call|> <|constrain|>json analysis assistantfinal".split()
)
PIECES = st.lists(
    TAG_TEXT | HARMONY | st.sampled_from(["```", "\n", "`", " ", "~~~\n"]) | st.text(max_size=6), max_size=12
)
PLAIN = st.text(st.characters(exclude_characters="<>[]◁▷|`~"), max_size=60)


def less(response: str, spans: tuple[Span, ...]) -> str:
    return "".join(c for k, c in enumerate(response) if not any(s.start <= k < s.end for s in spans))


@pytest.mark.slow
@given(PIECES)
def test_the_answer_is_the_response_less_the_removed_spans(pieces: list[str]) -> None:
    response = "".join(pieces)
    found = answer(response)
    assert found.text == less(response, found.removed)
    assert all(0 <= span.start < span.end <= len(response) for span in found.removed)
    assert all(a.end <= b.start for a, b in zip(found.removed, found.removed[1:], strict=False))


@given(PLAIN)
def test_a_text_without_marks_is_left_alone(text: str) -> None:
    if not text.lstrip().startswith("analysis"):
        assert answer(text) == Answer(text)


@given(st.sampled_from(TAGS), PLAIN, PLAIN)
def test_exactly_the_block_goes_and_white_space_stays(tags: tuple[str, str], thought: str, rest: str) -> None:
    block = tags[0] + thought + tags[1]
    assert answer(block + rest) == Answer(rest, (Span(0, len(block)),))


@given(st.sampled_from(TAGS), PLAIN, st.text(" \n\t", max_size=4))
def test_an_unclosed_block_is_truncated_and_leaves_no_thought(tags: tuple[str, str], thought: str, lead: str) -> None:
    found = answer(lead + tags[0] + thought)
    assert found.truncated
    assert found.text == lead


@given(st.sampled_from(TAGS), PLAIN, PLAIN)
def test_a_block_the_template_opened_ends_at_its_closing_tag(tags: tuple[str, str], thought: str, rest: str) -> None:
    found = answer(thought + "\n" + tags[1] + "\n\n" + rest)
    if not thought.lstrip().startswith("analysis"):
        assert found == Answer("\n\n" + rest, (Span(0, len(thought) + 1 + len(tags[1])),))


def test_thought_between_two_stretches_of_answer_goes() -> None:
    assert answer("<think>a</think>One. <think>b</think>Two.").text == "One. Two."


@pytest.mark.parametrize(
    "text",
    [
        "Wrap it in `<think>` tags, please.",
        "Close it with `</think>` at the end.",
        "The model writes <think> and then goes on for ever.",
        "The tag </think> closes a block.",
        "Like this:\n```\n<think>not mine</think>\n```\nThat is all.",
    ],
)
def test_an_answer_about_tags_is_left_alone(text: str) -> None:
    assert answer(text) == Answer(text)


def test_fences_within_the_thought_do_not_hide_its_end() -> None:
    assert answer("<think>```python\nx = 1\n</think>ok").text == "ok"
    assert answer("let me see ```python\nx = 1\n</think>\nok").text == "\nok"


def test_of_harmony_only_the_final_channel_is_the_answer() -> None:
    response = (
        "<|channel|>analysis<|message|>They want a greeting.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.f "
        '<|constrain|>json<|message|>{"a":1}<|call|><|start|>assistant<|channel|>final<|message|> Hello \n<|return|>'
    )
    found = answer(response)
    assert found.text == " Hello \n"
    assert not found.truncated


def test_harmony_behind_a_template_that_wrote_the_first_marks() -> None:
    assert answer("hm<|end|><|start|>assistant<|channel|>final<|message|>yes").text == "yes"
    assert answer("analysisThe user greets.assistantfinalHello").text == "Hello"


def test_harmony_without_a_final_message_is_truncated() -> None:
    found = answer("<|channel|>analysis<|message|>They want a poem about the")
    assert found.text == ""
    assert found.truncated


def test_of_content_parts_the_text_parts_are_the_answer() -> None:
    parts = [
        {"type": "reasoning", "reasoning": "abc"},
        {"type": "text", "text": "<think>x</think> hi "},
        {"type": "thinking", "thinking": "quiet"},
        {"type": "text", "text": "there"},
    ]
    whole = "abc<think>x</think> hi quietthere"
    found = answer_from_parts(parts)
    assert found.text == " hi there"
    assert less(whole, found.removed) == found.text


@given(st.lists(st.tuples(st.sampled_from(["text", "reasoning"]), PIECES.map("".join)), max_size=5))
def test_spans_of_parts_point_into_the_parts_joined(parts: list[tuple[str, str]]) -> None:
    found = answer_from_parts([{"type": kind, "text": text} for kind, text in parts])
    assert len(found.text) <= sum(len(text) for _, text in parts)
    whole = "".join(text for _, text in parts)
    kept = less(whole, found.removed)
    # a block that spans two text parts swallows the reasoning between them in one span; never the other way round
    assert kept == found.text


def test_reasoning_parts_without_a_text_part_are_truncated() -> None:
    assert answer_from_parts([{"type": "thinking", "thinking": "hm"}]).truncated
    assert not answer_from_parts([]).truncated


def test_a_part_without_a_type_is_refused() -> None:
    with pytest.raises(ValueError, match="type"):
        answer_from_parts([{"text": "x"}])


@pytest.mark.parametrize(
    "piece", ["x<think>", "</think> ", "\n```<think>", "<|channel|>final", "◁think▷`", "\n\n<thought>"]
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    response = " x " + piece * (400_000 // len(piece))
    found = answer(response)
    assert len(found.text) <= len(response)
