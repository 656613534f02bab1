"""The skills that a model needs to keep constraints; every family names the one it asks for (`Constraint.skill`)."""

from __future__ import annotations

SKILLS = (
    "word_count",
    "character_count",
    "json",
    "inclusion",
    "exclusion",
    "topic",
    "sentiment",
    "register",
    "toxicity",
)
"""The nine skills of arXiv 2604.06015: structural, lexical, semantic, stylistic. A family may have none of them."""
