"""Constraints: what an instruction asks of a text, as objects with four uses (see `constraint.py`).

    from adhere.constraints import Words, parse, induce

    Words(at_most=50).check(text).met
    parse("Answer in at most 50 words, all lowercase.")
    list(induce(text))

Importing this package registers every family; the nine skills of arXiv 2604.06015 are exported here by name.
"""

from adhere.constraints.combine import AllOf, AnyOf, Not
from adhere.constraints.conflicts import Conflict, conflicts, contradict
from adhere.constraints.constraint import Check, Constraint, Monitor, Profile, Span, Verdict
from adhere.constraints.families.json_format import Json
from adhere.constraints.families.length import Characters, Words
from adhere.constraints.families.terms import Exclude, Frequency, Include
from adhere.constraints.induce import induce
from adhere.constraints.parse import Reading, find, parse, read_instructions
from adhere.constraints.registry import family, from_json, register
from adhere.constraints.scopes import Each, In

__all__ = [
    "AllOf",
    "AnyOf",
    "Characters",
    "Check",
    "Conflict",
    "Constraint",
    "Each",
    "Exclude",
    "Frequency",
    "In",
    "Include",
    "Json",
    "Monitor",
    "Not",
    "Profile",
    "Reading",
    "Span",
    "Verdict",
    "Words",
    "conflicts",
    "contradict",
    "family",
    "find",
    "from_json",
    "induce",
    "parse",
    "read_instructions",
    "register",
]
