"""Math problems, graded by the value that ends the response (GSM8K, SVAMP, MATH-500, the pocket world).

Rules:
- The answer is read where the response states it (`cues.py`); without a cue, the last formula or number of the text
  counts. The reader never sees the right answer.
- Answers are compared by value: 1/2 is 0.5 is \\frac{1}{2}, 70,000 is $70000.00, 50 % is 50 (and 0.5). Two plain
  numbers are compared here, exactly, to 1e-6; everything else by math-verify.
- A unit behind the number is ignored.
- A step is an equation of the response in order, right if its left side, where it is plain arithmetic, comes to its
  right side.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from adhere.core.errors import UserError
from adhere.problems.comparing import CPU_SECONDS, Comparison, compare
from adhere.problems.cues import boxed, stated
from adhere.problems.parsing import PARSER
from adhere.problems.problem import Domain, Grade, Step, content_id, unreadable

TOLERANCE = Fraction(1, 10**6)
"""Absolute; math-verify rounds to as many places."""
ROUNDING = Fraction(1, 10)
"""By how much, or one in a hundred, an equation inside a solution may be off and still count as rounded."""
LONGEST_ANSWER = 2_000  # characters; an answer longer than this is a text that says nothing
LONGEST_NUMBER = 300  # digits
LONGEST_RESPONSE = 100_000  # characters; of a longer one the end is read
CURRENCY = "$€£¥₹"
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
NUMBER = re.compile(
    rf"(?<![\w.])([-+−]?)\s?[{CURRENCY}]?\s?([-−]?)({_DIGITS})(?:\s*/\s*({_DIGITS}))?(?![\d/])\s*(%|percent\b)?"
)
_MARK = re.compile(r"(?<!\\)\$\$?|\\[\[\]()]")
_CLOSING = {"$$": "$$", "$": "$", "\\[": "\\]", "\\(": "\\)"}
_SPACING = re.compile(r"\\[!,;: ]|\\left(?![a-z])|\\right(?![a-z])|~")
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mbox)\s*\{([^{}]*)\}")
_EMPHASIS = re.compile(r"\*\*(?!\d)|(?<!\d)\*\*")  # but 2**10 is a power
_RIGHT = re.compile(
    rf"=\s*[{CURRENCY}]?\s*([-−]?(?:{_DIGITS})(?:/\d+)?)"
    rf"(?![\d/%])(?!\.\d)(?!\s*[-+−*×÷x]\s*[\d({CURRENCY}])"
)
"""An equals sign and a number that is not the beginning of a longer sum."""
_LEFT = re.compile(rf"[\d.,+\-−*/x×÷()%{CURRENCY} ]+$")
LONGEST_SUM = 160  # characters of an equation's left side


def _clean(words: str) -> str:
    """An answer without the dress around it: emphasis, quotes, spacing commands, escaped signs, the final stop."""
    words = _EMPHASIS.sub("", _TEXT.sub(r" \1 ", words))
    words = words.replace("\\$", "$").replace("\\%", "%").replace("{,}", ",").replace("−", "-")
    words = _SPACING.sub("", words)
    return words.strip(" \t\n*_`\"'“”‘’").removesuffix(".").strip(" \t\n*_`\"'“”‘’")


def _fraction(sign: str, digits: str, under: str | None) -> Fraction | None:
    if len(digits) + len(under or "") > LONGEST_NUMBER:
        return None
    value = Fraction(digits.replace(",", ""))
    if under is not None:
        bottom = Fraction(under.replace(",", ""))
        if bottom == 0:
            return None
        value /= bottom
    return -value if sign in ("-", "−") else value


def _numbers(text: str) -> list[tuple[Fraction, bool, re.Match[str]]]:
    """The plain numbers in `text`: value, whether a percent sign follows, where."""
    values = []
    for match in NUMBER.finditer(text):
        value = _fraction(match[1] or match[2], match[3], match[4])
        if value is not None:
            values.append((value, match[5] is not None, match))
    return values


def plain_value(words: str) -> tuple[Fraction, bool] | None:
    """The number that `words` come to if they are plain words around plain numbers; whether it is a percentage.

    `$18 per day` is 18, `16 - 7 = 9 eggs` is 9; `5x`, `\\sqrt{2}`, `(3, 4)`, `2^8` and `52_8` are not plain.
    """
    words = _clean(words)
    if len(words) > LONGEST_ANSWER:
        return None
    if "=" in words and "," not in words.replace(", ", ","):
        words = words.rpartition("=")[2].strip()
    numbers = _numbers(words)
    if not numbers:
        return None
    rest = NUMBER.sub(" ", words)
    if re.search(r"[\\^_{}()\[\]<>|=+*/×÷±√π°!]|\d|(?<![A-Za-z'’])[B-HJ-Zb-z](?![A-Za-z'’])", rest):
        return None
    if re.search(r",\s*[-+]?[\d$]|\d\s*,", words.replace(",", "", 0)) and len(numbers) > 1:
        return None  # a list of numbers
    if len(numbers) == 2 and re.search(r"\d\s*[-−]\s*\d", words):
        return None  # a difference
    starts = not words[: numbers[0][2].start()].strip()
    value, percent, _ = numbers[0] if starts else numbers[-1]
    return value, percent


def _formulas(text: str) -> list[tuple[str, int]]:
    """What stands between marks of math, and where it ends; a dollar that is money opens none."""
    results: list[tuple[str, int]] = []
    opened: tuple[str, int] | None = None
    for match in _MARK.finditer(text):
        mark, end = match[0], match.end()
        if opened is not None and mark == _CLOSING[opened[0]]:
            inside = text[opened[1] : match.start()]
            money = mark == "$" and (
                "\n" in inside or not inside or inside[-1].isspace() or text[end : end + 1].isdigit()
            )
            if not money:
                if inside.strip():
                    results.append((inside, end))
                opened = None
                continue
        if mark in _CLOSING and (opened is None or opened[0] == "$" or mark[0] == "\\"):
            opened = (mark, end)
    return results


def read_answer(response: str) -> str | None:
    """The words in which `response` gives its value; None where there is neither cue nor formula nor number."""
    words = stated(response)
    if words is None or not _says_something(words):
        words = _last_value(response)
    if words is None:
        return None
    inside = boxed(words)
    words = inside if inside is not None else words
    formulas = _formulas(words)
    if len(formulas) == 1:
        words = formulas[0][0]
    return _clean(words)[:LONGEST_ANSWER] or None


def _says_something(words: str) -> bool:
    return bool(re.search(r"[\dA-Za-z\\∞∅]", words))


def _last_value(response: str) -> str | None:
    formulas = _formulas(response)
    numbers = _numbers(response)
    if formulas and (not numbers or formulas[-1][1] >= numbers[-1][2].end()):
        return formulas[-1][0]
    return numbers[-1][2].group().strip() if numbers else None


def _same_words(gold: str, answer: str) -> bool:
    one, other = (re.sub(r"[\s$]+", "", _clean(words)).casefold() for words in (gold, answer))
    return bool(one) and one == other


def same_value(gold: str, answer: str) -> bool:
    """Whether `answer` is known to have the value of `gold`.

    Raises:
        UserError: math-verify is needed and not installed.
    """
    return compare_values(gold, answer) == "equal"


def compare_values(gold: str, answer: str) -> Comparison:
    """Whether `answer` has the value of `gold`, or why that cannot be told.

    Raises:
        UserError: math-verify is needed and not installed.
    """
    if _same_words(gold, answer):
        return "equal"
    wanted, given = plain_value(gold), plain_value(answer)
    if wanted is not None and given is not None:
        candidates = {given[0]} | ({given[0] / 100} if given[1] != wanted[1] else set())
        candidates |= {given[0] * 100} if wanted[1] and not given[1] else set()
        return "equal" if any(abs(one - wanted[0]) <= TOLERANCE for one in candidates) else "unequal"
    if wanted is not None and not _says_something(re.sub(r"[A-Za-z]{2,}", "", answer)):
        return "unequal"  # words, against a number
    return compare(_clean(gold), _clean(answer))


_OPERATORS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _arithmetic(text: str) -> Fraction | None:
    """The value of plain arithmetic; None where it is none."""
    if len(text) > LONGEST_SUM + LONGEST_NUMBER:
        return None
    text = re.sub(rf"[,{CURRENCY}]", "", text).replace("−", "-").replace("÷", "/")
    text = re.sub(r"(?<=[\d.)%])\s*[x×]\s*(?=[\d(.])", "*", text).replace("%", "/100").strip()

    def value(node: ast.AST) -> Fraction:
        if isinstance(node, ast.Expression):
            return value(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return Fraction(str(node.value))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError

    try:
        with PARSER:
            tree = ast.parse(re.sub(r"(?<![\d.])0+(?=\d)", "", text), mode="eval")
        return value(tree)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _holds(left: str, result: Fraction, before: str) -> bool | None:
    """Whether `left` comes to `result`; None where it is no sum of its own (the end of one with words or unknowns)."""
    if (
        left[0] in "-+−*/x×÷%)"
        or not re.search(r"[\d.)%]\s*[-+−*/x×÷]", left)
        or re.search(r"(?:[-+−*/×÷=(^_\\]|\b[a-z])\s*$", before, re.IGNORECASE)
    ):
        return None
    sums = [v for v in (_arithmetic(left), _arithmetic(left.replace("%", ""))) if v is not None]
    # Loosely: people round as they go.
    return any(abs(value - result) <= max(ROUNDING, abs(result) / 100) for value in sums) if sums else None


def equations(response: str) -> tuple[Step, ...]:
    """The equations of `response` in order; GSM8K's <<a=b>> counts once, with the text it annotates."""
    text = re.sub(r"<<[^<>]*>>", "", response)
    steps = []
    for match in _RIGHT.finditer(text):
        start = max(0, match.start() - LONGEST_SUM)
        before = _LEFT.search(text[start : match.start()].rstrip())
        result = _arithmetic(match[1])
        if before is None or result is None or not re.search(r"\d", before[0]):
            continue
        left = before[0].strip()
        ok = _holds(left, result, text[start : start + before.start()])
        steps.append(Step(f"{left} = {match[1]}", ok, value=str(result)))
    return tuple(steps)


@dataclass(frozen=True)
class MathProblem:
    """A question with a value for an answer.

    Args:
        prompt: the question as it is put.
        answer: the right value: a number, or LaTeX.
        id: given by the data set, or made from the contents.
        solution: a worked solution, informative only.
    """

    prompt: str
    answer: str
    id: str = ""
    solution: str = field(default="", repr=False)
    domain: Domain = field(default="math", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "answer", str(self.answer).strip())
        if not self.answer:
            raise UserError(f"the math problem {self.prompt[:60]!r} has no answer")
        if not self.id:
            object.__setattr__(self, "id", content_id("math", self.prompt, self.answer))

    @property
    def reference(self) -> str:
        """The right value."""
        return self.answer

    def grade(self, response: str) -> Grade:
        """Read the value and compare it.

        Raises:
            UserError: math-verify is needed and not installed.
        """
        response = response[-LONGEST_RESPONSE:]
        words = read_answer(response)
        if words is None:
            return unreadable("no value in the response")
        comparison = compare_values(self.answer, words)
        steps = equations(response)
        shown = words if len(words) <= 80 else words[:77] + "..."
        if comparison == "undecided":
            return Grade(None, words, f"{shown!r} was not compared with {self.answer!r}", "undecided", 0.0, steps)
        if comparison == "costly":
            reason = f"comparing {shown!r} with {self.answer} takes more than {CPU_SECONDS:g} s or all the memory"
            return Grade(False, words, reason, "limit", 0.0, steps)
        same = comparison == "equal"
        verdict = "is" if same else "is not"
        reason = f"{shown} {verdict} {self.answer}"
        return Grade(same, words, reason, "correct" if same else "wrong", float(same), steps)


MATH_INSTRUCTION = "\nPut your final answer within \\boxed{}."
WORD_INSTRUCTION = "\nEnd with a line `Answer: ` and the number."


def gsm8k(row: dict[str, Any]) -> MathProblem:
    """A row of GSM8K (question, answer ending in `#### value`) as a problem.

    Raises:
        ValueError: the answer has no `####`.
    """
    solution, marks, answer = str(row["answer"]).rpartition("####")
    if not marks:
        raise ValueError("the answer does not end in '#### value'")
    return MathProblem(row["question"].strip() + WORD_INSTRUCTION, answer.strip(), solution=solution.strip())


def svamp(row: dict[str, Any]) -> MathProblem:
    """A row of SVAMP (Body, Question, Answer, Equation) as a problem."""
    body = row["Body"].strip()
    question = f"{body if body.endswith(('.', '!', '?')) else body + '.'} {row['Question'].strip()}"
    number = row.get("ID", "")
    return MathProblem(
        question + WORD_INSTRUCTION,
        str(row["Answer"]),
        id=f"svamp/{number}" if number else "",
        solution=str(row.get("Equation", "")),
    )


def math500(row: dict[str, Any]) -> MathProblem:
    """A row of MATH-500 (problem, answer, solution, unique_id) as a problem."""
    return MathProblem(
        row["problem"].strip() + MATH_INSTRUCTION,
        row["answer"],
        id=str(row.get("unique_id", "")),
        solution=row.get("solution", ""),
    )
