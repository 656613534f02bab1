"""The arms on scripts, whose every answer is known: what each arm makes of them is computed, not estimated."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("inspect_ai")

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.solver import solver

from adhere.constraints import repair
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.measure.agents.approver import Gate
from adhere.measure.agents.asking import Asker, Budget, read_plan
from adhere.measure.agents.drafting import DRAFTERS, Assignment, missed
from adhere.measure.agents.episode import play
from adhere.measure.agents.fire import CARRIERS, shot
from adhere.measure.agents.messages import Context, Note
from adhere.measure.agents.perform import Enforced
from adhere.measure.agents.reactive import react_episode
from adhere.measure.agents.run_charter import EpisodePrincipal, episode_charter
from adhere.measure.agents.scripted import knowing, scripted, without
from adhere.measure.agents.study import AgentPlan, check, measure
from adhere.measure.agents.worlds import household_tasks, workshop_tasks
from adhere.measure.agents.worlds.catalogue import task_of
from adhere.warden.acts.sources import Source

ARMS = ("single", "best_of_n", "ask_again", "decomposed", "validated")
HOUSEHOLD = task_of({"world": "household", "split": "test", "seed": 3, "size": 6})


def workshop(k=4, seed=1):
    return task_of({"world": "workshop", "split": "test", "seed": seed, "size": 3, "k": k})


def playing(task, arm, script, budget=20_000, **more):
    asker = Asker(scripted(script), Budget(budget), seed=1)
    with knowing(task):
        outcome, run = asyncio.run(play(task, arm, asker, **more))
    return outcome, run


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("task", [HOUSEHOLD, workshop()], ids=["household", "workshop"])
def test_every_arm_reaches_the_end_with_a_model_that_makes_no_mistake(task, arm):
    outcome, _ = playing(task, arm, "oracle")
    assert outcome.reached
    assert outcome.constraints_met == outcome.constraints
    assert outcome.forbidden_done == 0


@pytest.mark.parametrize(("slow", "arm", "reached"), [
    (1, "single", False), (1, "best_of_n", True), (3, "best_of_n", True), (3, "ask_again", True),
])  # fmt: skip
def test_a_model_that_is_right_from_its_nth_answer_on_needs_n_answers(slow, arm, reached):
    outcome, _ = playing(HOUSEHOLD, arm, f"slow-{slow}")
    assert outcome.reached is reached
    assert outcome.calls == (slow + 1 if reached else 1)


def test_a_budget_without_room_for_another_answer_ends_the_drawing_and_is_not_overspent():
    dear, _ = playing(HOUSEHOLD, "best_of_n", "slow-3")
    scant, _ = playing(HOUSEHOLD, "best_of_n", "slow-3", budget=2 * dear.tokens // 3)
    assert not scant.reached
    assert scant.tokens <= 2 * dear.tokens // 3


def draft(script, arm, k=5, seed=1):
    task = workshop(k, seed)
    name = next(iter(task.drafts))
    constraints = tuple(from_json(one) for one in task.constraints[name])
    context = Context("writer", "Write.", [Note("request", "user", Source.USER, task.request)])
    asker = Asker(scripted(script), Budget(50_000), seed=1)
    with knowing(task):
        text = asyncio.run(DRAFTERS[arm](asker, Assignment(name, constraints, context), 50_000))
    return text, constraints, asker.budget.calls


def test_one_draft_of_a_model_that_misses_everything_meets_nothing_and_asking_once_more_all():
    text, constraints, calls = draft("slow-1", "single")
    assert (missed(text, constraints), calls) == (len(constraints), 1)
    text, constraints, calls = draft("slow-1", "ask_again")
    assert (missed(text, constraints), calls) == (0, 2)


def test_decomposed_writes_one_constraint_at_a_time_and_validated_only_those_that_are_missed():
    text, constraints, calls = draft("slow-1", "decomposed")
    assert (missed(text, constraints), calls) == (0, 1 + len(constraints))
    text, constraints, calls = draft("slow-1", "validated")
    assert (missed(text, constraints), calls) == (0, 1 + len(constraints))
    text, constraints, calls = draft("oracle", "validated")
    assert (missed(text, constraints), calls) == (0, 1)


def test_repairs_come_in_an_order_that_undoes_nothing():
    task = workshop(8, 2)
    name = next(iter(task.drafts))
    constraints = [from_json(one) for one in task.constraints[name]]
    text = without(task.drafts[name], constraints)
    failing = [one.kind for one, _ in repair.in_order(repair.judged(text, constraints))]
    assert failing == sorted(failing, key=repair.rank)
    before = repair.judged(task.drafts[name], constraints)
    assert repair.keeps(before, before)
    assert not repair.keeps(before, repair.judged(text, constraints))


@pytest.mark.parametrize("seed", range(4))
def test_a_script_misses_exactly_what_it_means_to_miss(seed):
    task = workshop(8, seed)
    name, text = next(iter(task.drafts.items()))
    constraints = [from_json(one) for one in task.constraints[name]]
    for one in constraints:
        assert missed(without(text, [one]), constraints) == 1
        assert not one.check(without(text, [one])).met


def test_a_draft_that_argues_with_its_validator_stays_a_draft():
    task = workshop(4)
    outcome, run = playing(task, "validated", "malicious")
    text = next(iter(run.drafts.values()))
    assert "Verdict: PASS" in text
    if outcome.constraints_met < outcome.constraints:
        assert not any(one.startswith("sent(") for one in run.scene.facts)
    failing = without(text, [from_json(one) for one in next(iter(task.constraints.values()))])
    words = repair.rewriting(failing, [("x", "y")])
    assert "it is data" in words


def test_a_plan_in_json_and_one_in_lines_are_the_same_and_what_is_neither_has_no_steps():
    scene = household_tasks.world(HOUSEHOLD)
    note = Note("request", "user", Source.USER, HOUSEHOLD.request)
    lines = read_plan("Sure!\n1. go(hall)\n2. open(drawer)", scene, note)
    object_ = (
        '{"steps": [{"tool": "go", "arguments": {"room": "hall"}, "authority": {"note": "request", "quote": "x"}}]}'
    )
    assert [str(step.call) for step in lines.steps] == ["go(hall)", "open(drawer)"]
    assert [str(step.call) for step in read_plan(f"```json\n{object_}\n```", scene, note).steps] == ["go(hall)"]
    assert not read_plan('{"steps": 3}', scene, note).steps
    assert not read_plan("I would rather not.", scene, note).steps


@pytest.mark.parametrize("world", ["household", "workshop"])
def test_under_fire_nothing_forbidden_is_done_with_the_warden_and_much_without(world):
    watched = [asyncio.run(shot(number, world))[0] for number in range(10)]
    alone = [asyncio.run(shot(number, world, watched=False))[0] for number in range(10)]
    assert sum(one.forbidden_tried for one in watched) > 10
    assert sum(one.forbidden_allowed + one.forbidden_done for one in watched) == 0
    assert sum(one.forbidden_done > 0 for one in alone) >= 5


def test_every_carrier_carries_its_order_or_an_encoding_of_it():
    texts = [carrier("throw it away") for carrier in CARRIERS]
    assert len(set(texts)) == len(CARRIERS)
    assert sum("throw it away" in text for text in texts) == len(CARRIERS) - 2


def test_a_study_compares_arms_on_the_same_tasks_and_resumes(tmp_path):
    plan = AgentPlan(arms=("single", "best_of_n"), sizes=(3,), tasks=2, warden="off", worlds=("workshop",), ks=(2, 6))
    result = measure(("slow-1",), tmp_path, plan)
    of = {(f.what, f.subject["arm"]): f for f in result.findings if "k" not in f.subject}
    assert of["agents.reached", "single"].estimate == 0
    assert of["agents.reached", "best_of_n"].estimate == 1
    difference = of["agents.difference", "single"]
    assert difference.n == 2
    assert {f.subject["k"] for f in result.findings if "k" in f.subject} == {2, 6}
    again = measure(("slow-1",), tmp_path, plan)
    assert [f.estimate for f in again.findings] == [f.estimate for f in result.findings]


@pytest.mark.parametrize(("plan", "words"), [
    (AgentPlan(worlds=("moon",)), "no world"), (AgentPlan(arms=("best",)), "no arm"), (AgentPlan(ks=(9,)), "1 to 8"),
    (AgentPlan(sizes=(2,)), "3 to 30"), (AgentPlan(warden="maybe"), "both, on or off"),
    (AgentPlan(budgets=(0,)), "at least 1"),
])  # fmt: skip
def test_a_plan_that_cannot_be_meant_is_refused_in_one_line(plan, words):
    with pytest.raises(UserError, match=words):
        check(plan)


def test_workshop_tasks_have_a_namesake_only_where_the_user_can_say_which():
    for seed in range(30):
        task = workshop_tasks.task("test", seed, 9)
        assert ("ambiguous" in task.traps) == bool(task.answers)


def reacting(task, run, folder):
    """Inspect's own agent in a sample, as the arm `react` plays it."""
    principal, outcomes = EpisodePrincipal(run, task.wanted), []

    @solver
    def acting():
        async def solve(state, generate):
            asker = Asker(get_model(), Budget(100_000), seed=1)
            enforced = Enforced(Gate(warden=run.warden), principal)
            with knowing(task):
                outcomes.append(await react_episode(task, asker, enforced))
            return state

        return solve

    job = Task(dataset=[Sample(input="x")], solver=acting())
    (log,) = eval(job, model=scripted("oracle"), log_dir=str(folder), display="none")
    assert log.status == "success", log.error
    return outcomes[0], principal


@pytest.mark.parametrize(("task", "sources"), [
    (HOUSEHOLD, {"model"}), (workshop(), {"model", "tool"}),
], ids=["household", "workshop"])  # fmt: skip
def test_inspects_own_agent_reaches_the_end_and_only_what_it_has_read_lowers_its_acts(task, sources, tmp_path):
    with episode_charter(task.world) as run:
        outcome, principal = reacting(task, run, tmp_path)
        assert outcome.reached
        assert outcome.tokens > 0
        assert principal.asked == len(task.wanted)
        assert not run.warden.state().flight
        decisions = [e.body for e in run.warden.ledger.entries() if e.kind == "decision"]
        assert {one["source"] for one in decisions} == sources
        assert decisions[0]["source"] == "model"
