"""Code problems: the response is a program, graded by running it (HumanEval, MBPP, the pocket world).

Rules:
- Tests come in two forms. A string is Python: it fails if it raises. A `CodeTest` is one call of the asked-for
  function: its value leaves the sandbox as plain data and is compared outside, where the program cannot reach.
- Python tests run in a process other than the program's wherever they need nothing of it but its function
  (`tampering.py`); arguments and values cross as plain data. Where they need more, they run in the program's
  namespace, and a program that passes them there and holds what could have cheated is "suspect", not correct.
- Every test is run, also after one has failed, so that the share passed means something; a program that runs out of
  time, memory or processes ends there.
- A response is correct if every test passes. Output, exit codes and what a program says of itself count for nothing.
- What the program brought about is an error or a limit, whatever it broke; only what the machine did is undecided.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from adhere.core.errors import UserError
from adhere.problems.parsing import PARSER
from adhere.problems.problem import Domain, Grade, Outcome, Step, content_id, failed, unreadable
from adhere.problems.sandbox import Job, Limits, Run, Sandbox, shared
from adhere.problems.source import parse, read_program
from adhere.problems.tampering import can_be_apart, suspicion

LIMIT_STATUSES = {
    "memory": "out of memory",
    "output": "too much output",
    "processes": "too many processes",
}
LIMIT_ENDS = {"cpu": "out of processor time", "wall": "out of time", "output": "too much output"}


@dataclass(frozen=True, slots=True)
class CodeTest:
    """One call: `arguments` in, `expected` out; plain data (numbers, strings, lists, tuples, dicts, sets, None)."""

    arguments: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True)
class CodeProblem:
    """Write a function; it is run.

    Args:
        prompt: the question as it is put.
        entry_point: name of the function asked for.
        tests: `CodeTest`s, pairs (arguments, expected), or Python sources; not mixed.
        id: given by the data set, or made from the contents.
        stub: Python that ends in the function's signature and docstring, where the prompt shows it: a response may
            be the body alone, and may leave out what the stub imports and defines.
        reference: a right program; informative only, may be "".
        setup: sources run between the program and its tests (a data set's imports).
        limits: what a response may use.
        sandbox: where it runs; the shared one if None.
    """

    prompt: str
    entry_point: str
    tests: Sequence[CodeTest | tuple[tuple[Any, ...], Any] | str]
    id: str = ""
    stub: str = field(default="", repr=False)
    reference: str = field(default="", repr=False)
    setup: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    sandbox: Sandbox | None = field(default=None, repr=False, compare=False)
    domain: Domain = field(default="code", init=False)

    def __post_init__(self) -> None:
        tests = tuple(
            test if isinstance(test, CodeTest | str) else CodeTest(tuple(test[0]), test[1]) for test in self.tests
        )
        if not tests or len({isinstance(test, str) for test in tests}) != 1:
            raise UserError("a code problem needs tests: all of them calls, or all of them Python sources")
        object.__setattr__(self, "tests", tests)
        if not self.id:
            object.__setattr__(self, "id", content_id("code", self.prompt, self.entry_point))

    @property
    def cases(self) -> tuple[CodeTest, ...]:
        """The tests that are calls."""
        return tuple(test for test in self.tests if isinstance(test, CodeTest))

    @property
    def sources(self) -> tuple[str, ...]:
        """The tests that are Python."""
        return tuple(test for test in self.tests if isinstance(test, str))

    @cached_property
    def _checks(self) -> tuple[tuple[int, int, str], ...]:
        """(test, line, text) of every assertion in the sources: the steps of the grade."""
        assertions = []
        for index, source in enumerate(self.sources):
            tree = parse(source)
            asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)] if tree else []
            lines = sorted((node.lineno, ast.unparse(node)) for node in asserts)
            assertions += [(index, line, text) for line, text in lines] or [(index, 1, source.strip()[:200])]
        return tuple(assertions)

    def program(self, response: str) -> str | None:
        """The program in `response`, None where there is none."""
        return read_program(response, self.entry_point, self.stub)

    def script(self, program: str) -> str:
        """`program` with its tests as one script that exits with 0 if and only if all pass.

        For other sandboxes (Inspect's docker). It does not tell *which* test failed, and trusts exit codes and the
        program's own equality.
        """
        checks = [*self.setup, *self.sources]
        checks += [f"assert {self.entry_point}(*{c.arguments!r}) == {c.expected!r}" for c in self.cases]
        return "\n\n".join([program, *checks]) + "\n"

    @cached_property
    def _apart(self) -> bool:
        return bool(self.sources) and can_be_apart(self.sources, self.setup, self.entry_point, self.stub)

    def job(self, program: str) -> Job:
        """What the sandbox is asked to do with `program`."""
        return Job(
            answer=program,
            entry=self.entry_point,
            setup=self.setup,
            tests=self.sources,
            calls=tuple(repr(case.arguments) for case in self.cases),
            limits=self.limits,
            apart=self._apart,
            helpers=self.stub if self._apart else "",
        )

    def grade(self, response: str) -> Grade:
        """Read the program, run it in the sandbox, compare. Blocks while it runs.

        Raises:
            UserError: no sandbox can be started on this system.
        """
        return grade_code([(self, response)])[0]

    def judge(self, program: str, run: Run) -> Grade:
        """The grade of a run of `program`."""
        steps = self._case_steps(run) if self.cases else self._source_steps(run)
        passed = sum(step.ok is True for step in steps)
        score = passed / len(steps)

        def grade(outcome: Outcome, reason: str) -> Grade:
            correct = {"correct": True, "undecided": None}.get(outcome, False)
            return Grade(correct, program, reason, outcome, score, tuple(steps))

        if run.end == "broke":
            if run.cause == "item":
                return grade("error", "the program brought its sandbox down, twice")
            return grade("undecided", "the sandbox was killed twice while running this; no verdict")
        if run.end == "tampered":
            return grade("error", "the program interfered with the report on its tests")
        for report in run.reports:
            if report.status in LIMIT_STATUSES:
                return grade("limit", f"{LIMIT_STATUSES[report.status]}: {report.error}")
            if report.stage == "answer":
                return grade("error", report.error)
        if run.end in LIMIT_ENDS:
            return grade("limit", f"{LIMIT_ENDS[run.end]} ({_when(steps)})")
        if run.end != "finished":
            how = f"killed by {run.signal}" if run.end == "signal" else "left without an answer"
            return grade("error", f"{how} ({_when(steps)})")
        if passed == len(steps):
            doubt = suspicion(program, self.sources) if self.sources and run.together else ""
            if doubt:
                return grade("suspect", f"all {len(steps)} tests pass in its own process, but {doubt}")
            return grade("correct", f"all {len(steps)} tests pass")
        first = next(index for index, step in enumerate(steps) if step.ok is not True)
        errors = [report for report in run.reports if report.status in ("error", "exit", "refused")]
        bad = f"test {first + 1} of {len(steps)} fails: {steps[first].text[:200]}"
        if errors:
            return grade("error", f"{bad} ({errors[0].error})")
        return grade("wrong", bad)

    def _case_steps(self, run: Run) -> list[Step]:
        reports = {report.test: report for report in run.reports if report.stage == "test"}
        steps = []
        for index, case in enumerate(self.cases):
            text = f"{self.entry_point}{_shown(case.arguments)} == {case.expected!r}"
            report = reports.get(index)
            if report is None:
                steps.append(Step(text, None))
            elif report.status == "returned" and report.value is not None:
                steps.append(Step(text, _same(report.value, case.expected)))
            else:
                steps.append(Step(text, False))
        return steps

    def _source_steps(self, run: Run) -> list[Step]:
        reports = {report.test: report for report in run.reports if report.stage == "test"}
        steps: list[Step] = []
        for index, line, text in self._checks:
            report = reports.get(index)
            ok: bool | None = None
            if report is not None and report.status == "passed":
                ok = True
            elif report is not None and (report.line is None or line >= report.line):
                # Of a source with many assertions the first failure ends it: those behind it were not reached.
                first = not any(
                    step.ok is False for step, check in zip(steps, self._checks, strict=False) if check[0] == index
                )
                ok = False if first else None
            elif report is not None:
                ok = True
            steps.append(Step(text, ok))
        return steps


def _when(steps: Sequence[Step]) -> str:
    done = next((index for index, step in enumerate(steps) if step.ok is None), len(steps))
    return "before any test" if done == 0 else f"after {done} of {len(steps)} tests"


def _shown(arguments: tuple[Any, ...]) -> str:
    return f"({arguments[0]!r})" if len(arguments) == 1 else repr(arguments)


def _same(value: str, expected: Any) -> bool:
    try:
        with PARSER:
            literal = ast.literal_eval(value)
        return bool(literal == expected)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # {[]: 1} is a literal, and no value
        return False


def grade_code(pairs: Sequence[tuple[CodeProblem, str]], sandbox: Sandbox | None = None) -> list[Grade]:
    """The grades of many responses, run together: identical programs for identical tests run once.

    One response never fails the others.

    Raises:
        UserError: no sandbox can be started on this system.
    """
    grades: dict[int, Grade] = {}
    programs: dict[int, str] = {}
    for index, (problem, response) in enumerate(pairs):
        try:
            program = problem.program(response)
        except Exception as error:
            grades[index] = failed(error)
            continue
        if program is None:
            grades[index] = unreadable(f"no program in the response that defines {problem.entry_point}")
        else:
            programs[index] = program
    by_sandbox: dict[Sandbox, dict[Job, list[int]]] = {}
    for index, program in programs.items():
        problem = pairs[index][0]
        where = problem.sandbox or sandbox or shared()
        by_sandbox.setdefault(where, {}).setdefault(problem.job(program), []).append(index)
    for where, jobs in by_sandbox.items():
        for run, indices in zip(where.run(list(jobs)), jobs.values(), strict=True):
            for index in indices:
                try:
                    grades[index] = pairs[index][0].judge(programs[index], run)
                except Exception as error:
                    grades[index] = failed(error)
    return [grades[index] for index in range(len(pairs))]


COMPLETE = "Complete this Python function. Answer with the whole function in one code block."


def humaneval(row: dict[str, Any], limits: Limits | None = None) -> CodeProblem:
    """A row of HumanEval (task_id, prompt, entry_point, canonical_solution, test) as a problem."""
    entry = row["entry_point"]
    return CodeProblem(
        prompt=f"{COMPLETE}\n\n```python\n{row['prompt'].strip()}\n```\n",
        entry_point=entry,
        stub=row["prompt"],
        tests=(f"{row['test']}\n\ncheck({entry})\n",),
        id=str(row["task_id"]),
        reference=row["prompt"] + row["canonical_solution"],
        limits=limits or Limits(),
    )


def mbpp(row: dict[str, Any], limits: Limits | None = None) -> CodeProblem:
    """A row of MBPP, full (text, test_setup_code) or sanitized (prompt, test_imports), as a problem.

    The prompt shows the tests, as the paper's does: without them nobody could know the function's name.

    Raises:
        ValueError: no test calls a function that the reference defines.
    """
    tests = tuple(row["test_list"])
    code = str(row["code"]).replace("\r\n", "\n")
    imports = "\n".join(row["test_imports"]) if "test_imports" in row else row.get("test_setup_code", "")
    question = row["prompt"] if "prompt" in row else row["text"]
    return CodeProblem(
        prompt=f"{question.strip()} Answer with one code block.\nYour code should pass these tests:\n\n"
        + "\n".join(tests)
        + "\n",
        entry_point=_called(code, tests),
        tests=tests,
        id=f"mbpp/{row['task_id']}",
        reference=code,
        setup=(imports,) if imports.strip() else (),
        limits=limits or Limits(cpu=10, wall=20),  # one reference solution takes three seconds
    )


def _called(code: str, tests: Sequence[str]) -> str:
    """The function of `code` that the tests call."""
    tree = parse(code)
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] if tree else []
    called = {
        node.func.id
        for test in tests
        for node in ast.walk(parse(test) or ast.Module([], []))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for name in reversed(defined):
        if name in called:
            return name
    raise ValueError("no test calls a function that the reference defines")
