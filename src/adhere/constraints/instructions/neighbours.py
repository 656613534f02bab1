"""What a token is by its neighbours.

Rules, one function for each role that has one (`_RULES`):

- "About", "over", "under" are relations before a number and prepositions elsewhere.
- "A" is a number behind a relation ("no more than a sentence"), a permission is none where something is bounded ("no
  commas are allowed"), a word of speech reports only before what was said.
- A verb behind an article is the text to be written ("a draft").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from adhere.constraints.instructions.tokens import Token


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The settled tokens in front of a token, and the unsettled ones behind it."""

    earlier: Sequence[Token]
    later: Sequence[Token]

    @property
    def before(self) -> Token | None:
        return self.earlier[-1] if self.earlier else None

    @property
    def after(self) -> Token | None:
        return self.later[0] if self.later else None


def settled(tokens: list[Token]) -> list[Token]:
    """`tokens`, each in the role that its neighbours leave it."""
    tokens = _parted(tokens)
    result: list[Token] = []
    for at, token in enumerate(tokens):
        around = Neighbours(result, tokens[at + 1 : at + 4])
        rule = _RULES.get(token.role)
        changed = _sign(token, around) or (rule(token, around) if rule else None)
        result.append(changed or token)
    return result


def _sign(token: Token, around: Neighbours) -> Token | None:
    """A dash as "to" between numbers, as a hyphen within a word."""
    before, after = around.before, around.after
    if before is None or after is None:
        return None
    if token.text in ("~", "～", "〜", "-") and before.role == after.role == "number":
        return replace(token, role="to", value=None)
    if token.role == "dash" and before.end == token.start and token.end == after.start:
        return replace(token, role="hyphen")
    return None


def _either(token: Token, around: Neighbours) -> Token:
    relation, otherwise = token.value
    after = around.after
    follows = after
    if after and after.role in ("article", "definite", "fill", "rel") and len(around.later) > 1:
        follows = around.later[1]
    if follows and follows.role == "number" and not (after and after.role == "definite"):
        return replace(token, role="rel", value=relation)
    return replace(token, role=otherwise, value=None)


def _example(token: Token, around: Neighbours) -> Token | None:
    """ "But like in under 50 words"."""
    after = around.after
    if token.text.lower() == "like" and after and after.role in ("prep", "rel"):
        return replace(token, role="fill", value=None)
    return None


def _other(token: Token, around: Neighbours) -> Token | None:
    """An unknown word between an article or a count and a text: "a 3-sentence horror story"."""
    before, after = around.before, around.after
    led = before is not None and before.role in ("article", "adjective", "hyphen", "unit")
    return replace(token, role="adjective") if led and after is not None and after.role == "artifact" else None


def _person(token: Token, around: Neighbours) -> Token | None:
    """ "My" with the text that is asked for: "in my essay", "of our newsletter"."""
    before, after = around.before, around.after
    with_text = before is not None and before.role == "prep" and after is not None and after.role == "artifact"
    return replace(token, role="definite") if with_text and token.text.lower() in ("my", "our") else None


def _no_need(token: Token, around: Neighbours) -> Token | None:
    permitted = token.text.lower() in _PERMITTED and _is_bounded(around.earlier)
    return replace(token, role="be") if permitted else None


def _speech(token: Token, around: Neighbours) -> Token | None:
    return None if _reports(token, around.after) else replace(token, role="other")


def _topic(token: Token, around: Neighbours) -> Token | None:
    after = around.after
    bounds = after is not None and after.role in ("rel", "number", "often")
    return replace(token, role="prep") if bounds and token.text.lower() == "for" else None


def _part(token: Token, around: Neighbours) -> Token | None:
    text = token.value[1] in ("introduction", "conclusion", "title") and _is_kind_of_text(around)
    return replace(token, role="artifact", value=None) if text else None


def _letter(token: Token, around: Neighbours) -> Token | None:
    after = around.after
    if after is not None and (after.role in ("quote", "case", "comma") or len(after.text) == 1):
        return None
    return replace(token, role="artifact" if "lett" in token.text.lower() else "other")


def _article(token: Token, around: Neighbours) -> Token | None:
    """ "No more than a sentence"."""
    before, after = around.before, around.after
    bounded = before is not None and before.role == "rel" and after is not None and after.role == "unit"
    return replace(token, role="number", value=1) if bounded and token.text.lower() in ("a", "an") else None


def _adjective(token: Token, around: Neighbours) -> Token | None:
    before, after = around.before, around.after
    if token.text.lower() != "single" or after is None or after.role != "unit":
        return None
    return replace(token, role="number", value=1) if before is None or before.role != "number" else None


_BEFORE_NOUN = frozenset({
    "article", "definite", "adjective", "hyphen", "unit", "artifact", "prep", "quote", "other", "number", "person",
    "case", "format", "language",
})  # fmt: skip


def _verb_or_noun(token: Token, around: Neighbours) -> Token:
    noun = around.before is not None and around.before.role in _BEFORE_NOUN
    return replace(token, role="artifact" if noun else token.value, value=None)


def _relation(token: Token, around: Neighbours) -> Token | None:
    """A sign is a relation only beside a number: "300+", "<50"."""
    beside = around.before if token.text == "+" else around.after
    alone = token.text in ("+", "<", ">") and (beside is None or beside.role != "number")
    return replace(token, role="other") if alone else None


def _fill(token: Token, around: Neighbours) -> Token | None:
    """Markdown as something forbidden behind a negation ("don't use markdown"), a mere manner elsewhere."""
    if not token.text.lower().endswith("markdown"):
        return None
    for earlier in reversed(around.earlier[-4:]):
        if earlier.role in ("neg", "avoid"):
            return replace(token, role="mark", value="markdown")
        if earlier.role not in ("use", "include", "article", "adjective", "fill", "prep", "compose"):
            break
    return None


_RULES: dict[str, Callable[[Token, Neighbours], Token | None]] = {
    "either": _either,
    "example": _example,
    "other": _other,
    "person": _person,
    "no_need": _no_need,
    "speech": _speech,
    "topic": _topic,
    "part": _part,
    "letter": _letter,
    "article": _article,
    "adjective": _adjective,
    "verb_or_noun": _verb_or_noun,
    "rel": _relation,
    "fill": _fill,
}


def _parted(tokens: list[Token]) -> list[Token]:
    """ "or fewer than 50" as a conjunction and a relation; "or fewer" alone is a relation of what stands before it."""
    parted: list[Token] = []
    for token in tokens:
        last = parted[-1] if parted else None
        if token.text.lower() == "than" and last and last.role == "rel" and last.text.lower().startswith("or "):
            word = last.text.split()[-1]
            parted[-1:] = [
                replace(last, role="or", text=last.text[:2], end=last.start + 2, value=None),
                Token("rel", f"{word} than", last.end - len(word), token.end, "gt" if last.value == "ge" else "lt"),
            ]
        else:
            parted.append(token)
    return parted


_PERMITTED = frozenset(
    f"{verb} {word}"
    for verb in ("is", "are")
    for word in ("allowed", "permitted", "fine", "okay", "ok", "acceptable", "welcome")
)


def _is_bounded(before: Sequence[Token]) -> bool:
    """Whether nothing is permitted, or so much and no more: "no commas are allowed", "up to 50 words are fine"."""
    for token in reversed(before):
        if token.role in ("semicolon", "dash", "end", "colon"):
            return False
        if token.role in ("neg", "only") or (token.role == "rel" and token.value in ("le", "lt")):
            return True
    return False


_REPORTED = frozenset({
    "colon", "comma", "quote", "that", "to", "person", "definite", "neg", "include", "avoid", "use", "end", "prep",
    "compose",
})  # fmt: skip


def _reports(token: Token, after: Token | None) -> bool:
    """Whether a word of speech reports what somebody said, and is no name: "the United States"."""
    if token.capital and token.text.lower() in ("states", "reads", "orders"):
        return False
    if token.text.lower() == "goes":
        return after is not None and after.role in ("colon", "comma", "quote")
    return after is None or after.role in _REPORTED or after.text.lower() in ("us", "me", "you", "for")


def _is_kind_of_text(around: Neighbours) -> bool:
    """Whether "introduction" is what is to be written, and no part of it: "a 200-word introduction to ..."."""
    if around.before is not None and around.before.role in ("hyphen", "article", "unit", "adjective"):
        return True
    bounded = len(around.later) > 1 and around.later[1].role in ("number", "rel", "either")
    return around.after is not None and around.after.text.lower() in ("to", "for", "of") and not bounded
