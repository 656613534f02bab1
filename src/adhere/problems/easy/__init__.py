"""Easy problems in plain English, for models too small for the public sets.

problems = easy_problems("one-hop", count=60, seed=0)
"""

from adhere.problems.easy.problems import KINDS, Kind, easy_problems
from adhere.problems.easy.short_answer import ShortAnswerProblem

__all__ = ["KINDS", "Kind", "ShortAnswerProblem", "easy_problems"]
