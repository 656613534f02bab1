"""Every analysis with its controls, in order, on the states and the responses of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adhere.explain.analyses.alignment import alignment
from adhere.explain.analyses.behaviour import Behaviour, BehaviourRequest, behaviour, pieces
from adhere.explain.analyses.dependency import dependencies
from adhere.explain.analyses.specialists import Specialists, specialists
from adhere.explain.analyses.specificity import Specificity, specificity
from adhere.explain.analyses.timing import timing
from adhere.explain.analyses.transfer import failures, transfer
from adhere.explain.cases.examples import Examples
from adhere.explain.cases.labels import Response, cases, counts
from adhere.explain.collection.gathering import Gathered
from adhere.explain.collection.replaying import whole
from adhere.explain.collection.states import States
from adhere.explain.plan import ExplainPlan, Run
from adhere.explain.probing.scan import Scan, scan
from adhere.explain.probing.site_parallel import Site
from adhere.explain.probing.surface import surface
from adhere.explain.results import Explained
from adhere.models.forward.blocks import blocks

WORTH_SPREADING = 5_000_000
"""Numbers in the states above which probes are fitted in several processes: starting them takes seconds."""


def look(run: Run, gathered: Gathered, states: States) -> Explained:
    """Run every analysis; monitors are fitted afterwards."""
    plan = run.plan
    sites = len(states.asked.layers) * len(states.asked.positions)
    spread = run.workers.processes if len(states.asked) * states.asked.width * sites > WORTH_SPREADING else 1
    total = sites * (2 if states.untrained is not None else 1) + 5
    what = "fitting probes"
    run.tell(what, 0, total)

    def tick() -> None:
        run.tell(what, 1, total)

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
    aligned = alignment(states.aligned, plan.kind, seed=plan.seed, workers=run.workers)
    tick()
    specific = _specific(states, read, first, plan)
    tick()
    return Explained(
        model=run.name,
        digest=run.workers.opened.digest,
        blocks=blocks(run.workers.opened.model).layers - 1,
        plan=plan,
        source=gathered.source,
        responses=len(gathered.responses),
        labels=counts(cases(gathered.responses, plan.skills)),
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
        behaviour=tuple(_behaves(run, gathered, states, first)),
        watched=(),
    )


def _behaves(run: Run, gathered: Gathered, states: States, first: Specialists) -> list[Behaviour]:
    """The model's answers with each skill's direction erased, on prompts that nothing was fitted on."""
    prompts_by_skill = {
        skill: prompts for skill, prompts in gathered.again.items() if skill in first.skills and prompts
    }
    if not prompts_by_skill:
        return []
    fluency = run.plan.fluency
    fluent = [one for one in gathered.free if one.ended][:fluency] or gathered.responses[:fluency]
    sites = erasing_sites(first)
    where = {skill: sites[skill] for skill in first.skills if skill in prompts_by_skill}
    what, number = "answering again with directions erased", pieces(where)
    run.tell(what, 0, number)
    return behaviour(
        run.workers,
        states.asked,
        where,
        BehaviourRequest(prompts_by_skill, fluent, run.plan.max_tokens),
        seed=run.plan.seed,
        journal=run.folder / "again.jsonl",
        progress=lambda n: run.tell(what, n, number),
    )


def erasing_sites(first: Specialists) -> dict[str, Site]:
    """The site of each skill's direction: the mean over the answer, at the layer that reads it best there."""
    if "mean" in first.positions:
        return {skill: (first.at(skill, "mean").layer, "mean") for skill in first.skills}
    best = {skill: first.best_position(skill) for skill in first.skills}
    return {skill: (one.layer, one.position) for skill, one in best.items()}


def _specific(states: States, read: Scan, first: Specialists, plan: ExplainPlan) -> list[Specificity]:
    """Each skill's probe on free answers, at the site where it is best read, from a scan of both kinds of rows."""
    if len(states.both) == len(states.asked):
        return []
    best = [first.best_position(skill) for skill in read.skills]
    both = whole(states.both, tuple(dict.fromkeys(one.position for one in best)))
    scanned = scan(both, plan.kind, shuffles=0, seed=plan.seed)
    return specificity(both, scanned, [(one.layer, one.position) for one in best])


def _labels_only(responses: Sequence[Response], skills: Sequence[str]) -> Examples:
    """All responses under these skills, with labels and no states."""
    labelled = cases(responses, skills)
    order = [case for skill in skills for case in labelled if case.skill == skill]
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
