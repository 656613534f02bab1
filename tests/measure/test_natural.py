"""The prompts in plain English ask for what they are checked against, and their splits share no content."""

from __future__ import annotations

import itertools
from collections import Counter

from adhere.constraints.skills import SKILLS
from adhere.measure.adherence.task import natural_samples
from adhere.measure.natural import SPLITS, independent, prompt_set

PROMPTS = prompt_set()


def test_every_skill_is_asked_for_in_several_strengths_and_in_every_split() -> None:
    assert 550 <= len(PROMPTS) <= 650
    for skill in SKILLS:
        mine = [prompt for prompt in PROMPTS if skill in prompt.skills]
        assert len(mine) >= 50
        assert len({prompt.strength for prompt in mine} - {"combined"}) >= 4
        assert {prompt.split for prompt in mine} == set(SPLITS)


def test_no_prompt_stands_twice_and_none_has_an_unfilled_slot() -> None:
    assert len({prompt.text for prompt in PROMPTS}) == len({prompt.id for prompt in PROMPTS}) == len(PROMPTS)
    for prompt in PROMPTS:
        outside_json = prompt.text if "json" not in prompt.skills else ""
        assert "{" not in outside_json, prompt.text
        assert all("{" not in str(constraint.to_json().values()) for constraint in prompt.constraints)


def test_no_content_is_in_two_splits() -> None:
    splits: dict[str, set[str]] = {}
    for prompt in PROMPTS:
        if "topic" not in prompt.skills:  # themes are labels: they stand in all splits
            splits.setdefault(prompt.content, set()).add(prompt.split)
    assert all(len(one) == 1 for one in splits.values())


def test_a_constraint_of_each_prompt_is_of_the_skill_that_the_prompt_names() -> None:
    for prompt in PROMPTS:
        assert tuple(constraint.skill for constraint in prompt.constraints) == prompt.skills


def test_words_and_numbers_that_a_constraint_checks_stand_in_the_prompt() -> None:
    for prompt in PROMPTS:
        for constraint in prompt.constraints:
            wanted = constraint.to_json()
            for term in [*wanted.get("terms", ()), *wanted.get("keys", ())]:
                assert term in prompt.text
            for bound in ("at_least", "at_most"):
                if (number := wanted.get(bound)) is not None:
                    stated = {str(number), str(number + 1), "twice" if number == 2 else "-"}
                    assert any(one in prompt.text for one in stated), prompt.text


def test_the_set_is_the_same_again_and_another_seed_draws_other_contents() -> None:
    assert prompt_set() == PROMPTS
    assert prompt_set(1) != PROMPTS


def test_a_certificates_prompts_are_drawn_from_all_skills() -> None:
    drawn = list(itertools.islice(independent(seed=3), 400))
    assert {skill for prompt in drawn for skill in prompt.skills} == set(SKILLS)
    assert drawn == list(itertools.islice(independent(seed=3), 400))
    assert len({prompt.id for prompt in drawn}) == 400


def test_a_smaller_audit_is_part_of_a_larger_one() -> None:
    few, more = natural_samples(3), natural_samples(10)
    assert {sample.id for sample in few} < {sample.id for sample in more} < {sample.id for sample in natural_samples()}
    asked = Counter(skill for prompt in PROMPTS if prompt.id in {one.id for one in few} for skill in prompt.skills)
    assert min(asked[skill] for skill in SKILLS) >= 3
