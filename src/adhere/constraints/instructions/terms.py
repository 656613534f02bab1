"""Words and phrases that must be there, must not be there, or so many times; and letters.

- Negations and verbs of leaving out count: "do not leave out X" asks for X.
- "A or B" after a negation excludes both; without one it leaves a choice, which is not understood.
- A term in a part of the answer ("in the first sentence") is a statement about that part.
"""

from __future__ import annotations

from collections.abc import Sequence

from adhere.constraints.instructions.clause import Clause, Statement, scope_of
from adhere.constraints.instructions.quantity import Interval, interval
from adhere.constraints.instructions.shapes import shape
from adhere.constraints.instructions.tokens import Token

_BEFORE = "(head | include | avoid | appear | wordnoun | colon | letter=letter | part=part | verb | word=unit)*"
_LIST = "q=quote (joint+ (definite | wordnoun | prep | word=unit | letter)* q=quote)*"
_AFTER = "(tail | include | avoid | appear | wordnoun | part=part | letter | verb | word=unit | to)*"

_PLAIN = shape(f"that? {_BEFORE} {_LIST} {_AFTER}")
_COUNT = (
    "prep? (rel1=rel | article)* (include | appear)?"
    "(n=number ((to | hyphen | dash | and | or) m=number)? rel2=rel* times | often=often) rel2=rel* prep?"
)
_OFTEN = shape(f"that? {_BEFORE} {_LIST} (may | be)* {_AFTER} comma? per? {_COUNT} ({_AFTER} | per)")
_OFTEN_BEFORE = shape(f"that? {_BEFORE} {_COUNT} {_BEFORE} q=quote {_AFTER}")

_ASKING = frozenset({"include", "appear", "use", "request", "avoid", "modal", "put", "compose", "answer_verb", "keep"})


def terms(clause: Clause) -> list[Statement] | None:
    """The terms that the clause asks for or forbids."""
    if not clause.has("quote") or clause.has("finish", "begin", "select"):
        return None
    for rule in (_often, _plain):
        statements = rule(clause)
        if statements is not None:
            return statements
    return None


def _plain(clause: Clause) -> list[Statement] | None:
    match = _PLAIN.match(clause.core)
    if match is None:
        return None
    quotes, letters = match["q"], match["letter"]
    if not _is_about_words(clause, match) or (clause.has("no_need", "may") and not clause.negated):
        return None
    if any(token.value[0] == "any" for token in quotes if isinstance(token.value, tuple)):
        return None
    scope = scope_of(match["part"], clause)
    if scope and not scope[1]:
        return []
    values = _values(quotes)
    if not values or (clause.denied and any(token.text.lower().startswith("both") for token in clause.tokens)):
        return []
    if (turn := _turn(clause, quotes)) is not None:
        if letters or clause.has("or", "avoid"):
            return []
        return [
            Statement("contains.terms", {"terms": _values(quotes[:turn])}, scope),
            Statement("excludes.terms", {"terms": _values(quotes[turn:])}, scope),
        ]
    if any(token.text.lower() in _CHOOSING for token in clause.tokens) and not clause.denied:
        return []
    chosen = clause.has("or") and not clause.denied and len(values) > 1
    if chosen:
        return []
    if any(token.value == "length.characters" for token in match["word"]):
        letters = match["word"]
    if letters:
        if any(len(value) != 1 for value in values):
            return []
        bound = {"at_most": 0} if clause.denied else {"at_least": 1}
        return [Statement("contains.letter", {"letter": value.lower(), **bound}, scope) for value in values]
    denied = clause.denied or any(token.value == "avoid" for token in clause.tokens if token.role == "wordnoun")
    kind = "excludes.terms" if denied else "contains.terms"
    return [Statement(kind, {"terms": values}, scope)]


def _turn(clause: Clause, quotes: Sequence[Token]) -> int | None:
    """Which of the terms the first is that a negation between them denies: "use 'lift', not 'elevator'"."""
    between = [
        token
        for token in clause.tokens
        if token.role == "neg" and quotes[0].end <= token.start < quotes[-1].start and token.text.lower() != "nor"
    ]
    if not between:
        return None
    return next(at for at, quote in enumerate(quotes) if quote.start > between[0].start)


_CHOOSING = frozenset(
    (
        "any of",
        "any of these",
        "any of the following",
        "either",
        "either of",
        "either of the",
        "any of those",
        "one of",
    )
)
_ALLOWED_ALONE = frozenset(
    ("wordnoun", "quote", "fill", "and", "or", "comma", "neg", "end", "definite", "unit", "colon", "only")
)


def _is_about_words(clause: Clause, match: dict[str, list[Token]]) -> bool:
    """Whether the clause says that the terms are to be in the text: "include", "the word must appear", "no 'very'"."""
    if _names_text(clause) and not clause.has("include"):
        return clause.has("compose") and clause.has("wordnoun") and any(t.text.lower() == "with" for t in clause.core)
    if clause.has("include", "appear", "avoid") or any(t.role == "wordnoun" and t.value for t in clause.tokens):
        return True
    if clause.has("wordnoun") or match["word"] or match["letter"]:
        placed = clause.has("modal") and clause.has("be", "subject")
        wished = any(t.role == "request" and t.text.lower().startswith(("i ", "i'd", "there ")) for t in clause.core)
        return clause.has("use", "put") or clause.negations > 0 or placed or wished
    if not all(any(c.isalnum() for c in str(token.value)) for token in match["q"]):
        return False
    if (
        any(token.role == "use" and token.text.lower().endswith("ing") for token in clause.tokens)
        and not clause.negations
    ):
        return False
    if clause.negations and any(t.role == "compose" and t.text.lower() in ("write", "writing") for t in clause.core):
        return True
    return clause.has("use") or (clause.negations > 0 and not clause.has("compose", "answer_verb", "keep", "be"))


def _names_text(clause: Clause) -> bool:
    """Whether the clause names a text, but as the place of the terms ("in the ad", "of my essay")."""
    core = clause.core
    for at, token in enumerate(core):
        if token.role == "artifact":
            led = [one for one in core[:at] if one.role != "adjective"][-2:]
            if not (len(led) == 2 and led[0].role == "prep" and led[1].role in ("definite", "article")):
                return True
    return False


def _often(clause: Clause) -> list[Statement] | None:
    match = _OFTEN.match(clause.core) or _OFTEN_BEFORE.match(clause.core)
    if match is None or clause.has("no_need"):
        return None
    if len(match["q"]) != 1 and not (clause.has("per") and not match["letter"] and not clause.has("or")):
        return None
    negations = clause.negations + sum(token.role == "avoid" for token in clause.tokens)
    relations = [token.value for token in (*match["rel1"], *match["rel2"])]
    if not relations and clause.has("limit") and not negations:
        relations = ["le"]
    n = match["n"][0].value if match["n"] else match["often"][0].value
    bounds = _times(relations, n, match["m"], negations, clause)
    scope = scope_of(match["part"], clause)
    if bounds is None or (scope and not scope[1]) or (clause.has("may") and bounds.high is None):
        return []
    value = _values(match["q"])
    if match["letter"]:
        if len(value[0]) != 1 or match["word"]:
            return []  # "words with the letter x" are not letters
        return [Statement("contains.letter", {"letter": value[0].lower(), **bounds.bounds()}, scope)]
    if bounds.bounds() == {"at_least": 1} and len(value) > 1:
        return [Statement("contains.terms", {"terms": value}, scope)]
    return [Statement("contains.frequency", {"term": one, **bounds.bounds()}, scope) for one in value]


def _times(relations: Sequence[str], n: int, m: Sequence[Token], negations: int, clause: Clause) -> Interval | None:
    if m:
        return Interval(n, m[0].value) if not negations and n < m[0].value else None
    kinds = set(relations) - {"from"}
    if len(kinds) > 1 or negations > 1 or "between" in kinds:
        return None
    return interval(next(iter(kinds), None), n, negated=negations == 1, about=clause.about)


def _values(quotes: Sequence[Token]) -> list[str]:
    values = [str(token.value).strip() for token in quotes]
    cleaned = [value[:-1] if value.endswith(",") else value for value in values]
    return [value for value in dict.fromkeys(cleaned) if value]
