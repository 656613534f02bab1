"""Single lost problems: beside the correct response, and one from prompt to verdict."""

from __future__ import annotations

from collections import Counter

from adhere.measure.sustain.failures import NAMES, PATTERNS, Failure, marked
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.patterns import Lost
from adhere.measure.sustain.scores import Scores
from adhere.measure.sustain.selection import ALONE, Condition
from adhere.report.page import Block, Example, Examples, Excerpt, Stage, Walk

MOST_EXAMPLES = 10
MOST_A_PATTERN = 2
LONGEST = 4_000
"""Characters of a response that the page shows."""


def label(condition: Condition) -> str:
    """The condition in words."""
    arm, k, position, factor = condition
    if arm == "placebo":
        return f"placebo, length of {k}" + (" before" if position == "before" else "")
    if arm == "long":
        return f"reworded, length of {k}"
    name = "1 constraint" if k == 1 else f"{k} constraints"
    if position != "after":
        name += {"before": " before", "system": " in system"}[position]
    return f"{name}, attention x {factor:g}" if arm == "attend" else name


def cases(scores: Scores, lost: Lost) -> list[Block]:
    """Lost responses beside the correct ones, at most two per pattern, and one in full."""
    shown: list[Failure] = []
    counts: Counter[str] = Counter()
    for failure in sorted(lost.found, key=lambda one: (one.condition != ALONE, len(one.base.answer + one.lost.answer))):
        if counts[failure.pattern] < MOST_A_PATTERN and len(shown) < MOST_EXAMPLES:
            counts[failure.pattern] += 1
            shown.append(failure)
    if not shown:
        return []
    blocks: list[Block] = []
    best = next((one for one in shown if one.pattern in ("step", "bent", "broken")), shown[0])
    blocks.append(_walk(scores, best))
    others = [_example(one) for one in sorted(shown, key=lambda one: PATTERNS.index(one.pattern))]
    blocks.append(
        Examples("Lost and correct responses", tuple(others), "Text that occurs in only one of the two is highlighted.")
    )
    return blocks


def _example(one: Failure) -> Example:
    before, after = marked(one.base.answer[:LONGEST], one.lost.answer[:LONGEST])
    return Example(
        title=f"{one.base.domain}: {NAMES[one.pattern]}, {label(one.condition)}",
        asked="\n\n".join(filter(None, (one.lost.system, one.lost.prompt))),
        excerpt=Excerpt(after),
        verdict=one.why,
        note=_met(one.lost),
        beside=Excerpt(before),
        heads=("base, correct", "with the constraint, wrong"),
    )


def _met(lost: ArmOutcome) -> str:
    verdicts = {True: "met", False: "not met", None: "undecided"}
    return " ".join(
        f"{verdicts[verdict].capitalize()}: {sentence}"
        for sentence, verdict in zip(lost.sentences, lost.met, strict=False)
    )


def _walk(scores: Scores, one: Failure) -> Walk:
    """A case from prompt to verdict."""
    trial = next(
        trial
        for trial in scores.selection.trials
        if trial.problem == one.base.problem and trial.base.epoch == one.base.epoch
    )
    control = trial.control
    stages = [
        Stage("Base prompt", _plain(one.base.prompt)),
        Stage(
            "Base response", _plain(one.base.answer), f"Correct: {one.base.grade.reason}. So the problem is included."
        ),
        Stage(
            "Constraints from that response",
            _plain("\n".join(one.lost.sentences)),
            "Each was confirmed on the base response by its own check.",
        ),
    ]
    if control is not None:
        verdict = "right" if control.correct else "wrong" if control.correct is False else "undecided"
        stages.append(Stage("Control: the problem again", _plain(control.answer), f"{verdict.capitalize()}."))
    before, after = marked(one.base.answer[:LONGEST], one.lost.answer[:LONGEST])
    del before
    stages += [
        Stage("Prompt with the constraint", _plain("\n\n".join(filter(None, (one.lost.system, one.lost.prompt))))),
        Stage("Response; text that the base response lacks is highlighted", Excerpt(after), _met(one.lost)),
        Stage("Verdict", Excerpt(()), f"Wrong: {one.lost.grade.reason}. {NAMES[one.pattern].capitalize()}: {one.why}."),
    ]
    return Walk("One case from prompt to verdict", tuple(stages))


def _plain(text: str) -> Excerpt:
    return Excerpt(((text[:LONGEST], False),))
