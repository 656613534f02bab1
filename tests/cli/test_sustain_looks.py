"""What `adhere sustain` looks at after the run: a judge's word on what is open, and attention."""

from __future__ import annotations

from typing import Any

import pytest

from adhere.api import sustain as api
from adhere.constraints import Words
from adhere.explain.analyses.attention import AttentionCase
from adhere.measure.adherence import judge
from adhere.measure.sustain import run
from adhere.measure.sustain.outcome import Arm, ArmOutcome
from adhere.models.pocket.world.grading import math_problem


def _outcome(name: str, arm: Arm, text: str, k: int = 0) -> ArmOutcome:
    constraints = (Words(at_most=50),) * k
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
        met=(True,) * k,
        prompt="How many? " + " ".join(one.describe() for one in constraints),
        reference="42",
        model="openai/gpt-5",
    )


def _done() -> run.Done:
    made = []
    for number in range(6):
        name = str(number)
        made += [_outcome(name, "base", "The answer is 42."), _outcome(name, "control", "The answer is 42.")]
        made.append(_outcome(name, "constraint", "The answer is 41." if number < 3 else "The answer is 42.", 1))
    return run.conclude(made, (), model="openai/gpt-5")


class _Judge:
    async def holds(self, text: str, statement: str) -> bool | None:
        return bool(text) and "mistake" in statement


def test_a_judge_decides_what_no_rule_could_and_its_findings_replace_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "judge_of", lambda _: _Judge())
    before = _done()
    after = api._judged(before, "some/judge", 0, "adhere sustain --judge some/judge")

    def lost(done: run.Done) -> dict[Any, Any]:
        return {
            f.subject["pattern"]: (f.estimate, f.subject["judged"]) for f in done.findings if f.what == "sustain.lost"
        }

    assert lost(before) == {"open": (0.5, 0)}
    assert lost(after) == {"step": (0.5, 3)}
    assert [f.subject["model"] for f in after.findings if f.what == "judge.error"] == ["some/judge"]


def test_attention_is_left_alone_where_the_weights_are_elsewhere() -> None:
    done = _done()
    assert api._attended(done, 0, "adhere sustain", None, None) is done


def test_of_too_many_answers_whole_problems_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_ATTENDED", 10)
    answers = [AttentionCase(str(k // 3), True, (), "", ()) for k in range(30)]
    kept = api.drawn(answers, 0)
    assert len(kept) == 9
    assert all(sum(one.problem == case.problem for one in kept) == 3 for case in kept)
    assert kept == api.drawn(answers, 0)
    assert api.drawn(answers[:10], 0) == answers[:10]
