"""A program is found in whatever way a model hands it over."""

from __future__ import annotations

import textwrap
import time

import pytest

from adhere.problems.source import blocks, preamble, read_program

STUB = (
    'from typing import List\n\n\ndef f(xs: List[int]) -> int:\n    """ Sum them.\n    >>> f([1, 2])\n    3\n    """\n'
)
FULL = "def f(xs):\n    return sum(xs)\n"


def run(response: str, stub: str = "") -> int:
    """What the program found in `response` makes of [1, 2]."""
    program = read_program(textwrap.dedent(response), "f", stub)
    assert program is not None
    scope: dict[str, object] = {}
    exec(program, scope)  # these are our own
    function = scope["f"]
    assert callable(function)
    return int(function([1, 2]))


@pytest.mark.parametrize(
    "response",
    [
        f"```python\n{FULL}```",
        f"Sure!\n\n```py\n{FULL}```\nHope it helps.",
        f"```\n{FULL}```",
        f"~~~ Python 3\n{FULL}~~~",
        f"````python\n{FULL}````",
        f"```python\n{FULL}",
        f"1. First:\n   ```python\n{textwrap.indent(FULL, '   ')}   ```",
        FULL,
        f"Here is the function:\n{FULL}\nIt adds the numbers up.",
        f"def f(xs): return 0\n{FULL}",
        f"```python\ndef f(xs):\n    return 0\n```\nThat is wrong. Better:\n```python\n{FULL}```",
        f"```python\n{FULL}```\nUse it so:\n```python\nprint(f([1]))\n```\n```bash\npython f.py\n```",
        "```python\nimport math\n```\n```python\ndef f(xs):\n    return int(math.fsum(xs))\n```",
        "```python\ndef add(xs):\n    return sum(xs)\n```\nand\n```python\ndef f(xs):\n    return add(xs)\n```",
        "f = lambda xs: sum(xs)",
        f"```python\nHere it is:\n{FULL}```",
        "```python\nasync_ = 1\ndef f(xs):\r\n\treturn sum(xs)\r\n```",
    ],
)
def test_whole_functions_are_found(response: str) -> None:
    assert run(response) == 3


@pytest.mark.parametrize(
    "response",
    [
        "    return sum(xs)\n",
        "return sum(xs)",
        "```python\n    return sum(xs)\n```",
        "    total = 0\n    for x in xs:\n        total += x\n    return total\n\nprint(f([1]))\n",
        "total = 0\n    for x in xs:\n        total += x\n    return total",
        "    return sum(xs)\n\nThis adds the numbers up.",
        "def f(xs: List[int]) -> int:\n    return sum(xs)",
        STUB + "    return sum(xs)\n",
        f"```python\n{STUB}    return sum(xs)\n```",
    ],
)
def test_bodies_and_functions_that_lean_on_the_stub_are_found(response: str) -> None:
    assert run(response, STUB) == 3


@pytest.mark.parametrize(
    "response",
    ["", "I cannot do that.", "```python\ndef g(x):\n    return x\n```", "f", "def f(xs):\n    return (", "\x00def"],
)
def test_what_holds_no_program_gives_none(response: str) -> None:
    assert read_program(response, "f") is None
    assert read_program("The sum of the numbers.", "f", STUB) is None


def test_future_imports_stay_first_before_the_stubs_imports() -> None:
    assert run("from __future__ import annotations\ndef f(xs: List[int]):\n    return sum(xs)", STUB) == 3


def test_tabs_inside_strings_are_left_alone() -> None:
    program = read_program("def f(xs):\n    return len('a\tb')", "f")
    assert program is not None
    assert "'a\tb'" in program


def test_helpers_in_the_stub_are_put_in_front() -> None:
    stub = 'import math\n\ndef helper(x):\n    return 2 * x\n\ndef f(x):\n    """Double."""\n'
    assert preamble(stub, "f") == "import math\n\ndef helper(x):\n    return 2 * x"
    program = read_program("def f(x):\n    return helper(x)", "f", stub) or ""
    assert program.index("def helper") < program.index("def f")


def test_unclosed_and_nested_fences() -> None:
    assert blocks("a\n```\nx\n```\nb\n```py\ny") == ["x\n", "y"]
    assert blocks("````\n```\nx\n```\n````") == ["```\nx\n```\n"]
    assert blocks("no fence at all") == []


@pytest.mark.parametrize("text", ["return 1\n" * 20_000, "x=(\n" * 10_000, "```\ndef f\n" * 5_000, "(" * 100_000])
def test_reading_degenerate_text_ends(text: str) -> None:
    started = time.process_time()
    read_program(text, "f", STUB)
    assert time.process_time() - started < 15  # quadratic readers took minutes
