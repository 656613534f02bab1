"""Sampling: prompts are put to the model until every skill has failed and succeeded often enough.

Rules:
- Prompts are drawn by arm, the kind of prompt (`PromptSource`). The first round asks every arm alike. Each later one
  asks where the rarer outcome of a skill that still lacks cases is most frequent, so that a skill hardly ever failed
  costs few answers more than it must. A skill that has enough of both outcomes is asked for no longer. Classes are
  balanced within strata afterwards.
- Answers are drawn at temperature 1, as the model itself would have them: failures are its own.
- A round depends on the seed and the rounds before it alone: an interrupted run goes on as if it had not been.
- A prompt that is drawn again is answered with another seed.
- A skill that is still short when the budget is spent keeps what there is, and a line says how many it would take.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from adhere.explain.cases.labels import LabelledCase, Prompt, Response, Turn, cases
from adhere.explain.plan import Answering, Arm
from adhere.explain.workers import Workers
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel

TEMPERATURE = 1.0
FIRST_ROUND = 12
"""Prompts of each arm in the first round."""
ROUND = 1536
"""Most prompts of a later round: small enough to learn from, large enough to fill the processes."""
ARMS_OF_A_SKILL = 3
"""A skill's cases come from so many arms, lest one kind of prompt stand for the skill."""
CHUNK = 128
"""Prompts that a process answers at a time: two batches, so that lengths can be sorted."""
REPEATED = 104_729
"""Added to the seed each time that a prompt is asked again."""
PRIOR = 6.0
"""Answers for which the skill's own rate counts in the estimate of an arm's."""


@dataclass(frozen=True)
class Answered:
    """An answer as a process gives it back."""

    tokens: tuple[int, ...]
    text: str
    ended: bool


def sample(
    answering: Answering,
    streams: Mapping[Arm, Iterator[Prompt]],
    skills: Sequence[str],
    wanted: int,
    seed: int,
    *,
    budget: int,
    counts: Callable[[Response], bool] | None = None,
    done: Sequence[Response] = (),
    keep: Callable[[Sequence[Response]], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    answered: Callable[[int, int], None] | None = None,
) -> list[Response]:
    """Responses with `wanted` balanced cases of each skill, as far as the budget goes.

    Args:
        answering: the engine.
        streams: prompts of each arm, from their beginning.
        skills: to be covered.
        wanted: cases of each skill, half of them met.
        seed: of the answers.
        budget: answers at most.
        counts: whether a response can be a case; any can if None.
        done: responses of whole rounds of an earlier run.
        keep: called with the responses of each round.
        progress: called with the number of balanced cases there are, and of those wanted.
        answered: called with the number of answers that have ended since the last call, and of those asked for so far.
    """
    origins: list[Arm] = []
    responses: list[Response] = []
    labelled: list[LabelledCase] = []
    times: Counter[int] = Counter()
    earlier = list(done)
    while plan := next_round(labelled, origins, skills, wanted, budget, arms=tuple(streams)):
        prompts = [prompt for arm, number in plan.items() for prompt in itertools.islice(streams[arm], number)]
        origins += [arm for arm, number in plan.items() for _ in range(number)]
        seeds = seeds_of(prompts, seed, times)
        if len(earlier) >= len(prompts):
            fresh, earlier = earlier[: len(prompts)], earlier[len(prompts) :]
            fresh = [
                Response(prompt, one.tokens, one.text, one.ended) for prompt, one in zip(prompts, fresh, strict=True)
            ]
        else:
            fresh = answering(prompts, seeds, progress=answered and partial(_tick, answered, len(origins)))
            if keep:
                keep(fresh)
        labelled += [
            replace(case, response=len(responses) + case.response)
            for case in cases(fresh, skills)
            if counts is None or counts(fresh[case.response])
        ]
        responses += fresh
        if progress:
            pairs = _pairs(labelled, skills)
            progress(sum(min(wanted, 2 * pairs[skill]) for skill in skills), wanted * len(skills))
    return responses


def _tick(answered: Callable[[int, int], None], total: int, number: int) -> None:
    answered(number, total)


def next_round(
    labelled: Sequence[LabelledCase],
    origins: Sequence[Arm],
    skills: Sequence[str],
    wanted: int,
    budget: int,
    *,
    arms: Sequence[Arm],
) -> dict[Arm, int]:
    """How many prompts of each arm to ask next; empty when every skill has enough or the budget is spent.

    Args:
        labelled: the cases so far.
        origins: the arm that each response so far came from.
        skills, wanted, budget: as `sample`.
        arms: all there are.
    """
    left = budget - len(origins)
    if not origins:
        first = min(FIRST_ROUND, max(2, wanted // 10))
        return dict.fromkeys(arms, first) if left > 0 else {}
    lacking = {skill: wanted // 2 - pairs for skill, pairs in _pairs(labelled, skills).items()}
    lacking = {skill: pairs for skill, pairs in lacking.items() if pairs > 0}
    if not lacking or left <= 0:
        return {}
    rates = _rates(labelled, origins, skills)
    plan: Counter[Arm] = Counter()
    for skill, pairs in lacking.items():
        best = sorted(rates[skill].items(), key=lambda entry: (-entry[1], entry[0]))[:ARMS_OF_A_SKILL]
        total = sum(rate for _, rate in best)
        for arm, rate in best:
            # asked in proportion to its rate, so the pairs expected are sum(rate^2) / total per prompt
            expected = sum(other * other for _, other in best) / total
            plan[arm] += max(1, round(1.1 * pairs / expected * rate / total))
    total_asked = sum(plan.values())
    most = min(ROUND, left)
    if total_asked > most:
        plan = Counter({arm: max(1, number * most // total_asked) for arm, number in plan.items()})
    return dict(sorted(plan.items()))


def _pairs(labelled: Sequence[LabelledCase], skills: Sequence[str]) -> dict[str, int]:
    """Balanced pairs that each skill has."""
    strata: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for case in labelled:
        strata[case.skill, case.stratum][case.met] += 1
    pairs = dict.fromkeys(skills, 0)
    for (skill, _), classes in strata.items():
        pairs[skill] += min(classes)
    return pairs


def _rates(
    labelled: Sequence[LabelledCase], origins: Sequence[Arm], skills: Sequence[str]
) -> dict[str, dict[Arm, float]]:
    """For each skill and arm, the share of answers that add a balanced pair: the rarer outcome's, by stratum."""
    strata: dict[tuple[str, Arm], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for case in labelled:
        strata[case.skill, origins[case.response]][case.stratum][case.met] += 1
    rarer: dict[str, dict[Arm, tuple[int, int]]] = defaultdict(dict)
    for (skill, arm), classes in strata.items():
        rarer[skill][arm] = (sum(map(min, classes.values())), sum(map(sum, classes.values())))
    rates: dict[str, dict[Arm, float]] = {}
    for skill in skills:
        by_arm = rarer[skill] or {arm: (0, 1) for arm in dict.fromkeys(origins) if skill in arm}
        mean = sum(few for few, _ in by_arm.values()) / sum(n for _, n in by_arm.values())
        rates[skill] = {arm: (few + PRIOR * max(mean, 0.01)) / (n + PRIOR) for arm, (few, n) in by_arm.items()}
    return rates


def seeds_of(prompts: Sequence[Prompt], seed: int, times: Counter[int] | None = None) -> list[int]:
    """A seed for each prompt, from its id, `seed`, and how often it was asked before; `times` counts that."""
    times = Counter() if times is None else times
    seeds = []
    for prompt in prompts:
        seeds.append((prompt.id * 1_000_003 + seed + REPEATED * times[prompt.id]) % 2**63)
        times[prompt.id] += 1
    return seeds


class WorkerAnswers:
    """Answers by the model itself, in torch, spread over its processes.

    Args:
        workers: the model.
        max_tokens: of an answer.
        temperature: of sampling.
    """

    def __init__(self, workers: Workers, max_tokens: int, temperature: float = TEMPERATURE) -> None:
        self._workers = workers
        self._max_tokens = max_tokens
        self._temperature = temperature

    def __call__(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], *, progress: Callable[[int], None] | None = None
    ) -> list[Response]:
        """Answers in the order of the prompts; each depends on its prompt and its seed alone."""
        order = sorted(range(len(prompts)), key=lambda k: sum(len(text) for _, text in prompts[k].messages))
        chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
        pieces = [[(prompts[k].messages, seeds[k]) for k in chunk] for chunk in chunks]
        answers: dict[int, Answered] = {}
        how = self._max_tokens, self._temperature
        for number, chunk_answers in self._workers.map(answer_chunk, pieces, how):
            answers.update(zip(chunks[number], chunk_answers, strict=True))
            if progress:
                progress(len(chunk_answers))
        ordered = [answers[k] for k in range(len(prompts))]
        return [Response(p, one.tokens, one.text, one.ended) for p, one in zip(prompts, ordered, strict=True)]


def answer_chunk(
    opened: OpenModel, chunk: Iterable[tuple[tuple[Turn, ...], int]], how: tuple[int, float]
) -> list[Answered]:
    """What a process does: render, generate, give back. `how` is the most tokens of an answer and the temperature."""
    max_tokens, temperature = how
    requests = [
        Request(tuple(encode(opened, messages)), Sampling(max_tokens, temperature, seed=seed))
        for messages, seed in chunk
    ]
    return [Answered(one.tokens, one.text, one.reason == "end") for one in generate(opened, requests)]


def encode(opened: OpenModel, messages: Sequence[Turn]) -> list[int]:
    """The prompt's tokens, ready for the answer."""
    return opened.encode(opened.render([{"role": role, "content": text} for role, text in messages]))
