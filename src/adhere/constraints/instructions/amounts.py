"""How many: "at most 80 words", "between two and four sentences", "each paragraph: no more than 3 lines".

- A negation turns a strict relation round ("not more than" is "at most"); the negation of anything else bounds nothing.
- "limit", "keep ... to" and "you have" state an upper bound; "may" and "can" state one only with an upper bound.
- A unit that no family counts (pages, stanzas), or a count of parts without a number, is not understood.
"""

from __future__ import annotations

from collections.abc import Sequence

from adhere.constraints.instructions.clause import UNKNOWN_PART, Clause, Scope, Statement, scope_of
from adhere.constraints.instructions.quantity import Interval, interval
from adhere.constraints.instructions.shapes import shape
from adhere.constraints.instructions.tokens import Token

PART_OF_UNIT = {
    "length.sentences": "sentence",
    "length.paragraphs": "paragraph",
    "length.lines": "line",
    "format.bullets": "item",
}
"""What a part of the answer is called that such a unit counts."""

_UNITS_WITHIN = {
    "sentence": ("length.words", "length.characters"),
    "line": ("length.words", "length.characters", "length.sentences"),
    "item": ("length.words", "length.characters", "length.sentences", "length.lines"),
    "paragraph": ("length.words", "length.characters", "length.sentences", "length.lines", "format.bullets"),
}
"""What can be counted in which part."""

_HEAD = "that? (head | part=part | colon | each=per | rel1=rel | rel1=exceed | artifact that)*"
_TAIL = "(tail | include | part=part | comma? rel2=rel | rel2=exceed | each=per | prep | may)*"
_ONE = "n=number (hyphen? rel2=rel)? hyphen? adjective* unit=unit hyphen?"
_RANGE = "n=number (to | hyphen | dash | and | or) m=number hyphen? adjective* unit=unit"

_SINGLE = shape(f"{_HEAD} {_ONE} {_TAIL}")
_SPELLED = shape(f"{_HEAD} n=number open again=number close unit=unit {_TAIL}")
_SPAN = shape(f"{_HEAD} {_RANGE} {_TAIL}")
_SPAN_TWICE = shape(f"{_HEAD} n=number unit=unit (to | and) m=number unit2=unit {_TAIL}")
_TWO_SIDED_AFTER = shape("head* n=number unit2=unit low=rel (head | joint)* m=number unit=unit high=rel (tail | verb)*")
_COUNTED_AFTER = shape("head* unit=unit (head)* rel1=rel* n=number rel2=rel* (tail | verb)*")
_ONE_OR_TWO = shape(f"{_HEAD} n=one unit=unit or m=number {_TAIL}")
_TWO_SIDED_FIRST = shape(
    f"head* low=rel n=number hyphen? unit=unit (comma | and | but | or)* (head)* high=rel m=number unit2=unit? {_TAIL}"
)
_TWO_SIDED = shape(
    f"head* low=rel n=number unit2=unit? (comma | and | but | or)* (head)* high=rel m=number hyphen? unit=unit {_TAIL}"
)
_TWO_UNITS = shape(
    "head* rel1=rel? n=number hyphen? unit=unit (joint | prep)* rel2=rel? m=number hyphen? unit2=unit rel3=rel? tail*"
)
_OUTER = "head* rel1=rel? n=number unit=unit (prep | be | comma | that)* first=per? (prep | be | modal)* rel2=rel?"
_NESTED = shape(f"{_OUTER} m=number hyphen? unit2=unit rel2=rel? prep? (last=per | within=part)? rel2=rel? tail*")
_NESTED_RANGE = shape(f"{_OUTER} m=number (to | hyphen | dash) k=number hyphen? unit2=unit last=per? tail*")
_SECOND = "((to | hyphen | dash | and | or) m=number)?"
_GAUGE = shape(
    "(link | verb | avoid | request)* gauge=gauge (link | verb | may | rel1=exceed | limit)* rel1=rel*"
    f"n=number {_SECOND} unit=unit? rel2=rel* tail*"
)
_GAUGE_AFTER = shape("(link | verb | limit)* rel1=rel* n=number hyphen? gauge=gauge rel2=rel* tail*")
_BARE = shape("(be | modal)* rel1=rel* n=number rel2=rel*")
_PLURAL = shape(
    "(verb | request | prep | definite | subject | article | avoid | may | modal)* adjective* sub=unit"
    "(link | verb | may | rel1=exceed | comma | limit | colon)* rel1=rel*"
    f"n=number {_SECOND} hyphen? unit=unit rel2=rel* per? tail*"
)


_TWO_SIDES = (_TWO_SIDED_FIRST, _TWO_SIDED, _TWO_SIDED_AFTER)
_ONES = (_SINGLE, _SPELLED, _SPAN, _SPAN_TWICE, *_TWO_SIDES, _COUNTED_AFTER)


def amounts(clause: Clause) -> list[Statement] | None:
    """The bounds that the clause states."""
    if (one := _one_or_two(clause)) is not None:
        return one
    if clause.has("select", "quote") or not clause.has("number") or _names_another_text(clause.core):
        return None
    for rule in (_one, _gauge, _nested, _two_units, _plural, _remainder):
        statements = rule(clause)
        if statements is not None:
            return statements
    return None


def _one_or_two(clause: Clause) -> list[Statement] | None:
    """ "In a sentence or two"."""
    match = None if clause.has("select", "quote") or clause.negated else _ONE_OR_TWO.match(clause.core)
    if match is None or match["m"][0].value != 2 or match["rel1"] or match["rel2"]:
        return None
    return _stated(match["unit"][0], Interval(1, 2), scope_of(match["part"], clause))


def _is_ingredient(core: Sequence[Token], unit: Token) -> bool:
    """Whether what is counted is one thing among others in the answer: "include a 50-word summary"."""
    before = {token.role for token in core if token.start < unit.start}
    if not before & {"include", "put", "begin", "finish"} or before & {"subject", "modal"}:
        return False
    if any(token.role == "part" for token in core):
        return False
    return unit.value != "format.bullets" and "artifact" not in before


def _is_treated(core: Sequence[Token], unit: Token) -> bool:
    """Whether the number describes a text that is spoken of: "compare a 5-line poem with ..."."""
    after = core[core.index(unit) + 1 :]
    before = {token.role for token in core if token.start < unit.start}
    return (
        bool(after)
        and after[0].role == "artifact"
        and "treat" in before
        and not before & {"compose", "request", "subject"}
    )


def _names_another_text(core: Sequence[Token]) -> bool:
    """Whether the number belongs to a text that is there already: "this 300-word article", "these three sentences"."""
    first = next(at for at, token in enumerate(core) if token.role == "number")
    before = next((token for token in reversed(core[:first]) if token.role != "adjective"), None)
    bounded = any(token.role in ("exceed", "rel", "limit") for token in core[:first])
    if before is None or bounded or before.text.lower() == "either":
        return False
    return before.role == "definite" or before.text.lower() in ("this", "them")


def _one(clause: Clause) -> list[Statement] | None:
    core = clause.core
    for pattern in _ONES:
        match = pattern.match(core)
        if match is None:
            continue
        unit = match["unit"][0]
        if pattern is _COUNTED_AFTER and unit.text.isascii():
            continue  # the number stands behind what is counted in Japanese alone
        if match.get("unit2") and match["unit2"][0].value != unit.value:
            return None
        if match.get("again") and match["again"][0].value != match["n"][0].value:
            return None
        if pattern in _TWO_SIDES:
            bounds = _two_sided(match, clause)
        else:
            n, m = match["n"][0].value, match["m"][0].value if match.get("m") else None
            bounds = _bounds(clause, [*match["rel1"], *match["rel2"]], n, m, core)
        if _is_ingredient(core, unit) or _is_treated(core, unit):
            return []
        scope = scope_of(match.get("part", []), clause)
        if match.get("each") or (clause.counted and any(t.text.lower() == "none" for t in clause.tokens)):
            scope = _each_of(clause)
        return _stated(unit, bounds, scope)
    return None


def _gauge(clause: Clause) -> list[Statement] | None:
    match = _GAUGE.match(clause.core) or _GAUGE_AFTER.match(clause.core)
    if match is None:
        return None
    gauge = match["gauge"][0]
    kind, relation = gauge.value
    if match.get("unit") and match["unit"][0].value != kind:
        return None
    relations = [*match["rel1"], *match["rel2"]]
    n, m = match["n"][0].value, match["m"][0].value if match.get("m") else None
    if relation and not relations and m is None and not clause.negated:
        bounds = interval(relation, n, about=clause.about)
    else:
        bounds = _bounds(clause, relations, n, m, clause.core)
    return _stated(Token("unit", gauge.text, gauge.start, gauge.end, kind), bounds, clause.inherited)


def _two_units(clause: Clause) -> list[Statement] | None:
    match = _TWO_UNITS.match(clause.core)
    if match is None or match["unit"][0].value == match["unit2"][0].value or clause.inherited:
        return None
    if clause.has("per") or (clause.has("but") and not match["rel2"]):
        return None
    first, second = match["rel1"], match["rel2"] or match["rel3"] or match["rel1"]
    if match["rel2"] and match["rel3"]:
        return None
    bounds = [_bounds(clause, rel, match[n][0].value, None, clause.core) for rel, n in ((first, "n"), (second, "m"))]
    if clause.has("or") and any(bound is None or bound.high is None or bound.low is not None for bound in bounds):
        return None  # "3 sentences or 50 words" leaves the choice
    if any(
        token.role == "prep" and token.start > match["unit"][0].start and token.text.lower() not in ("in", "with", "at")
        for token in clause.core
    ):
        return None
    stated = [_stated(match[unit][0], bound, None) for unit, bound in zip(("unit", "unit2"), bounds, strict=True)]
    return [*stated[0], *stated[1]] if stated[0] and stated[1] else None


def _nested(clause: Clause) -> list[Statement] | None:
    """ "Three sentences of at most 10 words each"."""
    match = _NESTED.match(clause.core) or _NESTED_RANGE.match(clause.core)
    if match is None or clause.negated:
        return None
    within = match["within"] if match.get("within") else []
    if not (match["first"] or match["last"] or within or _is_made_of(clause.core, match["unit"][0])):
        return None
    outer, inner = match["unit"][0], match["unit2"][0]
    part = PART_OF_UNIT.get(outer.value)
    if part is None or inner.value not in _UNITS_WITHIN[part]:
        return None
    if within and within[0].value[:2] != ("each", part):
        return None
    whole = _bounds(clause, match["rel1"], match["n"][0].value, None, clause.core)
    m, k = match["m"][0].value, match["k"][0].value if match.get("k") else None
    each = _bounds(clause, match["rel2"], m, k, clause.core)
    stated = [_stated(outer, whole, clause.inherited), _stated(inner, each, ("each", part))]
    return [*stated[0], *stated[1]] if stated[0] and stated[1] else None


def _is_made_of(core: Sequence[Token], outer: Token) -> bool:
    """Whether what is counted first is made of what is counted then: "4 bullets of at most 10 words"."""
    after = core[core.index(outer) + 1]
    return after.text.lower() in ("of", "de", "d'", "von") and outer.text.lower().endswith(("s", "sätze", "sätzen"))


def _remainder(clause: Clause) -> list[Statement] | None:
    """ "No fewer than four bullets, no more than six": a bound of the unit that was counted last."""
    match = _BARE.match(clause.core)
    if match is None or not clause.counted:
        return None
    relations = [*match["rel1"], *match["rel2"]]
    if not relations or clause.negated:
        return None
    number = match["n"][0]
    unit = Token("unit", number.text, number.start, number.end, clause.counted)
    return _stated(unit, _bounds(clause, relations, number.value, None, clause.core), clause.inherited)


def _plural(clause: Clause) -> list[Statement] | None:
    """ "Sentences should be no longer than 20 words", "no paragraph may have more than 3 sentences"."""
    match = _PLURAL.match(clause.core)
    if match is None or clause.inherited:
        return None
    sub, unit = match["sub"][0], match["unit"][0]
    part = PART_OF_UNIT.get(sub.value)
    plural = sub.text.lower().endswith("s") or clause.negations == 1
    if part is None or not plural or unit.value not in _UNITS_WITHIN[part]:
        return None
    n, m = match["n"][0].value, match["m"][0].value if match.get("m") else None
    return _stated(unit, _bounds(clause, [*match["rel1"], *match["rel2"]], n, m, clause.core), ("each", part))


def _two_sided(match: dict[str, list[Token]], clause: Clause) -> Interval | None:
    both = clause.negations == 2 and {"neither", "nor"} <= {token.text.lower() for token in clause.tokens}
    both = both or _denies_either(match, clause)
    if clause.negated and not both:
        return None
    low = interval(match["low"][0].value, match["n"][0].value, negated=both, about=clause.about)
    high = interval(match["high"][0].value, match["m"][0].value, negated=both, about=clause.about)
    if low is None or high is None:
        return None
    return low.meet(high)


def _denies_either(match: dict[str, list[Token]], clause: Clause) -> bool:
    """Whether one negation in front denies both bounds: "not more than 100 words or fewer than 50"."""
    low, high = match["low"][0], match["high"][0]
    negations = [token for token in clause.tokens if token.role in ("neg", "avoid")]
    between = {token.role for token in clause.core if low.end <= token.start < high.start}
    return len(negations) == 1 and negations[0].start < low.start and "or" in between and "and" not in between


def _bounds(
    clause: Clause, relations: Sequence[Token], n: int, m: int | None, core: Sequence[Token]
) -> Interval | None:
    """The interval of a clause with one number or two; None where its words do not state one."""
    kinds = [token.value for token in relations]
    negations = clause.negations + sum(token.role == "avoid" for token in clause.tokens)
    if m is not None:
        if negations or set(kinds) - {"between", "from", "about", "eq"} - _ranged(relations) or n >= m:
            return None
        if m > n + 1 and any(token.role == "or" for token in core) and "between" not in kinds:
            return None  # "50 or 100 words" leaves a choice, "two or three" is a range
        return Interval(n, m)
    if "between" in kinds:
        return None
    kinds = [kind for kind in kinds if kind != "from"]
    if kinds == ["eq", "le"] and relations[0].start < relations[1].start and _is_addition(relations[1]):
        kinds = ["eq"]
    if negations > 1:
        return None
    if not kinds:
        kinds = [kind] if (kind := _implied(core)) else []
    if len(set(kinds)) > 1:
        kinds = [kind for kind in kinds if kind not in ("eq", "about")] if not {"le", "ge"} <= set(kinds) else kinds
        if len(set(kinds)) != 1:
            return None
    kind = kinds[0] if kinds else None
    bounds = interval(kind, n, negated=negations == 1, about=clause.about)
    if bounds is not None and any(token.role == "may" for token in core) and bounds.high is None:
        return None
    if bounds is not None and kind in (None, "eq") and any(token.role == "may" for token in core):
        return None
    return bounds


def _is_addition(relation: Token) -> bool:
    """ "Exactly 100 words, not one more"."""
    return relation.text.lower().endswith("more")


def _ranged(relations: Sequence[Token]) -> set[str]:
    """What "within" is of a range: nothing more than "in"."""
    return {token.value for token in relations if token.text.lower() in ("within", "inside of")}


def _implied(core: Sequence[Token]) -> str | None:
    """The relation that the verb of a clause implies, where it names none."""
    first = next(at for at, token in enumerate(core) if token.role == "number")
    before = core[first - 1] if first else None
    verbs = {token.role for token in core[:first]}
    if "limit" in verbs or (before and before.text.lower() == "down to"):
        return "le"
    if before and before.role == "to" and verbs & {"keep", "compose", "treat"}:
        return "le"
    return None


def _each_of(clause: Clause) -> Scope:
    part = PART_OF_UNIT.get(clause.counted or "")
    return ("each", part) if part else UNKNOWN_PART


def _stated(unit: Token, bounds: Interval | None, scope: Scope | None) -> list[Statement]:
    """One statement, or none where the clause was read but says nothing that can be checked."""
    if bounds is None or unit.value is None or not bounds.possible:
        return []
    if scope is not None and (not scope[1] or unit.value not in _allowed_in(scope)):
        return []
    return [Statement(unit.value, bounds.bounds(), scope)]


def _allowed_in(scope: Scope) -> tuple[str, ...]:
    part = scope[1].rpartition("_")[2]
    if part in ("title", "line"):
        return ("length.words", "length.characters", "length.sentences")
    if part in ("introduction", "conclusion"):
        part = "paragraph"
    return _UNITS_WITHIN.get(part, ())
