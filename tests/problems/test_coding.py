"""Code is judged by running it: right solutions pass, wrong ones fail with the test that shows it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.problems import CodeProblem, MathProblem, first_difference, grade_all, grade_code, load
from adhere.problems.sandbox import Limits, Run

FILES = ["humaneval/HumanEval.jsonl.gz", "mbpp/mbpp.jsonl", "mbpp/sanitized-mbpp.json"]


def mutated(program: str, entry: str) -> str:
    """`program` with a wrong answer: what it returned, in a box."""
    return f"{program}\n\n_right = {entry}\ndef {entry}(*a, **k):\n    return [_right(*a, **k), 'wrong']\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_reference_solution_passes_and_a_mutated_one_fails(shared_data: Path, name: str) -> None:
    problems = [p for p in load(shared_data / name).problems if isinstance(p, CodeProblem)]
    quick = [p for p in problems if p.id != "mbpp/123"]  # three seconds by itself: once is enough
    pairs = [(p, f"Here you are.\n```python\n{p.reference}\n```") for p in problems]
    wrong = [(p, mutated(p.reference, p.entry_point)) for p in quick]
    grades = grade_code([*pairs, *wrong])
    assert [(p.id, g.reason) for (p, _), g in zip(pairs, grades, strict=False) if g.correct is not True] == []
    late = grades[len(pairs) :]
    assert [p.id for (p, _), g in zip(wrong, late, strict=True) if g.correct is not False] == []
    assert all(grade.readable for grade in late)


def test_humaneval_bodies_alone_pass(shared_data: Path) -> None:
    problems = [p for p in load(shared_data / FILES[0]).problems if isinstance(p, CodeProblem)]
    bodies = [p.reference.removeprefix(p.stub) for p in problems]
    assert all(grade.correct for grade in grade_all(problems, bodies))


class _Flip(ast.NodeTransformer):
    """Swap the first + with -, < with <=, or the first number with its successor."""

    def __init__(self) -> None:
        self.done = False

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not self.done and isinstance(node.op, ast.Add | ast.Sub):
            self.done = True
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not self.done and type(node.value) is int:
            self.done = True
            return ast.Constant(node.value + 1)
        return node


def test_small_slips_in_humaneval_solutions_are_found(shared_data: Path) -> None:
    problems = [p for p in load(shared_data / FILES[0], limit=80).problems if isinstance(p, CodeProblem)]
    pairs = []
    for problem in problems:
        flip = _Flip()
        tree = flip.visit(ast.parse(problem.reference))
        if flip.done:
            limited = CodeProblem(
                problem.prompt, problem.entry_point, problem.tests, stub=problem.stub, limits=Limits(cpu=1, wall=3)
            )
            pairs.append((limited, ast.unparse(tree)))
    grades = grade_code(pairs)
    assert len(pairs) > 50
    # Some slips change nothing that can be seen (a bound searched one further); most must show.
    assert sum(grade.correct is False for grade in grades) > 0.8 * len(pairs)


DOUBLE = CodeProblem("Write double(x).", "double", [((2,), 4), ((5,), 10), (("a",), "aa")])


@pytest.mark.parametrize(
    ("response", "outcome", "score", "first"),
    [
        ("def double(x): return x * 2", "correct", 1.0, None),
        ("def double(x): return x + x", "correct", 1.0, None),
        ("def double(x): return x ** 2", "error", 1 / 3, 1),
        ("def double(x): return 4", "wrong", 1 / 3, 1),
        ("def double(x):\n    if x == 5:\n        while True: pass\n    return x * 2", "limit", 1 / 3, None),
        ("def double(x):\n    return bytearray(10**12)", "limit", 0.0, 0),
        ("I cannot.", "unreadable", 0.0, None),
        ("def double(x, y): return x", "error", 0.0, 0),
        ("def double(x): return x * 2\nraise ValueError('no')", "error", 0.0, None),
        ("def double(x): return x * 2\nexit(0)", "error", 0.0, None),
        ("class Any:\n    def __eq__(self, other): return True\ndef double(x): return Any()", "error", 0.0, 0),
        ("double = 3", "error", 0.0, None),
    ],
)
def test_outcomes_name_what_happened(response: str, outcome: str, score: float, first: int | None) -> None:
    problem = CodeProblem(DOUBLE.prompt, DOUBLE.entry_point, DOUBLE.tests, limits=Limits(cpu=0.5, wall=2))
    grade = problem.grade(response)
    assert (grade.outcome, grade.first_failed) == (outcome, first), grade
    assert grade.score == pytest.approx(score)
    assert grade.correct is (outcome == "correct")


def test_first_failing_assertion_of_a_test_program_is_named() -> None:
    loop = "    for x in (2, 3):\n        assert f(x) == x\n"
    check = f"def check(f):\n    assert f(1) == 1\n{loop}    assert f(9) == 9\n\ncheck(f)"
    problem = CodeProblem("Identity.", "f", [check])
    grade = problem.grade("def f(x):\n    return x if x < 3 else 0")
    assert [(step.text, step.ok) for step in grade.steps] == [
        ("assert f(1) == 1", True),
        ("assert f(x) == x", False),
        ("assert f(9) == 9", None),
    ]
    assert grade.reason.startswith("test 2 of 3 fails")


def test_every_assertion_of_a_list_is_run_also_after_a_failure() -> None:
    problem = CodeProblem("Identity.", "f", ["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"])
    grade = problem.grade("def f(x):\n    return 0 if x == 2 else x")
    assert [step.ok for step in grade.steps] == [True, False, True]
    before = problem.grade("def f(x):\n    return x")
    assert first_difference(before, grade) == 1


def test_main_guards_are_not_run_and_dataclasses_work() -> None:
    source = """
from dataclasses import dataclass
@dataclass
class P:
    x: int
def double(x): return P(x).x * 2
if __name__ == "__main__":
    double(input())
"""
    assert DOUBLE.grade(source).correct is True


def test_a_broken_sandbox_is_undecided_not_wrong() -> None:
    grade = DOUBLE.judge("def double(x): return 2 * x", Run(end="broke", reports=()))
    assert (grade.correct, grade.outcome, grade.readable) == (None, "undecided", True)


def test_script_for_other_sandboxes_agrees_with_ours(tmp_path: Path) -> None:
    for program, correct in (("def double(x): return x * 2", True), ("def double(x): return 4", False)):
        path = tmp_path / "script.py"
        path.write_text(DOUBLE.script(program))
        done = subprocess.run([sys.executable, "-I", "-S", str(path)], capture_output=True, check=False)
        assert (done.returncode == 0) is correct
        assert DOUBLE.grade(program).correct is correct


def test_grade_all_keeps_the_order_of_mixed_problems() -> None:
    problems = [DOUBLE, MathProblem("2 + 2?", "4"), DOUBLE]
    grades = grade_all(problems, ["def double(x): return 4", "4", "def double(x): return x * 2"])
    assert [grade.correct for grade in grades] == [False, True, True]
    with pytest.raises(ValueError, match="argument 2"):
        grade_all(problems, ["one"])


def test_problems_without_tests_or_of_two_kinds_are_refused() -> None:
    for tests in ([], ["assert f(1)", ((1,), 1)]):
        with pytest.raises(UserError, match="needs tests"):
            CodeProblem("?", "f", tests)
