"""`adhere monitor ...`: train the gateway's fast injection classifier, and score single texts with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.options import Json, Seed
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adhere.core.findings import Finding
    from adhere.gateway.monitors.training import Share, Study

app = typer.Typer(help="Train and read the gateway's injection classifier.", no_args_is_help=True)


@app.command("train")
def train(
    data: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with attack/ and benign/, or of the public sets.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The classifier's file (.npz).")],
    json_file: Json = None,
    seed: Seed = 0,
) -> None:
    """Train the fast classifier and measure it on attacks and harmless texts of kinds that it never saw."""
    from rich.progress import Progress

    from adhere.cli import console as output
    from adhere.core import findings
    from adhere.core.terminal import visible
    from adhere.gateway.monitors import corpora, training

    if out.suffix != ".npz":
        raise UserError(f"{out}: name a file that ends in .npz")
    collected = corpora.load(data)
    for name in corpora.missing(data):
        output.note(f"missing, left out: {name}")
    console = output.notices()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        kinds = [corpus.attack for corpus in collected]
        pairs = kinds.count(True) * kinds.count(False)
        work = progress.add_task("reading", total=len(collected) + training.FOLDS + pairs + 2)
        rows = training.table(collected)
        progress.advance(work)

        def step(what: str) -> None:
            progress.update(work, advance=1, description=f"without {what}" if "fold" not in what else what)

        studied = training.study(collected, rows, seed, step)
        model = training.train(collected, rows, studied, seed)
        progress.advance(work)
    model.save(out)
    command = f"adhere monitor train {data} --out {out} --seed {seed}"
    results = _findings(studied, command)
    _tables(studied)
    output.say(f"{visible(out)}: trained on {len(rows.of_text):,} texts; its card has thresholds for unseen sources")
    if json_file is not None:
        findings.write(json_file, results)
        output.note(f"{len(results)} findings: {json_file}")


def _findings(study: Study, command: str) -> list[Finding]:
    from adhere.core.findings import Finding
    from adhere.core.intervals import wilson

    groups = (
        ("monitor.recall", study.caught, "texts of an attack family left out of training"),
        ("monitor.false_alarm", study.alarms, "texts of a harmless source left out of training"),
        ("monitor.false_alarm.seen_threshold", study.alarms_seen, "texts of a harmless source left out of training"),
    )
    calibrated = [
        Finding(
            what="monitor.recall.calibrated",
            subject={
                "left_out": row.name,
                "false_alarm_rate": rate,
                "worst": row.worst,
                "worst_source": row.worst_source,
            },
            estimate=row.share,
            interval=wilson(row.share * row.n, row.n),
            n=row.n,
            unit="texts of an attack family left out of training together with the source that sets the threshold",
            recompute=command,
        )
        for rate, rows in study.calibrated.items()
        for row in rows
    ]
    return calibrated + [
        Finding(
            what=what,
            subject={"left_out": share.name, "false_alarm_rate": rate},
            estimate=share.met / share.n,
            interval=wilson(share.met, share.n),
            n=share.n,
            unit=unit,
            recompute=command,
        )
        for what, by_rate, unit in groups
        for rate, shares in by_rate.items()
        for share in shares
    ]


def _tables(study: Study) -> None:
    from adhere.cli import console as output
    from adhere.cli.tables.layout import Column, Table

    console = output.results()

    def columns(rates: Iterable[float]) -> list[Column]:
        shares = [Column(f"{rate:.0%}", number=True, rank=place) for place, rate in enumerate(rates)]
        return [Column("left out"), *shares, Column("n", number=True, rank=9)]

    title = "Attacks caught, family and source left out, threshold set on the source, at a false-alarm rate of"
    table = Table(title, columns(study.calibrated))
    for rows in zip(*study.calibrated.values(), strict=False):
        cells = [f"{_interval(row.share * row.n, row.n)} ({row.worst:.2f})" for row in rows]
        table.add(rows[0].name, *cells, f"{rows[0].n:,}")
    table.print(console)
    console.print()
    for title, groups in (
        ("Attacks caught, family left out of training, at a false-alarm rate on unseen sources of", study.caught),
        ("False alarms, source left out of training, at the threshold for", study.alarms),
        (
            "False alarms, source left out, at the threshold that holds on seen sources, for",
            study.alarms_seen,
        ),
    ):
        table = Table(title, columns(groups))
        for place, first in enumerate(next(iter(groups.values()))):
            cells = [_share(shares[place]) for shares in groups.values()]
            table.add(first.name, *cells, f"{first.n:,}")
        table.print(console)
        console.print()


def _share(share: Share) -> str:
    return _interval(share.met, share.n)


def _interval(met: float, n: int) -> str:
    from adhere.core.intervals import wilson

    low, high = wilson(met, n)
    return f"{met / n:.2f} [{low:.2f}, {high:.2f}]"


@app.command("read")
def read(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A classifier that `monitor train` wrote.")],
    texts: Annotated[list[Path] | None, typer.Argument(help="Files to score; standard input if none is named.")] = None,
) -> None:
    """Print the score of each text, and which of the card's thresholds it passes."""
    from adhere.cli import console as output
    from adhere.core.terminal import visible
    from adhere.gateway.monitors import classifier

    model = classifier.load(file)
    for path in texts or [Path("-")]:
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        score = model.score(text)
        passed = [rate for rate, threshold in model.card.get("thresholds", {}).items() if score >= threshold]
        line = f"above the threshold for {float(passed[0]):.0%} false alarms" if passed else "below all thresholds"
        output.say(f"{score:.4f}  {line}  {visible(path)}")
