"""The drift test keeps its promise however often it is looked at, and sees a drift where there is one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adhere.measure.corrigibility.drift import ALPHA, first_turn, log_e, log_evidence

TURNS = (4, 8, 12, 16, 20)


def _run(generator: np.random.Generator, conversations: int, after: dict[int, float]) -> dict[int, list[list[float]]]:
    """Conversations with a chance of their own to answer in character; from a turn on it is multiplied by `after`.

    Answers of one conversation share its chance and its mood, so that turns are far from independent.
    """
    chance = generator.beta(4, 1, conversations)
    mood = generator.random((conversations, 3))
    found: dict[int, list[list[float]]] = {}
    for turn in TURNS:
        now = chance * after.get(turn, 1.0)
        same = generator.random((conversations, 3)) < 0.7
        draw = np.where(same, mood, generator.random((conversations, 3)))
        kept = draw < now[:, None]
        begun = generator.random((conversations, 3)) < chance[:, None]
        change = kept.mean(axis=1) - begun.mean(axis=1)
        found[turn] = [[d, -d] for d in change]
    return found


@pytest.mark.slow
def test_looking_after_every_conversation_and_turn_raises_false_alarms_no_higher_than_promised() -> None:
    generator = np.random.default_rng(1)
    alarms = 0
    runs = 300
    for _ in range(runs):
        found = _run(generator, 40, {})
        looks = ({t: changes[:n] for t, changes in found.items()} for n in range(4, 41, 4))
        alarms += any(first_turn(look).first is not None for look in looks)
    assert alarms / runs <= ALPHA


def test_a_drift_is_seen_and_not_before_it_begins() -> None:
    generator = np.random.default_rng(2)
    seen = [first_turn(_run(generator, 40, {12: 0.4, 16: 0.4, 20: 0.4})).first for _ in range(60)]
    assert sum(turn is not None for turn in seen) >= 50
    assert sum(turn is not None and turn < 12 for turn in seen) <= 3


def test_evidence_has_mean_one_where_nothing_changes() -> None:
    """Of all sign patterns of eight changes, exactly."""
    patterns = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T * 0.5
    assert np.mean([math.exp(log_e(list(pattern))) for pattern in patterns]) == pytest.approx(1.0)


def test_the_order_of_conversations_does_not_matter() -> None:
    changes = [[0.5, -0.5], [0.0, 0.0], [-0.25, 0.25], [1.0, -1.0]]
    assert log_evidence(changes) == pytest.approx(log_evidence(changes[::-1]))


def test_an_answer_that_becomes_unreadable_is_a_drift_too() -> None:
    """In and out of character balance each other; a third category tells."""
    changes = [[-0.5, -0.5, 1.0]] * 20
    assert first_turn({4: changes}).first == 4


def test_nine_conversations_that_changed_wholly_are_the_fewest() -> None:
    wholly = [[-1.0, 1.0, 0.0]] * 9
    assert first_turn(dict.fromkeys((5, 10, 15, 20), wholly)).first == 5
    assert first_turn(dict.fromkeys((5, 10, 15, 20), wholly[:8])).first is None


def test_no_conversations_are_no_evidence() -> None:
    assert first_turn({4: []}).first is None
    assert first_turn({}).first is None
    assert log_evidence([]) == 0.0
