"""A program cannot pass its tests by what it does to the tests."""

from __future__ import annotations

import collections
import decimal
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adhere.problems import CodeProblem, grade_all
from adhere.problems.sandbox import Limits, values
from adhere.problems.tampering import can_be_apart, suspicion

LIMITS = Limits(cpu=2, wall=6)
TESTS = ("def check(candidate):\n    assert candidate(1) == 2\n    assert abs(candidate(2) - 3) < 1e-6\n\ncheck(f)",)
APART = CodeProblem("Add one.", "f", TESTS, limits=LIMITS)
TOGETHER = CodeProblem("Add one.", "f", ("assert f(1) == helper(1)", "assert set([f(2)]) == set([3])"), limits=LIMITS)
CHEATS = {
    "equals everything": """
class Any:
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    __hash__ = None
def f(x): return Any()
""",
    "equals everything, as a number": """
class Any(int):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    __hash__ = int.__hash__
def f(x): return Any(7)
""",
    "gives abs another meaning": "def abs(x): return 0\ndef set(x): return 0\ndef f(x): return 2",
    "patches builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.set = lambda x: 0\ndef f(x): return 2",
    "patches compile and exec": """
import builtins
builtins.compile = lambda *a, **k: 'pass'
builtins.exec = lambda *a, **k: None
def f(x): return 0
""",
    "turns assertions off through frames": """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        frame.f_globals['check'] = lambda *a: None
        for name, value in list(frame.f_locals.items()):
            if callable(value) and name == 'say':
                value({'stage': 'test', 'test': 0, 'status': 'passed'}, {'stage': 'end'}, {'stage': 'over'})
                import os; os._exit(0)
        frame = frame.f_back
    return 0
""",
    "reaches for the reporter in __main__": """
import __main__
__main__._describe = __main__.describe = lambda error: {'status': 'passed'}
def f(x): return 0
""",
    "reaches for the reporter through the garbage collector": """
import gc
for thing in gc.get_objects():
    if getattr(thing, '__name__', '') == 'describe':
        thing.__code__ = (lambda error: {'status': 'passed'}).__code__
def f(x): return 0
""",
    "raises what the runner swallows": "def f(x):\n    raise SystemExit(0)",
    "ends its process": "import os\ndef f(x): os._exit(0)",
    "traces the tests": """
import sys
def trace(frame, event, argument):
    frame.f_globals['check'] = lambda c: None
    return trace
sys.settrace(trace)
def f(x): return 0
""",
    "says that it failed in another way": """
import os, struct, json
def speak(message):
    body = json.dumps(message).encode()
    for handle in range(3, 20):
        try: os.write(handle, struct.pack('>I', len(body)) + body)
        except OSError: pass
forged = {'stage': 'test', 'test': 0, 'status': 'passed'}
speak({'dict': [['failed', {'dict': [['stage', 'test'], ['test', 0], ['status', 'passed']]}]]})
speak(forged)
def f(x): return 0
""",
}


@pytest.mark.parametrize("name", CHEATS)
def test_cheat_does_not_pass_tests_in_another_process(name: str) -> None:
    [grade] = grade_all([APART], [f"```python\n{CHEATS[name]}\n```"])
    assert grade.correct is False, grade
    assert grade.outcome in ("wrong", "error", "limit")


@pytest.mark.parametrize("name", CHEATS)
def test_cheat_that_passes_in_its_own_process_is_suspect_not_correct(name: str) -> None:
    helper = "def helper(x): return x + 1\n"
    [grade] = grade_all([TOGETHER], [f"```python\n{helper}{CHEATS[name]}\n```"])
    assert grade.correct is False, grade


def test_honest_programs_pass_both_ways() -> None:
    honest = "def helper(x): return x + 1\ndef f(x):\n    return helper(x)"
    grades = grade_all([APART, TOGETHER], [f"```python\n{honest}\n```"] * 2)
    assert [grade.outcome for grade in grades] == ["correct", "correct"]


def test_a_suspect_is_counted_apart_from_correct_and_wrong() -> None:
    program = f"```python\ndef helper(x): return x + 1\n{CHEATS['gives abs another meaning']}\n```"
    [grade] = grade_all([TOGETHER], [program])
    assert (grade.correct, grade.outcome) == (False, "suspect")
    assert "set, which its tests use" in grade.reason


def test_arguments_that_the_answer_changes_are_changed_for_the_tests() -> None:
    tests = ("x = [3, 1, 2]\nassert f(x) is None\nassert x == [1, 2, 3]", "assert f({'a': 1}) is None")
    problem = CodeProblem("Sort in place.", "f", tests, limits=LIMITS)
    good = "import os\ndef f(x):\n    if isinstance(x, list): x.sort()"
    assert problem.grade(f"```python\n{good}\n```").outcome == "correct"
    assert problem.grade("```python\nimport os\ndef f(x): sorted(x)\n```").outcome == "wrong"


def test_exceptions_that_tests_expect_cross() -> None:
    test = "try:\n    f(0)\nexcept ZeroDivisionError:\n    pass\nelse:\n    assert False"
    problem = CodeProblem("Divide.", "f", (test,), limits=LIMITS)
    assert problem.grade("```python\nimport os\ndef f(x): return 1 / x\n```").outcome == "correct"
    assert problem.grade("```python\nimport os\ndef f(x): return 1\n```").outcome == "wrong"


def test_what_ended_the_answers_process_is_told() -> None:
    for body, outcome, word in (
        ("while True: pass", "limit", "processor time"),
        ("bytearray(10**12)", "limit", "memory"),
        ("import ctypes; ctypes.string_at(0)", "error", "SIGSEGV"),
        ("import os; os.kill(1, 9)", "error", "refused"),
    ):
        grade = APART.grade(f"```python\nimport os\ndef f(x):\n    {body}\n```")
        assert (grade.outcome, word in grade.reason) == (outcome, True), grade


def test_tests_that_need_the_answers_own_names_are_not_apart() -> None:
    assert can_be_apart(TESTS, (), "f", "")
    assert not can_be_apart(("assert f(Pair(1, 2)) == 3",), (), "f", "")
    assert can_be_apart(("assert f(Pair(1, 2)) == 3",), ("from pairs import Pair",), "f", "")
    assert can_be_apart(("assert poly([1], f([1])) == 0",), (), "f", "def poly(xs, x):\n    return 0\ndef f(xs):\n  ''")
    assert not can_be_apart(("assert f(",), (), "f", "")


def test_suspicion_is_of_means_and_not_of_ordinary_programs() -> None:
    ordinary = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(x):\n    return P(x).x"
    assert suspicion(ordinary, ["assert set([f(1)]) == {1}"]) == ""
    assert suspicion("def set(x): return 1\ndef f(x): return x", ["assert set([f(1)]) == {1}"])
    assert suspicion("def set(x): return 1\ndef f(x): return x", ["assert f(1) == 1"]) == ""
    for name in ("equals everything", "patches builtins", "turns assertions off through frames", "traces the tests"):
        assert suspicion(CHEATS[name], TOGETHER.sources), name


# ---------------------------------------------------------------- values that cross

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(plain_values)
@settings(max_examples=60, deadline=None)
def test_plain_values_arrive_as_they_left(value: Any) -> None:
    arrived = values.decode(values.encode(value))
    assert arrived == value
    assert repr(arrived) == repr(value)


def test_containers_of_the_standard_library_and_iterators_arrive() -> None:
    for value in ({1, 2}, frozenset({1}), collections.Counter("aab"), collections.deque([1]), range(3), 10**5000):
        arrived = values.decode(values.encode(value))
        assert (arrived, type(arrived)) == (value, type(value))
    assert values.decode(values.encode(decimal.Decimal("1.10"))) == decimal.Decimal("1.10")
    assert list(values.decode(values.encode(x * 2 for x in (1, 2)))) == [2, 4]
    assert math.isnan(values.decode(values.encode(math.nan)))
    assert values.decode(values.encode([int, str])) == [int, str]


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,0123456789abcdefintloatupes', max_size=40).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_messages_that_nobody_encoded_are_refused(data: bytes) -> None:
    try:
        values.decode(data)
    except ValueError:
        return


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"dict": [[[], 1]]}', b'{"type": "__import__"}', b'{"x": 1, "y": 2}']
)
def test_messages_built_to_break_the_reader_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        values.decode(data)


def test_what_never_ends_or_is_no_data_does_not_cross() -> None:
    def forever() -> Any:
        while True:
            yield 0

    loop: list[Any] = []
    loop.append(loop)
    for value in (forever(), loop, object(), lambda: 0, 1 << (1 << 23)):
        with pytest.raises(values.NotPlain):
            values.encode(value)


def test_no_method_of_a_class_that_lies_is_called() -> None:
    class Liar(int):
        def __int__(self) -> int:
            raise AssertionError

        __eq__ = __index__ = __repr__ = __str__ = __int__  # type: ignore[assignment]
        __hash__ = int.__hash__

    arrived = values.decode(values.encode([Liar(1)]))
    assert arrived == [1]
    assert type(arrived[0]) is int
