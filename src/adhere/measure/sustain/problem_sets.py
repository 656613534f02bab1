"""The problems of a run: the pocket world's three domains, easy ones in plain English, a file, or a set of the Hub.

material = gather("math", None, limit=200, seed=0)
material.problems, material.sha256
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass

from adhere.core.errors import UserError
from adhere.problems import Domain, Problem, load
from adhere.problems.easy import KINDS, Kind, easy_problems

DOMAINS: tuple[Domain, ...] = ("math", "multihop", "code")
POCKET = "pocket"
"""The source's name of the pocket world's problems."""
EASY = "easy"
"""The source's name of the easy problems in plain English."""
EASY_LIMIT = 60
"""Easy problems of each kind where no number is given."""
POCKET_LIMIT = 200
"""Problems of each domain where no number is given: the pocket world has no end."""


@dataclass(frozen=True, slots=True)
class Material:
    """Problems of one domain, and where they come from.

    `sha256` is that of the file or the Hub's rows; of the pocket world that of the ids and prompts drawn.
    """

    domain: Domain
    problems: tuple[Problem, ...]
    source: str
    sha256: str
    rows: int
    skipped: tuple[tuple[str, str], ...] = ()
    format: str = POCKET


def gather(
    domain: str | None, data: str | os.PathLike[str] | None, limit: int | None = None, seed: int = 0
) -> tuple[Material, ...]:
    """The problems of a run, by domain.

    Args:
        domain: one of `DOMAINS`, several with commas, or None: all of the pocket world's, or that of the data.
        data: a path or a Hub name; `easy`, or some of its kinds (`easy:one-hop,capitals`); the pocket world's held-out
            problems if None or `pocket`.
        limit: problems of each domain, or easy kind, at the most.
        seed: which are drawn, where there are more.

    Raises:
        UserError: no such domain, or the data cannot be read, lack a column, or are of another domain.
    """
    wanted = tuple(dict.fromkeys(part.strip() for part in (domain or "").split(",") if part.strip() not in ("", "all")))
    if unknown := [name for name in wanted if name not in DOMAINS]:
        raise UserError(f"there is no domain {unknown[0]!r}; there are: {', '.join(DOMAINS)}")
    if data is None or data == POCKET:
        return tuple(pocket(name, limit or POCKET_LIMIT, seed) for name in DOMAINS if not wanted or name in wanted)
    if (kinds := easy_kinds(data)) is not None:
        return easy(kinds, [one for one in DOMAINS if not wanted or one in wanted], limit or EASY_LIMIT, seed)
    loaded = load(data, limit=limit, seed=seed)
    if wanted and wanted != (loaded.domain,):
        raise UserError(f"{loaded.source} holds {loaded.domain} problems ({loaded.format}), not {', '.join(wanted)}")
    unique = {problem.id: problem for problem in loaded.problems}
    return (
        Material(
            loaded.domain,
            tuple(unique.values()),
            loaded.source,
            loaded.sha256,
            loaded.rows,
            loaded.skipped,
            loaded.format,
        ),
    )


def easy_kinds(data: str | os.PathLike[str] | None) -> tuple[Kind, ...] | None:
    """The kinds that `easy` or `easy:one-hop,capitals` names; None for any other source.

    Raises:
        UserError: there is no such kind.
    """
    if data is None or str(data).partition(":")[0] != EASY or os.path.exists(data):
        return None
    names = tuple(dict.fromkeys(part.strip() for part in str(data).partition(":")[2].split(",") if part.strip()))
    if unknown := [name for name in names if name not in KINDS]:
        raise UserError(f"there are no easy problems of kind {unknown[0]!r}; there are: {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if not names or kind in names)


def easy(kinds: Sequence[Kind], domains: Sequence[Domain], count: int, seed: int) -> tuple[Material, ...]:
    """`count` easy problems of each kind, or all there are, by domain.

    Raises:
        UserError: none of the kinds is of one of the domains.
    """
    by_domain: dict[Domain, dict[Kind, tuple[Problem, ...]]] = {}
    for kind in kinds:
        problems = easy_problems(kind, count, seed)
        if problems[0].domain in domains:
            by_domain.setdefault(problems[0].domain, {})[kind] = problems
    if not by_domain:
        raise UserError(f"none of the easy kinds {', '.join(kinds)} is of the domain {', '.join(domains)}")
    materials = []
    for domain, chosen in by_domain.items():
        flat = tuple(problem for problems in chosen.values() for problem in problems)
        digest = hashlib.sha256("".join(f"{one.id}\n{one.prompt}\n" for one in flat).encode()).hexdigest()
        materials.append(Material(domain, flat, f"{EASY}:{','.join(chosen)}", digest, len(flat), format=EASY))
    return tuple(materials)


def pocket(domain: Domain, count: int, seed: int) -> Material:
    """`count` held-out questions of the pocket world without any constraint, each content once.

    Training never showed one of them, in any wording.
    """
    from adhere.models.pocket.world.reasoning import QUESTIONS

    rng = random.Random(f"sustain {domain} {seed}")
    problems: dict[str, Problem] = {}
    digest = hashlib.sha256()
    tries = 0
    while len(problems) < count:
        question = QUESTIONS[domain](rng, "test", 1.0)
        tries += 1
        if tries > 100 * count:
            raise UserError(f"the pocket world holds fewer than {count} {domain} problems; take a smaller --limit")
        if question.key in problems:
            continue
        problem = question.problem(question.prompt)
        problems[problem.id] = problem
        digest.update(f"{problem.id}\n{problem.prompt}\n".encode())
    return Material(domain, tuple(problems.values()), POCKET, digest.hexdigest(), count)
