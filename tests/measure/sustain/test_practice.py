"""The pocket study tells kinds that were trained with reasoning from the others, and pairs what it compares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.measure.sustain.made import outcome

from adhere.constraints import Characters, Include, Words
from adhere.constraints.constraint import Constraint
from adhere.core.errors import UserError
from adhere.measure.sustain import practice_study, run
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.plan import SustainPlan
from adhere.measure.sustain.training_trajectory import Checkpoint, checkpoints_in, course
from adhere.models.pocket.training.recipe import Recipe
from adhere.models.pocket.training.train import train
from adhere.models.pocket.world.kinds import DRAWN, FIRST

PRACTISED, APART = Words(at_most=50), Characters(at_most=500)


def one(problem: str, constraint: Constraint, correct: bool) -> ArmOutcome:
    return outcome(problem, "constraint", correct, k=1, constraints=(constraint,), met=(correct,))


def made(lost_practised: int, lost_apart: int, problems: int = 40) -> list[ArmOutcome]:
    """Problems of which the first few are lost under the one kind, and the first few under the other."""
    found: list[ArmOutcome] = []
    for number in range(problems):
        name = f"p{number}"
        found += [outcome(name, "base", True), outcome(name, "control", True)]
        found += [one(name, PRACTISED, number >= lost_practised), one(name, APART, number >= lost_apart)]
    return found


def test_kinds_belong_where_training_put_them() -> None:
    for split in (FIRST, DRAWN):
        assert {practice_study.group_of(kind, "math", split) for kind in split.practised} == {"practised"}
        assert {practice_study.group_of(kind, "math", split) for kind in split.apart} == {"apart"}
        assert practice_study.group_of("contains.frequency", "math", split) == "unseen"
        assert practice_study.group_of("length.sentences", "code", split) == "apart"


def test_the_split_is_that_of_the_model_that_answered(trained: Path) -> None:
    assert practice_study.split_of_model("adhere/pocket") == FIRST
    assert practice_study.split_of_model("somebody/else") == FIRST
    assert practice_study.split_of_model(f"adhere/{trained / 'instruct'}") == DRAWN
    assert not set(DRAWN.practised) & set(DRAWN.apart)


def test_the_study_asks_each_kind_once_beside_control() -> None:
    conditions = practice_study.conditions("practice")
    kinds = [condition.kind for condition in conditions if condition.arm == "constraint"]
    assert len(set(kinds)) == len(kinds)
    assert {practice_study.group_of(kind, "math", FIRST) for kind in kinds} == set(practice_study.GROUPS)
    with pytest.raises(UserError, match="no constraint is called"):
        practice_study.conditions("length.wrods")


def test_interference_is_of_each_group_and_the_gap_is_paired() -> None:
    done = practice_study.study(made(4, 14))
    groups = {(group.name, group.domain): group for group in done.groups}
    assert groups["practised", "math"].interference.estimate == pytest.approx(0.1)
    assert groups["apart", "math"].interference.estimate == pytest.approx(0.35)
    gap = done.gaps["apart", "math"]
    assert gap.estimate == pytest.approx(0.25)
    assert gap.interval[0] > 0
    assert (gap.only_a, gap.only_b) == (10, 0)


def test_no_difference_is_not_called_one() -> None:
    gap = practice_study.study(made(6, 6)).gaps["apart", "math"]
    assert gap.estimate == 0.0
    assert gap.interval[0] <= 0 <= gap.interval[1]


def test_what_control_lost_too_is_not_interference() -> None:
    found = made(10, 10)
    found = [
        outcome(o.problem, "control", False) if o.arm == "control" and int(o.problem[1:]) < 10 else o for o in found
    ]
    for group in practice_study.study(found).groups:
        assert group.interference.estimate == 0.0


def test_a_run_of_one_constraint_a_problem_is_no_study() -> None:
    assert practice_study.is_study(made(1, 1))
    assert not practice_study.is_study([o for o in made(1, 1) if PRACTISED not in o.constraints])
    done = run.conclude(made(4, 14), (), model="m")
    assert done.scores is None
    what = {finding.what for finding in done.findings}
    assert what == {"sustain.interference", "sustain.if", "sustain.practice"}
    flagged = [f for f in done.findings if f.what == "sustain.interference" and "group" in f.subject]
    assert {(f.subject["group"], f.subject["practised"]) for f in flagged} == {("practised", True), ("apart", False)}


def test_the_pocket_model_is_studied_kind_by_kind(tmp_path: Path) -> None:
    done = run.measure("pocket", tmp_path, SustainPlan(problems=2, kinds="length.words,style.toxicity", domain="math"))
    kinds = [o.kinds for o in done.outcomes if o.arm == "constraint"]
    assert sorted(kinds) == [("length.words",), ("length.words",), ("style.toxicity",), ("style.toxicity",)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that kept a checkpoint every three thousand tokens."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = Recipe(
        width=16,
        layers=1,
        heads=1,
        hidden=16,
        vocab=400,
        tokens=10_000,
        shard_tokens=5_000,
        micro=1_024,
        accumulate=1,
        tokenizer_texts=100,
        keep=3_000,
        compile=False,
    )
    train(recipe, folder)
    return folder


@pytest.mark.slow
def test_training_keeps_a_checkpoint_every_so_many_tokens(trained: Path) -> None:
    found = checkpoints_in(trained)
    assert [one.tokens // 3_000 for one in found] == [1, 2, 3]
    assert found == checkpoints_in(trained / "checkpoints")
    first = (found[0].folder / "model.safetensors").read_bytes()
    assert first != (found[-1].folder / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_checkpoint_is_asked_and_its_findings_say_how_far_it_had_come(trained: Path, tmp_path: Path) -> None:
    last = checkpoints_in(trained)[-1]
    done = run.measure(str(last.folder), tmp_path, SustainPlan(problems=1, kinds="practice", max_tokens=8))
    assert practice_study.split_of_model(done.outcomes[0].model) == DRAWN
    found = course(last, done)
    assert {finding.subject["tokens"] for finding in found} == {last.tokens}
    assert {finding.subject["domain"] for finding in found if finding.what == "sustain.solved"} == {
        "math",
        "multihop",
        "code",
    }


def test_the_course_of_made_outcomes_bears_the_tokens() -> None:
    done = run.conclude(made(4, 14), (), model="m")
    found = course(Checkpoint(Path("x"), 7_000_000), done)
    solved = [finding for finding in found if finding.what == "sustain.solved"]
    assert [(finding.estimate, finding.n) for finding in solved] == [(1.0, 40)]
    assert all(finding.subject["tokens"] == 7_000_000 for finding in found)


def test_a_folder_without_checkpoints_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no checkpoints"):
        checkpoints_in(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text("{}")
    (tmp_path / "a" / "training.json").write_text(json.dumps({"steps": 3}))
    with pytest.raises(UserError, match="does not say how many tokens"):
        checkpoints_in(tmp_path)


def test_include_is_practised_too() -> None:
    assert practice_study.group_of(Include(terms=("sea",)).kind, "code", FIRST) == "practised"
