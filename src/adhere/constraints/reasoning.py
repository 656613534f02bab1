"""Reasoning is not the answer, nor are the tokens that end a turn: both are taken out, byte-exactly, before a response
is checked, and that is recorded.

Three forms are known:

    tags      <think> ... </think> and its kin (`TAGS`), each in its own pair
    channels  OpenAI's harmony: <|channel|>analysis<|message|> ... <|end|>
              <|start|>assistant<|channel|>final<|message|> ... <|return|>
    parts     a list of content parts, [{"type": "reasoning", ...}, {"type": "text", "text": ...}]

Rules.

- Exactly the block goes, from the first character of its opening tag to the last of its closing one. White space
  around it belongs to the answer and stays: stripping it flips loose verdicts (olmo-eval issue 363: 12 of 541).
- `removed` names what went, as spans of the response; response less spans is the answer, character for character.
- A block that is never closed was cut off: all from its opening tag on is reasoning, and the answer is truncated.
- Many chat templates write the opening tag themselves, so a response may begin within a block: a closing tag that no
  opening one precedes, at an end of its line, ends a block that began with the response.
- An answer may talk *about* such tags. A tag right behind a back-tick, or within a fenced code block of the answer,
  is text; so is an opening tag that is never closed unless it begins the response or a line.
- A special token that ends a turn (`END_TOKENS`), at the end of the text, was left there by whoever decoded it: it
  goes, with the white space behind it.
- Of a harmony response the messages on the `final` channel are the answer. Where it has none it is truncated.

One pass, no backtracking: the cost is linear in the response.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adhere.constraints.constraint import Span

TAGS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
"""Opening and closing tags in use: DeepSeek-R1 and Qwen, Claude-like prompts, Gemma-like, generic, Seed-OSS, Magistral,
Kimi, Sky-T1, Command A."""

_CLOSES = dict(TAGS)
_ENDS = frozenset(_CLOSES.values())
_MARKS = tuple(tag for pair in TAGS for tag in pair)
_FENCE = r"^[ ]{0,3}(?:`{3,}|~{3,})"
_TOKEN = re.compile("|".join(re.escape(tag) for tag in _MARKS) + f"|{_FENCE}", re.MULTILINE)
_MARK = re.compile(
    r"<\|(?P<mark>start|channel|message|end|return|call|constrain)\|>(?:(?<=channel\|>)(?P<name>[a-z]+))?"
)
_HARMONY = "<|start|>assistant<|channel|>"
_BARE = ("analysis", "assistantfinal")
"""What is left of harmony's marks where a tokenizer dropped its special tokens."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without its reasoning."""

    text: str
    removed: tuple[Span, ...] = ()
    """What was taken out, as spans of the response, in order and apart."""
    truncated: bool = False
    """Whether the response ended within its reasoning."""


END_TOKENS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|END_RESPONSE|>",
    "<end_of_turn>",
    "<|eos|>",
    "<|end|>",
    "<|user|>",
    "<｜end▁of▁sentence｜>",
    "<eos>",
    "</s>",
    "[EOS]",
    "<|return|>",
)
"""Tokens in use that end a turn: of ChatML, GPT-2, Llama 3, Granite, Command, Gemma, Phi, GLM, DeepSeek, Mistral."""


def _turn_end(response: str) -> int:
    """Where the tokens that end the turn begin; the response's length where there are none."""
    end = inked = len(response.rstrip())
    while token := next((token for token in END_TOKENS if response.endswith(token, 0, end)), None):
        end -= len(token)
    return end if end < inked else len(response)


def answer(response: str) -> Answer:
    """The answer in a response, whichever form its reasoning has."""
    if "<|channel|>" in response:
        return _answer(response)
    end = _turn_end(response)
    inner = _answer(response[:end])
    if end == len(response):
        return inner
    return Answer(inner.text, _joined([*inner.removed, Span(end, len(response))]), inner.truncated)


def _answer(response: str) -> Answer:
    start = response.lstrip()[:40]
    if start.startswith(("<|channel|>", "<|start|>")) or _HARMONY in response:
        return _harmony(response)
    if start.startswith(_BARE[0]) and _BARE[1] in response:
        return _without(response, [Span(0, response.rindex(_BARE[1]) + len(_BARE[1]))], truncated=False)
    return _tagged(response)


def _without(response: str, spans: list[Span], truncated: bool) -> Answer:
    """`response` less `spans`, which are in order and apart."""
    kept, end = [], 0
    for span in spans:
        kept.append(response[end : span.start])
        end = span.end
    kept.append(response[end:])
    return Answer("".join(kept), tuple(spans), truncated)


def _tagged(response: str) -> Answer:
    if not any(tag in response for tag in _MARKS):
        return Answer(response)
    spans: list[Span] = []
    position = 0
    first = len(response) - len(response.lstrip())
    fenced = False
    seen = False
    unclosed: set[str] = set()  # tags that close nowhere further on: looked for once
    while (token := _TOKEN.search(response, position)) is not None:
        mark, start, position = token[0], token.start(), token.end()
        if mark in _CLOSES:
            seen = True
            if fenced or response[start - 1 : start] == "`":
                continue
            end = -1 if mark in unclosed else response.find(_CLOSES[mark], position)
            if end >= 0:
                position = end + len(_CLOSES[mark])
                spans.append(Span(start, position))
            elif start == first or response[start - 1] == "\n":
                spans.append(Span(start, len(response)))
                return _without(response, spans, truncated=True)
            else:
                unclosed.add(mark)
        elif mark in _ENDS:
            # fences of the reasoning itself do not count: the template's tag opened it
            if not seen and response[start - 1 : start] != "`" and _ends_line(response, start, position):
                spans.append(Span(0, position))
                fenced = False
            seen = True
        else:
            fenced = not fenced
    return _without(response, spans, truncated=False)


def _ends_line(response: str, start: int, end: int) -> bool:
    """Whether a tag stands at the beginning or the end of a line."""
    return start == 0 or response[start - 1] == "\n" or end == len(response) or response[end] in "\r\n"


def _harmony(response: str) -> Answer:
    spans: list[Span] = []
    begin = 0  # of the stretch that is no answer
    channel = ""
    answered = in_final = False
    for mark in _MARK.finditer(response):
        if in_final:
            begin, in_final = mark.start(), False
        name = mark["mark"]
        if name == "channel":
            channel = mark["name"] or ""
        elif name == "message" and channel == "final":
            spans.append(Span(begin, mark.end()))
            answered = in_final = True
        elif name != "constrain":
            channel = ""
    if not in_final and begin < len(response):
        spans.append(Span(begin, len(response)))
    return _without(response, spans, truncated=not answered)


_TEXT_PARTS = frozenset({"text", "output_text", "refusal"})


def answer_from_parts(parts: Iterable[Any]) -> Answer:
    """The answer in a list of content parts: its text parts, joined.

    Parts are strings or objects whose `type` is "text" (OpenAI, Anthropic, Inspect), "output_text" or "refusal"
    (OpenAI's Responses); every other type is reasoning or not text. Spans count characters of all parts' texts
    joined. Tags within the text parts are taken out too. Truncated: reasoning and no text.

    Raises:
        ValueError: a part is neither a string nor an object with a type.
    """
    joined: list[str] = []
    hidden: list[Span] = []
    length = 0
    reasoned = answered = False
    for part in parts:
        if isinstance(part, str):
            text, shown = part, True
        elif isinstance(part, Mapping) and isinstance(part.get("type"), str):
            text, shown = _part_text(part), part["type"] in _TEXT_PARTS
        else:
            raise ValueError('a content part needs a "type"')
        if not shown and text:
            hidden.append(Span(length, length + len(text)))
        reasoned, answered = reasoned or not shown, answered or shown
        joined.append(text)
        length += len(text)
    whole = "".join(joined)
    shown_text = _without(whole, hidden, truncated=reasoned and not answered)
    inner = answer(shown_text.text)
    if not inner.removed:
        return shown_text
    removed = _joined([*hidden, *(_lifted(span, hidden) for span in inner.removed)])
    return Answer(inner.text, removed, shown_text.truncated or inner.truncated)


def _part_text(part: Mapping[str, Any]) -> str:
    """The text of a part, wherever its maker puts it."""
    for name in ("text", "thinking", "reasoning", "content", "refusal", "summary"):
        value = part.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return "".join(_part_text(entry) if isinstance(entry, Mapping) else str(entry) for entry in value)
    return ""


def _lifted(span: Span, hidden: list[Span]) -> Span:
    """A span of the text without `hidden`, as the smallest span of the text with them that holds it."""
    start, end = span.start, span.end
    for gap in hidden:
        if gap.start <= start:
            start += gap.end - gap.start
        if gap.start < end:
            end += gap.end - gap.start
    return Span(start, end)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch or overlap made one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)
