"""The section shows what the run found, names what it could not measure, and marks what changed."""

from __future__ import annotations

from typing import Any

from adhere.constraints import Words
from adhere.core.findings import Finding
from adhere.measure.sustain import patterns, scores
from adhere.measure.sustain.outcome import Arm, ArmOutcome, Exclusion
from adhere.models.pocket.world.grading import math_problem
from adhere.report import page
from adhere.report.sections import sustain

RIGHT, SLIP = "3 + 4 = 7. 7 * 6 = 42. The answer is 42.", "3 + 4 = 8. 8 * 6 = 48. The answer is <b>48</b>."


def _outcome(name: str, arm: Arm, text: str, k: int = 0, **more: Any) -> ArmOutcome:
    constraints = tuple(Words(at_most=50 + i) for i in range(k)) if arm == "constraint" else ()
    return ArmOutcome(
        problem=name,
        domain="math",
        arm=arm,
        grade=math_problem("How many?", "42", (), name).grade(text),
        response=text,
        answer=text,
        k=k,
        constraints=constraints,
        sentences=tuple(one.describe() for one in constraints),
        met=(True,) * len(constraints),
        prompt="How many?",
        reference="42",
        model="m",
        **more,
    )


def _run(lost: int, problems: int = 12) -> list[ArmOutcome]:
    made = []
    for number in range(problems):
        name = str(number)
        made += [_outcome(name, arm, RIGHT, k) for arm, k in (("base", 0), ("control", 0), ("placebo", 1))]
        text = SLIP if number < lost else RIGHT
        made += [_outcome(name, "constraint", text, k) for k in (1, 4)]
        made.append(_outcome(name, "constraint", RIGHT, 1, position="system"))
    return made


def _html(outcomes: list[ArmOutcome], **more: Any) -> str:
    made = scores.scores(outcomes)
    return page.render(
        "T", "", [sustain.section(made, patterns.lost(made.selection), recompute="adhere sustain", **more)]
    )


def test_a_loss_is_shown_with_its_step_and_its_text_is_escaped() -> None:
    html = _html(_run(9))
    assert "step 1 was 3 + 4 = 7 and is 3 + 4 = 8" in html
    assert "One case from prompt to verdict" in html
    assert "<b>48</b>" not in html
    assert "+75.0 points" in html


def test_published_figures_stand_beside_ours_by_name() -> None:
    html = _html(_run(3))
    assert "arXiv 2601.22047" in html
    assert "published, math" in html


def test_nothing_lost_is_said() -> None:
    html = _html(_run(0))
    assert "No solved problem was lost" in html
    assert "One case" not in html


def test_an_unsolvable_domain_is_named_and_nothing_is_drawn_of_it() -> None:
    html = _html([_outcome(str(k), "base", SLIP) for k in range(3)])
    assert "Math: none of 3 problems is solved at base; nothing to sustain." in html
    assert "<svg" not in html
    assert "nan" not in html


def test_a_run_without_control_has_a_curve_and_no_net_interference() -> None:
    html = _html([one for one in _run(4) if one.arm != "control"])
    assert "Sustain by number of constraints" in html
    assert "Net interference</dt>" not in html
    assert "nan" not in html


def _attended(outcome: str, layer: int | str, progress: int | str, estimate: float) -> Finding:
    subject = {"layer": layer, "progress": progress, "outcome": outcome, "measure": "relative"}
    around = (estimate - 0.05, estimate + 0.05)
    return Finding(what="attention.constraint", subject=subject, estimate=estimate, interval=around, n=20)


def test_attention_is_drawn_where_findings_are_there() -> None:
    levels = {"failed": 0.4, "sustained": 0.3, "difference": 0.1}
    found = [
        _attended(outcome, layer, at, level)
        for outcome, level in levels.items()
        for layer in (1, 2, "all")
        for at in (*range(0, 100, 10), "all")
    ]
    html = _html(_run(3), attention=found)
    assert "Attention to the constraint, relative" in html
    assert "failed minus sustained: +0.100 (+0.050 to +0.150, n = 20)" in html
    assert "Failed minus sustained, by layer" in html
    assert "Attention to the constraint" not in _html(_run(3))


def test_scaled_attention_stands_beside_the_model_as_it_is() -> None:
    made = _run(6)
    made += [_outcome(str(k), "attend", RIGHT, 4, factor=0.0) for k in range(12)]
    html = _html(made)
    assert "Effect of attention scaling, k = 4" in html


def test_what_was_left_out_is_counted() -> None:
    left = [Exclusion(str(k), "math", "constraint", "names_answer", "42") for k in range(7)]
    html = _html(_run(3), exclusions=left)
    assert "a constraint would have revealed the answer" in html
    assert '<td class="number">7</td>' in html
