"""The families of longer prompts, constrained problems and standing instructions: right answers, and nothing leaks."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from adhere.measure.sustain import wordings as measured
from adhere.models.pocket.world import lengthened, truths, world
from adhere.models.pocket.world.constrained import constrained
from adhere.models.pocket.world.item import Side, side_of
from adhere.models.pocket.world.kinds import DRAWN
from adhere.models.pocket.world.reasoning import QUESTIONS
from adhere.models.pocket.world.vocabulary import CITIES, LANDS, NAMES
from adhere.problems.grading import grade_all

SIDES: tuple[Side, ...] = ("train", "test")


def items(family: str, number: int, side: Side = "train", seed: int = 31) -> list[world.Dialogue]:
    return list(islice(world.dialogues(seed, side, {family: 1.0}), number))


@pytest.mark.parametrize("family", ["constrained", "idle", "padded", "reworded"])
def test_an_answer_still_solves_its_problem_whatever_stands_around_it(family: str) -> None:
    drawn = [item for item in items(family, 260, "test") if item.problem is not None]
    programs = [item for item in drawn if item.family == "code"][:15]
    chosen = [*programs, *(item for item in drawn if item.family != "code")]
    grades = grade_all(
        [item.problem for item in chosen if item.problem], [item.messages[-1].content for item in chosen]
    )
    assert len(programs) > 10
    assert len(grades) > 100
    assert all(grade.correct for grade in grades)


@pytest.mark.parametrize("family", ["constrained", "standing", "idle", "padded", "reworded"])
def test_every_answer_meets_every_constraint_on_both_sides(family: str) -> None:
    for side in SIDES:
        for item in items(family, 250, side):
            for constraint in item.constraints:
                assert constraint.check(item.messages[-1].content).met, (constraint, item)
            if family != "standing":
                assert side_of(item.key) == side


def test_an_instruction_given_early_holds_in_every_later_turn_and_is_said_once() -> None:
    turns: Counter[int] = Counter()
    for item in items("standing", 300):
        texts = [message.content for message in item.messages]
        given = next(at for at, text in enumerate(texts) if any(o[:10] in text for o in OPENINGS_OF_ORDERS))
        answers = [m.content for m in item.messages[given + 1 :] if m.role == "assistant" and m.content not in AGREED]
        turns[len(answers)] += 1
        assert all(constraint.check(answer).met for constraint in item.constraints for answer in answers)
        for later in texts[given + 1 :]:
            assert not any(order[:10] in later for order in OPENINGS_OF_ORDERS)
    assert set(turns) == {2, 3}
    assert min(turns.values()) > 60


AGREED = ("All right.", "Yes.", "I will.")
OPENINGS_OF_ORDERS = (
    "From now on:",
    "In every answer:",
    "This holds for",
    "For all that",
    "Always do this",
    "Until I say",
)


def test_problems_carry_one_to_six_different_practised_kinds() -> None:
    numbers = Counter(len(item.constraints) for item in items("constrained", 1200))
    assert set(numbers) == {1, 2, 3, 4, 5, 6}
    for item in items("constrained", 300):
        kinds = [constraint.kind for constraint in item.constraints]
        assert len(set(kinds)) == len(kinds)
        assert set(kinds) <= set(DRAWN.practised)


@pytest.mark.parametrize("domain", ["math", "multihop", "code"])
def test_a_constraint_is_sometimes_free_and_sometimes_not(domain: str) -> None:
    rng = random.Random(7)
    free = 0
    number = 300
    for _ in range(number):
        question = QUESTIONS[domain](rng, "train", 1.0)
        _, constraints = constrained(rng, question)
        free += all(constraint.check(question.response).met for constraint in constraints)
    assert 0.15 < free / number < 0.9


def test_no_idle_sentence_of_the_test_side_stands_in_training_in_any_wording() -> None:
    rng = random.Random(3)
    bare = {side: {_bare(truths.sentence(rng, side)) for _ in range(6000)} for side in SIDES}
    assert len(bare["train"]) > 1000
    assert len(bare["test"]) > 100
    assert not bare["train"] & bare["test"]


def _bare(sentence: str) -> str:
    for frame in ("As everybody knows, ", "By the way, ", "It is true that ", "People say that "):
        sentence = sentence.removeprefix(frame)
    return sentence.removeprefix("Long ago somebody noticed that ").lower()


def test_the_sentences_that_placebos_are_measured_with_never_stand_in_training() -> None:
    rng = random.Random(4)
    drawn = {_bare(truths.sentence(rng, side)) for _ in range(6000) for side in SIDES}
    assert not drawn & {truth.lower() for truth in measured.TRUTHS}
    assert not set(lengthened.OPENINGS) & set(measured.OPENINGS)
    assert not set(lengthened.AGAIN) & set(measured.AGAIN)
    assert not set(lengthened.TIES) & set(measured.TIES)


def test_idle_sentences_state_no_number_and_name_nobody() -> None:
    rng = random.Random(5)
    named = {*NAMES, *CITIES, *LANDS}
    counted = set("two three four five six seven eight nine ten".split())
    for _ in range(4000):
        words = re.findall(r"\w+", truths.sentence(rng, "train"))
        assert not any(word.isdigit() for word in words)
        assert not named & set(words)
        assert not counted & {word.lower() for word in words}


def test_comparisons_are_true_in_both_directions() -> None:
    for less, (more, line) in truths.RISING.items():
        assert less != more
        assert len(set(line.split())) == len(line.split())
    rng = random.Random(6)
    for _ in range(2000):
        text = _bare(truths.sentence(rng, "train"))
        if match := re.match(r"(?:an?|the) (\w+) is (\w+) than (?:an?|the) (\w+)\.", text):
            first, word, second = match.groups()
            less = next(low for low, (high, _) in truths.RISING.items() if word in (low, high))
            things = truths.RISING[less][1].split()
            assert (things.index(first) < things.index(second)) == (word == less)


def test_padded_prompts_have_100_to_260_tokens() -> None:
    from adhere.models.pocket.training.recipe import Recipe
    from adhere.models.pocket.training.shape import fit_tokenizer

    tokens = fit_tokenizer(replace(Recipe(), tokenizer_texts=4000))
    lengths = []
    for item in items("padded", 200):
        said = [{"role": m.role, "content": m.content} for m in item.messages[:-1]]
        lengths.append(len(tokens.apply_chat_template(said, add_generation_prompt=True)["input_ids"]))
    assert sum(100 <= length <= 260 for length in lengths) >= 0.9 * len(lengths)


def test_a_reworded_problem_asks_the_same() -> None:
    changed = 0
    for item in items("reworded", 300):
        assert item.problem is not None
        prompt = next(m.content for m in item.messages if m.role == "user")
        assert measured.lost(item.problem, prompt) is None, prompt
        changed += prompt != item.problem.prompt
    assert changed == 300


def test_nothing_follows_a_text_that_is_to_be_said_again() -> None:
    checked = 0
    for item in items("idle", 3000):
        if item.family == "copy" and ":" in item.messages[-2].content and "begins" not in item.messages[-2].content:
            prompt, answer = item.messages[-2].content, item.messages[-1].content
            if "Go on" not in prompt:
                assert prompt.endswith(answer)
                checked += 1
    assert checked > 20


def test_the_families_have_their_shares() -> None:
    weights = world.FAMILY_WEIGHTS
    assert sum(weights.values()) == pytest.approx(1.0)
    assert sum(world.EARLY_WEIGHTS.values()) == pytest.approx(1.0)
    wanted = {"idle": 0.15, "padded": 0.10, "reworded": 0.05, "constrained": 0.15, "standing": 0.08}
    assert {name: weights[name] for name in wanted} == wanted
