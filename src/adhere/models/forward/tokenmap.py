"""Which tokens stand where: the parts of a prompt and its response, as the model reads them.

Rules:

- A token belongs to a span of characters if it lies within it, or shares a character other than white space with it. A
  token that straddles two named parts belongs to both; `problem` is the user's tokens that the constraint left over.
- Where a message's content stands in the rendered text is found by rendering it once more with a mark in its place, not
  by searching: a template's own words are never taken for the user's, and a template that trims is understood.
- The response is encoded behind the prompt, as the model wrote it; tokens that are known are taken as they are.
- A part whose characters map to no token is refused: a measurement of nothing must not look like a small number.
- The end token is the one that the template writes behind an answer. It is there only if the response ended by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adhere.core.errors import UserError
from adhere.models.chat_template import render_bounded

if TYPE_CHECKING:
    from adhere.models.load import Message, OpenModel

MARK = "\u2042adhere\u2042"
"""Stands in a message's place when the template's own text is to be seen. No template writes it."""

Wanted = Mapping[str, str | Sequence[str]]
"""Named parts of the prompt: for each name a text, or several, that stand in the messages word for word."""


@dataclass(frozen=True)
class TokenMap:
    """A prompt and its response as tokens, and what each of them belongs to."""

    tokens: tuple[int, ...]
    """Prompt, response and, if it ended by itself, the end token."""
    prompt: int
    """How many of them are the prompt, the template's words included."""
    ended: bool
    """Whether the last token is the end token."""
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Indices into `tokens` by name: `system`, `user`, `assistant` (earlier turns), the parts asked for, and `problem`:
    the user's tokens that are not the constraint's, unless it was asked for by text."""
    ends: tuple[int, ...] = ()
    """For each generated token, the end token left out, how many characters of the response stand once it is there."""

    @property
    def generated(self) -> int:
        """How many tokens the response has, the end token left out."""
        return len(self.tokens) - self.prompt - self.ended

    @property
    def end(self) -> int | None:
        """Index of the end token, or None where the response did not end by itself."""
        return len(self.tokens) - 1 if self.ended else None

    @cached_property
    def writers(self) -> range:
        """The positions from which the generated tokens were predicted: the last prompt token wrote the first."""
        return range(self.prompt - 1, self.prompt - 1 + self.generated)

    def token_at(self, character: int) -> int:
        """Index of the generated token that completes character number `character` (from 0) of the response.

        Raises:
            UserError: the response is not that long.
        """
        for k, end in enumerate(self.ends):
            if end > character:
                return self.prompt + k
        raise UserError(f"the response has no character {character}: it has {self.ends[-1] if self.ends else 0}")


def replay(
    opened: OpenModel,
    messages: Sequence[Message],
    response: str | Sequence[int],
    *,
    parts: Wanted | None = None,
    ended: bool = True,
    tools: list[dict[str, Any]] | None = None,
) -> TokenMap:
    """The tokens of `messages` and the `response` that followed, ready for a teacher-forced forward pass.

    Args:
        opened: the model.
        messages: the chat up to the response.
        response: its text, or its tokens as `Generation.tokens` has them (an end token among them is recognised, and
            `ended` follows from it).
        parts: named texts in the messages whose tokens are wanted, e.g. `{"constraint": "Use at most 50 words."}`.
        ended: whether a response given as text ended by itself, and so with the end token.
        tools: as the prompt was rendered with.

    Raises:
        UserError: a part does not stand in the messages or maps to no token; the tokenizer gives no offsets; prompt and
            response are longer than the model reads.
    """
    text, prompt, found = _prompt(opened, messages, parts or {}, tools)
    if isinstance(response, str):
        written, ends = _behind(opened, text, prompt, response)
    else:
        given = list(response)
        ended = bool(given) and given[-1] in opened.end_ids
        written = given[:-1] if ended else given
        ends = _ends(opened, written)
    tokens = (*prompt, *written, *([end_token(opened)] if ended and isinstance(response, str) else []))
    if ended and not isinstance(response, str):
        tokens = (*tokens, given[-1])
    if len(tokens) > opened.context:
        raise UserError(
            f"prompt and response have {len(tokens)} tokens and {opened.name} reads {opened.context} at most"
        )
    return TokenMap(tokens, len(prompt), ended, found, tuple(ends))


def prompt_map(
    opened: OpenModel,
    messages: Sequence[Message],
    *,
    parts: Wanted | None = None,
    tools: list[dict[str, Any]] | None = None,
) -> TokenMap:
    """The same for a prompt without a response. Raises as `replay` does."""
    _, prompt, found = _prompt(opened, messages, parts or {}, tools)
    return TokenMap(tuple(prompt), len(prompt), False, found)


def end_token(opened: OpenModel) -> int:
    """The token that the template writes behind an answer; the tokenizer's own end token where it writes none."""
    if opened.chats:
        turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": MARK}]
        try:
            text = render_bounded(
                opened.tokenizer.chat_template,
                lambda: str(opened.tokenizer.apply_chat_template(turn, tokenize=False)),
            )
            tail = text.rpartition(MARK)[2]
        except Exception:  # a template may refuse such a chat, in its own way
            tail = ""
        for token in opened.tokenizer(tail, add_special_tokens=False)["input_ids"]:
            if token in opened.end_ids:
                return int(token)
    if (own := opened.tokenizer.eos_token_id) in opened.end_ids:
        return int(own)
    if not opened.end_ids:
        raise UserError(f"{opened.name} has no end token: its generation config names none")
    return min(opened.end_ids)


def _prompt(
    opened: OpenModel, messages: Sequence[Message], parts: Wanted, tools: list[dict[str, Any]] | None
) -> tuple[str, list[int], dict[str, tuple[int, ...]]]:
    """The rendered prompt, its tokens, and the indices of its parts."""
    chat = list(messages)
    text = opened.render(chat, tools=tools)
    tokens, offsets = _encode(opened, text, special=not opened.chats)
    places = [_place(opened, text, chat, k, tools) for k in range(len(chat))]
    found: dict[str, tuple[int, ...]] = {}
    for role in ("system", "user", "assistant"):
        spans = [place for place, message in zip(places, chat, strict=True) if place and message["role"] == role]
        if indices := _within(text, offsets, spans):
            found[role] = indices
    for name, wanted in parts.items():
        texts = [wanted] if isinstance(wanted, str) else list(wanted)
        found[name] = _within(text, offsets, [s for one in texts for s in _occurrences(text, places, one, name)])
        if not found[name]:
            raise UserError(f"the {name} {_short(' '.join(texts))} maps to no token of the prompt")
    if "problem" not in parts and "user" in found:
        constraint = set(found.get("constraint", ()))
        found["problem"] = tuple(k for k in found["user"] if k not in constraint)
    return text, tokens, found


def _place(
    opened: OpenModel, text: str, chat: list[Message], number: int, tools: list[dict[str, Any]] | None
) -> tuple[int, int] | None:
    """Where the content of one message stands in the rendered text, or None where the template does not show it."""
    marked = [{**message, "content": MARK} if k == number else message for k, message in enumerate(chat)]
    try:
        before, mark, after = opened.render(marked, tools=tools).partition(MARK)
    except Exception:  # a template may refuse what it cannot read: look for the text itself
        before = mark = after = ""
    if mark and text.startswith(before) and text.endswith(after) and len(before) + len(after) <= len(text):
        return len(before), len(text) - len(after)
    content = str(chat[number]["content"]).strip()
    start = text.find(content) if content else -1
    return (start, start + len(content)) if start >= 0 else None


def _occurrences(
    text: str, places: Sequence[tuple[int, int] | None], wanted: str, name: str
) -> Iterable[tuple[int, int]]:
    sought = wanted.strip()
    spans: list[tuple[int, int]] = []
    for place in places:
        if place is None or not sought:
            continue
        at = text.find(sought, *place)
        while at >= 0:
            spans.append((at, at + len(sought)))
            at = text.find(sought, at + len(sought), place[1])
    if not spans:
        raise UserError(f"the {name} {_short(wanted)} does not stand in the messages word for word")
    return spans


def _within(text: str, offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Indices of the tokens that belong to one of `spans`."""

    def belongs(start: int, end: int) -> bool:
        return any(
            (a <= start and end <= b) or text[max(start, a) : min(end, b)].strip()
            for a, b in spans
            if a < end and start < b
        )

    return tuple(k for k, (start, end) in enumerate(offsets) if end > start and belongs(start, end))


def _encode(opened: OpenModel, text: str, *, special: bool) -> tuple[list[int], list[tuple[int, int]]]:
    if not opened.tokenizer.is_fast:
        raise UserError(f"the tokenizer of {opened.name} gives no character offsets: a fast tokenizer is needed")
    made = opened.tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
    return list(made["input_ids"]), [(int(a), int(b)) for a, b in made["offset_mapping"]]


def _behind(opened: OpenModel, text: str, prompt: list[int], response: str) -> tuple[list[int], list[int]]:
    """The response's tokens behind the prompt's, and the characters that stand after each."""
    if not response:
        return [], []
    whole, offsets = _encode(opened, text + response, special=not opened.chats)
    start = len(text)
    if (
        whole[: len(prompt)] != prompt
    ):  # the border's characters went into one token, which the model cannot have written
        whole, offsets = _encode(opened, response, special=False)
        prompt, start = [], 0
    pairs = zip(whole[len(prompt) :], offsets[len(prompt) :], strict=True)
    kept = [(token, a - start, b - start) for token, (a, b) in pairs if b > a]
    return [token for token, _, _ in kept], _completed([(a, b) for _, a, b in kept])


def _completed(offsets: Sequence[tuple[int, int]]) -> list[int]:
    """How many characters are complete after each token. Tokens that are bytes of one character all bear its offsets:
    only the last of them completes it."""
    nexts = [start for start, _ in offsets[1:]] + [offsets[-1][1] if offsets else 0]
    return [min(end, following) for (_, end), following in zip(offsets, nexts, strict=True)]


def _ends(opened: OpenModel, tokens: list[int]) -> list[int]:
    """Characters that stand after each of `tokens`: from offsets where the text encodes to these tokens again, else by
    decoding every prefix."""

    def decoded(some: list[int]) -> str:
        return str(opened.tokenizer.decode(some, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    text = decoded(tokens)
    again, offsets = _encode(opened, text, special=False)
    if again == tokens:
        return _completed(offsets)
    return [len(decoded(tokens[: k + 1]).rstrip("\ufffd")) for k in range(len(tokens))]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 60 else flat[:57] + "...")
