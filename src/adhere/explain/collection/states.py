"""The states of a run: replayed once, kept as float16 in the run's folder, and mapped when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adhere.explain.cases.examples import Examples
from adhere.explain.cases.labels import LabelledCase, Response
from adhere.explain.cases.state_view import joined as joined_states
from adhere.explain.collection.gathering import Gathered
from adhere.explain.collection.replaying import ALIGNED, Replayed, Take, examples, whole
from adhere.explain.collection.state_store import StateStore
from adhere.explain.plan import Run


@dataclass(frozen=True)
class States:
    """Examples with aligned positions; asked and free together at the fixed ones; the untrained model's."""

    aligned: Replayed
    asked: Examples
    both: Examples
    untrained: Examples | None


def replayed(run: Run, gathered: Gathered) -> States:
    """The states of asked, free and untrained responses; those of an earlier run are not replayed again."""
    plan = run.plan
    cases_asked = gathered.responses, gathered.chosen
    fixed = Take(plan.layers, plan.positions)
    everywhere = Take(plan.layers, (*plan.positions, *ALIGNED))
    aligned = _replayed(run, "replaying", "states", *cases_asked, everywhere)
    asked = whole(aligned.examples, plan.positions)
    both = asked
    if gathered.free_cases:
        what = "replaying free answers"
        free = _replayed(run, what, "free", gathered.free, gathered.free_cases, fixed, constrained=False)
        both = joined(asked, whole(free.examples, plan.positions))
    untrained = None
    if plan.untrained:
        bare = Take(plan.layers, plan.positions, untrained=plan.seed)
        bare_states = _replayed(run, "replaying an untrained model", "untrained", *cases_asked, bare)
        untrained = whole(bare_states.examples, plan.positions)
    return States(aligned, asked, both, untrained)


def _replayed(
    run: Run,
    what: str,
    where: str,
    responses: Sequence[Response],
    chosen: Sequence[LabelledCase],
    take: Take,
    *,
    constrained: bool = True,
) -> Replayed:
    """The states of the cases, from the folder `where` if they are there."""
    place = run.folder / where
    if (place / "written.npy").exists():
        return Replayed(Examples.load(place), np.load(place / "written.npy"))
    total = len({case.response for case in chosen})
    run.tell(what, 0, total)
    store = StateStore(place, len(chosen))
    captured = examples(
        run.workers,
        responses,
        chosen,
        take,
        constrained=constrained,
        about={"weights": run.workers.opened.digest, "seed": run.plan.seed},
        store=store,
        progress=lambda n: run.tell(what, n, total),
    )
    captured.examples.save(place)
    np.save(place / "written.npy", captured.written)
    store.remove()
    return Replayed(Examples.load(place), captured.written)


def joined(one: Examples, other: Examples) -> Examples:
    """The rows of both."""
    return Examples(
        states=joined_states(one.states, other.states),
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
