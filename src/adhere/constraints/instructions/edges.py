"""How the answer begins and ends: "start with 'Dear'", "the last line must be 'Stay curious!'"."""

from __future__ import annotations

from adhere.constraints.instructions.amounts import PART_OF_UNIT
from adhere.constraints.instructions.clause import Clause, Statement, scope_of
from adhere.constraints.instructions.shapes import shape
from adhere.constraints.instructions.tokens import Token

_LINK = "(head | tail | include | wordnoun | colon | unit | part=part | appear | artifact)*"

_LIST = "q=quote (joint+ (definite | wordnoun | prep)* q=quote)*"

_FINISH = shape(f"(head | subject | part=part | each=per)* finish=finish {_LINK} {_LIST} (tail | part=part | appear)*")
_BEGIN = shape(f"(head | subject | part=part | each=per)* begin=begin {_LINK} {_LIST} (tail | part=part | appear)*")
_BEGIN_LATE = shape(f"(head | subject | part=part)* {_LIST} (tail | wordnoun | part=part)* begin=begin (tail | verb)*")
_FINISH_LATE = shape(
    f"(head | subject | part=part)* {_LIST} (tail | wordnoun | part=part)* finish=finish (tail | verb)*"
)
_LAST = shape(
    "(head | put | finish)* part=part (head | be | modal | colon | include | wordnoun | unit | prep)* q=quote (tail)*"
)
_PLACED = shape(
    "(head | put | include | wordnoun | unit | colon)* q=quote (head | be | modal)* part=part"
    "(prep | subject | definite | artifact)*"
)

_FIRST = ("first_line", "first_sentence", "first_word", "beginning")
_LAST_PARTS = ("last_line", "last_sentence", "last_word", "ending")


def edges(clause: Clause) -> list[Statement] | None:
    """What the answer must begin or end with."""
    if not clause.has("quote") or clause.has("select", "may", "no_need", "number"):
        return None
    if clause.has("or") and not clause.denied:
        return None
    for pattern, kind in ((_FINISH, "end"), (_BEGIN, "start")):
        match = pattern.match(clause.core)
        if match is not None:
            return _edge(kind, match, clause)
    for pattern, role, kind in ((_FINISH_LATE, "finish", "end"), (_BEGIN_LATE, "begin", "start")):
        match = pattern.match(clause.core)
        if match is not None and not match[role][0].text.isascii():
            return _edge(kind, {**match, "each": []}, clause)
    match = _LAST.match(clause.core)
    if match is not None and clause.has("be", "colon", "include", "compose") and len(match["part"]) == 1:
        return _named(match, clause, exact=clause.has("be", "colon", "compose"))
    match = _PLACED.match(clause.core)
    if match is not None and clause.has("put", "include", "compose"):
        return _named(match, clause, exact=False)
    return None


def _edge(kind: str, match: dict[str, list[Token]], clause: Clause) -> list[Statement]:
    scope = scope_of(match["part"], clause)
    units = [token.value for token in clause.core if token.role == "unit" and token.value != "length.words"]
    counted = [PART_OF_UNIT.get(unit) for unit in units]
    if match["each"] and not units:
        units = [clause.counted] if clause.counted else []
        counted = [PART_OF_UNIT.get(unit) for unit in units]
        if scope or not counted or counted[0] is None:
            return []
        scope = ("each", counted[0])
    elif counted:
        plain = any(token.role == "article" for token in clause.core) or clause.negations
        if scope or len(counted) > 1 or counted[0] is None or not plain:
            return []
        scope = ("each", counted[0])
    elif scope is not None:
        part = scope[1]
        if (part in _LAST_PARTS and kind == "end") or (part in _FIRST and kind == "start"):
            scope = None
        elif not part or part in ("beginning", "ending", "first_word", "last_word"):
            return []
    if clause.negations + sum(token.role == "avoid" for token in clause.tokens) > 1:
        return []
    name = "structure.end_phrase" if kind == "end" else "structure.start_phrase"
    phrases = [str(token.value).strip() for token in match["q"]]
    if len(phrases) > 1 and not clause.denied:
        return []
    return [Statement(name, {"phrase": phrase}, scope, denied=clause.denied) for phrase in phrases]


def _named(match: dict[str, list[Token]], clause: Clause, *, exact: bool) -> list[Statement] | None:
    part = match["part"][0].value[1]
    if clause.negated or clause.inherited:
        return None
    phrase = str(match["q"][0].value).strip()
    if match["part"][0].value[0] != "in":
        return None
    if part in _LAST_PARTS and (exact or part == "ending"):
        return [Statement("structure.end_phrase", {"phrase": phrase})]
    if part in _FIRST and (exact or part == "beginning"):
        return [Statement("structure.start_phrase", {"phrase": phrase})]
    return None
