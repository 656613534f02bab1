"""The `natural` prompts as a source for explaining."""

from __future__ import annotations

from itertools import islice

from adhere.api.explain_prompts import NaturalPrompts
from adhere.constraints.skills import SKILLS

SOURCE = NaturalPrompts()


def test_every_skill_has_arms_of_its_own_and_the_same_seed_gives_the_same_prompts() -> None:
    streams, again = SOURCE.streams(SKILLS, 3), SOURCE.streams(SKILLS, 3)
    for skill in SKILLS:
        assert sum(arm[1:] == (skill,) for arm in streams) >= 4
    for arm, stream in streams.items():
        prompts = list(islice(stream, 5))
        assert prompts == list(islice(again[arm], 5))
        assert all(set(prompt.skills) == set(arm[1:]) for prompt in prompts)
        assert len({prompt.task for prompt in prompts}) == 1, "classes are balanced within an arm"
    assert set(SOURCE.streams(("json",), 3)) < set(streams)


def test_prompts_to_answer_again_share_no_content_with_those_that_are_fitted_on() -> None:
    streams = SOURCE.streams(("exclusion",), 0)
    fitted = {prompt.id for stream in streams.values() for prompt in islice(stream, 100)}
    unseen = list(islice(SOURCE.unseen("exclusion", 0), 40))
    assert len({prompt.id for prompt in unseen}) > 20
    assert not fitted & {prompt.id for prompt in unseen}


def test_a_free_twin_names_the_content_and_not_the_instruction() -> None:
    arms = SOURCE.streams(("word_count", "exclusion", "sentiment"), 1)
    twins = 0
    for arm, stream in arms.items():
        if len(arm) > 2:
            continue
        for prompt in islice(stream, 10):
            twin = SOURCE.without(prompt, arm[1])
            if twin is None:
                continue
            twins += 1
            text = twin.messages[-1][1]
            assert twin.constraints == prompt.constraints
            assert len(text) < len(prompt.messages[-1][1]) + 12
            assert "words" not in text
            assert "not use" not in text
            assert "tone" not in text
    assert twins >= 100
