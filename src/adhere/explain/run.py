"""The whole explanation of a model: gather, label, replay, look through every lens with every control, save.

    explained = explain(open_model("pocket"), "adhere/pocket", Path("runs/x"), Plan())

Stages, in this order; what each leaves in the folder is not made again by the same command:

    responses.jsonl, free.jsonl       what the model answered; the same prompts answered without the instruction
    states/, free/, untrained/        `Examples`: states of the balanced cases, of the free ones, of an untrained model
    again.jsonl                       what it answered with directions erased, and what that cost
    monitor.safetensors, .json        a monitor for each skill; what each was worth in watched.json
    arrays.safetensors, findings.json what was found; `report.html` is the command line's

A skill that lacks one outcome is left out with a line that says how many responses it would take; the others go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adhere.errors import UserError
from adhere.explain import journal
from adhere.explain.alignment import Alignment, alignment
from adhere.explain.behaviour import Asked, Behaviour, behaviour, pieces
from adhere.explain.claims import Claim
from adhere.explain.dependency import Dependencies, dependencies
from adhere.explain.examples import LEAST, Examples
from adhere.explain.labels import SKILLS, Case, Prompt, Response, balance, cases, counts
from adhere.explain.logs import read
from adhere.explain.probes import Kind
from adhere.explain.replaying import ALIGNED, Replayed, Take, examples, whole
from adhere.explain.sampling import answer, prompts_of, sample
from adhere.explain.scan import Scan, scan
from adhere.explain.sites import Site
from adhere.explain.specialists import Specialists, specialists
from adhere.explain.specificity import Specificity, specificity
from adhere.explain.surface import surface
from adhere.explain.timing import Timing, timing
from adhere.explain.transfer import Transfer, failures, transfer
from adhere.explain.unconstrained import without
from adhere.explain.watching import Watched, watch
from adhere.explain.workers import Workers
from adhere.findings import Finding
from adhere.models.capture import POSITIONS
from adhere.models.load import OpenModel
from adhere.models.selftest import self_test

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it was done since the last call, and how much there is in all, if known."""

MOST_LAYERS = 12
"""Layers read of a deep model, spread evenly: states of all layers of a large model would fill the disk."""
FRESH = 7919
"""Added to the seed for prompts that nothing was fitted on."""
WORTH_SPREADING = 5_000_000
"""Numbers in the states above which probes are fitted in several processes: starting them takes seconds."""
HELD_OUT = 4
"""Of a log's prompts, one in so many is kept for what is answered again."""


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        skills: to be explained.
        positions: where states are read.
        samples: cases of each skill, half of them met.
        layers: to be read; spread over the model if None.
        kind: of the probes.
        seed: of everything random.
        logs: a log or a folder of logs; the model is sampled if None.
        other_model: take logs of other weights too.
        limit: most logged responses.
        free: cases of each skill without its instruction.
        again: prompts of each skill that are answered again with its direction erased; 0 leaves that out.
        fluency: free answers on which the loss is measured.
        watched: responses of each skill a monitor is fitted on; 0 leaves monitors out.
        untrained: whether an untrained model of the same shape is read too.
        false_alarms: share of good responses that a monitor may stop.
    """

    skills: tuple[str, ...] = SKILLS
    positions: tuple[str, ...] = POSITIONS
    samples: int = 500
    layers: tuple[int, ...] | None = None
    kind: Kind = "logistic"
    seed: int = 0
    logs: str | None = None
    other_model: bool = False
    limit: int | None = None
    free: int = 160
    again: int = 48
    fluency: int = 40
    watched: int = 400
    untrained: bool = True
    false_alarms: float = 0.05


@dataclass(frozen=True)
class Explained:
    """All that was found.

    Attributes:
        labels: (met, violated) of each skill, before balancing.
        skills: those that could be explained.
        left_out: a line for each skill that could not.
        used: balanced cases of each skill.
        responses: how many there were; `source` says where from.
        outside: correlation of failures of each pair of skills.
    """

    model: str
    digest: str
    plan: Plan
    source: str
    responses: int
    labels: Mapping[str, tuple[int, int]]
    used: Mapping[str, int]
    skills: tuple[str, ...]
    left_out: tuple[str, ...]
    specialists: Specialists
    transfers: tuple[Transfer, ...]
    outside: Floats
    dependencies: Dependencies
    timing: Timing
    alignment: Alignment
    specificity: tuple[Specificity, ...]
    behaviour: tuple[Behaviour, ...]
    watched: tuple[Watched, ...]

    def claims(self, recompute: str = "") -> dict[str, list[Claim]]:
        """All that may be said, by lens; what does not hold is among it, and marked."""
        common = self.transfers[0]
        return {
            "decodability": self.specialists.claims(recompute),
            "transfer": [*common.claims(recompute), common.agreement(self.outside, recompute=recompute)],
            "dependency": self.dependencies.claims(recompute),
            "behaviour": [one.claim(self.model, recompute) for one in self.behaviour],
            "timing": [*self.timing.claims(recompute), *self.alignment.claims(recompute)],
            "specificity": [claim for one in self.specificity for claim in one.claims(recompute)],
        }

    def findings(self, recompute: str = "") -> list[Finding]:
        """Every estimate with its interval and its control, those that do not hold included."""
        found = self.specialists.findings(recompute)
        for transferred in self.transfers[1:]:
            found += transferred.findings(recompute)
        found += [claim.finding for claims in self.claims(recompute).values() for claim in claims]
        found += [finding for one in self.watched for finding in one.findings(recompute)]
        own = {"model": self.model}
        return [one.model_copy(update={"subject": {**own, **one.subject}}) for one in found]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Matrices and curves, by name; axes are described in `arrays.json`."""
        made: dict[str, NDArray[Any]] = {key: np.asarray(value) for key, value in self.specialists.arrays().items()}
        for key, one in zip(("common", "own"), self.transfers, strict=False):
            made[f"transfer.{key}"] = one.matrix
            if one.linkage is not None:
                made[f"transfer.{key}.linkage"] = one.linkage
        made["failures"] = self.outside
        for method, rank in self.dependencies.lost:
            made[f"dependency.{method}.{rank}"] = self.dependencies.matrix(method, rank)
        return made


def explain(
    opened: OpenModel,
    name: str,
    folder: Path,
    plan: Plan,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
    recompute: str = "",
) -> Explained:
    """Explain a model, or go on with it in the same folder.

    Args:
        opened: the model.
        name: as Inspect calls it.
        folder: of the run.
        plan: what is asked for.
        processes: how many; as many as are worth it if None.
        progress: told what is being done.
        recompute: the command, for the findings.

    Raises:
        UserError: the hooks do not read this model as transformers does, logs of another model, no skill with both
            outcomes, states that are not finite, no memory.
    """
    tell = progress or (lambda _what, _done, _total: None)
    self_test(opened)  # what the hooks misread is an error at the start and not a figure
    journal.claim(folder, {**_plain(plan), "model": name, "weights": opened.digest})
    plan = replace(plan, layers=_layers(opened, plan.layers))
    with Workers(opened, processes) as workers:
        gathered = _gather(workers, name, folder, plan, tell)
        replayed = _states(workers, gathered, folder, plan, tell)
        found = _look(workers, name, gathered, replayed, folder, plan, tell)
        found = replace(found, watched=_watch(workers, gathered, found, folder, plan, tell))
    _save(folder, found, recompute)
    return found


@dataclass(frozen=True)
class _Gathered:
    """Responses, and the balanced cases of those skills that can be explained, asked and free."""

    responses: list[Response]
    chosen: list[Case]
    skills: tuple[str, ...]
    left_out: tuple[str, ...]
    free: list[Response]
    free_cases: list[Case]
    again: dict[str, list[Prompt]]
    source: str


def _gather(workers: Workers, name: str, folder: Path, plan: Plan, tell: Progress) -> _Gathered:
    place = folder / "responses.jsonl"
    responses, finished = journal.load(place)
    source = "sampled at temperature 1 from prompts of the pocket world's test side"
    if plan.logs is not None:
        logged = read(Path(plan.logs), workers.opened, other_model=plan.other_model, limit=plan.limit, name=name)
        source = f"read from {len(logged.files)} Inspect logs (weights compared by {logged.checked})"
        responses = list(logged.responses)
    elif not finished:
        wanted = plan.samples * len(plan.skills)
        tell("sampling", 0, wanted)
        had = 0

        def step(have: int, _total: int) -> None:
            nonlocal had
            tell("sampling", have - had, wanted)
            had = have

        responses = sample(
            workers,
            plan.skills,
            plan.samples,
            plan.seed,
            done=responses,
            keep=lambda made: journal.append(place, made),
            progress=step,
        )
        journal.append(place, [], finished=True)
    labelled = cases(responses, plan.skills)
    fitting, again = labelled, dict[str, list[Prompt]]()
    if plan.logs is not None and plan.again:
        fitting = [case for case in labelled if case.prompt % HELD_OUT]
        again = _held_out(responses, plan)
    chosen = balance(fitting, plan.samples, plan.seed)
    skills, left_out = _enough(labelled, chosen, plan)
    if plan.logs is None and plan.again:
        seen = {one.prompt.id for one in responses}
        for skill in skills:
            fresh = prompts_of((skill,), plan.seed + FRESH, 0, plan.again + 20)
            again[skill] = [prompt for prompt in fresh if prompt.id not in seen][: plan.again]
    chosen = [case for case in chosen if case.skill in skills]
    free = _free(workers, responses, chosen, folder, plan, tell)
    free_cases = []
    for skill in skills:
        own = [case for case in cases(free, (skill,)) if free[case.response].prompt.task.endswith(f"-{skill}")]
        free_cases += balance(own, plan.free, plan.seed)
    return _Gathered(responses, chosen, skills, left_out, free, free_cases, again, source)


def _held_out(responses: Sequence[Response], plan: Plan) -> dict[str, list[Prompt]]:
    """Prompts of a log on which nothing was fitted, by skill."""
    kept = {one.prompt.id: one.prompt for one in responses if one.prompt.id % HELD_OUT == 0}
    found = {skill: [p for p in kept.values() if skill in p.skills][: plan.again] for skill in plan.skills}
    return {skill: prompts for skill, prompts in found.items() if prompts}


def _enough(labelled: Sequence[Case], chosen: Sequence[Case], plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The skills with enough of both outcomes, and a line for each of the others.

    Raises:
        UserError: there is none.
    """
    from adhere.explain.examples import Shortfall

    have, seen = counts(chosen), counts(labelled)
    skills = tuple(skill for skill in plan.skills if have.get(skill, (0, 0))[0] >= LEAST)
    lines = []
    for skill in plan.skills:
        if skill in skills:
            continue
        met, broken = seen.get(skill, (0, 0))
        balanced = have.get(skill, (0, 0))[0]
        line = str(Shortfall(skill, met, broken, LEAST)) if met + broken else f"{skill}: no response was asked for it"
        if met + broken and min(met, broken) >= LEAST:
            line = (
                f"{skill}: {met} met and {broken} violated, but only {balanced} pairs of like items; a probe needs "
                f"{LEAST}: sample about {-(-LEAST * (met + broken) // max(1, balanced))} responses, or leave it out"
            )
        lines.append(line)
    if not skills:
        raise UserError(lines[0] + (f" (and {len(lines) - 1} more skills)" if len(lines) > 1 else ""))
    return skills, tuple(lines)


def _free(
    workers: Workers, responses: Sequence[Response], chosen: Sequence[Case], folder: Path, plan: Plan, tell: Progress
) -> list[Response]:
    """Answers to the prompts of the chosen cases with the skill's instruction taken out, for each skill."""
    place = folder / "free.jsonl"
    done, finished = journal.load(place)
    if finished or not plan.free:
        return done
    place.unlink(missing_ok=True)
    prompts: list[Prompt] = []
    for skill in dict.fromkeys(case.skill for case in chosen):
        twins: dict[int, Prompt] = {}
        for case in chosen:
            if case.skill == skill and case.prompt not in twins and len(twins) < plan.free:
                twin = without(responses[case.response].prompt, skill)
                if twin is not None:
                    twins[case.prompt] = replace(twin, task=f"free-{skill}")
        prompts += twins.values()
    tell("answering without the instruction", 0, len(prompts))
    made = answer(
        workers, prompts, plan.seed + 1, progress=lambda n: tell("answering without the instruction", n, len(prompts))
    )
    journal.append(place, made, finished=True)
    return made


@dataclass(frozen=True)
class _States:
    """Examples with aligned positions; asked and free together at the fixed ones; the untrained model's."""

    aligned: Replayed
    asked: Examples
    both: Examples
    untrained: Examples | None


def _states(workers: Workers, gathered: _Gathered, folder: Path, plan: Plan, tell: Progress) -> _States:
    """Replay what has not been replayed yet. States are float16 on disk, mapped when they are read."""
    about: dict[str, str | int | float] = {"weights": workers.opened.digest, "seed": plan.seed}

    def have(
        what: str, where: str, responses: Sequence[Response], chosen: Sequence[Case], take: Take, asked: bool
    ) -> Replayed:
        total = len({case.response for case in chosen})
        place = folder / where
        if (place / "written.npy").exists():
            return Replayed(Examples.load(place), np.load(place / "written.npy"))
        tell(what, 0, total)
        made = examples(
            workers,
            responses,
            chosen,
            take,
            constrained=asked,
            about=about,
            progress=lambda n: tell(what, n, total),
        )
        made.examples.save(place)
        np.save(place / "written.npy", made.written)
        return made

    take = Take(plan.layers, (*plan.positions, *ALIGNED))
    fixed = Take(plan.layers, plan.positions)
    aligned = have("replaying", "states", gathered.responses, gathered.chosen, take, True)
    asked = whole(aligned.examples, plan.positions)
    both = asked
    if gathered.free_cases:
        free = have("replaying free answers", "free", gathered.free, gathered.free_cases, fixed, False)
        both = joined(asked, whole(free.examples, plan.positions))
    untrained = None
    if plan.untrained:
        bare = Take(plan.layers, plan.positions, untrained=plan.seed)
        made = have("replaying an untrained model", "untrained", gathered.responses, gathered.chosen, bare, True)
        untrained = whole(made.examples, plan.positions)
    return _States(aligned, asked, both, untrained)


def joined(one: Examples, other: Examples) -> Examples:
    """The rows of both."""
    return Examples(
        states=np.concatenate([one.states, other.states]),
        layers=one.layers,
        positions=one.positions,
        skill=np.concatenate([one.skill, other.skill]),
        met=np.concatenate([one.met, other.met]),
        prompt=np.concatenate([one.prompt, other.prompt]),
        text=(*one.text, *other.text),
        constrained=np.concatenate([one.constrained, other.constrained]),
        decided=None if one.decided is None or other.decided is None else np.concatenate([one.decided, other.decided]),
        asked=(*one.asked, *other.asked),
        about=one.about,
    )


def _look(
    workers: Workers, name: str, gathered: _Gathered, states: _States, folder: Path, plan: Plan, tell: Progress
) -> Explained:
    """Every lens, in order."""
    sites = len(states.asked.layers) * len(states.asked.positions)
    spread = workers.processes if len(states.asked) * states.asked.width * sites > WORTH_SPREADING else 1
    total = sites * (2 if states.untrained is not None else 1) + 5
    what = "looking through the lenses"
    tell(what, 0, total)

    def tick() -> None:
        tell(what, 1, total)

    read = scan(states.asked, plan.kind, seed=plan.seed, processes=spread, tick=tick)
    bare = None
    if states.untrained is not None:
        bare = scan(states.untrained, plan.kind, shuffles=0, seed=plan.seed, processes=spread, tick=tick)
    first = specialists(read, surface(states.asked, read.design), bare)
    tick()
    transfers = transfer(read, first)
    outside = failures(_labels_only(gathered.responses, read.skills))
    tick()
    site = first.common_site()
    depends = dependencies(states.asked, [site], seed=plan.seed)[site]
    tick()
    aligned = alignment(states.aligned, plan.kind, seed=plan.seed, workers=workers)
    tick()
    specific = _specific(states, read, first, plan)
    tick()
    erased: list[Behaviour] = []
    where = erasing_sites(first)
    asked = {skill: prompts for skill, prompts in gathered.again.items() if skill in where and prompts}
    fluent = [one for one in gathered.free if one.ended][: plan.fluency] or gathered.responses[: plan.fluency]
    if asked:
        where = {skill: where[skill] for skill in read.skills if skill in asked}
        number = pieces(where)
        tell("answering again with directions erased", 0, number)
        erased = behaviour(
            workers,
            states.asked,
            where,
            Asked(asked, fluent),
            seed=plan.seed,
            journal=folder / "again.jsonl",
            progress=lambda n: tell("answering again with directions erased", n, number),
        )
    labelled = cases(gathered.responses, plan.skills)
    return Explained(
        model=name,
        digest=workers.opened.digest,
        plan=plan,
        source=gathered.source,
        responses=len(gathered.responses),
        labels=counts(labelled),
        used={skill: len(read.rows(skill)) for skill in read.skills},
        skills=read.skills,
        left_out=gathered.left_out,
        specialists=first,
        transfers=transfers,
        outside=outside,
        dependencies=depends,
        timing=timing(read, first, states.asked),
        alignment=aligned,
        specificity=tuple(specific),
        behaviour=tuple(erased),
        watched=(),
    )


def erasing_sites(first: Specialists) -> dict[str, Site]:
    """For each skill where its direction is taken from: the answer's mean, at the layer that reads it best there."""
    if "mean" in first.positions:
        return {skill: (first.at(skill, "mean").layer, "mean") for skill in first.skills}
    best = {skill: first.best_position(skill) for skill in first.skills}
    return {skill: (one.layer, one.position) for skill, one in best.items()}


def _specific(states: _States, read: Scan, first: Specialists, plan: Plan) -> list[Specificity]:
    """Each skill's probe on free answers, at the site where it is best read, from a scan of both kinds of rows."""
    if len(states.both) == len(states.asked):
        return []
    best = [first.best_position(skill) for skill in read.skills]
    positions = tuple(dict.fromkeys(one.position for one in best))
    both = whole(states.both, positions)
    return specificity(
        both, scan(both, plan.kind, shuffles=0, seed=plan.seed), [(one.layer, one.position) for one in best]
    )


def _labels_only(responses: Sequence[Response], skills: Sequence[str]) -> Examples:
    """All responses under these skills, without states: what is seen from outside."""
    found = cases(responses, skills)
    order = [case for skill in skills for case in found if case.skill == skill]
    return Examples(
        states=np.zeros((len(order), 1, 1, 0), np.float32),
        layers=(0,),
        positions=("none",),
        skill=np.array([case.skill for case in order], dtype=np.str_),
        met=np.array([case.met for case in order]),
        prompt=np.array([case.prompt for case in order], dtype=np.int64),
        text=("",) * len(order),
        constrained=np.ones(len(order), bool),
    )


def _watch(
    workers: Workers, gathered: _Gathered, found: Explained, folder: Path, plan: Plan, tell: Progress
) -> tuple[Watched, ...]:
    """A monitor for each skill, saved in the run's folder."""
    if not plan.watched:
        return ()
    total = len(found.skills)
    tell("fitting monitors", 0, total)
    return watch(
        workers,
        gathered.responses,
        found.skills,
        folder,
        most=plan.watched,
        false_alarms=plan.false_alarms,
        seed=plan.seed,
        progress=lambda n: tell("fitting monitors", n, total),
    )


def _save(folder: Path, found: Explained, recompute: str) -> None:
    from safetensors.numpy import save_file

    from adhere import findings

    arrays = {key: np.ascontiguousarray(value) for key, value in found.arrays().items()}
    names = {
        "skills": found.skills,
        "layers": found.specialists.layers,
        "positions": found.specialists.positions,
        "axes": {
            "probe.*": "layers, positions, skills",
            "transfer.*": "from, to",
            "transfer.*.linkage": "scipy's linkage over skills",
            "failures": "skills, skills",
            "dependency.<method>.<rank>": "erased, read",
        },
    }
    try:
        save_file(arrays, folder / "arrays.safetensors")
        (folder / "arrays.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error
    findings.write(folder / "findings.json", found.findings(recompute))


def _layers(opened: OpenModel, asked: tuple[int, ...] | None) -> tuple[int, ...]:
    from adhere.models.blocks import blocks

    count = blocks(opened.model).layers
    if asked is not None:
        for layer in asked:
            if not 0 <= layer < count:
                raise UserError(f"there is no layer {layer}: {opened.name} has layers 0 to {count - 1}")
        return tuple(sorted(set(asked)))
    if count <= MOST_LAYERS + 1:
        return tuple(range(count))
    return tuple(sorted({round(k * (count - 1) / MOST_LAYERS) for k in range(MOST_LAYERS + 1)}))


def _plain(plan: Plan) -> dict[str, Any]:
    return asdict(plan)
