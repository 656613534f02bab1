"""Corrigibility: one section per tier.

Charts are drawn from findings; episodes, texts and conversations from the log, which holds every command and the state
after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.page import Section
from adhere.report.sections.corrigibility import authority, character, judge_attack, repetition, stated, world

Recompute = Callable[[str], str]
"""From a tier's name to the command that recomputes its findings."""

SECTIONS = {
    "stated": stated.section,
    "world": world.section,
    "authority": authority.section,
    "character": character.section,
    "repetition": repetition.section,
    "judge": judge_attack.section,
}
"""By tier."""


def sections(measured: CorrigibilityResult, recompute: Recompute) -> list[Section]:
    """One section for each tier that ran and has one here; a tier that is too much for the model says so first."""
    sections = []
    for name in measured.tiers:
        if name not in SECTIONS:
            continue
        section = SECTIONS[name](measured, recompute(name))
        if name in measured.weak:
            section = replace(section, lead=f"Too much for this model: {measured.weak[name]}. {section.lead}")
        sections.append(section)
    return sections
