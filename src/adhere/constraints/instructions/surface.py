"""Case, punctuation marks, the language of the answer, and JSON.

- "no capital letters" asks for lower case; the negation of "all caps" asks for nothing that can be checked.
- A mark is only ever forbidden here.
- A language counts where the answer is to be in it ("in French", "French only", "use Spanish"), not where it is named.
"""

from __future__ import annotations

from adhere.constraints.instructions.clause import Clause, Statement, scope_of
from adhere.constraints.instructions.shapes import shape
from adhere.constraints.instructions.tokens import Token

_ANY = "head | part=part | colon | tail"

_CASE = shape(
    f"that? ({_ANY} | include | avoid | letter | unit | appear)* case=case lang=language?"
    f"((and | or | comma)* prep? case=case)? ({_ANY} | appear | letter)*"
)
_CAPITALIZE = shape("(head | request)* capitalize (definite | article | tail | prep | unit | letter)*")
_MARK = shape(
    f"that? ({_ANY} | include | avoid | n=number)* mark=mark"
    "(joint+ (definite | article | avoid | use)* (mark=mark | any=anymark))*"
    "(tail | include | part=part | appear | use | avoid)*"
)
_LANGUAGE = shape(f"({_ANY})* language=language (tail)*")
_FORMAT = shape("(head | part=part | colon | tail | each=per)* format=format (tail)*")


_KEYS = shape(
    "head* format=format (prep | that | comma | be | include)* (definite | only)* key colon?"
    "q=quote (joint+ q=quote)* tail*"
)


def surface(clause: Clause) -> list[Statement] | None:
    """The case, forbidden marks, language or format that the clause asks for."""
    if clause.has("format") and clause.has("key"):
        match = _KEYS.match(clause.core)
        if match is not None:
            named = [str(token.value) for token in match["q"]]
            return [] if clause.negated else [Statement("format.json", {"keys": named})]
    if clause.has("quote", "select"):
        return None
    for rule in (_case, _capitalize, _mark, _language, _format):
        statements = rule(clause)
        if statements is not None:
            return statements
    return None


def _case(clause: Clause) -> list[Statement] | None:
    match = _CASE.match(clause.core)
    if match is None or clause.has("no_need", "may", "number"):
        return None
    cases = {token.value for token in match["case"]}
    scope = scope_of(match["part"], clause)
    if scope and not scope[1]:
        return []
    if len(match["case"]) == 2 and _said_twice(clause, match["case"]):
        return [Statement("case.letters", {"case": match["case"][0].value[0]}, scope)]
    if len(cases) > 1:
        return []
    case, whole = next(iter(cases))
    if clause.has("avoid") or clause.negations:
        if whole or not clause.denied or case == "title":
            return []
        return [Statement("case.letters", {"case": "lower" if case == "upper" else "upper"}, scope)]
    if (clause.has("include") or clause.has("unit")) and not whole:
        return []
    if clause.has("unit") and clause.has("use", "compose", "include"):
        return []  # "use words in all capitals" is about some words
    if not whole and not (clause.has("prep", "only") or _follows_part(clause) or case == "lower"):
        return []
    if case == "title":
        return [Statement("case.title", {}, scope)]
    stated = [Statement("case.letters", {"case": case}, scope)]
    if match["lang"]:
        stated.append(Statement("language.response", {"language": match["lang"][0].value}, scope))
    return stated


def _capitalize(clause: Clause) -> list[Statement] | None:
    """ "Do not capitalize anything", "capitalize everything"."""
    match = _CAPITALIZE.match(clause.core)
    if match is None:
        return None
    if clause.inherited or clause.has("part", "avoid", "unit", "no_need", "may"):
        return []
    whole = any(
        token.text.lower() in ("everything", "anything", "any letters", "all letters") for token in clause.tokens
    )
    if not whole or clause.negations > 1:
        return []
    return [Statement("case.letters", {"case": "lower" if clause.negations else "upper"})]


def _said_twice(clause: Clause, cases: list[Token]) -> bool:
    """Whether the second case is the first denied: "in all lowercase letters and no capital letters"."""
    negations = [token for token in clause.tokens if token.role == "neg"]
    between = len(negations) == 1 and cases[0].end <= negations[0].start < cases[1].start
    return between and cases[0].value[0] != cases[1].value[0] and not clause.has("avoid")


def _follows_part(clause: Clause) -> bool:
    return clause.has("part") and clause.has("be", "colon")


def _mark(clause: Clause) -> list[Statement] | None:
    match = _MARK.match(clause.core)
    if match is None or clause.has("no_need"):
        return None
    if match["any"]:
        return []
    zero = bool(match["n"])
    if zero and any(token.value != 0 for token in match["n"]):
        return []
    if not zero and not _each_denied(clause, len(match["mark"])):
        return []
    if clause.has("only") or (clause.has("may") and not clause.negations):
        return []
    scope = scope_of(match["part"], clause)
    if scope and not scope[1]:
        return []
    marks = dict.fromkeys(token.value for token in match["mark"])
    return [
        Statement(_FAMILY_OF_MARK[mark], {}, scope)
        if mark in _FAMILY_OF_MARK
        else Statement("excludes.mark", {"mark": mark}, scope)
        for mark in marks
    ]


def _each_denied(clause: Clause, marks: int) -> bool:
    """Whether one negation denies all the marks, or each has its own: "no commas, no colons"."""
    negations = clause.negations + sum(token.role == "avoid" for token in clause.tokens)
    return negations == 1 or (negations == marks and clause.negations == marks)


_FAMILY_OF_MARK = {"digits": "excludes.digits", "markdown": "excludes.markdown"}
"""What is forbidden like a mark and has a family of its own."""


def _language(clause: Clause) -> list[Statement] | None:
    match = _LANGUAGE.match(clause.core)
    if match is None or clause.negated or clause.has("no_need", "may", "treat", "number"):
        return None
    at = clause.core.index(match["language"][0])
    before = clause.core[at - 1].role if at else ""
    after = clause.core[at + 1] if at + 1 < len(clause.core) else None
    if after is not None and after.role == "prep" and after.value == "in" and not before:
        return [Statement("language.response", {"language": match["language"][0].value}, clause.inherited)]
    if not (
        before in ("prep", "colon")
        or clause.has("only")
        or clause.has("use", "answer_verb")
        or (clause.has("modal") and clause.has("be"))
    ):
        return []
    if before == "prep" and clause.core[at - 1].value != "in" and not clause.has("use"):
        return []
    scope = scope_of(match["part"], clause)
    if scope and not scope[1]:
        return []
    return [Statement("language.response", {"language": match["language"][0].value}, scope)]


def _format(clause: Clause) -> list[Statement] | None:
    match = _FORMAT.match(clause.core)
    if match is None or clause.negated or clause.has("no_need", "may", "part", "per"):
        return None
    format = match["format"][0]
    at = clause.core.index(format)
    before = {token.role for token in clause.core[:at]}
    after = {token.role for token in clause.core[at + 1 :]}
    if not (
        before & {"prep", "only", "answer_verb", "modal", "use"}
        or "only" in after
        or before & {"compose", "subject"}
        or not before
    ):
        return []
    return [Statement(f"format.{format.value}", {}, None)]
