"""What `adhere audit` shows: the page, and the terminal's short form of it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.cli.audit_parts import Audited
    from adhere.measure.adherence.audit import AuditResult
    from adhere.report.page import Section


def write(where: Path, audited: Audited, folder: Path, task_set: str, command: str) -> None:
    """The page, with a section for each part."""
    from adhere.report import page
    from adhere.report.sections import adherence, certificate

    measured = audited.measured
    sections = [adherence.section(measured.run, recompute=command)]
    if measured.certificate:
        sections.append(certificate.section(measured.certificate, recompute=command))
    if audited.enforced:
        from adhere.report.sections import enforced

        sections.append(enforced.section(audited.enforced, recompute=command))
    if audited.cost:
        from adhere.cli.sustain import section_of

        sections += [made for made in (section_of(audited.cost, command),) if made]
    if audited.explained:
        from adhere.report.sections.explain import sections as explaining

        sections += explaining(audited.explained, recompute=f"adhere explain {shlex.quote(measured.model)}")
    if audited.trained:
        from adhere.report.sections import modular

        sections.append(modular.section(audited.trained, recompute=command))
    lead = (
        f"Asked live: {len(measured.run.kept):,} prompts of the set {task_set}. Look at every sample with "
        f"inspect view --log-dir {folder / 'logs'}."
    )
    sections.append(_evidence(measured, where, command))
    page.write(where, page.render(f"Does {measured.model} do what it is told?", lead, sections, command=command))


def _evidence(measured: AuditResult, where: Path, command: str) -> Section:
    """Where the samples can be looked at, and how far a judge can be believed."""
    from adhere.report.numbers import between, percent
    from adhere.report.page import Block, Section, Table

    logs = tuple(
        (Path(log).parent.name, os.path.relpath(log, where.parent), f"inspect view --log-dir {Path(log).parent}")
        for log in measured.logs
    )
    blocks: list[Block] = [Table("Inspect logs", ("run", "file", "to look at every sample"), logs)]
    judged = [finding for finding in measured.findings if finding.what.startswith("judge.")]
    if judged:
        rows = tuple((one.what, percent(one.estimate), between(one.interval), str(one.n)) for one in judged)
        caption = "Beside the word lists on these answers, and against ten ways of arguing for a pass."
        blocks.append(Table("The judge", ("", "share", "95 %", "n"), rows, caption, command))
    return Section("evidence", "Evidence", "What the figures above rest on.", tuple(blocks))


def show(audited: Audited, where: Path, console: Console) -> None:
    """The same in the terminal, in short."""
    from adhere.cli.score_tables import percent, print_run

    measured = audited.measured
    print_run(measured.run, seed=0, console=console)
    if measured.errors:
        console.print(
            f"{measured.errors} prompts were not answered: their provider failed. The same command asks again."
        )
    if measured.certificate:
        console.print(str(measured.certificate))
    if audited.enforced:
        whole, tokens = audited.enforced.sides[0], audited.enforced.tokens
        console.print(
            f"Through the gateway {percent(whole.enforced.estimate)} % of {whole.enforced.n} prompts are followed "
            f"whole, bare {percent(whole.bare.estimate)} %, for {tokens.estimate:.2f} times the tokens."
        )
    for finding in measured.findings:
        if finding.what.startswith("judge.") and finding.estimate is not None:
            console.print(f"{finding.what}: {100 * finding.estimate:.1f} % of {finding.n} ({finding.unit})")
    subject = measured.run.tally.subjects()[0]
    skills = measured.run.tally.skills(subject)
    groups = skills or measured.run.tally.families(subject)
    name, rate = min(groups.items(), key=lambda item: item[1].estimate)
    console.print(
        f"Weakest: {name}, {percent(rate.estimate)} % of {rate.n}. The page shows where its answers broke: {where}",
        soft_wrap=True,
    )
    if audited.cost:
        from adhere.cli.sustain_tables import print_done

        print_done(audited.cost, console)
