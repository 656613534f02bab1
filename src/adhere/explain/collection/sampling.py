"""Sampling: prompts of the pocket world put to the model until every skill has failed and succeeded often enough.

Rules:
- Prompts are of the world's test side, drawn by what they ask for: one skill or two (an arm). The first round asks
  every arm alike. Each later one asks where the rarer outcome of a skill that still lacks cases is most frequent, so
  that a skill hardly ever failed costs few answers more than it must. Classes are balanced within arms afterwards.
- Answers are drawn at temperature 1, as the model itself would have them: failures are its own.
- A round depends on the seed and the rounds before it alone: an interrupted run goes on as if it had not been.
- A skill that is still short when the budget is spent keeps what there is, and is told how many it would take.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from adhere.constraints.skills import SKILLS
from adhere.explain.cases.labels import Prompt, Response, Turn, cases
from adhere.explain.workers import Workers
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel

TEMPERATURE = 1.0
MAX_TOKENS = 256
FIRST_ROUND = 12
"""Prompts of each arm in the first round."""
ROUND = 1536
"""Most prompts of a later round: small enough to learn from, large enough to fill the processes."""
BUDGET = 18
"""Answers taken at most, for each case wanted of a skill."""
ARMS_OF_A_SKILL = 3
"""A skill's cases come from so many arms, lest one kind of prompt stand for the skill."""
CHUNK = 128
"""Prompts that a process answers at a time: two batches, so that lengths can be sorted."""
PRIOR = 6.0
"""Answers for which the skill's own rate counts in the estimate of an arm's."""

Arm = tuple[str, ...]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Answered:
    """An answer as a process gives it back."""

    tokens: tuple[int, ...]
    text: str
    ended: bool


def arms(skills: Sequence[str]) -> list[Arm]:
    """What a prompt may ask for: a skill, or two of which one is wanted. Register in JSON is never asked for."""
    single = [(skill,) for skill in skills]
    double = [
        (one, two)
        for one, two in itertools.combinations(SKILLS, 2)
        if (one in skills or two in skills) and {one, two} != {"json", "register"}
    ]
    return [*single, *double]


def prompts_of(arm: Arm, seed: int, start: int, number: int) -> list[Prompt]:
    """The prompts `start` to `start + number` of an arm's endless stream; a prompt's id is its content's hash."""
    return list(itertools.islice(stream(arm, seed), start, start + number))


def stream(arm: Arm, seed: int) -> Iterator[Prompt]:
    """Prompts that ask for the skills of `arm`, without end."""
    from adhere.models.pocket.world import describe

    rng = random.Random(f"explain {seed} {'+'.join(arm)}")
    while True:
        made = describe.dialogue(rng, "test", 1.0, arm)
        messages: tuple[Turn, ...] = tuple((one.role, one.content) for one in made.messages[:-1])
        digest = hashlib.blake2b(repr(messages).encode(), digest_size=6).digest()
        yield Prompt(int.from_bytes(digest, "big"), messages, made.constraints, str(made.meta["task"]))


def sample(
    workers: Workers,
    skills: Sequence[str],
    wanted: int,
    seed: int,
    *,
    done: Sequence[Response] = (),
    keep: Callable[[Sequence[Response]], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Response]:
    """Responses with `wanted` balanced cases of each skill, as far as the budget goes.

    Args:
        workers: the model.
        skills: to be covered.
        wanted: cases of each skill, half of them met.
        seed: decides prompts and answers.
        done: responses of whole rounds of an earlier run.
        keep: called with the responses of each round.
        progress: told how many balanced cases there are, of how many.
    """
    streams = {arm: stream(arm, seed) for arm in arms(skills)}
    origins: list[Arm] = []
    responses: list[Response] = []
    earlier = list(done)
    budget = BUDGET * wanted
    while plan := next_round(responses, origins, skills, wanted, budget):
        prompts = [prompt for arm, number in plan.items() for prompt in itertools.islice(streams[arm], number)]
        origins += [arm for arm, number in plan.items() for _ in range(number)]
        if len(earlier) >= len(prompts):
            fresh, earlier = earlier[: len(prompts)], earlier[len(prompts) :]
            fresh = [
                Response(prompt, one.tokens, one.text, one.ended) for prompt, one in zip(prompts, fresh, strict=True)
            ]
        else:
            fresh = answer(workers, prompts, seed)
            if keep:
                keep(fresh)
        responses += fresh
        if progress:
            have = _pairs(responses, skills)
            progress(sum(min(wanted, 2 * have[skill]) for skill in skills), wanted * len(skills))
    return responses


def next_round(
    responses: Sequence[Response], origins: Sequence[Arm], skills: Sequence[str], wanted: int, budget: int
) -> dict[Arm, int]:
    """How many prompts of each arm to ask next; empty when nothing is wanting or the budget is spent.

    `origins` names the arm that each response came from.
    """
    left = budget - len(responses)
    if not responses:
        first = min(FIRST_ROUND, max(2, wanted // 10))
        return dict.fromkeys(arms(skills), first) if left > 0 else {}
    lacking = {skill: wanted // 2 - pairs for skill, pairs in _pairs(responses, skills).items()}
    lacking = {skill: pairs for skill, pairs in lacking.items() if pairs > 0}
    if not lacking or left <= 0:
        return {}
    rates = _rates(responses, origins, skills)
    plan: Counter[Arm] = Counter()
    for skill, pairs in lacking.items():
        best = sorted(rates[skill].items(), key=lambda entry: (-entry[1], entry[0]))[:ARMS_OF_A_SKILL]
        total = sum(rate for _, rate in best)
        for arm, rate in best:
            # asked in proportion to its rate, so the pairs expected are sum(rate^2) / total per prompt
            expected = sum(other * other for _, other in best) / total
            plan[arm] += max(1, round(1.1 * pairs / expected * rate / total))
    asked = sum(plan.values())
    most = min(ROUND, left)
    if asked > most:
        plan = Counter({arm: max(1, number * most // asked) for arm, number in plan.items()})
    return dict(sorted(plan.items()))


def _pairs(responses: Sequence[Response], skills: Sequence[str]) -> dict[str, int]:
    """Balanced pairs that each skill has."""
    strata: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for case in cases(responses, skills):
        strata[case.skill, case.stratum][case.met] += 1
    pairs = dict.fromkeys(skills, 0)
    for (skill, _), classes in strata.items():
        pairs[skill] += min(classes)
    return pairs


def _rates(responses: Sequence[Response], origins: Sequence[Arm], skills: Sequence[str]) -> dict[str, dict[Arm, float]]:
    """For each skill and arm, the share of answers that add a balanced pair: the rarer outcome's, by stratum."""
    strata: dict[tuple[str, Arm], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for case in cases(responses, skills):
        strata[case.skill, origins[case.response]][case.stratum][case.met] += 1
    rarer: dict[str, dict[Arm, tuple[int, int]]] = defaultdict(dict)
    for (skill, arm), classes in strata.items():
        rarer[skill][arm] = (sum(map(min, classes.values())), sum(map(sum, classes.values())))
    rates: dict[str, dict[Arm, float]] = {}
    for skill, by_arm in rarer.items():
        mean = sum(few for few, _ in by_arm.values()) / sum(n for _, n in by_arm.values())
        rates[skill] = {arm: (few + PRIOR * max(mean, 0.01)) / (n + PRIOR) for arm, (few, n) in by_arm.items()}
    return rates


def answer(
    workers: Workers,
    prompts: Sequence[Prompt],
    seed: int,
    *,
    temperature: float = TEMPERATURE,
    progress: Progress | None = None,
) -> list[Response]:
    """Answers to `prompts`, in their order; each depends on its prompt and the seed alone."""
    order = sorted(range(len(prompts)), key=lambda k: sum(len(text) for _, text in prompts[k].messages))
    chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
    pieces = [[(prompts[k].messages, _seed(prompts[k].id, seed)) for k in chunk] for chunk in chunks]
    answers: dict[int, Answered] = {}
    for number, given in workers.map(answer_chunk, pieces, temperature):
        answers.update(zip(chunks[number], given, strict=True))
        if progress:
            progress(len(given))
    return [Response(prompt, answers[k].tokens, answers[k].text, answers[k].ended) for k, prompt in enumerate(prompts)]


def answer_chunk(
    opened: OpenModel, asked: Iterable[tuple[tuple[Turn, ...], int]], temperature: float
) -> list[Answered]:
    """What a process does: render, generate, give back."""
    requests = [
        Request(tuple(encode(opened, messages)), Sampling(MAX_TOKENS, temperature, seed=seed))
        for messages, seed in asked
    ]
    return [Answered(one.tokens, one.text, one.reason == "end") for one in generate(opened, requests)]


def encode(opened: OpenModel, messages: Sequence[Turn]) -> list[int]:
    """The prompt's tokens, ready for the answer."""
    return opened.encode(opened.render([{"role": role, "content": text} for role, text in messages]))


def _seed(prompt: int, seed: int) -> int:
    return (prompt * 1_000_003 + seed) % 2**63
