"""The pytest assertion, run by pytest itself."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def only_this_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other installed plugins stay out; ``-p adhere`` loads ours by its entry point, as a user's run does."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_a_failure_shows_the_reason_and_marks_the_place(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from adhere.integrations.pytest_plugin import assert_adheres

        def test_met(adheres):
            checks = adheres("By the lake.", 'Do not use the word "sea".')
            assert checks.all_met

        def test_not_met():
            assert_adheres("By the sea.", 'Use at most 9 words and do not use the word "sea".')

        def test_nothing_to_check(adheres):
            adheres("By the sea.", "Be nice.")
        """
    )
    result = pytester.runpytest_subprocess("-p", "adhere", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: the text does not meet 1 of 2 constraints:",
            '*Do not use the word "sea".*',
            "*at character 7: By the >>>sea<<<.*",
        ]
    )
    result.stdout.fnmatch_lines(["*UserError: no constraint was read from 'Be nice.'*"])


def test_the_plugin_costs_a_run_nothing_until_it_is_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            assert "pydantic" not in sys.modules
        """
    )
    result = pytester.runpytest_subprocess("-p", "adhere", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
