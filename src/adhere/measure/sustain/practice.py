"""Is interference a lack of practice in combining? A study on the pocket model, whose training is known to the letter.

In training the pocket model saw some kinds of constraints together with questions to be reasoned about, and others with
descriptions only (`models.pocket.reasoning`). Here each solved question is asked again with one constraint of each
kind that its solution meets, and interference is compared between three groups:

    practised   stood with reasoning in training
    apart       stood in training, but never with reasoning
    unseen      never stood in training

Rules:

- A program has no sentences: a number of sentences never stood with code, and counts as apart there.
- Format, topic, sentiment and register are apart as well, but no solution in the pocket world meets one by itself.
- Interference of a group is paired by problem: control less the mean over the group's constraints asked of it. So is
  the difference between groups, over problems that have both. Kinds differ in more than practice (a count of characters
  is harder than a word to be used): groups hold several kinds, each is reported by itself, and the course over training
  (`--checkpoints`) is the stronger evidence.
"""

from __future__ import annotations

from adhere.measure.sustain.arms import BASE, CONTROL, Condition

GROUPS = ("practised", "apart", "unseen")

UNSEEN = ("excludes.mark", "length.paragraphs", "length.lines", "numbers.count", "case.letters", "vocabulary.repeats")
"""Kinds that the pocket world never asks for and that its solutions meet by themselves."""


def group_of(kind: str, domain: str) -> str:
    """Which of `GROUPS` a kind belongs to, beside questions of `domain`."""
    from adhere.models.pocket.reasoning import NEVER_WITH_REASONING, TRAINED_WITH_REASONING

    if kind == "length.sentences" and domain == "code":
        return "apart"
    if kind in TRAINED_WITH_REASONING:
        return "practised"
    return "apart" if kind in NEVER_WITH_REASONING else "unseen"


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds that `practice` or `length.words,contains.terms` names.

    Raises:
        UserError: there is no such kind.
    """
    from adhere.constraints.registry import family
    from adhere.models.pocket.reasoning import NEVER_WITH_REASONING, TRAINED_WITH_REASONING

    if text == "practice":
        induced = (kind for kind in NEVER_WITH_REASONING if not kind.startswith(("semantic", "format")))
        return (*TRAINED_WITH_REASONING, *induced, *UNSEEN)
    return tuple(family(kind.strip()).kind for kind in text.split(",") if kind.strip())


def conditions(text: str) -> tuple[Condition, ...]:
    """Base, control, a placebo, and one constraint of each kind."""
    kinds = kinds_of(text)
    return (BASE, CONTROL, Condition("placebo", 1), *(Condition("constraint", 1, kind=kind) for kind in kinds))
