"""Does the model use what a probe can read? It answers again with the direction erased, and is checked again.

Rules:
- What is erased is LEACE's rank-one map, fitted on other prompts than those answered here: at the layer at which the
  skill is best read, and at every layer at once. It is erased at the last prompt token and at every generated one.
- The control is a random direction at the same layers, made to change the stream at least as much as LEACE does (mean
  squared change on the examples): a change of that size without aim.
- Answers are greedy and paired: the same prompts with nothing erased, with LEACE, with the random direction.
- Beside it stands what erasing costs: the loss, in nats a token, on the model's own answers to prompts without the
  instruction. A skill that falls while the loss soars was not erased, the model was broken.
- A change is a finding if the interval of what LEACE does beyond the random direction excludes zero, for all skills and
  places together, and erasing raises that loss by at most `BROKE`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adhere.core.findings import Control, Finding
from adhere.explain.analyses.claims import Claim, simultaneous
from adhere.explain.cases.examples import Examples
from adhere.explain.cases.labels import Prompt, Response, Turn, satisfied
from adhere.explain.collection.sampling import encode
from adhere.explain.probing.decodability import Estimate, Resamples
from adhere.explain.probing.erasers import Eraser, random_subspace
from adhere.explain.probing.fitted_erasers import fit_eraser
from adhere.explain.probing.site_parallel import Site
from adhere.explain.workers import Workers
from adhere.models.forward.erasing import Erasing, response_loss
from adhere.models.forward.tokenmap import replay
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Erasers = Mapping[int, Eraser]
Answer = tuple[Sequence[Turn], tuple[int, ...] | str, bool]
"""A prompt, the tokens or the text that answered it, and whether that ended by itself."""
BEFORE: tuple[str, str, Erasers | None] = ("", "before", None)
BROKE = 0.5
"""Nats a token of loss above which no change of behaviour holds: the model itself was damaged."""


@dataclass(frozen=True)
class Behaviour:
    """One skill, erased at one layer or at all.

    Attributes:
        layer: where; None for all layers.
        position: where in the answers the direction was fitted.
        before, erased, random: adherence on the same prompts.
        loss_before, loss_erased, loss_random: nats a token on the model's own answers without the instruction.
        beyond: interval of `random - erased` that holds for all skills and places together.
    """

    skill: str
    layer: int | None
    position: str
    before: Estimate
    erased: Estimate
    random: Estimate
    loss_before: Estimate
    loss_erased: Estimate
    loss_random: Estimate
    beyond: tuple[float, float]

    @property
    def place(self) -> str:
        """Where it was erased, in words."""
        return "all layers" if self.layer is None else f"layer {self.layer}"

    def claim(self, model: str, recompute: str = "") -> Claim:
        """What may be said of it."""
        change, placebo = self.erased - self.before, self.random - self.before
        damage, aimless = self.loss_erased - self.loss_before, self.loss_random - self.loss_before
        low, high = self.beyond
        beyond_random = low > 0 or high < 0
        holds = beyond_random and damage.value <= BROKE
        finding = Finding(
            what="erasure.behaviour",
            subject={
                "model": model,
                "skill": self.skill,
                "layers": self.place,
                "position": self.position,
                "method": "leace",
                "rank": 1,
                "adherence_before": self.before.value,
                "adherence_erased": self.erased.value,
                "adherence_random": self.random.value,
                "loss_before": self.loss_before.value,
                "loss_erased": self.loss_erased.value,
                "loss_random": self.loss_random.value,
            },
            estimate=change.value,
            interval=change.interval,
            n=change.n,
            unit="prompts",
            control=Control(what="a random direction", estimate=placebo.value, interval=placebo.interval),
            recompute=recompute,
        )
        verb = "falls" if change.value < 0 else "rises" if change.value > 0 else "stays"
        says = (
            f"{self.skill}: adherence {verb} from {self.before.value:.2f} to {self.erased.value:.2f} when its "
            f"direction is erased at {self.place} [{change.interval[0]:+.2f}, {change.interval[1]:+.2f}], "
            f"{change.n} prompts."
        )
        against = []
        supports = f"a random direction leaves {self.random.value:.2f}"
        if not beyond_random:
            against.append(f"{supports}, and the difference [{low:+.2f}, {high:+.2f}] includes none")
        if damage.value > BROKE:
            against.append(
                f"the loss on its own free text rises by {damage.value:.2f} nats a token (random {aimless.value:.2f}): "
                f"above {BROKE:g} the model is damaged, and nothing holds"
            )
        sentence = (
            f"{says} For it: {supports if beyond_random else 'nothing'}. "
            f"Against it: {'; '.join(against) or f'none of the controls; the loss rises by {damage.value:.2f} nats'}."
        )
        return Claim(finding, holds, sentence)


@dataclass(frozen=True)
class BehaviourRequest:
    """What is to be answered again: for each skill its prompts, none of which the erasers were fitted on."""

    prompts: Mapping[str, Sequence[Prompt]]
    free: Sequence[Response]
    """The model's own answers to prompts without the instruction: what fluency is measured on."""
    max_tokens: int = 256


def placebo(eraser: Eraser, x: NDArray[np.float32], seed: int) -> Eraser:
    """A random direction that changes the stream at least as much as `eraser` does on `x`, shape (n, d)."""
    drawn = random_subspace(len(eraser.mean), eraser.rank, eraser.mean, np.random.default_rng(seed))
    centred = x - eraser.mean.astype(np.float32)
    aimed = np.square((centred @ eraser.right) @ eraser.left.T).sum(axis=1).mean()
    aimless = np.square(centred @ drawn.right).sum(axis=1).mean()
    scale = max(1.0, float(np.sqrt(aimed / aimless))) if aimless > 0 else 1.0
    return Eraser("random", scale * drawn.left, drawn.right, drawn.mean)


def erasers(examples: Examples, skill: str, site: Site, seed: int) -> dict[str, tuple[int | None, Erasers, Erasers]]:
    """LEACE and its control, by place: (layer or None, LEACE's by layer, random ones by layer)."""
    layer, position = site
    rows = np.flatnonzero((examples.skill == skill) & examples.constrained)

    def both(at: int) -> tuple[Eraser, Eraser]:
        aimed = fit_eraser(examples, skill, (at, position))
        return aimed, placebo(aimed, examples.slab(at, position)[rows], seed + at)

    made = {at: both(at) for at in examples.layers}
    return {
        "one": (layer, {layer: made[layer][0]}, {layer: made[layer][1]}),
        "all": (None, {at: one for at, (one, _) in made.items()}, {at: two for at, (_, two) in made.items()}),
    }


def behaviour(
    workers: Workers,
    examples: Examples,
    sites: Mapping[str, Site],
    asked: BehaviourRequest,
    *,
    seed: int = 0,
    journal: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Behaviour]:
    """Answer again with each skill's direction erased.

    Args:
        workers: the model.
        examples: what the erasers are fitted on.
        sites: for each skill the layer and the position at which it is best read.
        asked: what to answer and what to read.
        seed: of the random directions.
        journal: where what is done is kept, and what an interrupted run had done is found.
        progress: told how many pieces of work are done, of `pieces(sites)` at the most.
    """
    chosen = {skill: erasers(examples, skill, site, seed) for skill, site in sites.items()}
    jobs: list[tuple[str, str, Erasers | None]] = []
    for skill, places in chosen.items():
        jobs.append((skill, "before", None))
        for place, (_, aimed, aimless) in places.items():
            jobs += [(skill, f"{place} erased", aimed), (skill, f"{place} random", aimless)]
    reading = [BEFORE, *(job for job in jobs if job[2] is not None)]
    kept = _kept(journal)

    def note(kind: str, key: tuple[str, str], value: Sequence[object]) -> None:
        kept[kind, *key] = value
        if journal is not None:
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps([kind, *key, value], ensure_ascii=False) + "\n")
        if progress:
            progress(1)

    left = [job for job in jobs if ("answer", *job[:2]) not in kept]
    answering = [([prompt.messages for prompt in asked.prompts[skill]], arm) for skill, _, arm in left]
    for number, said in workers.map(answer_erased, answering, asked.max_tokens):
        note("answer", left[number][:2], said)
    left = [job for job in reading if ("read", *job[:2]) not in kept]
    free = [(one.prompt.messages, one.tokens or one.text, one.ended) for one in asked.free]
    for number, read in workers.map(read_erased, [(free, arm) for _, _, arm in left]):
        note("read", left[number][:2], [part.tolist() for part in read])
    texts = {(skill, arm): [str(text) for text in kept["answer", skill, arm]] for skill, arm, _ in jobs}
    losses: dict[tuple[str, str], tuple[Floats, Floats]] = {}
    for skill, arm, _ in reading:
        nats, tokens = kept["read", skill, arm]
        losses[skill, arm] = np.array(nats), np.array(tokens)
    return _summed_up(sites, chosen, asked, texts, losses)


def _kept(journal: Path | None) -> dict[tuple[str, ...], Sequence[Any]]:
    """What an earlier run has done; a line that was cut off is left out."""
    kept: dict[tuple[str, ...], Sequence[Any]] = {}
    if journal is not None and journal.exists():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                *key, value = json.loads(line)
            except ValueError:
                continue
            kept[tuple(key)] = value
    return kept


def pieces(sites: Mapping[str, Site]) -> int:
    """How many pieces of work `behaviour` has."""
    return 9 * len(sites) + 1


def _summed_up(
    sites: Mapping[str, Site],
    chosen: Mapping[str, Mapping[str, tuple[int | None, Erasers, Erasers]]],
    asked: BehaviourRequest,
    texts: Mapping[tuple[str, str], Sequence[str]],
    losses: Mapping[tuple[str, str], tuple[Floats, Floats]],
) -> list[Behaviour]:
    drawn = Resamples.of(np.array([one.prompt.id for one in asked.free], dtype=np.int64))

    def loss(key: tuple[str, str]) -> Estimate:
        nats, tokens = losses[key]
        return Estimate(
            float(nats.sum() / tokens.sum()), (drawn.weights @ nats) / (drawn.weights @ tokens), drawn.prompts
        )

    parts = []
    for skill, (_, position) in sites.items():
        prompts = asked.prompts[skill]
        resamples = Resamples.of(np.array([prompt.id for prompt in prompts], dtype=np.int64))

        def rate(arm: str) -> Estimate:
            met = np.array(
                [satisfied(p.asked(skill), text) for p, text in zip(prompts, texts[skill, arm], strict=True)],  # noqa: B023
                dtype=np.float32,
            )
            share = (resamples.weights @ met) / resamples.weights.sum(axis=1)  # noqa: B023
            return Estimate(float(met.mean()), np.asarray(share, np.float64), resamples.prompts)  # noqa: B023

        for place, (layer, _, _) in chosen[skill].items():
            parts.append(
                Behaviour(
                    skill,
                    layer,
                    position,
                    rate("before"),
                    rate(f"{place} erased"),
                    rate(f"{place} random"),
                    loss(("", "before")),
                    loss((skill, f"{place} erased")),
                    loss((skill, f"{place} random")),
                    (float("nan"), float("nan")),
                )
            )
    together = simultaneous([one.random - one.erased for one in parts]) if parts else []
    return [replace(one, beyond=interval) for one, interval in zip(parts, together, strict=True)]


def answer_erased(
    opened: OpenModel, piece: tuple[Sequence[Sequence[Turn]], Erasers | None], max_tokens: int
) -> list[str]:
    """What a process does: answer prompts with something erased, or nothing."""
    prompts, arm = piece
    requests = [Request(tuple(encode(opened, one)), Sampling(max_tokens), stop_loops=True) for one in prompts]
    with Erasing(opened, arm or {}, where="answer"):
        return [one.text for one in generate(opened, requests)]


def read_erased(
    opened: OpenModel, piece: tuple[Sequence[Answer], Erasers | None], shared: None
) -> tuple[Floats, Floats]:
    """What a process does: nats and tokens of each text, with something erased, or nothing."""
    del shared
    texts, arm = piece
    maps = [
        replay(opened, [{"role": role, "content": content} for role, content in prompt], answer, ended=ended)
        for prompt, answer, ended in texts
    ]
    with Erasing(opened, arm or {}, where="answer") as erasing:
        found = response_loss(opened, maps, erasing)
    return found.nats, found.tokens.astype(np.float64)
