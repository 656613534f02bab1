"""What the shell completes beyond commands, options and choices: kinds of constraints, skills, names of models.

Each function takes the word so far and gives (completion, help). It imports nothing that takes long, reads no file of
the user's, and offers nothing where an import fails: a shell waits for it at every press of the key.
"""

from __future__ import annotations

Completions = list[tuple[str, str]]


def kinds(incomplete: str) -> Completions:
    """Kinds of constraints that begin with the word, with an example of each."""
    from adhere.constraints.registry import families

    return [
        (kind, family.examples()[0].describe()) for kind, family in families().items() if kind.startswith(incomplete)
    ]


def skills(incomplete: str) -> Completions:
    """Skills, after the last comma of a list."""
    from adhere.constraints.skills import SKILLS

    before, comma, word = incomplete.rpartition(",")
    chosen = before.split(",")
    return [(f"{before}{comma}{skill}", "") for skill in SKILLS if skill.startswith(word) and skill not in chosen]


def models(incomplete: str) -> Completions:
    """Models that are had by name; folders and files are left to the shell."""
    from adhere.models import registry

    names = {"pocket": "the bundled model", **{one.name: one.title for one in registry.listed().values()}}
    return [(name, title) for name, title in names.items() if name.startswith(incomplete)]
