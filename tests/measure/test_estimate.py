"""The estimate before a long measurement."""

from __future__ import annotations

from adhere.measure.estimate import FEWER, TOKENS, line


def test_a_short_measurement_is_begun_without_a_word() -> None:
    assert line(10, 1_000.0) is None


def test_a_long_one_says_its_time_and_what_a_sample_would_give() -> None:
    text = line(600, 100.0)
    assert text is not None
    assert f"about {round(600 * TOKENS / 100 / 60)} min" in text
    assert f"--limit {FEWER} gives the whole within 13 points in 2 min" in text


def test_hours_are_said_in_hours() -> None:
    assert "about 2.8 h" in str(line(50, 1.0))


def test_a_command_with_a_preset_names_it_in_place_of_a_limit() -> None:
    assert str(line(600, 100.0, "--quick is a first look")).endswith("; --quick is a first look")
