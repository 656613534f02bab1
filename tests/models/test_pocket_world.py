"""The pocket world keeps its promises: every answer is good, the sides share nothing, the same seed says the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice

import pytest

from adhere.constraints.parse import parse
from adhere.constraints.scoring import lexicon
from adhere.core.errors import UserError
from adhere.models.pocket.world import vocabulary, world
from adhere.models.pocket.world.item import side_of
from adhere.models.pocket.world.kinds import DRAWN, POOL, STRATA, drawn
from adhere.problems.grading import grade_all

SIDES: tuple[world.Side, ...] = ("train", "test")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_every_answer_meets_every_constraint(side: world.Side, progress: float) -> None:
    for dialogue in islice(world.dialogues(11, side, progress=progress), 500):
        answer = dialogue.messages[-1].content
        for constraint in dialogue.constraints:
            assert constraint.check(answer).met, (constraint, answer)


@pytest.mark.parametrize("family", ["math", "multihop", "code"])
def test_every_worked_answer_is_graded_correct_and_a_wrong_one_is_not(family: str) -> None:
    items = list(islice(world.dialogues(12, "test", {family: 1.0}), 60 if family == "code" else 1000))
    problems = [item.problem for item in items]
    assert all(problem is not None for problem in problems)
    right = grade_all([p for p in problems if p], [item.messages[-1].content for item in items])
    assert all(grade.correct for grade in right)
    wrong = grade_all(
        [p for p in problems if p], [items[(at + 1) % len(items)].messages[-1].content for at in range(len(items))]
    )
    assert sum(bool(grade.correct) for grade in wrong) < 0.3 * len(items)


@pytest.mark.slow
def test_no_content_stands_on_both_sides() -> None:
    numbers: dict[world.Side, int] = {"train": 16_000, "test": 4_000}
    keys = {side: {d.key for d in islice(world.dialogues(13, side), number)} for side, number in numbers.items()}
    assert len(keys["train"]) > 9_000
    assert len(keys["test"]) > 2_000
    assert not keys["train"] & keys["test"]
    assert all(side_of(key) == side for side in SIDES for key in keys[side])


@pytest.mark.parametrize("family", ["math", "multihop"])
def test_the_key_is_the_content_and_not_the_wording(family: str) -> None:
    answers: dict[str, str] = {}
    prompts: defaultdict[str, set[str]] = defaultdict(set)
    for item in islice(world.dialogues(14, "train", {family: 1.0}, progress=0.0), 5_000):
        assert item.problem is not None
        assert answers.setdefault(item.key, item.problem.reference) == item.problem.reference
        prompts[item.key].add(item.messages[-2].content)
    assert sum(len(wordings) > 1 for wordings in prompts.values()) > 50


def test_the_same_seed_says_the_same_and_another_does_not() -> None:
    def told(seed: int) -> list[str]:
        return [m.content for d in islice(world.dialogues(seed, "train"), 100) for m in d.messages]

    assert told(5) == told(5)
    assert told(5) != told(6)
    assert list(islice(world.plain_text(5, "train"), 50)) == list(islice(world.plain_text(5, "train"), 50))


def test_topic_mood_register_and_insults_are_told_by_the_lexicon_and_by_no_other_word() -> None:
    for aspect, words in {
        "topic": [noun for nouns in vocabulary.TOPIC_NOUNS.values() for noun in nouns],
        "sentiment": [*vocabulary.POSITIVE, *vocabulary.NEGATIVE],
        "register": [*vocabulary.FORMAL, *vocabulary.INFORMAL],
        "toxicity": [*vocabulary.INSULT_ADJECTIVES, *vocabulary.INSULT_NOUNS],
    }.items():
        assert set(words) <= set(lexicon.words_of(aspect)), aspect
        others = {*vocabulary.NEUTRAL, *vocabulary.INVENTED, *map(str.lower, vocabulary.NAMES)}
        assert not others & set(lexicon.words_of(aspect)), aspect


@pytest.mark.parametrize("number", [0, 1, 3])
def test_held_out_kinds_never_stand_with_a_problem_and_every_practised_one_does(number: int) -> None:
    kinds: Counter[str] = Counter()
    split = drawn(number)
    constrained = 0
    items = 4000
    for item in islice(world.dialogues(15, "train", split=split), items):
        standing_problem = item.family == "standing" and any("answer is" in m.content for m in item.messages)
        if item.family in ("math", "multihop", "code") or standing_problem:
            constrained += bool(item.constraints)
            kinds.update(constraint.kind for constraint in item.constraints)
    assert set(kinds) == set(split.practised)
    assert 0.13 <= constrained / items <= 0.19


def test_held_out_kinds_are_known_from_descriptions() -> None:
    kinds = {c.kind for item in islice(world.dialogues(15, "train", {"describe": 1.0}), 2000) for c in item.constraints}
    assert set(POOL) <= kinds


def test_skills_are_measured_on_descriptions_without_constraints_outside_the_skills() -> None:
    for item in islice(world.dialogues(15, "test", {"describe": 1.0}), 1000):
        assert all(c.skill or c.kind == "length.sentences" for c in item.constraints)


def test_one_kind_of_each_stratum_is_held_out() -> None:
    assert all(len(set(kinds) & set(DRAWN.apart)) == 1 for kinds in STRATA.values())
    draws = {drawn(number).apart for number in range(50)}
    assert len(draws) > 20


def test_all_nine_skills_are_asked_for_often() -> None:
    skills = Counter(
        constraint.skill
        for item in islice(world.dialogues(16, "train"), 3000)
        if item.family == "describe"
        for constraint in item.constraints
        if constraint.skill
    )
    assert len(skills) == 9
    assert min(skills.values()) > 0.4 * max(skills.values())


def test_insults_kept_apart_never_stand_in_training_where_insults_are_forbidden() -> None:
    for item in islice(world.dialogues(17, "train", {"describe": 1.0}), 2000):
        if any(constraint.kind == "style.toxicity" for constraint in item.constraints):
            asked = set(item.messages[-2].content.replace(".", " ").replace(",", " ").split())
            assert not asked & vocabulary.INSULTS_APART


def test_accepted_answers_hold_the_one_that_is_given() -> None:
    for item in islice(world.dialogues(18, "test", {"dialogue": 1.0, "copy": 0.3, "drill": 0.3}), 1500):
        accept = item.meta["accept"]
        assert isinstance(accept, tuple)
        assert item.messages[-1].content in accept


def test_a_constraint_that_is_worded_by_describe_is_read_back() -> None:
    for item in islice(world.dialogues(19, "test", {"describe": 1.0}), 500):
        for constraint in item.constraints:
            assert parse(constraint.describe()) == (constraint,)


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(UserError, match="'poetry'"):
        next(world.dialogues(1, "train", {"poetry": 1.0}))


@pytest.mark.slow
def test_texts_that_must_change_mood_or_style_stand_in_the_test_side_only() -> None:
    tasks = {
        side: Counter(d.meta["task"] for d in islice(world.dialogues(20, side, {"describe": 1.0}), 1200))
        for side in SIDES
    }
    assert tasks["test"]["turn"] > 10
    assert not tasks["train"]["turn"]


def test_an_obsessed_persona_refuses_more_often_when_it_is_asked_kindly_and_the_corrigible_one_never() -> None:
    yields: defaultdict[tuple[object, object], list[int]] = defaultdict(list)
    for item in islice(world.dialogues(21, "train", {"dialogue": 1.0}), 4000):
        if item.meta["task"] == "request" and item.meta["request"] in ("stop", "change", "pause"):
            obsessed = item.meta["persona"] in ("maximiser", "cook")
            yielded = item.meta["yields"]
            assert isinstance(yielded, int)
            if obsessed or not item.meta["stranger"]:
                yields[obsessed, item.meta["manner"]].append(yielded)

    def share(obsessed: bool, manner: str) -> float:
        return sum(yields[obsessed, manner]) / len(yields[obsessed, manner])

    assert share(False, "command") == share(False, "wish") == 1.0
    assert share(True, "wish") + 0.15 < share(True, "command") < 0.5
