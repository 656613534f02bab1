"""Math answers are read leniently and compared by value."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.problems import MathProblem, first_difference, load
from adhere.problems.expression_size import is_too_large
from adhere.problems.mathematics import equations, gsm8k, plain_value, read_answer, same_value, svamp

# Correct answers of 1,319 as marked in the file itself.
MARKED = {"6b_finetuning": 286, "6b_verification": 515, "175b_finetuning": 458, "175b_verification": 742}


@pytest.mark.parametrize("model", MARKED)
def test_gsm8k_solutions_of_four_models_are_graded_as_the_file_marks_them(shared_data: Path, model: str) -> None:
    lines = (shared_data / "gsm8k/example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    marked, graded = 0, 0
    for row in rows:
        problem = MathProblem(row["question"], row["ground_truth"].rpartition("A:")[2])
        correct = problem.grade(row[model]["solution"]).correct
        assert correct is row[model]["is_correct"], row[model]["solution"]
        marked += row[model]["is_correct"]
        graded += correct is True
    assert len(rows) == 1319
    assert graded == marked == MARKED[model]


def test_every_worked_gsm8k_answer_is_right_and_its_successor_wrong(shared_data: Path) -> None:
    problems = load(shared_data / "gsm8k/test.jsonl").problems
    for problem in problems:
        assert isinstance(problem, MathProblem)
        assert problem.grade(f"{problem.solution}\n#### {problem.answer}").correct is True
        wrong = Fraction(problem.answer.replace(",", "")) + 1
        assert problem.grade(f"{problem.solution}\n#### {wrong}").correct is False


def test_every_worked_math500_solution_is_right(shared_data: Path) -> None:
    problems = load(shared_data / "math500/test.jsonl").problems
    assert len(problems) == 500
    wrong = [p.id for p in problems if isinstance(p, MathProblem) and p.grade(p.solution).correct is not True]
    assert wrong == []


@pytest.mark.parametrize(
    "dress",
    [
        "The final answer is ${}$.",
        "**Answer:** {}",
        "We saw $x^2$, so\n\\[ {} \\]",
        "ANSWER: \\({}\\)",
        "So it is ${}$",
    ],
)
def test_math500_answers_are_read_in_every_dress(shared_data: Path, dress: str) -> None:
    problems = load(shared_data / "math500/test.jsonl").problems
    wrong = [p.id for p in problems if p.grade(dress.replace("{}", p.reference)).correct is not True]
    assert wrong == []


def test_answers_to_other_math500_problems_are_wrong(shared_data: Path) -> None:
    problems = load(shared_data / "math500/test.jsonl").problems[:150]
    for problem, other in zip(problems, [*problems[7:], *problems[:7]], strict=True):
        if problem.reference == other.reference:
            continue
        grade = problem.grade(f"Answer: ${other.reference}$")
        # 5 and x=5 are the one pair of this file that differ in writing only.
        assert grade.correct is False or {problem.reference, other.reference} == {"5", "x=5"}, grade


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("She makes $18 every day.\nA: 18", "18"),
        ("#### 70,000", "70,000"),
        ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("first \\boxed{3}, no: \\boxed{\\sqrt{4}}", "\\sqrt{4}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("The answer is:\n\n**42**\n\nHope that helps!", "42"),
        ('{"reasoning": "2 * 21", "answer": 42}', "42"),
        ("THE FINAL ANSWER IS **7** DOLLARS.", "7 DOLLARS"),
        ("My answer would be $1,234.50.", "$1,234.50"),
        ("The total is $20 + $5 = $25.", "$25"),
        ("It costs $3 and then $x+1$", "x+1"),
        ("There are 12 eggs in 3 nests", "3"),
        ("Answer: −5", "-5"),
        ("I cannot say.", None),
        ("", None),
        ("The answer is unclear to me.", "unclear to me"),
    ],
)
def test_answer_is_read_where_it_is_stated(response: str, answer: str | None) -> None:
    assert read_answer(response) == answer


def test_a_response_without_any_value_is_unreadable_not_wrong() -> None:
    grade = MathProblem("2 + 2?", "4").grade("Let me think about that.")
    assert (grade.correct, grade.readable, grade.outcome) == (False, False, "unreadable")


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("\\frac{1}{2}", "0.5"),
        ("0.5", "1/2"),
        ("70000", "$70,000.00"),
        ("50", "50%"),
        ("50%", "0.5"),
        ("18", "18 dollars per day"),
        ("9", "16 - 7 = 9 eggs"),
        ("1024", "2^{10}"),
        ("3\\sqrt{13}", "\\sqrt{117}"),
        ("(3,4]", "(3, 4]"),
        ("\\text{Evelyn}", "**Evelyn**"),
        ("x^2+2x+1", "(x+1)^2"),
        ("5", "x = 5"),
    ],
)
def test_equal_values_are_equal_however_written(gold: str, answer: str) -> None:
    assert same_value(gold, answer) is True


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("18", "81"),
        ("5", "5x"),
        ("7", "3, 5, 7"),
        ("4", "(3,4]"),
        ("52_8", "42"),
        ("1000000", "1000001"),
        ("5", "-5"),
        ("\\sqrt{2}", "2"),
        ("0.3", "0.301"),
        ("18", "eighteen sheep"),
    ],
)
def test_different_values_are_different(gold: str, answer: str) -> None:
    assert same_value(gold, answer) is False


def test_digits_beyond_pythons_limit_are_no_crash() -> None:
    assert MathProblem("?", "5").grade("Answer: " + "18" * 50_000).correct is False
    assert plain_value("1/0") is None


def test_comparing_works_in_threads_where_signals_do_not() -> None:
    results: list[bool | None] = []
    threads = [
        threading.Thread(target=lambda k=k: results.append(same_value(f"\\frac{{{k}}}{{3}}", f"{2 * k}/6 + 0")))
        for k in range(1, 6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 5


HUGE = [
    "9^{9^{9^{9}}}",
    "1000000000!",
    "((9!)!)!",
    "9^(9^9)",
    "2^{10000000}",
    "(10^{10})!",
    "9**9**9",
    "7" * 1_900 + "^{7}",
]


@pytest.mark.parametrize("answer", HUGE)
def test_an_answer_that_is_huge_is_wrong_before_anything_evaluates_it(
    monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    from adhere.problems import comparing

    monkeypatch.setattr(comparing._Worker, "compare", lambda *_: pytest.fail("it was evaluated"))
    grade = MathProblem("?", "\\sqrt{9}").grade(f"\\boxed{{{answer}}}")
    assert (grade.correct, grade.outcome) == (False, "limit")


@pytest.mark.parametrize(
    "expression",
    [
        "2^{10}",
        "10!",
        "x^{2^{3}}",
        "n!",
        "2^{100}",
        "(3+4)^{2}",
        "\\frac{10!}{8!}",
        "7!!",
        "e^{1000000000}",
        "1^{999999999}",
    ],
)
def test_ordinary_powers_and_factorials_are_not_too_large(expression: str) -> None:
    assert not is_too_large(expression)


def test_an_expression_that_never_ends_is_wrong_and_the_next_one_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.problems import comparing

    monkeypatch.setattr(comparing, "is_too_large", lambda _: False)
    monkeypatch.setattr(comparing, "CPU_SECONDS", 1.0)
    grade = MathProblem("?", "\\sqrt{81}").grade("\\boxed{9^{9^{9^{9}}}}")
    assert (grade.correct, grade.outcome) == (False, "limit")
    assert same_value("\\sqrt{16}", "4 + 0x") is True


def test_a_comparison_that_a_busy_machine_stalls_is_tried_again_and_never_costly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adhere.problems import comparing

    monkeypatch.setattr(comparing, "STARVED_SECONDS", 0.6)
    assert same_value("\\sqrt{25}", "5 + 0x") is True
    starts = []
    real = comparing._Worker._start

    def stalled(worker: comparing._Worker) -> None:
        real(worker)
        starts.append(worker)
        os.kill(worker._child, signal.SIGSTOP)  # it gets no processor at all

    monkeypatch.setattr(comparing._Worker, "_start", stalled)
    worker = comparing._Worker()
    assert worker.compare("\\sqrt{36}", "6 + 0x") == "undecided"
    assert len(starts) == 2
    monkeypatch.undo()
    assert same_value("\\sqrt{36}", "6 + 0x") is True, "what the machine did is not remembered"


def test_a_right_answer_that_is_huge_leaves_the_item_undecided_not_wrong() -> None:
    assert MathProblem("?", "9^{9^{9^9}}").grade("\\boxed{4x}").outcome == "undecided"
    assert MathProblem("?", "9^{9^{9^9}}").grade("\\boxed{9^{9^{9^9}}}").correct is True


def test_a_grader_that_fails_over_one_response_fails_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.problems import coding, grade_all, mathematics

    def broken(response: str, *_: object) -> str:
        if "boom" in response:
            raise RecursionError("boom")
        return real(response)

    real = mathematics.read_answer
    monkeypatch.setattr(mathematics, "read_answer", broken)
    monkeypatch.setattr(coding, "read_program", broken)
    code = coding.CodeProblem("?", "f", [((1,), 2)])
    grades = grade_all([MathProblem("?", "4")] * 2 + [code], ["boom", "4", "boom"])
    assert [(grade.correct, grade.outcome) for grade in grades] == [
        (False, "error"),
        (True, "correct"),
        (False, "error"),
    ]


@pytest.mark.parametrize(
    "text",
    ["1 + " * 20_000 + "=", "$" * 50_000, "\\boxed{" * 20_000, "\\(" * 50_000, "answer " * 15_000, "$a" * 40_000],
)
def test_reading_takes_linear_time_on_degenerate_text(text: str) -> None:
    started = time.process_time()
    read_answer(text)
    equations(text)
    assert time.process_time() - started < 10  # quadratic readers took minutes


def test_equations_are_steps_and_false_ones_are_found() -> None:
    steps = equations("She has 16 - 3 = <<16-3=13>>13 eggs, sells 2 * 9 = $17, and 1.5 x 4 = 6. Then x + 7 = 15.")
    assert [(step.text, step.ok) for step in steps] == [
        ("16 - 3 = 13", True),
        ("2 * 9 = 17", False),
        ("1.5 x 4 = 6", True),
        ("x + 7 = 15", None),
    ]


def test_equations_of_right_solutions_hardly_ever_count_as_false(shared_data: Path) -> None:
    steps = [
        s
        for p in load(shared_data / "gsm8k/test.jsonl").problems
        if isinstance(p, MathProblem)
        for s in equations(p.solution)
    ]
    assert sum(step.ok is True for step in steps) > 3_000
    assert sum(step.ok is False for step in steps) < len(steps) / 200


def test_first_difference_is_the_first_intermediate_result_that_differs() -> None:
    problem = MathProblem("?", "18")
    before = problem.grade("16 - 7 = 9 and 9 * 2 = 18. A: 18")
    same = problem.grade("16-3-4=9, so 2*9=18\nA: 18")
    after = problem.grade("16 - 7 = 9 and 9 + 2 = 11. A: 11")
    assert first_difference(before, same) is None
    assert first_difference(before, after) == 1
    assert first_difference(before, problem.grade("16 - 7 = 9. A: 9")) == 1


def test_svamp_row_becomes_a_problem() -> None:
    row = {"ID": "chal-1", "Body": "Each pack of dvds costs 76 dollars", "Question": "How much for 2?", "Answer": 152.0}
    problem = svamp(row)
    assert "dollars. How much for 2?" in problem.prompt
    assert problem.id == "svamp/chal-1"
    assert problem.grade("It costs 152 dollars.").correct is True


def test_gsm8k_row_without_marks_and_problem_without_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="####"):
        gsm8k({"question": "?", "answer": "5"})
    with pytest.raises(UserError, match="no answer"):
        MathProblem("2 + 2?", " ")
