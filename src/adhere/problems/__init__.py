"""Questions with checkable answers: math, multi-hop QA, code.

    problems = load("gsm8k.jsonl").problems          # or "openai/gsm8k" from the Hub
    grade = problems[0].grade("... #### 18")          # grade.correct, grade.answer, grade.reason
    grades = grade_all(problems, responses)           # code is run together

A grader takes the text after reasoning has been removed.
"""

from adhere.problems.coding import CodeProblem, CodeTest, grade_code
from adhere.problems.grading import grade_all
from adhere.problems.loading import FORMATS, Loaded, load
from adhere.problems.mathematics import MathProblem
from adhere.problems.multihop import Hop, QAProblem
from adhere.problems.problem import Domain, Grade, Outcome, Problem, Step, first_difference

__all__ = [
    "FORMATS",
    "CodeProblem",
    "CodeTest",
    "Domain",
    "Grade",
    "Hop",
    "Loaded",
    "MathProblem",
    "Outcome",
    "Problem",
    "QAProblem",
    "Step",
    "first_difference",
    "grade_all",
    "grade_code",
    "load",
]
