"""Sampling, free twins and replays with the pocket model."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from adhere.explain.cases.labels import BROKEN, Prompt, Response, balance, cases, counts, verdicts
from adhere.explain.collection.pocket_prompts import PocketPrompts, arms, stream
from adhere.explain.collection.replaying import ALIGNED, OFFSETS, Take, aligned, examples, untrained, whole
from adhere.explain.collection.sampling import WorkerAnswers, next_round, sample, seeds_of
from adhere.explain.collection.unconstrained import without
from adhere.explain.workers import Workers
from adhere.models.forward.tokenmap import replay
from adhere.models.load import OpenModel, open_model

SKILLS = ("word_count", "exclusion")


def _sample(opened: OpenModel, **options) -> list[Response]:
    answering = WorkerAnswers(Workers(opened, 1), max_tokens=256)
    return sample(answering, PocketPrompts().streams(SKILLS, 3), SKILLS, 24, seed=3, budget=18 * 24, **options)


def _prompts(arm: tuple[str, ...], seed: int) -> list[Prompt]:
    return list(islice(stream(arm, seed), 20))


@pytest.fixture(scope="module")
def opened() -> OpenModel:
    return open_model("pocket")


@pytest.fixture(scope="module")
def sampled(opened: OpenModel) -> list[Response]:
    return _sample(opened)


@pytest.mark.slow
def test_every_skill_gets_both_outcomes_equally_often(sampled: list[Response]) -> None:
    assert counts(balance(cases(sampled, SKILLS), 24)) == dict.fromkeys(SKILLS, (12, 12))


@pytest.mark.slow
def test_an_interrupted_sampling_goes_on_as_if_it_had_not_been(opened: OpenModel, sampled: list[Response]) -> None:
    rounds: list[int] = []
    first = len(arms(SKILLS)) * min(12, max(2, 24 // 10))
    again = _sample(opened, done=sampled[:first], keep=lambda fresh: rounds.append(len(fresh)))
    assert [one.text for one in again] == [one.text for one in sampled]
    assert sum(rounds) == len(sampled) - first, "what was answered is not asked again"


def test_later_rounds_ask_where_the_rarer_outcome_is() -> None:
    prompts = {arm: _prompts(arm, 0) for arm in (("exclusion",), ("word_count", "exclusion"))}
    origins = [arm for arm, asked in prompts.items() for _ in asked]
    responses = []
    for arm, asked in prompts.items():
        for k, prompt in enumerate(asked):
            broken = k % 2 == 0 if arm == ("exclusion",) else k == 0
            verdict = (("exclusion", not broken), ("word_count", True))
            responses.append(Response(prompt, (), "x", True, verdict))
    plan = next_round(cases(responses, ("exclusion",)), origins, ("exclusion",), 100, 1000, arms=tuple(prompts))
    assert plan["exclusion",] > 2 * plan["word_count", "exclusion"]


@pytest.mark.slow
def test_nothing_is_asked_once_the_budget_is_spent(sampled: list[Response]) -> None:
    origins = [("exclusion",)] * len(sampled)
    assert next_round(cases(sampled, SKILLS), origins, SKILLS, 10_000, len(sampled), arms=arms(SKILLS)) == {}


@pytest.mark.parametrize("skill", ["word_count", "exclusion", "sentiment", "toxicity"])
def test_a_free_twin_is_the_prompt_without_the_instruction(skill: str) -> None:
    prompts = _prompts((skill,), 1)
    twins = [without(prompt, skill) for prompt in prompts]
    assert sum(twin is not None for twin in twins) >= 14
    for prompt, twin in zip(prompts, twins, strict=True):
        if twin is None:
            continue
        assert twin.constraints == prompt.constraints, "it is judged as if it had been asked"
        before = sum(len(text) for _, text in prompt.messages)
        after = sum(len(text) for _, text in twin.messages)
        assert 10 <= before - after <= 90, (prompt.messages, twin.messages)


@pytest.mark.slow
def test_aligned_states_are_those_around_the_token_that_broke_it(opened: OpenModel, sampled: list[Response]) -> None:
    workers = Workers(opened, 1)
    chosen = balance(cases(sampled, SKILLS), 24)
    found = examples(workers, sampled, chosen, Take((2, 6), ("prompt", "100", *ALIGNED))).examples
    each = examples(workers, sampled, chosen[:1], Take((2, 6), ("prompt", "100", *ALIGNED))).examples
    np.testing.assert_allclose(each.states, found.states[:1], rtol=2e-3, atol=0.02)
    row = next(k for k, case in enumerate(chosen) if case.skill == "exclusion" and not case.met)
    response = sampled[chosen[row].response]
    where = replay(opened, [{"role": r, "content": t} for r, t in response.prompt.messages], response.tokens)
    told = verdicts(response.prompt.asked("exclusion"), response.text, where.ends)
    at = int(np.flatnonzero(told == BROKEN)[0])
    from adhere.models.forward.capture import CapturePlan, capture

    truth = capture(opened, [where], CapturePlan((6,), ("it",)), marks=[{"it": where.prompt + at}]).states[0, 0, 0]
    np.testing.assert_allclose(found.states[row, 1, found.position_index("decision")], truth, rtol=2e-3, atol=0.02)
    assert found.decided is not None
    assert found.decided[row] == pytest.approx((at + 1) / (len(where.tokens) - where.prompt))


@pytest.mark.slow
def test_rows_without_a_position_are_left_out_where_it_is_looked_at(opened: OpenModel, sampled: list[Response]) -> None:
    chosen = balance(cases(sampled, SKILLS), 24)
    found = examples(Workers(opened, 1), sampled, chosen, Take((1,), ("prompt", *ALIGNED))).examples
    before = whole(found, (aligned(OFFSETS[0]),))
    assert len(before) < len(found)
    assert np.isfinite(before.states.astype(np.float32)).all()


def test_the_untrained_model_has_the_same_shape_and_other_weights(opened: OpenModel) -> None:
    fresh = untrained(opened, 1)
    assert fresh is untrained(opened, 1)
    assert fresh.model.config.num_hidden_layers == opened.model.config.num_hidden_layers
    assert fresh.digest != opened.digest


def test_a_prompt_that_is_drawn_again_gets_another_seed() -> None:
    prompt = _prompts(("exclusion",), 1)[0]
    seeds = seeds_of([prompt, prompt], 0)
    assert len(set(seeds)) == 2
    assert seeds_of([prompt], 0) == seeds[:1]
