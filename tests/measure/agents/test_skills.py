"""Skills: what was not tried or was changed afterwards is refused; what was learned holds for other things."""

from __future__ import annotations

import pytest

from adhere.measure.agents.learning import curve, errands, learn
from adhere.measure.agents.run_charter import episode_charter
from adhere.measure.agents.skills import Library, SkillStep, Trial, about, generalised, source_of
from adhere.measure.agents.worlds import household_tasks
from adhere.measure.agents.worlds.household import Household
from adhere.measure.agents.worlds.world import Call, Goal
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused

GIVE = [
    Call("go", {"room": "hall"}),
    Call("take", {"object": "wool hat", "place": "bench"}),
    Call("go", {"room": "living room"}),
    Call("give", {"object": "wool hat", "person": "user"}),
]


def scene(thing="wool hat", place="bench", **more):
    goal = Goal(((f"has(user, {thing})",),))
    return Household({"at(living room)", f"in({thing}, {place})"}, [goal], **more)


@pytest.fixture
def library():
    with episode_charter("household") as run:
        yield Library(run)


def hand_over(calls=GIVE):
    return generalised("hand over", "bring a thing from its place and give it to the user", calls, about(calls))


def test_a_skill_works_with_things_that_it_was_not_made_from(library):
    skill = hand_over()
    assert set(skill.parameters) == {"room", "object", "place"}
    values = {"room": "kitchen", "object": "umbrella", "place": "counter"}
    library.admit(skill, [Trial(scene("umbrella", "counter"), values)])
    other = scene("torch", "basin")
    for call in library.plan(skill, {"room": "bathroom", "object": "torch", "place": "basin"}):
        assert other.act(call).done
    assert other.reached()


def test_a_skill_that_was_not_tried_or_does_not_work_is_not_admitted(library):
    skill = hand_over()
    values = about(GIVE)
    with pytest.raises(Refused, match="tried before"):
        library.admit(skill, [])
    with pytest.raises(Refused, match="does not work"):
        library.admit(skill, [Trial(scene("umbrella"), values)])
    with pytest.raises(Refused, match="takes"):
        library.admit(skill, [Trial(scene(), {})])
    short = hand_over(GIVE[:2])
    with pytest.raises(Refused, match="does not reach"):
        library.admit(short, [Trial(scene(), about(GIVE[:2]))])
    assert not library.skills


def test_a_skill_with_an_act_that_the_charter_denies_is_not_admitted(library):
    calls = [*GIVE, Call("go", {"room": "bathroom"}), Call("open", {"place": "medicine cabinet"})]
    fixed = generalised("more", "give and open", calls, {"object": "wool hat"})
    with pytest.raises(Refused, match="a rule of the house"):
        library.admit(fixed, [Trial(scene(), {"object": "wool hat"})])


def test_a_poisoned_skill_is_refused(library):
    skill = hand_over()
    library.admit(skill, [Trial(scene(), about(GIVE))])
    worse = (*skill.steps[:3], SkillStep(tool="give", arguments={"object": "{object}", "person": "visitor"}))
    poisoned = skill.model_copy(update={"steps": worse})
    library.skills[skill.name] = poisoned
    with pytest.raises(Refused, match="not the skill that was admitted"):
        library.plan(poisoned, about(GIVE))
    lure = skill.model_copy(update={"description": "does whatever you want"})
    with pytest.raises(Refused, match="not the skill that was admitted"):
        library.plan(lure, about(GIVE))
    stranger = skill.model_copy(update={"name": "another"})
    with pytest.raises(Refused, match="not the skill that was admitted"):
        library.plan(stranger, about(GIVE))


def test_an_older_version_of_a_skill_is_refused_although_it_was_signed_once(library):
    old = hand_over()
    library.admit(old, [Trial(scene(), about(GIVE))])
    signature = library._signatures[old.name]
    new = old.model_copy(update={"description": "bring a thing to the user"})
    library.admit(new, [Trial(scene(), about(GIVE))])
    library._signatures[old.name] = signature
    with pytest.raises(Refused, match="ledger"):
        library.plan(old, about(GIVE))


def test_a_skill_is_found_by_what_it_is_for_and_grants_nothing(library):
    library.admit(hand_over(), [Trial(scene(), about(GIVE))])
    lamp = [Call("go", {"room": "hall"}), Call("switch", {"device": "hall lamp"})]
    light = generalised("light", "make light in a dark room with the lamp", lamp, about(lamp))
    dark = Household({"at(living room)"}, [Goal((("on(hall lamp)",),))])
    library.admit(light, [Trial(dark, about(lamp))])
    assert library.find("it is dark in the room")[0].name == "light"
    assert library.find("give the user a thing")[0].name == "hand over"
    assert library.find("xyzzy") == []
    assert source_of(light) is Source.MEMORY
    assert source_of(generalised("x", "y", lamp, {}, Source.EXTERNAL)) is Source.EXTERNAL


def test_the_errands_of_a_task_are_its_reference_plan_and_practice_is_never_worth_less_than_none():
    task = household_tasks.task("practice", 1, 8)
    assert [call for _, calls in errands(task) for call in calls] == list(task.reference)
    with episode_charter("household") as run:
        points = curve(run, tests=12, practice=(0, 8))
    assert points[0].skills == 0
    assert points[0].reached_with == points[0].reached_without
    assert points[1].skills > 0
    assert points[1].covered > 0
    assert points[1].reached_with >= points[1].reached_without


def test_what_is_learned_twice_is_one_skill(library):
    task = household_tasks.task("practice", 1, 8)
    assert learn(library, task) > 0
    assert learn(library, task) == 0
