"""The section on training: arms in order, intervals beside estimates, answers of strangers shown as text."""

from __future__ import annotations

from adhere.core.findings import Finding
from adhere.report.page import render
from adhere.report.sections.training import section


def finding(what: str, estimate: float, **subject: str | int | float | bool) -> Finding:
    interval = (estimate - 0.1, estimate + 0.1)
    return Finding(
        what=what, subject=subject, estimate=estimate, interval=interval, n=40, recompute="adhere train study"
    )


def difference(arm: str, measure: str, estimate: float) -> Finding:
    about = {"arm": arm, "measure": measure, "against": "base", "by_seed": "0.1, 0.3", "p_holm": 0.03}
    return finding("train.difference", estimate, **about)


FINDINGS = [
    finding("train.adherence", 0.6, arm="base", kinds="trained"),
    finding("train.adherence", 0.8, arm="grpo", kinds="trained"),
    finding("train.sustain", 0.7, arm="grpo", k=4),
    difference("grpo", "adherence.trained", 0.2),
    difference("grpo", "interference.1", 0.05),
    difference("grpo", "interference.4", 0.15),
    difference("dpo", "adherence.trained", -0.02),
]


def test_the_headline_and_every_difference_have_an_interval() -> None:
    drawn = section(FINDINGS)
    assert "+20.0 points [+10.0, +30.0] (n = 40 prompts)" in drawn.headline
    html = render("Training", "", [drawn])
    assert "+0.200" in html
    assert "+0.100 to +0.300" in html
    assert "net interference, k = 4" in html
    assert "net interference, k = 1" not in html


def test_an_answer_in_which_check_and_reading_part_is_shown_and_never_read_as_markup() -> None:
    html = render(
        "Training", "", [section(FINDINGS, [("grpo", "Say <b>sea</b>", "<script>x</script>", "length.words")])]
    )
    assert "<script>x" not in html
    assert "&lt;script&gt;x" in html


def test_a_study_without_such_answers_says_so() -> None:
    assert "No answer was found that our checks pass" in render("Training", "", [section(FINDINGS)])
