"""Writing a document under constraints, by every arm: from one draft to repairs in an order that undoes nothing.

Rules

- `single` is one draft. `best_of_n` draws until a draft meets everything; the one that misses least stands. `ask_again`
  tells what was missed. `decomposed` writes first and then brings one constraint in at a time, unchecked. `validated`
  does the same with validators: constraints that are met are not asked for again, and a mending that breaks another is
  thrown away. `masked` (models on this machine) cannot write what breaks a constraint.
- A draft stays a draft until all validators pass; whether it is sent all the same is the plan's to say.
- A validator is a check of ours. What a text says about itself moves it not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from adhere.constraints import repair
from adhere.constraints.constraint import Constraint
from adhere.measure.agents.asking import Asker, question, read_text
from adhere.measure.agents.messages import Context

MOST_TOKENS = 160
"""Of a draft."""


@dataclass(frozen=True)
class Assignment:
    """A document to write. `context` holds the request and the sources that were read, with their labels."""

    document: str
    constraints: tuple[Constraint, ...]
    context: Context

    def asked(self, constraints: Iterable[Constraint]) -> str:
        """The words that ask for the document under `constraints`."""
        lines = [f"Write the document {self.document} that the request above asks for."]
        sentences = [f"- {one.describe()}" for one in constraints]
        return "\n".join([*lines, "Constraints:", *sentences] if sentences else lines)


def missed(text: str, constraints: Iterable[Constraint]) -> int:
    """How many constraints `text` does not meet."""
    return sum(not check.met for _, check in repair.judged(text, constraints))


async def _ask(
    asker: Asker,
    job: Assignment,
    words: str,
    constraints: Sequence[Constraint],
    kept: Sequence[Constraint] = (),
    *,
    warm: bool = False,
    share: int | None = None,
    before: str = "",
) -> str | None:
    want = {
        "kind": "draft",
        "document": job.document,
        "constraints": [one.to_json() for one in constraints],
        "kept": [one.to_json() for one in kept],
        "before": before,
    }
    answer = await asker.ask([*job.context.chat(), question(words)], want, most=MOST_TOKENS, warm=warm, share=share)
    return None if answer is None else read_text(answer)


async def single(asker: Asker, job: Assignment, share: int) -> str:
    """One draft."""
    return await _ask(asker, job, job.asked(job.constraints), job.constraints, share=share) or ""


async def best_of_n(asker: Asker, job: Assignment, share: int) -> str:
    """Drafts until one meets everything, or the share is spent: the one that misses least."""
    return await _until(asker, job, share, lambda _: job.asked(job.constraints), again=False)


async def ask_again(asker: Asker, job: Assignment, share: int) -> str:
    """A draft, and what it missed, until it meets everything or the share is spent."""

    def words(text: str) -> str:
        failures = [
            (one.describe(), check.reason) for one, check in repair.judged(text, job.constraints) if not check.met
        ]
        return repair.rewriting(text, failures) if failures else job.asked(job.constraints)

    return await _until(asker, job, share, words, again=True)


async def _until(asker: Asker, job: Assignment, share: int, words: Callable[[str], str], *, again: bool) -> str:
    limit = asker.budget.spent + share
    best, latest = "", ""
    first = True
    while True:
        asked = job.asked(job.constraints) if first else words(latest)
        draft = await _ask(
            asker, job, asked, job.constraints, warm=not first, share=limit - asker.budget.spent,
            before=latest if again else "",
        )  # fmt: skip
        if draft is None:
            return best
        latest = draft
        if first or missed(draft, job.constraints) < missed(best, job.constraints):
            best = draft
        first = False
        if not missed(best, job.constraints):
            return best


async def decomposed(asker: Asker, job: Assignment, share: int) -> str:
    """A draft without constraints, then one constraint after the other, each written in once and not checked."""
    limit = asker.budget.spent + share
    text = await _ask(asker, job, job.asked(()), (), share=share) or ""
    ordered = sorted(job.constraints, key=lambda one: repair.rank(one.kind))
    for place, constraint in enumerate(ordered):
        kept = ordered[:place]
        words = repair.rewriting(text, [(constraint.describe(), "")], [one.describe() for one in kept])
        draft = await _ask(
            asker, job, words, [constraint], kept, share=limit - asker.budget.spent, before=text
        )  # fmt: skip
        if draft is None:
            return text
        text = draft
    return text


async def validated(asker: Asker, job: Assignment, share: int) -> str:
    """As `decomposed`, with validators: only what is missed is mended, and no mending may break another constraint."""
    limit = asker.budget.spent + share
    text = await _ask(asker, job, job.asked(job.constraints), job.constraints, share=share) or ""
    results = repair.judged(text, job.constraints)
    turn = 0
    while failing := repair.in_order(results):
        constraint, check = failing[turn % len(failing)]
        kept = [one for one, result in results if result.met]
        words = repair.rewriting(text, [(constraint.describe(), check.reason)], [one.describe() for one in kept])
        draft = await _ask(
            asker, job, words, [constraint], kept, warm=turn > 0, share=limit - asker.budget.spent, before=text
        )  # fmt: skip
        if draft is None:
            break
        after = repair.judged(draft, job.constraints)
        turn += 1
        if repair.keeps(results, after) and sum(r.met for _, r in after) > sum(r.met for _, r in results):
            text, results, turn = draft, after, 0
    return text


async def masked(asker: Asker, job: Assignment, share: int) -> str:
    """Written under masks by a model on this machine: what would break a constraint is never chosen.

    Raises:
        UserError: the model is not one that runs in torch on this machine.
    """
    from adhere.core.errors import UserError

    opened = getattr(asker.model.api, "opened", None)
    if opened is None:
        raise UserError("the arm masked needs a model that runs in torch on this machine: pocket, a folder, a hub id")
    from adhere.models.generation import constrained
    from adhere.models.generation.requests import Sampling

    prompt = [{"role": m.role, "content": m.text} for m in job.context.chat(job.asked(job.constraints))]
    tokens = tuple(opened.encode(opened.render(prompt)))
    room = share - len(tokens)
    if room < 16:
        return ""
    draft = constrained.Draft(
        opened,
        tokens,
        job.constraints,
        Sampling(max_tokens=min(MOST_TOKENS, room), seed=asker.seed),
        constrained.Budget(tokens=room),
    )
    (written,) = await asyncio.to_thread(constrained.write, opened, [draft])
    asker.budget.calls += 1
    asker.budget.spent += len(tokens) + written.tokens
    return written.text


Drafter = Callable[[Asker, Assignment, int], Awaitable[str]]
DRAFTERS: Mapping[str, Drafter] = {
    "single": single,
    "best_of_n": best_of_n,
    "ask_again": ask_again,
    "decomposed": decomposed,
    "validated": validated,
    "masked": masked,
}
