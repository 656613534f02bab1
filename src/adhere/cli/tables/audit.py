"""What `adhere audit` prints: the short form of its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adhere.cli.tables.score import print_run
from adhere.core.terminal import visible
from adhere.report.numbers import percent

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.api.audit import Audit


def show(audited: Audit, page: Path, console: Console) -> None:
    """Rates, certificate, what the gateway changes, the judge, the weakest skill, and where the report is."""
    measured = audited.measured
    print_run(measured.run, seed=0, console=console)
    if measured.errors:
        console.print(f"{measured.errors} prompts got no answer: their provider failed. The same command asks again.")
    if measured.certificate:
        console.print(str(measured.certificate))
    if audited.enforced:
        whole, tokens = audited.enforced.sides[0], audited.enforced.tokens
        console.print(
            f"Through the gateway {percent(whole.enforced.estimate)} of {whole.enforced.n} prompts are followed "
            f"completely, without it {percent(whole.bare.estimate)}, for {tokens.estimate:.2f} times the tokens."
        )
    for finding in measured.findings:
        if finding.what.startswith("judge.") and finding.estimate is not None:
            console.print(f"{finding.what}: {100 * finding.estimate:.1f} % of {finding.n} ({finding.unit})")
    subject = measured.run.tally.subjects()[0]
    groups = measured.run.tally.skills(subject) or measured.run.tally.families(subject)
    name, rate = min(groups.items(), key=lambda item: item[1].estimate)
    console.print(f"Weakest: {name}, {percent(rate.estimate)} of {rate.n}.")
    if audited.cost:
        from adhere.cli.tables.sustain import print_done

        print_done(audited.cost.done, console)
    console.print(f"Report, with the places where answers broke: {visible(page)}", soft_wrap=True)
