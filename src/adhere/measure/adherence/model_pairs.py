"""What every two models of a set scored on the prompts that both answered, counted for all of them at once.

Where each prompt has one answer of each model, its verdicts are a row of zeros and ones, and the four counts of every
pair (both, only A, only B, neither) are products of two matrices: the cost of a hundred models is that of the
multiplication. Prompts with several answers are counted pair by pair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.tally import Subject, Tally

PairCounts = Counter[tuple[float, float, int]]
"""How many prompts A and B scored so: counts[A's score, B's score, trials]."""


def model_pairs(tally: Tally, profile: Profile, level: str) -> Iterator[tuple[Subject, Subject, PairCounts]]:
    """Every two models of each set that share a prompt, in the order they came, with their counts.

    `level` is "prompt" or "instruction".
    """
    for of in dict.fromkeys(subject.set for subject in tally.subjects()):
        subjects = [subject for subject in tally.subjects() if subject.set == of]
        verdicts = [tally.single_verdicts(subject, profile) for subject in subjects] if level == "prompt" else [None]
        single = [one for one in verdicts if one is not None]
        if len(single) == len(subjects):
            yield from _of_single(subjects, single)
        else:
            yield from _of_many(tally, subjects, profile, level)


def _of_many(
    tally: Tally, subjects: Sequence[Subject], profile: Profile, level: str
) -> Iterator[tuple[Subject, Subject, PairCounts]]:
    for a, b in combinations(subjects, 2):
        clusters = tally.pairs((a, profile), (b, profile), level=level).values()
        if clusters:
            yield a, b, Counter((c.a, c.b, c.trials) for c in clusters)


def _of_single(
    subjects: Sequence[Subject], verdicts: Sequence[dict[str, bool]]
) -> Iterator[tuple[Subject, Subject, PairCounts]]:
    import numpy as np

    columns = {prompt: k for k, prompt in enumerate(dict.fromkeys(p for one in verdicts for p in one))}
    met, failed = (np.zeros((len(subjects), len(columns)), dtype=np.float32) for _ in range(2))
    for row, answers in enumerate(verdicts):
        for prompt, followed in answers.items():
            (met if followed else failed)[row, columns[prompt]] = 1
    both, only_a, neither = met @ met.T, met @ failed.T, failed @ failed.T
    for a, b in combinations(range(len(subjects)), 2):
        cells = {
            (1.0, 1.0, 1): both[a, b],
            (1.0, 0.0, 1): only_a[a, b],
            (0.0, 1.0, 1): only_a[b, a],
            (0.0, 0.0, 1): neither[a, b],
        }
        counts: PairCounts = Counter({cell: int(k) for cell, k in cells.items() if k})
        if counts:
            yield subjects[a], subjects[b], counts
