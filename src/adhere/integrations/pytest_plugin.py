"""pytest: an assertion and a fixture. The failure shows why, and marks the place in the text.

    from adhere.integrations.pytest_plugin import assert_adheres

    def test_the_support_bot_stays_short(bot):
        assert_adheres(bot.answer("Where is my parcel?"), "Answer in under 50 words and do not use the word \"sorry\".")

    def test_the_same_with_the_fixture(bot, adheres):
        adheres(bot.answer("Where is my parcel?"), {"kind": "length.words", "at_most": 50})

pytest loads this file wherever the package is installed; what checks is imported by the first assertion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adhere.api.check import Checked, Checks, Constraints

AROUND = 40
"""Characters shown before and after a marked place."""
MOST_MARKS = 3


def assert_adheres(text: str, constraints: Constraints) -> Checks:
    """Fail the test unless `text` meets all `constraints`.

    Args:
        text: what a model or a program wrote.
        constraints: an instruction in English, a constraint, its JSON, or several of these.

    Returns:
        The checks, all of them met.

    Raises:
        AssertionError: a constraint is not met; the message says which, why, and where.
        UserError: the instruction states no constraint, or there are none.
    """
    __tracebackhide__ = True
    from adhere.api.check import check

    checks = check(constraints, text)
    if not checks.all_met:
        lines = [f"the text does not meet {len(checks.failed)} of {len(checks)} constraints:"]
        lines += [line for one in checks.failed for line in _lines(one)]
        raise AssertionError("\n".join(lines))
    return checks


@pytest.fixture
def adheres() -> Callable[[str, Constraints], Checks]:
    """`assert_adheres`, as a fixture."""
    return assert_adheres


def _lines(one: Checked) -> list[str]:
    """A constraint that is not met: the instruction, the reason, and the places that decided it."""
    lines = [f"  - {one.instruction}", f"    {one.reason}"]
    for span in one.spans[:MOST_MARKS]:
        before, after = one.text[max(0, span.start - AROUND) : span.start], one.text[span.end : span.end + AROUND]
        marked = f"{before}>>>{one.text[span.start : span.end]}<<<{after}"
        lines.append(f"    at character {span.start}: {' '.join(marked.split())}")
    return lines
