"""Affordance times likelihood (SayCan), against likelihood alone: a plan is drawn step by step from all acts there are.

    choices = draw(opened, task, affordance=True)
    choices.reached, choices.feasible

Rules

- A model that cannot write a plan by itself can still say which act is likeliest: every act of the household is put
  into words ("take the floor sponge from the cupboard"), and its score is the mean log-probability of its tokens
  after the request and the steps so far (Ahn et al. 2022, arXiv 2204.01691, section 3; there the sum, which favours
  short acts).
- Affordance is 1 where the act's needs are met in the world as it stands, and 0 elsewhere. Times the likelihood: the
  likeliest act that can be done. Alone: the likeliest act, done or not.
- No act is chosen twice. The drawing ends with "done", with the end, or after two steps more than the reference plan
  has.
- Tasks are those whose reference plan needs no writing down, throwing away or asking (`simple`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adhere.core.findings import Control, Finding
from adhere.core.intervals import wilson
from adhere.measure.agents.worlds import household_tasks
from adhere.measure.agents.worlds.household import DEVICES, FURNITURE, ROOMS, Household
from adhere.measure.agents.worlds.task import AgentTask
from adhere.measure.agents.worlds.world import Call
from adhere.measure.statistics.rates import Cluster, paired, rate

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

SIMPLE = frozenset({"go", "open", "unlock", "take", "wipe", "switch", "give"})
DONE = "done"
BATCH = 16
"""Acts that are scored at once."""
MORE_STEPS = 2


@dataclass(frozen=True)
class Choices:
    """The steps that were chosen. `feasible` counts those that could be done."""

    task: str
    steps: tuple[str, ...]
    feasible: int
    reached: bool


def simple(split: str, count: int, size: int, first: int = 0) -> list[AgentTask]:
    """`count` tasks whose reference plans use the tools of `SIMPLE` only."""
    tasks: list[AgentTask] = []
    seed = first
    while len(tasks) < count:
        task = household_tasks.task("test" if split == "test" else "practice", seed, size)
        if all(call.tool in SIMPLE for call in task.reference):
            tasks.append(task)
        seed += 1
    return tasks


def in_words(call: Call) -> str:
    """An act in words, as a person would say it."""
    a = call.arguments
    return {
        "go": "go to the {room}",
        "open": "open the {place}",
        "unlock": "unlock the {place}",
        "take": "take the {object} from the {place}",
        "wipe": "wipe the {place} with the {object}",
        "switch": "switch on the {device}",
        "give": "give the {object} to the {person}",
    }[call.tool].format(**a)


def candidates(scene: Household) -> Iterator[Call]:
    """Every act of `SIMPLE` that has a form here, whether or not it can be done now."""
    yield from (Call("go", {"room": room}) for room in ROOMS)
    for place in FURNITURE.values():
        if place.shuts:
            yield Call("open", {"place": place.name})
            if place.key:
                yield Call("unlock", {"place": place.name})
    yield from (Call("switch", {"device": device}) for device in DEVICES)
    spills = [one[6:-1] for one in sorted(scene.facts) if one.startswith("spill(")]
    lying = [one[3:-1].split(", ") for one in sorted(scene.facts) if one.startswith("in(")]
    held = [one[5:-1] for one in sorted(scene.facts) if one.startswith("held(")]
    yield from (Call("take", {"object": thing, "place": where}) for thing, where in lying)
    for thing in (*(thing for thing, _ in lying), *held):
        yield Call("give", {"object": thing, "person": "user"})
        for spill in spills:
            wiping = Call("wipe", {"place": spill, "object": thing})
            if not scene.check(wiping):
                yield wiping


def feasible(scene: Household, call: Call) -> bool:
    """Whether `call` can be done in the world as it stands."""
    return not scene.check(call) and not scene.missing(call, scene.facts)


def prompt(opened: OpenModel, task: AgentTask, steps: Sequence[str]) -> str:
    """What the model reads before a step is scored."""
    words = f"You are a household robot. The user says: {task.request}\nList what you do, step by step."
    so_far = "".join(f"{number}. {step}\n" for number, step in enumerate(steps, 1))
    rendered = opened.render([{"role": "user", "content": words}])
    return f"{rendered}{so_far}{len(steps) + 1}."


def scores(opened: OpenModel, before: str, texts: Sequence[str]) -> list[float]:
    """The mean log-probability of each text's tokens after `before`. The prompt is read once for all of them."""
    import torch

    tokens = [opened.tokenizer(f" {text}", add_special_tokens=False)["input_ids"] for text in texts]
    model = opened.model
    results: list[float] = []
    with torch.inference_mode():
        prefix = torch.tensor([opened.encode(before)], device=model.device)
        read = model(prefix, use_cache=True)
        first = read.logits[0, -1].float().log_softmax(-1)
        for start in range(0, len(tokens), BATCH):
            rows = tokens[start : start + BATCH]
            width = max(map(len, rows))
            padded = torch.tensor([[*row, *[row[-1]] * (width - len(row))] for row in rows], device=model.device)
            cache = copy.deepcopy(read.past_key_values)
            cache.batch_repeat_interleave(len(rows))
            logits = model(padded, past_key_values=cache, use_cache=True).logits.float().log_softmax(-1)
            for row, logs in zip(rows, logits, strict=True):
                values = [float(first[row[0]])]
                values += [float(logs[k, token]) for k, token in enumerate(row[1:])]
                results.append(sum(values) / len(values))
    return results


def draw(opened: OpenModel, task: AgentTask, *, affordance: bool) -> Choices:
    """Draw a plan for `task` and carry it out as it is drawn."""
    scene = household_tasks.world(task)
    chosen: list[str] = []
    can = 0
    while len(chosen) < task.size + MORE_STEPS and not scene.reached():
        acts = {in_words(call): call for call in candidates(scene) if in_words(call) not in chosen}
        texts = [text for text, call in acts.items() if not affordance or feasible(scene, call)]
        scored = dict(zip([*texts, DONE], scores(opened, prompt(opened, task, chosen), [*texts, DONE]), strict=True))
        best = max(scored, key=scored.__getitem__)
        if best == DONE:
            break
        chosen.append(best)
        can += scene.act(acts[best]).done
    return Choices(task.id, tuple(chosen), can, scene.reached())


def measure(
    name: str, tasks: int, *, size: int = 3, progress: Callable[[int], None] | None = None, recompute: str = ""
) -> list[Finding]:
    """Draw plans for `tasks` tasks with the model called `name`, both ways.

    Raises:
        UserError: it is no model that runs in torch on this machine.
    """
    from adhere.models.engines.options import current, using
    from adhere.models.load import open_model

    with using(replace(current(), engine="torch")):
        opened = open_model(name, fast=True)
    alone, times = [], []
    for task in simple("test", tasks, size):
        alone.append(draw(opened, task, affordance=False))
        times.append(draw(opened, task, affordance=True))
        if progress is not None:
            progress(1)
    return findings_of(name, alone, times, recompute)


def findings_of(model: str, alone: Sequence[Choices], times: Sequence[Choices], recompute: str = "") -> list[Finding]:
    """Findings `agents.likelihood` for both ways, and their paired difference."""
    findings = []
    for name, made in (("likelihood", alone), ("affordance x likelihood", times)):
        reached = sum(one.reached for one in made)
        can = rate((one.feasible, len(one.steps)) for one in made)
        for measure, estimate, interval, n, unit in (
            ("reached", reached / len(made), wilson(reached, len(made)), len(made), "share of tasks reached"),
            ("feasible", can.estimate, can.interval, can.n, "share of chosen acts that could be done"),
        ):
            findings.append(
                Finding(
                    what="agents.likelihood", subject={"model": model, "way": name, "measure": measure},
                    estimate=estimate, interval=interval, n=n, unit=unit, recompute=recompute,
                )
            )  # fmt: skip
    gap = paired([Cluster(float(a.reached), float(b.reached)) for a, b in zip(times, alone, strict=True)])
    findings.append(
        Finding(
            what="agents.likelihood",
            subject={
                "model": model,
                "way": "affordance x likelihood",
                "measure": "reached less likelihood",
                "p": gap.p,
            },
            estimate=gap.estimate,
            interval=gap.interval,
            n=gap.clusters,
            unit="difference in the share of tasks reached",
            control=Control(what="no difference", estimate=0.0),
            recompute=recompute,
        )
    )
    return findings
